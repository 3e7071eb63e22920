// Package spill sets values aside while they wait for their turn: in memory while they are few, beyond that in a temporary file, so that what
// an account holds is never in memory as a whole. The file is readable by its owner only and has no name while it is used, where the
// operating system lets a file go without; it holds what a report or a snapshot holds, and no secret's value.
package spill

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// inMemory is how many bytes a store keeps before it begins a file, and packFrom from how many bytes on a value is compressed.
const (
	inMemory = 1 << 20
	packFrom = 1 << 10
)

// Store holds values. It is safe for several goroutines at once. The zero Store is empty; Close frees what it holds.
type Store struct {
	mu     sync.Mutex
	memory []byte
	file   *os.File
	name   string       // of a file that keeps its name until it is closed
	size   int64        // of memory and file together
	json   bytes.Buffer // of the value that is set aside
	packed bytes.Buffer
	packer *flate.Writer
}

// Ref is where a value is. The zero Ref is that of no value.
type Ref struct {
	end  int64
	size int32
	pack bool
}

// None says whether there is no value.
func (r Ref) None() bool { return r.size == 0 }

// Put sets a value aside, in the form of its JSON.
func (s *Store) Put(v any) (Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.json.Reset()
	if err := json.NewEncoder(&s.json).Encode(v); err != nil {
		return Ref{}, fmt.Errorf("setting aside what was read: %w", err)
	}
	data, packed := s.json.Bytes(), false
	if len(data) >= packFrom {
		var err error
		if data, err = s.pack(data); err != nil {
			return Ref{}, fmt.Errorf("setting aside what was read: %w", err)
		}
		packed = true
	}
	if err := s.append(data); err != nil {
		return Ref{}, fmt.Errorf("setting aside what was read: %w", err)
	}
	return Ref{end: s.size, size: int32(len(data)), pack: packed}, nil //nolint:gosec // a value is an answer of AWS's, far below 2 GiB
}

func (s *Store) pack(data []byte) ([]byte, error) {
	s.packed.Reset()
	if s.packer == nil {
		s.packer, _ = flate.NewWriter(&s.packed, flate.BestSpeed) // fails only for a level that there is not
	} else {
		s.packer.Reset(&s.packed)
	}
	_, err := s.packer.Write(data)
	err = errors.Join(err, s.packer.Close())
	return s.packed.Bytes(), err
}

func (s *Store) append(data []byte) error {
	if s.file == nil && len(s.memory)+len(data) > inMemory {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.file == nil {
		s.memory = append(s.memory, data...)
	} else if _, err := s.file.WriteAt(data, s.size-int64(len(s.memory))); err != nil {
		return err
	}
	s.size += int64(len(data))
	return nil
}

func (s *Store) open() error {
	file, err := os.CreateTemp("", "rotationguard-*") // mode 0600
	if err != nil {
		return err
	}
	s.file = file
	if os.Remove(file.Name()) != nil { // Windows removes no open file
		s.name = file.Name()
	}
	return nil
}

// reading is what reading a value takes: many are read, one after another.
type reading struct {
	data     []byte // as it was set aside
	text     bytes.Buffer
	unpacker io.Reader
}

var readings = sync.Pool{New: func() any { return &reading{unpacker: flate.NewReader(nil)} }}

// Get reads a value that was set aside.
func (s *Store) Get(r Ref, into any) error {
	if r.None() {
		return errors.New("reading what was set aside: there is no value")
	}
	reading := readings.Get().(*reading) //nolint:forcetypeassert // as New makes them
	defer readings.Put(reading)
	text, err := s.text(r, reading)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("reading what was set aside: %w", err)
	}
	return nil
}

// text is the JSON of a value, which holds until the reading is used again.
func (s *Store) text(r Ref, reading *reading) ([]byte, error) {
	reading.data = slices.Grow(reading.data[:0], int(r.size))[:r.size]
	s.mu.Lock()
	at, memory, file := r.end-int64(r.size), s.memory, s.file
	s.mu.Unlock()
	if r.end <= int64(len(memory)) {
		copy(reading.data, memory[at:r.end])
	} else if _, err := file.ReadAt(reading.data, at-int64(len(memory))); err != nil {
		return nil, err
	}
	if !r.pack {
		return reading.data, nil
	}
	err := reading.unpacker.(flate.Resetter).Reset(bytes.NewReader(reading.data), nil) //nolint:forcetypeassert // flate.NewReader says so
	if err != nil {
		return nil, err
	}
	reading.text.Reset()
	_, err = reading.text.ReadFrom(reading.unpacker)
	return reading.text.Bytes(), err
}

// Close frees what the store holds.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, name := s.file, s.name
	s.memory, s.file, s.name, s.size = nil, nil, "", 0
	if file == nil {
		return nil
	}
	err := file.Close()
	if name != "" {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

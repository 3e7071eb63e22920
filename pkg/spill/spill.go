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
	name   string // of a file that keeps its name until it is closed
	size   int64  // of memory and file together
	text   bytes.Buffer
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
	s.text.Reset()
	if err := json.NewEncoder(&s.text).Encode(v); err != nil {
		return Ref{}, fmt.Errorf("setting aside what was read: %w", err)
	}
	data, packed := s.text.Bytes(), false
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
	var out bytes.Buffer
	if s.packer == nil {
		s.packer, _ = flate.NewWriter(&out, flate.BestSpeed) // fails only for a level that there is not
	} else {
		s.packer.Reset(&out)
	}
	_, err := s.packer.Write(data)
	err = errors.Join(err, s.packer.Close())
	return out.Bytes(), err
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

// Get reads a value that was set aside.
func (s *Store) Get(r Ref, into any) error {
	data := make([]byte, r.size)
	s.mu.Lock()
	at, memory, file := r.end-int64(r.size), s.memory, s.file
	s.mu.Unlock()
	switch {
	case r.None():
		return errors.New("reading what was set aside: there is no value")
	case r.end <= int64(len(memory)):
		copy(data, memory[at:r.end])
	default:
		if _, err := file.ReadAt(data, at-int64(len(memory))); err != nil {
			return fmt.Errorf("reading what was set aside: %w", err)
		}
	}
	var in io.Reader = bytes.NewReader(data)
	if r.pack {
		in = flate.NewReader(in)
	}
	if err := json.NewDecoder(in).Decode(into); err != nil {
		return fmt.Errorf("reading what was set aside: %w", err)
	}
	return nil
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

package inventory

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// partLine is one line of a part: a secret as it was listed, in the first part only and before all else; the list of secrets that goes with the groups
// behind it; a group; what was read ahead of the groups of the next part; or the end.
type partLine struct {
	Secret *rotation.Secret  `json:"secret,omitempty"`
	Listed *rotation.Listing `json:"listed,omitempty"`
	Group  *rotation.Group   `json:"group,omitempty"`
	Ahead  *rotation.Ahead   `json:"ahead,omitempty"`
	End    *partEnd          `json:"end,omitempty"`
}

// partEnd says that a part is whole, and whether it reaches the end of the account.
type partEnd struct {
	Groups int  `json:"groups"`
	Last   bool `json:"last"`
}

// PartWriter stores groups as they are read, so that another process can go on behind them. Like a snapshot it has no field for a secret's
// value.
type PartWriter struct {
	zip    *gzip.Writer
	out    *json.Encoder
	listed *rotation.Listing
	groups int
}

// NewPartWriter makes a writer of one part.
func NewPartWriter(w io.Writer) *PartWriter {
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a good one
	return &PartWriter{zip: z, out: json.NewEncoder(z)}
}

// List stores a secret as it was listed.
func (p *PartWriter) List(s *rotation.Secret) error {
	if err := p.out.Encode(partLine{Secret: s}); err != nil {
		return fmt.Errorf("storing what was listed: %w", err)
	}
	return nil
}

// Add stores a group.
func (p *PartWriter) Add(g *rotation.Group) error {
	if g.Listed != nil && g.Listed != p.listed {
		p.listed = g.Listed
		if err := p.out.Encode(partLine{Listed: g.Listed}); err != nil {
			return fmt.Errorf("storing what was read: %w", err)
		}
	}
	p.groups++
	if err := p.out.Encode(partLine{Group: g}); err != nil {
		return fmt.Errorf("storing what was read: %w", err)
	}
	return nil
}

// Ahead stores what was read ahead.
func (p *PartWriter) Ahead(a *rotation.Ahead) error {
	if err := p.out.Encode(partLine{Ahead: a}); err != nil {
		return fmt.Errorf("storing what was read ahead: %w", err)
	}
	return nil
}

// Groups is how many groups were stored.
func (p *PartWriter) Groups() int { return p.groups }

// Close ends the part; last says that there is nothing behind it.
func (p *PartWriter) Close(last bool) error {
	if err := errors.Join(p.out.Encode(partLine{End: &partEnd{p.groups, last}}), p.zip.Close()); err != nil {
		return fmt.Errorf("storing what was read: %w", err)
	}
	return nil
}

// lines gives the lines of a part, and an error where it is cut off or damaged, to whom does not stop before.
func lines(r io.Reader) iter.Seq2[*partLine, error] {
	return func(yield func(*partLine, error) bool) {
		z, err := gzip.NewReader(r)
		if err != nil {
			yield(nil, err)
			return
		}
		for in := json.NewDecoder(bufio.NewReader(z)); ; {
			line := &partLine{}
			if err := in.Decode(line); err != nil {
				yield(nil, err)
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// ReadListed gives the secrets that the first part has listed. What is no whole list of the account ends in an error.
func ReadListed(r io.Reader) iter.Seq2[rotation.Secret, error] {
	return func(yield func(rotation.Secret, error) bool) {
		read := 0
		for line, err := range lines(r) {
			switch {
			case err == nil && line.Secret != nil:
				if read++; !yield(*line.Secret, nil) {
					return
				}
				continue
			case err == nil && line.Listed != nil && read >= len(line.Listed.Secrets): // a list may have a secret twice
				return
			case err == nil:
				err = errors.New("it is not whole")
			}
			yield(rotation.Secret{}, fmt.Errorf("reading what an earlier part has listed: %w", err))
			return
		}
	}
}

// ReadAhead gives what a part has read ahead of the next one's groups.
func ReadAhead(r io.Reader) iter.Seq2[rotation.Ahead, error] {
	return func(yield func(rotation.Ahead, error) bool) {
		for line, err := range lines(r) {
			switch {
			case err != nil:
				yield(rotation.Ahead{}, fmt.Errorf("reading what an earlier part has read ahead: %w", err))
				return
			case line.End != nil:
				return
			case line.Ahead != nil && !yield(*line.Ahead, nil):
				return
			}
		}
	}
}

// ReadPart gives the groups of a part as they were read, and sets last at its end. A part that was cut off or is damaged ends in an error.
func ReadPart(r io.Reader, last *bool) iter.Seq2[rotation.Group, error] {
	return func(yield func(rotation.Group, error) bool) {
		fail := func(err error) { yield(rotation.Group{}, fmt.Errorf("reading what an earlier part has read: %w", err)) }
		var listed *rotation.Listing
		groups := 0
		for line, err := range lines(r) {
			if err != nil {
				fail(err)
				return
			}
			switch {
			case line.Secret != nil || line.Ahead != nil:
			case line.Listed != nil:
				listed = line.Listed
			case line.Group != nil:
				g := *line.Group
				g.Listed = listed
				for i := range g.Setups {
					parse(&g.Setups[i])
				}
				if groups++; !yield(g, nil) {
					return
				}
			case line.End != nil && line.End.Groups == groups:
				*last = line.End.Last
				return
			default:
				fail(errors.New("it is not whole"))
				return
			}
		}
	}
}

// parse reads the documents of a setup again.
func parse(s *rotation.Setup) {
	for p := range policies(s) {
		p.Parse()
	}
	for declared, master := range s.Masters {
		master.Policy.Parse()
		s.Masters[declared] = master
	}
	for id, key := range s.Keys {
		key.Policy.Parse()
		s.Keys[id] = key
	}
}

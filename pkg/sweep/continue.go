package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// ErrCut is how a sweep ends that had no time left to end: what it has read is in its Continuation's Part, and a sweep with that as an earlier
// part goes on behind it. Nothing was written, and no finding remembered.
var ErrCut = errors.New("the sweep was cut to be continued")

// Continuation lets a sweep stop at a place from which another process goes on. The parts together are one sweep: the last judges, plans,
// writes and reports what all of them have read.
type Continuation struct {
	// Until is when reading stops, and EndBy the last moment at which what follows it begins: later, it is left to the next part, which has
	// time for it. The zero EndBy is any.
	Until, EndBy time.Time
	// Started is when the first part began; zero: this is the first.
	Started time.Time
	// Earlier opens what the earlier parts have read, in order.
	Earlier []func(context.Context) (io.ReadCloser, error)
	// Part takes what this part reads.
	Part io.Writer

	out     *inventory.PartWriter
	seen    map[rotation.ARN]bool         // secrets
	roles   map[rotation.ARN]rotation.ARN // of functions
	after   string
	whole   bool // everything was read
	pending int  // secrets that were listed and are in no group
}

// Groups is how many groups this part has read. A part that has read none would only be repeated by the next one.
func (c *Continuation) Groups() int {
	if c == nil || c.out == nil {
		return 0
	}
	return c.out.Groups()
}

// groups are what the earlier parts have read and what stands behind that. Earlier parts are read before a call is made.
func (s *Sweeper) groups(ctx context.Context, scope rotation.Scope) iter.Seq2[rotation.Group, error] {
	c := s.Continue
	if c == nil {
		return s.Source.Groups(ctx, scope)
	}
	return func(yield func(rotation.Group, error) bool) {
		c.out, c.after, c.whole, c.pending = inventory.NewPartWriter(c.Part), "", false, 0
		c.seen, c.roles = map[rotation.ARN]bool{}, map[rotation.ARN]rotation.ARN{}
		var listed *rotation.Listing
		stopped := false
		give := func(g rotation.Group, err error) bool {
			if err == nil {
				listed, c.after = g.Listed, g.Key()
				for i := range g.Setups {
					if f := &g.Setups[i].Function; f.ARN != "" {
						c.roles[f.ARN] = f.Role
					}
					for k := range g.Setups[i].Secrets {
						c.seen[g.Setups[i].Secrets[k].ARN] = true
					}
				}
			}
			stopped = !yield(g, err) || err != nil
			return !stopped
		}
		for _, open := range c.Earlier {
			if c.earlier(ctx, open, s.ours(give)); stopped {
				return
			}
		}
		if !c.whole {
			if c.live(ctx, s, scope, give); stopped {
				return
			}
		}
		if listed != nil && len(c.Earlier) > 0 && scope.All() {
			for _, secret := range listed.Secrets {
				if !c.seen[secret] {
					c.pending++
				}
			}
		}
	}
}

// ours lets only groups of the swept account and Region through.
func (s *Sweeper) ours(give func(rotation.Group, error) bool) func(rotation.Group, error) bool {
	return func(g rotation.Group, err error) bool {
		for i := range g.Setups {
			if setup := &g.Setups[i]; setup.Account != s.Account || setup.Region != s.Region {
				return give(rotation.Group{}, fmt.Errorf("continuing the sweep: an earlier part is of account %s in %s", rotation.OneLine(setup.Account), rotation.OneLine(setup.Region)))
			}
		}
		return give(g, err)
	}
}

// earlier gives what one earlier part has read.
func (c *Continuation) earlier(ctx context.Context, open func(context.Context) (io.ReadCloser, error), give func(rotation.Group, error) bool) {
	part, err := open(ctx)
	if err != nil {
		give(rotation.Group{}, fmt.Errorf("continuing the sweep: %w", err))
		return
	}
	defer func() { _ = part.Close() }()
	for g, err := range inventory.ReadPart(part, &c.whole) {
		if !give(g, err) {
			return
		}
	}
}

// live reads on behind the earlier parts and stores what it reads, until the time for reading is over.
func (c *Continuation) live(ctx context.Context, s *Sweeper, scope rotation.Scope, give func(rotation.Group, error) bool) {
	reading, cancel := context.WithDeadline(ctx, c.Until)
	defer cancel()
	scope.After, scope.Seen, scope.Roles, scope.InOrder = c.after, c.seen, c.roles, true
	if n := len(c.Earlier); n > 0 {
		scope.Listed = read(reading, c.Earlier[0], inventory.ReadListed)
		scope.Ahead = read(reading, c.Earlier[n-1], inventory.ReadAhead)
	} else {
		scope.OnListed = c.out.List
	}
	cut := false
	var unkept error
	over := func() bool {
		cut = cut || reading.Err() != nil && ctx.Err() == nil
		return cut
	}
	scope.OnAhead = func(a *rotation.Ahead) error {
		if over() && !c.seen[a.Secret] {
			unkept = cmp.Or(unkept, c.out.Ahead(a))
		}
		return unkept
	}
	for g, err := range s.Source.Groups(reading, scope) {
		if err != nil && over() { // whatever the last call said
			break
		}
		if err == nil {
			err = c.out.Add(&g)
		}
		if !give(g, err) {
			return
		}
		if over() {
			break
		}
	}
	switch {
	case unkept != nil:
		give(rotation.Group{}, unkept)
	case cut:
		give(rotation.Group{}, c.cut(false))
	default:
		c.whole = true
	}
}

// read gives what reader finds in a part.
func read[T any](ctx context.Context, open func(context.Context) (io.ReadCloser, error), reader func(io.Reader) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		part, err := open(ctx)
		if err != nil {
			var none T
			yield(none, fmt.Errorf("continuing the sweep: %w", err))
			return
		}
		defer func() { _ = part.Close() }()
		reader(part)(yield)
	}
}

// cut ends the part.
func (c *Continuation) cut(last bool) error {
	if err := c.out.Close(last); err != nil {
		return err
	}
	return ErrCut
}

// late says whether what follows the reading had better be done by the next part, which reads nothing but what the parts have stored.
func (c *Continuation) late(now time.Time) bool {
	return c != nil && !c.EndBy.IsZero() && now.After(c.EndBy) && c.Groups() > 0
}

// started is when the sweep began.
func (c *Continuation) started(now time.Time) time.Time {
	if c == nil || c.Started.IsZero() {
		return now
	}
	return c.Started
}

// unread says what moved between the parts so that none of them has read it. The next sweep does.
func (c *Continuation) unread(outcome *report.Outcome) bool {
	if c == nil || c.pending == 0 {
		return false
	}
	outcome.Errors = append(outcome.Errors, report.Error{Resource: report.WholeSweep, Message: fmt.Sprintf(
		"%d secrets came to another function or role while the sweep was continued in parts, and were not read; the next sweep reads them", c.pending)})
	return true
}

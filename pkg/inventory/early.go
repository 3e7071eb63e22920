package inventory

import (
	"context"
	"sync"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// earlyWorkers is how many calls of each kind are made at once before the account is listed.
const earlyWorkers = 8

// early reads, while the account is still being listed, what will be needed of it in any case: a list can only be read page by page, and no
// quota should wait for it. It reads what the listing's time allows; the rest is read with its group.
type early struct {
	run *run
	ctx context.Context //nolint:containedctx // that of the reading, whose end is this one's

	mu       sync.Mutex
	more     *sync.Cond
	ended    bool
	workers  sync.WaitGroup
	err      error
	known    map[rotation.ARN]bool           // functions that are queued, read or being read
	busy     map[rotation.ARN]bool           // functions whose configuration is being read
	taken    map[rotation.ARN]bool           // functions whose configuration somebody else reads
	waits    map[rotation.ARN][]rotation.ARN // secrets of functions whose configuration is not read yet
	read     map[rotation.ARN]earlyFunction
	policies map[rotation.ARN]spill.Ref // of functions
	queues   [3][]rotation.ARN
	changed  map[rotation.ARN]int64 // of secrets that are queued or wait
}

// What is read early, in the order in which one leads to the other.
const (
	earlyConfiguration = iota
	earlyFunctionPolicy
	earlySecretPolicy
)

type earlyFunction struct {
	function rotation.Function
	settled  bool
}

func newEarly(ctx context.Context, r *run) *early {
	e := &early{run: r, ctx: ctx, known: map[rotation.ARN]bool{}, busy: map[rotation.ARN]bool{}, taken: map[rotation.ARN]bool{}, waits: map[rotation.ARN][]rotation.ARN{}, read: map[rotation.ARN]earlyFunction{}, policies: map[rotation.ARN]spill.Ref{}, changed: map[rotation.ARN]int64{}}
	e.more = sync.NewCond(&e.mu)
	return e
}

// add takes what a listed secret leads to.
func (e *early) add(w *waiting) {
	if e == nil || w.function == "" || !w.checked || !isFunction(w.function) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known[w.function] {
		if len(e.known) == 0 {
			for kind := range e.queues {
				for range earlyWorkers {
					e.workers.Go(func() { e.work(kind) })
				}
			}
		}
		e.known[w.function] = true
		e.queues[earlyConfiguration] = append(e.queues[earlyConfiguration], w.function)
	}
	e.changed[w.arn] = w.changed
	if f, ok := e.read[w.function]; !ok {
		e.waits[w.function] = append(e.waits[w.function], w.arn)
	} else if f.function.Presence == rotation.Present {
		e.queues[earlySecretPolicy] = append(e.queues[earlySecretPolicy], w.arn)
	}
	e.more.Broadcast()
}

// changedOf is when a secret that was queued was last changed.
func (e *early) changedOf(arn rotation.ARN) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.changed[arn]
	delete(e.changed, arn)
	return changed
}

func (e *early) work(kind int) {
	for {
		arn, ok := e.next(kind)
		if !ok {
			return
		}
		var err error
		switch kind {
		case earlyConfiguration:
			err = e.configuration(arn)
		case earlyFunctionPolicy:
			err = e.functionPolicy(arn)
		case earlySecretPolicy:
			_, err = e.run.ownPolicy(e.ctx, arn, e.changedOf(arn))
		}
		if err != nil {
			e.mu.Lock()
			if e.err == nil {
				e.err = err
			}
			e.ended = true
			e.more.Broadcast()
			e.mu.Unlock()
		}
	}
}

func (e *early) next(kind int) (rotation.ARN, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		for !e.ended && len(e.queues[kind]) == 0 {
			e.more.Wait()
		}
		if e.ended {
			return "", false
		}
		arn := e.queues[kind][0]
		e.queues[kind] = e.queues[kind][1:]
		if kind != earlyConfiguration {
			return arn, true
		}
		if !e.taken[arn] {
			e.busy[arn] = true
			return arn, true
		}
	}
}

func (e *early) configuration(arn rotation.ARN) error {
	f, settled, err := e.run.configuration(e.ctx, arn)
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.more.Broadcast()
	delete(e.busy, arn)
	if err != nil {
		return err
	}
	e.read[arn] = earlyFunction{f, settled}
	secrets := e.waits[arn]
	delete(e.waits, arn)
	if f.Presence != rotation.Absent {
		e.queues[earlyFunctionPolicy] = append(e.queues[earlyFunctionPolicy], arn)
	}
	if f.Presence == rotation.Present {
		e.queues[earlySecretPolicy] = append(e.queues[earlySecretPolicy], secrets...)
	}
	return nil
}

func (e *early) functionPolicy(arn rotation.ARN) error {
	p, err := e.run.functionPolicy(e.ctx, arn)
	if err != nil {
		return err
	}
	at, err := e.run.store.Put(p)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.policies[arn] = at
	return nil
}

// stop ends it, once what is under way has been read, and answers with the error that ends the whole reading.
func (e *early) stop() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	e.ended = true
	e.more.Broadcast()
	e.mu.Unlock()
	e.workers.Wait()
	return e.err
}

// configured is a function's configuration, as it was read early or is read now; settled says that it was changed long ago.
func (r *run) configured(ctx context.Context, arn rotation.ARN) (f rotation.Function, settled bool, err error) {
	if e := r.early; e != nil {
		e.mu.Lock()
		for e.busy[arn] {
			e.more.Wait()
		}
		read, ok := e.read[arn]
		delete(e.read, arn)
		e.taken[arn] = true
		e.mu.Unlock()
		if ok {
			return read.function, read.settled, nil
		}
	}
	return r.configuration(ctx, arn)
}

// functionPolicyOnce is a function's policy, as it was read early or is read now.
func (r *run) functionPolicyOnce(ctx context.Context, arn rotation.ARN) (rotation.Policy, error) {
	if e := r.early; e != nil {
		e.mu.Lock()
		at, ok := e.policies[arn]
		delete(e.policies, arn)
		e.mu.Unlock()
		if ok {
			var p rotation.Policy
			err := r.store.Get(at, &p)
			p.Parse()
			return p, err
		}
	}
	return r.functionPolicy(ctx, arn)
}

// ownPolicy is the resource policy of a secret that was last changed at a moment: read once, or known to be none.
func (r *run) ownPolicy(ctx context.Context, arn rotation.ARN, changed int64) (rotation.Policy, error) {
	return r.own.get(arn, func() (rotation.Policy, error) {
		if r.marking && r.reader.proven(arn, changed) {
			return rotation.Policy{Source: rotation.PolicySecret, Presence: rotation.Absent}, nil
		}
		p, err := r.secretPolicy(ctx, arn)
		if err == nil && r.marking {
			r.reader.note(arn, changed, &p)
		}
		return p, err
	})
}

// changedOf is when a secret was last changed, in Unix seconds; 0 where nobody knows.
func changedOf(s *rotation.Secret) int64 {
	if s.LastChanged == nil || len(s.Gaps) > 0 {
		return 0
	}
	return s.LastChanged.Unix()
}

// settledAfter is how long after a function's last change its tags are taken to stand in the index of all tagged resources too.
const settledAfter = time.Hour

// secretPolicies are secrets' resource policies, each read once and set aside.
type secretPolicies struct {
	store *spill.Store
	mu    sync.Mutex
	cells map[rotation.ARN]*policyCell
}

type policyCell struct {
	once sync.Once
	at   spill.Ref // none: there is no policy
	err  error
}

func (p *secretPolicies) get(arn rotation.ARN, read func() (rotation.Policy, error)) (rotation.Policy, error) {
	p.mu.Lock()
	c := p.cells[arn]
	if c == nil {
		if p.cells == nil {
			p.cells = map[rotation.ARN]*policyCell{}
		}
		c = &policyCell{}
		p.cells[arn] = c
	}
	p.mu.Unlock()
	policy := rotation.Policy{Source: rotation.PolicySecret, Presence: rotation.Absent}
	first := false
	c.once.Do(func() {
		first = true
		policy, c.err = read()
		if c.err == nil && (policy.Presence != rotation.Absent || policy.Gap != nil) {
			c.at, c.err = p.store.Put(policy)
		}
	})
	switch {
	case c.err != nil || first || c.at.None():
		return policy, c.err
	}
	err := p.store.Get(c.at, &policy)
	policy.Parse()
	return policy, err
}

package inventory

import (
	"context"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

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

// secretPolicies are secrets' resource policies, each read once and set aside.
type secretPolicies struct {
	store *spill.Store
	mu    sync.Mutex
	read  map[rotation.ARN]spill.Ref // none: there is no policy
	busy  map[rotation.ARN]*reading
}

// reading is a policy that is being read.
type reading struct {
	done   chan struct{}
	policy rotation.Policy
	err    error
}

func (p *secretPolicies) get(arn rotation.ARN, read func() (rotation.Policy, error)) (rotation.Policy, error) {
	p.mu.Lock()
	if at, ok := p.read[arn]; ok {
		p.mu.Unlock()
		return p.stored(at)
	}
	if other := p.busy[arn]; other != nil {
		p.mu.Unlock()
		<-other.done
		return other.policy, other.err
	}
	mine := &reading{done: make(chan struct{})}
	if p.busy == nil {
		p.busy, p.read = map[rotation.ARN]*reading{}, map[rotation.ARN]spill.Ref{}
	}
	p.busy[arn] = mine
	p.mu.Unlock()
	var at spill.Ref
	if mine.policy, mine.err = read(); mine.err == nil {
		at, mine.err = p.put(&mine.policy)
	}
	p.mu.Lock()
	delete(p.busy, arn)
	if mine.err == nil {
		p.read[arn] = at
	}
	p.mu.Unlock()
	close(mine.done)
	return mine.policy, mine.err
}

// put sets a policy aside, and stored reads it again.
func (p *secretPolicies) put(policy *rotation.Policy) (spill.Ref, error) {
	if policy.Presence == rotation.Absent && policy.Gap == nil {
		return spill.Ref{}, nil
	}
	return p.store.Put(policy)
}

func (p *secretPolicies) stored(at spill.Ref) (rotation.Policy, error) {
	policy := rotation.Policy{Source: rotation.PolicySecret, Presence: rotation.Absent}
	if at.None() {
		return policy, nil
	}
	err := p.store.Get(at, &policy)
	policy.Parse()
	return policy, err
}

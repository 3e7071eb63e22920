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

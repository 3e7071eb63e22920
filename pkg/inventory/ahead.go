package inventory

import (
	"iter"
	"maps"
	"slices"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// handOver gives what was read ahead for groups that nobody has asked for any more. Nothing is being read.
func (e *early) handOver(take func(*rotation.Ahead) error) error {
	if e == nil || take == nil {
		return nil
	}
	if len(e.roles) > 0 {
		if err := take(&rotation.Ahead{Roles: e.roles}); err != nil {
			return err
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(e.functions)) {
		f := e.functions[arn]
		if !f.configuration.done || f.configuration.err != nil {
			continue
		}
		ahead := rotation.Ahead{Function: f.function, Settled: f.settled, Tagged: f.function.Tags != nil}
		if f.policy.done && f.policy.err == nil {
			ahead.Policy = &rotation.Policy{}
			if err := e.run.store.Get(f.at, ahead.Policy); err != nil {
				return err
			}
		}
		if err := take(&ahead); err != nil {
			return err
		}
	}
	return e.run.own.handOver(take)
}

// recall takes what an earlier part of the run has handed over.
func (e *early) recall(handed iter.Seq2[rotation.Ahead, error]) error {
	for ahead, err := range handed {
		if err != nil {
			return err
		}
		if ahead.Roles != nil {
			e.roles = ahead.Roles
			continue
		}
		if ahead.Function == nil {
			if err := e.run.own.recall(&ahead); err != nil {
				return err
			}
			continue
		}
		f := &earlyFunction{configuration: earlyRead{begun: true, done: true}, function: ahead.Function, settled: ahead.Settled}
		if ahead.Tagged && f.function.Tags == nil {
			f.function.Tags = map[string]string{}
		}
		switch {
		case ahead.Policy != nil:
			f.policy = earlyRead{begun: true, done: true}
			if f.at, err = e.run.store.Put(ahead.Policy); err != nil {
				return err
			}
		case f.function.Presence != rotation.Absent:
			e.policies = append(e.policies, f.function.ARN)
		}
		e.functions[f.function.ARN] = f
	}
	return nil
}

// given forgets what was read of functions whose group has been given.
func (e *early) given(g *rotation.Group) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range g.Setups {
		delete(e.functions, g.Setups[i].Function.ARN)
	}
}

func (p *secretPolicies) handOver(take func(*rotation.Ahead) error) error {
	for _, arn := range slices.Sorted(maps.Keys(p.read)) {
		policy, err := p.stored(p.read[arn])
		if err == nil {
			err = take(&rotation.Ahead{Secret: arn, Policy: &policy})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *secretPolicies) recall(ahead *rotation.Ahead) error {
	at, err := p.put(ahead.Policy)
	if p.read == nil {
		p.busy, p.read = map[rotation.ARN]*reading{}, map[rotation.ARN]spill.Ref{}
	}
	p.read[ahead.Secret] = at
	return err
}

// listed keeps the roles of functions as they were listed, and roleOf gives one.
func (e *early) listed(roles map[rotation.ARN]rotation.ARN) {
	if e == nil {
		return
	}
	if e.roles == nil {
		e.roles = map[rotation.ARN]rotation.ARN{}
	}
	maps.Copy(e.roles, roles)
}

func (e *early) roleOf(function rotation.ARN) (rotation.ARN, bool) {
	if e == nil {
		return "", false
	}
	role, ok := e.roles[function]
	return role, ok
}

package inventory

import (
	"context"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// earlyWorkers is how many calls of each kind are made at once ahead of the groups.
const earlyWorkers = 8

// early reads what will be needed of the account in any case, from its first listed page on: no quota should wait for a list, which can only be
// read page by page, nor for the groups, which are judged one after another. What a group needs before its turn has come here, the group
// reads itself.
type early struct {
	run    *run
	ctx    context.Context //nolint:containedctx // that of the reading, whose end is this one's
	cancel context.CancelFunc

	mu        sync.Mutex
	more      *sync.Cond
	started   bool
	ended     bool
	workers   sync.WaitGroup
	functions map[rotation.ARN]*earlyFunction
	roles     map[rotation.ARN]rotation.ARN // of listed functions

	configurations, policies []rotation.ARN
	secrets                  []earlySecret
}

// earlyFunction is a function that a secret with a verdict names.
type earlyFunction struct {
	configuration, policy earlyRead
	secrets               []earlySecret // whose policies are read once its configuration is

	function *rotation.Function // once its configuration is read
	settled  bool
	at       spill.Ref // of its policy
}

type earlySecret struct {
	arn     rotation.ARN
	changed int64
}

// earlyRead is how far one call has come.
type earlyRead struct {
	begun, done bool
	err         error
}

func newEarly(ctx context.Context, r *run) *early {
	ctx, cancel := context.WithCancel(ctx)
	e := &early{run: r, ctx: ctx, cancel: cancel, functions: map[rotation.ARN]*earlyFunction{}}
	e.more = sync.NewCond(&e.mu)
	return e
}

// add takes what a listed secret leads to; more says that the list goes on, without which reading early begins with nothing.
func (e *early) add(w *waiting, more bool) {
	if e == nil || w.external || w.owner == "" || !w.checked || !isFunction(w.owner) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.started && more {
		e.started = true
		for _, work := range []func() bool{e.nextConfiguration, e.nextPolicy, e.nextSecret} {
			for range earlyWorkers {
				e.workers.Go(func() {
					for work() {
					}
				})
			}
		}
	}
	f := e.functions[w.owner]
	if f == nil {
		f = &earlyFunction{}
		e.functions[w.owner] = f
		e.configurations = append(e.configurations, w.owner)
	}
	secret := earlySecret{w.arn, w.changed}
	switch {
	case !f.configuration.done:
		f.secrets = append(f.secrets, secret)
	case f.function.Presence == rotation.Present:
		e.secrets = append(e.secrets, secret)
	}
	e.more.Broadcast()
}

// inOrder lets the configurations that are left be read in the order in which the units will be asked for.
func (e *early) inOrder(units []*unit) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.configurations = nil
	for _, u := range units {
		if f := e.functions[u.arn]; f != nil && !f.configuration.begun {
			e.configurations = append(e.configurations, u.arn)
		}
	}
	e.more.Broadcast()
}

// pop takes the first of a queue once there is one; false: there will be none any more.
func pop[T any](e *early, queue *[]T) (first T, ok bool) {
	for !e.ended && len(*queue) == 0 {
		e.more.Wait()
	}
	if e.ended {
		return first, false
	}
	first = (*queue)[0]
	*queue = (*queue)[1:]
	return first, true
}

func (e *early) nextConfiguration() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	arn, ok := pop(e, &e.configurations)
	if f := e.functions[arn]; ok && f != nil && !f.configuration.begun {
		e.configure(e.ctx, arn, f)
	}
	return ok
}

func (e *early) nextPolicy() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	arn, ok := pop(e, &e.policies)
	if f := e.functions[arn]; ok && f != nil && !f.policy.begun {
		e.readPolicy(e.ctx, f, arn)
	}
	return ok
}

func (e *early) nextSecret() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	secret, ok := pop(e, &e.secrets)
	if ok {
		e.mu.Unlock()
		_, err := e.run.ownPolicy(e.ctx, secret.arn, secret.changed)
		e.mu.Lock()
		e.ended = e.ended || err != nil // the secret's group has the same error
	}
	return ok
}

// while makes a call with the lock free, and tells those who wait for it.
func (e *early) while(read *earlyRead, call func() error) {
	read.begun = true
	e.mu.Unlock()
	err := call()
	e.mu.Lock()
	read.done, read.err = true, err
	e.ended = e.ended || err != nil // the function's group has the same error
	e.more.Broadcast()
}

// configure reads a function's configuration, with which its policy and those of its secrets are worth reading.
func (e *early) configure(ctx context.Context, arn rotation.ARN, f *earlyFunction) {
	e.while(&f.configuration, func() error {
		function, settled, err := e.run.configuration(ctx, arn)
		f.function, f.settled = &function, settled
		return err
	})
	if f.configuration.err != nil {
		return
	}
	if f.function.Presence != rotation.Absent {
		e.policies = append(e.policies, arn)
	}
	if f.function.Presence == rotation.Present {
		e.secrets = append(e.secrets, f.secrets...)
	}
	f.secrets = nil
}

func (e *early) readPolicy(ctx context.Context, f *earlyFunction, arn rotation.ARN) {
	e.while(&f.policy, func() error {
		p, err := e.run.functionPolicy(ctx, arn)
		if err == nil {
			f.at, err = e.run.store.Put(p)
		}
		return err
	})
}

// wait waits for a call that is under way.
func (e *early) wait(read *earlyRead) {
	for read.begun && !read.done {
		e.more.Wait()
	}
}

// stop ends it. What is under way is given up: it is for groups that nobody asks for.
func (e *early) stop() {
	if e == nil {
		return
	}
	e.mu.Lock()
	e.ended = true
	e.more.Broadcast()
	e.mu.Unlock()
	e.cancel()
	e.workers.Wait()
}

// configured is a function's configuration, as it was read early or is read now; settled says that it was changed long ago.
func (r *run) configured(ctx context.Context, arn rotation.ARN) (f rotation.Function, settled bool, err error) {
	e := r.early
	if e == nil {
		return r.configuration(ctx, arn)
	}
	e.mu.Lock()
	known := e.functions[arn]
	if known == nil {
		e.mu.Unlock()
		return r.configuration(ctx, arn)
	}
	defer e.mu.Unlock()
	if e.wait(&known.configuration); !known.configuration.begun {
		e.configure(ctx, arn, known)
	}
	return *known.function, known.settled, known.configuration.err
}

// functionPolicyOnce is a function's policy, as it was read early or is read now. It is kept until its group has been given.
func (r *run) functionPolicyOnce(ctx context.Context, arn rotation.ARN) (rotation.Policy, error) {
	e := r.early
	if e == nil {
		return r.functionPolicy(ctx, arn)
	}
	e.mu.Lock()
	known := e.functions[arn]
	if known == nil {
		e.mu.Unlock()
		return r.functionPolicy(ctx, arn)
	}
	if e.wait(&known.policy); !known.policy.begun {
		e.readPolicy(ctx, known, arn)
	}
	at, err := known.at, known.policy.err
	e.mu.Unlock()
	var p rotation.Policy
	if err == nil {
		err = r.store.Get(at, &p)
		p.Parse()
	}
	return p, err
}

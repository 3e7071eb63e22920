package inventory

import (
	"context"
	"iter"
	"maps"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// concurrency is how many things are read at once; more would only queue at AWS's quotas.
const concurrency = 16

// Options are the settings of a Reader. The zero value reads one account at half of AWS's quotas.
type Options struct {
	Rules rotation.Rules

	// QuotaShare is the part of AWS's request quotas to use, 0 to 1; 0 means one half. Rates are quotas that are not the published ones, in
	// calls a second, by the names of the configuration. Unthrottled lifts all others, for an emulator.
	QuotaShare  float64
	Rates       map[string]float64
	Unthrottled bool
	// UseGetFunction reads functions with GetFunction: a wider quota, and tags with it, for a code URL that is dropped.
	UseGetFunction bool

	// Member gives the clients for another account, where functions or keys of this account's secrets live; ok is false for an
	// account that no role is configured for. Nil: no other account is read.
	Member func(ctx context.Context, account string) (clients Clients, ok bool, err error)

	// Account is the clients' own account, where it is known; else it is that of the first secret.
	Account string

	// AllQualifiers reads also the function policies at versions and aliases that no secret names.
	AllQualifiers bool

	// Everything reads also what decides nothing under Rules: excluded secrets' policies, and the stacks of functions whose strategy is
	// declared. A snapshot is made so, because it may be judged by other rules.
	Everything bool

	// Progress is told how far the reading is, from one goroutine at a time. It must not block.
	Progress func(Progress)
}

// Stage is what a reading is at.
type Stage string

// The stages, in order.
const (
	StageSecrets   Stage = "secrets"   // listing; Total is unknown and 0
	StageFunctions Stage = "functions" // configurations of rotation functions
	StageGroups    Stage = "groups"    // everything else, role by role; counted in functions
)

// Progress is how far a reading is.
type Progress struct {
	Stage       Stage
	Done, Total int
}

// Reader reads how an account's secrets are rotated.
type Reader struct {
	home    *site
	options Options

	mu            sync.Mutex
	calls         map[string]int
	sites         map[string]*site // other accounts, by id
	marks, marked map[markKey]mark // to go by, and those that hold after the reading

	roles map[rotation.ARN]rotation.ARN // of functions, as last read: which of them a later selection need not look at
	held  map[pool]Held                 // calls that wait for their turn
}

// New makes a reader of the account that the clients are of.
func New(clients Clients, options Options) *Reader {
	r := &Reader{options: options, calls: map[string]int{}, sites: map[string]*site{}, roles: map[rotation.ARN]rotation.ARN{}}
	r.home = r.newSite(clients)
	r.home.home = true
	return r
}

// Calls counts the calls made so far by API, such as "lambda:GetPolicy". The SDK's retries are not counted.
func (r *Reader) Calls() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.calls)
}

func (r *Reader) count(call string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[call]++
}

// Groups reads the rotation functions in scope and gives them grouped by execution role, sorted, each with all the secrets that name
// it; secrets that no function rotates come in groups of their own, first or, with the scope's InOrder, last. A thing that cannot be read is a Gap on it. An error ends the
// sequence: the account could not be listed, its credentials stopped working, or the selection names a secret that is not there.
//
// What is given is read anew in every call: reading again is verifying. Kept is only which role each function had, so that a selection
// does not ask all others again whether they share it.
func (r *Reader) Groups(ctx context.Context, scope rotation.Scope) iter.Seq2[rotation.Group, error] {
	return func(yield func(rotation.Group, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stopped := false
		x := newRun(r)
		defer x.close()
		err := x.groups(ctx, scope, func(g rotation.Group) bool {
			stopped = !yield(g, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(rotation.Group{}, err)
		}
	}
}

// Role reads one role with everything that decides what it may do.
func (r *Reader) Role(ctx context.Context, arn rotation.ARN) (rotation.Role, error) {
	x := newRun(r)
	defer x.close()
	return x.role(ctx, arn, arn.Parts().Account)
}

func (r *Reader) remember(function, role rotation.ARN) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roles[function] = role
}

func (r *Reader) progress(p Progress) {
	if r.options.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options.Progress(p)
}

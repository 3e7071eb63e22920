package repair_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// tracer watches the account after every call and says when a request that rotation needs and that was allowed is not any more. What a
// rollback takes back on purpose, because it was not allowed before the run that it undoes, is not lost.
type tracer struct {
	b     *bench
	base  []drift.Judgement
	mu    sync.Mutex
	steps int
	seen  string          // what roles and functions held at the last step
	had   map[string]bool // requests that were allowed at the beginning or since
	end   map[string]bool // those that an undisturbed run leaves allowed; nil: all that it had
	lost  []string
}

// watch begins to look; it is called with the account as it stands before a run.
func (b *bench) watch(t testing.TB) *tracer {
	t.Helper()
	tr := &tracer{b: b, base: b.judge(t, rotation.Scope{}), had: map[string]bool{}}
	tr.had = tr.allowed()
	return tr
}

// step evaluates every requirement on the policies as they are now.
func (tr *tracer) step() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.steps++
	seen := tr.holds()
	if seen == tr.seen {
		return // reads change nothing
	}
	tr.seen = seen
	now := tr.allowed()
	for request := range tr.had {
		if is, known := now[request]; known && !is && (tr.end == nil || tr.end[request]) {
			tr.lost = append(tr.lost, request)
		}
	}
	for request, is := range now {
		if is {
			tr.had[request] = true
		}
	}
}

// holds is what all roles and functions hold at the moment.
func (tr *tracer) holds() string {
	var b strings.Builder
	for _, r := range tr.b.Roles() {
		fmt.Fprintln(&b, r.Name, r.Attached, r.Inline) // fmt sorts maps
	}
	for _, f := range tr.b.Functions() {
		fmt.Fprintln(&b, f.Name, f.Policies)
	}
	return b.String()
}

// allowed says of every requirement whether it is allowed now. Those of a role or function that is gone are left out: others took it.
func (tr *tracer) allowed() map[string]bool {
	out := map[string]bool{}
	for i := range tr.base {
		j := &tr.base[i]
		if j.Setup.Function.ARN == "" {
			continue
		}
		now, there := tr.now(&j.Setup)
		if !there {
			continue
		}
		is := rotation.NewDecider(&now)
		for k := range j.Contract.Required {
			r := &j.Contract.Required[k]
			out[fmt.Sprintf("%s %s for %s", r.Name, r.Secret, now.Function.ARN)] = is.Decide(r).Outcome == policy.Allowed
		}
	}
	for request, is := range out {
		if !is && tr.steps == 0 {
			delete(out, request)
		}
	}
	return out
}

// now is a setup with the role's and the function's policies as they stand.
func (tr *tracer) now(was *rotation.Setup) (now rotation.Setup, there bool) {
	now = *was
	role, haveRole := tr.b.Role(was.Role.ARN.RoleName())
	now.Role.Identity = nil
	for _, p := range was.Role.Identity {
		if p.Source == rotation.PolicyAttached && slices.Contains(role.Attached, string(p.ARN)) {
			now.Role.Identity = append(now.Role.Identity, p)
		}
	}
	for name, doc := range role.Inline {
		now.Role.Identity = append(now.Role.Identity, rotation.NewPolicy(rotation.PolicyInline, name, doc))
	}
	for _, arn := range role.Attached {
		if arn == wideARN && !slices.ContainsFunc(now.Role.Identity, func(p rotation.Policy) bool { return p.ARN == wideARN }) {
			p := rotation.NewPolicy(rotation.PolicyAttached, "wide", wideDocument)
			p.ARN = wideARN
			now.Role.Identity = append(now.Role.Identity, p)
		}
	}
	bare, qualifier := was.Function.ARN.SplitFunction()
	f, haveFunction := tr.b.Function(string(bare[strings.LastIndex(string(bare), ":")+1:]))
	now.Function.Policy = rotation.Policy{Source: rotation.PolicyFunction, Presence: rotation.Absent}
	if doc := f.Policies[qualifier]; doc != "" {
		now.Function.Policy = rotation.NewPolicy(rotation.PolicyFunction, "", doc)
	}
	return now, haveRole && haveFunction
}

// observed is the transport of clients after each of whose calls the tracer looks.
type observed struct{ tr *tracer }

func (o observed) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	o.tr.step()
	return resp, err
}

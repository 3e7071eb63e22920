package repair_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// addMixed puts ten setups into the account that are broken in different ways.
func (b *bench) addMixed() {
	for _, s := range []*setup{broken("nothing"), uninvocable("gone"), powerless("powerless")} {
		b.add(s)
	}
	open := working("open")
	open.policy = document(publicGrant("everybody", open.function()))
	b.add(open)
	both := working("both")
	both.policy = document(publicGrant("everybody", both.function()), invokeGrant(both.function()))
	b.add(both)
	alias := &setup{name: "aliased", qualifier: "live", secrets: []string{"aliased-1", "aliased-2"}}
	alias.inline = map[string]string{"rotate": roleGrant(alias.function())}
	b.add(alias)
	b.add(working("keyed"))
	key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
	b.UpdateSecret(string(secretARN("keyed-secret")), func(x *awstest.Secret) { x.KmsKeyID = key })
	shared := powerless("shared-1")
	b.add(shared)
	other := uninvocable("shared-2")
	other.role = "shared-1-role"
	b.add(other)
	b.add(working("fine"))
}

// tracer watches the account after every call and says when a request that rotation needs and that was allowed is not any more.
type tracer struct {
	b     *bench
	base  []drift.Judgement
	mu    sync.Mutex
	steps int
	lost  []string
}

// watch begins to look; it is called with the account as it stands before a repair.
func (b *bench) watch(t *testing.T) *tracer {
	t.Helper()
	return &tracer{b: b, base: b.judge(t, rotation.Scope{})}
}

// step evaluates every requirement on the policies as they are now.
func (tr *tracer) step() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.steps++
	for i := range tr.base {
		j := &tr.base[i]
		if j.Setup.Function.ARN == "" {
			continue
		}
		now := j.Setup
		role, _ := tr.b.Role(j.Setup.Role.ARN.RoleName())
		now.Role.Identity = nil
		for _, p := range j.Setup.Role.Identity {
			if p.Source == rotation.PolicyAttached && slices.Contains(role.Attached, string(p.ARN)) {
				now.Role.Identity = append(now.Role.Identity, p)
			}
		}
		for name, doc := range role.Inline {
			now.Role.Identity = append(now.Role.Identity, rotation.NewPolicy(rotation.PolicyInline, name, doc))
		}
		bare, qualifier := now.Function.ARN.SplitFunction()
		f, _ := tr.b.Function(string(bare[strings.LastIndex(string(bare), ":")+1:]))
		now.Function.Policy = rotation.Policy{Source: rotation.PolicyFunction, Presence: rotation.Absent}
		if doc := f.Policies[qualifier]; doc != "" {
			now.Function.Policy = rotation.NewPolicy(rotation.PolicyFunction, "", doc)
		}
		was, is := rotation.NewDecider(&j.Setup), rotation.NewDecider(&now)
		for k := range j.Contract.Required {
			r := &j.Contract.Required[k]
			if was.Decide(r).Outcome == policy.Allowed && is.Decide(r).Outcome != policy.Allowed {
				tr.lost = append(tr.lost, fmt.Sprintf("%s for %s", r.Name, now.Function.ARN))
			}
		}
	}
}

// impatient are clients that retry once and at once.
func (b *bench) impatient() aws.Config {
	cfg := b.Config()
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 2, time.Millisecond })
	}
	return cfg
}

// observed is the transport of clients after each of whose calls the tracer looks.
type observed struct{ tr *tracer }

func (o observed) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	o.tr.step()
	return resp, err
}

// attempt applies a plan once with impatient clients under the eyes of a tracer.
func (b *bench) attempt(t *testing.T, tr *tracer, visible time.Duration) ([]repair.Change, error) {
	t.Helper()
	return b.attemptWith(t, tr, visible, func() {})
}

// attemptWith is attempt with something done between planning and applying.
func (b *bench) attemptWith(t *testing.T, tr *tracer, visible time.Duration, before func()) ([]repair.Change, error) {
	t.Helper()
	var changes []repair.Change
	var err error
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		cfg := b.impatient()
		cfg.HTTPClient = observed{tr}
		r := repair.New(repair.NewClients(cfg), l, b.opts)
		r.Visible = visible
		r.Now = func() time.Time { return b.now }
		r.Reread = func(ctx context.Context, s rotation.Scope) ([]drift.Judgement, error) { return b.read(ctx, s) }
		b.ResetCalls()
		before()
		changes, err = r.Apply(t.Context(), plan)
	})
	return changes, err
}

// accounted checks that the journal has an intent for every write that took effect, and that the changes tell exactly what was
// written.
func (b *bench) accounted(t *testing.T, changes []repair.Change) {
	t.Helper()
	b.withLedger(t, func(l ledger.Ledger) {
		entries, err := l.EntriesSince(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Writes() {
			if !c.Effect || c.Service == "sts" {
				continue
			}
			if !slices.ContainsFunc(entries, func(e ledger.Entry) bool {
				return e.Phase == ledger.PhaseIntent && e.Call == c.Name() && strings.HasPrefix(e.Subject, strings.TrimSuffix(c.Resource, ":*"))
			}) {
				t.Errorf("the journal does not know of %s on %s", c.Name(), c.Resource)
			}
		}
	})
}

// faults are what can happen to one call.
var faults = []struct {
	name  string
	fault awstest.Fault
	count int
}{
	{"throttled once", awstest.Fault{Code: "ThrottlingException", Status: 400}, 1},
	{"throttled for good", awstest.Fault{Code: "ThrottlingException", Status: 400}, -1},
	{"service unavailable", awstest.Fault{Status: 503}, 2},
	{"no answer, though it took effect", awstest.Fault{After: true, CloseConn: true}, 1},
	{"no answer twice, though it took effect", awstest.Fault{After: true, CloseConn: true}, 2},
	{"internal error, though it took effect", awstest.Fault{After: true, Status: 500}, 2},
	{"access denied from here on", awstest.Fault{Code: "AccessDenied", Status: 403}, -1},
	{"access denied once", awstest.Fault{Code: "AccessDeniedException", Status: 403}, 1},
	{"precondition failed", awstest.Fault{Code: "PreconditionFailedException", Status: 412}, 1},
	{"limit exceeded", awstest.Fault{Code: "LimitExceeded", Status: 409}, 1},
	{"a page of HTML", awstest.Fault{HTML: "<html><body>gateway</body></html>"}, 2},
}

// goal is what the account holds once a repair of the mixed setups has succeeded, and how many calls that took.
func goal(t *testing.T) (map[string]string, int) {
	t.Helper()
	b := newBench(t)
	b.addMixed()
	tr := b.watch(t)
	changes, err := b.attempt(t, tr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Status != repair.Done || c.Reason != "" {
			t.Fatalf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if len(tr.lost) > 0 {
		t.Fatalf("lost in between: %v", tr.lost)
	}
	if len(changes) < 10 {
		t.Fatalf("only %d changes", len(changes))
	}
	return b.state(t), len(b.Calls())
}

// TestFaults injects every fault at calls of a repair: whatever happens, nothing that rotation needs is lost in between, the journal
// knows of every write, what is reported is what happened, and the next run ends where an undisturbed one does.
func TestFaults(t *testing.T) {
	t.Parallel()
	want, calls := goal(t)
	faultMatrix(t, want, calls, 19)
}

// faultMatrix tries each fault at every stride-th call.
func faultMatrix(t *testing.T, want map[string]string, calls, stride int) {
	type row struct{ tried, converged, lost int }
	table := map[string]*row{}
	for k, f := range faults {
		r := &row{}
		table[f.name] = r
		for n := 1 + k%stride; n <= calls; n += stride {
			t.Run(fmt.Sprintf("%s at call %d", f.name, n), func(t *testing.T) {
				b := newBench(t)
				b.addMixed()
				tr := b.watch(t)
				var hit *awstest.Injection
				changes, err := b.attemptWith(t, tr, 200*time.Millisecond, func() {
					hit = b.Fail(awstest.Match{Nth: n, Count: f.count}, f.fault)
				})
				b.Heal()
				if hit.Hits() == 0 {
					t.Fatal("the fault struck nothing")
				}
				b.accounted(t, changes)
				b.truthful(t, changes, err)
				b.now = b.now.Add(10 * time.Minute) // longer than a write may take to show
				b.ResetCalls()
				b.run(t)
				if d := cmp.Diff(want, b.state(t)); d != "" {
					t.Errorf("the next run does not end where an undisturbed one does (-want +got):\n%s", d)
				} else {
					r.converged++
				}
				r.lost += len(tr.lost)
				if len(tr.lost) > 0 {
					t.Errorf("lost in between: %v", tr.lost)
				}
			})
			r.tried++
		}
	}
	t.Logf("%-42s %6s %10s %12s", "fault", "points", "converged", "grants lost")
	for _, f := range faults {
		r := table[f.name]
		t.Logf("%-42s %6d %10d %12d", f.name, r.tried, r.converged, r.lost)
	}
}

// truthful checks that what the changes say is what the account holds.
func (b *bench) truthful(t *testing.T, changes []repair.Change, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("the run stopped: %v", err)
	}
	state := b.state(t)
	for _, c := range changes {
		there := false
		switch c.Call {
		case repair.PutRolePolicy:
			there = state["role "+c.Subject.RoleName()+" "+c.Name] == c.After
		case repair.AddPermission, repair.RemovePermission:
			bare, qualifier := c.Subject.SplitFunction()
			_, has := state["function "+string(bare[strings.LastIndex(string(bare), ":")+1:])+" "+qualifier+" "+c.Name]
			there = has == (c.Call == repair.AddPermission)
		default:
			t.Fatalf("mode repair made the call %s", c.Call)
		}
		switch c.Status {
		case repair.Done:
			if !there && !strings.Contains(c.Reason, "not visible") {
				t.Errorf("%s %s is said to be done and is not there", c.Call, c.Name)
			}
		case repair.Refused, repair.Failed:
			if c.Reason == "" {
				t.Errorf("%s %s is %s without a reason", c.Call, c.Name, c.Status)
			}
			if there && c.Status == repair.Refused {
				t.Errorf("%s %s is said to be refused (%s) and is there", c.Call, c.Name, c.Reason)
			}
		default:
			t.Errorf("%s %s is %s after the run", c.Call, c.Name, c.Status)
		}
	}
}

func TestReadsThatLagAreNoFailureAndRepairNothingTwice(t *testing.T) {
	t.Parallel()
	for _, lag := range []awstest.Lag{{For: 300 * time.Millisecond}, {Reads: 2}, {For: time.Hour}} {
		t.Run(fmt.Sprintf("%v or %d reads", lag.For, lag.Reads), func(t *testing.T) {
			b := newBench(t)
			b.addMixed()
			b.Lag(awstest.Lags{IAM: lag, FunctionPolicies: lag})
			tr := b.watch(t)
			changes, err := b.attempt(t, tr, 2*time.Second)
			if err != nil || len(tr.lost) > 0 {
				t.Fatalf("%v, lost %v", err, tr.lost)
			}
			for _, c := range changes {
				switch {
				case c.Status == repair.Failed:
					t.Errorf("%s %s failed: %s", c.Call, c.Name, c.Reason)
				case lag.For == time.Hour && c.Call == repair.RemovePermission && c.Status == repair.Done && len(c.Needs) > 0:
					t.Errorf("%s %s was removed though its addition was not seen", c.Call, c.Name)
				case lag.For < time.Hour && c.Status != repair.Done:
					t.Errorf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
				}
			}
			// At once again: what does not show yet is not repaired twice.
			b.ResetCalls()
			b.now = b.now.Add(time.Second)
			again := b.run(t)
			for _, c := range b.Writes() {
				if lag.For == time.Hour {
					t.Errorf("%s on %s was repaired twice: %v", c.Name(), c.Resource, summary(again))
				}
			}
		})
	}
}

func TestAConcurrentWriterIsRespected(t *testing.T) {
	foreign := `{"Sid":"theirs","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + string(functionARN("x")) + `"}`
	tests := []struct {
		name string
		run  func(b *bench) // right before our write is answered
		want string         // of our change
		keep string         // what must be there after
	}{
		{"another statement is added: our change is made on top of it", func(b *bench) {
			b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = map[string]string{"": document(foreign)} })
		}, "done", "theirs"},
		{"the owner's grant comes back: ours is not needed any more", func(b *bench) {
			b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = map[string]string{"": document(invokeGrant(functionARN("x")))} })
		}, "refused", `"sm"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			s := uninvocable("x")
			s.policy = document(strings.Replace(foreign, "theirs", "first", 1))
			b.add(s)
			tr := b.watch(t)
			changes, err := b.attemptWith(t, tr, 200*time.Millisecond, func() {
				b.Fail(awstest.Match{Operation: "AddPermission"}, awstest.Fault{Run: func() { tt.run(b) }})
			})
			if err != nil || len(changes) != 1 || string(changes[0].Status) != tt.want {
				t.Fatalf("changes = %v (%s), %v", summary(changes), changes[0].Reason, err)
			}
			f, _ := b.Function("x")
			if !strings.Contains(f.Policies[""], tt.keep) {
				t.Errorf("function policy = %s", f.Policies[""])
			}
		})
	}
}

package repair_test

import (
	"fmt"
	"maps"
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
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// impatient are clients that retry once and at once.
func (b *bench) impatient() aws.Config {
	cfg := b.Config()
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 2, time.Millisecond })
	}
	return cfg
}

// attempt applies a plan once with impatient clients under the eyes of a tracer.
func (b *bench) attempt(t *testing.T, tr *tracer, visible time.Duration) ([]repair.Change, error) {
	t.Helper()
	return b.attemptWith(t, tr, visible, func([]repair.Change) {})
}

// attemptWith is attempt with something done between planning and applying.
func (b *bench) attemptWith(t *testing.T, tr *tracer, visible time.Duration, before func(planned []repair.Change)) ([]repair.Change, error) {
	t.Helper()
	var changes []repair.Change
	var err error
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		r := b.runner()
		r.cfg, r.visible = b.impatient(), visible
		r.cfg.HTTPClient = observed{tr}
		b.ResetCalls()
		before(plan.Changes)
		changes, err = r.repairer(l).Apply(t.Context(), plan)
	})
	return changes, err
}

// accounted checks that the journal has an intent for every write that took effect.
func (b *bench) accounted(t *testing.T) {
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
	{"a quota is used up", awstest.Fault{Code: "LimitExceeded", Status: 409}, 1},
	{"the policy would be too long", awstest.Fault{Code: "PolicyLengthExceededException", Status: 400}, 1},
	{"a page of HTML", awstest.Fault{HTML: "<html><body>gateway</body></html>"}, 2},
}

// undisturbed is how a scenario ends when nothing happens to it.
type undisturbed struct {
	scenario *scenario
	state    map[string]string // what the account holds then
	allowed  map[string]bool   // what rotation needs and may do then
	calls    int
	made     []repair.Change // in the order in which they were written
}

func (s *scenario) undisturbed(t *testing.T) *undisturbed {
	t.Helper()
	b := newBench(t)
	s.prepare(t, b)
	tr := b.watch(t)
	tr.end = map[string]bool{}
	changes, err := b.attempt(t, tr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if !c.Wrote() {
			t.Fatalf("%s: %s %s is %s: %s", s.name, c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if len(changes) < s.least {
		t.Fatalf("%s: only %d changes: %v", s.name, len(changes), summary(changes))
	}
	return &undisturbed{s, b.state(t), tr.allowed(), len(b.Calls()), changes}
}

// row is one line of a matrix's table.
type row struct {
	scenario, what                 string
	tried, converged, lost, missed int
}

// table counts the points of matrices whose points run at the same time.
type table struct {
	mu   sync.Mutex
	rows []*row
}

func (tb *table) row(scenario, what string) *row {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	r := &row{scenario: scenario, what: what}
	tb.rows = append(tb.rows, r)
	return r
}

func (tb *table) count(r *row, converged bool, lost int) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	r.tried++
	r.lost += lost
	if converged {
		r.converged++
	}
}

// miss counts a point that the run did not come to: how often it polls until a write shows depends on the machine.
func (tb *table) miss(r *row) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	r.missed++
}

// print logs the table as one text, with its totals. Points that were not reached are not counted among those tried; most must be.
func (tb *table) print(t *testing.T) {
	t.Helper()
	var total row
	text := fmt.Sprintf("\n%-22s %-42s %7s %10s %12s\n", "run", "disturbed by", "points", "converged", "grants lost")
	line := func(r *row) {
		text += fmt.Sprintf("%-22s %-42s %7d %10d %12d\n", r.scenario, r.what, r.tried, r.converged, r.lost)
	}
	for _, r := range tb.rows {
		line(r)
		total.tried += r.tried
		total.converged += r.converged
		total.lost += r.lost
		total.missed += r.missed
	}
	total.scenario = "all"
	line(&total)
	t.Log(text)
	if total.tried == 0 || total.missed > total.tried/4 {
		t.Errorf("%d points were tried and %d not reached", total.tried, total.missed)
	}
}

// TestFaults injects every fault at a sample of the calls of every kind of run: whatever happens, nothing that rotation needs is lost in
// between, the journal knows of every write, what is reported is what happened, and the next run ends where an undisturbed one does.
func TestFaults(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		faultMatrix(t, every(997))
		return
	}
	faultMatrix(t, every(211))
}

// every takes every n-th point of every scenario.
func every(n int) func(scenario int) int { return func(int) int { return n } }

// faultMatrix tries each fault at every stride-th call of every scenario.
func faultMatrix(t *testing.T, strides func(scenario int) int) {
	var tb table
	t.Run("points", func(t *testing.T) {
		for i := range scenarios {
			want, stride := scenarios[i].undisturbed(t), strides(i)
			for k, f := range faults {
				r := tb.row(scenarios[i].name, f.name)
				for n := 1 + (k*5+i)%stride; n <= want.calls; n += stride {
					t.Run(fmt.Sprintf("%s, %s at call %d", scenarios[i].name, f.name, n), func(t *testing.T) {
						t.Parallel()
						want.faultPoint(t, &tb, r, n, f.fault, f.count)
					})
				}
			}
		}
	})
	tb.print(t)
}

func (u *undisturbed) faultPoint(t *testing.T, tb *table, r *row, n int, fault awstest.Fault, count int) {
	b := newBench(t)
	u.scenario.prepare(t, b)
	tr := b.watch(t)
	tr.end = u.allowed
	var hit *awstest.Injection
	changes, err := b.attemptWith(t, tr, 200*time.Millisecond, func([]repair.Change) {
		hit = b.Fail(awstest.Match{Nth: n, Count: count}, fault)
	})
	b.Heal()
	if hit.Hits() == 0 {
		tb.miss(r)
		return
	}
	b.accounted(t)
	b.truthful(t, changes, err)
	b.now = b.now.Add(10 * time.Minute) // longer than a write may take to show
	b.runWatched(t, tr)
	diff := cmp.Diff(u.state, b.state(t))
	if diff != "" {
		t.Errorf("the next run does not end where an undisturbed one does (-want +got):\n%s", diff)
	}
	if len(tr.lost) > 0 {
		t.Errorf("lost in between: %v", tr.lost)
	}
	tb.count(r, diff == "", len(tr.lost))
}

// runWatched runs to the end, the tracer looking after every call.
func (b *bench) runWatched(t *testing.T, tr *tracer) []repair.Change {
	t.Helper()
	var changes []repair.Change
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		r := b.runner()
		r.visible = 15 * time.Second // it ends when all is seen; a busy machine takes its time
		r.cfg.HTTPClient = observed{tr}
		var err error
		if changes, err = r.repairer(l).Apply(t.Context(), plan); err != nil {
			t.Fatalf("the next run: %v", err)
		}
	})
	return changes
}

// truthful checks that what the changes say is what the account holds.
func (b *bench) truthful(t *testing.T, changes []repair.Change, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("the run stopped: %v", err)
	}
	state := b.state(t)
	for i := range changes {
		c := &changes[i]
		there := b.holds(t, state, c)
		switch c.Status {
		case repair.Done:
			if !there && !strings.Contains(c.Reason, "not visible") {
				t.Errorf("%s %s is said to be done and is not there", c.Call, c.Name)
			}
		case repair.Refused, repair.Failed:
			if c.Reason == "" {
				t.Errorf("%s %s is %s without a reason", c.Call, c.Name, c.Status)
			}
			if there {
				t.Errorf("%s %s is said to be %s (%s) and is there", c.Call, c.Name, c.Status, c.Reason)
			}
		default:
			t.Errorf("%s %s is %s after the run", c.Call, c.Name, c.Status)
		}
	}
}

// holds says whether the account holds what a change leaves.
func (b *bench) holds(t *testing.T, state map[string]string, c *repair.Change) bool {
	t.Helper()
	name := c.Subject.RoleName()
	bare, qualifier := c.Subject.SplitFunction()
	function := "function " + string(bare[strings.LastIndex(string(bare), ":")+1:]) + " " + qualifier + " "
	switch c.Call {
	case repair.PutRolePolicy:
		return state["role "+name+" "+c.Name] == c.After
	case repair.DeleteRolePolicy:
		return state["role "+name+" "+c.Name] == ""
	case repair.AttachRolePolicy, repair.DetachRolePolicy:
		_, has := state["role "+name+" attached "+c.Name]
		return has == (c.Call == repair.AttachRolePolicy)
	case repair.AddPermission, repair.RemovePermission:
		_, has := state[function+c.Name]
		return has == (c.Call == repair.AddPermission)
	case repair.PutResourcePolicy:
		have := map[string]string{}
		for thing, statement := range state {
			if sid, ok := strings.CutPrefix(thing, function); ok {
				have[sid] = statement
			}
		}
		return maps.Equal(have, bySid(t, c.After))
	}
	t.Fatalf("the call %s is none that repair makes", c.Call)
	return false
}

// meddlers are what others do while a run is going on.
var meddlers = []struct {
	name string
	do   func(b *bench, c *repair.Change)
}{
	{"another writer of the same policy", func(b *bench, c *repair.Change) {
		theirs := `{"Sid":"theirs","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + string(c.Subject) + `"}`
		b.onSubject(c, func(r *awstest.Role) {
			if doc := r.Inline[c.Name]; doc != "" {
				r.Inline[c.Name] = appended(doc, allow(`"logs:PutLogEvents"`, "*"))
			}
		}, func(f *awstest.Function, qualifier string) {
			if f.Policies == nil {
				f.Policies = map[string]string{}
			}
			f.Policies[qualifier] = appended(f.Policies[qualifier], theirs)
		})
	}},
	{"another policy on the same role", func(b *bench, c *repair.Change) {
		b.onSubject(c, func(r *awstest.Role) { r.Inline["theirs"] = document(allow(`"logs:PutLogEvents"`, "*")) }, func(*awstest.Function, string) {})
	}},
	{"the role is deleted", func(b *bench, c *repair.Change) {
		if c.Subject.RoleName() != "" {
			b.RemoveRole(c.Subject.RoleName())
		}
	}},
	{"the function is deleted", func(b *bench, c *repair.Change) {
		bare, _ := c.Function.SplitFunction()
		b.RemoveFunction(string(bare[strings.LastIndex(string(bare), ":")+1:]))
	}},
}

// onSubject changes the role or the function that a change writes to.
func (b *bench) onSubject(c *repair.Change, role func(*awstest.Role), function func(*awstest.Function, string)) {
	if parts := c.Subject.Parts(); parts.Service == "iam" {
		b.UpdateRole(c.Subject.RoleName(), role)
		return
	}
	bare, qualifier := c.Subject.SplitFunction()
	b.UpdateFunction(string(bare[strings.LastIndex(string(bare), ":")+1:]), func(f *awstest.Function) { function(f, qualifier) })
}

// moments are when somebody meddles with what a change writes to.
var moments = []string{"before it is read again", "right before the write", "right after the write"}

// TestMeddling has others change or delete what a run is writing to, right before and after a sample of its writes.
func TestMeddling(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		meddleMatrix(t, every(199))
		return
	}
	meddleMatrix(t, every(59))
}

// meddleMatrix has others meddle at every stride-th moment of every scenario. There is no state that must come out of it: nothing that
// rotation needs may be lost by our doing, what is told must be true, what Lambda's RevisionId can protect must stand, and the account must
// come to rest.
func meddleMatrix(t *testing.T, strides func(scenario int) int) {
	var tb table
	t.Run("points", func(t *testing.T) {
		for i := range scenarios {
			want, stride := scenarios[i].undisturbed(t), strides(i)
			for k, m := range meddlers {
				r := tb.row(scenarios[i].name, m.name)
				points := len(want.made) * len(moments)
				for n := (k*3 + i) % stride; n < points; n += stride {
					moment, write := n%len(moments), n/len(moments)
					t.Run(fmt.Sprintf("%s, %s %s %d", scenarios[i].name, m.name, moments[moment], write+1), func(t *testing.T) {
						t.Parallel()
						want.meddlePoint(t, &tb, r, m.do, moment, write)
					})
				}
			}
		}
	})
	tb.print(t)
}

func (u *undisturbed) meddlePoint(t *testing.T, tb *table, r *row, do func(*bench, *repair.Change), moment, write int) {
	b := newBench(t)
	u.scenario.prepare(t, b)
	tr := b.watch(t)
	tr.end = u.allowed
	c := &u.made[write]
	nth := 1 // among the writes of its kind
	for i := range u.made[:write] {
		if u.made[i].Call == c.Call {
			nth++
		}
	}
	struck := false
	changes, err := b.attemptWith(t, tr, 200*time.Millisecond, func([]repair.Change) {
		meddle := awstest.Fault{Run: func() { struck = true; do(b, c) }}
		if moment == 0 {
			do(b, c)
			struck = true
			return
		}
		_, operation, _ := strings.Cut(string(c.Call), ":")
		meddle.After = moment == 2
		b.Fail(awstest.Match{Operation: operation, Nth: nth}, meddle)
	})
	b.Heal()
	if !struck {
		tb.miss(r)
		return
	}
	b.accounted(t)
	if err != nil {
		t.Errorf("the run stopped: %v", err)
	}
	for _, c := range changes {
		if c.Status == repair.Planned || c.Status != repair.Done && c.Reason == "" {
			t.Errorf("%s %s is %s (%s) after the run", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if c.Subject.Parts().Service == "lambda" && r.what == meddlers[0].name {
		bare, qualifier := c.Subject.SplitFunction()
		if f, _ := b.Function(string(bare[strings.LastIndex(string(bare), ":")+1:])); !strings.Contains(f.Policies[qualifier], `"theirs"`) {
			t.Errorf("the other writer's statement is gone: %s", f.Policies[qualifier])
		}
	}
	for range 2 {
		b.now = b.now.Add(10 * time.Minute)
		b.runWatched(t, tr)
	}
	b.now = b.now.Add(10 * time.Minute)
	b.ResetCalls()
	b.runWatched(t, tr)
	rest := len(b.Writes()) == 0
	if !rest {
		t.Errorf("the account does not come to rest: %v", b.Writes())
	}
	if len(tr.lost) > 0 {
		t.Errorf("lost in between: %v", tr.lost)
	}
	if b.undo == "" {
		b.settled(t)
	}
	tb.count(r, rest, len(tr.lost))
}

// settled checks that everything which the mode could mend is mended or left with a reason.
func (b *bench) settled(t *testing.T) {
	t.Helper()
	left := map[string]bool{}
	for _, l := range b.plan(t).Left {
		for _, id := range l.Findings {
			left[id] = true
		}
	}
	for _, j := range b.judge(t, rotation.Scope{}) {
		for _, s := range j.Secrets {
			for _, f := range s.Findings {
				mendable := f.Fix != nil && (f.Fix.By == drift.ByRepair || b.opts.Mode == repair.ModeEnforce && f.Fix.By == drift.ByEnforce)
				if mendable && f.Severity != drift.Info && !left[f.ID] {
					t.Errorf("%s could be mended and is still there: %s", f.Rule, f.Explanation)
				}
			}
		}
	}
}

// TestLag holds that reads which lag behind writes are no failure and repair nothing twice, for every kind of run.
func TestLag(t *testing.T) {
	t.Parallel()
	lagMatrix(t, []awstest.Lag{{For: 300 * time.Millisecond}, {Reads: 2}})
}

func lagMatrix(t *testing.T, lags []awstest.Lag) {
	var tb table
	t.Run("points", func(t *testing.T) {
		for i := range scenarios {
			want := scenarios[i].undisturbed(t)
			for _, lag := range lags {
				what := fmt.Sprintf("reads %v behind", lag.For)
				if lag.Reads > 0 {
					what = fmt.Sprintf("reads %d reads behind", lag.Reads)
				}
				r := tb.row(scenarios[i].name, what)
				t.Run(scenarios[i].name+", "+what, func(t *testing.T) {
					t.Parallel()
					want.lagPoint(t, &tb, r, lag)
				})
			}
		}
	})
	tb.print(t)
}

func (u *undisturbed) lagPoint(t *testing.T, tb *table, r *row, lag awstest.Lag) {
	b := newBench(t)
	u.scenario.prepare(t, b)
	b.Lag(awstest.Lags{IAM: lag, FunctionPolicies: lag})
	tr := b.watch(t)
	tr.end = u.allowed
	changes, err := b.attempt(t, tr, 2*time.Second+lag.For)
	if err != nil {
		t.Errorf("the run stopped: %v", err)
	}
	for _, c := range changes {
		if c.Status != repair.Done {
			t.Errorf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	diff := cmp.Diff(u.state, b.state(t))
	if diff != "" {
		t.Errorf("it does not end where an undisturbed run does (-want +got):\n%s", diff)
	}
	if len(tr.lost) > 0 {
		t.Errorf("lost in between: %v", tr.lost)
	}
	tb.count(r, diff == "", len(tr.lost))
}

func TestReadsThatLagForGoodAreNoFailureAndRepairNothingTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.addMixed()
	lag := awstest.Lag{For: time.Hour}
	b.Lag(awstest.Lags{IAM: lag, FunctionPolicies: lag})
	tr := b.watch(t)
	changes, err := b.attempt(t, tr, 500*time.Millisecond)
	if err != nil || len(tr.lost) > 0 {
		t.Fatalf("%v, lost %v", err, tr.lost)
	}
	for _, c := range changes {
		switch {
		case c.Status == repair.Failed:
			t.Errorf("%s %s failed: %s", c.Call, c.Name, c.Reason)
		case c.Call == repair.RemovePermission && c.Status == repair.Done && len(c.Needs) > 0:
			t.Errorf("%s %s was removed though its addition was not seen", c.Call, c.Name)
		}
	}
	// At once again: what does not show yet is not repaired twice.
	b.ResetCalls()
	b.now = b.now.Add(time.Second)
	again := b.run(t)
	for _, c := range b.Writes() {
		t.Errorf("%s on %s was repaired twice: %v", c.Name(), c.Resource, summary(again))
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
			changes, err := b.attemptWith(t, tr, 200*time.Millisecond, func([]repair.Change) {
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

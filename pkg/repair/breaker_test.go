package repair_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestWhatSomethingUndoesAgainAndAgainIsEscalated(t *testing.T) {
	const owner = "aws:cloudformation:stack-name"
	tests := []struct {
		name  string
		add   func(b *bench)
		undo  func(b *bench)
		owner string
	}{
		{"a statement on a function that a stack owns", func(b *bench) {
			b.add(uninvocable("x"))
			b.UpdateFunction("x", func(f *awstest.Function) { f.Tags = map[string]string{owner: "payments"} })
		}, func(b *bench) { b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = nil }) }, "probably by the stack payments"},
		{"a policy on a role that a stack owns", func(b *bench) {
			b.add(powerless("x"))
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Tags = []awstest.Tag{{Key: owner, Value: "payments"}} })
		}, func(b *bench) { b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline = nil }) }, "probably by the stack payments"},
		{"what nobody is known to own", func(b *bench) { b.add(uninvocable("x")) },
			func(b *bench) { b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = nil }) }, "undone each time: mend it at its source"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			tt.add(b)
			for n := range repair.RepeatLimit {
				changes := b.run(t)
				if len(changes) != 1 || changes[0].Status != repair.Done {
					t.Fatalf("time %d: changes = %v", n+1, summary(changes))
				}
				tt.undo(b)
				b.now = b.now.Add(30 * time.Hour)
			}
			b.ResetCalls()
			changes := b.run(t)
			if len(changes) != 1 || changes[0].Status != repair.Refused || !strings.Contains(changes[0].Reason, "made 3 times in 7 days") || !strings.Contains(changes[0].Reason, tt.owner) {
				t.Fatalf("the fourth time: %v: %s", summary(changes), changes[0].Reason)
			}
			if len(b.Writes()) > 0 {
				t.Errorf("writes = %v", b.Writes())
			}
			b.opts.Approved = true
			if got := b.run(t); got[0].Status != repair.Done {
				t.Errorf("applied by a person: %v (%s)", summary(got), got[0].Reason)
			}
			// A week after the first ones the count begins anew.
			b.opts.Approved = false
			tt.undo(b)
			b.now = b.now.Add(repair.RepeatWindow)
			if got := b.run(t); got[0].Status != repair.Done {
				t.Errorf("a week later: %v (%s)", summary(got), got[0].Reason)
			}
		})
	}
}

// An owner whose grant comes and goes would have ours come and go with it for ever.
func TestAnOwnersGrantThatComesAndGoesStopsOursFromDoingTheSame(t *testing.T) {
	b := newBench(t)
	s := powerless("x")
	b.add(s)
	made := 0
	for n := range 12 {
		b.UpdateRole("x-role", func(r *awstest.Role) {
			delete(r.Inline, "owner")
			if n%2 == 1 {
				if r.Inline == nil {
					r.Inline = map[string]string{}
				}
				r.Inline["owner"] = roleGrant(s.function())
			}
		})
		for _, c := range b.run(t) {
			if c.Status == repair.Done {
				made++
			}
		}
		b.now = b.now.Add(6 * time.Hour)
	}
	if want := 2 * repair.RepeatLimit; made != want {
		t.Errorf("%d changes were made in three days, want %d: each of the two no more than %d times", made, want, repair.RepeatLimit)
	}
}

// overBreaker needs one change more than the breaker lets through.
func overBreaker(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.opts.MaxChanges, b.opts.MaxChangePercent, b.opts.Approved = 3, 100, true
	for i := range 4 {
		b.add(uninvocable(fmt.Sprint("f", i)))
	}
	return b
}

func TestAPlanThatAPersonAppliesIsStoppedByTheBreakerToo(t *testing.T) {
	b := overBreaker(t)
	changes := b.run(t)
	if !slices.ContainsFunc(changes, func(c repair.Change) bool { return strings.Contains(c.Reason, "the breaker is open") }) || len(b.Writes()) > 0 {
		t.Errorf("changes = %v, writes = %v", summary(changes), b.Writes())
	}
}

// Whoever undoes our policy while its function gets ever more secrets undoes the same findings' ends each time.
func TestAPolicyThatGrowsAndIsUndoneEachTimeIsEscalatedToo(t *testing.T) {
	b := newBench(t)
	b.add(powerless("x"))
	for n := range repair.RepeatLimit + 1 {
		changes := b.run(t)
		if n == repair.RepeatLimit {
			if len(changes) != 1 || !strings.Contains(changes[0].Reason, "made 3 times in 7 days") {
				t.Errorf("the fourth time: %v", summary(changes))
			}
			return
		}
		if len(changes) != 1 || changes[0].Status != repair.Done {
			t.Fatalf("time %d: changes = %v", n+1, summary(changes))
		}
		b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline = nil })
		b.AddSecret(awstest.Secret{ARN: string(secretARN(fmt.Sprint("more-", n))), RotationEnabled: &yes, RotationLambdaARN: string(functionARN("x"))})
		b.now = b.now.Add(30 * time.Hour)
	}
}

// Two runs that planned at the same time have one breaker: the second one to write counts what the first one wrote.
func TestTheBreakerCountsWhatWasWrittenSinceThePlan(t *testing.T) {
	b := newBench(t)
	b.opts.MaxChanges, b.opts.MaxChangePercent = 3, 100
	for i := range 4 {
		b.add(uninvocable(fmt.Sprint("f", i)))
	}
	of := func(names ...string) repair.Plan {
		var plan repair.Plan
		b.withLedger(t, func(l ledger.Ledger) {
			var scope rotation.Scope
			for _, name := range names {
				scope.Functions = append(scope.Functions, functionARN(name))
			}
			judgements := b.judge(t, scope)
			history, err := repair.Remember(t.Context(), l, judgements, false, b.now)
			if err != nil {
				t.Fatal(err)
			}
			plan = repair.NewPlan(judgements, b.opts, history)
		})
		return plan
	}
	plans := []repair.Plan{of("f0", "f1"), of("f1", "f2"), of("f2", "f3")}
	want := [][]string{
		{"done lambda:AddPermission f0", "done lambda:AddPermission f1"},
		{"done lambda:AddPermission f1", "done lambda:AddPermission f2"}, // the first is in place
		{"refused lambda:AddPermission f2", "refused lambda:AddPermission f3"},
	}
	for i, plan := range plans {
		b.now = b.now.Add(time.Minute)
		b.withLedger(t, func(l ledger.Ledger) {
			changes, err := b.repairer(l).Apply(t.Context(), plan)
			if err != nil || !slices.Equal(summary(changes), want[i]) {
				t.Errorf("plan %d: %v, %v, want %v", i, summary(changes), err, want[i])
			}
			for _, c := range changes {
				if c.Status == repair.Refused && !strings.Contains(c.Reason, "3 made in the last 24 hours") {
					t.Errorf("refused for %q", c.Reason)
				}
			}
		})
	}
	if len(b.Writes()) != 3 {
		t.Errorf("writes = %v", b.Writes())
	}
}

// The account may need more than the breaker lets through: a person may apply a part of the plan.
func TestAPartOfAPlanIsWeighedByItself(t *testing.T) {
	b := overBreaker(t)
	stored := b.plan(t)
	if stored.Breaker.Tripped == "" {
		t.Fatal("the whole plan does not trip the breaker")
	}
	stored.Changes = slices.Clone(stored.Changes[:2])
	b.withLedger(t, func(l ledger.Ledger) {
		changes, err := b.repairer(l).Apply(t.Context(), repair.Confirm(stored, b.planWith(t, l)))
		if want := []string{"done lambda:AddPermission f0", "done lambda:AddPermission f1"}; err != nil || !slices.Equal(summary(changes), want) {
			t.Errorf("changes = %v, %v, want %v", summary(changes), err, want)
		}
	})
}

package repair_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/repair"
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

func TestAPlanThatAPersonAppliesIsStoppedByTheBreakerToo(t *testing.T) {
	b := newBench(t)
	b.opts.MaxChanges, b.opts.MaxChangePercent, b.opts.Approved = 3, 100, true
	for i := range 4 {
		b.add(uninvocable(fmt.Sprint("f", i)))
	}
	changes := b.run(t)
	if !slices.ContainsFunc(changes, func(c repair.Change) bool { return strings.Contains(c.Reason, "the breaker is open") }) || len(b.Writes()) > 0 {
		t.Errorf("changes = %v, writes = %v", summary(changes), b.Writes())
	}
}

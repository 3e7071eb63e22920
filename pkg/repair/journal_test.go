package repair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// Two attached policies may have one name: AWS's own and one of the account. A finding on one of them is about that one only.
func TestEnforceTellsPoliciesOfOneNameApart(t *testing.T) {
	b := newEnforcing(t)
	b.add(working("x"))
	const theirs = "arn:aws:iam::aws:policy/team"
	b.AddPolicy(awstest.Policy{ARN: theirs, Name: "team", Document: roleGrant(functionARN("x"))})
	own := b.AddPolicy(awstest.Policy{Name: "team", Document: document(allow(`"iam:PassRole"`, "*"))})
	for _, order := range [][]string{{theirs, own}, {own, theirs}} {
		b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = order })
		b.run(t)
		if role, _ := b.Role("x-role"); !slices.Equal(role.Attached, []string{theirs}) {
			t.Errorf("attached in the order %v: %v are left; %+v", order, role.Attached, b.plan(t).Left)
		}
		b.now = b.now.Add(time.Hour)
	}
}

// An attached policy may have changed since it was detached: attaching it would open what it holds now, which the rollback did not show.
func TestARollbackDoesNotAttachAPolicyThatWasChanged(t *testing.T) {
	b := newEnforcing(t)
	b.add(working("x"))
	arn := b.AddPolicy(awstest.Policy{Name: "team", Document: document(allow(`"s3:GetObject"`, "*"))})
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{arn} })
	b.run(t)
	b.now = b.now.Add(time.Hour)
	b.UpdatePolicy(arn, func(p *awstest.Policy) { p.Document = document(allow(`"iam:PassRole"`, "*")) })
	b.ResetCalls()
	for _, c := range b.rollback(t, repair.Undoing{AcceptBroken: true}) {
		if c.Status != repair.Refused || !strings.Contains(c.Reason, "changed since it was detached") {
			t.Errorf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if len(b.Writes()) > 0 {
		t.Errorf("writes = %v", b.Writes())
	}
}

// What a person puts back by rolling back is not what they took back.
func TestWhatARollbackPutBackIsRepairedAgain(t *testing.T) {
	b := newBench(t)
	s := uninvocable("x")
	b.add(s)
	b.run(t)
	sm := invokeGrant(s.function())
	b.UpdateFunction("x", func(f *awstest.Function) { f.Policies[""] = appended(f.Policies[""], sm) })
	b.now = b.now.Add(time.Hour)
	b.run(t) // ours is withdrawn
	b.now = b.now.Add(time.Hour)
	if got, want := summary(b.rollback(t, repair.Undoing{AcceptBroken: true})), []string{"done lambda:AddPermission x"}; !slices.Equal(got, want) {
		t.Fatalf("rolled back: %v, want %v", got, want)
	}
	b.now = b.now.Add(time.Hour)
	b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = map[string]string{} })
	for _, c := range b.run(t) {
		if c.Status != repair.Done {
			t.Errorf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
}

// A retried call that took effect at once meets its own effect. The journal counts it.
func TestARetriedCallThatMeetsItsOwnEffectIsJournalledAsDone(t *testing.T) {
	b := newBench(t)
	b.add(uninvocable("x"))
	b.Fail(awstest.Match{Operation: "AddPermission", Count: 1}, awstest.Fault{After: true, CloseConn: true})
	b.run(t)
	b.withLedger(t, func(l ledger.Ledger) {
		entries, err := l.EntriesSince(t.Context(), time.Time{})
		if err != nil || len(entries) == 0 {
			t.Fatal(entries, err)
		}
		if last := entries[len(entries)-1]; last.Phase != ledger.PhaseOutcome || last.Status != string(repair.Done) || !last.Unsure {
			t.Errorf("the last entry is %s, %s, unsure %t", last.Phase, last.Status, last.Unsure)
		}
	})
	if got, want := summary(b.rollback(t, repair.Undoing{AcceptBroken: true})), []string{"done lambda:RemovePermission x"}; !slices.Equal(got, want) {
		t.Errorf("rolled back: %v, want %v", got, want)
	}
}

// What met somebody else's change was not made, and there is nothing to take back.
func TestARollbackLeavesWhatSomebodyElseMade(t *testing.T) {
	b := newEnforcing(t)
	s := working("x")
	s.policy = document(invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()), invokeGrant(s.function()))
	b.add(s)
	b.Fail(awstest.Match{Operation: "RemovePermission", Count: 1}, awstest.Fault{Code: "PreconditionFailedException", Status: 412, Run: func() {
		b.UpdateFunction("x", func(f *awstest.Function) {
			f.Policies[""] = document(invoker("other", `{"AWS":"arn:aws:iam::310987654321:root"}`, s.function()), invokeGrant(s.function()))
		})
	}})
	if got, want := summary(b.run(t)), []string{"refused lambda:RemovePermission x"}; !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	b.withLedger(t, func(l ledger.Ledger) {
		entries, err := l.EntriesSince(t.Context(), time.Time{})
		if err != nil || len(entries) == 0 {
			t.Fatal(entries, err)
		}
		r := b.runner()
		r.undo = entries[0].Run
		if plan, err := r.rollback(t.Context(), l, repair.Undoing{AcceptBroken: true}); err == nil {
			t.Errorf("there is nothing to roll back: %v", summary(plan.Changes))
		}
	})
}

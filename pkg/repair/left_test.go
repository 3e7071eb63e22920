package repair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Every change of a run is taken back or refused with a reason, also where one policy was put twice.
func TestARollbackAnswersForEveryPolicyThatWasPut(t *testing.T) {
	b := newEnforcing(t)
	s := working("x")
	s.policy = document(invokeGrant(s.function()), strings.Replace(publicGrant("", s.function()), `"Sid":"",`, "", 1),
		strings.Replace(invoker("", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()), `"Sid":"",`, "", 1))
	b.add(s)
	put := "done lambda:PutResourcePolicy x"
	if got := summary(b.run(t)); !slices.Equal(got, []string{put, put}) {
		t.Fatalf("changes = %v", got)
	}
	b.now = b.now.Add(time.Hour)
	if got, want := summary(b.rollback(t, repair.Undoing{AcceptBroken: true})), []string{put, "refused lambda:PutResourcePolicy x"}; !slices.Equal(got, want) {
		t.Errorf("rolled back: %v, want %v", got, want)
	}
}

// What AddPermission cannot write comes back before everybody may invoke again: Lambda takes no policy put as a whole that lets everybody in.
func TestARollbackPutsBackWhatStoodBesideAPublicStatement(t *testing.T) {
	b := newEnforcing(t)
	s := working("x")
	s.policy = document(invokeGrant(s.function()), invoker("two", `{"AWS":["210987654321","310987654321"]}`, s.function()), publicGrant("everybody", s.function()))
	b.add(s)
	before := b.state(t)
	b.run(t)
	b.now = b.now.Add(time.Hour)
	for _, c := range b.rollback(t, repair.Undoing{AcceptBroken: true}) {
		if c.Status != repair.Done {
			t.Errorf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if d := cmp.Diff(before, b.state(t)); d != "" {
		t.Errorf("the account is not what it was (-want +got):\n%s", d)
	}
}

// Of a statement that stays every finding is told why, and that it only waits where that is so.
func TestOfAStatementThatStaysItIsSaidWhy(t *testing.T) {
	both := func(s *setup) string {
		return document(`{"Sid":"two","Effect":"Allow","Principal":{"Service":["secretsmanager.amazonaws.com","s3.amazonaws.com"],"AWS":"310987654321"},"Action":"lambda:*","Resource":"` + string(s.function()) + `"}`)
	}
	most := func(s *setup) string {
		return document(invokeGrant(s.function()), `{"Sid":"most","Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"lambda:InvokeFunction","Resource":"`+string(s.function())+`"}`)
	}
	tests := []struct {
		name   string
		mode   repair.Mode
		policy func(s *setup) string
		reason string
	}{
		{"the only grant, which enforce_after leaves for a while", repair.ModeEnforce, both, "repair.enforce_after"},
		{"everybody but one, in mode repair", repair.ModeRepair, most, "remove it by hand"},
		{"everybody but one, in mode enforce", repair.ModeEnforce, most, "remove it by hand"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			b.opts.Mode, b.opts.EnforceAfter = tt.mode, 168*time.Hour
			s := working("x")
			s.policy = tt.policy(s)
			b.add(s)
			plan := b.plan(t)
			for id, f := range excesses(b.judge(t, rotation.Scope{})) {
				if !slices.ContainsFunc(plan.Left, func(l repair.Left) bool {
					return slices.Contains(l.Findings, id) && strings.Contains(l.Reason, tt.reason)
				}) {
					t.Errorf("nothing is said of %q: %+v", f.Explanation, plan.Left)
				}
			}
		})
	}
}

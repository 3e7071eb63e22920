package sweep_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// sealedRuns are the runs of the chain, oldest first, once the chain was verified.
func sealedRuns(t *testing.T, s *sweep.Sweeper) []ledger.Run {
	t.Helper()
	ctx := t.Context()
	runs, err := s.Ledger.Runs(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Ledger.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := s.Ledger.EntriesSince(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := ledger.Verify(runs, head, journal, s.Now())
	if err != nil || len(chain.Problems) > 0 {
		t.Fatalf("chain = %+v, %v", chain, err)
	}
	slices.SortFunc(runs, func(a, b ledger.Run) int { return int(a.Number) - int(b.Number) }) //nolint:gosec // a few runs
	return runs
}

func TestEverySweepIsSealedWithWhatChanged(t *testing.T) {
	a := overdue(t)
	s := newSweeper(t, a, "mode: report\nrepair: "+lifted)
	now := time.Now().UTC()
	s.Now = func() time.Time { return now }
	s.Caller, s.Cause = "arn:aws:iam::1:role/r", "lambda:RemovePermission20150331v2 by user/bob"
	late := "arn:aws:secretsmanager:" + account.Region + ":" + account.ID + ":secret:late-AbCdEf"
	next := func() ledger.Run {
		t.Helper()
		run(t, s, rotation.Scope{})
		now = now.Add(time.Hour)
		runs := sealedRuns(t, s)
		return runs[len(runs)-1]
	}
	first := next()
	if first.Mode != "report" || first.Caller != s.Caller || first.Cause != s.Cause || !first.Complete || first.Ended == nil || first.Verdicts[drift.Broken] != 1 || first.Journal != "" {
		t.Errorf("first = %+v", first)
	}
	if len(first.Changed) != 1 || first.Changed[0].Secret != late || first.Changed[0].Was != "" || first.Changed[0].Is != drift.Broken || first.Changed[0].Reason == "" {
		t.Errorf("changed = %+v", first.Changed)
	}
	if second := next(); len(second.Changed) > 0 || second.Exemptions != nil {
		t.Errorf("nothing changed, and the second run has %+v, %+v", second.Changed, second.Exemptions)
	}
	s.Repair.Mode = "repair"
	third := next()
	if len(third.Changed) != 1 || third.Changed[0].Was != drift.Broken || third.Changed[0].Is != drift.InSync && third.Changed[0].Is != drift.Drifted || third.Journal == "" {
		t.Errorf("after a repair: %+v, journal %q", third.Changed, third.Journal)
	}
	e := ledger.Exemption{ID: "e-1", Secret: "late", Owner: "ana", Reason: "known", Added: now, AddedBy: "ana", Expires: now.Add(48 * time.Hour)}
	if err := s.Ledger.PutExemption(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if fourth := next(); len(fourth.Exemptions) != 1 || fourth.Exemptions[0].Owner != "ana" {
		t.Errorf("exemptions = %+v", fourth.Exemptions)
	}
	a.RemoveSecret(late)
	if fifth := next(); len(fifth.Changed) != 1 || fifth.Changed[0].Is != ledger.VerdictGone {
		t.Errorf("after the secret went: %+v", fifth.Changed)
	}
	if sixth := next(); len(sixth.Changed) > 0 {
		t.Errorf("it goes twice: %+v", sixth.Changed)
	}
}

func TestASelectionForgetsNoSecret(t *testing.T) {
	a := newAccount(t)
	s := newSweeper(t, a, "mode: report")
	s.Now = time.Now
	all := run(t, s, rotation.Scope{})
	run(t, s, rotation.Scope{Secrets: []string{all.Secrets[0].Name}})
	runs := sealedRuns(t, s)
	if len(runs) != 2 || runs[1].Complete || len(runs[1].Changed) > 0 {
		t.Errorf("runs = %+v", runs)
	}
}

func TestTheTimelineEndsWithTheRunItself(t *testing.T) {
	s := newSweeper(t, overdue(t), "mode: report\nrepair: "+lifted)
	now := time.Now().UTC()
	s.Now = func() time.Time { return now }
	if o := run(t, s, rotation.Scope{}); o.Timeline != nil {
		t.Errorf("nobody asked for a timeline: %+v", o.Timeline)
	}
	s.Timeline, s.Repair.Mode, now = true, "repair", now.Add(time.Hour)
	o := run(t, s, rotation.Scope{})
	if o.Timeline == nil || len(o.Timeline.Runs) != 2 {
		t.Fatalf("timeline = %+v, want two runs", o.Timeline)
	}
	if newest := o.Timeline.Runs[0]; newest.Mode != "repair" || len(newest.Changed) != 1 || newest.Ended == nil {
		t.Errorf("the newest run is %+v, want this one with what it changed", newest)
	}
	if len(o.Timeline.Writes) == 0 || !slices.ContainsFunc(o.Timeline.Findings, func(f ledger.FindingRecord) bool { return f.Resolved != nil }) {
		t.Errorf("writes %+v and findings %+v, want what was written and ended", o.Timeline.Writes, o.Timeline.Findings)
	}
	s.Ledger, s.Repair.Mode = nil, "report"
	if o := run(t, s, rotation.Scope{}); o.Timeline != nil || len(o.Errors) > 0 {
		t.Errorf("without a ledger: %+v, %+v", o.Timeline, o.Errors)
	}
}

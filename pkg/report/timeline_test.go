package report

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// remembered is an outcome with a timeline: a secret broke, a run mended it, it broke once more and another joined.
func remembered() Outcome {
	o := outcomeOf(repair.ModeRepair,
		judged("late", drift.Broken, in(72*time.Hour), "the next rotation fails", denied("f-1", "late", "secretsmanager:GetSecretValue")),
		judged("app", drift.InSync, in(90*time.Hour), "every request that rotation needs is allowed"),
	)
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	number := uint64(0)
	run := func(days int, counts map[drift.Verdict]int, changed ...ledger.VerdictChange) ledger.Run {
		ended := day(days).Add(time.Minute)
		number++
		return ledger.Run{
			ID: fmt.Sprintf("r-%d", days), Number: number, Mode: "repair", Command: "sweep", Caller: "arn:aws:sts::111122223333:assumed-role/sweep/rotationguard", Started: day(days), Ended: &ended,
			Complete: true, Verdicts: counts, Changed: changed,
		}
	}
	turn := func(name string, was, is drift.Verdict, reason string) ledger.VerdictChange {
		return ledger.VerdictChange{Secret: string(secretARN(name)), Was: was, Is: is, Reason: reason}
	}
	good, bad := map[drift.Verdict]int{drift.InSync: 1}, map[drift.Verdict]int{drift.Broken: 1}
	event := run(5, map[drift.Verdict]int{drift.Broken: 1}, turn("late", drift.InSync, drift.Broken, "secretsmanager:GetSecretValue is denied"))
	event.Complete, event.Cause = false, "DeleteRolePolicy by arn:aws:iam::111122223333:role/ana"
	cut := run(1, nil)
	cut.Ended, cut.Number = nil, 0
	o.Timeline = &Timeline{
		Since: now.Add(-TimelineTime),
		Runs: []ledger.Run{
			run(0, map[drift.Verdict]int{drift.Broken: 1, drift.InSync: 1}, turn("app", "", drift.InSync, "every request is allowed")),
			cut, event, run(10, good), run(11, good), run(12, good), run(20, good, turn("late", drift.Broken, drift.InSync, "every request is allowed")),
			run(30, bad, turn("late", "", drift.Broken, "lambda:InvokeFunction is denied"), turn("old", drift.InSync, ledger.VerdictGone, "")),
		},
		Writes: []ledger.Entry{{
			Run: "r-20", At: day(20), Phase: ledger.PhaseOutcome, Call: "iam:PutRolePolicy", Subject: string(roleARN("rotate-late")), Name: "rotationguard-eu-west-1-rotate-late", Status: "done",
		}},
		Findings: []ledger.FindingRecord{
			{Finding: *denied("f-1", "late", "secretsmanager:GetSecretValue"), FirstSeen: day(5)},
			{Finding: drift.Finding{ID: "f-old", Severity: drift.Critical, Direction: policy.Missing}, FirstSeen: day(30), Resolved: new(day(20).Add(30 * time.Second))},
			{Finding: drift.Finding{ID: "f-older", Severity: drift.Critical}, FirstSeen: day(300), Resolved: new(day(200))},
			{Finding: *info("late"), FirstSeen: day(5)},
		},
	}
	return o
}

func TestTimelineSaysWhatEachRunSaw(t *testing.T) {
	o := remembered()
	p := newPage(&o)
	for s := range p.secrets(p.order) {
		_ = s // they are read first: the timeline refers to them
	}
	var got []string
	for _, r := range p.Timeline().Runs {
		line := r.At.People[:10] + " " + r.What
		if r.Until != nil {
			line = r.Until.People[:10] + " to " + line + fmt.Sprintf(" x%d", r.Folded)
		}
		line += " [" + r.Said + "]"
		for _, turn := range r.Turns {
			line += fmt.Sprintf(" %s#%t %s>%s", turn.Secret.Name, turn.Secret.Anchor != "", turn.Was, turn.Is)
		}
		for _, w := range r.Writes {
			line += " " + w.Status + " " + w.Call
		}
		got = append(got, strings.TrimRight(line+" "+r.Events+r.Problem, " "))
	}
	want := []string{
		"2026-03-01 sweep, mode repair [1 broken, 1 in-sync] app#true >in-sync",
		"2026-02-28 sweep, mode repair [] It did not end.",
		"2026-02-24 sweep, mode repair, a part of the account [1 broken] late#true in-sync>broken 1 finding came",
		"2026-02-17 to 2026-02-19 sweep, mode repair x3 [1 in-sync]",
		"2026-02-09 sweep, mode repair [1 in-sync] late#true broken>in-sync done iam:PutRolePolicy 1 finding ended",
		"2026-01-30 sweep, mode repair [1 broken] late#true >broken " + string(secretARN("old")) + "#false in-sync>gone 1 finding came",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	var history []string
	for _, turn := range p.history(secretARN("late")) {
		history = append(history, turn.At.People[:10]+" "+turn.Was+">"+turn.Is)
	}
	if diff := cmp.Diff([]string{"2026-02-24 in-sync>broken", "2026-02-09 broken>in-sync", "2026-01-30 >broken"}, history); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	page := htmlOf(t, &o)
	golden(t, "remembered.html", []byte(bodyOf(page)))
	checkPage(t, page)
}

func TestTimelineIsBounded(t *testing.T) {
	o := remembered()
	run := o.Timeline.Runs[0]
	for i := range 100 {
		run.Changed = append(run.Changed, ledger.VerdictChange{Secret: string(secretARN("late")), Was: drift.Broken, Is: drift.Drifted, Reason: fmt.Sprint(i)})
	}
	o.Timeline.Runs = nil
	for range 200 {
		o.Timeline.Runs = append(o.Timeline.Runs, run)
	}
	p := newPage(&o)
	view := p.Timeline()
	if len(view.Runs) != runsShown || view.More != 200-runsShown {
		t.Errorf("%d runs and %d more, want %d and %d", len(view.Runs), view.More, runsShown, 200-runsShown)
	}
	if r := view.Runs[0]; len(r.Turns) != turnsShown || r.TurnsMore != 101-turnsShown {
		t.Errorf("%d verdicts and %d more, want %d and %d", len(r.Turns), r.TurnsMore, turnsShown, 101-turnsShown)
	}
	if n := len(p.history(secretARN("late"))); n != ownTurns {
		t.Errorf("a secret's history has %d lines, want %d", n, ownTurns)
	}
}

func TestNoTimelineWithoutRuns(t *testing.T) {
	for name, timeline := range map[string]*Timeline{"none": nil, "empty": {}} {
		o := remembered()
		o.Timeline = timeline
		if page := htmlOf(t, &o); strings.Contains(page, `id="timeline"`) || strings.Contains(page, `href="#timeline"`) {
			t.Errorf("%s: the page has a timeline", name)
		}
	}
}

func TestReadTimelineTakesWhatTheLedgerHasOfTheTime(t *testing.T) {
	ctx := context.Background()
	l, err := ledger.OpenFile(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for i, days := range []int{100, 80, 3} {
		if _, err := l.SealRun(ctx, ledger.Run{ID: fmt.Sprint("r-", i), Started: now.AddDate(0, 0, -days), Ended: &now, Command: "sweep", Complete: true}); err != nil {
			t.Fatal(err)
		}
	}
	f := denied("f-1", "late", "secretsmanager:GetSecretValue")
	if _, err := l.ObserveFindings(ctx, ledger.Sighting{At: now, Findings: []*drift.Finding{f}, Covers: func(drift.Finding) bool { return true }}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTimeline(ctx, l, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Runs) != 2 || got.Runs[0].ID != "r-2" || got.Runs[1].ID != "r-1" {
		t.Errorf("runs %+v, want r-2 and r-1", got.Runs)
	}
	if len(got.Findings) != 1 || got.Findings[0].Finding.ID != "f-1" {
		t.Errorf("findings %+v, want f-1", got.Findings)
	}
}

package report

import (
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

func TestExitCode(t *testing.T) {
	one := func(v drift.Verdict) Outcome { return outcomeOf(repair.ModeReport, judged("a", v, nil, "")) }
	with := func(o Outcome, change func(*Outcome)) Outcome {
		change(&o)
		return o
	}
	changed := func(s repair.Status) Outcome {
		return with(one(drift.InSync), func(o *Outcome) { o.Changes = []repair.Change{{Status: s}} })
	}
	tests := []struct {
		name    string
		outcome Outcome
		want    int
	}{
		{"nothing at all", Outcome{}, 0},
		{"in sync", one(drift.InSync), 0}, {"exempt", one(drift.Exempt), 0}, {"skipped", one(drift.Skipped), 0},
		{"drifted", one(drift.Drifted), 2}, {"unknown", one(drift.Unknown), 2}, {"broken", one(drift.Broken), 2}, {"orphaned", one(drift.Orphaned), 2},
		{"a failed read", with(one(drift.InSync), func(o *Outcome) { o.Errors = []Error{{Code: "AccessDenied"}} }), 1},
		{"a failed read and drift", with(one(drift.Broken), func(o *Outcome) { o.Errors = []Error{{Code: "AccessDenied"}} }), 1},
		{"an operator with drift", with(one(drift.InSync), func(o *Outcome) { o.Operators = []Operator{{Verdict: drift.Drifted}} }), 2},
		{"an operator in sync", with(one(drift.InSync), func(o *Outcome) { o.Operators = []Operator{{Verdict: drift.InSync}} }), 0},
		{"a change done", changed(repair.Done), 0}, {"a change refused", changed(repair.Refused), 2}, {"a change failed", changed(repair.Failed), 2},
		{"a change waiting", changed(repair.Waiting), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.outcome.ExitCode(); got != tt.want {
				t.Errorf("ExitCode = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestChangesExitCodeSpeaksOfChangesOnly(t *testing.T) {
	for status, want := range map[repair.Status]int{repair.Done: 0, repair.Waiting: 2, repair.Refused: 2, repair.Failed: 2, repair.Planned: 0} {
		o := outcomeOf(repair.ModeRepair, judged("a", drift.Broken, nil, ""))
		o.Changes = []repair.Change{{Status: repair.Done}, {Status: status}}
		if got := o.ChangesExitCode(); got != want {
			t.Errorf("%s: ChangesExitCode = %d, want %d", status, got, want)
		}
	}
}

func TestWorstIsOfWhatStands(t *testing.T) {
	exempt := denied("f", "a", "secretsmanager:GetSecretValue")
	exempt.Exempt = "known"
	tests := []struct {
		name     string
		outcome  Outcome
		verdict  drift.Verdict
		severity drift.Severity
	}{
		{"in sync with a remark", outcomeOf("", judged("a", drift.InSync, nil, "", info("a"))), drift.InSync, drift.Info},
		{"broken before drifted", outcomeOf("", judged("a", drift.Drifted, nil, "", public("a")), judged("b", drift.Broken, nil, "")), drift.Broken, drift.Critical},
		{"an exempt finding does not count", outcomeOf("", judged("a", drift.InSync, nil, "", exempt)), drift.InSync, drift.Info},
		{"an exempt secret does not count", outcomeOf("", judged("a", drift.Exempt, nil, "", public("a"))), drift.Exempt, drift.Info},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v, s := tt.outcome.WorstVerdict(), tt.outcome.WorstSeverity(); v != tt.verdict || s != tt.severity {
				t.Errorf("worst = %s, %s, want %s, %s", v, s, tt.verdict, tt.severity)
			}
		})
	}
}

func TestSoonestRotationComesFirst(t *testing.T) {
	o := outcomeOf("", judged("undated", drift.Broken, nil, ""), judged("later", drift.Drifted, in(48*time.Hour), ""), judged("overdue", drift.Drifted, in(-time.Hour), ""),
		judged("soon", drift.Unknown, in(time.Hour), ""), judged("worse", drift.Broken, in(time.Hour), ""), judged("synced", drift.InSync, in(-2*time.Hour), ""))
	want := []string{"overdue", "worse", "soon", "later", "undated"}
	got := o.WithVerdict(Drift)
	if len(got) != len(want) {
		t.Fatalf("%d secrets, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Name != want[i] {
			t.Errorf("secret %d is %s, want %s", i, got[i].Name, want[i])
		}
	}
}

func TestOnlyWhatWasMendedAndIsOverdueIsToBeRotated(t *testing.T) {
	before := outcomeOf("", judged("mended", drift.Broken, in(-time.Hour), ""), judged("punctual", drift.Broken, in(time.Hour), ""),
		judged("still", drift.Broken, in(-time.Hour), ""), judged("never", drift.Drifted, in(-time.Hour), ""))
	before.Replace([]drift.Judgement{judged("mended", drift.InSync, in(-time.Hour), ""), judged("punctual", drift.InSync, in(time.Hour), ""),
		judged("still", drift.Broken, in(-time.Hour), ""), judged("never", drift.InSync, in(-time.Hour), "")})
	for _, s := range before.Secrets {
		want := ""
		if s.Name == "mended" {
			want = "aws secretsmanager rotate-secret --region eu-west-1 --secret-id " + string(secretARN("mended"))
		}
		if s.Rotate != want {
			t.Errorf("%s: Rotate = %q, want %q", s.Name, s.Rotate, want)
		}
	}
}

func TestReplaceKeepsWhatWasNotReadAgain(t *testing.T) {
	o := outcomeOf("", judged("a", drift.Broken, nil, "old"), judged("b", drift.Drifted, nil, "old"))
	o.Replace([]drift.Judgement{judged("b", drift.InSync, nil, "new"), judged("c", drift.InSync, nil, "new")})
	o.Sort()
	want := map[string]drift.Verdict{"a": drift.Broken, "b": drift.InSync, "c": drift.InSync}
	if len(o.Secrets) != len(want) {
		t.Fatalf("%d secrets, want %d", len(o.Secrets), len(want))
	}
	for _, s := range o.Secrets {
		if s.Verdict != want[s.Name] {
			t.Errorf("%s is %s, want %s", s.Name, s.Verdict, want[s.Name])
		}
	}
}

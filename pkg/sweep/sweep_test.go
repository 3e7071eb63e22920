package sweep_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// newSweeper is a sweeper of the demo's account in memory, in a mode, with a breaker and settling time as given.
func newSweeper(t *testing.T, a *awstest.Account, yaml string) *sweep.Sweeper {
	t.Helper()
	return newSweeperOf(t, a.Config(), yaml)
}

func newSweeperOf(t *testing.T, cfg aws.Config, yaml string) *sweep.Sweeper {
	t.Helper()
	c, err := config.Parse("rotationguard.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := sweep.NewSettings(&c, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.OpenFile(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &sweep.Sweeper{
		Source:  inventory.New(inventory.NewClients(cfg), inventory.Options{Rules: settings.Reading.Rules, Unthrottled: true}),
		Judging: settings.Judging, Repair: settings.Repair, RemindAfter: settings.RemindAfter,
		Clients: repair.NewClients(cfg), Ledger: l, Account: account.ID, Region: account.Region, Command: "sweep",
	}
}

func newAccount(t *testing.T) *awstest.Account {
	t.Helper()
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region})
	if err := account.Fill(a, time.Now()); err != nil {
		t.Fatal(err)
	}
	return a
}

func run(t *testing.T, s *sweep.Sweeper, scope rotation.Scope) report.Outcome {
	t.Helper()
	outcome, err := s.Sweep(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

const lifted = "{max_changes: 1000, max_change_percent: 100, settle: 0s}"

func TestReportChangesNothingAndSaysTheSameTwice(t *testing.T) {
	a := newAccount(t)
	s := newSweeper(t, a, "mode: report\nrepair: "+lifted)
	first, second := run(t, s, rotation.Scope{}), run(t, s, rotation.Scope{})
	if writes := a.Writes(); len(writes) > 0 {
		t.Errorf("report wrote %v", writes)
	}
	var one, two bytes.Buffer
	if err := first.WriteJSON(&one); err != nil {
		t.Fatal(err)
	}
	if err := second.WriteJSON(&two); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two sweeps of the same account differ")
	}
	if !first.HasDrift() || first.Functions == 0 {
		t.Errorf("%+v: the demo's account has drift", first.Summary())
	}
}

func TestRepairSpeaksOfTheStateAfterwards(t *testing.T) {
	a := newAccount(t)
	before := run(t, newSweeper(t, a, "mode: report"), rotation.Scope{})
	s := newSweeper(t, a, "mode: repair\nrepair: "+lifted)
	repaired := run(t, s, rotation.Scope{})
	writes := len(a.Writes())
	if writes == 0 {
		t.Fatal("repair wrote nothing")
	}
	after := run(t, newSweeper(t, a, "mode: report"), rotation.Scope{})
	was, reported := verdicts(before), verdicts(repaired)
	for arn, v := range verdicts(after) {
		if reported[arn] != v {
			t.Errorf("%s: the repair reports %s, reading again gives %s", arn, reported[arn], v)
		}
		if was[arn] == drift.InSync && v != drift.InSync {
			t.Errorf("%s was in sync and is %s after a repair", arn, v)
		}
	}
	if got := after.Summary().ByVerdict[drift.Broken]; got >= before.Summary().ByVerdict[drift.Broken] {
		t.Errorf("%d broken after a repair, %d before", got, before.Summary().ByVerdict[drift.Broken])
	}
	again := run(t, s, rotation.Scope{})
	if n := len(a.Writes()) - writes; n > 0 {
		t.Errorf("a second repair wrote %d times", n)
	}
	for _, c := range again.Changes {
		if c.Status == repair.Planned || c.Status == repair.Failed {
			t.Errorf("a second repair still has %s %s %s: %s", c.Status, c.Call, c.Subject, c.Reason)
		}
	}
}

func TestDefaultBreakerAndSettlingHoldBackAFirstRepair(t *testing.T) {
	a := newAccount(t)
	outcome := run(t, newSweeper(t, a, "mode: repair"), rotation.Scope{})
	if writes := a.Writes(); len(writes) > 3 {
		t.Errorf("a first repair with the default settings wrote %d times", len(writes))
	}
	for _, c := range outcome.Changes {
		if c.Call == repair.PutRolePolicy && c.Status == repair.Done {
			t.Errorf("granted on %s to a secret that was first seen now", c.Subject)
		}
	}
	if outcome.ExitCode() == report.ExitInSync {
		t.Error("exit code 0 though changes were held back")
	}
}

func TestPlanApplyAndRollbackGoThereAndBack(t *testing.T) {
	a := newAccount(t)
	s := newSweeper(t, a, "mode: repair\nrepair: "+lifted)
	before := run(t, newSweeper(t, a, "mode: report"), rotation.Scope{})
	_, plan, err := s.Plan(t.Context(), rotation.Scope{})
	if err != nil || !plan.Writes() {
		t.Fatalf("plan with %d changes, %v", len(plan.Changes), err)
	}
	if writes := a.Writes(); len(writes) > 0 {
		t.Fatalf("planning wrote %v", writes)
	}
	var stored bytes.Buffer
	if err := plan.Write(&stored); err != nil {
		t.Fatal(err)
	}
	read, err := repair.ReadPlan(&stored)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := s.Apply(t.Context(), read)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range applied.Changes {
		if c.Status != repair.Done {
			t.Errorf("%s %s %s is %s: %s", c.Call, c.Subject, c.Name, c.Status, c.Reason)
		}
	}
	runs, err := s.Ledger.Runs(t.Context(), 1)
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs %v, %v", runs, err)
	}
	shown, err := s.Rollback(t.Context(), runs[0].ID, repair.Undoing{AcceptBroken: true}, false)
	if err != nil || len(shown.Changes) != len(applied.Changes) {
		t.Fatalf("rollback shows %d changes of %d, %v", len(shown.Changes), len(applied.Changes), err)
	}
	if _, err = s.Rollback(t.Context(), runs[0].ID, repair.Undoing{AcceptBroken: true}, true); err != nil {
		t.Fatal(err)
	}
	was := verdicts(before)
	for arn, v := range verdicts(run(t, newSweeper(t, a, "mode: report"), rotation.Scope{})) {
		if was[arn] != v {
			t.Errorf("%s is %s after a rollback, was %s", arn, v, was[arn])
		}
	}
}

func TestTemplateThatCannotWorkIsAnErrorWithItsField(t *testing.T) {
	c := config.Default()
	c.Templates = map[string]config.Template{"single-user": {File: "own.json", Text: []byte(`{"Version":"2012-10-17","Statement":[]}`)}}
	if _, err := sweep.NewSettings(&c, time.Now()); err == nil || !bytes.Contains([]byte(err.Error()), []byte("templates.single-user")) {
		t.Errorf("error %v, want one that names templates.single-user", err)
	}
}

func verdicts(o report.Outcome) map[rotation.ARN]drift.Verdict {
	all := map[rotation.ARN]drift.Verdict{}
	for i := range o.Secrets {
		all[o.Secrets[i].ARN] = o.Secrets[i].Verdict
	}
	return all
}

package sweep_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// overdue is an account with one secret that should have rotated yesterday, and whose function nobody may invoke.
func overdue(t *testing.T) *awstest.Account {
	t.Helper()
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region})
	a.AddRole(awstest.Role{Name: "r", Inline: map[string]string{"rotate": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],"Resource":"*"},{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`}})
	function := "arn:aws:lambda:" + account.Region + ":" + account.ID + ":function:f"
	a.AddFunction(awstest.Function{Name: "f", FunctionConfig: awstest.FunctionConfig{Role: "arn:aws:iam::" + account.ID + ":role/r"}})
	yes, yesterday := true, time.Now().Add(-24*time.Hour)
	a.AddSecret(awstest.Secret{ARN: "arn:aws:secretsmanager:" + account.Region + ":" + account.ID + ":secret:late-AbCdEf", RotationEnabled: &yes, RotationLambdaARN: function, NextRotation: yesterday,
		Versions: map[string][]string{"11111111-1111-1111-1111-111111111111": {"AWSCURRENT"}, "22222222-2222-2222-2222-222222222222": {"AWSPENDING"}}})
	return a
}

func TestAMendedOverdueSecretIsToldHowToRotateAndNothingRotatesByItself(t *testing.T) {
	a := overdue(t)
	outcome := run(t, newSweeper(t, a, "mode: repair\nrepair: "+lifted), rotation.Scope{})
	var text bytes.Buffer
	if err := outcome.WriteText(&text, report.Style{Width: 400}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"aws secretsmanager rotate-secret --region " + account.Region, "AWSPENDING is stuck on version 22222222-2222-2222-2222-222222222222",
		"--remove-from-version-id 22222222-2222-2222-2222-222222222222",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, text.String())
		}
	}
	for _, c := range a.Writes() {
		if c.Service == "secretsmanager" {
			t.Errorf("%s was called", c.Name())
		}
	}
}

// settled are the settings of a config under a ledger.
func settled(t *testing.T, l ledger.Ledger, yaml string, at time.Time) sweep.Settings {
	t.Helper()
	c, err := config.Parse("rotationguard.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := sweep.NewSettings(&c, at)
	if err != nil {
		t.Fatal(err)
	}
	if settings, err = settings.WithLedger(t.Context(), l, "arn:aws:iam::1:user/mallory", at); err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestAttackAnExemptionIsSlippedIn(t *testing.T) {
	const year = "exemptions: [{rule: invoke-grant, owner: mallory, reason: fine, expires: 2099-01-01}, {secret: late, owner: mallory, reason: fine, expires: 2099-01-01}]"
	a := overdue(t)
	s := newSweeper(t, a, "mode: report")
	s.Channels = []ledger.Channel{"mail"}
	now := time.Now().UTC()
	s.Now = func() time.Time { return now }
	verdict := func() string {
		s.Judging = settled(t, s.Ledger, year, now).Judging
		outcome := run(t, s, rotation.Scope{})
		return string(outcome.Secrets[0].Verdict)
	}
	s.Judging = settled(t, s.Ledger, year, now).Judging
	first := run(t, s, rotation.Scope{})
	if first.Secrets[0].Verdict != "exempt" || len(first.Exempted) != 2 {
		t.Fatalf("at first it is %s, and %d exemptions are told", first.Secrets[0].Verdict, len(first.Exempted))
	}
	if notes := strings.Join(first.Notes, "\n"); !strings.Contains(notes, "New exemption in the configuration") || !strings.Contains(notes, "user/mallory") {
		t.Errorf("the report does not say who slipped it in: %s", notes)
	}
	for _, e := range first.Exempted {
		e.Told = map[ledger.Channel]time.Time{"mail": now}
		if err := s.Ledger.PutExemption(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(29 * 24 * time.Hour)
	if got := verdict(); got != "exempt" {
		t.Errorf("after 29 days it is %s", got)
	}
	if again := run(t, s, rotation.Scope{}); len(again.Exempted) > 0 {
		t.Errorf("they are told again: %+v", again.Exempted)
	}
	now = now.Add(2 * 24 * time.Hour)
	if got := verdict(); got != "broken" {
		t.Errorf("a critical finding is %s after 31 days, want broken", got)
	}
	// The same in the ledger itself.
	for _, e := range []ledger.Exemption{{ID: "e-1", Secret: "late"}, {ID: "e-2", Function: "*"}} {
		e.Owner, e.Reason, e.Added, e.AddedBy, e.Expires = "mallory", "fine", now, "arn:aws:iam::1:user/mallory", now.AddDate(50, 0, 0)
		if err := s.Ledger.PutExemption(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got := verdict(); got != "exempt" {
		t.Errorf("with a fresh exemption it is %s", got)
	}
	now = now.Add(31 * 24 * time.Hour)
	if got := verdict(); got != "broken" {
		t.Errorf("a critical finding is %s 31 days after, want broken", got)
	}
}

func TestAnExpiredExemptionReopensItsFindings(t *testing.T) {
	a := overdue(t)
	s := newSweeper(t, a, "mode: report")
	now := time.Now().UTC()
	s.Now = func() time.Time { return now }
	e := ledger.Exemption{ID: "e-1", Secret: "late", Owner: "ana", Reason: "known", Added: now, AddedBy: "ana", Expires: now.Add(48 * time.Hour)}
	if err := s.Ledger.PutExemption(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"exempt", "broken"} {
		s.Judging = settled(t, s.Ledger, "", now).Judging
		if got := run(t, s, rotation.Scope{}).Secrets[0].Verdict; string(got) != want {
			t.Errorf("at %s it is %s, want %s", now, got, want)
		}
		now = now.Add(49 * time.Hour)
	}
}

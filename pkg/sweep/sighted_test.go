package sweep

import (
	"testing"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// TestAFleetResolvesOnlyWhatItWouldHaveSeen sweeps three accounts: one as a whole, one in part, one not at all.
func TestAFleetResolvesOnlyWhatItWouldHaveSeen(t *testing.T) {
	const whole, part, dark = "111111111111", "222222222222", "333333333333"
	secret := func(account, name string) rotation.ARN {
		return rotation.ARN("arn:aws:secretsmanager:eu-west-1:" + account + ":secret:" + name + "-AbCdEf")
	}
	function := func(account, name string) rotation.ARN {
		return rotation.ARN("arn:aws:lambda:eu-west-1:" + account + ":function:" + name)
	}
	role := func(account, name string) rotation.ARN {
		return rotation.ARN("arn:aws:iam::" + account + ":role/" + name)
	}
	s := NewSighted()
	s.Add(&report.Outcome{Account: whole, Region: "eu-west-1", Secrets: []report.Secret{{ARN: secret(whole, "a"), FunctionARN: function(whole, "f"), Verdict: drift.InSync}}}, true)
	s.Add(&report.Outcome{Account: part, Region: "eu-west-1", Secrets: []report.Secret{
		{ARN: secret(part, "a"), FunctionARN: function(part, "f"), RoleARN: role(part, "f"), Verdict: drift.InSync}, {ARN: secret(part, "b"), FunctionARN: function(part, "g"), Verdict: drift.Unknown},
	}}, false)
	fleet := report.Outcome{Targets: []report.Target{
		{Account: whole, Region: "eu-west-1", Status: report.TargetSwept}, {Account: part, Region: "eu-west-1", Status: report.TargetIncomplete},
		{Account: dark, Region: "eu-west-1", Status: report.TargetFailed, Cause: "AccessDenied"}, {Account: whole, Region: "us-east-1", Status: report.TargetFailed},
	}}
	s.AddTargets(&fleet)
	for _, tt := range []struct {
		name string
		f    drift.Finding
		want bool
	}{
		{"a secret that was read", drift.Finding{Secret: secret(whole, "a")}, true},
		{"a secret that is gone from what was read as a whole", drift.Finding{Secret: secret(whole, "gone")}, true},
		{"a secret that was read in what was read in part", drift.Finding{Secret: secret(part, "a")}, true},
		{"a secret that could not be judged", drift.Finding{Secret: secret(part, "b")}, false},
		{"a secret that is not among what was read in part", drift.Finding{Secret: secret(part, "gone")}, false},
		{"a function of which one secret could not be judged", drift.Finding{Function: function(part, "g"), Subject: function(part, "g")}, false},
		{"a secret of a target that failed", drift.Finding{Secret: secret(dark, "a")}, false},
		{"a secret of an account that is not in the fleet", drift.Finding{Secret: secret("444444444444", "a")}, false},
		{"a role that was read", drift.Finding{Subject: role(part, "f")}, true},
		{"a role of an account of which one Region failed", drift.Finding{Subject: role(whole, "other")}, false},
		{"that a target had failed, which was swept", *report.NewUnswept(&fleet.Targets[0]), true},
		{"that an account's Regions could not be listed, which were", *report.NewUnswept(&report.Target{Account: part}), true},
		{"that a target had failed, which is not in the list any more", *report.NewUnswept(&report.Target{Account: part, Region: "eu-north-1"}), false},
	} {
		if got := s.covers(&tt.f, s.wholeOf); got != tt.want {
			t.Errorf("%s: covered %t, want %t", tt.name, got, tt.want)
		}
	}
	severities := map[rotation.ARN]drift.Severity{}
	for _, f := range s.findings {
		if f.Rule == report.RuleUnswept {
			severities[f.Subject] = f.Severity
		}
	}
	if len(severities) != 3 || severities[dark+" eu-west-1"] != drift.High || severities[part+" eu-west-1"] != drift.Medium {
		t.Errorf("what was not swept is %v", severities)
	}
}

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
	// Its secrets name functions of others, one of which was swept in part and one not at all.
	const across = "555555555555"
	found := []*drift.Finding{{ID: "f", Explanation: "something else is wrong with each"}}
	s.Add(&report.Outcome{Account: across, Region: "eu-west-1", Secrets: []report.Secret{
		{ARN: secret(across, "a"), FunctionARN: function(dark, "shared"), RoleARN: role(dark, "shared"), Verdict: drift.Broken, Findings: found},
		{ARN: secret(across, "b"), FunctionARN: function(part, "shared"), Verdict: drift.Broken, Findings: found},
		{ARN: secret(across, "c"), FunctionARN: function("666666666666", "shared"), RoleARN: role(across, "of-both"), Verdict: drift.Broken, Findings: found},
	}}, true)
	fleet := report.Outcome{Targets: []report.Target{
		{Account: whole, Region: "eu-west-1", Status: report.TargetSwept}, {Account: part, Region: "eu-west-1", Status: report.TargetIncomplete},
		{Account: dark, Region: "eu-west-1", Status: report.TargetFailed, Cause: "AccessDenied"}, {Account: across, Region: "eu-west-1", Status: report.TargetSwept},
		{Account: across, Region: "us-east-1", Status: report.TargetFailed}, {Account: "777777777777", Status: report.TargetFailed, Cause: "no Regions"}, {Account: whole, Region: "us-east-1", Status: report.TargetFailed},
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
		{"a function of a target that failed, which another's secret names", drift.Finding{Function: function(dark, "shared"), Subject: function(dark, "shared")}, false},
		{"a secret of a target that failed, with a function which another's secret names", drift.Finding{Secret: secret(dark, "a"), Function: function(dark, "shared")}, false},
		{"a secret that was read, with a function of a target that failed", drift.Finding{Secret: secret(across, "a"), Function: function(dark, "shared")}, false},
		{"a role of a target that failed, which another's function has", drift.Finding{Subject: role(dark, "shared")}, false},
		{"a secret that is not among what was read in part, with a function which another's secret names", drift.Finding{Secret: secret(part, "gone"), Function: function(part, "shared")}, false},
		{"a secret that was read, with a function of what was read in part", drift.Finding{Secret: secret(across, "b"), Function: function(part, "shared")}, true},
		{"a secret that was read, with another function than before", drift.Finding{Secret: secret(part, "a"), Function: function(part, "before")}, true},
		{"a function of an account outside of the fleet, which was read", drift.Finding{Function: function("666666666666", "shared")}, true},
		{"a role that was read in one Region, when another failed", drift.Finding{Subject: role(across, "of-both")}, false},
		{"the same with a secret that was read", drift.Finding{Secret: secret(across, "c"), Subject: role(across, "of-both")}, true},
		{"a secret of an account whose Regions could not be listed", drift.Finding{Secret: secret("777777777777", "a")}, false},
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
	if len(severities) != 5 || severities[dark+" eu-west-1"] != drift.High || severities[part+" eu-west-1"] != drift.Medium {
		t.Errorf("what was not swept is %v", severities)
	}
}

package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// now is the moment of every fixture.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	accountID = "111122223333"
	region    = "eu-west-1"
	invoke    = "lambda:InvokeFunction"
)

func secretARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:secretsmanager:" + region + ":" + accountID + ":secret:" + name + "-AbCdEf")
}

func functionARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:lambda:" + region + ":" + accountID + ":function:" + name)
}

func roleARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:iam::" + accountID + ":role/" + name)
}

func in(d time.Duration) *time.Time {
	t := now.Add(d)
	return &t
}

func truth(b bool) *bool { return &b }

// judged is a judgement of one secret.
func judged(name string, verdict drift.Verdict, next *time.Time, reason string, findings ...*drift.Finding) drift.Judgement {
	secret := rotation.Secret{
		ARN: secretARN(name), Name: name, Kind: rotation.KindLambda, FunctionARN: functionARN("rotate-" + name), NextRotation: next,
		Tags: map[string]string{"team": "pay"}, Declaration: rotation.Declaration{Strategy: rotation.SingleUser, StrategySource: rotation.SourceTag},
	}
	works := truth(true)
	switch verdict {
	case drift.Broken, drift.Orphaned:
		works = truth(false)
	case drift.Unknown:
		works = nil
	case drift.Skipped:
		secret.Kind, secret.FunctionARN, secret.Declaration = rotation.KindOff, "", rotation.Declaration{}
	case drift.Exempt, drift.Drifted, drift.InSync:
	}
	setup := rotation.Setup{Account: accountID, Region: region, Partition: "aws", Secrets: []rotation.Secret{secret}}
	if secret.FunctionARN != "" {
		setup.Function = rotation.Function{ARN: secret.FunctionARN, Role: roleARN("rotate-" + name)}
		setup.Role = rotation.Role{ARN: roleARN("rotate-" + name)}
	}
	return drift.Judgement{Setup: setup, Secrets: []drift.SecretJudgement{{Secret: secret, Verdict: verdict, RotationCanWork: works, Reason: reason, Findings: findings}}}
}

func denied(id, name, action string) *drift.Finding {
	role := string(roleARN("rotate-" + name))
	return &drift.Finding{
		ID: id, Rule: "secret-access", Kind: drift.KindRole, Direction: policy.Missing, Severity: drift.Critical,
		Subject: roleARN("rotate-" + name), Secret: secretARN(name), Function: functionARN("rotate-" + name),
		Statement:   &policy.StatementRef{Document: "inline policy rotate", Index: 1, Sid: "Secret"},
		Witness:     &drift.Witness{Action: action, Resource: string(secretARN(name)), Principal: &role},
		Explanation: action + " is denied to the role rotate-" + name + ": statement 2 (\"Secret\") of the inline policy rotate comes nearest: its condition wants secretsmanager:resource/AllowRotationLambdaArn to be " + string(functionARN("old")) + ", the secret stores " + string(functionARN("rotate-"+name)),
		Fix: &drift.Fix{
			By: drift.ByRepair, Summary: "Let the execution role call " + action, Where: "inline policy rotationguard-eu-west-1-rotate-" + name + " of " + role,
			Statement: `{"Effect":"Allow","Action":"` + action + `","Resource":"` + string(secretARN(name)) + `"}`,
			Command:   "aws iam put-role-policy --role-name rotate-" + name + " --policy-name rotationguard-eu-west-1-rotate-" + name + ` --policy-document '{"Version":"2012-10-17","Statement":[]}'`,
		},
	}
}

func public(name string) *drift.Finding {
	anybody := "*"
	return &drift.Finding{
		ID: "f-public", Rule: "public-invoke", Kind: drift.KindFunctionPolicy, Direction: policy.Excess, Severity: drift.Critical, Subject: functionARN("rotate-" + name),
		Function: functionARN("rotate-" + name), Statement: &policy.StatementRef{Document: "function policy", Sid: "Open"},
		Witness:     &drift.Witness{Action: invoke, Resource: string(functionARN("rotate-" + name)), Principal: &anybody},
		Explanation: `Anybody may invoke the function, by statement 1 ("Open") of the function policy`,
		Fix:         &drift.Fix{By: drift.ByPerson, Summary: "Remove the statement", BlockedBy: "a Deny", Statement: `{"Sid":"Open","Effect":"Allow"}`},
	}
}

func info(name string) *drift.Finding {
	return &drift.Finding{
		ID: "f-logs", Rule: "logs", Kind: drift.KindRole, Direction: policy.Missing, Severity: drift.Info, Subject: roleARN("rotate-" + name),
		Explanation: "logs:CreateLogStream is denied: the function's log is not written",
	}
}

func outcomeOf(mode repair.Mode, judgements ...drift.Judgement) Outcome {
	o := Outcome{Account: accountID, Region: region, Mode: mode, At: now}
	for i := range judgements {
		o.Add(&judgements[i])
	}
	o.Sort()
	return o
}

// situations are one outcome for each thing that a reader meets.
func situations() map[string]Outcome {
	synced := outcomeOf(repair.ModeReport, judged("app", drift.InSync, in(50*time.Hour), "every request that rotation needs is allowed", info("app")),
		judged("off", drift.Skipped, nil, "rotation is not enabled"))

	broken := outcomeOf(repair.ModeReport,
		judged("late", drift.Broken, in(-72*time.Hour), "the next rotation fails: secretsmanager:GetSecretValue is denied; and 1 more",
			denied("f-1", "late", "secretsmanager:GetSecretValue"), denied("f-2", "late", "secretsmanager:PutSecretValue"), info("late")),
		judged("open", drift.Drifted, in(5*time.Hour), "rotation works, but anybody may invoke the function", public("open")),
		judged("gone", drift.Orphaned, nil, "The rotation function does not exist; the secret still names it"),
		judged("app", drift.InSync, in(30*time.Minute), "every request that rotation needs is allowed"),
		judged("old", drift.Exempt, in(90*24*time.Hour), "exempt: moves out in May (ana@example.com)"),
		judged("off", drift.Skipped, nil, "rotation is not enabled"))

	unread := judged("dark", drift.Unknown, in(20*24*time.Hour), "whether rotation can work is not known: iam:GetRolePolicy on rotate-dark: AccessDenied")
	unknown := outcomeOf(repair.ModeReport, unread)
	unknown.Errors = []Error{
		{Call: "iam:GetRolePolicy", Resource: string(roleARN("rotate-dark")), Code: "AccessDenied", Message: "not authorized", Permission: "iam:GetRolePolicy"},
	}

	repaired := outcomeOf(repair.ModeRepair,
		judged("late", drift.Broken, in(-72*time.Hour), "the next rotation fails", denied("f-1", "late", "secretsmanager:GetSecretValue")),
		judged("soon", drift.Broken, in(3*24*time.Hour), "the next rotation fails", denied("f-3", "soon", "secretsmanager:GetSecretValue")))
	repaired.Changes = []repair.Change{
		{
			ID: "change-1", Call: repair.PutRolePolicy, Status: repair.Done, Subject: roleARN("rotate-late"), Name: "rotationguard-eu-west-1-rotate-late",
			Function: functionARN("rotate-late"), Secrets: []rotation.ARN{secretARN("late")}, Findings: []string{"f-1"}, After: `{"Version":"2012-10-17","Statement":[]}`,
			Diff:  "diff before a after a\n--- before a\n+++ after a\n@@ -0,0 +1,2 @@\n+{\n+  \"Version\": \"2012-10-17\"\n",
			Proof: repair.Proof{Required: 8, Before: 7, After: 8, Excess: "inside the ceiling", Lost: "nothing is taken away"}, At: in(time.Minute),
			Undo: "aws iam delete-role-policy --role-name rotate-late --policy-name rotationguard-eu-west-1-rotate-late",
		},
		{
			ID: "change-2", Call: repair.PutRolePolicy, Status: repair.Waiting, Reason: "the secret names this function since 1 h", Subject: roleARN("rotate-soon"),
			Name: "rotationguard-eu-west-1-rotate-soon", Function: functionARN("rotate-soon"), NotBefore: in(23 * time.Hour), Diff: "@@ -0,0 +1 @@\n+{}\n",
		},
	}
	repaired.Left = []repair.Left{{Subject: roleARN("rotate-late"), Secret: secretARN("late"), What: "Decrypt", Reason: "blocked by the key policy"}}
	repaired.Breaker = &repair.Breaker{Limit: 25, Planned: 2, Functions: 2}
	repaired.Replace([]drift.Judgement{judged("late", drift.InSync, in(-72*time.Hour), "every request that rotation needs is allowed")})
	repaired.Notes = []string{"Run r-1 wrote 1 changes."}
	repaired.Operators = []Operator{{Principal: roleARN("dba"), May: rotation.Trigger, Verdict: drift.Drifted, Reason: "may also read secrets", Findings: []*drift.Finding{{
		ID: "f-op", Rule: "operator-excess", Kind: drift.KindOperator, Direction: policy.Excess, Severity: drift.High, Subject: roleARN("dba"), Explanation: "The role may read every secret",
	}}}}

	hostile := outcomeOf(repair.ModeReport, hostileJudgement())
	hostile.Errors = []Error{{Call: "lambda:GetPolicy", Resource: nasty, Code: nasty, Message: nasty}}
	hostile.Notes = []string{nasty}
	hostile.Changes = []repair.Change{{
		ID: "change-3", Call: repair.AddPermission, Status: repair.Failed, Reason: nasty, Name: nasty, Subject: nasty, Diff: nasty + "\n+" + nasty, Before: nasty, After: nasty, Undo: nasty,
	}}
	hostile.Left = []repair.Left{{Subject: nasty, What: nasty, Reason: nasty}}
	hostile.Operators = []Operator{{Principal: nasty, May: rotation.Trigger, Verdict: drift.Drifted, Reason: nasty}}
	return map[string]Outcome{"in-sync": synced, "broken": broken, "unknown": unknown, "repaired": repaired, "hostile": hostile, "empty": outcomeOf(repair.ModeReport)}
}

// nasty is what an attacker may call a secret, a tag or a role: markup, escape sequences, control characters, text that reverses direction,
// a spreadsheet's formula.
const nasty = "=cmd|' /C calc'!A0 <script>alert(1)</script> \x1b[31mred\x1b]0;title\x07 \u009b31m \u202edesrever\u2066 a\u0000b\r\nc\td </details>\"'`${x}` [a](javascript:alert(1)) \u200bzero\u2028line\U000e0041tag"

func hostileJudgement() drift.Judgement {
	f := denied("f-9", "late", "secretsmanager:GetSecretValue")
	f.Explanation, f.Subject, f.Exempt = nasty, nasty, ""
	f.Witness = &drift.Witness{Action: nasty, Resource: nasty, Principal: &f.Explanation, Context: map[string][]string{nasty: {nasty}}}
	f.Fix = &drift.Fix{By: drift.ByPerson, Summary: nasty, Where: nasty, Statement: nasty, Command: nasty, BlockedBy: nasty}
	j := judged("late", drift.Broken, in(-time.Hour), nasty, f)
	j.Secrets[0].Secret.Name, j.Secrets[0].Secret.ARN, j.Secrets[0].Secret.FunctionARN = nasty, nasty, nasty
	j.Secrets[0].Secret.Tags = map[string]string{nasty: nasty}
	j.Secrets[0].Secret.KMSKeyID = nasty
	j.Secrets[0].Notes = []string{nasty}
	j.Setup.Role.ARN = nasty
	return j
}

// golden compares with a file that -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update rewrites it:\n%s", path, diff)
	}
}

package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestPathSaysWhatIsDeniedAtEachHop(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:111122223333:key/k-1"
	master := secretARN("admin")
	finding := func(kind drift.Kind, rule string, direction policy.Direction, severity drift.Severity, action string, resource rotation.ARN, who string) *drift.Finding {
		return &drift.Finding{Kind: kind, Rule: rule, Direction: direction, Severity: severity, Witness: &drift.Witness{Action: action, Resource: string(resource), Principal: &who}}
	}
	missing := func(kind drift.Kind, rule, action string, resource rotation.ARN) *drift.Finding {
		return finding(kind, rule, policy.Missing, drift.Critical, action, resource, "role")
	}
	orphan := func(kind drift.Kind) *drift.Finding { return missing(kind, drift.RuleOrphan, invoke, "") }
	base := func() Secret {
		return Secret{ARN: secretARN("app"), Name: "app", FunctionARN: functionARN("f"), RoleARN: roleARN("r"), KMSKeyID: key, Master: master, Verdict: drift.Broken, Decided: true}
	}
	tests := []struct {
		name    string
		change  func(*Secret)
		unread  []string
		finding *drift.Finding
		want    string
	}{
		{name: "all is allowed where every request was decided", want: "f allowed > r allowed > app allowed, k-1 allowed, admin allowed"},
		{name: "what was not decided is not called allowed", change: func(s *Secret) { s.Decided = false }, want: "f open > r open > app open, k-1 open, admin open"},
		{name: "what could not be read is said where it stands", change: func(s *Secret) { s.Decided = false }, unread: []string{string(functionARN("f"))}, want: "f unread > r open > app open, k-1 open, admin open"},
		{name: "a role that could not be read leaves all it uses unread", change: func(s *Secret) { s.Decided = false }, unread: []string{string(roleARN("r"))}, want: "f open > r unread > app unread, k-1 unread, admin unread"},
		{name: "AWS's own key needs no grant", change: func(s *Secret) { s.KMSKeyID, s.Master = "", "" }, want: "f allowed > r allowed > app allowed, aws/secretsmanager free"},
		{name: "Secrets Manager assumes an external role", change: func(s *Secret) { s.FunctionARN, s.Master = "", "" }, want: "r allowed > app allowed, k-1 allowed"},
		{name: "the invoke grant", finding: missing(drift.KindFunctionPolicy, drift.RuleInvoke, invoke, functionARN("f")), want: "f denied InvokeFunction > r allowed > app allowed, k-1 allowed, admin allowed"},
		{name: "the trust", finding: missing(drift.KindTrust, drift.RuleTrust, "sts:AssumeRole", roleARN("r")), want: "f allowed > r denied AssumeRole > app allowed, k-1 allowed, admin allowed"},
		{name: "the secret", finding: missing(drift.KindSecretPolicy, drift.RuleExplicitDeny, "secretsmanager:GetSecretValue", secretARN("app")), want: "f allowed > r allowed > app denied GetSecretValue, k-1 allowed, admin allowed"},
		{name: "the password", finding: missing(drift.KindRole, drift.RuleRandomPassword, "secretsmanager:GetRandomPassword", "*"), want: "f allowed > r allowed > app denied GetRandomPassword, k-1 allowed, admin allowed"},
		{name: "the key", finding: missing(drift.KindRole, drift.RuleKey, "kms:Decrypt", key), want: "f allowed > r allowed > app allowed, k-1 denied Decrypt, admin allowed"},
		{name: "the key's state", finding: &drift.Finding{Kind: drift.KindKey, Rule: drift.RuleKeyState, Direction: policy.Missing, Severity: drift.Critical}, want: "f allowed > r allowed > app allowed, k-1 denied, admin allowed"},
		{name: "the master", finding: missing(drift.KindBoundary, drift.RuleBoundary, "secretsmanager:GetSecretValue", master), want: "f allowed > r allowed > app allowed, k-1 allowed, admin denied GetSecretValue"},
		{
			name: "a denial that is felt later", finding: finding(drift.KindRole, drift.RuleNetwork, policy.Missing, drift.Medium, "ec2:CreateNetworkInterface", "*", "role"),
			want: "f allowed > r allowed > app allowed, k-1 allowed, admin allowed, interfaces in the VPC later CreateNetworkInterface",
		},
		{name: "who may invoke beyond need", finding: finding(drift.KindFunctionPolicy, drift.RulePublicInvoke, policy.Excess, drift.Critical, invoke, functionARN("f"), "arn:aws:iam::1:role/x"), want: "f more +anyone > r allowed > app allowed, k-1 allowed, admin allowed"},
		{name: "who may assume beyond need", finding: finding(drift.KindTrust, drift.RuleForeignTrust, policy.Excess, drift.High, "sts:AssumeRole", roleARN("r"), "arn:aws:iam::1:role/x"), want: "f allowed > r more +1:role/x > app allowed, k-1 allowed, admin allowed"},
		{
			name: "what the role may beyond need", finding: finding(drift.KindRole, drift.RuleAllSecrets, policy.Excess, drift.Critical, "secretsmanager:GetSecretValue", secretARN("other"), "role"),
			want: "f allowed > r allowed > app allowed, k-1 allowed, admin allowed, other-AbCdEf more +secretsmanager:GetSecretValue",
		},
		{name: "nothing comes after a function that is gone", finding: orphan(drift.KindFunction), want: "f gone"},
		{name: "nothing comes after a role that is gone", finding: orphan(drift.KindRole), want: "f allowed > r gone"},
		{name: "a secret that nothing rotates", change: func(s *Secret) { s.FunctionARN, s.RoleARN = "", "" }, finding: orphan(drift.KindSecret), want: "none gone"},
		{name: "a finding of severity info changes nothing", finding: finding(drift.KindRole, drift.RuleLogs, policy.Missing, drift.Info, "logs:PutLogEvents", "*", "role"), want: "f allowed > r allowed > app allowed, k-1 allowed, admin allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := base()
			if tt.change != nil {
				tt.change(&s)
			}
			if tt.finding != nil {
				s.Findings = []*drift.Finding{tt.finding}
			}
			p := &page{unread: map[string]bool{}}
			for _, resource := range tt.unread {
				p.unread[resource] = true
			}
			if got := pathText(p.path(&s)); got != tt.want {
				t.Errorf("path %s\nwant %s", got, tt.want)
			}
		})
	}
	if p := (&page{}).path(&Secret{Verdict: drift.Skipped}); p != nil {
		t.Errorf("a secret that is not checked has the path %s", pathText(p))
	}
}

func pathText(p *pagePath) string {
	text := func(s *pageStep) string {
		out := strings.TrimSuffix(s.To.Name, "-AbCdEf") + " " + string(s.Hop)
		if s.To.What == "beyond rotation" {
			out = s.To.Name + " " + string(s.Hop)
		}
		for _, d := range s.Denied {
			out += " " + d
		}
		for _, a := range s.Also {
			out += " +" + a
		}
		return out
	}
	var steps, targets []string
	for _, s := range p.Steps {
		steps = append(steps, text(s))
	}
	for _, s := range p.Targets {
		targets = append(targets, text(s))
	}
	if len(targets) > 0 {
		steps = append(steps, strings.Join(targets, ", "))
	}
	return strings.Join(steps, " > ")
}

func TestHunksPairWhatWentWithWhatCame(t *testing.T) {
	diff := "diff a b\n--- a\n+++ b\n@@ -1,3 +1,3 @@\n {\n-  old\n+  new\n+  more\n }\n@@ -9,2 +9,1 @@\n x\n-y\n"
	want := []pageHunk{
		{Same: []string{" {"}},
		{Removed: []string{"-  old"}, Add: []string{"+  new", "+  more"}},
		{Same: []string{" }"}},
		{Gap: "lines left out", Same: []string{" x"}},
		{Removed: []string{"-y"}},
	}
	if diff := cmp.Diff(want, hunks(diff)); diff != "" {
		t.Errorf("hunks (-want +got):\n%s", diff)
	}
}

func TestFormsPutStatementsTogetherThatDifferInTheirActionAlone(t *testing.T) {
	statement := func(action, resource string) *drift.Finding {
		f := denied("f-1", "app", "secretsmanager:"+action)
		f.Fix.Statement = fmt.Sprintf(`{"Effect":"Allow","Action":"secretsmanager:%s","Resource":"%s"}`, action, resource)
		return f
	}
	own := string(secretARN("app"))
	findings := []*drift.Finding{statement("GetSecretValue", own), statement("PutSecretValue", own), statement("GetRandomPassword", "*")}
	got := forms(findings)
	if len(got) == 0 || got[0].Tool != "JSON" {
		t.Fatalf("forms %+v", got)
	}
	for _, form := range got {
		if len(form.Texts) != 2 {
			t.Errorf("%s has %d texts, want 2: %q", form.Tool, len(form.Texts), form.Texts)
		}
		for _, action := range []string{"GetSecretValue", "PutSecretValue"} {
			if !strings.Contains(form.Texts[0], action) {
				t.Errorf("%s leaves %s out: %s", form.Tool, action, form.Texts[0])
			}
		}
	}
	if strings.Contains(findings[0].Fix.Statement, "PutSecretValue") {
		t.Error("the finding itself was changed")
	}
}

// paths is an outcome of one secret with a key of its customer's, of whose requests one is denied.
func paths() Outcome {
	j := judged("app", drift.Broken, in(time.Hour), "the next rotation fails", denied("f-1", "app", "secretsmanager:PutSecretValue"))
	const key = "arn:aws:kms:eu-west-1:111122223333:key/k-1"
	j.Setup.Secrets[0].KMSKeyID, j.Secrets[0].Secret.KMSKeyID = key, key
	j.Setup.Keys = map[string]rotation.Key{key: {ARN: key}}
	j.Secrets[0].Decided = true
	j.Contract = rotation.NewContract(j.Setup, nil)
	return outcomeOf(repair.ModeReport, j)
}

func TestPathSaysWhatIsAllowedBesideWhatIsDenied(t *testing.T) {
	o := paths()
	p := newPage(&o).path(&o.Secrets[0])
	var got []string
	for _, s := range p.Targets {
		got = append(got, fmt.Sprintf("%s: not %s, but %s", s.To.Name, strings.Join(s.Denied, " "), strings.Join(s.May, " ")))
	}
	want := []string{
		"app: not PutSecretValue, but GetRandomPassword DescribeSecret GetSecretValue UpdateSecretVersionStage",
		"k-1: not , but Decrypt GenerateDataKey",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	o.Secrets[0].Decided = false
	for _, s := range newPage(&o).path(&o.Secrets[0]).Targets {
		if len(s.May) > 0 {
			t.Errorf("where not everything was decided, %s is said to allow %v", s.To.Name, s.May)
		}
	}
}

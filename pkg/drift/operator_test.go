package drift_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestJudgeOperator(t *testing.T) {
	managed := func(name string) rotation.Policy {
		text, err := os.ReadFile("../../testdata/aws-managed/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		return rotation.NewPolicy(rotation.PolicyAttached, name, string(text))
	}
	inline := func(statements ...string) rotation.Policy {
		return rotation.NewPolicy(rotation.PolicyInline, "operator", `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
	}
	const (
		rotate  = `{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*"}`
		guarded = `{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*","Condition":{"Null":{"secretsmanager:RotationLambdaARN":"true"}}}`
		invoke  = `{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}`
	)
	tests := []struct {
		name     string
		may      rotation.Permission
		identity []rotation.Policy
		boundary *rotation.Policy
		presence rotation.Presence
		gaps     []rotation.Gap
		want     drift.Verdict
		findings string // "severity rule", sorted
	}{
		{name: "trigger, exactly", may: rotation.Trigger, identity: []rotation.Policy{inline(guarded, `{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:111122223333:function:*"}`)}, want: drift.InSync},
		{name: "trigger without a condition may also reconfigure", may: rotation.Trigger, identity: []rotation.Policy{inline(rotate, `{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:111122223333:function:*"}`)}, want: drift.InSync, findings: "info operator-may-reconfigure"},
		{name: "trigger without InvokeFunction", may: rotation.Trigger, identity: []rotation.Policy{inline(guarded)}, want: drift.InSync, findings: "info operator-missing"},
		{name: "trigger without RotateSecret", may: rotation.Trigger, identity: []rotation.Policy{inline(`{"Effect":"Allow","Action":"secretsmanager:DescribeSecret","Resource":"*"}`)}, want: drift.Drifted, findings: "info operator-excess, info operator-missing, medium operator-missing"},
		{name: "trigger that reads values", may: rotation.Trigger, identity: []rotation.Policy{inline(guarded, `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}`)}, want: drift.Drifted, findings: "high operator-excess, info operator-missing"},
		{name: "trigger that may do anything with secrets", may: rotation.Trigger, identity: []rotation.Policy{inline(`{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}`)}, want: drift.Drifted, findings: "critical operator-excess, info operator-may-reconfigure, info operator-missing"},
		{name: "trigger that may do anything but IAM", may: rotation.Trigger, identity: []rotation.Policy{inline(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)}, want: drift.Drifted, findings: "critical operator-excess, info operator-may-reconfigure"},
		{name: "trigger that also looks", may: rotation.Trigger, identity: []rotation.Policy{inline(guarded, `{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:ListSecrets"],"Resource":"*"}`)}, want: drift.InSync, findings: "info operator-excess, info operator-missing"},
		{name: "trigger stopped by a boundary", may: rotation.Trigger, identity: []rotation.Policy{inline(guarded)}, boundary: ptr(inline(invoke)), want: drift.Drifted, findings: "info operator-missing, medium operator-missing"},
		{
			name: "configure by the two managed policies: they lack what a function of another name needs", may: rotation.Configure,
			identity: []rotation.Policy{managed("SecretsManagerReadWrite"), managed("IAMFullAccess")}, want: drift.Drifted,
			findings: "medium operator-missing, medium operator-missing, medium operator-missing",
		},
		{
			name: "configure, with the function's own rights", may: rotation.Configure, want: drift.InSync,
			identity: []rotation.Policy{managed("SecretsManagerReadWrite"), managed("IAMFullAccess"), inline(`{"Effect":"Allow","Action":["lambda:AddPermission","lambda:GetPolicy","lambda:InvokeFunction"],"Resource":"arn:aws:lambda:*:111122223333:function:rotate-*"}`)},
		},
		{
			name: "configure that is an administrator", may: rotation.Configure, identity: []rotation.Policy{managed("AdministratorAccess")}, want: drift.Drifted, findings: "critical operator-excess",
		},
		{name: "a principal that does not exist", may: rotation.Trigger, presence: rotation.Absent, want: drift.Orphaned},
		{name: "a principal that could not be read", may: rotation.Trigger, presence: rotation.Unreadable, gaps: []rotation.Gap{{Call: "iam:GetRole", Code: "AccessDenied"}}, want: drift.Unknown},
		{name: "rights that depend on the time", may: rotation.Trigger, identity: []rotation.Policy{inline(`{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}`)}, want: drift.Unknown, findings: "info operator-missing"},
	}
	on := rotation.Operated{
		Secrets:   slices.Values([]*rotation.Secret{{ARN: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/app-AbCdEf", FunctionARN: "arn:aws:lambda:eu-west-1:111122223333:function:rotate-db"}}),
		Functions: []rotation.ARN{"arn:aws:lambda:eu-west-1:111122223333:function:rotate-db"}, Roles: []rotation.ARN{"arn:aws:iam::111122223333:role/rotate-db"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := rotation.Operator{Principal: "arn:aws:iam::111122223333:role/dba", May: tt.may, Presence: rotation.Present, Identity: tt.identity, Boundary: tt.boundary, Gaps: tt.gaps}
			if tt.presence != "" {
				o.Presence = tt.presence
			}
			got := drift.JudgeOperator(o, on, rotation.Templates{})
			if got.Verdict != tt.want {
				t.Errorf("verdict = %s, want %s: %s", got.Verdict, tt.want, got.Reason)
			}
			var findings []string
			for _, f := range got.Findings {
				findings = append(findings, string(f.Severity)+" "+f.Rule)
				if f.Direction == policy.Excess && f.Statement == nil {
					t.Errorf("%s names no statement", f.Explanation)
				}
			}
			slices.Sort(findings)
			if text := strings.Join(findings, ", "); text != tt.findings {
				t.Errorf("findings = %q, want %q", text, tt.findings)
				for _, f := range got.Findings {
					t.Log(f.Explanation)
				}
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

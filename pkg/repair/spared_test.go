package repair_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// exempting exempts what a rule found, for a secret or all of them.
func exempting(rule, secret string) []drift.Exemption {
	return []drift.Exemption{{ID: "e-1", Rule: rule, Secret: secret, Owner: "ana", Reason: "it is read by the nightly report"}}
}

// What must not be touched stays with all that it stands beside: a statement is narrowed, and a policy detached, only as a whole.
func TestEnforceSparesWhatStandsBesideExcess(t *testing.T) {
	attach := func(b *bench, statements ...string) {
		b.add(working("x"))
		arn := b.AddPolicy(awstest.Policy{Name: "team", Document: document(statements...)})
		b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{arn} })
	}
	inlined := func(b *bench, statements ...string) {
		s := working("x")
		s.inline["extra"] = document(statements...)
		b.add(s)
	}
	custom := func(b *bench) {
		b.rules = rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "*"}, Strategy: "custom"}}}
	}
	masterless := func(b *bench) {
		b.rules = rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "*"}, Strategy: "master-user"}}}
	}
	wide := allow(`"iam:PassRole"`, "*")
	ours := `"` + string(secretARN("x-secret")) + `"`
	elsewhere := `"arn:aws:secretsmanager:eu-west-1:123456789012:secret:there-AbCdEf"`
	tests := []struct {
		name   string
		setup  func(b *bench)
		reason string
	}{
		{"an attached policy of which the operator keeps a statement", func(b *bench) {
			b.opts.Keep = []string{"Nightly"}
			attach(b, wide, `{"Sid":"Nightly","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::reports/*"}`)
		}, "repair.keep"},
		{"an attached policy of which the operator keeps a statement that others cover", func(b *bench) {
			b.opts.Keep = []string{"Nightly"}
			attach(b, allow(`"*"`, "*"), `{"Sid":"Nightly","Effect":"Allow","Action":"s3:*","Resource":"*"}`)
		}, "repair.keep"},
		{"an attached policy with a statement about another Region", func(b *bench) {
			attach(b, wide, `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":[`+elsewhere+`]}`)
		}, "another Region's"},
		{"an attached policy with a statement that is exempt", func(b *bench) {
			b.exemptions = exempting(drift.RuleOtherServices, "")
			attach(b, wide, allow(`"s3:GetObject"`, "arn:aws:s3:::reports/*"))
		}, "exempt"},
		{"an attached policy with what may be a master", func(b *bench) {
			masterless(b)
			attach(b, wide, allow(`"secretsmanager:GetSecretValue"`, string(secretARN("admin"))))
		}, "information"},
		{"an attached policy with what a custom rotation may need", func(b *bench) {
			custom(b)
			attach(b, wide, allow(`"s3:GetObject"`, "arn:aws:s3:::templates/*"))
		}, "information"},
		{"a statement that is exempt and gives more", func(b *bench) {
			b.exemptions = exempting(drift.RuleOtherServices, "")
			inlined(b, allow(`"s3:GetObject","iam:PassRole"`, "*"))
		}, "exempt"},
		{"a statement of a shared role that is exempt for one of its secrets", func(b *bench) {
			b.exemptions = exempting(drift.RuleOtherServices, string(secretARN("y-secret")))
			inlined(b, allow(`"s3:GetObject"`, "*"))
			y := working("y")
			y.role = "x-role"
			b.add(y)
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline["rotate-y"] = roleGrant(y.function()) })
		}, "exempt"},
		{"a statement that is exempt for one of the function's secrets", func(b *bench) {
			b.exemptions = exempting(drift.RuleOtherServices, string(secretARN("x-secret")))
			s := working("x")
			s.secrets = append(s.secrets, "x-more")
			s.inline["extra"] = document(allow(`"s3:GetObject"`, "*"))
			b.add(s)
		}, "for another secret of the function it is exempt"},
		{"a statement with what may be a master and more", func(b *bench) {
			masterless(b)
			inlined(b, `{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:UpdateSecret"],"Resource":[`+ours+`]}`,
				`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue"],"Resource":["`+string(secretARN("admin"))+`","arn:aws:secretsmanager:us-east-1:123456789012:secret:payroll/*"]}`)
		}, "information"},
		{"a public statement that the operator keeps", func(b *bench) {
			b.opts.Keep = []string{"everybody"}
			s := working("x")
			s.policy = document(invokeGrant(s.function()), publicGrant("everybody", s.function()))
			b.add(s)
		}, "repair.keep"},
		{"a statement that lets a service invoke, and Secrets Manager for another account", func(b *bench) {
			s := working("x")
			s.policy = document(invokeGrant(s.function()), strings.TrimSuffix(invoker("two", `{"Service":["secretsmanager.amazonaws.com","events.amazonaws.com"]}`, s.function()), "}")+
				`,"Condition":{"StringEquals":{"AWS:SourceAccount":"210987654321"}}}`)
			b.add(s)
		}, "another account"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			tt.setup(b)
			plan := b.plan(t)
			b.run(t)
			for _, w := range b.Writes() {
				if !strings.Contains(tt.name, "may be a master and more") {
					t.Errorf("%s on %s", w.Name(), w.Resource)
				}
			}
			if strings.Contains(tt.name, "a master and more") {
				if got := b.grantsOf("x-role"); !strings.Contains(got, string(secretARN("admin"))) {
					t.Errorf("what may be the master is gone:\n%s", got)
				}
			}
			if !slices.ContainsFunc(plan.Left, func(l repair.Left) bool { return strings.Contains(l.Reason, tt.reason) }) {
				t.Errorf("left = %+v, want %q", plan.Left, tt.reason)
			}
		})
	}
}

// What a statement of an attached policy gives is looked at as closely as the statement with the finding: one that only repeats the excess does
// not keep the policy attached.
func TestEnforceDetachesAPolicyWhoseStatementsOverlap(t *testing.T) {
	b := newEnforcing(t)
	b.add(working("x"))
	arn := b.AddPolicy(awstest.Policy{Name: "team", Document: document(allow(`"*"`, "*"), allow(`"s3:*"`, "*"), allow(`"logs:*"`, "*"))})
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{arn} })
	if got := summary(b.run(t)); !slices.Contains(got, "done iam:DetachRolePolicy x-role") {
		t.Errorf("changes = %v, left %+v", got, b.plan(t).Left)
	}
}

package repair_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

func TestRepairMendsAndASecondRepairWritesNothing(t *testing.T) {
	vpc := working("vpc")
	bare := &setup{name: "bare", secrets: []string{"bare-1", "bare-2"}}
	tests := []struct {
		name  string
		setup func(b *bench)
		want  []string // changes
	}{
		{"a working setup is left alone", func(b *bench) { b.add(working("fine")) }, nil},
		{"a function without a policy gets our invoke grant", func(b *bench) {
			s := working("gone")
			s.policy = ""
			b.add(s)
		}, []string{"done lambda:AddPermission gone"}},
		{"a policy that names only an account gets our invoke grant beside", func(b *bench) {
			s := working("scanned")
			s.policy = document(`{"Sid":"ProwlerFixerStatement","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"lambda:InvokeFunction","Resource":"` + string(s.function()) + `"}`)
			b.add(s)
		}, []string{"done lambda:AddPermission scanned"}},
		{"a grant that is missing goes on the qualifier that the secret names", func(b *bench) {
			s := &setup{name: "aliased", qualifier: "live", secrets: []string{"aliased"}}
			s.inline = map[string]string{"rotate": roleGrant(s.function())}
			b.add(s)
		}, []string{"done lambda:AddPermission aliased:live"}},
		{"a role with nothing gets everything in one policy of ours", func(b *bench) {
			bare.policy = document(invokeGrant(bare.function()))
			b.add(bare)
		}, []string{"done iam:PutRolePolicy bare-role"}},
		{"one missing action is all that is added", func(b *bench) {
			s := working("short")
			s.inline["rotate"] = document(allow(`"secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue"`, string(secretARN("short-secret"))),
				allow(`"secretsmanager:GetRandomPassword"`, "*"))
			b.add(s)
		}, []string{"done iam:PutRolePolicy short-role"}},
		{"a random password inside the conditioned statement is granted anew", func(b *bench) {
			s := working("conditioned")
			s.inline["rotate"] = strings.Replace(roleGrant(s.function()), fourActions, fourActions+`,"secretsmanager:GetRandomPassword"`, 1)
			s.inline["rotate"] = strings.Replace(s.inline["rotate"], `,{"Effect":"Allow","Action":["secretsmanager:GetRandomPassword"],"Resource":"*"}`, "", 1)
			b.add(s)
		}, []string{"done iam:PutRolePolicy conditioned-role"}},
		{"a function in a VPC gets its network rights", func(b *bench) {
			b.add(vpc)
			b.UpdateFunction("vpc", func(f *awstest.Function) {
				f.VPC = &awstest.VPC{ID: "vpc-0123456789abcdef0", Subnets: []string{"subnet-0123456789abcdef0"}, SecurityGroups: []string{"sg-0123456789abcdef0"}}
			})
		}, []string{"done iam:PutRolePolicy vpc-role"}},
		{"a customer key that the role may not use is granted for this secret", func(b *bench) {
			s := working("key")
			b.add(s)
			key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
			b.UpdateSecret(string(secretARN("key-secret")), func(x *awstest.Secret) { x.KmsKeyID = key })
		}, []string{"done iam:PutRolePolicy key-role"}},
		{"a public statement goes once the service's own grant stands", func(b *bench) {
			s := working("open")
			s.policy = document(publicGrant("everybody", s.function()))
			b.add(s)
		}, []string{"done lambda:AddPermission open", "done lambda:RemovePermission open"}},
		{"a public statement beside a grant just goes", func(b *bench) {
			s := working("both")
			s.policy = document(publicGrant("everybody", s.function()), invokeGrant(s.function()))
			b.add(s)
		}, []string{"done lambda:RemovePermission both"}},
		{"two functions with one role get a policy each", func(b *bench) {
			one := &setup{name: "one", secrets: []string{"one"}}
			one.policy = document(invokeGrant(one.function()))
			two := &setup{name: "two", secrets: []string{"two"}, role: "one-role"}
			two.policy = document(invokeGrant(two.function()))
			b.add(one)
			b.add(two)
		}, []string{"done iam:PutRolePolicy one-role", "done iam:PutRolePolicy one-role"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			tt.setup(b)
			changes := b.run(t)
			if d := cmp.Diff(tt.want, summary(changes)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
				for _, c := range changes {
					t.Logf("%s %s: %s\n%s", c.Call, c.Status, c.Reason, c.Diff)
				}
			}
			for name, v := range b.verdicts(t) {
				if v != drift.InSync {
					t.Errorf("%s is %s after the repair", name, v)
				}
			}
			b.ResetCalls()
			if again := b.run(t); len(again) > 0 {
				t.Errorf("a second repair plans %v", summary(again))
			}
			if w := b.Writes(); len(w) > 0 {
				t.Errorf("a second repair writes %v", w)
			}
		})
	}
}

func TestReportWritesNothing(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"a", "b", "c"} {
		b.add(&setup{name: name, secrets: []string{name}, policy: document(publicGrant("everybody", functionARN(name)))})
	}
	repairing := b.plan(t)
	if len(repairing.Changes) != 9 { // a role grant, an invoke grant and a removal each
		t.Fatalf("%d changes planned, want 9: %v", len(repairing.Changes), summary(repairing.Changes))
	}
	b.opts.Mode = repair.ModeReport
	if got := b.plan(t); len(got.Changes) != 0 {
		t.Errorf("mode report plans %v", summary(got.Changes))
	}
	b.withLedger(t, func(l ledger.Ledger) {
		// Even a plan of mode repair is not written.
		if _, err := b.repairer(l).Apply(t.Context(), repairing); err != nil {
			t.Error(err)
		}
	})
	if w := b.Writes(); len(w) > 0 {
		t.Errorf("mode report writes %v", w)
	}
}

func TestOurPolicyIsTheSmallestThatMends(t *testing.T) {
	b := newBench(t)
	s := &setup{name: "bare", secrets: []string{"one", "two"}}
	s.policy = document(invokeGrant(s.function()))
	b.add(s)
	key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
	b.UpdateSecret(string(secretARN("two")), func(x *awstest.Secret) { x.KmsKeyID = key })
	changes := b.run(t)
	if len(changes) != 1 || changes[0].Status != repair.Done {
		t.Fatalf("changes = %v", summary(changes))
	}
	role, _ := b.Role("bare-role")
	got := role.Inline["rotationguard-us-east-1-bare"]
	const want = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "rotationguardHASHSecrets1",
      "Effect": "Allow",
      "Action": [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage"
      ],
      "Resource": [
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:one-AbCdEf",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:two-AbCdEf"
      ],
      "Condition": {
        "StringEquals": {
          "secretsmanager:resource/AllowRotationLambdaArn": [
            "arn:aws:lambda:us-east-1:123456789012:function:bare"
          ]
        }
      }
    },
    {
      "Sid": "rotationguardHASHRandomPassword",
      "Effect": "Allow",
      "Action": [
        "secretsmanager:GetRandomPassword"
      ],
      "Resource": [
        "*"
      ]
    },
    {
      "Sid": "rotationguardHASHKeys1",
      "Effect": "Allow",
      "Action": [
        "kms:Decrypt",
        "kms:GenerateDataKey"
      ],
      "Resource": [
        "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      ],
      "Condition": {
        "StringEquals": {
          "kms:EncryptionContext:SecretARN": [
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:two-AbCdEf"
          ],
          "kms:ViaService": [
            "secretsmanager.us-east-1.amazonaws.com"
          ]
        }
      }
    }
  ]
}`
	if i := strings.Index(got, "Secrets1"); i > 8 {
		got = strings.ReplaceAll(got, got[i-8:i], "HASH")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("our policy (-want +got):\n%s", d)
	}
	if c := changes[0]; c.Before != "" || c.After != role.Inline["rotationguard-us-east-1-bare"] || !strings.Contains(c.Diff, "+") || c.Proof.After != c.Proof.Required || c.Proof.Before >= c.Proof.Required {
		t.Errorf("before %q, proof %+v", c.Before, c.Proof)
	}
}

func TestInvokeGrantNamesTheSecretsAccountAndNoSource(t *testing.T) {
	b := newBench(t)
	s := working("gone")
	s.policy = document(publicGrant("p", s.function()+"-other"))
	b.add(s)
	b.run(t)
	var add []awstest.Call
	for _, c := range b.Writes() {
		if c.Operation == "AddPermission" {
			add = append(add, c)
		}
	}
	if len(add) != 1 {
		t.Fatalf("calls = %v", b.Writes())
	}
	f, _ := b.Function("gone")
	if got := f.Policies[""]; !strings.Contains(got, `"AWS:SourceAccount":"123456789012"`) || strings.Contains(got, "SourceArn") || !strings.Contains(got, "rotationguard-") {
		t.Errorf("function policy = %s", got)
	}
	if !slices.ContainsFunc(b.Calls(), func(c awstest.Call) bool { return c.Operation == "DescribeSecret" }) {
		t.Error("the secret was not read again before the write")
	}
}

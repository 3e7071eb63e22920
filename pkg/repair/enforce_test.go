package repair_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// newEnforcing is a bench in mode enforce with every strategy declared.
func newEnforcing(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.enforcing()
	return b
}

const wideARN = "arn:aws:iam::123456789012:policy/wide"

// invoker lets a principal invoke a function.
func invoker(sid, principal string, function rotation.ARN) string {
	return `{"Sid":"` + sid + `","Effect":"Allow","Principal":` + principal + `,"Action":"lambda:InvokeFunction","Resource":"` + string(function) + `"}`
}

func TestEnforceEndsExcess(t *testing.T) {
	logs := `{ "Sid" : "Logs", "Effect":"Allow",  "Action":"logs:*", "Resource":"*" }`
	tests := []struct {
		name  string
		setup func(b *bench)
		want  []string
		check func(t *testing.T, b *bench)
	}{
		{"a wide inline statement gives way to what rotation may have of it, the others keep their bytes", func(b *bench) {
			s := working("x")
			s.inline = map[string]string{"rotate": `{"Version":"2012-10-17","Statement":[` + logs + `,` + allow(`"secretsmanager:*"`, "*") + `]}`}
			b.add(s)
		}, []string{"done iam:PutRolePolicy x-role"}, func(t *testing.T, b *bench) {
			role, _ := b.Role("x-role")
			if doc := role.Inline["rotate"]; !strings.Contains(doc, logs) || strings.Contains(doc, `secretsmanager:*`) {
				t.Errorf("inline policy = %s", doc)
			}
		}},
		{"an inline policy of which rotation needs nothing keeps one statement that allows nothing: only its owner deletes it", func(b *bench) {
			s := working("x")
			s.inline["extra"] = document(allow(`"s3:*"`, "*"))
			b.add(s)
		}, []string{"done iam:PutRolePolicy x-role"}, func(t *testing.T, b *bench) {
			role, _ := b.Role("x-role")
			const want = `{"Version":"2012-10-17","Statement":[{"Sid":"NothingElseWasNeeded","Effect":"Allow","Action":["secretsmanager:GetRandomPassword"],"Resource":["*"],` +
				`"Condition":{"StringEquals":{"aws:PrincipalAccount":["000000000000"]}}}]}`
			if role.Inline["extra"] != want {
				t.Errorf("inline policy = %s", role.Inline["extra"])
			}
		}},
		{"what rotation needs does not rest on what stands in for an empty policy", func(b *bench) {
			s := working("x")
			s.inline = map[string]string{"own": document(allow(`"secretsmanager:DeleteSecret"`, string(secretARN("x-secret"))))}
			b.add(s)
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{wideARN} })
		}, []string{"done iam:PutRolePolicy x-role", "done iam:DetachRolePolicy x-role", "done iam:PutRolePolicy x-role"}, func(t *testing.T, b *bench) {
			if got := b.grantsOf("x-role"); strings.Count(got, "GetRandomPassword") != 2 {
				t.Errorf("grants = %s", got)
			}
		}},
		{"a need that two wide policies cover is kept in one", func(b *bench) {
			s := working("x")
			s.inline = map[string]string{"all": document(allow(`"*"`, "*")), "secrets": document(allow(`"secretsmanager:*"`, "*"))}
			b.add(s)
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{wideARN} })
		}, []string{"done iam:DetachRolePolicy x-role", "done iam:PutRolePolicy x-role", "done iam:PutRolePolicy x-role"}, func(t *testing.T, b *bench) {
			if got := b.grantsOf("x-role"); strings.Count(got, `"secretsmanager:PutSecretValue"`) != 2 {
				t.Errorf("grants = %s", got)
			}
		}},
		{"admin rights without Action go", func(b *bench) {
			s := working("x")
			s.inline["admin"] = document(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)
			b.add(s)
		}, []string{"done iam:PutRolePolicy x-role"}, nil},
		{"an attached wide policy is detached, what it gave inside the contract is kept first", func(b *bench) {
			s := working("x")
			s.inline = nil
			b.add(s)
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{wideARN} })
		}, []string{"done iam:PutRolePolicy x-role", "done iam:DetachRolePolicy x-role"}, func(t *testing.T, b *bench) {
			if role, _ := b.Role("x-role"); len(role.Attached) > 0 || len(role.Inline) != 1 {
				t.Errorf("attached %v, inline %v", role.Attached, role.Inline)
			}
		}},
		{"another account may not invoke any more", func(b *bench) {
			s := working("x")
			s.policy = document(invokeGrant(s.function()), invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()))
			b.add(s)
		}, []string{"done lambda:RemovePermission x"}, nil},
		{"a grant without SourceAccount gives way to ours where the operator wants it", func(b *bench) {
			b.opts.AddSourceAccount = true
			b.add(working("x"))
		}, []string{"done lambda:AddPermission x", "done lambda:RemovePermission x"}, func(t *testing.T, b *bench) {
			if f, _ := b.Function("x"); !strings.Contains(f.Policies[""], "AWS:SourceAccount") || strings.Contains(f.Policies[""], `"sm"`) {
				t.Errorf("function policy = %s", f.Policies[""])
			}
		}},
		{"a statement without a Sid goes by putting the policy without it", func(b *bench) {
			s := working("x")
			s.policy = document(invokeGrant(s.function()), strings.Replace(invoker("", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()), `"Sid":"",`, "", 1))
			b.add(s)
		}, []string{"done lambda:PutResourcePolicy x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			tt.setup(b)
			before := b.state(t)
			tr := b.watch(t)
			changes := b.run(t)
			if d := cmp.Diff(tt.want, summary(changes)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
				for _, c := range changes {
					t.Logf("%s: %s\n%s", c.Call, c.Reason, c.Diff)
				}
				for _, l := range b.plan(t).Left {
					t.Logf("left: %s: %s", l.What, l.Reason)
				}
			}
			if tr.step(); len(tr.lost) > 0 && tt.check == nil {
				t.Errorf("lost: %v", tr.lost)
			}
			for _, j := range b.judge(t, rotation.Scope{}) {
				for _, s := range j.Secrets {
					for _, f := range s.Findings {
						if f.Severity != drift.Info {
							t.Errorf("still found: %s", f.Explanation)
						}
					}
				}
			}
			if tt.check != nil {
				tt.check(t, b)
			}
			b.ResetCalls()
			b.now = b.now.Add(time.Hour)
			if again := b.run(t); len(b.Writes()) > 0 {
				t.Errorf("a second run writes %v", summary(again))
			}
			undone := b.rollback(t, repair.Undoing{AcceptBroken: true})
			for _, c := range undone {
				if c.Status != repair.Done {
					t.Errorf("rolling back: %s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
				}
			}
			if d := cmp.Diff(before, b.state(t)); d != "" {
				t.Errorf("after rolling back the account is not what it was (-want +got):\n%s", d)
			}
		})
	}
}

func TestEnforceLeavesWhatItMayNotTouch(t *testing.T) {
	wide := func(b *bench) *setup {
		s := working("x")
		s.inline["extra"] = document(allow(`"s3:*"`, "*"))
		return s
	}
	tests := []struct {
		name   string
		setup  func(b *bench)
		reason string
	}{
		{"a strategy that nobody declared", func(b *bench) { b.rules = rotation.Rules{}; b.add(wide(b)) }, "is not declared"},
		{"a policy that holds a Deny", func(b *bench) {
			s := working("x")
			s.inline["extra"] = document(allow(`"s3:*"`, "*"), `{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}`)
			b.add(s)
		}, "holds a Deny"},
		{"a policy that the operator keeps", func(b *bench) { b.opts.Keep = []string{"extra"}; b.add(wide(b)) }, "repair.keep"},
		{"a role that a stack owns", func(b *bench) {
			b.add(wide(b))
			b.UpdateRole("x-role", func(r *awstest.Role) {
				r.Tags = []awstest.Tag{{Key: "aws:cloudformation:stack-id", Value: "arn:aws:cloudformation:us-east-1:123456789012:stack/app/1"}, {Key: "aws:cloudformation:stack-name", Value: "app"}}
			})
		}, "the stack app owns the role"},
		{"a role that another function runs with", func(b *bench) {
			b.add(wide(b))
			b.AddFunction(awstest.Function{Name: "report", FunctionConfig: awstest.FunctionConfig{Role: string(roleARN("x-role"))}})
		}, "function:report runs with the role"},
		{"a role that was last used in another Region", func(b *bench) {
			b.add(wide(b))
			b.UpdateRole("x-role", func(r *awstest.Role) { r.LastUsed, r.LastUsedRegion = b.now, "eu-west-1" })
		}, "last used in eu-west-1"},
		{"a role that others may take", func(b *bench) {
			b.add(wide(b))
			b.UpdateRole("x-role", func(r *awstest.Role) {
				r.Trust = document(`{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ecs-tasks.amazonaws.com"]},"Action":"sts:AssumeRole"}`)
			})
		}, "may take the role too"},
		{"a statement about another account's resource", func(b *bench) {
			s := working("x")
			s.inline["extra"] = document(allow(`"secretsmanager:GetSecretValue"`, "arn:aws:secretsmanager:us-east-1:210987654321:secret:theirs-AbCdEf"))
			b.add(s)
		}, "another Region's or account's"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			tt.setup(b)
			plan := b.plan(t)
			if b.run(t); len(b.Writes()) > 0 {
				t.Errorf("writes = %v", b.Writes())
			}
			if !slices.ContainsFunc(plan.Left, func(l repair.Left) bool { return strings.Contains(l.Reason, tt.reason) }) {
				t.Errorf("left = %+v, want %q", plan.Left, tt.reason)
			}
		})
	}
}

func TestEnforceWaits(t *testing.T) {
	b := newEnforcing(t)
	b.opts.EnforceAfter = 168 * time.Hour
	s := working("x")
	s.inline["extra"] = document(allow(`"s3:*"`, "*"))
	b.add(s)
	if got, want := summary(b.run(t)), []string{"waiting iam:PutRolePolicy x-role"}; !slices.Equal(got, want) {
		t.Fatalf("at once: %v, want %v", got, want)
	}
	b.now = b.now.Add(169 * time.Hour)
	b.UpdateSecret(string(secretARN("x-secret")), func(x *awstest.Secret) {
		x.Versions = map[string][]string{"11111111-1111-1111-1111-111111111111": {"AWSCURRENT"}, "22222222-2222-2222-2222-222222222222": {"AWSPENDING"}}
	})
	if got := b.run(t); len(got) != 1 || got[0].Status != repair.Waiting || !strings.Contains(got[0].Reason, "is being rotated") {
		t.Fatalf("while it rotates: %v", summary(got))
	}
	b.UpdateSecret(string(secretARN("x-secret")), func(x *awstest.Secret) { delete(x.Versions, "22222222-2222-2222-2222-222222222222") })
	if got, want := summary(b.run(t)), []string{"done iam:PutRolePolicy x-role"}; !slices.Equal(got, want) {
		t.Fatalf("a week later: %v, want %v", got, want)
	}
}

func TestRepairDoesNotEnforce(t *testing.T) {
	b := newEnforcing(t)
	b.opts.Mode = repair.ModeRepair
	s := working("x")
	s.inline["extra"] = document(allow(`"*"`, "*"))
	s.policy = document(invokeGrant(s.function()), invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()))
	b.add(s)
	if b.run(t); len(b.Writes()) > 0 {
		t.Errorf("writes = %v", b.Writes())
	}
}

// What enforce itself has put for detached policies is held to the contract as any policy is: it shrinks with it, and goes with the last need.
func TestEnforceNarrowsWhatItHasKept(t *testing.T) {
	attach := func(b *bench) {
		b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{wideARN} })
	}
	release := func(b *bench, names ...string) {
		for _, name := range names {
			b.UpdateSecret(string(secretARN(name)), func(s *awstest.Secret) { s.RotationEnabled, s.RotationLambdaARN = nil, "" })
		}
	}
	tests := []struct {
		name  string
		later func(b *bench)
		want  []string
		stays bool // what was kept
	}{
		{"a secret names the function no more", func(b *bench) { release(b, "x-more") }, []string{"done iam:PutRolePolicy x-role"}, true},
		{"and another policy is detached in the same run", func(b *bench) { release(b, "x-more"); attach(b) },
			[]string{"done iam:PutRolePolicy x-role", "done iam:DetachRolePolicy x-role", "done iam:PutRolePolicy x-role"}, true},
		{"all that is left of it the owner gives", func(b *bench) {
			release(b, "x-more")
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline["owner"] = roleGrant(functionARN("x")) })
		}, []string{"done iam:DeleteRolePolicy x-role"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			s := working("x")
			s.secrets = append(s.secrets, "x-more")
			s.inline = map[string]string{"rotate": document(allow(fourActions, string(secretARN("x-secret"))), allow(`"secretsmanager:GetRandomPassword"`, "*"))}
			b.add(s)
			attached := b.AddPolicy(awstest.Policy{Name: "team", Document: document(allow(fourActions, string(secretARN("x-more"))), allow(`"iam:PassRole"`, "*"))})
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Attached = []string{attached} })
			if got, want := summary(b.run(t)), []string{"done iam:PutRolePolicy x-role", "done iam:DetachRolePolicy x-role"}; !slices.Equal(got, want) {
				t.Fatalf("changes = %v, want %v", got, want)
			}
			b.now = b.now.Add(time.Hour)
			tt.later(b)
			before := b.state(t)
			tr := b.watch(t)
			changes := b.run(t)
			if got := summary(changes); !slices.Equal(got, tt.want) {
				t.Errorf("changes = %v, want %v; left %+v", got, tt.want, b.plan(t).Left)
			}
			if tr.step(); len(tr.lost) > 0 {
				t.Errorf("lost: %v", tr.lost)
			}
			role, _ := b.Role("x-role")
			if kept := slices.ContainsFunc(slices.Collect(maps.Keys(role.Inline)), func(name string) bool { return strings.HasSuffix(name, "-kept") }); kept != tt.stays {
				t.Errorf("inline policies = %v", role.Inline)
			}
			for _, f := range excesses(b.judge(t, rotation.Scope{})) {
				t.Errorf("still there: %s", f.Explanation)
			}
			b.now = b.now.Add(time.Hour)
			b.ResetCalls()
			if again := b.run(t); len(b.Writes()) > 0 {
				t.Errorf("a second run writes %v", summary(again))
			}
			for _, c := range b.rollback(t, repair.Undoing{AcceptBroken: true}) {
				if c.Status != repair.Done {
					t.Errorf("rolling back: %s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
				}
			}
			if d := cmp.Diff(before, b.state(t)); d != "" {
				t.Errorf("rolled back, the account is not what it was (-want +got):\n%s", d)
			}
		})
	}
}

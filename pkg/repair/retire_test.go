package repair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestOursRetiresWhenNoSecretNamesTheFunctionAnyMore(t *testing.T) {
	unname := func(b *bench) {
		b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationEnabled, s.RotationLambdaARN = nil, "" })
	}
	both := []string{"done iam:DeleteRolePolicy x-role", "done lambda:RemovePermission x"}
	tests := []struct {
		name   string
		change func(b *bench)
		want   []string
		left   string
	}{
		{"the secret names none", unname, both, ""},
		{"the secret is gone", func(b *bench) { b.RemoveSecret(string(secretARN("x"))) }, both, ""},
		{"the secret names another function", func(b *bench) {
			b.add(working("other"))
			b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationLambdaARN = string(functionARN("other")) })
		}, both, ""},
		{"the function is gone too", func(b *bench) { unname(b); b.RemoveFunction("x") }, []string{"done iam:DeleteRolePolicy x-role"}, ""},
		{"the role is gone too", func(b *bench) { unname(b); b.RemoveRole("x-role") }, []string{"done lambda:RemovePermission x"}, ""},
		{"rotation is only switched off", func(b *bench) {
			b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationEnabled = nil })
		}, nil, ""},
		{"somebody changed ours", func(b *bench) {
			unname(b)
			b.UpdateRole("x-role", func(r *awstest.Role) {
				for name := range r.Inline {
					r.Inline[name] = strings.Replace(r.Inline[name], "Secrets1", "Secrets1x", 1)
				}
			})
		}, []string{"done lambda:RemovePermission x"}, "changed by somebody else"},
		{"the role was last used in another Region", func(b *bench) {
			unname(b)
			b.UpdateRole("x-role", func(r *awstest.Role) { r.LastUsed, r.LastUsedRegion = b.now, "eu-west-1" })
		}, []string{"done lambda:RemovePermission x"}, "last used in eu-west-1"},
		{"the function is outside of repair.functions", func(b *bench) { unname(b); b.opts.Functions = []string{"arn:aws:lambda:*:*:function:other"} }, nil, "repair.functions"},
		{"another function's rotation lives on what ours gives", func(b *bench) {
			s := working("y")
			s.role = "x-role"
			b.add(s)
			b.UpdateRole("x-role", func(r *awstest.Role) {
				r.Inline["owner"] = document(`{"Effect":"Allow","Action":[` + fourActions + `],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"` + string(s.function()) + `"}}}`)
			})
			unname(b)
		}, []string{"done lambda:RemovePermission x"}, "rotation would lose GetRandomPassword"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.add(broken("x"))
			b.add(working("fine"))
			b.run(t)
			tt.change(b)
			b.now = b.now.Add(time.Hour)
			b.ResetCalls()
			plan := b.plan(t)
			tr := b.watch(t)
			if d := cmp.Diff(tt.want, summary(b.run(t))); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if tr.step(); len(tr.lost) > 0 {
				t.Errorf("lost: %v", tr.lost)
			}
			if tt.left != "" && !slices.ContainsFunc(plan.Left, func(l repair.Left) bool { return strings.Contains(l.Reason, tt.left) }) {
				t.Errorf("left = %+v, want %q", plan.Left, tt.left)
			}
			if len(tt.want) == 2 {
				for thing := range b.state(t) {
					if strings.Contains(thing, "rotationguard-") {
						t.Errorf("%s still stands", thing)
					}
				}
			}
			b.ResetCalls()
			b.now = b.now.Add(time.Hour)
			if b.run(t); len(b.Writes()) > 0 {
				t.Errorf("a second run writes %v", b.Writes())
			}
		})
	}
}

func TestWhatIsRetiredStaysWhenASecretNamesTheFunctionAgain(t *testing.T) {
	b := newBench(t)
	b.add(broken("x"))
	b.run(t)
	b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationLambdaARN = "" })
	b.now = b.now.Add(time.Hour)
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		b.ResetCalls()
		b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationLambdaARN = string(functionARN("x")) })
		changes, err := b.repairer(l).Apply(t.Context(), plan)
		if err != nil || len(changes) != 2 || !strings.Contains(changes[0].Reason, "names the function again") || changes[1].Status != repair.Refused {
			t.Errorf("changes = %+v, %v", changes, err)
		}
	})
	if len(b.Writes()) > 0 {
		t.Errorf("writes = %v", b.Writes())
	}
}

func TestAPolicyWithANameOfOursThatNobodyKnowsIsReported(t *testing.T) {
	b := newBench(t)
	s := working("x")
	s.inline["rotationguard-us-east-1-somebody"] = roleGrant(functionARN("somebody"))
	s.inline["rotationguard-eu-west-1-elsewhere"] = roleGrant("arn:aws:lambda:eu-west-1:123456789012:function:elsewhere")
	b.add(s)
	plan := b.plan(t)
	if len(plan.Changes) > 0 || len(plan.Left) != 1 || !strings.Contains(plan.Left[0].What, "somebody") || plan.Left[0].Subject != roleARN("x-role") {
		t.Errorf("changes = %v, left = %+v", summary(plan.Changes), plan.Left)
	}
}

func TestARunOfOneFunctionRetiresNothing(t *testing.T) {
	b := newBench(t)
	b.add(broken("x"))
	b.add(uninvocable("y"))
	b.run(t)
	b.RemoveSecret(string(secretARN("x")))
	b.now = b.now.Add(time.Hour)
	b.withLedger(t, func(l ledger.Ledger) {
		judgements := b.judge(t, rotation.Scope{Functions: []rotation.ARN{functionARN("y")}})
		history, err := repair.Remember(t.Context(), l, judgements, false, b.now)
		if err != nil {
			t.Fatal(err)
		}
		if history.Orphans, err = repair.ReadOrphans(t.Context(), repair.NewClients(b.Config()), l, judgements, accountID, region); err != nil || len(history.Orphans) != 2 {
			t.Fatalf("orphans = %v, %v", history.Orphans, err)
		}
		if plan := repair.NewPlan(judgements, b.opts, history); len(plan.Changes) > 0 {
			t.Errorf("changes = %v", summary(plan.Changes))
		}
	})
}

func TestARollbackPutsBackWhatWasRetired(t *testing.T) {
	b := newBench(t)
	b.add(broken("x"))
	b.run(t)
	repaired := b.state(t)
	b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationLambdaARN = "" })
	b.now = b.now.Add(time.Hour)
	b.run(t)
	b.now = b.now.Add(time.Hour)
	b.UpdateSecret(string(secretARN("x")), func(s *awstest.Secret) { s.RotationLambdaARN = string(functionARN("x")) })
	for _, c := range b.rollback(t, repair.Undoing{}) {
		if c.Status != repair.Done {
			t.Errorf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if d := cmp.Diff(repaired, b.state(t)); d != "" {
		t.Errorf("rolled back (-want +got):\n%s", d)
	}
}

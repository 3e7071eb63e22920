package repair_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestOursRetiresWhenTheOwnersGrantIsBack(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	b.add(s)
	b.run(t)
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline["owner"] = roleGrant(s.function()) })
	b.UpdateFunction("x", func(f *awstest.Function) {
		f.Policies = map[string]string{"": strings.TrimSuffix(f.Policies[""], "]}") + "," + invokeGrant(s.function()) + "]}"}
	})
	b.now = b.now.Add(time.Hour)

	// A run that saw only this function takes nothing back.
	b.withLedger(t, func(l ledger.Ledger) {
		judgements := b.judge(t, rotation.Scope{Functions: []rotation.ARN{s.function()}})
		history, err := repair.Remember(t.Context(), l, judgements, false, b.now)
		if err != nil {
			t.Fatal(err)
		}
		if plan := repair.NewPlan(judgements, b.opts, history); len(plan.Changes) > 0 {
			t.Errorf("a partial run plans %v", summary(plan.Changes))
		}
	})
	want := []string{"done iam:DeleteRolePolicy x-role", "done lambda:RemovePermission x"}
	if got := summary(b.run(t)); !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	role, _ := b.Role("x-role")
	f, _ := b.Function("x")
	if len(role.Inline) != 1 || strings.Contains(f.Policies[""], "rotationguard") || !strings.Contains(f.Policies[""], `"sm"`) {
		t.Errorf("left are %v and %s", slices.Collect(maps.Keys(role.Inline)), f.Policies[""])
	}
	b.ResetCalls()
	if b.run(t); len(b.Writes()) > 0 {
		t.Errorf("a further repair writes %v", b.Writes())
	}
}

func TestOursShrinksWithWhatItStillHasToGive(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	s.secrets = []string{"one", "two"}
	b.add(s)
	b.run(t)
	b.UpdateSecret(string(secretARN("two")), func(x *awstest.Secret) { x.RotationLambdaARN = string(functionARN("other")) })
	b.add(&setup{name: "other"})
	b.now = b.now.Add(time.Hour)
	changes := slices.DeleteFunc(b.run(t), func(c repair.Change) bool { return c.Function != s.function() })
	if got, want := summary(changes), []string{"done iam:PutRolePolicy x-role"}; !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	role, _ := b.Role("x-role")
	for _, doc := range role.Inline {
		if strings.Contains(doc, string(secretARN("two"))) || !strings.Contains(doc, string(secretARN("one"))) {
			t.Errorf("our policy = %s", doc)
		}
	}
	if !changes[0].Narrows {
		t.Error("the change does not say that it narrows")
	}
}

func TestNothingIsTakenFromARoleWhoseOwnersGrantIsGoneAgain(t *testing.T) {
	b := newBench(t)
	s := powerless("x")
	b.add(s)
	b.run(t)
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline["owner"] = roleGrant(s.function()) })
	b.now = b.now.Add(time.Hour)
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		b.UpdateRole("x-role", func(r *awstest.Role) { delete(r.Inline, "owner") })
		changes, err := b.repairer(l).Apply(t.Context(), plan)
		if err != nil || len(changes) != 1 || changes[0].Status != repair.Refused || !strings.Contains(changes[0].Reason, "would lose") {
			t.Errorf("changes = %+v, %v", changes, err)
		}
	})
	if v := b.verdicts(t)["x-secret"]; v != drift.InSync {
		t.Errorf("the secret is %s", v)
	}
}

// state is what an account holds that repair may write, function policies by Sid.
func (b *bench) state(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range b.Roles() {
		for name, doc := range r.Inline {
			out["role "+r.Name+" "+name] = doc
		}
		for _, arn := range r.Attached {
			out["role "+r.Name+" attached "+arn] = ""
		}
	}
	for _, f := range b.Functions() {
		for q, doc := range f.Policies {
			if strings.Contains(doc, `"Sid"`) {
				for sid, statement := range bySid(t, doc) {
					out["function "+f.Name+" "+q+" "+sid] = statement
				}
			}
		}
	}
	return out
}

// rollback rolls the newest run with entries back.
func (b *bench) rollback(t *testing.T, u repair.Undoing) []repair.Change {
	t.Helper()
	var changes []repair.Change
	b.withLedger(t, func(l ledger.Ledger) {
		ctx := t.Context()
		all, err := l.EntriesSince(ctx, time.Time{})
		if err != nil || len(all) == 0 {
			t.Fatalf("%d entries, %v", len(all), err)
		}
		r := b.runner()
		r.undo = all[len(all)-1].Run
		plan, err := r.rollback(ctx, l, u)
		if err != nil {
			t.Fatal(err)
		}
		if changes, err = b.repairer(l).Apply(ctx, plan); err != nil {
			t.Fatal(err)
		}
	})
	return changes
}

func TestRollbackPutsEverythingBack(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	s.policy = document(publicGrant("everybody", s.function()))
	s.inline = map[string]string{"logs": `{ "Version": "2012-10-17",` + "\n\t" + `"Statement": [ ` + allow(`"logs:*"`, "*") + ` ] }`}
	b.add(s)
	b.add(uninvocable("y"))
	before := b.state(t)
	b.run(t)
	repaired := b.state(t)

	b.now = b.now.Add(time.Hour)
	b.ResetCalls()
	for _, c := range b.rollback(t, repair.Undoing{}) {
		if c.Status != repair.Refused || !strings.Contains(c.Reason, "--accept-broken") {
			t.Errorf("%s %s is %s (%s): it breaks or opens something", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if len(b.Writes()) > 0 {
		t.Errorf("an unaccepted rollback writes %v", b.Writes())
	}
	changes := b.rollback(t, repair.Undoing{AcceptBroken: true})
	want := []string{"done lambda:AddPermission x", "done lambda:RemovePermission y", "done lambda:RemovePermission x", "done iam:DeleteRolePolicy x-role"}
	if got := summary(changes); !slices.Equal(got, want) {
		t.Errorf("changes = %v, want %v", got, want)
	}
	if d := cmp.Diff(before, b.state(t)); d != "" {
		t.Errorf("the account is not what it was (-want +got):\n%s", d)
	}

	// The next sweep does not undo what a person did; a plan that a person applies does.
	for _, c := range b.run(t) {
		if c.Status != repair.Refused || !strings.Contains(c.Reason, "rolled this change back") {
			t.Errorf("the next sweep: %s %s is %s (%s)", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	b.opts.Approved = true
	b.run(t)
	if d := cmp.Diff(repaired, b.state(t)); d != "" {
		t.Errorf("applied again (-want +got):\n%s", d)
	}
}

func TestRollbackLeavesWhatSomebodyChangedSince(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	b.add(s)
	b.run(t)
	b.now = b.now.Add(time.Hour)
	b.UpdateRole("x-role", func(r *awstest.Role) {
		for name := range r.Inline {
			r.Inline[name] = document(allow(`"logs:*"`, "*"))
		}
	})
	b.UpdateFunction("x", func(f *awstest.Function) {
		f.Policies[""] = strings.Replace(f.Policies[""], "123456789012\"}", "210987654321\"}", 1)
	})
	state := b.state(t)
	b.ResetCalls()
	for _, c := range b.rollback(t, repair.Undoing{AcceptBroken: true}) {
		if c.Status != repair.Refused || !strings.Contains(c.Reason, "changed since") {
			t.Errorf("%s %s is %s (%s)", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if len(b.Writes()) > 0 || !maps.Equal(state, b.state(t)) {
		t.Errorf("writes = %v", b.Writes())
	}
}

func TestOneChangeCanBeRolledBackAlone(t *testing.T) {
	b := newBench(t)
	b.add(broken("x"))
	made := b.run(t)
	b.now = b.now.Add(time.Hour)
	changes := b.rollback(t, repair.Undoing{Change: made[1].ID, AcceptBroken: true})
	if got, want := summary(changes), []string{"done lambda:RemovePermission x"}; !slices.Equal(got, want) {
		t.Errorf("changes = %v, want %v", got, want)
	}
	if len(changes[0].Breaks) == 0 {
		t.Error("the change does not say what it breaks")
	}
	// The id under which a rollback shows the change does as well.
	b.now = b.now.Add(time.Hour)
	b.opts.Approved = true
	again := b.run(t)
	if len(again) != 1 {
		t.Fatalf("changes = %v", summary(again))
	}
	shown := b.rollback(t, repair.Undoing{})
	if got, want := summary(b.rollback(t, repair.Undoing{Change: shown[0].ID, AcceptBroken: true})), []string{"done lambda:RemovePermission x"}; !slices.Equal(got, want) {
		t.Errorf("changes = %v, want %v", got, want)
	}
}

func TestAStoredPlanIsAppliedOnlyOnTheGroundItWasMadeOn(t *testing.T) {
	tests := []struct {
		name   string
		change func(b *bench)
		want   []string
		reason string
	}{
		{"nothing changed", func(*bench) {}, []string{"done iam:PutRolePolicy x-role", "done lambda:AddPermission x"}, ""},
		{"the role's policies changed", func(b *bench) {
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline["new"] = document(allow(`"logs:*"`, "*")) })
		}, []string{"refused iam:PutRolePolicy x-role", "refused lambda:AddPermission x"}, "the policies of arn:aws:iam::123456789012:role/x-role"},
		{"the function policy changed", func(b *bench) {
			b.UpdateFunction("x", func(f *awstest.Function) {
				f.Policies = map[string]string{"": document(publicGrant("p", functionARN("x")))}
			})
		}, []string{"refused iam:PutRolePolicy x-role", "refused lambda:AddPermission x"}, "the policy of arn:aws:lambda:us-east-1:123456789012:function:x"},
		{"another secret names the function", func(b *bench) {
			b.AddSecret(awstest.Secret{ARN: string(secretARN("victim")), RotationEnabled: &yes, RotationLambdaARN: string(functionARN("x"))})
		}, []string{"refused iam:PutRolePolicy x-role", "refused lambda:AddPermission x"}, "the secrets that name"},
		{"the role was made anew", func(b *bench) {
			b.RemoveRole("x-role")
			b.AddRole(awstest.Role{Name: "x-role"})
		}, []string{"refused iam:PutRolePolicy x-role", "refused lambda:AddPermission x"}, "the role of"},
		{"the function's role is gone", func(b *bench) { b.RemoveRole("x-role") },
			[]string{"refused iam:PutRolePolicy x-role", "refused lambda:AddPermission x"}, "changed since the plan was made"},
		{"no secret names the function any more", func(b *bench) { b.RemoveSecret(string(secretARN("x"))) },
			[]string{"refused iam:PutRolePolicy x-role", "refused lambda:AddPermission x"}, "any more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.opts.Approved, b.opts.Settle = true, 24*time.Hour
			b.add(broken("x"))
			var file bytes.Buffer
			if err := b.plan(t).Write(&file); err != nil {
				t.Fatal(err)
			}
			stored, err := repair.ReadPlan(bytes.NewReader(file.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if stored.Changes[0].NotBefore == nil {
				t.Error("the plan does not say that a sweep would wait")
			}
			tt.change(b)
			b.now = b.now.Add(time.Hour)
			b.withLedger(t, func(l ledger.Ledger) {
				judgements := b.judge(t, stored.Scope())
				history, err := repair.Remember(t.Context(), l, judgements, false, b.now)
				if err != nil {
					t.Fatal(err)
				}
				plan := repair.Confirm(stored, repair.NewPlan(judgements, b.opts, history))
				changes, err := b.repairer(l).Apply(t.Context(), plan)
				if err != nil {
					t.Fatal(err)
				}
				if got := summary(changes); !slices.Equal(got, tt.want) {
					t.Errorf("changes = %v, want %v", got, tt.want)
				}
				for _, c := range changes {
					if !strings.Contains(c.Reason, tt.reason) {
						t.Errorf("reason = %q, want %q", c.Reason, tt.reason)
					}
				}
			})
			if tt.reason != "" && len(b.Writes()) > 0 {
				t.Errorf("writes = %v", b.Writes())
			}
		})
	}
}

func TestAnEditedPlanChangesNothingElse(t *testing.T) {
	b := newBench(t)
	b.add(broken("x"))
	stored := b.plan(t)
	stored.Changes = slices.Clone(stored.Changes)
	evil := document(allow(`"*"`, "*"))
	stored.Changes[0].After = evil
	stored.Changes = append(stored.Changes, repair.Change{
		ID: "change-0000000000000000", Call: repair.PutRolePolicy, Status: repair.Planned, Subject: roleARN("admin"), Name: "rotationguard-us-east-1-x",
		Function: functionARN("x"), After: evil, Rests: stored.Changes[0].Rests,
	})
	b.withLedger(t, func(l ledger.Ledger) {
		changes, err := b.repairer(l).Apply(t.Context(), repair.Confirm(stored, b.planWith(t, l)))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := summary(changes), []string{"done iam:PutRolePolicy x-role", "done lambda:AddPermission x", "refused iam:PutRolePolicy admin"}; !slices.Equal(got, want) {
			t.Errorf("changes = %v, want %v", got, want)
		}
	})
	role, _ := b.Role("x-role")
	for _, doc := range role.Inline {
		if doc == evil {
			t.Error("the edited document was written")
		}
	}
}

func TestReadPlanRefusesWhatIsNoPlan(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "not JSON": "plan", "another schema": `{"schema":"rotationguard.plan/9"}`, "unknown field": `{"schema":"rotationguard.plan/1","evil":1}`,
		"trailing": `{"schema":"rotationguard.plan/1"} {}`, "wrong type": `{"schema":"rotationguard.plan/1","changes":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := repair.ReadPlan(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %v", err)
			}
		})
	}
}

package repair_test

import (
	"bytes"
	"fmt"
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
			if doc != "" {
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
		changes = b.rollbackIn(t, l, all[len(all)-1].Run, u)
	})
	return changes
}

// rollbackOf rolls one run back.
func (b *bench) rollbackOf(t *testing.T, run string, u repair.Undoing) (changes []repair.Change) {
	t.Helper()
	b.withLedger(t, func(l ledger.Ledger) { changes = b.rollbackIn(t, l, run, u) })
	return changes
}

func (b *bench) rollbackIn(t *testing.T, l ledger.Ledger, run string, u repair.Undoing) []repair.Change {
	t.Helper()
	r := b.runner()
	r.undo = run
	plan, err := r.rollback(t.Context(), l, u)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := b.repairer(l).Apply(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
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

// Taking back what mode enforce tightened opens it again: a person has to say that this is meant.
func TestARollbackSaysWhatItOpens(t *testing.T) {
	tests := []struct {
		name  string
		setup func(b *bench)
		opens map[repair.Call]string // of what is refused without a person's word; the others open nothing
	}{
		{"an inline statement", func(b *bench) {
			s := working("x")
			s.inline["extra"] = document(allow(`"s3:PutObject"`, "*"))
			b.add(s)
		}, map[repair.Call]string{repair.PutRolePolicy: "s3:PutObject on "}},
		{"everything", func(b *bench) {
			s := working("x")
			s.inline["extra"] = document(allow(`"*"`, "*"))
			b.add(s)
		}, map[repair.Call]string{repair.PutRolePolicy: "and more beyond the contract"}},
		{"an attached policy", func(b *bench) {
			b.add(working("x"))
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline, r.Attached = nil, []string{wideARN} })
		}, map[repair.Call]string{repair.AttachRolePolicy: "secretsmanager:"}},
		{"another account", func(b *bench) {
			s := working("x")
			s.policy = document(invokeGrant(s.function()), invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()))
			b.add(s)
		}, map[repair.Call]string{repair.AddPermission: "lambda:InvokeFunction for arn:aws:iam::210987654321:root"}},
		{"another account, by a statement without a Sid", func(b *bench) {
			s := working("x")
			s.policy = document(invokeGrant(s.function()), strings.Replace(invoker("", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()), `"Sid":"",`, "", 1))
			b.add(s)
		}, map[repair.Call]string{repair.PutResourcePolicy: "lambda:InvokeFunction for arn:aws:iam::210987654321:root"}},
		{"Secrets Manager's own grant without SourceAccount lets it invoke for others", func(b *bench) {
			b.opts.AddSourceAccount = true
			b.add(working("x"))
		}, map[repair.Call]string{repair.AddPermission: "Secrets Manager on behalf of any account"}},
		{"our own policy that was withdrawn opens nothing", func(b *bench) {
			s := powerless("x")
			b.add(s)
			b.run(t)
			b.now = b.now.Add(time.Hour)
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline["owner"] = roleGrant(s.function()) })
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			tt.setup(b)
			before := b.state(t)
			if changes := b.run(t); len(changes) == 0 || changes[0].Status != repair.Done {
				t.Fatalf("changes = %v", summary(changes))
			}
			b.now = b.now.Add(time.Hour)
			b.ResetCalls()
			for _, c := range b.rollback(t, repair.Undoing{}) {
				want, opens := tt.opens[c.Call]
				if got := strings.Join(c.Opens, "; "); opens && (!strings.Contains(got, want) || c.Status != repair.Refused || !strings.Contains(c.Reason, "opens ")) || !opens && got != "" {
					t.Errorf("%s is %s (%s), opens %q, want %q", c.Call, c.Status, c.Reason, got, want)
				}
				if !opens && c.Status == repair.Refused && tt.opens == nil {
					t.Errorf("%s is refused: %s", c.Call, c.Reason)
				}
			}
			if tt.opens != nil {
				if len(b.Writes()) > 0 {
					t.Errorf("writes = %v", b.Writes())
				}
				b.rollback(t, repair.Undoing{AcceptBroken: true})
			}
			if d := cmp.Diff(before, b.state(t)); d != "" {
				t.Errorf("the account is not what it was (-want +got):\n%s", d)
			}
		})
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

// The id that a rollback showed says what became of the change, also once it is taken back.
func TestAChangeThatWasRolledBackIsFoundByTheSameID(t *testing.T) {
	for name, prepare := range map[string]func(b *bench){"repair": func(b *bench) { b.addMixed() }, "enforce": func(b *bench) { b.enforcing(); b.addWide() }} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			prepare(b)
			b.undone(t)
			shown := b.rollbackOf(t, b.undo, repair.Undoing{})
			b.rollbackOf(t, b.undo, repair.Undoing{AcceptBroken: true})
			b.now = b.now.Add(time.Hour)
			for i := range shown {
				again := b.rollbackOf(t, b.undo, repair.Undoing{Change: shown[i].ID, AcceptBroken: true})
				if len(again) != 1 || again[0].Undoes != shown[i].Undoes || !strings.Contains(again[0].Reason, "as it was before already") {
					t.Errorf("%s %s on %s: %+v", shown[i].Call, shown[i].Name, shown[i].Subject, again)
				}
			}
		})
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

func TestAnEditedPlanIsNotApplied(t *testing.T) {
	evil := document(allow(`"*"`, "*"))
	tests := []struct {
		name   string
		edit   func(p *repair.Plan)
		want   []string
		reason string
	}{
		{"the document after", func(p *repair.Plan) { p.Changes[0].After = evil }, nil, "another document after"},
		{"the document after and the difference", func(p *repair.Plan) { p.Changes[0].After, p.Changes[0].Diff = evil, "-nothing\n" }, nil, "another document after"},
		{"the document before", func(p *repair.Plan) { p.Changes[0].Before = evil }, nil, "another document before"},
		{"the difference", func(p *repair.Plan) { p.Changes[0].Diff = "" }, nil, "another difference"},
		{"the proof", func(p *repair.Plan) { p.Changes[0].Proof.Lost = "nothing at all" }, nil, "another proof"},
		{"the role", func(p *repair.Plan) { p.Changes[0].Subject = roleARN("admin") }, nil, "another subject"},
		{"the policy's name", func(p *repair.Plan) { p.Changes[0].Name = "admin" }, nil, "another name"},
		{"the call", func(p *repair.Plan) { p.Changes[0].Call = repair.DeleteRolePolicy }, nil, "another call"},
		{"what it rests on", func(p *repair.Plan) { p.Changes[0].Rests[0].Hash = "0" }, nil, "the secrets that name"},
		{"the function", func(p *repair.Plan) { p.Changes[0].Function = functionARN("other") }, nil, "nothing is to be mended"},
		{"its id", func(p *repair.Plan) { p.Changes[0].ID = "change-0000000000000000" }, nil, "does not have this change"},
		{"the account", func(p *repair.Plan) { p.Account = "210987654321" }, []string{"refused iam:PutRolePolicy", "refused lambda:AddPermission"}, "the plan is for account"},
		{"the Region", func(p *repair.Plan) { p.Region = "eu-west-1" }, []string{"refused iam:PutRolePolicy", "refused lambda:AddPermission"}, "the plan is for account"},
		{"a change more", func(p *repair.Plan) {
			p.Changes = append(p.Changes, repair.Change{
				ID: "change-0000000000000000", Call: repair.PutRolePolicy, Status: repair.Planned, Subject: roleARN("admin"), Name: "rotationguard-us-east-1-x",
				Function: functionARN("x"), After: evil, Rests: p.Changes[0].Rests,
			})
		}, []string{"done iam:PutRolePolicy", "done lambda:AddPermission", "refused iam:PutRolePolicy"}, ""},
		{"a change less", func(p *repair.Plan) { p.Changes = p.Changes[1:] }, []string{"done lambda:AddPermission"}, ""},
		{"the breaker", func(p *repair.Plan) { p.Breaker.Limit = 1000 }, []string{"done iam:PutRolePolicy", "done lambda:AddPermission"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.add(broken("x"))
			var file bytes.Buffer
			if err := b.plan(t).Write(&file); err != nil {
				t.Fatal(err)
			}
			stored, err := repair.ReadPlan(&file)
			if err != nil {
				t.Fatal(err)
			}
			tt.edit(&stored)
			want := tt.want
			if want == nil {
				want = []string{"refused " + string(stored.Changes[0].Call), "done lambda:AddPermission"}
			}
			b.withLedger(t, func(l ledger.Ledger) {
				changes, err := b.repairer(l).Apply(t.Context(), repair.Confirm(stored, b.planWith(t, l)))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				told := tt.reason == ""
				for _, c := range changes {
					got = append(got, string(c.Status)+" "+string(c.Call))
					told = told || strings.Contains(c.Reason, tt.reason)
				}
				if !slices.Equal(got, want) || !told {
					t.Errorf("changes = %v, want %v and the reason %q: %+v", got, want, tt.reason, changes)
				}
			})
			if got := b.grantsOf("x-role"); strings.Contains(got, evil) {
				t.Error("the edited document was written")
			}
		})
	}
}

// A call without an answer may take effect when nobody looks any more: its journal entry still serves to take it back.
func TestWhatTookEffectUnseenCanBeRolledBack(t *testing.T) {
	for _, took := range []bool{true, false} {
		t.Run(fmt.Sprint("took effect: ", took), func(t *testing.T) {
			b := newEnforcing(t)
			s := working("x")
			s.inline["extra"] = document(allow(`"s3:*"`, "*"))
			b.add(s)
			before := b.state(t)
			b.withLedger(t, func(l ledger.Ledger) {
				plan := b.planWith(t, l)
				b.Lag(awstest.Lags{IAM: awstest.Lag{For: time.Hour}})
				b.Fail(awstest.Match{Operation: "PutRolePolicy", Count: 100}, awstest.Fault{After: took, CloseConn: true})
				r := b.runner()
				r.visible = time.Millisecond
				r.cfg = b.impatient()
				changes, err := r.repairer(l).Apply(t.Context(), plan)
				if err != nil || len(changes) != 1 || changes[0].Status != repair.Failed || !strings.Contains(changes[0].Reason, "no answer") {
					t.Fatalf("changes = %+v, %v", changes, err)
				}
			})
			b.Heal()
			b.UpdateRole("x-role", func(*awstest.Role) {}) // reads show now what stands
			b.now = b.now.Add(time.Hour)
			if took == maps.Equal(before, b.state(t)) {
				t.Fatalf("the call took effect: %t", !took)
			}
			if !took {
				b.withLedger(t, func(l ledger.Ledger) {
					all, err := l.EntriesSince(t.Context(), time.Time{})
					if err != nil {
						t.Fatal(err)
					}
					r := b.runner()
					r.undo = all[0].Run
					if plan, err := r.rollback(t.Context(), l, repair.Undoing{AcceptBroken: true}); err == nil {
						t.Errorf("there is nothing to roll back: %v", summary(plan.Changes))
					}
				})
				return
			}
			if got, want := summary(b.rollback(t, repair.Undoing{AcceptBroken: true})), []string{"done iam:PutRolePolicy x-role"}; !slices.Equal(got, want) {
				t.Errorf("changes = %v, want %v", got, want)
			}
			if d := cmp.Diff(before, b.state(t)); d != "" {
				t.Errorf("the account is not what it was (-want +got):\n%s", d)
			}
		})
	}
}

// What a person took back stays so, however long ago that was and though our policy would have more to give now.
func TestARollbackHoldsUntilAPersonAppliesAPlan(t *testing.T) {
	tests := []struct {
		name  string
		after func(b *bench)
	}{
		{"weeks later", func(b *bench) { b.now = b.now.Add(60 * 24 * time.Hour) }},
		{"another secret needs the grant too", func(b *bench) {
			b.now = b.now.Add(time.Hour)
			b.AddSecret(awstest.Secret{ARN: string(secretARN("more")), RotationEnabled: &yes, RotationLambdaARN: string(functionARN("x"))})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.add(powerless("x"))
			b.run(t)
			b.now = b.now.Add(time.Hour)
			b.rollback(t, repair.Undoing{AcceptBroken: true})
			tt.after(b)
			b.ResetCalls()
			changes := b.run(t)
			if len(b.Writes()) > 0 || len(changes) != 1 || !strings.Contains(changes[0].Reason, "rolled this change back") {
				t.Errorf("writes %v, changes %v", b.Writes(), summary(changes))
			}
			b.opts.Approved = true
			if got, want := summary(b.run(t)), []string{"done iam:PutRolePolicy x-role"}; !slices.Equal(got, want) {
				t.Errorf("applied by a person: %v, want %v", got, want)
			}
		})
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

// AddPermission writes a statement in one form; one that stood in another says the same once it is back.
func TestAStatementInAnotherFormIsBackOnceAddPermissionWroteIt(t *testing.T) {
	b := newEnforcing(t)
	s := working("x")
	s.policy = document(sourced(s.function()), `{"Sid":"other","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::210987654321:root"]},"Action":["lambda:InvokeFunction"],"Resource":["`+
		string(s.function())+`"],"Condition":{"stringequals":{"aws:principalorgid":["o-1234567890"]}}}`)
	b.add(s)
	if got, want := summary(b.run(t)), []string{"done lambda:RemovePermission x"}; !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	b.now = b.now.Add(time.Hour)
	changes := b.rollback(t, repair.Undoing{AcceptBroken: true})
	if got, want := summary(changes), []string{"done lambda:AddPermission x"}; !slices.Equal(got, want) || changes[0].Reason != "" {
		t.Fatalf("changes = %v (%s), want %v", got, changes[0].Reason, want)
	}
	if f, _ := b.Function("x"); !strings.Contains(f.Policies[""], "o-1234567890") || !strings.Contains(f.Policies[""], "210987654321") {
		t.Errorf("function policy = %s", f.Policies[""])
	}
}

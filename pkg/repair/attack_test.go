package repair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// grantsOf are the inline policies of a role in one text.
func (b *bench) grantsOf(role string) string {
	r, _ := b.Role(role)
	var all []string
	for _, doc := range r.Inline {
		all = append(all, doc)
	}
	return strings.Join(all, "\n")
}

// partial plans from what a run sees that did not list the account, and applies it.
func (b *bench) partial(t *testing.T, scope rotation.Scope) []repair.Change {
	t.Helper()
	var changes []repair.Change
	b.withLedger(t, func(l ledger.Ledger) {
		judgements := b.judge(t, scope)
		history, err := repair.Remember(t.Context(), l, judgements, false, b.now)
		if err != nil {
			t.Fatal(err)
		}
		if history.RoleUsers, err = repair.ReadRoleUsers(t.Context(), repair.NewClients(b.Config()).Lambda); err != nil {
			t.Fatal(err)
		}
		if changes, err = b.repairer(l).Apply(t.Context(), repair.NewPlan(judgements, b.opts, history)); err != nil {
			t.Fatal(err)
		}
	})
	return changes
}

func TestAttackATagNamesAForeignMaster(t *testing.T) {
	foreign := "arn:aws:secretsmanager:us-east-1:210987654321:secret:theirs-AbCdEf"
	tests := []struct {
		name, master string
		trust        bool
	}{
		{"another team's secret", string(secretARN("payroll")), false},
		{"another account's secret", foreign, false},
		{"another account's secret, and tags are trusted", foreign, true},
		{"every secret", "arn:aws:secretsmanager:us-east-1:123456789012:secret:*", true},
		{"a secret without its suffix", "arn:aws:secretsmanager:us-east-1:123456789012:secret:payroll-??????", true},
		{"a policy variable", "arn:aws:secretsmanager:us-east-1:123456789012:secret:${aws:username}-AbCdEf", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.opts.TrustTags = tt.trust
			key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
			b.AddSecret(awstest.Secret{ARN: string(secretARN("payroll")), KmsKeyID: key})
			b.add(broken("app"))
			b.UpdateSecret(string(secretARN("app")), func(x *awstest.Secret) {
				x.Tags = []awstest.Tag{{Key: rotation.TagStrategy, Value: "master-user"}, {Key: rotation.TagMaster, Value: tt.master}}
			})
			b.run(t)
			got := b.grantsOf("app-role")
			for _, evil := range []string{"payroll", "theirs", "secret:*", "${", key} {
				if strings.Contains(got, evil) {
					t.Errorf("the role was granted %s:\n%s", evil, got)
				}
			}
		})
	}
}

func TestAttackASecretIsRepointed(t *testing.T) {
	t.Run("at the attacker's function: its role gets nothing before the settling is over", func(t *testing.T) {
		b := newBench(t)
		b.opts.Settle = 24 * time.Hour
		b.add(working("victim"))
		b.add(working("evil"))
		b.run(t)
		b.now = b.now.Add(48 * time.Hour)
		b.UpdateRole("evil-role", func(r *awstest.Role) { r.Inline = nil })
		b.UpdateSecret(string(secretARN("victim-secret")), func(x *awstest.Secret) { x.RotationLambdaARN = string(functionARN("evil")) })
		b.run(t)
		b.now = b.now.Add(23 * time.Hour)
		b.run(t)
		if got := b.grantsOf("evil-role"); strings.Contains(got, "victim") {
			t.Errorf("the role was granted the victim's secret:\n%s", got)
		}
	})
	t.Run("away and back: the settling begins anew", func(t *testing.T) {
		b := newBench(t)
		b.opts.Settle = 24 * time.Hour
		b.add(powerless("evil"))
		b.add(working("victim"))
		point := func(function string) {
			b.UpdateSecret(string(secretARN("victim-secret")), func(x *awstest.Secret) { x.RotationLambdaARN = string(functionARN(function)) })
			b.run(t)
			b.now = b.now.Add(20 * time.Hour)
		}
		for range 3 {
			point("evil")
			point("victim")
		}
		point("evil")
		if got := b.grantsOf("evil-role"); strings.Contains(got, "victim") {
			t.Errorf("the role was granted the victim's secret:\n%s", got)
		}
	})
	t.Run("after our grant was written: the grant does not work for the new function's secret", func(t *testing.T) {
		b := newBench(t)
		b.add(powerless("x"))
		b.add(working("other"))
		b.run(t)
		b.UpdateSecret(string(secretARN("x-secret")), func(x *awstest.Secret) { x.RotationLambdaARN = string(functionARN("other")) })
		doc, err := policy.Parse("ours", []byte(b.grantsOf("x-role")))
		if err != nil {
			t.Fatal(err)
		}
		request := policy.Request{
			Caller: policy.Caller{Kind: policy.CallerRole, ARN: string(roleARN("x-role"))}, Action: "secretsmanager:GetSecretValue", Resource: string(secretARN("x-secret")),
			Context: map[string][]string{rotation.AllowRotationKey: {string(functionARN("other"))}},
		}
		if policy.Evaluate(&policy.Set{Identity: []*policy.Document{doc}}, &request).Outcome == policy.Allowed {
			t.Error("our grant survives the re-pointing")
		}
	})
	t.Run("at another key: the key's grant waits", func(t *testing.T) {
		b := newBench(t)
		b.opts.Settle = 24 * time.Hour
		b.add(working("x"))
		b.run(t)
		b.now = b.now.Add(48 * time.Hour)
		key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
		b.UpdateSecret(string(secretARN("x-secret")), func(x *awstest.Secret) { x.KmsKeyID = key })
		if got := summary(b.run(t)); !slices.Equal(got, []string{"waiting iam:PutRolePolicy x-role"}) {
			t.Errorf("changes = %v", got)
		}
	})
}

func TestAttackAFunctionOutsideOfTheWritersScope(t *testing.T) {
	tests := []struct {
		name  string
		setup func(b *bench)
	}{
		{"the function is outside and its role inside", func(b *bench) { b.opts.Functions = []string{string(functionARN("rotate-*"))} }},
		{"the function is inside and its role, an administrator's, outside", func(b *bench) { b.opts.Roles = []string{string(roleARN("rotation/")) + "*"} }},
		{"a name that only begins like one inside", func(b *bench) { b.opts.Functions = []string{string(functionARN("x:live"))} }},
		{"a role without the boundary", func(b *bench) { b.opts.TargetBoundary = "arn:aws:iam::123456789012:policy/guard" }},
		{"the writer itself", func(b *bench) { b.opts.WriterRole = roleARN("x-role"); b.opts.Functions = []string{"nothing"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newEnforcing(t)
			b.opts.Mode = repair.ModeEnforce
			s := broken("x")
			s.inline = map[string]string{"admin": document(allow(`"*"`, "*"))}
			s.policy = ""
			b.add(s)
			tt.setup(b)
			b.run(t)
			for _, c := range b.Writes() {
				if c.Service == "iam" || strings.Contains(tt.name, "function is outside") || strings.Contains(tt.name, "begins like") {
					t.Errorf("%s on %s", c.Name(), c.Resource)
				}
			}
		})
	}
}

func TestAttackASharedRoleIsSeenFromOneFunctionOrRegion(t *testing.T) {
	prepare := func(t *testing.T) *bench {
		b := newEnforcing(t)
		a := working("a")
		a.inline["wide"] = document(allow(`"secretsmanager:*"`, "*"))
		b.add(a)
		other := working("b")
		other.role = "a-role"
		b.add(other)
		return b
	}
	t.Run("a run of one function takes nothing", func(t *testing.T) {
		b := prepare(t)
		if b.partial(t, rotation.Scope{Functions: []rotation.ARN{functionARN("a")}}); len(b.Writes()) > 0 {
			t.Errorf("writes = %v", b.Writes())
		}
	})
	t.Run("a whole run keeps what the other function lives on", func(t *testing.T) {
		b := prepare(t)
		tr := b.watch(t)
		b.run(t)
		if tr.step(); len(tr.lost) > 0 || len(b.Writes()) == 0 {
			t.Errorf("lost %v, writes %v", tr.lost, b.Writes())
		}
	})
	t.Run("a role last used in another Region keeps everything", func(t *testing.T) {
		b := prepare(t)
		b.UpdateRole("a-role", func(r *awstest.Role) { r.LastUsed, r.LastUsedRegion = b.now, "eu-west-1" })
		if b.run(t); len(b.Writes()) > 0 {
			t.Errorf("writes = %v", b.Writes())
		}
	})
	t.Run("ours is not withdrawn from it either", func(t *testing.T) {
		b := newBench(t)
		b.add(powerless("x"))
		b.run(t)
		b.now = b.now.Add(time.Hour)
		b.UpdateRole("x-role", func(r *awstest.Role) {
			r.Inline["owner"] = roleGrant(functionARN("x"))
			r.LastUsed, r.LastUsedRegion = b.now, "eu-west-1"
		})
		b.ResetCalls()
		if plan := b.plan(t); len(plan.Changes) > 0 || len(plan.Left) != 1 || !strings.Contains(plan.Left[0].Reason, "eu-west-1") {
			t.Errorf("changes = %v, left = %+v", summary(plan.Changes), plan.Left)
		}
	})
}

func TestAttackASelectionKnowsOnlySomeOfTheSecrets(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	s.secrets = []string{"one", "two"}
	b.add(s)
	b.run(t)
	whole := b.grantsOf("x-role")
	b.now = b.now.Add(time.Hour)
	b.ResetCalls()
	for _, scope := range []rotation.Scope{{Secrets: []string{"one"}}, {Functions: []rotation.ARN{s.function()}}} {
		if changes := b.partial(t, scope); len(changes) > 0 {
			t.Errorf("%+v: changes = %v", scope, summary(changes))
		}
	}
	if b.grantsOf("x-role") != whole || len(b.Writes()) > 0 {
		t.Errorf("writes = %v", b.Writes())
	}
	// What a selection grants is the contract of all the function's secrets, too.
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline = nil })
	b.partial(t, rotation.Scope{Secrets: []string{"one"}})
	if b.grantsOf("x-role") != whole {
		t.Errorf("granted for one secret:\n%s\nwant for both:\n%s", b.grantsOf("x-role"), whole)
	}
}

// TestAttackAnEventKnowsOnlySomeOfTheSecrets: a run on an event reads only the secrets that the ledger's index knows, and a secret that has named the
// function since, or was kept out of the index, loses nothing by it.
func TestAttackAnEventKnowsOnlySomeOfTheSecrets(t *testing.T) {
	for name, known := range map[string]map[rotation.ARN]rotation.ARN{
		"one secret is not in the index":         {secretARN("one"): functionARN("x")},
		"the index says it names another":        {secretARN("one"): functionARN("x"), secretARN("two"): functionARN("other")},
		"the index has another function's as it": {secretARN("one"): functionARN("x"), secretARN("theirs"): functionARN("x")},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := broken("x")
			s.secrets = []string{"one", "two"}
			b.add(s)
			b.add(&setup{name: "other", secrets: []string{"theirs"}})
			b.run(t)
			whole := b.grantsOf("x-role")
			if !strings.Contains(whole, "two-AbCdEf") {
				t.Fatalf("the whole run granted\n%s", whole)
			}
			b.now = b.now.Add(time.Hour)
			key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
			b.UpdateSecret(string(secretARN("one")), func(x *awstest.Secret) { x.KmsKeyID = key })
			b.UpdateFunction("x", func(f *awstest.Function) { f.Policies[""] = document(publicGrant("open", functionARN("x"))) })
			index := &rotation.Index{Secrets: known, Functions: map[rotation.ARN]rotation.Uses{functionARN("x"): {Role: roleARN("x-role")}}}
			b.partial(t, rotation.Scope{Functions: []rotation.ARN{functionARN("x")}, Known: index})
			got := b.grantsOf("x-role")
			for _, line := range []string{"two-AbCdEf", "one-AbCdEf"} {
				if !strings.Contains(got, line) {
					t.Errorf("after the event the role is granted no %s:\n%s", line, got)
				}
			}
			if strings.Contains(got, "theirs") {
				t.Errorf("the role was granted another function's secret:\n%s", got)
			}
			b.now = b.now.Add(time.Hour)
			b.run(t)
			if changes := b.run(t); len(changes) > 0 {
				t.Errorf("after a whole run there is more to do: %v", summary(changes))
			}
			for _, j := range b.judge(t, rotation.Scope{}) {
				if j.Setup.Function.ARN == functionARN("x") {
					for _, secret := range j.Secrets {
						if secret.Verdict == "broken" {
							t.Errorf("%s is broken: %s", secret.Secret.ARN, secret.Reason)
						}
					}
				}
			}
		})
	}
}

func TestAttackNamesAndPolicyTextSteerNothing(t *testing.T) {
	evil := func(name, sid string) string {
		return document(`{"Sid":"`+sid+`","Effect":"Allow","Action":["secretsmanager:DescribeSecret"],"Resource":["`+string(secretARN(name))+`"],"Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":["`+string(functionARN("x"))+`"]}}}`,
			`{"Sid":"`+sid+`Extra","Effect":"Allow","Action":"iam:*","Resource":"*"}`)
	}
	t.Run("a policy with our name and our Sids, and more", func(t *testing.T) {
		b := newBench(t)
		b.add(broken("x"))
		first := b.plan(t).Changes[0]
		sid := first.After[strings.Index(first.After, "rotationguard"):]
		sid = sid[:strings.Index(sid, `"`)]
		planted := evil("x", sid)
		b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline[first.Name] = planted })
		b.run(t)
		role, _ := b.Role("x-role")
		for name, doc := range role.Inline {
			if name != first.Name && strings.Contains(doc, "iam:*") {
				t.Errorf("our policy %s took over what was planted: %s", name, doc)
			}
		}
		if role.Inline[first.Name] != planted || len(role.Inline) != 2 {
			t.Errorf("inline policies = %v", role.Inline)
		}
	})
	t.Run("a function whose name is another's name and alias", func(t *testing.T) {
		b := newBench(t)
		alias := &setup{name: "a", qualifier: "live", secrets: []string{"one"}}
		b.add(alias)
		twin := &setup{name: "a-live", secrets: []string{"two"}, role: "a-role"}
		b.add(twin)
		b.run(t)
		role, _ := b.Role("a-role")
		if len(role.Inline) != 2 {
			t.Fatalf("inline policies = %v", role.Inline)
		}
		for name, doc := range role.Inline {
			if strings.Contains(doc, string(secretARN("one"))) == strings.Contains(doc, string(secretARN("two"))) {
				t.Errorf("policy %s mixes the two: %s", name, doc)
			}
		}
	})
	t.Run("a statement with our Sid for everybody", func(t *testing.T) {
		b := newBench(t)
		b.add(uninvocable("x"))
		sid := b.plan(t).Changes[0].Name
		planted := publicGrant(sid, functionARN("x"))
		b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = map[string]string{"": document(planted)} })
		b.run(t)
		f, _ := b.Function("x")
		if doc := f.Policies[""]; strings.Contains(doc, `"*"`) || !strings.Contains(doc, "secretsmanager.amazonaws.com") {
			t.Errorf("function policy = %s", doc)
		}
	})
	t.Run("operators' templates and allow are never granted", func(t *testing.T) {
		b := newBench(t)
		b.rules = rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "*"}, Strategy: "custom", Allow: []rotation.Grant{{Actions: []string{"*"}, Resources: []string{"*"}}}}}}
		b.add(broken("x"))
		b.run(t)
		if got := b.grantsOf("x-role"); strings.Contains(got, `"*"`+"\n      ],\n      \"Resource") || strings.Contains(got, "iam:") || !strings.Contains(got, "secretsmanager:PutSecretValue") {
			t.Errorf("granted:\n%s", got)
		}
	})
}

func TestTheTracerSeesWhatIsGoneForAMoment(t *testing.T) {
	b := newBench(t)
	b.add(working("x"))
	tr := b.watch(t)
	was, _ := b.Role("x-role")
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline = nil })
	tr.step()
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline = was.Inline })
	tr.step()
	if len(tr.lost) == 0 {
		t.Error("the tracer saw nothing")
	}
}

package repair_test

import (
	"encoding/json"
	"fmt"
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

// broken is a setup whose role has nothing and whose function nobody may invoke.
func broken(name string) *setup { return &setup{name: name, secrets: []string{name}} }

// uninvocable is a setup that only lacks its invoke grant.
func uninvocable(name string) *setup {
	s := working(name)
	s.policy = ""
	return s
}

// powerless is a setup whose role has nothing.
func powerless(name string) *setup {
	s := working(name)
	s.inline = nil
	return s
}

func TestRoleGrantsWaitUntilTheNamingHasSettled(t *testing.T) {
	b := newBench(t)
	b.opts.Settle = 24 * time.Hour
	b.add(broken("fresh"))
	if got, want := summary(b.run(t)), []string{"waiting iam:PutRolePolicy fresh-role", "done lambda:AddPermission fresh"}; !slices.Equal(got, want) {
		t.Fatalf("on the first day: %v, want %v: invoke grants do not wait", got, want)
	}
	b.now = b.now.Add(23 * time.Hour)
	changes := b.run(t)
	if got, want := summary(changes), []string{"waiting iam:PutRolePolicy fresh-role"}; !slices.Equal(got, want) {
		t.Fatalf("after 23 hours: %v, want %v", got, want)
	}
	if at := changes[0].NotBefore; at == nil || !at.Equal(b.now.Add(time.Hour)) {
		t.Errorf("may happen at %v, want in an hour", at)
	}

	// Somebody encrypts the secret with another key: the waiting begins anew.
	key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
	b.UpdateSecret(string(secretARN("fresh")), func(x *awstest.Secret) { x.KmsKeyID = key })
	b.now = b.now.Add(2 * time.Hour)
	if got, want := summary(b.run(t)), []string{"waiting iam:PutRolePolicy fresh-role"}; !slices.Equal(got, want) {
		t.Fatalf("after the key changed: %v, want %v", got, want)
	}
	b.now = b.now.Add(24 * time.Hour)
	if got, want := summary(b.run(t)), []string{"done iam:PutRolePolicy fresh-role"}; !slices.Equal(got, want) {
		t.Fatalf("a day after the key changed: %v, want %v", got, want)
	}
}

func TestARepointedSecretWaitsAloneAndAPersonMayApplyIt(t *testing.T) {
	b := newBench(t)
	b.opts.Settle = 24 * time.Hour
	s := powerless("old")
	b.add(s)
	b.run(t)
	b.now = b.now.Add(25 * time.Hour)
	// An attacker points a second secret at the function just before the repair.
	b.AddSecret(awstest.Secret{ARN: string(secretARN("victim")), RotationEnabled: &yes, RotationLambdaARN: string(s.function())})
	changes := b.run(t)
	if got, want := summary(changes), []string{"done iam:PutRolePolicy old-role", "waiting iam:PutRolePolicy old-role"}; !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	role, _ := b.Role("old-role")
	if doc := role.Inline["rotationguard-us-east-1-old"]; strings.Contains(doc, "victim") || !strings.Contains(doc, "old-secret") {
		t.Errorf("our policy = %s", doc)
	}
	b.opts.Approved = true
	b.now = b.now.Add(10 * time.Minute)
	if got, want := summary(b.run(t)), []string{"done iam:PutRolePolicy old-role"}; !slices.Equal(got, want) {
		t.Fatalf("applied by a person: %v, want %v", got, want)
	}
}

func TestBreakerStopsTheWholePlan(t *testing.T) {
	tests := []struct {
		name              string
		functions         int
		max, percent      int
		broken            int
		wantDone, wantOff int
	}{
		{"under both limits everything is written", 40, 10, 20, 8, 8, 0},
		{"over max_changes nothing is written", 40, 5, 100, 6, 0, 6},
		{"over the percentage nothing is written", 40, 100, 20, 9, 0, 9},
		{"a small account may always change three", 4, 25, 10, 3, 3, 0},
		{"four are too many for a small account", 4, 25, 10, 4, 0, 4},
		{"max_changes 0 writes nothing", 4, 0, 100, 1, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.opts.MaxChanges, b.opts.MaxChangePercent = tt.max, tt.percent
			for i := range tt.functions {
				s := working(fmt.Sprintf("f%02d", i))
				if i < tt.broken {
					s.policy = ""
				}
				b.add(s)
			}
			var done, refused int
			for _, c := range b.run(t) {
				switch {
				case c.Status == repair.Done:
					done++
				case c.Status == repair.Refused && strings.Contains(c.Reason, "breaker"):
					refused++
				}
			}
			if done != tt.wantDone || refused != tt.wantOff {
				t.Errorf("%d done and %d refused, want %d and %d", done, refused, tt.wantDone, tt.wantOff)
			}
			if w := len(b.Writes()); w != tt.wantDone {
				t.Errorf("%d writes, want %d", w, tt.wantDone)
			}
		})
	}
}

func TestBreakerCountsTheLastDay(t *testing.T) {
	b := newBench(t)
	b.opts.MaxChanges, b.opts.MaxChangePercent = 3, 100
	b.add(uninvocable("one"))
	b.add(uninvocable("two"))
	if got := b.run(t); len(got) != 2 || got[1].Status != repair.Done {
		t.Fatalf("changes = %v", summary(got))
	}
	b.add(uninvocable("three"))
	b.add(uninvocable("four"))
	b.now = b.now.Add(23 * time.Hour)
	if got := b.run(t); len(got) != 2 || got[0].Status != repair.Refused || !strings.Contains(got[0].Reason, "2 made in the last 24 hours") {
		t.Fatalf("on the same day: %v (%s)", summary(got), got[0].Reason)
	}
	b.now = b.now.Add(2 * time.Hour)
	if got := b.run(t); len(got) != 2 || got[0].Status != repair.Done {
		t.Fatalf("on the next day: %v", summary(got))
	}
}

func TestAMasterIsGrantedOnlyOnTrustedWord(t *testing.T) {
	tests := []struct {
		name  string
		rules rotation.Rules
		trust bool
		want  []string
	}{
		{"a tag alone grants nothing", rotation.Rules{}, false, nil},
		{"a tag grants when the operator trusts tags", rotation.Rules{}, true, []string{"done iam:PutRolePolicy app-role"}},
		{"the configuration grants", rotation.Rules{Rotations: []rotation.Rule{{
			Match: rotation.Match{Name: "app-secret"}, Strategy: "master-user", Master: string(secretARN("admin")),
		}}}, false, []string{"done iam:PutRolePolicy app-role"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.rules, b.opts.TrustTags = tt.rules, tt.trust
			b.add(working("app"))
			key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
			b.AddSecret(awstest.Secret{ARN: string(secretARN("admin")), KmsKeyID: key})
			b.UpdateSecret(string(secretARN("app-secret")), func(x *awstest.Secret) {
				x.Tags = []awstest.Tag{{Key: rotation.TagStrategy, Value: "master-user"}, {Key: rotation.TagMaster, Value: string(secretARN("admin"))}}
			})
			plan := b.plan(t)
			if got := summary(b.run(t)); !slices.Equal(got, tt.want) {
				t.Fatalf("changes = %v, want %v; left %+v", got, tt.want, plan.Left)
			}
			role, _ := b.Role("app-role")
			ours := role.Inline["rotationguard-us-east-1-app"]
			if tt.want == nil {
				if len(plan.Left) == 0 || !strings.Contains(plan.Left[0].Reason, "trust_tags") {
					t.Errorf("left = %+v: trust_tags is not named", plan.Left)
				}
				return
			}
			for _, want := range []string{string(secretARN("admin")), key, "kms:EncryptionContext:SecretARN"} {
				if !strings.Contains(ours, want) {
					t.Errorf("our policy lacks %s:\n%s", want, ours)
				}
			}
		})
	}
}

func TestWhatRepairMayNotWriteIsLeftWithItsReason(t *testing.T) {
	boundary := document(allow(`"logs:*"`, "*"))
	tests := []struct {
		name   string
		change func(b *bench)
		reason string
		unread bool // nothing is left either: what is unknown is never repaired
	}{
		{"an explicit Deny of the role", func(b *bench) {
			s := powerless("x")
			s.inline = map[string]string{"no": document(`{"Sid":"No","Effect":"Deny","Action":"secretsmanager:*","Resource":"*"}`)}
			b.add(s)
		}, `blocked by Deny "No" in inline policy no`, false},
		{"a permissions boundary", func(b *bench) {
			b.add(powerless("x"))
			arn := b.AddPolicy(awstest.Policy{Name: "limit", Document: boundary})
			b.UpdateRole("x-role", func(r *awstest.Role) { r.Boundary = arn })
		}, "blocked by the permissions boundary", false},
		{"a Deny in the function policy", func(b *bench) {
			s := working("x")
			s.policy = document(`{"Sid":"stop","Effect":"Deny","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + string(s.function()) + `"}`)
			b.add(s)
		}, `blocked by Deny "stop" in function policy`, false},
		{"a key policy that does not delegate", func(b *bench) {
			b.add(working("x"))
			key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555", Policy: document(
				`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/somebody"},"Action":"kms:*","Resource":"*"}`)})
			b.UpdateSecret(string(secretARN("x-secret")), func(s *awstest.Secret) { s.KmsKeyID = key })
		}, "does not let it count", false},
		{"a trust policy without Lambda", func(b *bench) {
			b.add(working("x"))
			b.UpdateRole("x-role", func(r *awstest.Role) {
				r.Trust = document(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`)
			})
		}, "the trust policy is never changed", false},
		{"a role outside repair.roles", func(b *bench) {
			b.opts.Roles = []string{"arn:aws:iam::*:role/rotate-*"}
			b.add(powerless("x"))
		}, "not in repair.roles", false},
		{"a function outside repair.functions", func(b *bench) {
			b.opts.Functions = []string{"arn:aws:lambda:*:*:function:rotate-*"}
			b.add(uninvocable("x"))
		}, "not in repair.functions", false},
		{"a role without the boundary that the operator demands", func(b *bench) {
			b.opts.TargetBoundary = "arn:aws:iam::123456789012:policy/guard"
			b.add(powerless("x"))
		}, "repair.target_boundary", false},
		{"the writer role itself", func(b *bench) {
			b.opts.WriterRole = roleARN("x-role")
			b.add(powerless("x"))
		}, "own writer", false},
		{"a public statement without a Sid", func(b *bench) {
			s := working("x")
			s.policy = document(invokeGrant(s.function()), strings.Replace(publicGrant("", s.function()), `"Sid":"",`, "", 1))
			b.add(s)
		}, "has no Sid", false},
		{"a function policy that is full", func(b *bench) {
			s := working("x")
			var many []string
			for i := range 100 {
				many = append(many, `{"Sid":"s`+fmt.Sprint(i)+`","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"`+string(s.function())+`"}`)
			}
			for len(document(many...)) < 20400 {
				many = append(many, `{"Sid":"t`+fmt.Sprint(len(many))+`","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"`+string(s.function())+`"}`)
			}
			s.policy = document(many...)
			b.add(s)
		}, "20480 are allowed", false},
		{"a role whose inline policies are full", func(b *bench) {
			s := powerless("x")
			s.inline = map[string]string{"big": document(allow(`"logs:PutLogEvents"`, "arn:aws:logs:us-east-1:123456789012:"+strings.Repeat("x", 9900)))}
			b.add(s)
		}, "10240 are allowed", false},
		{"a role whose policies could not all be read", func(b *bench) {
			b.add(powerless("x"))
			b.Deny(awstest.Match{Service: "iam", Operation: "ListAttachedRolePolicies"})
		}, "", true},
		{"a function policy that could not be read", func(b *bench) {
			b.add(uninvocable("x"))
			b.Deny(awstest.Match{Service: "lambda", Operation: "GetPolicy"})
		}, "", true},
		{"a function that is gone", func(b *bench) {
			b.add(working("x"))
			b.RemoveFunction("x")
		}, "", true},
		{"a role that is gone", func(b *bench) {
			b.add(working("x"))
			b.RemoveRole("x-role")
		}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			tt.change(b)
			plan := b.plan(t)
			if len(plan.Changes) > 0 {
				t.Errorf("changes = %v", summary(plan.Changes))
			}
			b.run(t)
			if w := b.Writes(); len(w) > 0 {
				t.Errorf("writes = %v", w)
			}
			if tt.unread {
				return
			}
			if !slices.ContainsFunc(plan.Left, func(l repair.Left) bool { return strings.Contains(l.Reason, tt.reason) && len(l.Findings) > 0 }) {
				t.Errorf("left = %+v, want the reason %q", plan.Left, tt.reason)
			}
		})
	}
}

func TestSomebodyElsesNamesAreNeverUsed(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	b.add(s)
	first := b.plan(t)
	sid, name := first.Changes[1].Name, first.Changes[0].Name
	foreign := document(allow(`"logs:PutLogEvents"`, "*"))
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Inline[name] = foreign })
	theirs := `{"Sid":"` + sid + `","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + string(s.function()) + `"}`
	b.UpdateFunction("x", func(f *awstest.Function) { f.Policies = map[string]string{"": document(theirs)} })
	changes := b.run(t)
	if got, want := summary(changes), []string{"done iam:PutRolePolicy x-role", "done lambda:AddPermission x"}; !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	role, _ := b.Role("x-role")
	f, _ := b.Function("x")
	if role.Inline[name] != foreign || !strings.Contains(f.Policies[""], theirs) {
		t.Errorf("somebody else's policy changed: %s, %s", role.Inline[name], f.Policies[""])
	}
	b.ResetCalls()
	if b.run(t); len(b.Writes()) > 0 {
		t.Errorf("a second repair writes %v", b.Writes())
	}
}

func TestEachChangeIsWrittenByAWriterThatCanDoNothingElse(t *testing.T) {
	b := newBench(t)
	b.opts.WriterRole = roleARN("rotationguard-writer")
	b.opts.TargetBoundary = "arn:aws:iam::123456789012:policy/guard"
	b.AddRole(awstest.Role{Name: "rotationguard-writer", Trust: document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}`)})
	b.AddPolicy(awstest.Policy{Name: "guard", Document: document(allow(`"*"`, "*"))})
	b.add(broken("x"))
	b.UpdateRole("x-role", func(r *awstest.Role) { r.Boundary = "arn:aws:iam::123456789012:policy/guard" })
	changes := b.run(t)
	if got, want := summary(changes), []string{"done iam:PutRolePolicy x-role", "done lambda:AddPermission x"}; !slices.Equal(got, want) {
		t.Fatalf("changes = %v, want %v", got, want)
	}
	want := map[string]string{
		"PutRolePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"arn:aws:iam::123456789012:role/x-role",` +
			`"Condition":{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::123456789012:policy/guard"}}}]}`,
		"AddPermission": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:AddPermission","Resource":"arn:aws:lambda:us-east-1:123456789012:function:x"}]}`,
	}
	got := map[string]string{}
	for _, c := range b.Writes() {
		if c.Operation == "AssumeRole" {
			continue
		}
		if len(c.SessionPolicy) == 1 {
			got[c.Operation] = c.SessionPolicy[0]
		} else {
			t.Errorf("%s was sent with session policies %q", c.Operation, c.SessionPolicy)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("session policies (-want +got):\n%s", d)
	}
}

func TestJournalHoldsEveryWriteWithItsBeforeImage(t *testing.T) {
	b := newBench(t)
	s := broken("x")
	s.policy = document(publicGrant("everybody", s.function()))
	b.add(s)
	changes := b.run(t)
	b.withLedger(t, func(l ledger.Ledger) {
		entries, err := l.EntriesSince(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, string(e.Phase)+" "+e.Call+" "+e.Status)
			if e.Phase != ledger.PhaseIntent {
				continue
			}
			var c repair.Change
			if err := json.Unmarshal(e.Detail, &c); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(changes, func(x repair.Change) bool { return x.ID == c.ID })
			if i < 0 || c.Before != changes[i].Before || c.After == c.Before {
				t.Errorf("entry %+v is no change with its before-image", e)
			}
		}
		want := []string{
			"intent iam:PutRolePolicy planned", "outcome iam:PutRolePolicy done",
			"intent lambda:AddPermission planned", "outcome lambda:AddPermission done",
			"intent lambda:RemovePermission planned", "outcome lambda:RemovePermission done",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("journal (-want +got):\n%s", d)
		}
	})
}

func TestAPausedLedgerStopsWriting(t *testing.T) {
	b := newBench(t)
	b.add(uninvocable("x"))
	pause := ledger.Pause{By: "ann", Reason: "incident 7", At: b.now}
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		if err := l.Pause(t.Context(), pause); err != nil { // after the plan was made
			t.Fatal(err)
		}
		changes, err := b.repairer(l).Apply(t.Context(), plan)
		if err != nil || len(changes) != 1 || changes[0].Status != repair.Refused || !strings.Contains(changes[0].Reason, "incident 7") {
			t.Errorf("changes = %+v, %v", changes, err)
		}
	})
	if changes := b.run(t); changes[0].Status != repair.Refused || !strings.Contains(changes[0].Reason, "paused by ann") {
		t.Errorf("changes = %+v", changes)
	}
	if len(b.Writes()) > 0 {
		t.Errorf("writes = %v", b.Writes())
	}
}

func TestOneWriterAtATime(t *testing.T) {
	b := newBench(t)
	b.add(uninvocable("x"))
	plan := b.plan(t)
	b.withLedger(t, func(other ledger.Ledger) {
		if _, err := other.Acquire(t.Context(), "another run", b.now, time.Minute); err != nil {
			t.Fatal(err)
		}
		b.withLedger(t, func(l ledger.Ledger) {
			changes, err := b.repairer(l).Apply(t.Context(), plan)
			if err != nil || changes[0].Status != repair.Refused || !strings.Contains(changes[0].Reason, "another run") {
				t.Errorf("changes = %+v, %v", changes, err)
			}
		})
	})
	if len(b.Writes()) > 0 {
		t.Errorf("writes = %v", b.Writes())
	}
}

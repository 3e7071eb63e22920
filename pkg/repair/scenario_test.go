package repair_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// scenario is an account and a run over it that the matrices disturb.
type scenario struct {
	name    string
	prepare func(t *testing.T, b *bench)
	least   int // changes that an undisturbed run makes at least
}

// scenarios are one for every way in which a run writes.
var scenarios = []scenario{
	{"repair", func(t *testing.T, b *bench) { b.addMixed() }, 10},
	{"enforce", func(t *testing.T, b *bench) { b.enforcing(); b.addWide() }, 14},
	{"withdraw", prepareWithdrawal, 10},
	{"roll back a repair", func(t *testing.T, b *bench) { b.addMixed(); b.undone(t) }, 10},
	{"roll back an enforce", func(t *testing.T, b *bench) { b.enforcing(); b.addWide(); b.undone(t) }, 14},
}

// undone runs and has the next run be that one's rollback.
func (b *bench) undone(t *testing.T) {
	t.Helper()
	for _, c := range b.run(t) {
		if c.Status != repair.Done {
			t.Fatalf("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	b.withLedger(t, func(l ledger.Ledger) {
		entries, err := l.EntriesSince(t.Context(), time.Time{})
		if err != nil || len(entries) == 0 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		b.undo = entries[len(entries)-1].Run
	})
	b.now = b.now.Add(time.Hour)
}

// enforcing puts the bench into mode enforce.
func (b *bench) enforcing() {
	b.opts.Mode = repair.ModeEnforce
	b.rules = rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "*"}, Strategy: "single-user"}}}
	b.AddPolicy(awstest.Policy{Name: "wide", Document: wideDocument})
}

// wideDocument is the managed policy at wideARN.
var wideDocument = document(allow(`"secretsmanager:*"`, "*"), allow(`"logs:*"`, "*"))

// addMixed puts ten setups into the account that are broken in different ways.
func (b *bench) addMixed() {
	for _, s := range []*setup{broken("nothing"), uninvocable("gone"), powerless("powerless")} {
		b.add(s)
	}
	open := working("open")
	open.policy = document(publicGrant("everybody", open.function()))
	b.add(open)
	both := working("both")
	both.policy = document(publicGrant("everybody", both.function()), invokeGrant(both.function()))
	b.add(both)
	alias := &setup{name: "aliased", qualifier: "live", secrets: []string{"aliased-1", "aliased-2"}}
	alias.inline = map[string]string{"rotate": roleGrant(alias.function())}
	b.add(alias)
	b.add(working("keyed"))
	key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
	b.UpdateSecret(string(secretARN("keyed-secret")), func(x *awstest.Secret) { x.KmsKeyID = key })
	shared := powerless("shared-1")
	b.add(shared)
	other := uninvocable("shared-2")
	other.role = "shared-1-role"
	b.add(other)
	b.add(working("fine"))
}

// sourced is invokeGrant with the account whose secrets may cause it.
func sourced(function rotation.ARN) string {
	return strings.TrimSuffix(invokeGrant(function), "}") + `,"Condition":{"StringEquals":{"AWS:SourceAccount":"` + accountID + `"}}}`
}

// addWide puts eleven setups into the account that may do too much in different ways.
func (b *bench) addWide() {
	b.opts.AddSourceAccount = true
	add := func(name string, change func(s *setup)) *setup {
		s := working(name)
		s.policy = document(sourced(s.function()))
		change(s)
		b.add(s)
		return s
	}
	other := func(s *setup) string {
		return invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function())
	}
	add("all", func(s *setup) {
		s.inline = map[string]string{"rotate": document(allow(`"logs:*"`, "*"), allow(`"secretsmanager:*"`, "*"))}
	})
	add("foreign-service", func(s *setup) { s.inline["extra"] = document(allow(`"s3:*"`, "*")) })
	add("not-iam", func(s *setup) { s.inline["admin"] = document(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`) })
	add("attached", func(s *setup) { s.inline = nil })
	b.UpdateRole("attached-role", func(r *awstest.Role) { r.Attached = []string{wideARN} })
	add("foreign-account", func(s *setup) { s.policy = document(sourced(s.function()), other(s)) })
	add("sourceless", func(s *setup) { s.policy = document(invokeGrant(s.function())) })
	add("sidless", func(s *setup) {
		s.policy = document(sourced(s.function()), strings.Replace(other(s), `"Sid":"other",`, "", 1))
	})
	first := add("both-1", func(s *setup) { s.inline["extra"] = document(allow(`"dynamodb:*"`, "*")) })
	add("both-2", func(s *setup) { s.role = first.name + "-role"; s.policy = document(sourced(s.function())) })
	b.UpdateRole("both-1-role", func(r *awstest.Role) { r.Inline["rotate-2"] = roleGrant(functionARN("both-2")) })
	add("short-and-wide", func(s *setup) {
		s.inline = map[string]string{"extra": document(allow(`"secretsmanager:GetSecretValue","sns:*"`, "*"))}
		s.policy = document(publicGrant("everybody", s.function()))
	})
	alias := &setup{name: "aliased", qualifier: "live", secrets: []string{"aliased-1", "aliased-2"}}
	alias.inline = map[string]string{"rotate": roleGrant(alias.function()), "wide": document(allow(`"*"`, "*"))}
	alias.policy = document(sourced(alias.function()), other(alias))
	b.add(alias)
}

// prepareWithdrawal repairs, and then the owners' grants come back everywhere and one secret names no function any more.
func prepareWithdrawal(t *testing.T, b *bench) {
	t.Helper()
	b.addMixed()
	b.run(t)
	b.now = b.now.Add(time.Hour)
	for _, f := range b.Functions() {
		b.UpdateFunction(f.Name, func(f *awstest.Function) {
			for _, q := range []string{"", "live"} {
				arn := functionARN(f.Name)
				if q != "" {
					arn += ":live"
				}
				if doc := f.Policies[q]; doc != "" && !strings.Contains(doc, `"sm"`) {
					f.Policies[q] = appended(doc, invokeGrant(arn))
				}
			}
		})
	}
	for _, name := range []string{"nothing", "powerless", "shared-1"} {
		b.UpdateRole(name+"-role", func(r *awstest.Role) { r.Inline["owner"] = roleGrant(functionARN(name)) })
	}
	b.UpdateRole("shared-1-role", func(r *awstest.Role) { r.Inline["owner-2"] = roleGrant(functionARN("shared-2")) })
	b.UpdateRole("keyed-role", func(r *awstest.Role) {
		r.Inline["owner"] = document(allow(`"kms:Decrypt","kms:GenerateDataKey"`, "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"))
	})
	b.UpdateSecret(string(secretARN("gone-secret")), func(s *awstest.Secret) { s.RotationEnabled, s.RotationLambdaARN = nil, "" })
}

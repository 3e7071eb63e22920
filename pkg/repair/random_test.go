package repair_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// TestRandomAccounts holds the laws of repair on a fixed sample of random accounts.
func TestRandomAccounts(t *testing.T) {
	t.Parallel()
	n := uint64(200)
	if testing.Short() {
		n = 20
	}
	randomAccounts(t, n, func(seed uint64) []repair.Mode { return bothModes[seed%2 : seed%2+1] })
}

var bothModes = []repair.Mode{repair.ModeRepair, repair.ModeEnforce}

func randomAccounts(t *testing.T, n uint64, modes func(seed uint64) []repair.Mode) {
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			for _, mode := range modes(seed) {
				lawful(t, seed, mode)
			}
		})
	}
}

// excesses are the ids of the findings of excess.
func excesses(judgements []drift.Judgement) map[string]*drift.Finding {
	out := map[string]*drift.Finding{}
	for _, j := range judgements {
		for _, s := range j.Secrets {
			for _, f := range s.Findings {
				if f.Direction == policy.Excess && f.Severity != drift.Info {
					out[f.ID] = f
				}
			}
		}
	}
	return out
}

// lawful repairs one random account and holds the laws: nothing that rotation needs is lost at any step; what stays denied is left with
// a reason; excess does not grow; a second run writes nothing; rolled back, the account is what it was.
func lawful(t *testing.T, seed uint64, mode repair.Mode) {
	t.Helper()
	b := newEnforcing(t)
	b.opts.Mode = mode
	what := b.addRandom(rand.New(rand.NewPCG(seed, 7)))
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("seed %d, mode %s, %v: %s", seed, mode, what, fmt.Sprintf(format, args...))
	}
	before := b.state(t)
	tr := b.watch(t)
	excessBefore := excesses(tr.base)
	plan := b.plan(t)
	changes := b.run(t)
	for _, c := range changes {
		if c.Status != repair.Done {
			fail("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if tr.step(); len(tr.lost) > 0 {
		fail("lost: %v", tr.lost)
	}
	after := b.judge(t, rotation.Scope{})
	leftFor := map[string]bool{}
	for _, l := range plan.Left {
		for _, id := range l.Findings {
			leftFor[id] = true
		}
	}
	for _, j := range after {
		for _, s := range j.Secrets {
			for _, f := range s.Findings {
				mendable := f.Fix != nil && (f.Fix.By == drift.ByRepair || mode == repair.ModeEnforce && f.Fix.By == drift.ByEnforce) && f.Severity != drift.Info
				if mendable && !leftFor[f.ID] {
					fail("%s could be mended and is still there: %s", f.Rule, f.Explanation)
				}
			}
		}
	}
	for id, f := range excesses(after) {
		if excessBefore[id] == nil {
			fail("new excess: %s", f.Explanation)
		}
	}
	for _, c := range changes {
		if c.Call == repair.DeleteRolePolicy && !strings.HasPrefix(c.Name, rotation.OwnPrefix) {
			fail("somebody else's inline policy %s was deleted", c.Name)
		}
	}
	b.ResetCalls()
	b.now = b.now.Add(time.Hour)
	if again := b.run(t); len(b.Writes()) > 0 {
		fail("a second run writes %v", summary(again))
	}
	if len(changes) == 0 {
		return
	}
	b.rollback(t, repair.Undoing{AcceptBroken: true})
	if d := cmp.Diff(before, b.state(t)); d != "" {
		fail("rolled back, the account is not what it was (-want +got):\n%s", d)
	}
}

// addRandom puts up to four rotations into the account, each broken or widened in random ways, and says how.
func (b *bench) addRandom(r *rand.Rand) []string {
	var what []string
	n := 1 + r.IntN(4)
	sharing := ""
	for i := range n {
		s := working(fmt.Sprintf("f%d", i))
		if r.IntN(4) == 0 {
			s.qualifier = "live"
			s.inline["rotate"], s.policy = roleGrant(s.function()), document(invokeGrant(s.function()))
		}
		for k := range r.IntN(3) {
			s.secrets = append(s.secrets, fmt.Sprintf("f%d-more-%d", i, k))
		}
		if sharing != "" && r.IntN(3) == 0 {
			s.role = sharing
		}
		var done []string
		for range r.IntN(4) {
			m := mutations[r.IntN(len(mutations))]
			m.change(r, s)
			done = append(done, m.name)
		}
		b.add(s)
		role := s.role
		if role == "" {
			role = s.name + "-role"
			sharing = role
		}
		for range r.IntN(3) {
			m := surroundings[r.IntN(len(surroundings))]
			m.change(b, r, s, role)
			done = append(done, m.name)
		}
		what = append(what, s.name+": "+strings.Join(done, ", "))
	}
	return what
}

// mutations change what a setup's own documents say.
var mutations = []struct {
	name   string
	change func(r *rand.Rand, s *setup)
}{
	{"no function policy", func(_ *rand.Rand, s *setup) { s.policy = "" }},
	{"public", func(_ *rand.Rand, s *setup) { s.policy = appended(s.policy, publicGrant("everybody", s.function())) }},
	{"only public", func(_ *rand.Rand, s *setup) { s.policy = document(publicGrant("everybody", s.function())) }},
	{"foreign account", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()))
	}},
	{"another service", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, invoker("events", `{"Service":"events.amazonaws.com"}`, s.function()))
	}},
	{"wrong principal", func(_ *rand.Rand, s *setup) {
		s.policy = document(invoker("typo", `{"Service":"secretmanager.amazonaws.com"}`, s.function()))
	}},
	{"source of another secret", func(_ *rand.Rand, s *setup) {
		s.policy = document(strings.TrimSuffix(invokeGrant(s.function()), "}") + `,"Condition":{"ArnLike":{"AWS:SourceArn":"` + string(secretARN("another")) + `"}}}`)
	}},
	{"denied invoke", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, `{"Sid":"stop","Effect":"Deny","Principal":"*","Action":"lambda:InvokeFunction","Resource":"`+string(s.function())+`"}`)
	}},
	{"no inline policy", func(_ *rand.Rand, s *setup) { s.inline = map[string]string{} }},
	{"an action short", func(r *rand.Rand, s *setup) {
		all := strings.Split(fourActions, ",")
		all = slices.Delete(all, r.IntN(4), 4)
		if len(all) == 0 {
			all = []string{`"secretsmanager:DescribeSecret"`}
		}
		s.inline["rotate"] = strings.Replace(roleGrant(s.function()), fourActions, strings.Join(all, ","), 1)
	}},
	{"old function named", func(_ *rand.Rand, s *setup) { s.inline["rotate"] = roleGrant(functionARN("old")) }},
	{"all secrets", func(_ *rand.Rand, s *setup) { s.inline["wide"] = document(allow(`"secretsmanager:*"`, "*")) }},
	{"admin", func(_ *rand.Rand, s *setup) { s.inline["admin"] = document(allow(`"*"`, "*")) }},
	{"other services", func(_ *rand.Rand, s *setup) {
		s.inline["extra"] = document(allow(`"s3:*","logs:*"`, "*"), allow(`"dynamodb:GetItem"`, "*"))
	}},
	{"denied secrets", func(_ *rand.Rand, s *setup) {
		s.inline["no"] = document(`{"Effect":"Deny","Action":"secretsmanager:PutSecretValue","Resource":"*"}`)
	}},
	{"not iam", func(_ *rand.Rand, s *setup) {
		s.inline["most"] = document(`{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`)
	}},
}

// surroundings change what stands around a setup.
var surroundings = []struct {
	name   string
	change func(b *bench, r *rand.Rand, s *setup, role string)
}{
	{"key", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) { x.KmsKeyID = key })
	}},
	{"network", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		b.UpdateFunction(s.name, func(f *awstest.Function) {
			f.VPC = &awstest.VPC{ID: "vpc-0123456789abcdef0", Subnets: []string{"subnet-0123456789abcdef0"}, SecurityGroups: []string{"sg-0123456789abcdef0"}}
			for i := range f.Versions {
				f.Versions[i].VPC = f.VPC
			}
		})
	}},
	{"attached wide", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			if !slices.Contains(x.Attached, wideARN) {
				x.Attached = append(x.Attached, wideARN)
			}
		})
	}},
	{"boundary", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		arn := b.AddPolicy(awstest.Policy{Name: "limit", Document: document(allow(`"secretsmanager:GetSecretValue","logs:*"`, "*"))})
		b.UpdateRole(role, func(x *awstest.Role) { x.Boundary = arn })
	}},
	{"secret policy denies", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) {
			x.Policy = document(`{"Effect":"Deny","Principal":"*","Action":"secretsmanager:UpdateSecretVersionStage","Resource":"*"}`)
		})
	}},
	{"secret policy allows", func(b *bench, _ *rand.Rand, s *setup, role string) {
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) {
			x.Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + string(roleARN(role)) + `"},"Action":[` + fourActions + `],"Resource":"*"}`)
		})
	}},
	{"trust", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			x.Trust = document(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`)
		})
	}},
	{"second function", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.AddFunction(awstest.Function{Name: "other-" + role, FunctionConfig: awstest.FunctionConfig{Role: string(roleARN(role))}})
	}},
}

// appended is a policy with one more statement.
func appended(doc, statement string) string {
	if doc == "" {
		return document(statement)
	}
	if strings.Contains(doc, statement) {
		return doc
	}
	end := strings.LastIndex(doc, "]") // of the statements, however the document is laid out
	return doc[:end] + "," + statement + "]}"
}

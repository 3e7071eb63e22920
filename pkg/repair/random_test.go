package repair_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
		if c.Status != repair.Done && !rotating(&c) {
			fail("%s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if tr.step(); len(tr.lost) > 0 {
		fail("lost: %v", tr.lost)
	}
	after := b.judge(t, rotation.Scope{})
	for _, why := range shifted(tr.base, after) {
		fail("%s", why)
	}
	for id, f := range excesses(after) {
		// Of roles the engine says it: a statement that was narrowed is another one.
		if excessBefore[id] == nil && f.Kind == drift.KindFunctionPolicy {
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
	again := b.run(t)
	if len(b.Writes()) > 0 {
		fail("a second run writes %v", summary(again))
	}
	for _, why := range b.unmended(plan.Left, changes, after) {
		fail("%s", why)
	}
	if !slices.ContainsFunc(changes, func(c repair.Change) bool { return c.Status == repair.Done }) {
		return
	}
	unwritable := map[string]bool{}
	for _, c := range b.rollback(t, repair.Undoing{AcceptBroken: true}) {
		if strings.Contains(c.Reason, "PublicPolicyException") {
			unwritable[string(c.Subject)] = true
		} else if c.Status != repair.Done {
			fail("rolling back: %s %s is %s: %s", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	after2 := b.state(t)
	for key := range before {
		if _, there := after2[key]; !there && len(unwritable) > 0 && (strings.Contains(before[key], `"Principal":"*"`) || strings.Contains(before[key], `"*",`)) {
			delete(before, key)
		}
	}
	if d := cmp.Diff(before, after2); d != "" {
		fail("rolled back, the account is not what it was (-want +got):\n%s", d)
	}
}

// rotating says whether a change waits because a secret is being rotated.
func rotating(c *repair.Change) bool {
	return c.Status == repair.Waiting && strings.Contains(c.Reason, "is being rotated")
}

// unmended are the findings that the mode could have ended, and that stand after it without a good reason.
func (b *bench) unmended(left []repair.Left, changes []repair.Change, after []drift.Judgement) []string {
	waits := map[string]bool{}
	for i := range changes {
		for _, id := range changes[i].Findings {
			waits[id] = waits[id] || rotating(&changes[i])
		}
	}
	var out []string
	for i := range after {
		for _, s := range after[i].Secrets {
			for _, f := range s.Findings {
				mendable := f.Fix != nil && (f.Fix.By == drift.ByRepair || b.opts.Mode == repair.ModeEnforce && f.Fix.By == drift.ByEnforce) && f.Severity != drift.Info
				if !mendable || f.Exempt != "" || waits[f.ID] || s.Verdict == drift.Exempt || s.Verdict == drift.Skipped || s.Verdict == drift.Orphaned {
					continue
				}
				if why := b.unexcused(left, f, &after[i]); why != "" {
					out = append(out, fmt.Sprintf("%s could be mended and is still there (%s): %s", f.Rule, why, f.Explanation))
				}
			}
		}
	}
	return out
}

// shifted holds with the engine, over all requests, that no role lost what it could do inside the contracts of its functions and that none
// gained anything beyond them.
func shifted(before, after []drift.Judgement) []string {
	var out []string
	ceilings, was, is := map[rotation.ARN][]*policy.Document{}, map[rotation.ARN]*rotation.Role{}, map[rotation.ARN]*rotation.Role{}
	for i := range before {
		role := &before[i].Setup.Role
		was[role.ARN], ceilings[role.ARN] = role, append(ceilings[role.ARN], before[i].Contract.Ceiling...)
	}
	for i := range after {
		is[after[i].Setup.Role.ARN] = &after[i].Setup.Role
	}
	for arn, role := range was {
		now := is[arn]
		if now == nil || arn == "" {
			continue
		}
		had, has := documentsOf(role), documentsOf(now)
		inside := &policy.Document{Name: "contract", Version: policy.Version2012}
		for _, d := range ceilings[arn] {
			inside.Statements = append(inside.Statements, d.Statements...)
		}
		lost := policy.Compare(policy.Set{Identity: had, Boundary: inside}, policy.Set{Identity: has}, nil)
		for i := range lost.Missing {
			r := &lost.Missing[i].Request
			out = append(out, fmt.Sprintf("%s lost %s on %s, which is inside its contracts", arn, r.Action, r.Resource))
		}
		gained := policy.Compare(policy.Set{Identity: slices.Concat(had, ceilings[arn])}, policy.Set{Identity: has}, nil)
		for i := range gained.Excess {
			r := &gained.Excess[i].Request
			out = append(out, fmt.Sprintf("%s gained %s on %s, which is beyond its contracts", arn, r.Action, r.Resource))
		}
	}
	return out
}

func documentsOf(r *rotation.Role) []*policy.Document {
	var out []*policy.Document
	for i := range r.Identity {
		if d := r.Identity[i].Document; d != nil {
			out = append(out, d)
		}
	}
	return out
}

// excuses are the reasons for which something may be left, each with what then must be true of the account.
var excuses = []struct {
	reason string
	holds  func(b *bench, f *drift.Finding, j *drift.Judgement) bool
}{
	{"blocked by Deny", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool { return b.says(j, `"Deny"`) }},
	{"policy holds a Deny", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool { return b.says(j, `"Deny"`) }},
	{"blocked by the permissions boundary", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool { return j.Setup.Role.Boundary != nil }},
	{"own policy does not let it count", func(_ *bench, f *drift.Finding, j *drift.Judgement) bool {
		return len(j.Setup.Keys) > 0 || j.Setup.Role.Boundary != nil
	}},
	{"the trust policy is never changed", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return strings.Contains(j.Setup.Role.Trust.Text, "ec2.amazonaws.com")
	}},
	{"not in repair.functions", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool { return len(b.opts.Functions) > 0 }},
	{"not in repair.roles", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool { return len(b.opts.Roles) > 0 }},
	{"repair.keep names it", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool { return len(b.opts.Keep) > 0 }},
	{"exempt", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool {
		return len(b.exemptions)+len(b.rules.Exclude) > 0
	}},
	{"is not declared", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool { return len(b.rules.Rotations) != 1 }},
	{"is unknown", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return slices.ContainsFunc(j.Secrets, func(s drift.SecretJudgement) bool { return s.Verdict == drift.Unknown })
	}},
	{"by the tag rotationguard:master-secret only", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool { return !b.opts.TrustTags }},
	{"another Region's or account's", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return b.says(j, "eu-west-1") || b.says(j, "arn:aws:logs:us-east-1")
	}},
	{"last used in eu-west-1", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return j.Setup.Role.LastUsedIn == "eu-west-1"
	}},
	{"may take the role too", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return strings.Contains(j.Setup.Role.Trust.Text, "ec2.amazonaws.com")
	}},
	{"runs with the role", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool {
		_, other := b.Function("other-" + j.Setup.Role.ARN.RoleName())
		return other || b.gone(j)
	}},
	{"owns the role", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool { return len(j.Setup.Role.Tags) > 0 }},
	{"owns the function", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool { return len(j.Setup.Function.Tags) > 0 }},
	{"told as information only", func(_ *bench, f *drift.Finding, j *drift.Judgement) bool {
		return slices.ContainsFunc(j.Secrets, func(s drift.SecretJudgement) bool {
			return slices.ContainsFunc(s.Findings, func(x *drift.Finding) bool { return x.Severity == drift.Info && x.Kind == drift.KindRole })
		})
	}},
	{"lets Secrets Manager invoke for another account", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool { return b.says(j, `"theirs"`) }},
	{"has no Sid", func(b *bench, _ *drift.Finding, _ *drift.Judgement) bool { return b.opts.Mode == repair.ModeRepair }},
	{"its Sid is not unique", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return b.opts.Mode == repair.ModeRepair && b.says(j, `"twice"`)
	}},
	{"the policy has no other statement", func(_ *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return j.Setup.Function.Policy.Document != nil && len(j.Setup.Function.Policy.Document.Statements) == 1
	}},
	{"without the statement rotation would lose", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool { return len(b.opts.Functions) > 0 }},
	{"narrow it by hand", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool {
		return b.says(j, "${") || b.says(j, "NotResource") || b.says(j, "aws:SourceAccount") || b.says(j, "secret:f*")
	}},
	{"10240 are allowed", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool { return b.says(j, "xxxxxxxx") }},
	{"depends on", func(b *bench, _ *drift.Finding, j *drift.Judgement) bool { return b.says(j, "${") }},
}

// says whether a policy of the setup has a text.
func (b *bench) says(j *drift.Judgement, text string) bool {
	s := &j.Setup
	for i := range s.Role.Identity {
		if strings.Contains(s.Role.Identity[i].Text, text) {
			return true
		}
	}
	for i := range s.Secrets {
		if strings.Contains(s.Secrets[i].Policy.Text, text) {
			return true
		}
	}
	return strings.Contains(s.Function.Policy.Text, text)
}

// gone says whether a function that a secret names is not there: what runs with its role is then not all judged.
func (b *bench) gone(j *drift.Judgement) bool {
	return j.Setup.Function.Presence != rotation.Present
}

// unexcused says why a finding that still stands should not: nothing was said of it, or what was said is not so. "" means it is excused.
func (b *bench) unexcused(left []repair.Left, f *drift.Finding, j *drift.Judgement) string {
	why := "nothing is said of it"
	for _, l := range left {
		if !slices.Contains(l.Findings, f.ID) {
			continue
		}
		why = "what is said is not so: " + l.Reason
		for _, e := range excuses {
			if strings.Contains(l.Reason, e.reason) && e.holds(b, f, j) {
				return ""
			}
		}
	}
	return why
}

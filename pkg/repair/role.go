package repair

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// inlineQuota is how many characters, white space not counted, the inline policies of one role may have together. Source: IAM
// User Guide, "IAM and AWS STS quotas".
const inlineQuota = 10240

// need is one grant that our policy must give, with the requirements that it mends.
type need struct {
	grant    grant
	required []*rotation.Requirement
}

// rolePlan is the planning of one unit's role.
type rolePlan struct {
	*planner
	u       *unit
	role    rotation.Role // as planned so far
	ours    ours
	name    string
	before  string
	current grants        // what our policy gives now
	without rotation.Role // the role without our policy
	open    bool          // something that decides could not be read
	pinned  grants        // what stays in our policy whether it helps or not
}

// planRole plans the unit's inline policy: what is missing is added, what our policy no longer has to give is taken back.
func (p *planner) planRole(u *unit) {
	role := p.world.roles[u.setup.Role.ARN]
	rp := &rolePlan{planner: p, u: u, role: role, ours: ours{u.setup.Function.ARN}}
	if u.setup.Role.ARN == "" || role.Presence != rotation.Present {
		return
	}
	rp.choose()
	rp.without = withInline(role, rp.name, "")
	needs := rp.needs()
	if rp.name == "" {
		for _, n := range needs {
			for _, r := range n.required {
				p.left(u, r, role.ARN, "inline policies with both names that ours could have are somebody else's")
			}
		}
		return
	}
	now, later := rp.split(needs)
	rp.write(now, later)
	if len(now.grants) == 0 && len(later.grants) == 0 {
		rp.withdraw()
	}
}

// choose finds our policy, or the name that it will have. A name is ours when nobody has it or the policy of that name is our
// own work to the last statement.
func (rp *rolePlan) choose() {
	rp.current = grants{}
	free := ""
	for _, name := range rp.ours.names() {
		p := inline(&rp.role, name)
		if p == nil {
			if free == "" && rp.claimed[string(rp.role.ARN)+"|"+name] == "" {
				free = name
			}
			continue
		}
		if g, ok := rp.ours.read(p.Document); ok {
			rp.name, rp.before, rp.current = name, p.Text, g
			return
		}
	}
	rp.name = free
	if free != "" {
		rp.claimed[string(rp.role.ARN)+"|"+free] = rp.u.setup.Function.ARN
	}
}

// needs are the grants without which a requirement would be denied, and with which it is allowed. What stays denied is left.
func (rp *rolePlan) needs() []need {
	var needs []need
	all := grants{}
	rp.pinned = all
	var denied []*rotation.Requirement
	given := map[*rotation.Requirement]grant{}
	without := decider(rp.u.setup, &rp.without, nil)
	for i := range rp.u.required {
		r := &rp.u.required[i]
		if r.Target == rotation.TargetFunction || r.Target == rotation.TargetTrust {
			rp.unmendable(r, without)
			continue
		}
		d := without.Decide(r)
		switch d.Outcome {
		case policy.Allowed:
			continue
		case policy.Undecided:
			rp.open = true
			continue
		case policy.ExplicitlyDenied:
			rp.left(rp.u, r, rp.role.ARN, denial(d))
			continue
		case policy.ImplicitlyDenied:
		}
		g, reason := rp.u.grant(rp.opts, r)
		if reason != "" {
			rp.left(rp.u, r, rp.role.ARN, reason)
			continue
		}
		all[g] = true
		given[r] = g
		denied = append(denied, r)
	}
	if len(denied) == 0 {
		return nil
	}
	with, err := rp.with(all)
	if err != nil {
		return nil
	}
	mended := decider(rp.u.setup, &with, nil)
	for _, r := range denied {
		if d := mended.Decide(r); d.Outcome != policy.Allowed {
			rp.left(rp.u, r, rp.role.ARN, denial(d))
			continue
		}
		g := given[r]
		i := slices.IndexFunc(needs, func(n need) bool { return n.grant == g })
		if i < 0 {
			i, needs = len(needs), append(needs, need{grant: g})
		}
		needs[i].required = append(needs[i].required, r)
	}
	return needs
}

// unmendable notes a trust policy that is not what rotation needs: it is never written.
func (rp *rolePlan) unmendable(r *rotation.Requirement, d *rotation.Decider) {
	if r.Target != rotation.TargetTrust {
		return
	}
	if a := d.Decide(r); a.Denied() {
		rp.left(rp.u, r, rp.role.ARN, "the trust policy is never changed by repair")
	}
}

// with is the role with our policy giving some grants.
func (rp *rolePlan) with(g grants) (rotation.Role, error) {
	if len(g) == 0 {
		return rp.without, nil
	}
	text, err := rp.ours.render(g)
	if err != nil {
		return rp.without, err
	}
	name := rp.name
	if name == "" {
		name = "rotationguard"
	}
	return withInline(rp.without, name, text), nil
}

// added is what a change to our policy adds.
type added struct {
	grants   grants
	findings []string
	secrets  []rotation.ARN
	until    time.Time // of what waits: when the last of it is due
	reason   string
}

func (a *added) add(n need, findings []string, secrets []rotation.ARN) {
	if a.grants == nil {
		a.grants = grants{}
	}
	a.grants[n.grant] = true
	a.findings = append(a.findings, findings...)
	a.secrets = append(a.secrets, secrets...)
}

// split says what of the needs is new and may be added now, and what waits. What our policy gives already is neither.
func (rp *rolePlan) split(needs []need) (now, later added) {
	barred := rp.barred()
	for _, n := range needs {
		if rp.current[n.grant] {
			continue
		}
		var findings []string
		var secrets []rotation.ARN
		due, newly := time.Time{}, rotation.ARN("")
		for _, r := range n.required {
			f := rp.u.missing(r)
			served := rp.u.served(r)
			if f == nil || len(served) == 0 {
				continue
			}
			if barred != "" {
				rp.left(rp.u, r, rp.role.ARN, barred)
				continue
			}
			findings, secrets = append(findings, f.ID), append(secrets, served...)
			if at, secret := rp.u.due(rp.opts, rp.history, r); newly == "" || at.Before(due) {
				due, newly = at, secret
			}
		}
		if len(findings) == 0 {
			continue
		}
		a := &now
		if due.After(rp.history.At) && !rp.opts.Approved {
			a = &later
		}
		a.add(n, findings, secrets)
		if due.After(rp.history.At) && due.After(a.until) {
			a.until = due
			a.reason = fmt.Sprintf("%s names its function or key only since %s: repair.settle lets %s pass first, or a person applies the plan",
				newly, rp.history.since(newly).UTC().Format(time.RFC3339), rp.opts.Settle)
		}
	}
	return now, later
}

func (rp *rolePlan) barred() string {
	if reason := rp.opts.functionBarred(rp.u.setup.Account, rp.u.setup.Function.ARN); reason != "" {
		return reason
	}
	return rp.opts.roleBarred(rp.u.setup.Account, &rp.role)
}

// write puts the changes into the plan: first what is due, then what waits on top of it.
func (rp *rolePlan) write(now, later added) {
	after := maps.Clone(rp.current)
	if len(now.grants) > 0 {
		maps.Copy(after, now.grants)
		if !rp.change(after, now, Planned) {
			return
		}
	}
	if len(later.grants) > 0 {
		maps.Copy(after, later.grants)
		rp.change(after, later, Waiting)
	}
}

// change plans one state of our policy; it reports whether the plan has it.
func (rp *rolePlan) change(g grants, a added, status Status) bool {
	text, err := rp.ours.render(g)
	if err != nil {
		rp.refuse(a, rotation.OneLine(err.Error()))
		return false
	}
	after := withInline(rp.role, rp.name, text)
	if size := inlineSize(&after); size > inlineQuota {
		rp.refuse(a, fmt.Sprintf("the role's inline policies would have %d characters, %d are allowed", size, inlineQuota))
		return false
	}
	c := Change{
		Call: PutRolePolicy, Status: status, Subject: rp.role.ARN, Name: rp.name, Secrets: a.secrets, Findings: a.findings,
		Before: rp.before, After: text, grants: maps.Clone(g),
	}
	c.Proof = Proof{Required: len(rp.u.required), Before: rp.count(rp.u)}
	if lost := rp.loses(&after, "", nil); lost != "" {
		rp.refuse(a, "the proof fails: "+lost+" would be lost")
		return false
	}
	excess, reason := rp.proveGrants(text)
	if reason != "" {
		rp.refuse(a, "the proof fails: "+reason)
		return false
	}
	c.Proof.Excess, c.Proof.Lost = excess, "our policy grows, and nothing else on the role is written"
	kept := rp.role
	rp.role, rp.world.roles[rp.role.ARN] = after, after
	c.Proof.After = rp.count(rp.u)
	if !a.until.IsZero() {
		c.NotBefore, c.Reason = &a.until, a.reason
	}
	if status == Waiting {
		rp.role, rp.world.roles[rp.role.ARN] = kept, kept
	} else {
		rp.before = text
	}
	rp.put(rp.u, c)
	return true
}

// withdraw takes back what our policy gives in vain: the owner's own grant is there, or the secret names another function now. Only a
// run that has seen the whole account and read everything that decides does so.
func (rp *rolePlan) withdraw() {
	if !rp.history.Complete || rp.open || len(rp.current) == 0 || rp.barred() != "" {
		return
	}
	keep := grants{}
	for g := range rp.current {
		if rp.pinned[g] || rp.untouchable(g) {
			keep[g] = true
		}
	}
	if len(keep) == len(rp.current) {
		return
	}
	if reason := usedElsewhere(&rp.role, rp.u.setup.Region); reason != "" {
		rp.plan.Left = append(rp.plan.Left, Left{
			Function: rp.u.setup.Function.ARN, Subject: rp.role.ARN, What: "inline policy " + rp.name,
			Reason: "rotation here works without what our policy gives, but " + reason,
		})
		return
	}
	c := Change{
		Call: DeleteRolePolicy, Status: Planned, Subject: rp.role.ARN, Name: rp.name, Before: rp.before,
		Reason: "rotation works without what our policy gives here: it is taken back",
	}
	if len(keep) > 0 {
		text, err := rp.ours.render(keep)
		if err != nil {
			return
		}
		c.Call, c.After, c.Narrows = PutRolePolicy, text, true
	}
	after := withInline(rp.role, rp.name, c.After)
	if rp.loses(&after, "", nil) != "" {
		return
	}
	for g := range rp.current {
		if !keep[g] && g.on != "" {
			if s := secretOf(rp.u.setup, g.on); s != nil {
				c.Secrets = append(c.Secrets, s.ARN)
			}
		}
	}
	if len(c.Secrets) == 0 {
		for _, s := range rp.u.setup.Checked() {
			c.Secrets = append(c.Secrets, s.ARN)
		}
	}
	c.Proof = Proof{
		Required: len(rp.u.required), Before: rp.count(rp.u), Excess: "our policy shrinks, and nothing else on the role is written",
		Lost: "every request that rotation with this role needs and that was allowed is allowed without it",
	}
	rp.role, rp.world.roles[rp.role.ARN] = after, after
	c.Proof.After = rp.count(rp.u)
	rp.put(rp.u, c)
}

// untouchable says whether a grant serves a secret that the operator wants left alone.
func (rp *rolePlan) untouchable(g grant) bool {
	for _, arn := range []rotation.ARN{g.on, g.secret} {
		if s := secretOf(rp.u.setup, arn); s != nil && !rp.u.mayServe(s.ARN) {
			return true
		}
	}
	return false
}

// refuse leaves all of an addition.
func (rp *rolePlan) refuse(a added, reason string) {
	rp.plan.Left = append(rp.plan.Left, Left{
		Function: rp.u.setup.Function.ARN, Subject: rp.role.ARN, What: "inline policy " + rp.name, Reason: reason, Findings: sortedIDs(a.findings),
	})
}

// proveGrants shows that a document of ours gives nothing beyond the contract: it reads back as grants on this unit's things, and the
// engine finds no request that it allows and the ceiling of the role does not. Whatever else the role holds, its excess does not grow.
func (rp *rolePlan) proveGrants(text string) (excess, reason string) {
	doc, err := policy.Parse("our policy", []byte(text))
	if err != nil {
		return "", rotation.OneLine(err.Error())
	}
	if _, ok := rp.ours.read(doc); !ok {
		return "", "our document does not read back as grants of the contract"
	}
	result := policy.Compare(policy.Set{Identity: rp.ceiling()}, policy.Set{Identity: []*policy.Document{doc}}, nil)
	switch {
	case len(result.Excess) > 0:
		w := result.Excess[0].Request
		return "", fmt.Sprintf("it would allow %s on %s, which is beyond the contract", w.Action, w.Resource)
	case len(result.Indeterminate) > 0:
		return "", "it cannot be compared with the contract: " + result.Indeterminate[0].Text
	}
	return "every request that our document allows is inside the contract's ceiling", ""
}

// ceiling is what the role may hold: the union over the functions that run with it.
func (rp *rolePlan) ceiling() []*policy.Document {
	var out []*policy.Document
	for _, u := range rp.judged {
		if u.setup.Role.ARN == rp.role.ARN {
			out = append(out, u.ceiling...)
		}
	}
	return out
}

// inlineSize is what IAM counts of a role's inline policies.
func inlineSize(r *rotation.Role) int {
	n := 0
	for i := range r.Identity {
		if p := &r.Identity[i]; p.Source == rotation.PolicyInline {
			n += nonSpace(p.Text)
		}
	}
	return n
}

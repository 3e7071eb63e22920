package repair

import (
	"fmt"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// PlanSchema names the form of a stored plan.
const PlanSchema = "rotationguard.plan/1"

// Plan is what a run would write, in order: additions first, removals after them.
type Plan struct {
	Schema  string    `json:"schema"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Mode    Mode      `json:"mode"`
	Made    time.Time `json:"made"`
	Changes []Change  `json:"changes"`
	Left    []Left    `json:"left"` // what only a person can mend
	Breaker Breaker   `json:"breaker"`

	rests   map[rotation.ARN][]Rest // of every function that was judged
	opts    Options
	history History
}

// Scope is the rotation functions that the plan's changes concern, for reading them again.
func (p Plan) Scope() rotation.Scope { return ScopeOf(p.Changes) }

// ScopeOf is the rotation functions that changes concern.
func ScopeOf(changes []Change) rotation.Scope {
	var s rotation.Scope
	for i := range changes {
		s.Functions = append(s.Functions, changes[i].Function)
	}
	s.Functions = sortedARNs(s.Functions)
	return s
}

// Writes says whether the plan has a change that may be written now.
func (p Plan) Writes() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Status == Planned })
}

// Complete says whether the plan rests on the whole account.
func (p Plan) Complete() bool { return p.history.Complete }

// Takes says whether the plan has a change that takes something away, or makes room for one that does: those are planned only from the
// judgements of the whole account.
func (p Plan) Takes() bool {
	return p.Mode == ModeEnforce || slices.ContainsFunc(p.Changes, func(c Change) bool { return c.removes() })
}

// NewPlan turns the judgements of a run into changes. Judgements that share a role must come together: a change is proven
// against every one of them. In mode report the plan is empty. The same input gives the same plan.
//
// A change that may not be written is in the plan with status waiting or refused and its reason; what no change can mend is in
// Left. The breaker weighs the whole plan: when it trips, every change is refused.
func NewPlan(judgements []drift.Judgement, o Options, h History) Plan {
	p := &planner{opts: o, history: h, world: newWorld(), claimed: map[string]rotation.ARN{}}
	p.plan = Plan{Schema: PlanSchema, Mode: o.Mode, Made: h.At.UTC(), Changes: []Change{}, Left: []Left{}, history: h}
	functions := map[rotation.ARN]bool{}
	for i := range judgements {
		s := &judgements[i].Setup
		if p.plan.Account == "" {
			p.plan.Account, p.plan.Region = s.Account, s.Region
		}
		if s.Function.ARN != "" {
			functions[s.Function.ARN] = true
		}
		if o.Mode.Writes() && Concerns(&judgements[i]) {
			p.concern(&judgements[i])
		}
		p.judged = append(p.judged, newUnit(&judgements[i]))
	}
	if !o.Mode.Writes() {
		return p.plan
	}
	h.Functions = max(h.Functions, len(functions))
	p.history = h
	slices.SortStableFunc(p.units, byFunction)
	p.plan.rests = make(map[rotation.ARN][]Rest, len(p.units))
	for _, u := range p.judged {
		p.world.add(u.setup)
	}
	for _, u := range p.units {
		p.plan.rests[u.setup.Function.ARN] = u.rests()
	}
	for _, u := range p.units {
		p.planRole(u)
		p.planFunction(u)
		p.leaveSpared(u)
	}
	if o.Mode == ModeEnforce {
		p.enforceRoles()
	}
	if h.Complete {
		p.retire()
		p.unknownOurs()
	}
	p.hold()
	slices.SortStableFunc(p.plan.Changes, func(a, b Change) int { return order(&a) - order(&b) })
	p.plan.opts, p.plan.history = o, h
	p.plan.weigh()
	return p.plan
}

func order(c *Change) int {
	if c.removes() {
		return 1
	}
	return 0
}

// planner makes one plan.
type planner struct {
	opts    Options
	history History
	world   *world // with the changes planned so far
	judged  []*unit
	units   []*unit // those with something to plan
	claimed map[string]rotation.ARN
	plan    Plan
}

func (p *planner) concern(j *drift.Judgement) {
	u := newUnit(j)
	if u.setup.Function.ARN == "" {
		for _, f := range u.findings {
			if f.Direction == policy.Missing && u.setup.Role.ARN != "" {
				p.plan.Left = append(p.plan.Left, Left{
					Subject: u.setup.Role.ARN, Secret: f.Secret, What: rotation.OneLine(f.Explanation), Findings: []string{f.ID},
					Reason: "repair writes to the roles of rotation functions only, not to external rotation roles",
				})
			}
		}
		return
	}
	p.units = append(p.units, u)
}

// decider answers a unit's requirements in the world as planned so far.
func (p *planner) decider(u *unit) *rotation.Decider {
	role, function := p.world.roles[u.setup.Role.ARN], p.world.functions[u.setup.Function.ARN]
	return decider(u.setup, &role, &function)
}

// left notes what is not mended; nothing is noted where no finding says that something is wrong.
func (p *planner) left(u *unit, r *rotation.Requirement, subject rotation.ARN, reason string) {
	f := u.missing(r)
	if f == nil {
		return
	}
	p.plan.Left = append(p.plan.Left, Left{
		Function: u.setup.Function.ARN, Subject: subject, Secret: r.Secret, What: r.Name, Reason: reason, Findings: []string{f.ID},
	})
}

// leaveSpared notes what stays for the sake of a secret for which it is exempt: for the function's other secrets it is a finding still.
func (p *planner) leaveSpared(u *unit) {
	for _, f := range u.spared {
		if f.Severity == drift.Info || f.Fix == nil || f.Fix.By != drift.ByRepair && (f.Fix.By != drift.ByEnforce || p.opts.Mode != ModeEnforce) {
			continue
		}
		p.plan.Left = append(p.plan.Left, Left{
			Function: u.setup.Function.ARN, Subject: f.Subject, What: rotation.OneLine(f.Explanation), Findings: []string{f.ID},
			Reason: "for another secret of the function it is " + f.Exempt,
		})
	}
}

// denial says why a requirement stays denied though our grant was added.
func denial(d rotation.Answer) string {
	switch {
	case d.Stopped != "":
		return d.Stopped
	case d.Outcome == policy.ExplicitlyDenied && len(d.By) > 0:
		return "blocked by " + statementName(d.By[0])
	case d.ByBoundary:
		return "blocked by the permissions boundary"
	case d.Outcome == policy.Undecided && len(d.Keys) > 0:
		return fmt.Sprintf("whether a grant would help depends on %s, which cannot be known", d.Keys[0])
	case d.Outcome == policy.Undecided:
		return "what decides this could not be read"
	default:
		return "a grant on the role does not help: the resource's own policy does not let it count"
	}
}

func statementName(ref policy.StatementRef) string {
	if ref.Sid != "" {
		return fmt.Sprintf("Deny %q in %s", ref.Sid, ref.Document)
	}
	return fmt.Sprintf("Deny in statement %d of %s", ref.Index+1, ref.Document)
}

// count is how many of a unit's requirements are allowed in the world as planned so far.
func (p *planner) count(u *unit) (allowed int) {
	d := p.decider(u)
	for i := range u.required {
		if d.Decide(&u.required[i]).Outcome == policy.Allowed {
			allowed++
		}
	}
	return allowed
}

// loses says which requirement of any judged unit would be lost by a step from the world as planned so far, or "".
func (p *planner) loses(role *rotation.Role, function rotation.ARN, functionPolicy *rotation.Policy) string {
	for _, u := range p.judged {
		r, f := p.world.roles[u.setup.Role.ARN], p.world.functions[u.setup.Function.ARN]
		nr, nf := &r, &f
		if role != nil && u.setup.Role.ARN == role.ARN {
			nr = role
		}
		if functionPolicy != nil && u.setup.Function.ARN == function {
			nf = functionPolicy
		}
		if nr == &r && nf == &f {
			continue
		}
		was, will := decider(u.setup, &r, &f), decider(u.setup, nr, nf)
		for i := range u.required {
			q := &u.required[i]
			if was.Decide(q).Outcome == policy.Allowed && will.Decide(q).Outcome != policy.Allowed {
				return fmt.Sprintf("%s for %s", q.Name, u.setup.Function.ARN)
			}
		}
	}
	return ""
}

// put adds a change to the plan.
func (p *planner) put(u *unit, c Change) {
	c.Function, c.Rests, c.unit = u.setup.Function.ARN, p.plan.rests[u.setup.Function.ARN], u
	c.Secrets, c.Findings = sortedARNs(c.Secrets), sortedIDs(c.Findings)
	if c.Secrets == nil {
		c.Secrets = []rotation.ARN{}
	}
	if c.Findings == nil {
		c.Findings = []string{}
	}
	c.Diff = unified(c.Name, c.Before, c.After)
	c.Undo = undo(&c)
	c.identify()
	if c.Call.onRole() {
		for _, other := range p.judged {
			if other.setup.Role.ARN == c.Subject && other.setup.Function.ARN != "" {
				c.peers = append(c.peers, other.setup.Function.ARN)
			}
		}
	}
	if c.removes() {
		for i := range p.plan.Changes {
			if a := &p.plan.Changes[i]; (a.unit == u || a.Subject == c.Subject) && !a.removes() && a.Status == Planned {
				c.Needs = append(c.Needs, a.ID)
			}
		}
	}
	p.plan.Changes = append(p.plan.Changes, c)
}

// hold keeps back what was just written and is not visible yet, what a person took back, and what something undoes again and
// again. A change is the same as an earlier one when it writes the same or ends the same finding: our policy may have grown in between.
func (p *planner) hold() {
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		if c.Status != Planned {
			continue
		}
		past := p.history.past(c)
		if past.undone != "" && !p.opts.Approved {
			c.Status, c.Reason = Refused, fmt.Sprintf("a person rolled this change back in run %s: a person has to apply a plan to make it again", past.undone)
			continue
		}
		if until := past.last.Add(settling); !past.last.IsZero() && until.After(p.history.At) && past.undone == "" {
			c.Status, c.NotBefore = Waiting, &until
			c.Reason = fmt.Sprintf("written at %s and not visible yet: AWS shows writes with a delay", past.last.UTC().Format(time.RFC3339))
			continue
		}
		if past.made >= RepeatLimit && !p.opts.Approved {
			c.Status = Refused
			c.Reason = fmt.Sprintf("made %d times in %d days and undone each time%s: mend it at its source", past.made, int(RepeatWindow.Hours()/24), p.owner(c))
		}
	}
}

// settling is how long a write may take to show in reads before it counts as undone.
const settling = 2 * time.Minute

// owner names who probably undoes a change: the stack that owns what it writes to.
func (p *planner) owner(c *Change) string {
	for _, u := range p.units {
		if u.setup.Function.ARN != c.Function {
			continue
		}
		tags := u.setup.Function.Tags
		if c.Subject == u.setup.Role.ARN {
			tags = u.setup.Role.Tags
		}
		// CloudFormation User Guide, "Resource tag": the tags it puts on what it makes.
		if stack := tags["aws:cloudformation:stack-name"]; stack != "" {
			return fmt.Sprintf(", probably by the stack %s that owns it", rotation.OneLine(stack))
		}
	}
	return ""
}

// weigh puts the breaker and the pause over the plan: when it is too much, all of it is refused.
func (p *Plan) weigh() {
	planned := 0
	for i := range p.Changes {
		if p.Changes[i].Status == Planned {
			planned++
		}
	}
	p.Breaker = newBreaker(p.opts, p.history, planned)
	reason := p.Breaker.Tripped
	if pause := p.history.Paused; pause != nil {
		reason = paused(pause)
	}
	if reason != "" {
		stop(p.Changes, reason)
	}
}

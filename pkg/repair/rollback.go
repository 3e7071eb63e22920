package repair

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Undoing is what a person says of a rollback.
type Undoing struct {
	Change string // the id of one change of the run, or of what takes it back; empty: all of the run
	// AcceptBroken writes also what breaks a rotation or opens what a repair had closed.
	AcceptBroken bool
}

// RunScope is the rotation functions that a run wrote for, for judging them before rolling it back.
func RunScope(entries []ledger.Entry) (rotation.Scope, error) {
	made, err := madeBy(entries)
	return ScopeOf(made), err
}

// NewRollback turns a run's journal entries into the plan that takes its changes back, newest first. judgements are those of the
// run's scope as the account stands, those that share a role together. A change is refused when somebody changed the thing since,
// and, unless accepted, when taking it back breaks a rotation or opens what the repair had closed.
func NewRollback(entries []ledger.Entry, judgements []drift.Judgement, u Undoing, o Options, h History) (Plan, error) {
	made, err := madeBy(entries)
	if err != nil {
		return Plan{}, err
	}
	p := &planner{opts: o, history: h, world: newWorld()}
	p.plan = Plan{Schema: PlanSchema, Mode: o.Mode, Made: h.At.UTC(), Changes: []Change{}, Left: []Left{}, rests: map[rotation.ARN][]Rest{}}
	for i := range judgements {
		unit := newUnit(&judgements[i])
		p.plan.Account, p.plan.Region = unit.setup.Account, unit.setup.Region
		p.judged, p.units = append(p.judged, unit), append(p.units, unit)
		p.world.add(unit.setup)
		p.plan.rests[unit.setup.Function.ARN] = unit.rests()
	}
	slices.Reverse(made)
	if u.Change != "" && !slices.ContainsFunc(made, func(c Change) bool { return c.ID == u.Change }) {
		// It may be the id under which the whole rollback was shown.
		whole, err := NewRollback(entries, judgements, Undoing{AcceptBroken: u.AcceptBroken}, o, h)
		if err != nil {
			return p.plan, err
		}
		if i := slices.IndexFunc(whole.Changes, func(c Change) bool { return c.ID == u.Change }); i >= 0 {
			u.Change = whole.Changes[i].Undoes
		}
	}
	for _, c := range made {
		if u.Change == "" || u.Change == c.ID {
			p.undo(c, u.AcceptBroken)
		}
	}
	if len(p.plan.Changes) == 0 {
		return p.plan, fmt.Errorf("nothing to roll back: the run made no change %s", u.Change)
	}
	// Taking back in the opposite order needs no other order: what a removal had taken away comes back before an addition goes.
	slices.SortStableFunc(p.plan.Changes, func(a, b Change) int { return order(&a) - order(&b) })
	for i := range p.plan.Changes {
		for k := range p.plan.Changes[:i] {
			if a, c := &p.plan.Changes[k], &p.plan.Changes[i]; c.removes() && !a.removes() && a.Function == c.Function && a.Status == Planned {
				c.Needs = append(c.Needs, a.ID)
			}
		}
	}
	p.plan.opts, p.plan.history = o, h
	if h.Paused != nil {
		stop(p.plan.Changes, paused(h.Paused))
	}
	return p.plan, nil
}

// madeBy are the changes that a run made or may have made, oldest first, with their documents.
func madeBy(entries []ledger.Entry) ([]Change, error) {
	var made []Change
	unmade := map[string]bool{} // failed, or met somebody else's change
	for _, e := range entries {
		i := slices.IndexFunc(made, func(c Change) bool { return c.ID == e.Change })
		switch {
		case e.Phase == ledger.PhaseIntent:
			var c Change
			if err := json.Unmarshal(e.Detail, &c); err != nil {
				return nil, fmt.Errorf("reading change %s of run %s: %w", e.Change, e.Run, err)
			}
			if i >= 0 {
				made = slices.Delete(made, i, i+1)
			}
			made = append(made, c)
			unmade[c.ID] = false
		case i >= 0 && e.Unsure:
			made[i].unsure, unmade[e.Change] = true, false
		case i >= 0:
			unmade[e.Change] = e.Status != string(Done)
		}
	}
	return slices.DeleteFunc(made, func(c Change) bool { return unmade[c.ID] }), nil
}

// unwritable is the reason where Lambda takes back what it once took: statements for everybody that AddPermission cannot write.
const unwritable = "Lambda takes no statement for everybody in this form any more (PublicPolicyException): AddPermission with the principal * and a Sid lets everybody in again"

// asBefore is the reason where there is nothing to take back.
const asBefore = "it is as it was before already"

// undo plans the opposite of a change.
func (p *planner) undo(was Change, accept bool) {
	c := Change{
		Status: Planned, Subject: was.Subject, Name: was.Name, Function: was.Function, Secrets: was.Secrets, Findings: was.Findings, Undoes: was.ID,
	}
	u := p.unitOf(was.Function, was.Subject, was.Call.onRole())
	if u == nil {
		c.Call, c.Status, c.Reason = was.Call, Refused, "the function or its role is gone, or no secret names it any more"
		c.identify()
		p.plan.Changes = append(p.plan.Changes, c)
		return
	}
	c.unit = u
	for _, other := range p.judged {
		if c.Subject == other.setup.Role.ARN && other.setup.Function.ARN != "" {
			c.peers = append(c.peers, other.setup.Function.ARN)
		}
	}
	var reason string
	var role *rotation.Role
	var function *rotation.Policy
	if was.Call.onRole() {
		role, reason = p.undoRole(u, &was, &c)
	} else {
		function, reason = p.undoStatement(u, &was, &c)
	}
	if reason == "" {
		p.weighUndo(u, &c, role, function)
		if !accept && len(c.Breaks)+len(c.Opens) > 0 {
			reason = "taking this back " + consequences(&c) + ": --accept-broken does it"
		}
	}
	c.Rests = p.plan.rests[u.setup.Function.ARN]
	c.Diff = unified(c.Name, c.Before, c.After)
	c.identify()
	if was.unsure && reason == asBefore {
		return // it did not take effect
	}
	if reason != "" {
		c.Status, c.Reason = Refused, reason
	} else if role != nil {
		p.world.roles[role.ARN] = *role
	} else {
		p.world.functions[u.setup.Function.ARN] = *function
	}
	p.plan.Changes = append(p.plan.Changes, c)
}

func consequences(c *Change) string {
	var parts []string
	if len(c.Breaks) > 0 {
		parts = append(parts, "breaks "+strings.Join(c.Breaks, ", "))
	}
	if len(c.Opens) > 0 {
		parts = append(parts, "opens "+strings.Join(c.Opens, ", "))
	}
	return strings.Join(parts, " and ")
}

// unitOf is the unit that a change was made for, or for a role any that runs with it.
func (p *planner) unitOf(function, subject rotation.ARN, onRole bool) *unit {
	var sharing *unit
	for _, u := range p.judged {
		switch {
		case onRole && u.setup.Role.ARN != subject:
		case u.setup.Function.ARN == function:
			return u
		case onRole:
			sharing = u
		}
	}
	return sharing
}

// undoRole restores the inline policy that a change replaced, byte for byte.
func (p *planner) undoRole(u *unit, was, c *Change) (*rotation.Role, string) {
	role := p.world.roles[u.setup.Role.ARN]
	if was.Call.attachment() {
		return p.undoAttachment(u, role, was, c)
	}
	now := ""
	if have := inline(&role, was.Name); have != nil {
		now = have.Text
	}
	c.Call, c.Before, c.After = PutRolePolicy, now, was.Before
	if was.Before == "" {
		c.Call = DeleteRolePolicy
	}
	c.Narrows = c.Call == PutRolePolicy && !was.Narrows && was.Call == PutRolePolicy
	switch {
	case now == was.Before:
		return nil, asBefore
	case !sameJSON(now, was.After):
		return nil, "the inline policy " + was.Name + " was changed since"
	}
	if reason := p.opts.roleBarred(u.setup.Account, &role); reason != "" {
		return nil, reason
	}
	next := withInline(role, was.Name, was.Before)
	if size := inlineSize(&next); c.Call == PutRolePolicy && size > inlineQuota {
		return nil, fmt.Sprintf("the role's inline policies would have %d characters, %d are allowed", size, inlineQuota)
	}
	return &next, ""
}

// undoAttachment attaches a managed policy again that was detached, or the opposite.
func (p *planner) undoAttachment(u *unit, role rotation.Role, was, c *Change) (*rotation.Role, string) {
	arn := rotation.ARN(was.Name)
	i := slices.IndexFunc(role.Identity, func(x rotation.Policy) bool { return x.Source == rotation.PolicyAttached && x.ARN == arn })
	c.Call, c.Before, c.After = AttachRolePolicy, "", was.Before
	if was.Call == AttachRolePolicy {
		c.Call, c.Before, c.After = DetachRolePolicy, was.After, ""
	}
	if (i >= 0) == (was.Call == DetachRolePolicy) {
		return nil, asBefore
	}
	if reason := p.opts.roleBarred(u.setup.Account, &role); reason != "" {
		return nil, reason
	}
	if i >= 0 {
		role.Identity = slices.Delete(slices.Clone(role.Identity), i, i+1)
		return &role, ""
	}
	attached := rotation.NewPolicy(rotation.PolicyAttached, arn.RoleName(), was.Before)
	attached.ARN = arn
	role.Identity = append(slices.Clone(role.Identity), attached)
	return &role, ""
}

// undoStatement takes our statement away, or puts back the one that was removed.
func (p *planner) undoStatement(u *unit, was, c *Change) (*rotation.Policy, string) {
	now := p.world.functions[u.setup.Function.ARN]
	parts, err := readStatements(now.Text)
	if err != nil || !known(&now) {
		return nil, "the function policy cannot be read"
	}
	if reason := p.opts.functionBarred(u.setup.Account, u.setup.Function.ARN); reason != "" {
		return nil, reason
	}
	have, there := parts.get(was.Name)
	c.Before = now.Text
	var after statements
	if was.Call == PutResourcePolicy {
		c.Call, c.After = PutResourcePolicy, was.Before
		switch {
		case samePolicy(now.Text, was.Before):
			return nil, asBefore
		case !samePolicy(now.Text, was.After):
			return nil, "the function policy was changed since"
		}
		next := functionPolicy(c.After)
		if unputtable(&next, u.setup.Function.ARN) != "" {
			return nil, unwritable
		}
		next.Name = now.Name
		return &next, ""
	}
	if was.Call == AddPermission {
		c.Call = RemovePermission
		mine, _ := wanted(was)
		switch {
		case !there:
			return nil, asBefore
		case !sameStatement(have, mine):
			return nil, "the statement " + was.Name + " was changed since"
		}
		after = parts.without(was.Name)
	} else {
		before, err := readStatements(was.Before)
		removed, ok := before.get(was.Name)
		c.Call = AddPermission
		_, inexpressible := permissionOf(u.setup.Function.ARN, removed)
		if ok && inexpressible != "" {
			c.Call = PutResourcePolicy
		}
		switch {
		case err != nil || !ok:
			return nil, "the journal does not hold the statement " + was.Name
		case there && sameStatement(have, removed):
			return nil, asBefore
		case there:
			return nil, "another statement has the Sid " + was.Name + " now"
		}
		after = parts.with(removed)
		if c.Call == PutResourcePolicy {
			next := functionPolicy(after.text())
			if unputtable(&next, u.setup.Function.ARN) != "" {
				return nil, unwritable
			}
		}
	}
	c.After = after.text()
	if len(c.After) > functionQuota {
		return nil, fmt.Sprintf("the function policy would have %d bytes, %d are allowed", len(c.After), functionQuota)
	}
	next := functionPolicy(c.After)
	next.Name = now.Name
	return &next, ""
}

// weighUndo says what rotation loses by taking a change back, and what is open again.
func (p *planner) weighUndo(u *unit, c *Change, role *rotation.Role, function *rotation.Policy) {
	for _, other := range p.judged {
		sameRole := role != nil && other.setup.Role.ARN == role.ARN
		sameFunction := function != nil && other.setup.Function.ARN == u.setup.Function.ARN
		if !sameRole && !sameFunction {
			continue
		}
		r, f := p.world.roles[other.setup.Role.ARN], p.world.functions[other.setup.Function.ARN]
		nr, nf := &r, &f
		if sameRole {
			nr = role
		}
		if sameFunction {
			nf = function
		}
		was, will := decider(other.setup, &r, &f), decider(other.setup, nr, nf)
		for i := range other.required {
			q := &other.required[i]
			if was.Decide(q).Outcome == policy.Allowed && will.Decide(q).Outcome != policy.Allowed {
				c.Breaks = append(c.Breaks, fmt.Sprintf("%s for %s", q.Name, other.setup.Function.ARN))
			}
		}
		if c.unit == other {
			c.Proof = Proof{Required: len(other.required), Excess: "taken back by hand", Lost: "taken back by hand"}
		}
	}
	c.Breaks = slices.Compact(c.Breaks)
	if role != nil {
		c.Opens = p.opensRole(c, role)
	}
	if function != nil && function.Document != nil && !c.removes() {
		now := p.world.functions[u.setup.Function.ARN]
		c.Opens = opensFunction(u.setup.Function.ARN, &now, function)
	}
}

// opensRole is what a role could do again beyond the contracts of the functions that run with it. What is our own work opens nothing: it is
// grants of a contract that hold for their function only.
func (p *planner) opensRole(c *Change, role *rotation.Role) []string {
	if restored := inline(role, c.Name); c.Call == PutRolePolicy && restored != nil {
		if _, ok := (ours{c.Function}).read(restored.Document); ok {
			return nil
		}
	}
	now := p.world.roles[role.ARN]
	expected := policy.Set{Identity: documents(&now)}
	for _, u := range p.judged {
		if u.setup.Role.ARN == role.ARN {
			expected.Identity = append(expected.Identity, u.ceiling...)
		}
	}
	result := policy.Compare(expected, policy.Set{Identity: documents(role)}, policy.BuiltinFacts())
	var opens []string
	for i := range result.Excess {
		r := &result.Excess[i].Request
		if open := rotation.OneLine(fmt.Sprintf("%s on %s", r.Action, r.Resource)); !slices.Contains(opens, open) {
			opens = append(opens, open)
		}
	}
	for _, x := range result.Indeterminate {
		opens = append(opens, "what cannot be compared: "+x.Text)
	}
	slices.Sort(opens)
	if most := 3; len(opens) > most {
		opens = append(opens[:most], "and more beyond the contract")
	}
	return opens
}

// namesSource says whether a statement asks on whose behalf a service calls. Source: IAM User Guide, "The confused deputy problem".
func namesSource(s *policy.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool { return strings.HasPrefix(strings.ToLower(c.Key), "aws:source") })
}

// opensFunction is who could invoke the function again besides Secrets Manager.
func opensFunction(function rotation.ARN, now, next *rotation.Policy) []string {
	had := map[string]bool{}
	if now.Document != nil {
		for i := range now.Document.Statements {
			had[now.Document.Statements[i].String()] = true
		}
	}
	var opens []string
	add := func(who string) {
		if open := "lambda:InvokeFunction for " + who; !slices.Contains(opens, open) {
			opens = append(opens, open)
		}
	}
	for i := range next.Document.Statements {
		s := &next.Document.Statements[i]
		switch {
		case s.Effect != policy.Allow || had[s.String()]:
		case public(s, function):
			add("everybody")
		case len(s.NotPrincipals) > 0:
			add("everybody but those that it names")
		default:
			for _, who := range s.Principals {
				switch {
				case who.Type != policy.PrincipalService || who.ID != secretsManager:
					add(rotation.OneLine(who.ID))
				case !namesSource(s):
					add("Secrets Manager on behalf of any account")
				}
			}
		}
	}
	return opens
}

package repair

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// functionQuota is how large a function policy may be. Source: Lambda Developer Guide, "Lambda quotas": resource-based policy,
// 20 KB.
const functionQuota = 20480

// The principal and the action of the invoke grant.
const (
	secretsManager = "secretsmanager.amazonaws.com"
	invokeFunction = "lambda:InvokeFunction"
)

// invokeSid is our Sid on one qualifier of a function for one account's secrets. AddPermission takes 1 to 100 characters of
// [a-zA-Z0-9-_]. Others are used while somebody else's statement has the first.
func invokeSid(function rotation.ARN, account string, attempt int) string {
	sid := rotation.OwnSid(function, account)
	if attempt > 0 {
		sid += fmt.Sprintf("-%d", attempt+1)
	}
	return sid
}

// maxSids is how many Sids ours may have to try on one function policy.
const maxSids = 9

// invokeStatement is our statement as Lambda writes it for AddPermission with a SourceAccount: never with a SourceArn, which
// would tie the function to one secret.
func invokeStatement(function rotation.ARN, account, sid string) (json.RawMessage, error) {
	data, err := json.Marshal(struct {
		Sid       string
		Effect    policy.Effect
		Principal map[string]string
		Action    string
		Resource  rotation.ARN
		Condition map[string]map[string]string
	}{
		sid, policy.Allow, map[string]string{"Service": secretsManager}, invokeFunction, function,
		map[string]map[string]string{"StringEquals": {"AWS:SourceAccount": account}},
	})
	if err != nil {
		return nil, fmt.Errorf("writing the invoke statement of %s: %w", function, err)
	}
	return data, nil
}

// functionPlan is the planning of one unit's function policy.
type functionPlan struct {
	*planner
	u         *unit
	policy    rotation.Policy // as planned so far
	parts     statements
	removable []removable
}

// removable is a statement of the function policy that may go: one that lets everybody invoke the function, and in mode enforce other
// excess.
type removable struct {
	sid, finding string
	index        int // in the policy as it was read; what has no Sid is found by it
	public       bool
	wait         *waiting
}

// planFunction plans the invoke grant and, once a grant stands, the removal of public ones.
func (p *planner) planFunction(u *unit) {
	fp := &functionPlan{planner: p, u: u, policy: p.world.functions[u.setup.Function.ARN]}
	if u.setup.Function.Presence != rotation.Present || !known(&fp.policy) {
		return
	}
	parts, err := readStatements(fp.policy.Text)
	if err != nil {
		return
	}
	fp.parts = parts
	fp.findRemovable()
	fp.planInvoke()
	fp.planRemovals()
	fp.withdraw()
}

// withdraw takes back statements of ours without which Secrets Manager may invoke the function as well. Only a run that has seen
// the whole account does so.
func (fp *functionPlan) withdraw() {
	u, function := fp.u, fp.u.setup.Function.ARN
	if !fp.history.Complete || fp.opts.functionBarred(u.setup.Account, function) != "" {
		return
	}
	var planned []string
	for i := range fp.plan.Changes {
		if c := &fp.plan.Changes[i]; c.unit == u && c.Call == AddPermission {
			planned = append(planned, c.Name)
		}
	}
	for attempt := range maxSids {
		sid := invokeSid(function, u.setup.Account, attempt)
		have, ok := fp.parts.get(sid)
		mine, err := invokeStatement(function, u.setup.Account, sid)
		if !ok || err != nil || !sameJSON(string(have), string(mine)) || slices.Contains(planned, sid) {
			continue
		}
		after := fp.parts.without(sid)
		next := functionPolicy(after.text())
		if len(fp.invokes()) == 0 || fp.loses(nil, function, &next) != "" {
			continue
		}
		c := Change{
			Call: RemovePermission, Status: Planned, Subject: function, Name: sid, Before: fp.policy.Text, After: after.text(), Revision: fp.policy.Revision,
			Reason: "Secrets Manager may invoke the function without our statement: it is taken back",
		}
		for _, r := range fp.invokes() {
			c.Secrets = append(c.Secrets, r.Secret)
		}
		c.Proof = Proof{
			Required: len(u.required), Before: fp.count(u), Excess: "the policy loses one Allow",
			Lost: "every request that rotation needs and that was allowed is allowed without the statement",
		}
		fp.take(next, after)
		c.Proof.After = fp.count(u)
		fp.put(u, c)
	}
}

// findRemovable gathers the statements that have a finding and may go. Those that cannot are left.
func (fp *functionPlan) findRemovable() {
	if fp.policy.Document == nil {
		return
	}
	sids := fp.parts.sids()
	for i := range fp.policy.Document.Statements {
		s := &fp.policy.Document.Statements[i]
		fp.leaveExempt(i, s)
		f := fp.excessFinding(i, s)
		if f == nil {
			continue
		}
		r := removable{sid: s.Sid, finding: f.ID, index: i, public: public(s, fp.u.setup.Function.ARN)}
		reason := cmp.Or(fp.opts.functionBarred(fp.u.setup.Account, fp.u.setup.Function.ARN), fp.spared(i, s))
		nameable := validSid(s.Sid) && count(sids, s.Sid) == 1
		switch isPublic := r.public; {
		case isPublic && reason == "" && nameable:
		case fp.opts.Mode == ModeEnforce && (isPublic || tightenable(f) || putAway(f) || fp.sourceless(f)):
			if reason == "" {
				reason = fp.enforceBarred(s)
			}
			if !isPublic {
				r.wait = later(fp.sinceFindings([]string{f.ID}), fp.u.rotating(fp.history.At))
			}
		case isPublic && reason == "" && s.Sid == "":
			reason = "the statement has no Sid, and RemovePermission takes nothing else: mode enforce puts the policy without it"
		case isPublic && reason == "":
			reason = "RemovePermission cannot name this statement: its Sid is not unique or not one that Lambda takes"
		case f.Rule == drift.RulePublicInvoke:
			reason = cmp.Or(reason, "the statement does not name everybody with the principal *: remove it by hand")
		case !isPublic:
			continue
		}
		if reason != "" {
			fp.leaveRemovable(&r, reason)
			continue
		}
		fp.removable = append(fp.removable, r)
	}
}

// sourceless says whether a finding is about Secrets Manager's own grant without a SourceAccount, and the operator wants ours, which
// has one, in its place.
func (fp *functionPlan) sourceless(f *drift.Finding) bool {
	return fp.opts.AddSourceAccount && f.Rule == drift.RuleNoSourceAccount && f.Statement.Sid != ""
}

// putAway says whether a finding is about a statement without a Sid, which only putting the whole policy can end.
func putAway(f *drift.Finding) bool {
	return f.Statement.Sid == "" && f.Severity != drift.Info &&
		slices.Contains([]string{drift.RulePublicInvoke, drift.RuleForeignInvoke, drift.RuleServiceInvoke}, f.Rule)
}

// spared says why a statement is left alone in every mode, or "".
func (fp *functionPlan) spared(index int, s *policy.Statement) string {
	if s.Sid != "" && slices.Contains(fp.opts.Keep, s.Sid) {
		return "repair.keep names it"
	}
	return fp.u.sparing(fp.u.setup.Function.ARN, fp.policy.Document.Name, index)
}

// enforceBarred says why mode enforce must not touch a statement of the function policy.
func (fp *functionPlan) enforceBarred(s *policy.Statement) string {
	holdsDeny := slices.ContainsFunc(fp.policy.Document.Statements, func(x policy.Statement) bool { return x.Effect == policy.Deny })
	tags := fp.u.setup.Function.Tags
	switch {
	case !fp.history.Complete:
		return "only a run that has listed the whole account tightens"
	case holdsDeny:
		return "the policy holds a Deny: such a policy is never touched"
	case tags["aws:cloudformation:stack-id"] != "" && !fp.opts.EditOwned:
		return fmt.Sprintf("the stack %s owns the function: change it there, or set repair.edit_owned", rotation.OneLine(tags["aws:cloudformation:stack-name"]))
	}
	return fp.u.undeclared()
}

func (fp *functionPlan) leaveStatement(sid, finding, reason string) {
	function := fp.u.setup.Function.ARN
	fp.plan.Left = append(fp.plan.Left, Left{
		Function: function, Subject: function, What: strings.TrimSpace("statement " + rotation.OneLine(sid)), Reason: reason, Findings: []string{finding},
	})
}

// leaveRemovable notes why a statement stays, for every finding that is about it.
func (fp *functionPlan) leaveRemovable(r *removable, reason string) {
	for _, f := range fp.u.findings {
		if f.ID == r.finding || f.Direction == policy.Excess && f.Severity != drift.Info && f.Exempt == "" &&
			f.Statement != nil && f.Statement.Index == r.index && f.Subject == fp.u.setup.Function.ARN {
			fp.leaveStatement(r.sid, f.ID, reason)
		}
	}
}

// leaveExempt notes a public statement whose finding is exempt for some of the function's secrets: it is left for all of them.
func (fp *functionPlan) leaveExempt(index int, s *policy.Statement) {
	for _, f := range fp.u.findings {
		if f.Rule == drift.RulePublicInvoke && f.Exempt != "" && f.Statement != nil && f.Statement.Index == index && f.Subject == fp.u.setup.Function.ARN {
			fp.leaveStatement(s.Sid, f.ID, f.Exempt)
		}
	}
}

// excessFinding is the finding that says of a statement that it grants too much, nil when there is none.
func (fp *functionPlan) excessFinding(index int, s *policy.Statement) *drift.Finding {
	for _, f := range fp.u.findings {
		if f.Direction == policy.Excess && f.Exempt == "" && f.Subject == fp.u.setup.Function.ARN && f.Statement != nil &&
			f.Statement.Sid == s.Sid && f.Statement.Index == index && f.Rule != drift.RuleFunctionURL && f.Rule != drift.RuleForeignSource {
			return f
		}
	}
	return nil
}

// invokes are the unit's requirements on the function policy.
func (fp *functionPlan) invokes() []*rotation.Requirement {
	var out []*rotation.Requirement
	for i := range fp.u.required {
		if r := &fp.u.required[i]; r.Target == rotation.TargetFunction {
			out = append(out, r)
		}
	}
	return out
}

// withoutPublic is the policy as it will be once the public statements are gone.
func (fp *functionPlan) withoutPublic() rotation.Policy {
	parts := fp.parts
	for _, s := range fp.removable {
		if s.wait == nil {
			parts = fp.minus(parts, s)
		}
	}
	return functionPolicy(parts.text())
}

// planInvoke plans our statement when Secrets Manager may not invoke the function for some secret, or could not any more once the
// public statements are gone: a public grant reaches services too.
func (fp *functionPlan) planInvoke() {
	u, function := fp.u, fp.u.setup.Function.ARN
	bare := fp.withoutPublic()
	now, then := decider(u.setup, nil, &fp.policy), decider(u.setup, nil, &bare)
	var denied []*rotation.Requirement
	why := map[*rotation.Requirement][]string{} // finding ids
	for _, r := range fp.invokes() {
		is, will := now.Decide(r), then.Decide(r)
		switch f := u.missing(r); {
		case will.Outcome == policy.ExplicitlyDenied:
			fp.left(u, r, function, denial(will))
		case will.Outcome != policy.ImplicitlyDenied:
		case is.Outcome == policy.Allowed:
			denied = append(denied, r)
			for _, s := range fp.removable {
				if s.wait == nil {
					why[r] = append(why[r], s.finding)
				}
			}
		case f != nil && len(u.served(r)) > 0:
			denied, why[r] = append(denied, r), []string{f.ID}
		}
	}
	if len(denied) == 0 {
		return
	}
	leave := func(reason string) {
		for _, r := range denied {
			fp.left(u, r, function, reason)
		}
	}
	if reason := fp.opts.functionBarred(u.setup.Account, function); reason != "" {
		leave(reason)
		return
	}
	// Lambda API, AddPermission: a permission is for the function, a published version or an alias.
	if _, qualifier := function.SplitFunction(); qualifier == "$LATEST" {
		leave("a policy cannot be put on $LATEST: let the secret name the function without a qualifier")
		return
	}
	sid := fp.freeSid()
	statement, err := invokeStatement(function, u.setup.Account, sid)
	if sid == "" || err != nil {
		leave("every Sid that ours could have is somebody else's")
		return
	}
	after := fp.parts.with(statement)
	text := after.text()
	if len(text) > functionQuota {
		leave(fmt.Sprintf("the function policy would have %d bytes, %d are allowed", len(text), functionQuota))
		return
	}
	next := functionPolicy(text)
	mended := decider(u.setup, nil, &next)
	c := Change{Call: AddPermission, Status: Planned, Subject: function, Name: sid, Before: fp.policy.Text, After: text, Revision: fp.policy.Revision}
	c.clears = slices.ContainsFunc(fp.removable, func(s removable) bool { return s.wait == nil })
	for _, r := range denied {
		if d := mended.Decide(r); d.Outcome != policy.Allowed {
			fp.left(u, r, function, denial(d))
			continue
		}
		c.Secrets, c.Findings = append(c.Secrets, r.Secret), append(c.Findings, why[r]...)
	}
	if len(c.Secrets) == 0 {
		return
	}
	c.Proof = Proof{
		Required: len(u.required), Before: fp.count(u),
		Excess: "the statement lets Secrets Manager invoke exactly this function for account " + u.setup.Account,
		Lost:   "the policy grows by one Allow",
	}
	fp.take(next, after)
	c.Proof.After = fp.count(u)
	fp.put(u, c)
}

// freeSid is the first Sid of ours that no statement has.
func (fp *functionPlan) freeSid() string {
	taken := fp.parts.sids()
	for attempt := range maxSids {
		if sid := invokeSid(fp.u.setup.Function.ARN, fp.u.setup.Account, attempt); !slices.Contains(taken, sid) {
			return sid
		}
	}
	return ""
}

func (fp *functionPlan) take(next rotation.Policy, parts statements) {
	next.Name, next.Revision = fp.policy.Name, fp.policy.Revision
	fp.policy, fp.parts = next, parts
	fp.world.functions[fp.u.setup.Function.ARN] = next
}

// minus is the policy without a statement.
func (fp *functionPlan) minus(parts statements, s removable) statements {
	if s.sid != "" && count(parts.sids(), s.sid) == 1 {
		return parts.without(s.sid)
	}
	original, err := readStatements(fp.u.setup.Function.Policy.Text)
	if err != nil || s.index >= len(original.list) {
		return parts
	}
	i := slices.IndexFunc(parts.list, func(raw json.RawMessage) bool { return string(raw) == string(original.list[s.index]) })
	if i >= 0 {
		parts.list = slices.Delete(slices.Clone(parts.list), i, i+1)
	}
	return parts
}

// planRemovals plans the removal of statements, each only if rotation works without it: one by one where RemovePermission can name them, and
// then the others together, those for everybody first: Lambda takes no policy put as a whole that still lets everybody in, which is also why
// these cannot be put back.
func (fp *functionPlan) planRemovals() {
	var open, unnamed, waiting []removable
	// What cannot be put back beside a statement for everybody goes after it, and so comes back before it.
	slices.SortStableFunc(fp.removable, func(a, b removable) int {
		switch {
		case a.public == b.public:
			return 0
		case a.public:
			return -1
		}
		return 1
	})
	for _, s := range fp.removable {
		switch {
		case validSid(s.sid) && count(fp.parts.sids(), s.sid) == 1:
			fp.planRemoval(RemovePermission, s)
		case s.wait != nil:
			waiting = append(waiting, s)
		case s.public:
			open = append(open, s)
		default:
			unnamed = append(unnamed, s)
		}
	}
	for _, together := range [][]removable{open, unnamed, waiting} {
		if len(together) > 0 {
			fp.planRemoval(PutResourcePolicy, together...)
		}
	}
}

// planRemoval plans one call that removes statements.
func (fp *functionPlan) planRemoval(call Call, gone ...removable) {
	u, function := fp.u, fp.u.setup.Function.ARN
	parts := fp.parts
	c := Change{Call: call, Status: Planned, Subject: function, Before: fp.policy.Text, Revision: fp.policy.Revision}
	var wait *waiting
	gone = slices.DeleteFunc(slices.Clone(gone), func(s removable) bool {
		after := fp.minus(parts, s)
		next := functionPolicy(after.text())
		if lost := fp.loses(nil, function, &next); lost != "" {
			reason := "without the statement rotation would lose " + lost
			if s.wait != nil {
				reason = s.wait.reason // our own grant comes with the removal
			}
			fp.leaveRemovable(&s, reason)
			return true
		}
		parts, wait = after, later(wait, s.wait)
		c.Findings = append(c.Findings, s.finding)
		return false
	})
	if len(gone) == 0 {
		return
	}
	next := functionPolicy(parts.text())
	c.After = next.Text
	if call == RemovePermission {
		c.Name = gone[0].sid
	} else {
		c.Narrows = true
		if reason := unputtable(&next, function); reason != "" {
			for _, s := range gone {
				fp.leaveRemovable(&s, reason)
			}
			return
		}
	}
	for _, r := range fp.invokes() {
		c.Secrets = append(c.Secrets, r.Secret)
	}
	c.Proof = Proof{
		Required: len(u.required), Before: fp.count(u), After: fp.count(u), Excess: fmt.Sprintf("the policy loses %s", allows(len(gone))),
		Lost: "every request that rotation needs and that was allowed is allowed without the statement",
	}
	if wait != nil {
		c.Status, c.NotBefore, c.Reason = Waiting, &wait.until, wait.reason
	} else {
		fp.take(next, parts)
		c.Proof.After = fp.count(u)
	}
	fp.put(u, c)
}

func allows(n int) string {
	if n == 1 {
		return "one Allow"
	}
	return fmt.Sprintf("%d Allow statements", n)
}

// unputtable says why PutResourcePolicy does not take a policy, or "". Source: Lambda API, PutResourcePolicy, PublicPolicyException.
func unputtable(p *rotation.Policy, function rotation.ARN) string {
	if p.Document == nil {
		return "the policy has no other statement: delete it with DeleteResourcePolicy"
	}
	for i := range p.Document.Statements {
		if public(&p.Document.Statements[i], function) {
			return "Lambda takes no policy put as a whole that lets everybody in, and another statement of this one does"
		}
	}
	return ""
}

// functionPolicy is a function policy as a text makes it; empty: there is none.
func functionPolicy(text string) rotation.Policy {
	if text == "" {
		return rotation.Policy{Source: rotation.PolicyFunction, Presence: rotation.Absent}
	}
	return rotation.NewPolicy(rotation.PolicyFunction, "", text)
}

func count(list []string, s string) int {
	n := 0
	for _, have := range list {
		if have == s {
			n++
		}
	}
	return n
}

// validSid says whether Lambda's calls can name a statement. Source: Lambda API, RemovePermission: 1 to 100 characters of
// [a-zA-Z0-9-_.].
func validSid(sid string) bool {
	return sid != "" && len(sid) <= 100 && !strings.ContainsFunc(sid, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	})
}

// public says whether a statement alone lets anybody invoke the function: Allow, principal "*", covering
// lambda:InvokeFunction on it, no condition. Function URL grants carry a condition and are none.
func public(s *policy.Statement, function rotation.ARN) bool {
	if s.Effect != policy.Allow || len(s.Conditions) > 0 || !slices.ContainsFunc(s.Principals, func(p policy.Principal) bool {
		return p.Type == policy.PrincipalAny || p.Type == policy.PrincipalAWS && p.ID == "*"
	}) {
		return false
	}
	alone := &policy.Document{Name: "statement", Version: policy.Version2012, Statements: []policy.Statement{*s}}
	set := policy.Set{Relation: policy.ResourceOnly, Resource: []*policy.Document{alone}}
	return policy.Evaluate(&set, &policy.Request{
		Caller: policy.Caller{Kind: policy.CallerAnonymous}, Action: invokeFunction, Resource: string(function),
	}).Outcome == policy.Allowed
}

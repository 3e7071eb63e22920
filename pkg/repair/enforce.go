package repair

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// tightenable says whether mode enforce may end a finding at all. Findings of information are never acted on.
func tightenable(f *drift.Finding) bool {
	return f.Direction == policy.Excess && f.Exempt == "" && f.Severity != drift.Info && f.Fix != nil && f.Fix.By == drift.ByEnforce && f.Statement != nil
}

// enforceRoles tightens every role that the judged units run with.
func (p *planner) enforceRoles() {
	byRole := map[rotation.ARN][]*unit{}
	for _, u := range p.judged {
		if u.setup.Role.ARN != "" {
			byRole[u.setup.Role.ARN] = append(byRole[u.setup.Role.ARN], u)
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(byRole)) {
		units := byRole[arn]
		slices.SortFunc(units, byFunction)
		t := &tightening{planner: p, units: units, role: p.world.roles[arn]}
		t.collect()
		if len(t.wide) > 0 {
			t.narrow()
		}
	}
}

// wide is one statement that grants more than the contract.
type wide struct {
	policy    *rotation.Policy
	index     int
	findings  []string
	statement *policy.Statement
	pieces    []policy.Statement // what of it lies inside the ceiling
	kept      []bool             // which of the pieces are needed
}

// tightening is the planning of one role's excess.
type tightening struct {
	*planner
	units []*unit
	role  rotation.Role
	wide  []*wide
}

// collect gathers the statements with findings.
func (t *tightening) collect() {
	for _, u := range t.units {
		for _, f := range u.findings {
			if f.Kind != drift.KindRole || f.Subject != t.role.ARN || !tightenable(f) {
				continue
			}
			for i := range t.role.Identity {
				p := &t.role.Identity[i]
				if p.Document == nil || p.Document.Name != f.Statement.Document || f.Statement.Index >= len(p.Document.Statements) {
					continue
				}
				t.found(p, f)
			}
		}
	}
	slices.SortFunc(t.wide, func(a, b *wide) int {
		return cmp.Or(cmp.Compare(a.policy.Source, b.policy.Source), cmp.Compare(a.policy.Name, b.policy.Name), cmp.Compare(a.index, b.index))
	})
}

func (t *tightening) found(p *rotation.Policy, f *drift.Finding) {
	for _, w := range t.wide {
		if w.policy == p && w.index == f.Statement.Index {
			if !slices.Contains(w.findings, f.ID) {
				w.findings = append(w.findings, f.ID)
			}
			return
		}
	}
	t.wide = append(t.wide, &wide{policy: p, index: f.Statement.Index, findings: []string{f.ID}, statement: &p.Document.Statements[f.Statement.Index]})
}

// leave notes why a statement stays as it is.
func (t *tightening) leave(w *wide, reason string) {
	t.planner.plan.Left = append(t.planner.plan.Left, Left{
		Function: t.units[0].setup.Function.ARN, Subject: t.role.ARN, What: w.policy.Label(), Reason: reason, Findings: sortedIDs(slices.Clone(w.findings)),
	})
}

// narrow narrows what may be narrowed.
func (t *tightening) narrow() {
	if reason := t.barred(); reason != "" {
		for _, w := range t.wide {
			t.leave(w, reason)
		}
		return
	}
	ceiling := t.ceiling()
	t.wide = slices.DeleteFunc(t.wide, func(w *wide) bool {
		reason := t.wideBarred(w)
		if reason == "" {
			var ok bool
			if w.pieces, ok = within(w.statement, ceiling); !ok {
				reason = "what of the statement rotation may have cannot be written as a statement: narrow it by hand"
			}
			w.kept = make([]bool, len(w.pieces))
		}
		if reason != "" {
			t.leave(w, reason)
		}
		return reason != ""
	})
	// An attached policy goes as a whole: its other statements are part of what is lost.
	t.widenAttached(ceiling)
	if len(t.wide) == 0 {
		return
	}
	due := t.due()
	if reason := t.fit(ceiling); reason != "" {
		for _, w := range t.wide {
			t.leave(w, reason)
		}
		return
	}
	t.changes(due)
}

// ceiling is the union of what the units may have.
func (t *tightening) ceiling() []*policy.Document {
	var out []*policy.Document
	for _, u := range t.units {
		out = append(out, u.ceiling...)
	}
	return out
}

// barred says why nothing may be taken from the role.
func (t *tightening) barred() string {
	first := t.units[0].setup
	switch {
	case !t.history.Complete:
		return "only a run that has listed the whole account tightens"
	case !roleKnown(&t.role):
		return "not all of the role's policies could be read"
	case usedElsewhere(&t.role, first.Region) != "":
		return usedElsewhere(&t.role, first.Region)
	case t.history.RoleUsers == nil:
		return "which functions run with the role has not been read"
	case t.role.Tags["aws:cloudformation:stack-id"] != "" && !t.opts.EditOwned:
		return fmt.Sprintf("the stack %s owns the role: change it there, or set repair.edit_owned", rotation.OneLine(t.role.Tags["aws:cloudformation:stack-name"]))
	}
	for _, u := range t.units {
		if reason := t.opts.functionBarred(first.Account, u.setup.Function.ARN); reason != "" {
			return reason
		}
		if reason := u.undeclared(); reason != "" {
			return reason
		}
	}
	if user := t.otherUser(); user != "" {
		return fmt.Sprintf("%s runs with the role and is no rotation function that this run has judged", user)
	}
	if reason := t.foreignTrust(); reason != "" {
		return reason
	}
	return t.opts.roleBarred(first.Account, &t.role)
}

// undeclared says which secret's strategy nobody declared, or that an operator wants left alone, or "".
func (u *unit) undeclared() string {
	for i := range u.setup.Secrets {
		s := &u.setup.Secrets[i]
		switch {
		case u.verdicts[s.ARN] == drift.Exempt, s.Excluded != "":
			return fmt.Sprintf("%s is exempt or excluded", s.ARN)
		case u.verdicts[s.ARN] == drift.Unknown:
			return fmt.Sprintf("%s is unknown", s.ARN)
		case s.Checked() && !s.Declaration.Declared():
			return fmt.Sprintf("the strategy of %s is not declared", s.ARN)
		}
	}
	return ""
}

// otherUser is a function that runs with the role and is not among the judged units, or "".
func (t *tightening) otherUser() rotation.ARN {
	for _, user := range t.history.RoleUsers[t.role.ARN] {
		bare, _ := user.SplitFunction()
		if !slices.ContainsFunc(t.units, func(u *unit) bool {
			own, _ := u.setup.Function.ARN.SplitFunction()
			return own == bare
		}) {
			return bare
		}
	}
	return ""
}

// foreignTrust says who but Lambda may take the role: what they do with it is not visible from here.
func (t *tightening) foreignTrust() string {
	if t.role.Trust.Document == nil {
		return "the role's trust policy could not be read"
	}
	for _, s := range t.role.Trust.Document.Statements {
		for _, p := range s.Principals {
			if s.Effect == policy.Allow && (p.Type != policy.PrincipalService || p.ID != "lambda.amazonaws.com") {
				return fmt.Sprintf("%s may take the role too", rotation.OneLine(p.ID))
			}
		}
		if len(s.NotPrincipals) > 0 {
			return "the role's trust policy has a NotPrincipal"
		}
	}
	return ""
}

// wideBarred says why a statement must not be touched; an attached policy is detached as a whole, and nothing of it may be barred.
func (t *tightening) wideBarred(w *wide) string {
	if reason := t.statementBarred(w); reason != "" || w.policy.Source != rotation.PolicyAttached {
		return reason
	}
	for i := range w.policy.Document.Statements {
		if reason := t.statementBarred(&wide{policy: w.policy, index: i, statement: &w.policy.Document.Statements[i]}); i != w.index && reason != "" {
			return "another statement of the policy: " + reason
		}
	}
	return ""
}

// unjudged says what a statement that is to go with its policy gives beyond the contract though no finding says so, or "". What statements with
// findings give too does not count.
func (t *tightening) unjudged(s *wide, ceiling []*policy.Document) string {
	tolerated := slices.Clone(ceiling)
	for _, w := range t.wide {
		// Only of this policy: what another one gives may stay.
		if w.policy != s.policy {
			continue
		}
		tolerated = append(tolerated, &policy.Document{
			Name: w.policy.Document.Name, Version: w.policy.Document.Version, Statements: w.policy.Document.Statements[w.index : w.index+1],
		})
	}
	d := s.policy.Document
	alone := policy.Set{Identity: []*policy.Document{{Name: d.Name, Version: d.Version, Statements: d.Statements[s.index : s.index+1]}}}
	if b := t.role.Boundary; b != nil {
		alone.Boundary = b.Document
	}
	switch result := policy.Compare(policy.Set{Identity: tolerated}, alone, policy.BuiltinFacts()); {
	case len(result.Excess) > 0:
		r := result.Excess[0].Request
		return fmt.Sprintf("another statement of the policy also gives %s on %s, which no finding is about", rotation.OneLine(r.Action), rotation.OneLine(r.Resource))
	case len(result.Indeterminate) > 0:
		return "what another statement of the policy gives cannot be settled: " + result.Indeterminate[0].Text
	}
	return ""
}

// statementBarred says why a statement must not be touched.
func (t *tightening) statementBarred(w *wide) string {
	s, p := w.statement, w.policy
	holdsDeny := slices.ContainsFunc(p.Document.Statements, func(x policy.Statement) bool { return x.Effect == policy.Deny })
	elsewhere := slices.ContainsFunc(s.Resources, func(r string) bool {
		parts := rotation.ARN(r).Parts()
		region, account := t.units[0].setup.Region, t.units[0].setup.Account
		return parts.Region != "" && !strings.ContainsAny(parts.Region, "*?") && parts.Region != region ||
			parts.Account != "" && !strings.ContainsAny(parts.Account, "*?") && parts.Account != account && parts.Account != "aws"
	})
	switch {
	case s.Effect != policy.Allow || holdsDeny:
		return "the policy holds a Deny: such a policy is never touched"
	case slices.Contains(t.opts.Keep, s.Sid) && s.Sid != "" || slices.Contains(t.opts.Keep, p.Name):
		return "repair.keep names it"
	case elsewhere:
		return "the statement names another Region's or account's resource"
	case strings.HasPrefix(p.Name, rotation.OwnPrefix) && !keeps(p.Name):
		return "the policy has a name of ours, and of those only what rotation needs no more is ever taken back: narrow it by hand"
	}
	for _, u := range t.units {
		if reason := u.sparing(t.role.ARN, p.Document.Name, w.index); reason != "" {
			return reason
		}
	}
	return ""
}

// widenAttached adds the other statements of policies that are detached, so that what they give inside the ceiling is kept.
func (t *tightening) widenAttached(ceiling []*policy.Document) {
	for _, p := range t.touched() {
		if p.Source != rotation.PolicyAttached {
			continue
		}
		others, reason := t.others(p, ceiling)
		if reason == "" {
			t.wide = append(t.wide, others...)
			continue
		}
		t.wide = slices.DeleteFunc(t.wide, func(w *wide) bool {
			if w.policy == p {
				t.leave(w, reason)
			}
			return w.policy == p
		})
	}
}

// others are the statements of an attached policy that no finding to be ended is about, or the reason why they must not go with it.
func (t *tightening) others(p *rotation.Policy, ceiling []*policy.Document) (others []*wide, reason string) {
	for i := range p.Document.Statements {
		if slices.ContainsFunc(t.wide, func(w *wide) bool { return w.policy == p && w.index == i }) {
			continue
		}
		other := &wide{policy: p, index: i, statement: &p.Document.Statements[i]}
		if reason := t.unjudged(other, ceiling); reason != "" {
			return nil, reason
		}
		var ok bool
		if other.pieces, ok = within(other.statement, ceiling); !ok {
			return nil, "what of the policy rotation may have cannot be written as a statement: narrow it by hand"
		}
		other.kept = make([]bool, len(other.pieces))
		others = append(others, other)
	}
	return others, ""
}

// due is when the role may be tightened: enforce_after since the youngest of the findings, and not while a secret rotates.
func (t *tightening) due() *waiting {
	var w *waiting
	for _, x := range t.wide {
		w = later(w, t.sinceFindings(x.findings))
	}
	for _, u := range t.units {
		w = later(w, u.rotating(t.history.At))
	}
	return w
}

// waiting is until when something waits, and why.
type waiting struct {
	until  time.Time
	reason string
}

func later(a, b *waiting) *waiting {
	if a == nil || b != nil && b.until.After(a.until) {
		return b
	}
	return a
}

// sinceFindings is how long findings still have to stand before they are acted on.
func (p *planner) sinceFindings(ids []string) *waiting {
	var w *waiting
	for _, id := range ids {
		since, ok := p.history.FindingsSince[id]
		if !ok {
			since = p.history.At
		}
		if until := since.Add(p.opts.EnforceAfter); until.After(p.history.At) && !p.opts.Approved {
			w = later(w, &waiting{until, fmt.Sprintf("the finding stands since %s: repair.enforce_after lets %s pass first", since.UTC().Format(time.RFC3339), p.opts.EnforceAfter)})
		}
	}
	return w
}

// rotating says that a secret of the unit is being rotated: AWSPENDING is on a version that is not the current one. Source:
// Secrets Manager User Guide, "Rotation function steps".
func (u *unit) rotating(now time.Time) *waiting {
	for i := range u.setup.Secrets {
		s := &u.setup.Secrets[i]
		for _, labels := range s.VersionStages {
			if slices.Contains(labels, "AWSPENDING") && !slices.Contains(labels, "AWSCURRENT") {
				return &waiting{now.Add(time.Hour), fmt.Sprintf("%s is being rotated", s.ARN)}
			}
		}
	}
	return nil
}

// after is the role with the wide statements narrowed to the pieces that are kept. The kept pieces of attached policies go into one
// inline policy.
func (t *tightening) after() (rotation.Role, error) {
	next := t.role
	for _, p := range t.touched() {
		if p.Source == rotation.PolicyAttached {
			next.Identity = slices.DeleteFunc(slices.Clone(next.Identity), func(x rotation.Policy) bool {
				return x.Source == rotation.PolicyAttached && x.ARN == p.ARN
			})
			continue
		}
		text, err := t.narrowed(p)
		if err != nil {
			return next, err
		}
		next = withInline(next, p.Name, text)
	}
	text, err := t.keeping(&next)
	if err != nil {
		return next, err
	}
	return withInline(next, t.keptName(), text), nil
}

// keeping is a role's inline policy for what detached policies gave inside the ceiling, with the kept pieces of those that are detached now. Empty:
// there is none.
func (t *tightening) keeping(role *rotation.Role) (string, error) {
	kept := statements{version: json.RawMessage(`"2012-10-17"`)}
	old := inline(role, t.keptName())
	if old != nil {
		var err error
		if kept, err = readStatements(old.Text); err != nil {
			return "", err
		}
	}
	had := len(kept.list)
	for _, w := range t.wide {
		if w.policy.Source == rotation.PolicyAttached {
			if err := w.appendTo(&kept); err != nil {
				return "", err
			}
		}
	}
	switch {
	case len(kept.list) > had:
		return kept.text(), nil
	case old != nil:
		return old.Text, nil
	}
	return "", nil
}

// nothingLeft is what stays of an inline policy that had nothing but excess. It is the owner's policy, which only its owner deletes, and IAM
// stores none without a statement; this one allows nothing, since no role is of account 000000000000, and nothing beyond any contract's ceiling if it
// did. Nothing may rest on it. Source: IAM API, PutRolePolicy; IAM User Guide, "AWS global condition context keys", aws:PrincipalAccount.
func nothingLeft() (json.RawMessage, error) {
	return written(&policy.Statement{
		Sid: "NothingElseWasNeeded", Effect: policy.Allow, Actions: []string{"secretsmanager:GetRandomPassword"}, Resources: []string{"*"},
		Conditions: []policy.Condition{{Operator: "StringEquals", Key: "aws:PrincipalAccount", Values: []string{"000000000000"}}},
	})
}

// touched are the policies with wide statements, each once.
func (t *tightening) touched() []*rotation.Policy {
	var out []*rotation.Policy
	for _, w := range t.wide {
		if !slices.Contains(out, w.policy) {
			out = append(out, w.policy)
		}
	}
	return out
}

// keptName is the inline policy that takes in what detached policies gave inside the ceiling.
func (t *tightening) keptName() string {
	name := ours{t.units[0].setup.Function.ARN}.names()[1]
	return name[:min(len(name), 128-len(keptSuffix))] + keptSuffix
}

// keptSuffix ends the name of the inline policy that takes in what detached policies gave inside the ceiling. It is not withdrawn: no
// owner's grant stands for it.
const keptSuffix = "-kept"

// keeps says whether an inline policy is one that takes in what detached policies gave.
func keeps(name string) bool {
	return strings.HasPrefix(name, rotation.OwnPrefix) && strings.HasSuffix(name, keptSuffix)
}

// appendTo writes the pieces that are kept.
func (w *wide) appendTo(s *statements) error {
	for i := range w.pieces {
		if !w.kept[i] {
			continue
		}
		piece := w.pieces[i]
		if w.policy.Source == rotation.PolicyInline && count(s.sids(), w.statement.Sid) == 0 {
			piece.Sid = w.statement.Sid
		}
		raw, err := written(&piece)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.list, func(x json.RawMessage) bool { return string(x) == string(raw) }) {
			s.list = append(s.list, raw)
		}
	}
	return nil
}

// narrowed is an inline document with its wide statements replaced; every other statement keeps its bytes. Where no statement would be left,
// one that does no harm is; of a policy that enforce itself has put nothing is, and it is empty.
func (t *tightening) narrowed(p *rotation.Policy) (string, error) {
	have, err := readStatements(p.Text)
	if err != nil {
		return "", err
	}
	out := statements{version: have.version, id: have.id}
	for i, raw := range have.list {
		j := slices.IndexFunc(t.wide, func(w *wide) bool { return w.policy == p && w.index == i })
		if j < 0 {
			out.list = append(out.list, raw)
			continue
		}
		if err := t.wide[j].appendTo(&out); err != nil {
			return "", err
		}
	}
	if len(out.list) == 0 {
		if keeps(p.Name) {
			return "", nil
		}
		raw, err := nothingLeft()
		if err != nil {
			return "", err
		}
		out.list = append(out.list, raw)
	}
	return out.text(), nil
}

// emptied says whether nothing of an owner's inline policy is needed: only nothingLeft stays.
func (t *tightening) emptied(p *rotation.Policy) bool {
	if p.Source != rotation.PolicyInline || keeps(p.Name) {
		return false
	}
	for i := range p.Document.Statements {
		j := slices.IndexFunc(t.wide, func(w *wide) bool { return w.policy == p && w.index == i })
		if j < 0 || slices.Contains(t.wide[j].kept, true) {
			return false
		}
	}
	return true
}

// withoutEmptied is a role without what only stands in for an empty policy: nothing may rest on it.
func (t *tightening) withoutEmptied(role rotation.Role) *rotation.Role {
	for _, p := range t.touched() {
		if t.emptied(p) {
			role = withInline(role, p.Name, "")
		}
	}
	return &role
}

// fit chooses the pieces that are kept, until nothing is lost that the role had and that is inside the ceiling, and proves that nothing
// is gained. reason says why it cannot be done.
func (t *tightening) fit(ceiling []*policy.Document) (reason string) {
	inside := &policy.Document{Name: "contract", Version: policy.Version2012}
	for _, d := range ceiling {
		inside.Statements = append(inside.Statements, d.Statements...)
	}
	before := documents(&t.role)
	pieces := 0
	for _, w := range t.wide {
		pieces += len(w.pieces)
	}
	for range pieces + 1 {
		next, err := t.after()
		if err != nil {
			return rotation.OneLine(err.Error())
		}
		after := documents(t.withoutEmptied(next))
		lost := policy.Compare(policy.Set{Identity: before, Boundary: inside}, policy.Set{Identity: after}, nil)
		if len(lost.Missing) == 0 {
			gained := policy.Compare(policy.Set{Identity: before}, policy.Set{Identity: after}, nil)
			switch {
			case len(lost.Indeterminate) > 0:
				return "what would be lost cannot be settled: " + lost.Indeterminate[0].Text
			case len(gained.Excess) > 0:
				return fmt.Sprintf("the proof fails: %s on %s would be gained", gained.Excess[0].Request.Action, gained.Excess[0].Request.Resource)
			case len(gained.Indeterminate) > 0:
				return "what would be gained cannot be settled: " + gained.Indeterminate[0].Text
			}
			if r := t.loses(&next, "", nil); r != "" {
				return "the proof fails: rotation would lose " + r
			}
			if size := inlineSize(&next); size > inlineQuota {
				return fmt.Sprintf("the role's inline policies would have %d characters, %d are allowed", size, inlineQuota)
			}
			return ""
		}
		if !t.keepFor(lost.Missing) {
			w := lost.Missing[0].Request
			return fmt.Sprintf("the proof fails: %s on %s would be lost", w.Action, w.Resource)
		}
	}
	return "the proof fails: narrowing does not end"
}

// keepFor keeps one piece for every request that would be lost, of an inline policy rather than of one that is detached; it reports whether there
// was one for any.
func (t *tightening) keepFor(lost []policy.Witness) bool {
	var order, detached []*wide
	for _, w := range t.wide {
		if w.policy.Source == rotation.PolicyAttached {
			detached = append(detached, w)
		} else {
			order = append(order, w)
		}
	}
	order = append(order, detached...)
	found := false
	for i := range lost {
		if w, k := pieceFor(order, &lost[i].Request); w != nil {
			w.kept[k], found = true, true
		}
	}
	return found
}

// pieceFor is the piece that gives a request: one that is kept already, or else the first.
func pieceFor(order []*wide, r *policy.Request) (first *wide, at int) {
	for _, w := range order {
		for k := range w.pieces {
			alone := &policy.Document{Name: "piece", Version: w.policy.Document.Version, Statements: w.pieces[k : k+1]}
			set := policy.Set{Identity: []*policy.Document{alone}}
			if policy.Evaluate(&set, r).Outcome != policy.Allowed {
				continue
			}
			if w.kept[k] {
				return w, k
			}
			if first == nil {
				first, at = w, k
			}
		}
	}
	return first, at
}

func documents(r *rotation.Role) []*policy.Document {
	var out []*policy.Document
	for i := range r.Identity {
		if d := r.Identity[i].Document; d != nil {
			out = append(out, d)
		}
	}
	return out
}

// changes puts the tightening into the plan: what is kept of attached policies first, then the wide ones go.
func (t *tightening) changes(due *waiting) {
	next, err := t.after()
	if err != nil {
		return
	}
	u := t.units[0]
	var secrets []rotation.ARN
	for _, x := range t.units {
		for _, s := range x.setup.Checked() {
			secrets = append(secrets, s.ARN)
		}
	}
	put := func(c Change, findings []string) {
		c.Status, c.Subject, c.Findings, c.Secrets = Planned, t.role.ARN, findings, slices.Clone(secrets)
		if due != nil {
			c.Status, c.NotBefore, c.Reason = Waiting, &due.until, due.reason
		}
		c.Proof = Proof{
			Required: len(u.required), Before: t.count(u), After: t.count(u),
			Excess: "every request that the role may make afterwards it may make before", Lost: "every request inside the contract's ceiling that was allowed is allowed afterwards",
		}
		t.put(u, c)
	}
	kept, before := t.keptName(), ""
	if old := inline(&t.role, kept); old != nil {
		before = old.Text
	}
	added, err := t.keeping(&t.role)
	if err != nil {
		return
	}
	if added != before {
		put(Change{Call: PutRolePolicy, Name: kept, Before: before, After: added}, t.findingsOf(nil))
	}
	for _, p := range t.touched() {
		switch {
		case p.Source == rotation.PolicyAttached:
			put(Change{Call: DetachRolePolicy, Name: string(p.ARN), Before: p.Text}, t.findingsOf(p))
		default:
			c := Change{Call: DeleteRolePolicy, Name: p.Name, Before: p.Text}
			if p.Name == kept {
				c.Before = added // what is kept of detached policies comes first
			}
			if left := inline(&next, p.Name); left != nil {
				c.Call, c.After, c.Narrows = PutRolePolicy, left.Text, true
			}
			if t.emptied(p) {
				c.Reason = "rotation needs nothing of the policy: one statement that allows nothing stays, since IAM stores no empty policy and only its owner deletes it"
			}
			put(c, t.findingsOf(p))
		}
	}
	if due == nil {
		t.world.roles[t.role.ARN] = next
	}
}

// findingsOf are the findings on a policy's statements; nil stands for all attached ones.
func (t *tightening) findingsOf(p *rotation.Policy) []string {
	var out []string
	for _, w := range t.wide {
		if w.policy == p || p == nil && w.policy.Source == rotation.PolicyAttached {
			out = append(out, w.findings...)
		}
	}
	return out
}

package repair

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// unit is one rotation function with its judgement, as the planner sees it.
type unit struct {
	setup    *rotation.Setup
	required []rotation.Requirement
	ceiling  []*policy.Document
	verdicts map[rotation.ARN]drift.Verdict
	findings []*drift.Finding // each once
	spared   []*drift.Finding // of findings, those of excess that are exempt for some of the secrets only
}

func newUnit(j *drift.Judgement) *unit {
	u := &unit{setup: &j.Setup, required: j.Contract.Required, ceiling: j.Contract.Ceiling, verdicts: map[rotation.ARN]drift.Verdict{}}
	at := map[string]int{}
	open := map[string]bool{} // not exempt for every secret
	for i := range j.Secrets {
		s := &j.Secrets[i]
		u.verdicts[s.Secret.ARN] = s.Verdict
		for _, f := range s.Findings {
			k, seen := at[f.ID]
			open[f.ID] = open[f.ID] || f.Exempt == ""
			switch {
			case !seen:
				at[f.ID], u.findings = len(u.findings), append(u.findings, f)
			case (f.Exempt != "") == (f.Direction == policy.Excess):
				// Exempt for some of the secrets: excess is left for their sake, and what is missing is mended for the others'.
				u.findings[k] = f
			}
		}
	}
	for _, f := range u.findings {
		if f.Direction == policy.Excess && f.Exempt != "" && open[f.ID] {
			u.spared = append(u.spared, f)
		}
	}
	return u
}

// sparing says why a statement is left for what else a finding says of it: that is exempt, only told, or never taken away. A statement is
// changed as a whole.
func (u *unit) sparing(subject rotation.ARN, document string, index int) string {
	for _, f := range u.findings {
		if f.Direction != policy.Excess || f.Subject != subject || f.Statement == nil || f.Statement.Document != document || f.Statement.Index != index {
			continue
		}
		switch {
		case f.Exempt != "":
			return f.Exempt
		case f.Kind == drift.KindRole && f.Severity == drift.Info:
			return "the statement also gives what is told as information only: " + rotation.OneLine(f.Explanation)
		case f.Rule == drift.RuleForeignSource:
			return "the statement also lets Secrets Manager invoke for another account, which is never removed"
		case f.Rule == drift.RuleFunctionURL:
			return "the statement also is a function URL's, which is never removed"
		}
	}
	return ""
}

// loses says which requirement of the unit is allowed as it stands and not any more with another role or function policy, or "".
func (u *unit) loses(role *rotation.Role, function *rotation.Policy) string {
	was, will := decider(u.setup, nil, nil), decider(u.setup, role, function)
	for i := range u.required {
		r := &u.required[i]
		if was.Decide(r).Outcome == policy.Allowed && will.Decide(r).Outcome != policy.Allowed {
			return fmt.Sprintf("%s for %s", r.Name, u.setup.Function.ARN)
		}
	}
	return ""
}

// Concerns says whether a plan can have anything to do with a judgement: it has a finding, or something of ours is in place. A
// run over a large account may forget the others, as long as it keeps or forgets the judgements of one role together.
func Concerns(j *drift.Judgement) bool {
	for i := range j.Secrets {
		if len(j.Secrets[i].Findings) > 0 {
			return true
		}
	}
	for i := range j.Setup.Role.Identity {
		if p := &j.Setup.Role.Identity[i]; p.Source == rotation.PolicyInline && strings.HasPrefix(p.Name, rotation.OwnPrefix) {
			return true
		}
	}
	if d := j.Setup.Function.Policy.Document; d != nil {
		for i := range d.Statements {
			if strings.HasPrefix(d.Statements[i].Sid, rotation.OwnPrefix) {
				return true
			}
		}
	}
	return false
}

// missing is the finding that says of a requirement that it is denied, nil when there is none: then it is not repaired.
func (u *unit) missing(r *rotation.Requirement) *drift.Finding {
	for _, f := range u.findings {
		if f.Direction != policy.Missing || f.Exempt != "" || f.Secret != "" && r.Secret != "" && f.Secret != r.Secret {
			continue
		}
		switch {
		case f.Request != nil:
			if sameRequest(f.Request, &r.Request) {
				return f
			}
		case f.Witness != nil:
			if strings.EqualFold(f.Witness.Action, r.Request.Action) && f.Witness.Resource == r.Request.Resource {
				return f
			}
		}
	}
	return nil
}

// sameRequest says whether a finding's witness is about a requirement: the same action on the same thing. Stages and the like
// do not matter, since what is granted is an action.
func sameRequest(a, b *policy.Request) bool {
	return strings.EqualFold(a.Action, b.Action) && a.Resource == b.Resource
}

// mayServe says whether something may be granted for a secret: operators who exempt or exclude one want it left alone, and
// what is unknown is never repaired unless a denial is proven.
func (u *unit) mayServe(secret rotation.ARN) bool {
	switch u.verdicts[secret] {
	case drift.Skipped, drift.Exempt, drift.Orphaned:
		return false
	default:
		return true
	}
}

// served are the secrets that a requirement is for and that may be served.
func (u *unit) served(r *rotation.Requirement) []rotation.ARN {
	var out []rotation.ARN
	for _, s := range u.setup.Checked() {
		if (r.Secret == "" || r.Secret == s.ARN) && u.mayServe(s.ARN) {
			out = append(out, s.ARN)
		}
	}
	return out
}

// literal says whether an ARN can stand in a policy as itself: no wildcard and no policy variable.
func literal(arn rotation.ARN) bool {
	_, err := arn.Parse()
	return err == nil && !strings.ContainsAny(string(arn), "*?\"\\") && !strings.Contains(string(arn), "${")
}

// grant is what our policy would have to give for a requirement; reason says why repair gives nothing of the kind. Only what is
// this unit's is given: its secrets, their masters, their keys.
func (u *unit) grant(o Options, r *rotation.Requirement) (g grant, reason string) {
	action, ok := canonical(r.Target, r.Request.Action)
	if !ok {
		return g, fmt.Sprintf("repair never grants %s", r.Request.Action)
	}
	g = grant{target: r.Target, action: action}
	switch r.Target {
	case rotation.TargetAccount, rotation.TargetNetwork:
		return g, ""
	case rotation.TargetSecret:
		s := secretOf(u.setup, r.Subject)
		if s == nil || s.FunctionARN != u.setup.Function.ARN || !literal(s.ARN) {
			return g, fmt.Sprintf("%s is not a secret that names this function", r.Subject)
		}
		g.on = s.ARN
		return g, ""
	case rotation.TargetKey:
		s := secretOf(u.setup, r.Secret)
		if s == nil || s.FunctionARN != u.setup.Function.ARN {
			return g, fmt.Sprintf("%s is not a secret that names this function", r.Secret)
		}
		return u.keyGrant(g, s, r)
	case rotation.TargetMaster, rotation.TargetMasterKey, rotation.TargetDatabase:
		m := master(u.setup, r)
		if m == nil || !literal(m.ARN) {
			return g, "the master secret is not known"
		}
		if reason := u.masterBarred(o, r.Secret); reason != "" {
			return g, reason
		}
		if r.Target == rotation.TargetMasterKey {
			return u.keyGrant(g, m, r)
		}
		if r.Target == rotation.TargetMaster {
			if _, _, complete := m.ARN.SecretName(); !complete || m.ARN != r.Subject {
				return g, fmt.Sprintf("%s is not the complete ARN of the master secret", r.Subject)
			}
			g.on = m.ARN
		}
		return g, ""
	case rotation.TargetFunction, rotation.TargetTrust:
	}
	return g, "repair does not write what decides this"
}

// keyGrant grants the use of the key of one secret, the unit's or a master, for that secret's value only.
func (u *unit) keyGrant(g grant, s *rotation.Secret, r *rotation.Requirement) (grant, string) {
	key, ok := u.setup.CustomerKey(s)
	if !ok || key.ARN != r.Subject || !literal(key.ARN) || !strings.HasPrefix(key.ARN.Parts().Resource, "key/") {
		return g, fmt.Sprintf("%s is not the ARN of the key of %s", rotation.OneLine(string(r.Subject)), s.ARN)
	}
	// One statement serves the keys of secrets and masters alike.
	g.target, g.on, g.secret = rotation.TargetKey, key.ARN, s.ARN
	return g, ""
}

// masterBarred says why nothing may be granted on a secret's master: whoever may tag the secret must not choose what its
// function can read.
func (u *unit) masterBarred(o Options, secret rotation.ARN) string {
	s := secretOf(u.setup, secret)
	if s == nil {
		return "the secret is not this function's"
	}
	switch s.Declaration.MasterSource {
	case rotation.SourceConfig, rotation.SourceStack:
		return ""
	case rotation.SourceTag:
		if o.TrustTags {
			return ""
		}
		return fmt.Sprintf("the master is named by the tag %s only: name it under rotations: in the configuration, or set repair.trust_tags", rotation.TagMaster)
	default:
		return "the master is not declared in the configuration or the stack"
	}
}

// due is when a role grant for a requirement may be written: settle after the first of its secrets, and for a master's key the
// master, named what it names now.
func (u *unit) due(o Options, h History, r *rotation.Requirement) (due time.Time, secret rotation.ARN) {
	for _, arn := range u.served(r) {
		since := h.since(arn)
		if r.Target == rotation.TargetMasterKey {
			if m := master(u.setup, r); m != nil {
				if t := h.since(m.ARN); t.After(since) {
					since = t
				}
			}
		}
		if at := since.Add(o.Settle); secret == "" || at.Before(due) {
			due, secret = at, arn
		}
	}
	return due, secret
}

// sortedARNs sorts and removes doubles.
func sortedARNs(arns []rotation.ARN) []rotation.ARN {
	slices.Sort(arns)
	return slices.Compact(arns)
}

func sortedIDs(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// byFunction sorts units: their plan does not depend on the order in which they were read.
func byFunction(a, b *unit) int {
	return cmp.Or(cmp.Compare(a.setup.Function.ARN, b.setup.Function.ARN), cmp.Compare(a.setup.Role.ARN, b.setup.Role.ARN))
}

package drift

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// missing is the finding of a required request that is denied: what it is about, what denies it, and the change that ends it.
func (j *judge) missing(r *rotation.Requirement, a *rotation.Answer) *Finding {
	request := r.Request // a copy: a finding is kept longer than the contract
	f := &Finding{
		Direction: policy.Missing, Severity: Critical, Secret: r.Secret, Function: j.setup.Function.ARN,
		Request: &request, Witness: newWitness(&request, &a.Set),
	}
	if r.Latent {
		f.Severity = Medium
	}
	f.Kind, f.Subject, f.Rule = j.place(r)
	var why string
	switch {
	case a.Stopped != "":
		f.Kind, f.Subject, f.Rule = KindKey, r.Subject, RuleKeyState
		if f.Subject == "" {
			f.Subject = rotation.ARN(r.KeyID)
		}
		why = a.Stopped
	case a.Outcome == policy.ExplicitlyDenied:
		ref := a.By[0]
		f.Statement, f.Rule = &ref, RuleExplicitDeny
		j.placeDocument(f, r, ref.Document)
		why = refText(ref) + " denies it"
	case a.ByBoundary:
		f.Kind, f.Rule = KindBoundary, RuleBoundary
		why = fmt.Sprintf("the role's policies allow it, the %s does not", j.setup.Role.Boundary.Label())
		if near, ok := policy.Nearest(&a.Set, &r.Request); ok {
			f.Statement = &near.Ref
			why += "; " + nearText(near, &r.Request)
		}
	default:
		why = j.implicit(f, r, a)
	}
	f.Explanation = explainMissing(r, why)
	f.Fix = j.fix(f, r, a)
	detail := []string{r.Request.Action}
	if r.Target == rotation.TargetMasterKey || r.Target == rotation.TargetMaster && f.Rule != RuleMaster {
		detail = append(detail, r.Request.Resource) // the secret or its key may lack the same action by the same rule
	}
	return f.identify(j.setup.Account, detail...)
}

// explainMissing is the sentence: what is denied, why, and when that is felt.
func explainMissing(r *rotation.Requirement, why string) string {
	text := requestText(&r.Request) + " is denied to " + callerText(&r.Request.Caller) + ": " + why
	switch {
	case r.Latent:
		text += "; it is felt when Lambda makes the function's network interfaces anew"
	case r.Assumed:
		text += "; the published functions ask it for a master that RDS owns"
	}
	return text
}

func callerText(c *policy.Caller) string {
	if c.Kind == policy.CallerService {
		return c.Service
	}
	return "the role " + rotation.ARN(c.ARN).RoleName()
}

// place says which policy is expected to grant a requirement.
func (j *judge) place(r *rotation.Requirement) (Kind, rotation.ARN, string) {
	role := j.setup.Role.ARN
	switch r.Target {
	case rotation.TargetFunction:
		return KindFunctionPolicy, j.setup.Function.ARN, RuleInvoke
	case rotation.TargetTrust:
		return KindTrust, role, RuleTrust
	case rotation.TargetKey, rotation.TargetMasterKey:
		return KindRole, role, RuleKey
	case rotation.TargetMaster, rotation.TargetDatabase:
		return KindRole, role, RuleMaster
	case rotation.TargetNetwork:
		return KindRole, role, RuleNetwork
	case rotation.TargetAccount:
		return KindRole, role, RuleRandomPassword
	default:
		return KindRole, role, RuleSecretAccess
	}
}

// placeDocument puts a finding where the statement that denies stands.
func (j *judge) placeDocument(f *Finding, r *rotation.Requirement, document string) {
	switch {
	case document == "secret policy":
		f.Kind, f.Subject = KindSecretPolicy, r.Subject
	case document == "key policy" || document == "key grants":
		f.Kind, f.Subject = KindKey, r.Subject
	case document == "function policy":
		f.Kind, f.Subject = KindFunctionPolicy, j.setup.Function.ARN
	case document == "trust policy":
		f.Kind, f.Subject = KindTrust, j.setup.Role.ARN
	case j.setup.Role.Boundary != nil && document == j.setup.Role.Boundary.Label():
		f.Kind, f.Subject = KindBoundary, j.setup.Role.ARN
	default:
		f.Kind, f.Subject = KindRole, j.setup.Role.ARN
	}
}

// implicit says why no statement allows a request, and which came nearest.
func (j *judge) implicit(f *Finding, r *rotation.Requirement, a *rotation.Answer) string {
	near, found := policy.Nearest(&a.Set, &r.Request)
	if found && !strings.HasPrefix(near.Ref.Document, "unread") {
		f.Statement = &near.Ref
		f.Rule = ruleOf(f.Rule, &near, r)
	}
	switch r.Target {
	case rotation.TargetFunction:
		if j.setup.Function.Policy.Presence == rotation.Absent {
			return "the function has no policy " + j.qualifierText()
		}
	case rotation.TargetTrust:
		if len(a.Set.Resource) == 0 {
			return "the role has no trust policy"
		}
	case rotation.TargetKey, rotation.TargetMasterKey:
		if why := j.keySide(f, r, a); why != "" {
			return why
		}
	case rotation.TargetSecret, rotation.TargetMaster:
		if a.Set.Relation == policy.CrossAccount {
			if why := j.crossAccount(f, r, a, "secret policy"); why != "" {
				return why
			}
		}
	case rotation.TargetAccount, rotation.TargetNetwork, rotation.TargetDatabase:
		// The role's own policies alone decide.
	}
	if !found {
		return "no statement allows it"
	}
	return "no statement allows it; " + nearText(near, &r.Request)
}

func (j *judge) qualifierText() string {
	if _, qualifier := j.setup.Function.ARN.SplitFunction(); qualifier != "" {
		return "at the qualifier " + rotation.OneLine(qualifier) + ", which is the one that the secret names"
	}
	return "at all"
}

// ruleOf sharpens the rule by what the nearest statement fails.
func ruleOf(rule string, near *policy.Near, r *rotation.Requirement) string {
	for _, f := range near.Fails {
		if f.Element == policy.ElementAction {
			return rule
		}
	}
	for _, f := range near.Fails {
		if f.Element != policy.ElementCondition {
			continue
		}
		switch {
		case r.Target == rotation.TargetFunction && neverCarried(f.Key):
			return RuleInvokeSource
		case r.Target == rotation.TargetFunction || r.Target == rotation.TargetTrust || rule == RuleRandomPassword:
		case strings.EqualFold(f.Key, rotation.AllowRotationKey) && rule == RuleSecretAccess:
			return RuleRotationFunction
		case f.Absent && neverCarried(f.Key):
			return RuleAbsentKey
		}
	}
	return rule
}

// allows evaluates a request against a set with something changed.
func allows(set policy.Set, r *policy.Request) policy.Decision { return policy.Evaluate(&set, r) }

// withIdentity is the set with an identity document more.
func withIdentity(set policy.Set, statements ...policy.Statement) policy.Set {
	d := &policy.Document{Name: "fix", Version: policy.Version2012, Statements: statements}
	set.Identity = append(set.Identity[:len(set.Identity):len(set.Identity)], d)
	return set
}

// withResource is the set with a resource document more.
func withResource(set policy.Set, statements ...policy.Statement) policy.Set {
	d := &policy.Document{Name: "fix", Version: policy.Version2012, Statements: statements}
	set.Resource = append(set.Resource[:len(set.Resource):len(set.Resource)], d)
	return set
}

// keySide says which side of a key denies: its policy does not delegate to the account, or neither side allows.
func (j *judge) keySide(f *Finding, r *rotation.Requirement, a *rotation.Answer) string {
	statement, _ := rotation.Mend(j.setup, r)
	if allows(withIdentity(a.Set, statement), &r.Request).Outcome == policy.Allowed {
		return ""
	}
	if a.Set.Relation == policy.CrossAccount {
		return j.crossAccount(f, r, a, "key policy")
	}
	f.Kind, f.Subject = KindKey, r.Subject
	return "the key policy neither allows it to the role nor lets the account's own policies decide, so that statements of the role count for nothing"
}

// crossAccount says which of the two sides that must both allow does not.
func (j *judge) crossAccount(f *Finding, r *rotation.Requirement, a *rotation.Answer, document string) string {
	statement := rotation.MendKeyPolicy(j.setup, r)
	identity := allows(withResource(a.Set, statement), &r.Request).Outcome == policy.Allowed
	mend, _ := rotation.Mend(j.setup, r)
	resource := allows(withIdentity(a.Set, mend), &r.Request).Outcome == policy.Allowed
	if resource {
		return ""
	}
	f.Kind, f.Subject = KindSecretPolicy, r.Subject
	if document == "key policy" {
		f.Kind = KindKey
	}
	text := "role and " + strings.TrimSuffix(document, " policy") + " are in different accounts, so both sides must allow it: the " + document + " does not"
	if !identity {
		text += ", nor do the role's policies"
	}
	return text
}

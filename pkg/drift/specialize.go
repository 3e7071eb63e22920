package drift

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// specialized is a role's policies as they read for this role: conditions on what is the same in every call that it makes (its ARN,
// its account, its tags) are settled, and its tags stand where variables name them. Comparing them then speaks of this role only.
type specialized struct {
	documents []*policy.Document
	at        map[string][]int // by document: the index that each statement has in the account
}

// statement is a statement of the specialized documents.
func (s *specialized) statement(ref policy.StatementRef) *policy.Statement {
	for _, d := range s.documents {
		if d.Name == ref.Document && ref.Index < len(d.Statements) {
			return &d.Statements[ref.Index]
		}
	}
	return &policy.Statement{}
}

// fixedContext is what every call with the role's credentials carries, whoever makes it.
func fixedContext(s *rotation.Setup) (context map[string][]string, unknown []string) {
	r := rotation.RoleRequest(s, "sts:GetCallerIdentity", "*")
	context = map[string][]string{}
	for key, values := range r.Context {
		lower := strings.ToLower(key)
		if lower == "aws:principalarn" || lower == "aws:principalaccount" || lower == "aws:principaltype" || lower == "aws:principalisawsservice" || strings.HasPrefix(lower, "aws:principaltag/") {
			context[key] = values
		}
	}
	if slices.Contains(r.Unknown, "aws:PrincipalTag/*") {
		unknown = []string{"aws:PrincipalTag/*"}
	}
	return context, unknown
}

// fixedKey says whether a condition key is the same in every call of the role; context holds its value, or it is absent.
func fixedKey(key string, unknown []string) bool {
	lower := strings.ToLower(key)
	switch lower {
	case "aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:principalisawsservice":
		return true
	}
	return strings.HasPrefix(lower, "aws:principaltag/") && len(unknown) == 0
}

func specialize(s *rotation.Setup, documents []*policy.Document) specialized {
	context, unknown := fixedContext(s)
	out := specialized{at: map[string][]int{}}
	for _, d := range documents {
		c := &policy.Document{Name: d.Name, Version: d.Version}
		var at []int
		for i := range d.Statements {
			if statement, ok := specializeStatement(&d.Statements[i], d.Version, context, unknown); ok {
				c.Statements = append(c.Statements, statement)
				at = append(at, i)
			}
		}
		out.documents = append(out.documents, c)
		out.at[d.Name] = at
	}
	return out
}

// specializeStatement settles a statement for one role; ok is false when it can never apply.
func specializeStatement(s *policy.Statement, version policy.Version, context map[string][]string, unknown []string) (policy.Statement, bool) {
	out := *s
	out.Conditions = nil
	for _, c := range s.Conditions {
		if !fixedKey(c.Key, unknown) {
			out.Conditions = append(out.Conditions, c)
			continue
		}
		if !holds(c, version, context) {
			return out, false
		}
	}
	if len(out.Resources) > 0 {
		if out.Resources = slices.DeleteFunc(slices.Clone(out.Resources), impossible); len(out.Resources) == 0 {
			return out, false
		}
	}
	out.NotResources = slices.Clone(out.NotResources)
	for i, r := range out.NotResources {
		if impossible(r) {
			// It leaves nothing out; the element stays, because without it the statement would have no resource at all.
			out.NotResources[i] = nothing
		}
	}
	if s.Effect == policy.Allow && len(out.Resources) > 0 {
		out.Resources = slices.DeleteFunc(slices.Clone(out.Resources), func(r string) bool { return namesNoSecret(r) })
		if len(out.Resources) == 0 {
			return out, false
		}
	}
	if version == policy.Version2012 {
		out.Resources = substitute(out.Resources, context)
		out.NotResources = substitute(out.NotResources, context)
		for i := range out.Conditions {
			out.Conditions[i].Values = substitute(out.Conditions[i].Values, context)
		}
	}
	return out, true
}

// nothing is an ARN in the grammar of policies that no resource has.
const nothing = "arn:aws:nothing:::"

// impossible says that no resource has an ARN that a Resource element names. A policy variable before the fifth colon is literal text
// (IAM User Guide, "IAM policy elements: Variables and tags", section "Resource element"), and no partition, service, Region or account is
// spelled like that.
func impossible(resource string) bool {
	p := rotation.ARN(resource).Parts()
	return strings.ContainsAny(p.Partition+p.Service+p.Region+p.Account, "${}")
}

// holds says whether a condition is true in a context.
func holds(c policy.Condition, version policy.Version, context map[string][]string) bool {
	set := policy.Set{Identity: []*policy.Document{{Version: version, Statements: []policy.Statement{{
		Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{"*"}, Conditions: []policy.Condition{c},
	}}}}}
	return policy.Evaluate(&set, &policy.Request{Caller: policy.Caller{Kind: policy.CallerRole}, Action: "sts:GetCallerIdentity", Resource: "*", Context: context}).Outcome == policy.Allowed
}

// namesNoSecret: a literal secret ARN without its six characters is the ARN of nothing.
func namesNoSecret(resource string) bool {
	if strings.ContainsAny(resource, "*?$") {
		return false
	}
	p := rotation.ARN(resource).Parts()
	if p.Service != "secretsmanager" || !strings.HasPrefix(p.Resource, "secret:") {
		return false
	}
	_, _, complete := rotation.ARN(resource).SecretName()
	return !complete
}

// substitute puts the values of the context into the variables that name them. A substituted value is never a pattern.
func substitute(values []string, context map[string][]string) []string {
	if !slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "${") }) {
		return values
	}
	escape := strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")
	out := slices.Clone(values)
	for i, v := range out {
		for key, have := range context {
			if len(have) != 1 {
				continue
			}
			for {
				at := indexFold(v, "${"+key+"}")
				if at < 0 {
					break
				}
				v = v[:at] + escape.Replace(have[0]) + v[at+len(key)+3:]
			}
		}
		out[i] = v
	}
	return out
}

func indexFold(s, sub string) int {
	return strings.Index(strings.ToLower(s), strings.ToLower(sub))
}

package drift

import (
	"slices"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// fewResources is how many ARNs a printed command lists before it takes the form that names the function instead.
const fewResources = 20

// nameCommands gives every finding that an inline policy of ours mends the same command: PutRolePolicy replaces the whole policy, so
// one command carries all that is missing, and what that policy holds already.
func (j *judge) nameCommands() {
	var mended []*policy.Statement
	seen := map[string]bool{}
	for i := range j.contract.Required {
		r := &j.contract.Required[i]
		if !j.answers[i].Denied() || r.Target == rotation.TargetFunction || r.Target == rotation.TargetTrust {
			continue
		}
		statement, ok := rotation.Mend(j.setup, r)
		if !ok || j.answers[i].Outcome == policy.ExplicitlyDenied || j.answers[i].Stopped != "" {
			continue
		}
		if text := statement.String(); !seen[text] && allows(withIdentity(j.answers[i].Set, statement), &r.Request).Outcome == policy.Allowed {
			seen[text] = true
			mended = append(mended, &statement)
		}
	}
	if len(mended) == 0 {
		return
	}
	document := policy.Document{Version: policy.Version2012, Statements: joinStatements(mended)}
	if own := j.ownInline(); own != nil && own.Document != nil {
		document.Statements = append(slices.Clone(own.Document.Statements), document.Statements...)
	}
	text := command("aws", "iam", "put-role-policy", "--role-name", j.setup.Role.ARN.RoleName(), "--policy-name", j.ownPolicy(), "--policy-document", document.String())
	for _, fix := range j.roleFixes {
		fix.Command = text
	}
}

func (j *judge) ownInline() *rotation.Policy {
	for i := range j.setup.Role.Identity {
		p := &j.setup.Role.Identity[i]
		if p.Source == rotation.PolicyInline && p.Name == j.ownPolicy() {
			return p
		}
	}
	return nil
}

// joinStatements puts statements with the same resources and conditions into one, then those with the same actions and conditions.
func joinStatements(statements []*policy.Statement) []policy.Statement {
	var byResource, joined []policy.Statement
	for _, s := range statements {
		i := slices.IndexFunc(byResource, func(o policy.Statement) bool {
			return slices.Equal(o.Resources, s.Resources) && sameConditions(o.Conditions, s.Conditions)
		})
		if i < 0 {
			c := *s
			c.Actions = slices.Clone(s.Actions)
			byResource = append(byResource, c)
			continue
		}
		for _, a := range s.Actions {
			if !slices.Contains(byResource[i].Actions, a) {
				byResource[i].Actions = append(byResource[i].Actions, a)
			}
		}
	}
	for _, s := range byResource {
		slices.Sort(s.Actions)
		i := slices.IndexFunc(joined, func(o policy.Statement) bool {
			return slices.Equal(o.Actions, s.Actions) && sameConditions(o.Conditions, s.Conditions)
		})
		if i < 0 {
			s.Resources = slices.Clone(s.Resources)
			joined = append(joined, s)
			continue
		}
		joined[i].Resources = append(joined[i].Resources, s.Resources...)
	}
	for i := range joined {
		onFunction := len(joined[i].Conditions) == 1 && joined[i].Conditions[0].Key == rotation.AllowRotationKey
		if onFunction && len(joined[i].Resources) > fewResources {
			joined[i].Resources = []string{"*"}
		}
	}
	return joined
}

func sameConditions(a, b []policy.Condition) bool {
	return slices.EqualFunc(a, b, func(x, y policy.Condition) bool {
		return x.Operator == y.Operator && x.Key == y.Key && slices.Equal(x.Values, y.Values)
	})
}

package repair

import (
	"slices"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// world is the account as it stands with the plan's changes so far: what roles and function policies would be.
type world struct {
	roles     map[rotation.ARN]rotation.Role
	functions map[rotation.ARN]rotation.Policy
}

func newWorld() *world {
	return &world{map[rotation.ARN]rotation.Role{}, map[rotation.ARN]rotation.Policy{}}
}

// add takes in what a setup says of its role and function.
func (w *world) add(s *rotation.Setup) {
	if _, ok := w.roles[s.Role.ARN]; !ok {
		w.roles[s.Role.ARN] = s.Role
	}
	if _, ok := w.functions[s.Function.ARN]; !ok {
		w.functions[s.Function.ARN] = s.Function.Policy
	}
}

// withInline is the role with one inline policy put in place, or taken away when text is empty.
func withInline(role rotation.Role, name, text string) rotation.Role {
	role.Identity = slices.DeleteFunc(slices.Clone(role.Identity), func(p rotation.Policy) bool {
		return p.Source == rotation.PolicyInline && p.Name == name
	})
	if text != "" {
		role.Identity = append(role.Identity, rotation.NewPolicy(rotation.PolicyInline, name, text))
	}
	return role
}

// inline is one inline policy of a role, nil when there is none.
func inline(role *rotation.Role, name string) *rotation.Policy {
	for i := range role.Identity {
		if p := &role.Identity[i]; p.Source == rotation.PolicyInline && p.Name == name {
			return p
		}
	}
	return nil
}

// known says whether a policy document was read and understood; that there is none is known too.
func known(p *rotation.Policy) bool {
	return p.Presence == rotation.Absent || p.Presence == rotation.Present && p.Document != nil
}

// roleKnown says whether everything that a role may do was read and understood.
func roleKnown(r *rotation.Role) bool {
	if r.Presence != rotation.Present || r.Boundary != nil && !known(r.Boundary) || len(r.Gaps) > 0 {
		return false
	}
	for i := range r.Identity {
		if !known(&r.Identity[i]) {
			return false
		}
	}
	return true
}

// decider answers a setup's requirements with another role or function policy in place of its own; nil keeps its own.
func decider(s *rotation.Setup, role *rotation.Role, function *rotation.Policy) *rotation.Decider {
	changed := *s
	if role != nil {
		changed.Role = *role
	}
	if function != nil {
		changed.Function.Policy = *function
	}
	return rotation.NewDecider(&changed)
}

// master is the resolved master that a requirement speaks of, nil when it is not this unit's.
func master(s *rotation.Setup, r *rotation.Requirement) *rotation.Secret {
	if secret := secretOf(s, r.Secret); secret != nil && secret.Declaration.Master != "" {
		if m := s.Master(secret); m.ARN != "" {
			return m
		}
	}
	return nil
}

func secretOf(s *rotation.Setup, arn rotation.ARN) *rotation.Secret {
	for i := range s.Secrets {
		if s.Secrets[i].ARN == arn {
			return &s.Secrets[i]
		}
	}
	return nil
}

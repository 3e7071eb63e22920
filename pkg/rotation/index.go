package rotation

import "slices"

// Index is what earlier runs know of an account: enough to find the rotation functions that a change concerns without listing anything.
type Index struct {
	Secrets   map[ARN]ARN  `json:"secrets"`   // secret → the function that it names, as stored
	Functions map[ARN]Uses `json:"functions"` // function, as secrets name it → what it rests on
}

// Uses is what a rotation function rests on.
type Uses struct {
	Role     ARN   `json:"role"`
	Policies []ARN `json:"policies,omitempty"` // managed policies of the role, its boundary too
	Masters  []ARN `json:"masters,omitempty"`
	Keys     []ARN `json:"keys,omitempty"` // by their own ARN, aliases resolved
	// Many says that Masters and Keys are not known: any may be the function's.
	Many bool `json:"many,omitempty"`
}

// UsesOf is what a setup's function was read to rest on.
func UsesOf(s *Setup) Uses {
	u := Uses{Role: s.Function.Role}
	for i := range s.Role.Identity {
		if p := &s.Role.Identity[i]; p.ARN != "" {
			u.Policies = append(u.Policies, p.ARN)
		}
	}
	if b := s.Role.Boundary; b != nil && b.ARN != "" {
		u.Policies = append(u.Policies, b.ARN)
	}
	for declared, master := range s.Masters {
		if master.ARN != "" {
			u.Masters = append(u.Masters, master.ARN)
		} else {
			u.Masters = append(u.Masters, declared)
		}
	}
	for _, key := range s.Keys {
		if key.ARN != "" {
			u.Keys = append(u.Keys, key.ARN)
		}
	}
	u.Policies, u.Masters, u.Keys = distinct(u.Policies), distinct(u.Masters), distinct(u.Keys)
	return u
}

// distinct sorts ARNs and leaves out those that are there twice.
func distinct(arns []ARN) []ARN {
	slices.Sort(arns)
	return slices.Compact(arns)
}

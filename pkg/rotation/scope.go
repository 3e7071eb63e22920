package rotation

import "iter"

// Scope picks rotation functions. The zero Scope is the whole account. A selection picks functions, never secrets: every
// secret that names a picked function is read and judged with it.
type Scope struct {
	Secrets   []string          `json:"secrets,omitempty"` // ARNs, names or partial ARNs
	Tags      map[string]string `json:"tags,omitempty"`    // all must be on the secret; an empty value matches any
	Functions []ARN             `json:"functions,omitempty"`
	// After leaves out the groups whose Key is not behind it: a run that was cut goes on where it stopped.
	After string `json:"after,omitempty"`
	// Seen are secrets that earlier parts of the run have read: nothing is read ahead for them. Roles are those of the functions that they have read.
	Seen  map[ARN]bool `json:"-"`
	Roles map[ARN]ARN  `json:"-"`
	// OnListed, which may be nil, takes each secret as it was listed. Listed gives what OnListed took in an earlier part of the run: nothing is listed again.
	OnListed func(*Secret) error      `json:"-"`
	Listed   iter.Seq2[Secret, error] `json:"-"`
	// OnAhead, which may be nil, takes at the end what was read ahead for groups that were not given. Ahead gives what OnAhead took in an earlier part of
	// the run: it is not read again.
	OnAhead func(*Ahead) error      `json:"-"`
	Ahead   iter.Seq2[Ahead, error] `json:"-"`
	// InOrder gives the groups in the order of their keys, so that a run that is cut can go on behind one. Without it, what needs nothing more to be
	// read comes first.
	InOrder bool `json:"-"`
	// Known lists nothing: only the secrets and functions that are picked are read, as far as it and they themselves say what belongs to
	// them. Functions and secrets then widen each other, and whatever is read is less than the whole account.
	Known *Index `json:"-"`
}

// Ahead is one thing that was read before its group's turn: the roles of functions; a function's configuration, and its policy where that was read too; or
// a secret's policy.
type Ahead struct {
	Roles    map[ARN]ARN `json:"roles,omitempty"`
	Function *Function   `json:"function,omitempty"`
	Settled  bool        `json:"settled,omitempty"` // the function was changed long ago
	Tagged   bool        `json:"tagged,omitempty"`  // the function's tags were read, even if there are none
	Secret   ARN         `json:"secret,omitempty"`
	Policy   *Policy     `json:"policy,omitempty"`
}

// All says whether the scope is the whole account.
func (s Scope) All() bool {
	return len(s.Secrets) == 0 && len(s.Tags) == 0 && len(s.Functions) == 0 && s.Known == nil
}

// Key is a group's place in the order in which an account's groups are given: by the first function, then external roles, then the secrets
// that nothing rotates by their last.
func (g *Group) Key() string {
	if len(g.Setups) == 0 {
		return ""
	}
	first := &g.Setups[0]
	switch {
	case first.Function.ARN != "":
		return "function " + string(first.Function.ARN)
	case first.Role.ARN != "":
		return "role " + string(first.Role.ARN)
	case len(first.Secrets) > 0:
		return KeyOfRest(first.Secrets[len(first.Secrets)-1].ARN)
	}
	return KeyOfRest("")
}

// KeyOfRest is the key of a group whose last secret, which nothing rotates, is this one.
func KeyOfRest(last ARN) string { return "~" + string(last) }

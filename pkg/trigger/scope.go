package trigger

import (
	"maps"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Scope is the rotation functions, and secrets that may have come to rotate, which events concern, as earlier runs know them. It lists nothing.
// Events of our own roles concern nothing. ok is false when nothing is concerned.
func Scope(events []Event, known *rotation.Index, own ...rotation.ARN) (scope rotation.Scope, ok bool) {
	c := concerned{known: known, functions: map[rotation.ARN]bool{}, secrets: map[string]bool{}}
	for i := range events {
		if e := &events[i]; !e.idle && !e.ownWrite(own) {
			c.add(e)
		}
	}
	scope = rotation.Scope{Known: known, Functions: slices.Sorted(maps.Keys(c.functions)), Secrets: slices.Sorted(maps.Keys(c.secrets))}
	return scope, len(scope.Functions)+len(scope.Secrets) > 0
}

// ownWrite says whether one of our own roles made the call. A role is told by account and name: what a session's ARN holds of it.
func (e *Event) ownWrite(own []rotation.ARN) bool {
	for _, role := range own {
		if name := identity(role); name != "" && (identity(e.Issuer) == name || identity(e.Caller) == name) {
			return true
		}
	}
	return false
}

// identity is account and name of a role, or of the role of a session.
func identity(arn rotation.ARN) string {
	p := arn.Parts()
	kind, rest, _ := strings.Cut(p.Resource, "/")
	switch {
	case p.Service == "iam" && kind == "role":
		return p.Account + " " + arn.RoleName()
	case p.Service == "sts" && kind == "assumed-role":
		name, _, _ := strings.Cut(rest, "/")
		return p.Account + " " + name
	}
	return ""
}

// concerned gathers what events concern.
type concerned struct {
	known     *rotation.Index
	functions map[rotation.ARN]bool
	secrets   map[string]bool
	names     map[string][]rotation.ARN // secrets by name, made when a call names one so
}

func (c *concerned) add(e *Event) {
	for _, r := range e.moved.functions {
		for f := range c.known.Functions {
			if e.isFunction(r, f) {
				c.functions[f] = true
			}
		}
	}
	for f, uses := range c.known.Functions {
		role := uses.Role.Parts()
		for _, name := range e.moved.roles {
			if role.Account == e.Account && uses.Role.RoleName() == rotation.ARN("arn:x:iam::0:role/"+name).RoleName() {
				c.functions[f] = true
			}
		}
		for _, p := range e.moved.policies {
			if slices.Contains(uses.Policies, p) {
				c.functions[f] = true
			}
		}
		for _, key := range e.moved.keys {
			if uses.Many || slices.ContainsFunc(uses.Keys, func(k rotation.ARN) bool { return e.isKey(key, k) }) {
				c.functions[f] = true
			}
		}
	}
	for _, s := range e.moved.secrets {
		c.addSecret(e, s)
	}
}

// addSecret adds the function that rotates a secret, those that read it as their master and, where it may be new, the secret itself.
func (c *concerned) addSecret(e *Event, named string) {
	secrets := c.secretsOf(e, named)
	for _, s := range secrets {
		if f := c.known.Secrets[s]; f != "" {
			c.functions[f] = true
		}
		// What it names now may be another function than was known.
		if c.known.Secrets[s] != "" || e.moved.fresh {
			c.secrets[string(s)] = true
		}
	}
	for f, uses := range c.known.Functions {
		if uses.Many && len(secrets) > 0 || slices.ContainsFunc(uses.Masters, func(m rotation.ARN) bool {
			return slices.Contains(secrets, m) || e.isSecret(named, m)
		}) {
			c.functions[f] = true
		}
	}
	if len(secrets) == 0 && e.moved.fresh {
		c.secrets[named] = true
	}
}

// secretsOf are the known secrets that a call means.
func (c *concerned) secretsOf(e *Event, named string) []rotation.ARN {
	if _, ok := c.known.Secrets[rotation.ARN(named)]; ok {
		return []rotation.ARN{rotation.ARN(named)}
	}
	if c.names == nil {
		c.names = map[string][]rotation.ARN{}
		for s := range c.known.Secrets {
			if name, _, ok := s.SecretName(); ok {
				c.names[name] = append(c.names[name], s)
			}
		}
	}
	name := named
	if i := strings.Index(named, ":secret:"); i >= 0 && strings.HasPrefix(named, "arn:") {
		name = named[i+len(":secret:"):]
	}
	var found []rotation.ARN
	for _, s := range c.names[name] {
		if e.isSecret(named, s) {
			found = append(found, s)
		}
	}
	return found
}

// isSecret says whether a call that names a secret by name, ARN or partial ARN means this one.
func (e *Event) isSecret(named string, secret rotation.ARN) bool {
	if named == string(secret) {
		return true
	}
	name, suffix, ok := secret.SecretName()
	if !ok {
		return false
	}
	p := secret.Parts()
	return named == name && p.Account == e.Account && p.Region == e.Region || named+"-"+suffix == string(secret)
}

// isFunction says whether a call on r bears on the function as secrets name it.
func (e *Event) isFunction(r reference, function rotation.ARN) bool {
	base, qualifier := function.SplitFunction()
	p := base.Parts()
	name := strings.TrimPrefix(p.Resource, "function:")
	switch r.name {
	case string(base):
	case name, p.Account + ":function:" + name:
		if p.Account != e.Account || p.Region != e.Region {
			return false
		}
	default:
		return false
	}
	return r.reach == whole || unpublished(r.qualifier) == unpublished(qualifier)
}

// unpublished is a qualifier with $LATEST, which names the function itself, as none.
func unpublished(qualifier string) string {
	if qualifier == "$LATEST" {
		return ""
	}
	return qualifier
}

// isKey says whether a call that names a key by id or ARN means this one.
func (e *Event) isKey(named string, key rotation.ARN) bool {
	if named == string(key) {
		return true
	}
	p := key.Parts()
	return "key/"+named == p.Resource && p.Account == e.Account && p.Region == e.Region
}

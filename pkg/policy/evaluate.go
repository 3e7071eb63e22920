package policy

import (
	"maps"
	"slices"
)

// Evaluate decides one request exactly as IAM does. For many requests of one set, Compile it once.
func Evaluate(set *Set, r *Request) Decision {
	return Compile(*set).Evaluate(r)
}

// tally is what the statements of a set say to one request.
type tally struct {
	deny                                            truth
	identity, boundary                              truth // Allow in the identity documents, in the boundary
	resourceDirect, resourceRole, resourceDelegates truth // Allow in the resource documents, by how the caller is named
}

// Evaluate decides r.
func (c *Compiled) Evaluate(r *Request) Decision {
	var room [64]truth
	answers := room[:]
	if len(c.statements) > len(room) {
		answers = make([]truth, len(c.statements))
	}
	var reachRoom [64]reach
	reaches := reachRoom[:]
	if len(c.statements) > len(reachRoom) {
		reaches = make([]reach, len(c.statements))
	}
	var t tally
	for i := range c.statements {
		answers[i], reaches[i] = c.count(&t, c.statements[i], r)
	}
	if t.deny == yes {
		return Decision{Outcome: ExplicitlyDenied, By: c.refs(func(i int) bool { return c.statements[i].deny && answers[i] == yes })}
	}
	allow := c.combine(&t, t.boundary)
	switch {
	case allow == no:
		return Decision{Outcome: ImplicitlyDenied, ByBoundary: c.bounded && c.combine(&t, yes) == yes}
	case allow == yes && t.deny == no:
		return Decision{Outcome: Allowed, By: c.refs(func(i int) bool {
			return !c.statements[i].deny && answers[i] == yes && c.grants(&t, c.statements[i], reaches[i])
		})}
	}
	undecided := func(i int) bool {
		s := c.statements[i]
		return answers[i] == maybe && (s.deny || allow == maybe)
	}
	if outcome, decided := c.settleOpen(answers[:len(c.statements)], reaches[:len(c.statements)], r); decided {
		return Decision{Outcome: outcome, By: c.refs(func(i int) bool {
			return outcome != ImplicitlyDenied && c.statements[i].side != boundarySide && c.statements[i].deny == (outcome == ExplicitlyDenied) && answers[i] != no
		})}
	}
	return Decision{Outcome: Undecided, By: c.refs(undecided), Keys: c.unknownKeys(r, undecided)}
}

// Allows says whether r is allowed for certain, as Evaluate would. It allocates nothing unless an unknown key stands in the
// way.
func (c *Compiled) Allows(r *Request) bool {
	var t tally
	for i := range c.statements {
		c.count(&t, c.statements[i], r)
		if t.deny == yes {
			return false
		}
	}
	switch allow := c.combine(&t, t.boundary); {
	case allow == no:
		return false
	case allow == yes && t.deny == no:
		return true
	}
	return c.Evaluate(r).Outcome == Allowed
}

// count tests one statement and adds its answer to the tally.
func (c *Compiled) count(t *tally, s *statement, r *Request) (truth, reach) {
	if c.relation == ResourceOnly && s.side != resourceSide {
		return no, reachNone
	}
	answer, named := s.test(r, c.bounded && c.relation != ResourceOnly)
	if answer != no {
		into := c.field(t, s, named)
		*into = max(*into, answer)
	}
	return answer, named
}

// field is where a statement's answer counts.
func (c *Compiled) field(t *tally, s *statement, named reach) *truth {
	switch {
	case s.deny:
		return &t.deny
	case s.side == identitySide:
		return &t.identity
	case s.side == boundarySide:
		return &t.boundary
	case named == reachDirect:
		return &t.resourceDirect
	case named == reachRole:
		return &t.resourceRole
	default:
		return &t.resourceDelegates
	}
}

// combine says whether the Allow statements together allow, when the boundary answers boundary.
//
// The boundary limits what the identity documents grant and what a resource document grants to the role's ARN. It does not
// limit what a resource document grants to the session, to the user, or to everybody.
// Source: IAM User Guide, "Policy evaluation logic", resource-based policies and implicit denies in other policy types;
// "Principal", section "IAM role principals".
func (c *Compiled) combine(t *tally, boundary truth) truth {
	if !c.bounded {
		boundary = yes
	}
	identity := min(t.identity, boundary)
	resource := max(t.resourceDirect, min(t.resourceRole, boundary))
	switch c.relation {
	case CrossAccount:
		return min(identity, max(t.resourceDirect, t.resourceRole, t.resourceDelegates))
	case Delegated:
		return max(resource, min(identity, t.resourceDelegates))
	case ResourceOnly:
		return max(t.resourceDirect, t.resourceRole, t.resourceDelegates)
	default:
		return max(identity, resource)
	}
}

// grants says whether an Allow statement that matches is on a path that allows the request.
func (c *Compiled) grants(t *tally, s *statement, named reach) bool {
	inside := !c.bounded || t.boundary == yes
	switch {
	case s.side == boundarySide:
		return false
	case c.relation == ResourceOnly || c.relation == CrossAccount:
		return true
	case s.side == identitySide:
		return inside && (c.relation == SameAccount || t.resourceDelegates == yes)
	case named == reachDirect:
		return true
	case named == reachRole:
		return inside
	default:
		return c.relation == Delegated && inside && t.identity == yes
	}
}

// refs names the statements that chosen picks.
func (c *Compiled) refs(chosen func(i int) bool) []StatementRef {
	var refs []StatementRef
	for i := range c.statements {
		if !chosen(i) {
			continue
		}
		if refs == nil {
			refs = c.statements[i].ref
			continue
		}
		refs = append(refs[:len(refs):len(refs)], c.statements[i].ref[0])
	}
	return refs
}

// unknownKeys names the keys that left the chosen statements undecided, sorted.
func (c *Compiled) unknownKeys(r *Request, chosen func(i int) bool) []string {
	keys := map[string]bool{}
	for i := range c.statements {
		if !chosen(i) {
			continue
		}
		s := c.statements[i]
		for j := range s.conditions {
			if s.conditions[j].test(r) == maybe {
				s.conditions[j].unknownKeys(r, keys)
			}
		}
		if s.testResource(r) == maybe {
			for j := range s.resources {
				s.resources[j].unknownKeys(r, keys)
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// test says whether the statement applies to r and how its principals name the caller. bounded is whether the caller has a
// permissions boundary.
func (s *statement) test(r *Request, bounded bool) (truth, reach) {
	if s.unsatisfiable || !s.testAction(r) {
		return no, reachNone
	}
	named := s.testPrincipal(r, bounded)
	if named == reachNone {
		return no, reachNone
	}
	answer := s.testResource(r)
	if answer == no {
		return no, named
	}
	for i := range s.conditions {
		if answer = min(answer, s.conditions[i].test(r)); answer == no {
			return no, named
		}
	}
	return answer, named
}

func (s *statement) testAction(r *Request) bool {
	for i := range s.actions {
		if s.actions[i].matchSettled(r.Action) {
			return !s.notAction
		}
	}
	return s.notAction
}

// testResource: a statement without the element speaks of the one resource that its document is attached to. An entry with a
// variable that has no value matches no resource, in NotResource too.
// Source: IAM User Guide, "Policy variables with no value".
func (s *statement) testResource(r *Request) truth {
	if !s.hasResource {
		return yes
	}
	answer := no
	for i := range s.resources {
		if answer = max(answer, s.resources[i].match(r.Resource, r)); answer == yes {
			break
		}
	}
	if s.notResource {
		return answer.not()
	}
	return answer
}

// testPrincipal: a statement of a resource document without the element names nobody; in an identity document the principal
// is who it is attached to. A Deny with NotPrincipal hits every principal that has a permissions boundary, whoever
// the element names.
// Source: IAM User Guide, "NotPrincipal", note on permissions boundaries.
func (s *statement) testPrincipal(r *Request, bounded bool) reach {
	if !s.hasPrincipal {
		if s.side == resourceSide {
			return reachNone
		}
		return reachDirect
	}
	named := reachNone
	for i := range s.principals {
		named = max(named, s.principals[i].names(&r.Caller))
	}
	if !s.notPrincipal {
		return named
	}
	if named == reachNone || s.deny && bounded {
		return reachDirect
	}
	return reachNone
}

package policy

import (
	"slices"
	"strings"
)

// Element is the element of a statement that a request fails.
type Element string

// The elements that decide whether a statement applies.
const (
	ElementAction       Element = "Action"
	ElementNotAction    Element = "NotAction"
	ElementResource     Element = "Resource"
	ElementNotResource  Element = "NotResource"
	ElementPrincipal    Element = "Principal"
	ElementNotPrincipal Element = "NotPrincipal"
	ElementCondition    Element = "Condition"
)

// Failure is one test of a statement that a request fails: what the statement wants and what the request has. Key and
// Operator are those of a condition. Absent is true when the request lacks the key, Unknown when nobody can know it.
type Failure struct {
	Element  Element
	Key      string
	Operator string
	Want     []string
	Have     []string
	Absent   bool
	Unknown  bool
}

// Near is an Allow statement and every test in it that the request fails.
type Near struct {
	Ref   StatementRef
	Fails []Failure
}

// How far each failing test is from a grant. A statement that does not even speak of the action's service is not near.
const (
	farAction    = 1000
	farPrincipal = 100
	farResource  = 10
	farCondition = 1
	tooFar       = 100_000
)

// Nearest finds the Allow statement that almost grants r: where the boundary stands in the way it is one of the boundary,
// else one of the identity and resource documents. It fails as few tests as possible, the action weighing most, then the principal,
// the resource and the conditions; of equals the first in the set counts. ok is false when no Allow statement speaks of
// the action's service.
func Nearest(set *Set, r *Request) (near Near, ok bool) {
	compiled := Compile(*set)
	blocked := compiled.Evaluate(r).ByBoundary
	best := tooFar
	index := 0
	each := func(document *Document, from side) {
		for i := range document.Statements {
			s := compiled.statements[index]
			index++
			if s.deny || blocked != (from == boundarySide) {
				continue
			}
			fails, distance := compiled.failures(s, &document.Statements[i], r)
			if len(fails) > 0 && distance < best {
				best, near, ok = distance, Near{Ref: s.ref[0], Fails: fails}, true
			}
		}
	}
	for _, document := range set.Identity {
		each(document, identitySide)
	}
	if set.Boundary != nil {
		each(set.Boundary, boundarySide)
	}
	for _, document := range set.Resource {
		each(document, resourceSide)
	}
	return near, ok
}

// failures lists the tests of s that r fails, and how far they are from a grant.
func (c *Compiled) failures(s *statement, written *Statement, r *Request) (fails []Failure, distance int) {
	if !s.testAction(r) {
		fails = append(fails, Failure{Element: pick(s.notAction, ElementNotAction, ElementAction),
			Want: pick(s.notAction, written.NotActions, written.Actions), Have: []string{r.Action}})
		distance += farAction
		if !s.notAction && !speaksOf(written.Actions, r.Action) {
			return fails, tooFar
		}
	}
	if named := s.testPrincipal(r, c.bounded); named == reachNone || named == reachAccount && c.relation == SameAccount {
		fails = append(fails, Failure{Element: pick(s.notPrincipal, ElementNotPrincipal, ElementPrincipal),
			Want: principalIDs(pick(s.notPrincipal, written.NotPrincipals, written.Principals)), Have: callerNames(&r.Caller)})
		distance += farPrincipal
	}
	if answer := s.testResource(r); answer != yes {
		fails = append(fails, Failure{Element: pick(s.notResource, ElementNotResource, ElementResource),
			Want: pick(s.notResource, written.NotResources, written.Resources), Have: []string{r.Resource}, Unknown: answer == maybe})
		distance += farResource
	}
	for i := range written.Conditions {
		test, message := newCondition(written.Conditions[i], s.expands)
		answer := no
		if message == "" {
			answer = test.test(r)
		}
		if answer == yes {
			continue
		}
		values, presence := r.lookup(test.key, test.lower)
		fails = append(fails, Failure{Element: ElementCondition, Key: written.Conditions[i].Key, Operator: written.Conditions[i].Operator,
			Want: written.Conditions[i].Values, Have: values, Absent: presence == no, Unknown: answer == maybe})
		distance += farCondition
	}
	return fails, distance
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// speaksOf says whether one of the actions is of the service of action.
func speaksOf(actions []string, action string) bool {
	service, _, _ := strings.Cut(action, ":")
	return slices.ContainsFunc(actions, func(a string) bool {
		other, _, _ := strings.Cut(a, ":")
		return other == "*" || equalFold(other, service)
	})
}

func principalIDs(principals []Principal) []string {
	ids := make([]string, len(principals))
	for i, p := range principals {
		ids[i] = p.ID
	}
	return ids
}

// callerNames are the names under which a statement could name the caller.
func callerNames(c *Caller) []string {
	var names []string
	for _, name := range [...]string{c.ARN, c.Session, c.Service} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

package main

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// sentence says of a witness who allows it, who does not, and why.
func (c *comparison) sentence(w *policy.Witness) string {
	allows, refuses := "expected", "actual"
	granting, refusing := &c.expected, &c.actual
	granted, refused := w.Expected, w.Actual
	if w.Direction == policy.Excess {
		allows, refuses = refuses, allows
		granting, refusing = refusing, granting
		granted, refused = refused, granted
	}
	text := fmt.Sprintf("allowed by %s, not by %s: %s because ", allows, refuses, requestText(&w.Request))
	switch {
	case refused.Outcome == policy.ExplicitlyDenied:
		return text + refsText(refused.By) + verb(len(refused.By), " denies it", " deny it")
	case refused.ByBoundary:
		return text + "the permissions boundary does not allow it"
	case w.Direction == policy.Missing || len(granted.By) == 0:
		if _, ok := policy.Nearest(refusing, &w.Request); ok {
			return text + "no statement of " + refuses + " allows it"
		}
		service, _, _ := strings.Cut(w.Request.Action, ":")
		return text + "no statement of " + refuses + " allows anything of " + short(service)
	}
	ref := granted.By[0]
	s := statementOf(granting, ref)
	if s == nil {
		return text + refText(ref) + " allows it"
	}
	text += refText(ref) + " " + grantText(granting, refusing, s, &w.Request)
	if more := len(granted.By) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more %s it)", more, verb(more, "statement allows", "statements allow"))
	}
	return text
}

// statementOf is the statement that ref names.
func statementOf(set *policy.Set, ref policy.StatementRef) *policy.Statement {
	for _, documents := range [][]*policy.Document{set.Identity, set.Resource} {
		for _, d := range documents {
			if d.Name == ref.Document && ref.Index < len(d.Statements) {
				return &d.Statements[ref.Index]
			}
		}
	}
	return nil
}

// grantText says by what a statement allows a request that the other side does not: by the first test that the nearest statement there makes
// and this one does not, or makes otherwise.
func grantText(granting, refusing *policy.Set, s *policy.Statement, r *policy.Request) string {
	near, ok := policy.Nearest(refusing, r)
	if !ok || len(near.Fails) == 0 {
		return actionText(s, r)
	}
	switch fail := near.Fails[0]; fail.Element {
	case policy.ElementAction, policy.ElementNotAction:
		return actionText(s, r)
	case policy.ElementPrincipal, policy.ElementNotPrincipal:
		if len(s.NotPrincipals) > 0 {
			return "allows all but its NotPrincipal"
		}
		return "has the Principal " + principalText(granting, s, r)
	case policy.ElementResource, policy.ElementNotResource:
		switch {
		case len(s.NotResources) > 0:
			return "allows all but its NotResource " + quoted(s.NotResources)
		case len(s.Resources) == 0:
			return "has no Resource"
		}
		return "has the Resource " + quoted(matching(s.Resources, func(entry string) bool {
			return allows(policy.Statement{Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{entry}}, r)
		}))
	case policy.ElementCondition:
		return conditionText(s, fail.Key)
	}
	return "allows it"
}

func actionText(s *policy.Statement, r *policy.Request) string {
	if len(s.NotActions) > 0 {
		return "allows all but its NotAction " + quoted(s.NotActions)
	}
	return "has the Action " + quoted(matching(s.Actions, func(entry string) bool {
		return allows(policy.Statement{Effect: policy.Allow, Actions: []string{entry}, Resources: []string{"*"}}, r)
	}))
}

func principalText(granting *policy.Set, s *policy.Statement, r *policy.Request) string {
	var names []string
	for _, p := range s.Principals {
		one := policy.Statement{Effect: policy.Allow, Principals: []policy.Principal{p}, Actions: []string{"*"}}
		d := &policy.Document{Version: policy.Version2012, Statements: []policy.Statement{one}}
		if policy.Evaluate(&policy.Set{Relation: granting.Relation, Resource: []*policy.Document{d}}, r).Outcome == policy.Allowed {
			names = append(names, p.ID)
		}
	}
	return quoted(names)
}

func conditionText(s *policy.Statement, key string) string {
	if len(s.Conditions) == 0 {
		return "has no condition"
	}
	for _, c := range s.Conditions {
		if strings.EqualFold(c.Key, key) {
			return fmt.Sprintf("has the condition %s %s %s", c.Operator, short(c.Key), quoted(c.Values))
		}
	}
	return "has no condition on " + short(key)
}

// matching are the entries of a list that match, or all of them should none do so alone.
func matching(entries []string, matches func(string) bool) []string {
	var out []string
	for _, entry := range entries {
		if matches(entry) {
			out = append(out, entry)
		}
	}
	if len(out) == 0 {
		return entries
	}
	return out
}

// allows says whether a statement of an identity policy allows the request.
func allows(s policy.Statement, r *policy.Request) bool {
	d := &policy.Document{Version: policy.Version2012, Statements: []policy.Statement{s}}
	return policy.Evaluate(&policy.Set{Identity: []*policy.Document{d}}, r).Outcome == policy.Allowed
}

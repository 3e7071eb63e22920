package policy

import (
	"slices"
	"strings"
)

// relation is what one atom says about another of the same dimension.
type relation int8

const (
	relationNone relation = iota
	relationImplies
	relationExcludes
)

// relate says whether a request that meets p meets a as well, or cannot.
func (c *comparer) relate(p, a int32) relation {
	if p == a {
		return relationImplies
	}
	x, y := &c.words.atoms[p], &c.words.atoms[a]
	if x.dimension != y.dimension {
		return relationNone
	}
	key := [2]int32{p, a}
	if r, ok := c.related[key]; ok {
		return r
	}
	if c.related == nil {
		c.related = map[[2]int32]relation{}
	}
	r := relationNone
	several := c.words.dimensions[x.dimension].several
	s, t := &c.words.tests[x.test], &c.words.tests[y.test]
	if !several || x.quantifier == y.quantifier && x.quantifier != single {
		if c.testCovers(t, s) && (!x.absent || y.absent) {
			r = relationImplies
		}
	}
	if r == relationNone && !several && (!x.absent || !y.absent) && c.testExcludes(t, s) {
		r = relationExcludes
	}
	c.related[key] = r
	return r
}

// testCovers says that every value that passes s passes t.
func (c *comparer) testCovers(t, s *valueTest) bool {
	switch {
	case t.constant == yes || s.constant == no:
		return true
	case t.constant == no || s.constant == yes:
		return false
	case t.element != nil && s.element != nil:
		return t.element.covers(s.element, &c.budget)
	}
	return false
}

// testExcludes says that no value that passes s passes t.
func (c *comparer) testExcludes(t, s *valueTest) bool {
	switch {
	case t.constant == no || s.constant == no:
		return true
	case t.constant == yes || s.constant == yes:
		return false
	case t.element != nil && s.element != nil:
		return t.element.excludes(s.element, &c.budget)
	}
	return false
}

// alone answers for requirements that each have a dimension to themselves: every one can be met, and how may wait.
func (c *comparer) alone(require []int32) ([]assigned, bool) {
	out := c.assigned.take(len(require))[:0]
	for _, a := range require {
		x := &c.words.atoms[a]
		t := &c.words.tests[x.test]
		if t.element == nil && t.constant == maybe || t.element != nil && t.element.opaque() {
			return nil, false
		}
		if x.dimension == resourceDimension && c.facts != nil && len(c.facts.resources) > 0 {
			return nil, false // which it is matters: it may be one that is at hand
		}
		if slices.ContainsFunc(out, func(have assigned) bool { return have.dimension == x.dimension }) {
			return nil, false
		}
		if !x.absent && (c.keys.dimensions[x.dimension].family == familyARN || x.dimension == resourceDimension) && t.element != nil && !t.element.reachesARN() {
			return nil, false
		}
		if x.absent {
			out = append(out, assigned{dimension: x.dimension, absent: true})
		} else {
			out = append(out, assigned{dimension: x.dimension, test: x.test, later: true})
		}
	}
	return out, true
}

// reachesARN says that an ARN or "*" is among what the element holds for, as far as a look at it tells.
func (e *element) reachesARN() bool {
	return e.negated || anyLanguage(e.languages, func(l *language) bool {
		return !l.folded && strings.HasPrefix(l.prefix, "arn:") && (l.open || l.colons() >= arnColons) || l.single && l.text == "*"
	})
}

// pin takes out the atoms of fixed dimensions; it writes to the lists, though not to a clause. possible is false when an atom
// that is required does not hold.
func (c *comparer) pin(require []int32, clauses [][]int32, pins []pin) (rest []int32, open [][]int32, possible bool) {
	rest = require[:0]
	for _, a := range require {
		switch c.pinned(a, pins) {
		case no:
			return nil, nil, false
		case maybe:
			rest = append(rest, a)
		case yes:
		}
	}
	open = clauses[:0]
	for _, clause := range clauses {
		left, met, whole := []int32(nil), false, true
		for i, a := range clause {
			answer := c.pinned(a, pins)
			if answer == no {
				met = true
				break
			}
			if answer == yes && whole {
				whole = false
				left = append(left, clause[:i]...)
			} else if answer == maybe && !whole {
				left = append(left, a)
			}
		}
		switch {
		case met:
		case whole:
			open = append(open, clause)
		case len(left) == 0:
			return nil, nil, false
		default:
			open = append(open, left)
		}
	}
	return rest, open, true
}

// reduce drops from a clause what the required atoms make true; met is true when they make one of its atoms false.
func (c *comparer) reduce(require, clause []int32) (rest []int32, met bool) {
	c.budget.spend(2 * len(require) * len(clause))
	kept := 0
	for i, a := range clause {
		drop := false
		for _, p := range require {
			switch c.relate(p, a) {
			case relationExcludes:
				return nil, true
			case relationImplies:
				drop = true
			default:
			}
		}
		if !drop {
			if kept < i && rest == nil {
				rest = slices.Clone(clause[:kept])
			}
			if rest != nil {
				rest = append(rest, a)
			}
			kept++
		} else if rest == nil {
			rest = slices.Clone(clause[:kept])
		}
	}
	if rest == nil && kept == len(clause) {
		return clause, false
	}
	return rest, false
}

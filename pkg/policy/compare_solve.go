package policy

import (
	"math/bits"
	"slices"
	"strings"
)

// outcome of a search.
type finding int8

const (
	foundNone    finding = iota // no request can be so
	found                       // the assignment is one
	foundVague                  // perhaps: a class without a known value is part of it
	foundUnknown                // the search could not be finished
)

// assigned is what a request carries in one dimension.
type assigned struct {
	dimension int32
	absent    bool
	values    []string
	later     bool // the values are still to be chosen: any that passes the test
	test      int32
}

// state is what is still possible for one dimension during a search.
type state struct {
	domain  *domain
	absent  bool       // the key may be absent
	present bool       // it may be present
	allowed []uint64   // every value that the key carries must be one of these
	needed  [][]uint64 // and it must carry one of each of these
	count   count
}

// count is how many values a key carries.
type count int8

const (
	countAny count = iota
	countOne
	countMany
)

func (s *state) feasible() bool {
	if s.absent {
		return true
	}
	if !s.present {
		return false
	}
	if s.count == countOne {
		for w, word := range s.allowed {
			for _, n := range s.needed {
				word &= n[w]
			}
			if word != 0 {
				return true
			}
		}
		return false
	}
	for _, n := range s.needed {
		meets := false
		for w, word := range s.allowed {
			if word&n[w] != 0 {
				meets = true
				break
			}
		}
		if !meets {
			return false
		}
	}
	values := 0
	for w, word := range s.allowed {
		for ; word != 0; word &= word - 1 {
			values++
			if i := w*64 + bits.TrailingZeros64(word); !s.domain.isAlone(i) {
				values++
			}
		}
	}
	return values > 1 || values == 1 && s.count != countMany
}

// choice is one way to make an atom true or false.
type choice struct {
	atom int32
	way  way
}

type way int8

const (
	wayTrue way = iota
	wayFalse
	wayFalseMany // false because an operator without set qualifier meets several values
)

// assume narrows a copy of s; the copy shares nothing that is written to.
func (c *comparer) assume(s state, ch choice) state {
	a := &c.words.atoms[ch.atom]
	mask := s.domain.mask(c.words, a.test)
	several := c.words.dimensions[a.dimension].several
	holds := ch.way == wayTrue
	s.absent = s.absent && a.absent == holds
	narrow := func(inside bool) {
		allowed := make([]uint64, len(s.allowed))
		for w := range allowed {
			if inside {
				allowed[w] = s.allowed[w] & mask[w]
			} else {
				allowed[w] = s.allowed[w] &^ mask[w]
			}
		}
		s.allowed = allowed
	}
	need := func(inside bool) {
		wanted := make([]uint64, len(mask))
		for w := range mask {
			if inside {
				wanted[w] = mask[w]
			} else {
				wanted[w] = s.domain.full[w] &^ mask[w]
			}
		}
		s.needed = append(s.needed[:len(s.needed):len(s.needed)], wanted)
	}
	switch {
	case !several:
		narrow(holds)
	case a.quantifier == forAnyValue && holds:
		need(true)
	case a.quantifier == forAnyValue:
		narrow(false)
	case a.quantifier == forAllValues && holds:
		narrow(true)
	case a.quantifier == forAllValues:
		need(false)
	case ch.way == wayFalseMany:
		s.absent = false
		if s.count == countOne {
			s.present = false
		}
		s.count = countMany
	default:
		if s.count == countMany {
			s.present = false
		}
		s.count = countOne
		narrow(holds)
	}
	return s
}

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

// solve looks for a request that meets every required atom and, of each clause, fails at least one atom. pins are the
// dimensions that are fixed already; the answer leaves them out. Both lists are written to.
func (c *comparer) solve(require []int32, clauses [][]int32, pins []pin) ([]assigned, finding) {
	if !c.budget.spend(4 + len(require) + len(clauses)) {
		return nil, foundUnknown
	}
	slices.Sort(require)
	require = slices.Compact(require)
	if pins != nil {
		var possible bool
		if require, clauses, possible = c.pin(require, clauses, pins); !possible {
			return nil, foundNone
		}
	}
	var open [][]int32
	for _, clause := range clauses {
		rest, met := c.reduce(require, clause)
		if met {
			continue
		}
		if len(rest) == 0 {
			return nil, foundNone
		}
		open = append(open, rest)
	}
	if len(open) == 0 {
		if request, ok := c.alone(require); ok {
			return request, found
		}
	}
	s := solver{comparer: c}
	s.prepare(require, open)
	for {
		answer := s.run(require, open)
		if answer == found {
			return s.result()
		}
		if answer == foundUnknown || c.budget.spent() {
			return nil, foundUnknown
		}
		more, complete := false, true
		for _, d := range s.domains {
			if !d.complete {
				more = c.finish(d) || more
			}
			complete = complete && d.complete
		}
		if !more {
			if complete {
				return nil, foundNone
			}
			return nil, foundUnknown
		}
	}
}

// alone answers for requirements that each have a dimension to themselves: every one can be met, and how may wait.
func (c *comparer) alone(require []int32) ([]assigned, bool) {
	out := make([]assigned, 0, len(require))
	for _, a := range require {
		x := &c.words.atoms[a]
		t := &c.words.tests[x.test]
		if t.element == nil && t.constant == maybe || t.element != nil && t.element.opaque() {
			return nil, false
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

// solver is one search.
type solver struct {
	*comparer
	domains []*domain
	places  []int32 // by dimension
	states  []state
	steps   int
}

// prepare finds the domains of the dimensions that the atoms ask about.
func (s *solver) prepare(require []int32, clauses [][]int32) {
	v := s.words
	var dims []int32
	add := func(a int32) {
		if d := v.atoms[a].dimension; !slices.Contains(dims, d) {
			dims = append(dims, d)
		}
	}
	for _, a := range require {
		add(a)
	}
	for _, clause := range clauses {
		for _, a := range clause {
			add(a)
		}
	}
	slices.Sort(dims)
	atoms := len(require)
	for _, clause := range clauses {
		atoms += len(clause)
	}
	s.budget.spend(atoms * (len(dims) + 4))
	s.places = make([]int32, len(v.dimensions))
	for i, d := range dims {
		s.places[d] = int32(i)
		var must, tell []int32
		for _, a := range require {
			x := &v.atoms[a]
			if x.dimension != d {
				continue
			}
			if !v.dimensions[d].several || x.quantifier == forAllValues {
				must = append(must, x.test)
			} else {
				tell = append(tell, x.test)
			}
		}
		for _, clause := range clauses {
			for _, a := range clause {
				if x := &v.atoms[a]; x.dimension == d {
					tell = append(tell, x.test)
				}
			}
		}
		s.domains = append(s.domains, s.domain(d, must, tell))
	}
}

// run searches with the values at hand.
func (s *solver) run(require []int32, clauses [][]int32) finding {
	s.states = make([]state, len(s.domains))
	for i, d := range s.domains {
		s.states[i] = state{domain: d, absent: d.dimension != resourceDimension, present: true, allowed: d.full}
	}
	for _, a := range require {
		i := s.place(a)
		next := s.assume(s.states[i], choice{a, wayTrue})
		if !next.feasible() {
			return foundNone
		}
		s.states[i] = next
	}
	for i := range s.states {
		if !s.states[i].feasible() {
			return foundNone
		}
	}
	s.steps = maxSearchSteps
	return s.search(clauses)
}

// place is where the state of an atom's dimension is.
func (s *solver) place(a int32) int { return int(s.places[s.words.atoms[a].dimension]) }

// maxSearchSteps bounds one search, so that one hard question leaves room for the others.
const maxSearchSteps = 15_000_000

// search settles the clauses one after the other: first what has a single way left, then the one with the fewest ways.
// Where a clause is met by failing its second atom, its first may be taken to hold: the other case has been looked at.
func (s *solver) search(clauses [][]int32) finding {
	best, fewest := -1, 0
	open := make([][]int32, 0, len(clauses))
	for _, clause := range clauses {
		n, met := s.ways(clause)
		if met {
			continue
		}
		if n == 0 {
			return foundNone
		}
		if best < 0 || n < fewest {
			best, fewest = len(open), n
		}
		open = append(open, clause)
		if s.steps < 0 || s.budget.spent() {
			return foundUnknown
		}
	}
	if best < 0 {
		return found
	}
	clause := open[best]
	open[best] = open[len(open)-1]
	open = open[:len(open)-1]
	before := slices.Clone(s.states)
	s.spend(4 + len(s.states)*8)
	for n, a := range clause {
		for _, w := range [...]way{wayFalse, wayFalseMany} {
			if w == wayFalseMany && !s.countable(a) {
				continue
			}
			copy(s.states, before)
			ok := true
			for _, earlier := range clause[:n] {
				ok = ok && s.take(choice{earlier, wayTrue})
			}
			if !ok || !s.take(choice{a, w}) {
				continue
			}
			if answer := s.search(open); answer != foundNone {
				return answer
			}
		}
	}
	copy(s.states, before)
	return foundNone
}

// spend takes steps from this search and from the comparison.
func (s *solver) spend(n int) {
	s.steps -= n
	s.budget.spend(n)
}

// take narrows the state of an atom's dimension and says whether anything is left.
func (s *solver) take(ch choice) bool {
	st := &s.states[s.place(ch.atom)]
	if !s.can(st, ch) {
		return false
	}
	s.spend(30 + 2*len(st.allowed))
	*st = s.assume(*st, ch)
	return st.feasible()
}

// countable says whether an atom can fail because a key carries several values.
func (s *solver) countable(a int32) bool {
	x := &s.words.atoms[a]
	return x.quantifier == single && s.words.dimensions[x.dimension].several
}

// can says whether a choice leaves anything of a state.
func (s *solver) can(st *state, ch choice) bool {
	x := &s.words.atoms[ch.atom]
	s.spend(3 + len(st.allowed)*(1+len(st.needed)))
	if s.words.dimensions[x.dimension].several {
		next := s.assume(*st, ch)
		s.spend(40)
		return next.feasible()
	}
	holds := ch.way == wayTrue
	if st.absent && x.absent == holds {
		return true
	}
	if !st.present {
		return false
	}
	mask := st.domain.mask(s.words, x.test)
	for w, word := range st.allowed {
		if holds && word&mask[w] != 0 || !holds && word&^mask[w] != 0 {
			return true
		}
	}
	return false
}

// ways counts how the clause can still be met; met is true when it is already.
func (s *solver) ways(clause []int32) (n int, met bool) {
	for _, a := range clause {
		st := &s.states[s.place(a)]
		if !s.can(st, choice{a, wayTrue}) {
			return 0, true
		}
		if s.can(st, choice{a, wayFalse}) {
			n++
		}
		if s.countable(a) && s.can(st, choice{a, wayFalseMany}) {
			n++
		}
	}
	return n, false
}

// result reads the values out of the states.
func (s *solver) result() ([]assigned, finding) {
	out := make([]assigned, 0, len(s.states))
	answer := found
	for i := range s.states {
		st := &s.states[i]
		if st.absent {
			out = append(out, assigned{dimension: st.domain.dimension, absent: true})
			continue
		}
		values, vague := st.pick()
		if vague {
			answer = foundVague
		}
		out = append(out, assigned{dimension: st.domain.dimension, values: values})
	}
	return out, answer
}

// pick chooses as few values as will do, those that come first.
func (s *state) pick() (values []string, vague bool) {
	chosen := make([]uint64, len(s.allowed))
	take := func(mask []uint64) bool {
		// A value that is known is better than one that is not.
		for pass := range 2 {
			for w, word := range mask {
				for ; word != 0; word &= word - 1 {
					i := w*64 + bits.TrailingZeros64(word)
					if s.domain.isVague(i) == (pass == 1) {
						setBit(chosen, i)
						return true
					}
				}
			}
		}
		return false
	}
	all := slices.Clone(s.allowed)
	for _, n := range s.needed {
		for w := range all {
			all[w] &= n[w]
		}
	}
	if !take(all) {
		for _, n := range s.needed {
			mask := slices.Clone(s.allowed)
			meets := false
			for w := range mask {
				mask[w] &= n[w]
				meets = meets || mask[w]&chosen[w] != 0
			}
			if !meets {
				take(mask)
			}
		}
	}
	first := -1
	for w, word := range chosen {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if first < 0 {
				first = i
			}
			values = append(values, s.domain.value(i))
			vague = vague || s.domain.isVague(i)
		}
	}
	if s.count == countMany && len(values) == 1 {
		mask := slices.Clone(s.allowed)
		for w := range mask {
			mask[w] &^= chosen[w]
		}
		clear(chosen)
		if take(mask) {
			for w, word := range chosen {
				if word != 0 {
					i := w*64 + bits.TrailingZeros64(word)
					values = append(values, s.domain.value(i))
				}
			}
		} else if second, ok := s.domain.another(first); ok {
			values = append(values, second)
		} else {
			vague = true
		}
	}
	return values, vague
}

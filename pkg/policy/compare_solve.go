package policy

import "slices"

// outcome of a search.
type finding int8

const (
	foundNone    finding = iota // no request can be so
	found                       // the assignment is one
	foundVague                  // perhaps: a class without a known value is part of it
	foundUnknown                // the search could not be finished
)

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
		again := false
		if answer == found {
			request, vague := s.result()
			if again = vague == foundVague && s.unguessed(); !again {
				return request, vague
			}
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
		if !more && !again {
			if complete {
				return nil, foundNone
			}
			return nil, foundUnknown
		}
	}
}

// unguessed says whether some domain has not been asked for all that it can guess.
func (s *solver) unguessed() bool {
	return slices.ContainsFunc(s.domains, func(d *domain) bool { return d.space != nil && !d.complete && !d.guessed && !d.opaque })
}

// solver is one search.
type solver struct {
	*comparer
	domains []*domain
	places  []int32 // by dimension
	states  []state
	steps   int

	rooms struct {
		domains [4]*domain
		states  [4]state
	}
}

// prepare finds the domains of the dimensions that the atoms ask about.
func (s *solver) prepare(require []int32, clauses [][]int32) {
	v := s.words
	var room [16]int32
	dims := room[:0]
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
	s.domains = s.rooms.domains[:0]
	if n := len(v.dimensions); cap(s.scratch.places) < n {
		s.scratch.places = make([]int32, n)
	}
	s.places = s.scratch.places[:len(v.dimensions)]
	for i, d := range dims {
		s.places[d] = int32(i)
		var rooms [2][16]int32
		must, tell := rooms[0][:0], rooms[1][:0]
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
	if n := len(s.domains); n <= len(s.rooms.states) {
		s.states = s.rooms.states[:n]
	} else {
		s.states = make([]state, n)
	}
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
	out := s.assigned.take(len(s.states))[:0]
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

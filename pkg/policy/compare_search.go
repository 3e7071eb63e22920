package policy

import "slices"

// difference is one way in which a group of actions is answered differently.
type difference struct {
	direction Direction
	caller    int
	credit    []int32 // the bits that grant it
	denial    int32   // the bit that denies it, when it is there to show that one, else noDenial
	request   []assigned
	vague     bool
	require   []int32 // what was asked
	question  *question
	pins      []pin  // what is fixed beside the request
	resource  string // of its first witness
}

// differences finds how one side allows actions of a group that the other refuses.
func (c *comparer) differences(present []int32, profile int32, direction Direction) []difference {
	key := append(c.words.key[:0], 's', direction[0])
	key = appendInt(key, profile)
	for _, b := range present {
		key = appendInt(key, b)
	}
	c.words.key = key
	number, known := c.words.intern(len(c.solved))
	if known {
		return c.solved[number]
	}
	c.solved = append(c.solved, nil)
	var out []difference
	shown := map[entry]bool{}
	for i := range c.callers {
		if !c.budget.spend(4 + 2*len(present)) {
			for _, b := range present {
				c.doubt(c.words.bits[b].statements[0], doubtBound)
			}
			break
		}
		mark := c.numbers.mark()
		t := c.tally(present, &c.callers[i])
		if c.symmetric(&t) {
			c.numbers.back(mark)
			continue
		}
		merged := t
		for at := range merged {
			m := &merged[at]
			for _, list := range [...]*[]int32{&m.denies, &m.identity, &m.boundary, &m.direct, &m.named, &m.delegating} {
				*list = c.words.merge(*list)
			}
		}
		if c.symmetric(&merged) {
			c.numbers.back(mark)
			continue
		}
		before := len(out)
		if out = c.search(out, direction, i, profile, &t, &merged, shown); len(out) == before {
			c.numbers.back(mark) // nothing refers to the lists
		}
	}
	c.solved[number] = out
	return out
}

// entry is one thing that a statement lists and that a difference shows: a principal, or for -1 all that it names otherwise.
type entry struct {
	direction Direction
	bit       int32
	principal int
}

// entryOf is the entry by which a bit names a caller.
func (c *comparer) entryOf(direction Direction, bit int32, caller *Caller) entry {
	e := entry{direction, bit, -1}
	s := c.words.principals[c.words.bits[bit].principal]
	if s == nil || s.notPrincipal {
		return e
	}
	for i := range s.principals {
		if s.principals[i].names(caller) != reachNone {
			e.principal = i
			break
		}
	}
	return e
}

// search adds one difference for each bit that grants what the other side does not. merged are the bits with like ones united: fewer to refute. shown are the
// entries that have their difference.
func (c *comparer) search(out []difference, direction Direction, caller int, profile int32, t, merged *[2]tallied, shown map[entry]bool) []difference {
	allows, refuses := expectedSide, actualSide
	if direction == Excess {
		allows, refuses = actualSide, expectedSide
	}
	v := c.words
	facts := c.context(profile, caller)
	if facts.impossible || c.impossible {
		return out
	}
	var never [][]int32 // what must not match so that nothing denies
	for _, d := range merged[allows].denies {
		if len(v.bits[d].atoms) == 0 {
			return out
		}
		never = append(never, v.bits[d].atoms)
	}
	q := &c.scratch.question
	*q = question{never: never, denies: merged[refuses].denies, facts: facts}
	q.refusals = c.refusals(q.room[:0], refuses, &merged[refuses])
	var asked *question // q, kept
	for _, g := range c.grants(allows, &t[allows]) {
		fresh := false
		for _, b := range g.credit {
			fresh = fresh || !shown[c.entryOf(direction, b, &c.callers[caller].caller)]
		}
		if !fresh {
			continue
		}
		require := c.scratch.wanted[:0]
		for _, b := range g.bits {
			require = append(require, v.bits[b].atoms...)
		}
		c.scratch.wanted = require
		request, pins, answer := c.refute(require, q)
		if answer == foundUnknown {
			for _, b := range g.credit {
				c.doubt(v.bits[b].statements[0], doubtBound)
			}
		}
		if answer != found && answer != foundVague {
			continue
		}
		for _, b := range g.credit {
			shown[c.entryOf(direction, b, &c.callers[caller].caller)] = true
		}
		if out == nil {
			out = c.differing.take(2)[:0]
		}
		if asked == nil {
			asked = &c.questions.take(1)[0]
			*asked = *q
			asked.refusals = append(asked.room[:0], q.refusals...)
		}
		out = append(out, difference{direction, caller, g.credit, noDenial, request, answer == foundVague, v.keep(require), asked, pins, ""})
	}
	return out
}

// maxListed bounds the resources of one statement that get a difference of their own.
const maxListed = 16

// otherResources finds a difference for each resource that the statement which it shows lists and of which none is shown yet.
// The requirement to be on the list gives way to the one to be that resource.
func (c *comparer) otherResources(first *difference, shown []string) []difference {
	v := c.words
	var out []difference
	by := first.credit
	if first.denial != noDenial {
		by = []int32{first.denial}
	}
	for _, b := range by {
		a, _ := v.listed(v.bits[b].atoms)
		if a < 0 {
			continue
		}
		languages := v.tests[v.atoms[a].test].languages
		if len(languages) < 2 {
			continue
		}
		seen := slices.Clone(shown)
		for _, n := range languages[:min(len(languages), maxListed)] {
			l := v.languages[n]
			if l.opaque || slices.ContainsFunc(seen, l.matches) {
				continue
			}
			v.numbers = append(v.numbers[:0], n)
			one, what := v.atom(v.textTest(resourceDimension, false), forAnyValue, false)
			if what != requires {
				continue
			}
			if request, pins, answer := c.refute(append(slices.DeleteFunc(slices.Clone(first.require), func(b int32) bool { return b == a }), one), first.question); answer == found {
				d := *first
				d.request, d.pins = request, pins
				out = append(out, d)
				seen = append(seen, d.resources()...)
			}
		}
	}
	return out
}

// resources are the resources of the request.
func (d *difference) resources() []string {
	if d.pins != nil && d.pins[resourceDimension].fixed {
		return d.pins[resourceDimension].values
	}
	for i := range d.request {
		if d.request[i].dimension == resourceDimension {
			return d.request[i].values
		}
	}
	return nil
}

// question is what a request must be like beside being granted.
type question struct {
	never    [][]int32 // of each, at least one atom must fail
	refusals [][]int32 // in one of these lists of bits, none may match
	denies   []int32   // or one of these bits must match
	facts    *factContext

	room [3][]int32
}

// refute looks for a request that meets require and is what q asks: nothing denies it, and the other side refuses it.
// Resources at hand are looked at one class after the other, then all others.
func (c *comparer) refute(require []int32, q *question) (request []assigned, fixed []pin, answer finding) {
	v := c.words
	answer = foundNone
	attempt := func(clauses [][]int32, pins []pin) bool {
		r, a := c.solve(c.scratch.require, clauses, pins)
		switch {
		case a == found, a == foundVague && answer != foundVague:
			request, fixed, answer = r, pins, a
		case a == foundUnknown && answer == foundNone:
			answer = foundUnknown
		}
		return a == found
	}
	within := func(require []int32, never, more [][]int32, pins []pin) bool {
		for _, bits := range q.refusals {
			clauses := append(append(c.scratch.clauses[:0], never...), more...)
			possible := true
			for _, b := range bits {
				if len(v.bits[b].atoms) == 0 {
					possible = false
					break
				}
				clauses = append(clauses, v.bits[b].atoms)
			}
			c.scratch.clauses, c.scratch.require = clauses, append(c.scratch.require[:0], require...)
			if possible && attempt(clauses, pins) {
				return true
			}
		}
		for _, d := range q.denies {
			clauses := append(append(c.scratch.clauses[:0], never...), more...)
			c.scratch.clauses, c.scratch.require = clauses, append(append(c.scratch.require[:0], require...), v.bits[d].atoms...)
			if attempt(clauses, pins) {
				return true
			}
		}
		return false
	}
	if len(q.facts.require) > 0 {
		require = slices.Concat(require, q.facts.require)
	}
	if c.facts == nil {
		within(require, q.never, q.facts.clauses, c.pins)
		return request, fixed, answer
	}
	for _, class := range c.resourceClasses() {
		if pins, ok := joinPins(class.pins, c.pins); ok && within(require, q.never, c.refuse, pins) {
			return request, fixed, answer
		}
	}
	for range maxAtHand {
		others := q.facts.clauses
		if a, ok := c.atHand(); ok {
			others = append(slices.Clip(others), []int32{a})
		}
		if !within(require, q.never, others, c.pins) {
			return request, fixed, answer
		}
		resource := (&difference{request: request, pins: fixed}).resources()
		if len(resource) == 0 {
			return request, fixed, answer
		}
		if _, ok := c.facts.at[resource[0]]; !ok {
			return request, fixed, answer
		}
		// No statement names this one that is at hand, though a pattern does: once it has a name, others are found beside it.
		v.literal(resource[0])
		request, fixed, answer = nil, nil, foundNone
	}
	return nil, nil, foundUnknown
}

// maxAtHand bounds how many resources at hand are met where others are looked for.
const maxAtHand = 64

// joinPins fixes what either fixes; ok is false when they fix a dimension differently.
func joinPins(a, b []pin) (out []pin, ok bool) {
	if b == nil {
		return a, true
	}
	out = slices.Clone(a)
	for d := range b {
		switch {
		case !b[d].fixed:
		case out[d].fixed && !slices.Equal(out[d].values, b[d].values):
			return nil, false
		default:
			out[d] = b[d]
		}
	}
	return out, true
}

// atHand is the atom that the resource is one of those at hand, as far as a statement or a fact names them.
func (c *comparer) atHand() (int32, bool) {
	if len(c.facts.resources) == 0 {
		return 0, false
	}
	v := c.words
	v.numbers = v.numbers[:0]
	for i, l := range v.languages {
		if l.single {
			if _, ok := c.facts.at[l.text]; ok {
				v.numbers = append(v.numbers, int32(i))
			}
		}
	}
	if len(v.numbers) == 0 {
		return 0, false
	}
	a, what := v.atom(v.textTest(resourceDimension, false), forAnyValue, false)
	return a, what == requires
}

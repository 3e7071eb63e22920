package policy

import "slices"

// factContext is what the facts ask of every request for an action by a caller: all atoms of require hold, and of each
// clause at least one atom does not.
type factContext struct {
	require    []int32
	clauses    [][]int32
	impossible bool // no request is like that
}

// context compiles what the facts say of the actions of a profile and the callers of a class.
func (c *comparer) context(profile int32, caller int) *factContext {
	if c.facts == nil {
		c.noFacts = factContext{require: c.require, clauses: c.refuse}
		return &c.noFacts
	}
	key := [2]int32{profile, int32(caller)}
	if have, ok := c.facts.contexts[key]; ok {
		return have
	}
	x := &factContext{require: slices.Clone(c.require), clauses: slices.Clone(c.refuse)}
	c.facts.contexts[key] = x
	v := c.words
	need := func(a int32, what requirement) {
		switch what {
		case requires:
			x.require = append(x.require, a)
		case neverHolds:
			x.impossible = true
		default:
		}
	}
	for _, n := range c.facts.sets[profile] {
		f := &c.facts.facts[n]
		switch {
		case f.NoResource:
			v.numbers = append(v.numbers[:0], v.literal("*"))
			need(v.atom(v.textTest(resourceDimension, false), forAnyValue, false))
		case len(f.Resources) > 0:
			need(v.atom(v.resourceTest(f.Resources), forAnyValue, false))
		}
		for d := 1; d < len(v.dimensions); d++ {
			lower := v.dimensions[d].lower
			if slices.ContainsFunc(f.Absent, func(k string) bool { return inFamily(lower, k) }) {
				need(v.atom(v.presence(int32(d), false), forAnyValue, true))
			}
			if slices.ContainsFunc(f.Present, func(k string) bool { return inFamily(lower, k) }) {
				need(v.atom(v.presence(int32(d), true), forAnyValue, false))
			}
		}
	}
	// The caller of identity documents is a role or a user; only what holds for both is known of it.
	kinds := []CallerKind{c.callers[caller].caller.Kind}
	if kinds[0] == "" {
		kinds = []CallerKind{CallerRole, CallerUser}
	}
	all := func(named []CallerKind) bool {
		return !slices.ContainsFunc(kinds, func(k CallerKind) bool { return !slices.Contains(named, k) })
	}
	for i := range c.facts.keys {
		k := &c.facts.keys[i]
		for d := 1; d < len(v.dimensions); d++ {
			if !inFamily(v.dimensions[d].lower, k.Key) {
				continue
			}
			if all(k.AbsentFor) {
				need(v.atom(v.presence(int32(d), false), forAnyValue, true))
			}
			if all(k.PresentFor) {
				need(v.atom(v.presence(int32(d), true), forAnyValue, false))
			}
		}
	}
	for i := range c.facts.universe {
		u := &c.facts.universe[i]
		inside, what := v.atom(v.resourceTest(u.Resources), forAnyValue, false)
		if what != requires {
			continue
		}
		if u.Closed {
			x.clauses = append(x.clauses, []int32{inside})
			continue
		}
		for d := 1; d < len(v.dimensions); d++ {
			for key, values := range u.Without {
				if !equalFold(key, v.dimensions[d].lower) || len(values) == 0 {
					continue
				}
				v.numbers = v.numbers[:0]
				for _, text := range values {
					v.numbers = append(v.numbers, v.literal(text))
				}
				if a, what := v.atom(v.textTest(int32(d), false), forAnyValue, false); what == requires {
					x.clauses = append(x.clauses, []int32{inside, a})
				}
			}
		}
	}
	return x
}

// literal numbers the language of one text.
func (v *vocabulary) literal(text string) int32 {
	p := newPattern(text, ruleText, false, false, false)
	return v.language(&p)
}

// resourceTest numbers the test for a match of any of the patterns.
func (v *vocabulary) resourceTest(patterns []string) int32 {
	v.numbers = v.numbers[:0]
	for _, text := range patterns {
		p := newPattern(text, ruleResource, true, false, false)
		v.numbers = append(v.numbers, v.language(&p))
	}
	return v.textTest(resourceDimension, false)
}

// permits says whether the facts allow for a request, of which the dimensions in mentioned matter. A key that does not matter is left
// out of the request; it may be there and have any value.
func (c *comparer) permits(p *difference, profile int32, r *Request, mentioned []bool) bool {
	if c.facts == nil {
		return true
	}
	values := func(d int32) []string {
		if d == resourceDimension {
			return []string{r.Resource}
		}
		have, _ := r.lookup(c.words.dimensions[d].key, c.words.dimensions[d].lower)
		return have
	}
	holds := func(a int32) bool {
		x := &c.words.atoms[a]
		return c.atomHolds(x, values(x.dimension))
	}
	matters := func(a int32) bool {
		d := c.words.atoms[a].dimension
		return d == resourceDimension || mentioned[d]
	}
	x := c.context(profile, p.caller)
	for _, a := range x.require {
		if matters(a) && !holds(a) {
			return false
		}
	}
	if i, ok := c.facts.at[r.Resource]; ok {
		pins := make([]pin, len(c.words.dimensions))
		c.pinsOf(c.facts.resources[i], pins)
		for d := 1; d < len(pins); d++ {
			if pins[d].fixed && mentioned[d] && !slices.Equal(pins[d].values, values(int32(d))) {
				return false
			}
		}
		return true
	}
	for _, clause := range x.clauses {
		if !slices.ContainsFunc(clause, func(a int32) bool { return !matters(a) || !holds(a) }) {
			return false
		}
	}
	return true
}

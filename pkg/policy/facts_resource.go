package policy

import "slices"

// resourceClass is a resource at hand that stands for all at hand which no statement tells apart from it.
type resourceClass struct {
	fact *ResourceFact
	pins []pin // by dimension
}

// pin is what a resource at hand fixes of a dimension.
type pin struct {
	fixed  bool
	values []string // none: absent
}

// resourceClasses sorts the resources at hand into classes.
func (c *comparer) resourceClasses() []resourceClass {
	if c.facts == nil || len(c.facts.resources) == 0 {
		return nil
	}
	if c.facts.classed {
		return c.facts.classes
	}
	c.facts.classed = true
	v := c.words
	// What the facts ask is part of what tells resources apart.
	for profile := range c.facts.sets {
		for caller := range c.callers {
			c.context(int32(profile), caller)
		}
	}
	seen := map[string]bool{}
	key := make([]byte, 0, len(v.atoms)+8)
	pins := make([]pin, len(v.dimensions))
	for _, r := range c.facts.resources {
		c.budget.spend(len(v.atoms))
		c.pinsOf(r, pins)
		key = key[:0]
		for _, p := range pins[1:] {
			key = append(key, '0'+byte(truthOf(p.fixed)))
		}
		for i := range v.atoms {
			key = append(key, '0'+byte(c.pinned(int32(i), pins)))
		}
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		c.facts.classes = append(c.facts.classes, resourceClass{r, slices.Clone(pins)})
	}
	return c.facts.classes
}

// pinsOf puts into pins what r fixes.
func (c *comparer) pinsOf(r *ResourceFact, pins []pin) {
	clear(pins)
	pins[resourceDimension] = pin{true, []string{r.ARN}}
	for d := 1; d < len(pins); d++ {
		lower := c.words.dimensions[d].lower
		for _, only := range r.Only {
			if inFamily(lower, only) {
				pins[d] = pin{fixed: true}
			}
		}
		if values, ok := r.Keys[c.words.dimensions[d].key]; ok {
			pins[d] = pin{true, values}
			continue
		}
		for name, values := range r.Keys {
			if equalFold(name, lower) {
				pins[d] = pin{true, values}
				break
			}
		}
	}
}

// pinned says whether an atom holds, maybe when its dimension is not fixed.
func (c *comparer) pinned(a int32, pins []pin) truth {
	x := &c.words.atoms[a]
	if int(x.dimension) >= len(pins) || !pins[x.dimension].fixed {
		return maybe
	}
	return truthOf(c.atomHolds(x, pins[x.dimension].values))
}

// atomHolds says whether an atom holds for the values of its dimension; none means absent.
func (c *comparer) atomHolds(x *atom, values []string) bool {
	if len(values) == 0 {
		return x.absent
	}
	t := &c.words.tests[x.test]
	switch x.quantifier {
	case forAllValues:
		return !slices.ContainsFunc(values, func(s string) bool { return !t.holds(s) })
	case single:
		return len(values) == 1 && t.holds(values[0])
	default:
		return slices.ContainsFunc(values, t.holds)
	}
}

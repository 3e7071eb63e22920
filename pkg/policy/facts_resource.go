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

// resourceClasses sorts the resources at hand into classes. Atoms come while actions are looked at, one group after the other: each may tell
// resources apart that no atom told apart before.
func (c *comparer) resourceClasses() []resourceClass {
	f, v := c.facts, c.words
	if f == nil || len(f.resources) == 0 {
		return nil
	}
	first := f.class == nil
	if !first && f.told == len(v.atoms) {
		return f.classes
	}
	if first {
		f.class, f.pins = make([]int32, len(f.resources)), make([][]pin, len(f.resources))
	}
	classes := make([]resourceClass, 0, len(f.classes)+1)
	numbers := map[string]int32{}
	key := make([]byte, 0, 64)
	for i, r := range f.resources {
		c.budget.spend(len(v.atoms) - f.told + 1)
		key = appendInt(key[:0], f.class[i])
		if first {
			f.pins[i] = make([]pin, len(v.dimensions))
			c.pinsOf(r, f.pins[i])
			for _, p := range f.pins[i][1:] {
				key = append(key, '0'+byte(truthOf(p.fixed)))
			}
		}
		for a := f.told; a < len(v.atoms); a++ {
			key = append(key, '0'+byte(c.pinned(int32(a), f.pins[i])))
		}
		number, known := numbers[string(key)]
		if !known {
			number = int32(len(classes))
			numbers[string(key)] = number
			classes = append(classes, resourceClass{r, f.pins[i]})
		}
		f.class[i] = number
	}
	f.classes, f.told = classes, len(v.atoms)
	return classes
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

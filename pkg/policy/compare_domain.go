package policy

import "slices"

// domain holds the classes of a dimension that some tests can tell apart, each with a value.
type domain struct {
	dimension int32
	tell      []int32 // tests
	values    []string
	typed     typedClasses // what writes the values when they are of one type
	classes   []int        // of typed, for each value
	vague     []bool       // of a class that has perhaps no value
	alone     []bool       // of a class with just this value, once that is known
	masks     [][]uint64   // for each told test the values that pass
	full      []uint64
	nothing   []uint64
	space     *textSpace // of texts: what finds further classes
	opaque    bool       // the space has an opaque language
	guessed   bool       // the space has been asked for all it can guess
	complete  bool
}

func (d *domain) size() int {
	if d.typed != nil {
		return len(d.classes)
	}
	return len(d.values)
}

// value is the value of a class.
func (d *domain) value(i int) string {
	if d.typed != nil {
		return d.typed.value(d.classes[i])
	}
	return d.values[i]
}

func (d *domain) isVague(i int) bool { return d.vague != nil && d.vague[i] }

func (d *domain) isAlone(i int) bool { return d.alone != nil && d.alone[i] }

// mask says which values pass a test.
func (d *domain) mask(c *vocabulary, test int32) []uint64 {
	if i, ok := slices.BinarySearch(d.tell, test); ok {
		return d.masks[i]
	}
	if c.tests[test].constant == no {
		return d.nothing
	}
	return d.full
}

// domain finds the values of a dimension that satisfy required tests, in classes that the told tests tell apart.
func (c *comparer) domain(dim int32, require, tell []int32) *domain {
	slices.Sort(require)
	slices.Sort(tell)
	require, tell = slices.Compact(require), slices.Compact(tell)
	v := c.words
	key := appendInt(append(v.key[:0], 'd'), dim)
	for _, t := range require {
		key = appendInt(key, t)
	}
	key = append(key, '/')
	for _, t := range tell {
		key = appendInt(key, t)
	}
	v.key = key
	if d, ok := c.domains[string(key)]; ok {
		return d
	}
	d := &domain{dimension: dim, tell: slices.Clone(tell)}
	if c.domains == nil {
		c.domains = map[string]*domain{}
	}
	c.domains[string(key)] = d
	var requireElements, tellElements []*element
	var typed []*condition
	none := false
	for _, t := range require {
		switch test := &v.tests[t]; {
		case test.constant == no:
			none = true
		case test.element != nil:
			requireElements = append(requireElements, test.element)
		case test.condition != nil:
			typed = append(typed, test.condition)
		}
	}
	for _, t := range tell {
		switch test := &v.tests[t]; {
		case test.element != nil:
			tellElements = append(tellElements, test.element)
		case test.condition != nil:
			typed = append(typed, test.condition)
		}
	}
	switch f := c.keys.dimensions[dim].family; {
	case none:
		d.complete = true
	case f == familyText || f == familyARN || f == familyNone:
		universe := c.universe(dim, requireElements)
		if universe != nil {
			requireElements = append(requireElements, universe)
		}
		d.space = newTextSpace(requireElements, tellElements, &c.budget)
		d.space.universe = universe
		// Of a text, no more is known about an opaque language than what the pairs of languages say.
		d.opaque = slices.ContainsFunc(requireElements, (*element).opaque) || slices.ContainsFunc(tellElements, (*element).opaque)
		if !d.opaque {
			d.complete = d.space.guess(c.hints(dim))
		}
		d.read()
	case f == familyMixed:
		d.mixed(c, require, requireElements, tellElements, typed)
	case len(requireElements)+len(tellElements) > 0:
		// The facts say what type the key is of, and yet it is compared as text.
		d.mixed(c, require, requireElements, tellElements, typed)
		d.complete = d.complete || f == familyBoolean
	default:
		d.ordered(c, f, require, typed)
		return d
	}
	d.fill(v, &c.budget)
	return d
}

// ordered finds the classes of a key whose values are of one type.
func (d *domain) ordered(c *comparer, f family, require []int32, typed []*condition) {
	v := c.words
	d.typed = newTypedClasses(f, typed, &c.budget)
	if d.typed == nil {
		d.fill(v, &c.budget)
		return
	}
	n := d.typed.size()
	words := (n + 63) / 64
	passing := func(test *valueTest) []uint64 {
		mask := make([]uint64, words)
		c.budget.grow(8 * words)
		switch {
		case test.constant == yes:
			setBits(mask, 0, n)
		case test.constant == maybe:
			c.budget.spend(len(test.condition.operands) * (4 + words))
			d.typed.pass(test.condition, mask)
			if test.condition.negated {
				for w := range mask {
					mask[w] = ^mask[w]
				}
				if n%64 != 0 {
					mask[words-1] &= 1<<(n%64) - 1
				}
			}
		}
		return mask
	}
	within := make([]uint64, words)
	setBits(within, 0, n)
	for _, t := range require {
		for w, word := range passing(&v.tests[t]) {
			within[w] &= word
		}
	}
	told := make([][]uint64, len(d.tell))
	for i, t := range d.tell {
		if c.budget.spent() {
			break
		}
		told[i] = passing(&v.tests[t])
	}
	c.budget.spend(words * (1 + len(d.tell)))
	if c.budget.spent() {
		d.typed = nil
		d.fill(v, &c.budget)
		return
	}
	// Classes with the same answers become one.
	type emptier interface{ empty(class int) bool }
	empties, _ := d.typed.(emptier)
	seen := map[string]bool{}
	key := make([]byte, (len(d.tell)+7)/8)
	for class := range n {
		if !hasBit(within, class) {
			continue
		}
		if !c.budget.spend(2 + len(d.tell)/2) {
			break
		}
		clear(key)
		for i := range told {
			if hasBit(told[i], class) {
				key[i/8] |= 1 << (i % 8)
			}
		}
		if seen[string(key)] || empties != nil && empties.empty(class) {
			continue
		}
		seen[string(key)] = true
		d.classes = append(d.classes, class)
	}
	d.complete = !c.budget.spent()
	words = (len(d.classes) + 63) / 64
	d.full, d.nothing = make([]uint64, words), make([]uint64, words)
	setBits(d.full, 0, len(d.classes))
	d.masks = make([][]uint64, len(d.tell))
	for i := range told {
		d.masks[i] = make([]uint64, words)
		for k, class := range d.classes {
			if hasBit(told[i], class) {
				setBit(d.masks[i], k)
			}
		}
	}
}

// finish finds the classes that a first guess did not. It says whether there are more values now.
func (c *comparer) finish(d *domain) (more bool) {
	if d.complete || d.space == nil {
		return false
	}
	before := len(d.values)
	if !d.guessed && !d.opaque {
		d.guessed = true
		d.space.guessMore()
	}
	if len(d.space.values) == before {
		d.complete = d.space.complete()
	}
	d.read()
	d.fill(c.words, &c.budget)
	return len(d.values) > before
}

// read takes over the values of the text space.
func (d *domain) read() {
	for i := len(d.values); i < len(d.space.values); i++ {
		d.values = append(d.values, d.space.values[i])
		d.vague = append(d.vague, d.space.vague[i])
		d.alone = append(d.alone, false)
	}
	if d.space.general > 0 || !d.guessed && !d.complete {
		return // a class may have members that nothing names
	}
	for i, value := range d.values {
		d.alone[i] = len(d.space.second[i]) == 0 && d.space.literal(value)
	}
}

// another is a second value of a class of texts, when one is found.
func (d *domain) another(class int) (string, bool) {
	switch {
	case d.isVague(class):
		return "", false
	case d.typed != nil:
		// The same number, date or address in another spelling is another value.
		if spellings, _ := respell(d.value(class), 1); len(spellings) > 0 && spellings[len(spellings)-1] != d.value(class) {
			return spellings[len(spellings)-1], true
		}
		return "", false
	case d.space == nil:
		return "", false
	}
	return d.space.another(d.space.classes[class], d.values[class])
}

// literal says whether the value is one that an element names: it may be alone in its class.
func (s *textSpace) literal(text string) bool {
	for _, list := range [][]*element{s.require, s.tell} {
		for _, e := range list {
			for _, l := range e.languages {
				if l.single && l.text == text {
					return true
				}
			}
		}
	}
	return false
}

// holds says whether a value passes.
func (t *valueTest) holds(value string) bool {
	switch {
	case t.constant != maybe:
		return t.constant == yes
	case t.element != nil:
		return t.element.holds(value)
	}
	return t.condition.testValue(value, &Request{}) == yes
}

// fill computes the masks.
func (d *domain) fill(v *vocabulary, b *budget) {
	words := (len(d.values) + 63) / 64
	b.grow(8 * words * (2 + len(d.tell)))
	b.spend(len(d.values) * len(d.tell) / 2)
	d.full, d.nothing = make([]uint64, words), make([]uint64, words)
	setBits(d.full, 0, len(d.values))
	d.masks = make([][]uint64, len(d.tell))
	told := 0
	for k, t := range d.tell {
		mask := make([]uint64, words)
		test := &v.tests[t]
		for i, value := range d.values {
			if d.isVague(i) || d.space != nil && test.element != nil {
				if test.constant == yes || test.constant == maybe && d.space.holds(i, told) {
					setBit(mask, i)
				}
			} else if test.holds(value) {
				setBit(mask, i)
			}
		}
		if test.element != nil {
			told++
		}
		d.masks[k] = mask
	}
}

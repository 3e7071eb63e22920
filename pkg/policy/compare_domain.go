package policy

import "slices"

// domain holds the classes of a dimension that some tests can tell apart, each with a value.
type domain struct {
	dimension int32
	tell      []int32      // tests
	values    []string     // of a key that is tested both as text and as something else
	crossed   [][]bool     // classes of such a key of which no value is known: for each told test whether it passes
	typed     typedClasses // what writes the values when they are of one type
	classes   []int        // of typed, for each value
	alone     []bool       // of a class with just this value, once that is known
	masks     [][]uint64   // for each told test the values that pass
	full      []uint64
	nothing   []uint64
	space     *textSpace // of texts: what finds the classes
	read      int        // how many of its classes count yet
	opaque    bool       // the space has an opaque language
	guessed   bool       // the space has been asked for all it can guess
	complete  bool

	text     textSpace // what space points to
	elements [8]*element
	words    [12]uint64
	lists    [4][]uint64
}

func (d *domain) size() int {
	switch {
	case d.typed != nil:
		return len(d.classes)
	case d.space != nil:
		return d.read
	}
	return len(d.values) + len(d.crossed)
}

// value is the value of a class.
func (d *domain) value(i int) string {
	switch {
	case d.typed != nil:
		return d.typed.value(d.classes[i])
	case d.space != nil:
		return d.space.found[i].value
	}
	if i >= len(d.values) {
		return ""
	}
	return d.values[i]
}

func (d *domain) isVague(i int) bool {
	return d.space != nil && d.space.found[i].vague || len(d.crossed) > 0 && i >= len(d.values)
}

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
	number, known := v.intern(len(c.domains))
	if known {
		return c.domains[number]
	}
	d := &c.domainRoom.take(1)[0]
	d.dimension, d.tell = dim, v.keep(tell)
	c.domains = append(c.domains, d)
	elements := d.elements[:]
	if n := len(require) + len(tell) + 1; n > len(elements) {
		elements = make([]*element, n)
	}
	requireElements, tellElements := elements[:0:len(require)+1], elements[len(require)+1:len(require)+1]
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
		d.space = &d.text
		d.space.begin(requireElements, tellElements, &c.budget)
		d.space.universe = universe
		// Of a text, no more is known about an opaque language than what the pairs of languages say.
		d.opaque = slices.ContainsFunc(requireElements, (*element).opaque) || slices.ContainsFunc(tellElements, (*element).opaque)
		if !d.opaque {
			d.complete = d.space.guess(c.hints(dim))
		}
		d.take()
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
	before := d.read
	if !d.guessed && !d.opaque {
		d.guessed = true
		d.space.guessMore()
	}
	if len(d.space.found) == before {
		d.complete = d.space.complete()
	}
	d.take()
	d.fill(c.words, &c.budget)
	return d.read > before
}

// take takes over the classes of the text space.
func (d *domain) take() {
	d.read = len(d.space.found)
	if d.space.general > 0 || !d.guessed && !d.complete {
		return // a class may have members that nothing names
	}
	d.alone = make([]bool, d.read)
	for i := range d.alone {
		x := &d.space.found[i]
		d.alone[i] = !x.more && d.space.literal(x.value)
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
	return d.space.another(d.space.found[class].told, d.space.found[class].value)
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
	n := d.size()
	words := (n + 63) / 64
	b.grow(8 * words * (2 + len(d.tell)))
	b.spend(n * len(d.tell) / 2)
	room := d.words[:]
	if need := words * (2 + len(d.tell)); need > len(room) || d.full != nil {
		room = make([]uint64, need)
	}
	mask := func() []uint64 {
		out := room[:words:words]
		room = room[words:]
		return out
	}
	d.full, d.nothing = mask(), mask()
	setBits(d.full, 0, n)
	if d.masks = d.lists[:min(len(d.tell), len(d.lists))]; len(d.masks) < len(d.tell) {
		d.masks = make([][]uint64, len(d.tell))
	}
	told := 0
	for k, t := range d.tell {
		mask := mask()
		test := &v.tests[t]
		for i := range n {
			if len(d.crossed) > 0 && i >= len(d.values) {
				if d.crossed[i-len(d.values)][k] {
					setBit(mask, i)
				}
			} else if d.isVague(i) || d.space != nil && test.element != nil {
				if test.constant == yes || test.constant == maybe && d.space.holds(i, told) {
					setBit(mask, i)
				}
			} else if test.holds(d.value(i)) {
				setBit(mask, i)
			}
		}
		if test.element != nil {
			told++
		}
		d.masks[k] = mask
	}
}

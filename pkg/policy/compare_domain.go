package policy

import (
	"slices"
	"strconv"
)

// domain holds one value for every class of a dimension that some tests can tell apart.
type domain struct {
	dimension int32
	tell      []int32 // tests
	values    []string
	vague     []bool     // of a class that has perhaps no value
	single    []bool     // of a class with just this value
	masks     [][]uint64 // for each told test the values that pass
	full      []uint64
	space     *textSpace // of texts: what finds further classes
	complete  bool
}

// mask says which values pass a test.
func (d *domain) mask(c *vocabulary, test int32) []uint64 {
	for i, t := range d.tell {
		if t == test {
			return d.masks[i]
		}
	}
	if c.tests[test].constant == no {
		return make([]uint64, len(d.full))
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
		if universe := c.universe(dim, requireElements); universe != nil {
			requireElements = append(requireElements, universe)
		}
		d.space = newTextSpace(requireElements, tellElements, &c.budget)
		// Of a text, no more is known about an opaque language than what the pairs of languages say.
		if !slices.ContainsFunc(slices.Concat(requireElements, tellElements), (*element).opaque) {
			d.complete = d.space.guess(c.hints(dim))
		}
		d.read(v)
	case f == familyMixed:
		d.mixed(c, require, requireElements, tellElements, typed)
	default:
		for _, value := range typedValues(f, typed) {
			d.try(v, require, value)
		}
		d.complete = true
	}
	d.fill(v)
	return d
}

// finish finds the classes that a first guess did not. It says whether there are more values now.
func (c *comparer) finish(d *domain) (more bool) {
	if d.complete || d.space == nil {
		return false
	}
	before := len(d.values)
	d.complete = d.space.complete()
	d.read(c.words)
	d.fill(c.words)
	return len(d.values) > before
}

// read takes over the values of the text space.
func (d *domain) read(v *vocabulary) {
	for i := len(d.values); i < len(d.space.values); i++ {
		d.values = append(d.values, d.space.values[i])
		d.vague = append(d.vague, d.space.vague[i])
		d.single = append(d.single, d.space.literal(d.space.values[i]))
	}
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

// try adds a value when it passes the required tests and no value at hand has the same answers.
func (d *domain) try(v *vocabulary, require []int32, value string) bool {
	for _, t := range require {
		if !v.tests[t].holds(value) {
			return false
		}
	}
	for _, have := range d.values {
		same := true
		for _, t := range d.tell {
			if v.tests[t].holds(value) != v.tests[t].holds(have) {
				same = false
				break
			}
		}
		if same {
			return false
		}
	}
	d.values = append(d.values, value)
	d.vague = append(d.vague, false)
	d.single = append(d.single, false)
	return true
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
func (d *domain) fill(v *vocabulary) {
	words := (len(d.values) + 63) / 64
	d.full = make([]uint64, words)
	for i := range d.values {
		setBit(d.full, i)
	}
	d.masks = make([][]uint64, len(d.tell))
	told := 0
	for k, t := range d.tell {
		mask := make([]uint64, words)
		test := &v.tests[t]
		for i, value := range d.values {
			if d.vague[i] || d.space != nil && test.element != nil {
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

// mixed finds the values of a key that is tested both as text and as something else. They are all there are when the texts
// are single ones: then each typed class has a spelling that no text names.
func (d *domain) mixed(c *comparer, require []int32, requireElements, tellElements []*element, typed []*condition) {
	v := c.words
	literal := true
	var texts []string
	for _, list := range [][]*element{requireElements, tellElements} {
		for _, e := range list {
			for _, l := range e.languages {
				switch {
				case l.single:
					texts = append(texts, l.text)
				case l.empty || l.universal():
				default:
					literal = false
					if !l.opaque {
						texts = append(texts, l.member(0), l.member(1))
					}
				}
			}
		}
	}
	for _, text := range texts {
		d.try(v, require, text)
	}
	for _, value := range append(typedValues(familyMixed, typed), "example", "other", "x0") {
		if !slices.Contains(texts, value) {
			d.try(v, require, value)
			continue
		}
		for _, spelling := range respell(value) {
			if !slices.Contains(texts, spelling) {
				d.try(v, require, spelling)
				break
			}
		}
	}
	d.complete = literal
}

// respell writes a typed value in other ways that read as the same.
func respell(value string) []string {
	if n, ok := parseNumber(value); ok {
		if n.fraction == "" {
			return []string{value + ".0", value + ".00", "0" + value}
		}
		return []string{value + "0", value + "00"}
	}
	if b, ok := parseBool(value); ok {
		if b {
			return []string{"True", "TRUE"}
		}
		return []string{"False", "FALSE"}
	}
	if t, ok := parseInstant(value); ok {
		return []string{strconv.FormatInt(t.seconds, 10), t.text()}
	}
	return nil
}

package policy

import (
	"slices"
	"strconv"
)

// role says what a matching statement does for the answer: on which side of the comparison, in which place of its set.
type role struct {
	actual bool
	side   side
	deny   bool
}

// compared is one statement of a comparison. It is compiled, for whatever action, when it is first needed: of two large
// documents most statements never meet.
type compared struct {
	*statement
	written  *Statement
	document *Document
	index    int
	role     role
	bit      int32 // bitUnmade, bitNever or its number
}

// dimension is one thing of a request that statements ask about: the resource, or a condition key.
type dimension struct {
	key     string // as it was first written
	lower   string
	several bool   // the key may carry several values
	family  family // what its values are tested as
}

// dictionary numbers the dimensions: the resource, and each condition key however it is spelled.
type dictionary struct {
	dimensions []dimension
	numbered   map[string]int32 // by lower-case key and by spelling, once there are many

	room [8]dimension
}

// fewKeys is up to how many keys are looked up one after the other.
const fewKeys = 16

// dimension is the number of a condition key.
func (x *dictionary) dimension(key string) int32 {
	if x.numbered == nil {
		for d := 1; d < len(x.dimensions); d++ {
			if equalFold(x.dimensions[d].key, key) {
				return int32(d)
			}
		}
	}
	if d, ok := x.numbered[key]; ok {
		return d
	}
	lower := lowerASCII(key)
	if d, ok := x.numbered[lower]; ok {
		x.numbered[key] = d
		return d
	}
	d := int32(len(x.dimensions))
	x.dimensions = append(x.dimensions, dimension{key: key, lower: lower})
	switch {
	case x.numbered != nil:
		x.numbered[lower], x.numbered[key] = d, d
	case len(x.dimensions) > fewKeys:
		x.numbered = make(map[string]int32, 4*fewKeys)
		for i := 1; i < len(x.dimensions); i++ {
			x.numbered[x.dimensions[i].lower] = int32(i)
		}
	}
	return d
}

const resourceDimension int32 = 0

// valueTest is what a statement asks of one value of a dimension.
type valueTest struct {
	dimension int32
	constant  truth      // yes or no when every value gets that answer, else maybe
	element   *element   // of a text
	languages []int32    // of the element
	condition *condition // of a number, a date, an address or a Boolean
}

// atom is one requirement of a statement: a test, how it is put to several values, and what holds when there is none.
type atom struct {
	dimension  int32
	test       int32
	quantifier quantifier
	absent     bool
}

// vocabulary numbers everything that statements ask, so that what looks different but asks the same gets the same number.
type vocabulary struct {
	*dictionary
	languages  []*language
	tests      []valueTest
	atoms      []atom
	bits       []bit
	principals []*statement // one statement for each distinct Principal element; 0 is no element

	requirementCount int

	interned interner
	key      []byte
	numbers  []int32
	texts    []string
	comparer *comparer // knows what the variables are

	small    slab[int32]
	pointers slab[*language]
	elements slab[element]
	known    slab[language]
	symbols  slab[symbol]
}

// intern finds the number of v.key, or gives it n.
func (v *vocabulary) intern(n int) (int32, bool) {
	return v.interned.number(v.key, int32(n))
}

// keep is a copy of a short list.
func (v *vocabulary) keep(list []int32) []int32 {
	out := v.small.take(len(list))
	copy(out, list)
	return out
}

func appendInt(key []byte, n int32) []byte {
	return append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

// language numbers what a pattern matches.
func (v *vocabulary) language(p *pattern) int32 {
	key := append(v.key[:0], 'l')
	switch {
	case p.never:
		key = append(key, 'n')
	case !p.fold && !p.variable && p.shape == shapeAny:
		key = append(key, 'p')
	case !p.fold && !p.variable && p.shape == shapeLiteral:
		key = append(append(key, '='), p.tokens[0].text...)
	case !p.fold && !p.variable && p.shape == shapePrefix:
		key = append(append(key, 'p'), p.tokens[0].text...)
	default:
		flags := byte(p.rule)
		if p.fold {
			flags |= 4
		}
		key = append(key, 't', '0'+flags)
		for i := range p.tokens {
			t := &p.tokens[i]
			kind := byte(t.kind)
			if t.within {
				kind |= 8
			}
			if t.fallback != nil {
				kind |= 16
			}
			key = append(key, '0'+kind)
			if t.kind == tokenVariable {
				for k := range len(t.text) {
					key = append(key, lowerByte(t.text[k]))
				}
				key = appendInt(key, -1)
				if t.fallback != nil {
					key = append(key, *t.fallback...)
				}
				key = append(key, 0)
			} else {
				key = append(appendInt(key, int32(len(t.text))), t.text...)
			}
		}
	}
	v.key = key
	l, known := v.intern(len(v.languages))
	if !known {
		var compiled *language
		if p.variable {
			compiled = v.comparer.resolve(p)
		} else {
			if compiled = &v.known.take(1)[0]; !compiled.simple(p) {
				begin := ""
				if len(p.tokens) > 0 && p.tokens[0].kind == tokenLiteral && !p.fold {
					begin = p.tokens[0].text
				}
				compiled.spell(appendSymbols(v.symbols.take(symbolCount(p.tokens))[:0], p.tokens, p.fold, nil), begin)
			}
		}
		v.languages = append(v.languages, compiled)
	}
	return l
}

// textTest numbers the test for membership in v.numbers, languages.
func (v *vocabulary) textTest(d int32, negated bool) int32 {
	slices.Sort(v.numbers)
	v.numbers = slices.Compact(v.numbers)
	key := append(v.key[:0], 't')
	if negated {
		key[0] = 'T'
	}
	key = appendInt(key, d)
	for _, l := range v.numbers {
		key = appendInt(key, l)
	}
	v.key = key
	test, known := v.intern(len(v.tests))
	if !known {
		e := &v.elements.take(1)[0]
		e.negated, e.languages = negated, v.pointers.take(len(v.numbers))
		for i, l := range v.numbers {
			e.languages[i] = v.languages[l]
		}
		v.tests = append(v.tests, valueTest{dimension: d, constant: e.constant(), element: e, languages: v.keep(v.numbers)})
	}
	return test
}

// constant says whether the element holds for everything or nothing, as far as a look at it tells.
func (e *element) constant() truth {
	answer := no
	for _, l := range e.languages {
		switch {
		case l.universal():
			return truthOf(!e.negated)
		case !l.empty:
			answer = maybe
		}
	}
	if answer == no {
		return truthOf(e.negated)
	}
	return answer
}

// typedTest numbers the test that k makes of a number, a date, an address or a Boolean.
func (v *vocabulary) typedTest(d int32, k *condition) int32 {
	v.texts = v.texts[:0]
	for i := range k.operands {
		if o := &k.operands[i]; !o.invalid {
			v.texts = append(v.texts, o.canonical(k.comparison))
		}
	}
	slices.Sort(v.texts)
	v.texts = slices.Compact(v.texts)
	key := append(v.key[:0], 'v', byte(k.comparison))
	if k.negated {
		key[0] = 'V'
	}
	key = appendInt(key, d)
	for _, t := range v.texts {
		key = append(append(key, t...), 0)
	}
	v.key = key
	test, known := v.intern(len(v.tests))
	if !known {
		constant := maybe
		if len(v.texts) == 0 {
			constant = truthOf(k.negated)
		}
		v.tests = append(v.tests, valueTest{dimension: d, constant: constant, condition: k})
	}
	return test
}

// canonical is the one text for all spellings of a value.
func (o *operand) canonical(c comparison) string {
	switch c {
	case boolEquals:
		return strconv.FormatBool(o.boolean)
	case ipAddress:
		return o.network.String()
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		return strconv.FormatInt(o.instant.seconds, 10) + "." + strconv.Itoa(int(o.instant.nanoseconds))
	default:
		sign := ""
		if o.number.negative {
			sign = "-"
		}
		return sign + o.number.whole + "." + o.number.fraction
	}
}

// presence numbers the test that every value passes, or none.
func (v *vocabulary) presence(d int32, holds bool) int32 {
	v.key = append(v.key[:0], 'p', '0')
	if holds {
		v.key[1] = '1'
	}
	v.key = appendInt(v.key, d)
	test, known := v.intern(len(v.tests))
	if !known {
		v.tests = append(v.tests, valueTest{dimension: d, constant: truthOf(holds)})
	}
	return test
}

// requirement says what became of something that a statement asks.
type requirement int8

const (
	requires    requirement = iota // it is an atom
	requiresNil                    // it holds for every request
	neverHolds                     // it holds for none
)

// atom numbers a requirement.
func (v *vocabulary) atom(test int32, q quantifier, absent bool) (int32, requirement) {
	t := &v.tests[test]
	d := t.dimension
	if t.constant != maybe {
		holds := t.constant == yes
		switch {
		case d == resourceDimension && holds:
			return 0, requiresNil
		case d == resourceDimension:
			return 0, neverHolds
		case q == single && holds && v.dimensions[d].several:
			// Over several values the operator is false, so this asks for one value or none.
		case holds && absent:
			return 0, requiresNil
		case !holds && !absent:
			return 0, neverHolds
		default:
			test, q = v.presence(d, holds), forAnyValue
		}
	}
	if d == resourceDimension || !v.dimensions[d].several {
		q = forAnyValue
	}
	v.key = append(v.key[:0], 'a', byte(q), '0')
	if absent {
		v.key[2] = '1'
	}
	v.key = appendInt(v.key, test)
	a, known := v.intern(len(v.atoms))
	if !known {
		v.atoms = append(v.atoms, atom{d, test, q, absent})
	}
	return a, requires
}

// resource numbers what a statement asks of the resource.
func (v *vocabulary) resource(s *compared) (int32, requirement) {
	if !s.hasResource {
		return 0, requiresNil
	}
	v.numbers = v.numbers[:0]
	for i := range s.resources {
		v.numbers = append(v.numbers, v.language(&s.resources[i]))
	}
	return v.atom(v.textTest(resourceDimension, s.notResource), forAnyValue, false)
}

// condition numbers what condition j of a statement asks.
func (v *vocabulary) condition(s *compared, j int) (int32, requirement) {
	k := &s.conditions[j]
	d := v.dimension(k.key)
	absent := k.ifExists || k.quantifier == forAllValues || k.quantifier == single && k.negated
	switch {
	case k.comparison == nullCheck:
		var absent, present bool
		for i := range k.operands {
			o := &k.operands[i]
			absent = absent || !o.invalid && o.boolean
			present = present || !o.invalid && !o.boolean
		}
		return v.atom(v.presence(d, present), forAnyValue, absent)
	case k.text():
		v.numbers = v.numbers[:0]
		for i := range k.operands {
			o := &k.operands[i]
			if o.invalid {
				continue
			}
			if k.comparison == boolEquals && !o.pattern.variable {
				p := newPattern(strconv.FormatBool(o.boolean), ruleText, false, false, true)
				v.numbers = append(v.numbers, v.language(&p))
				continue
			}
			if o.pattern.variable && !v.dimensions[d].several && o.pattern.own(k.lower) {
				p := newPattern("*", ruleText, true, false, false)
				v.numbers = append(v.numbers, v.language(&p))
				continue
			}
			v.numbers = append(v.numbers, v.language(&o.pattern))
		}
		return v.atom(v.textTest(d, k.negated), k.quantifier, absent)
	}
	return v.atom(v.typedTest(d, k), k.quantifier, absent)
}

// own says whether a pattern is the variable of the key that it is compared with, and stars: every value matches that.
func (p *pattern) own(lower string) bool {
	variables := 0
	for i := range p.tokens {
		switch t := &p.tokens[i]; {
		case p.rule != ruleText, t.kind != tokenStar && (t.kind != tokenVariable || !equalFold(t.text, lower)):
			return false
		case t.kind == tokenVariable:
			variables++
		}
	}
	return variables == 1
}

// text says whether the operator compares text. A Bool with a policy variable does.
func (c *condition) text() bool {
	switch c.comparison {
	case stringEquals, stringEqualsIgnoreCase, stringLike, arnLike, binaryEquals:
		return true
	case boolEquals:
		return slices.ContainsFunc(c.operands, func(o operand) bool { return o.pattern.variable })
	default:
		return false
	}
}

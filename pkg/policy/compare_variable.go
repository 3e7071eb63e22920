package policy

import (
	"regexp"
	"slices"
	"strings"
)

// variableState says what a policy variable is taken to be.
type variableState int8

const (
	variableOpen   variableState = iota // anything, or absent
	variableAbsent                      // the key is absent
	variableFixed                       // the key has one known value
	variableOther                       // the key has one value, none of those that have cases of their own
	variableColon                       // like variableOther, and the value has a colon; variableOther has none then
	variableMany                        // the key has several values, so the variable has none
)

// variableCase is one case of one policy variable.
type variableCase struct {
	key, lower string
	state      variableState
	value      string
	not        []string // for variableOther and variableColon
}

// listVariables lists the condition keys that policy variables name.
func (c *comparer) listVariables() []variableCase {
	var out []variableCase
	add := func(p *pattern) {
		if !p.variable {
			return
		}
		c.variableColons = c.variableColons || p.early()
		for _, t := range p.tokens {
			if t.kind != tokenVariable {
				continue
			}
			lower := lowerASCII(t.text)
			if !slices.ContainsFunc(out, func(v variableCase) bool { return v.lower == lower }) {
				out = append(out, variableCase{key: t.text, lower: lower})
			}
		}
	}
	for i := range c.statement {
		if !c.statement[i].variable() {
			continue
		}
		s := c.compile(i)
		for j := range s.resources {
			add(&s.resources[j])
		}
		for j := range s.conditions {
			for k := range s.conditions[j].operands {
				add(&s.conditions[j].operands[k].pattern)
			}
		}
	}
	return out
}

// early says whether a variable stands before the resource part of an ARN that is compared by its components: there the
// colons of its value would count.
func (p *pattern) early() bool {
	colons := 0
	for _, t := range p.tokens {
		switch {
		case p.rule != ruleARN || colons >= arnColons:
			return false
		case t.kind == tokenVariable:
			return true
		case t.kind == tokenLiteral:
			colons += strings.Count(t.text, ":")
		}
	}
	return false
}

// variable says whether the statement may hold a policy variable.
func (s *compared) variable() bool {
	if s.document.Version != Version2012 {
		return false
	}
	has := func(text string) bool { return strings.Contains(text, "${") }
	return slices.ContainsFunc(s.written.Resources, has) || slices.ContainsFunc(s.written.NotResources, has) ||
		slices.ContainsFunc(s.written.Conditions, func(k Condition) bool { return slices.ContainsFunc(k.Values, has) })
}

// resolve is the language of a pattern with variables in the present case. While a variable is open, the language is
// opaque: what it holds is not known, only what it holds at most.
func (c *comparer) resolve(p *pattern) *language {
	tokens := make([]token, 0, len(p.tokens))
	rough := false
	for _, t := range p.tokens {
		if t.kind == tokenVariable {
			i := slices.IndexFunc(c.variables, func(v variableCase) bool { return equalFold(v.lower, t.text) })
			switch v := &c.variables[i]; {
			case v.state == variableAbsent && t.defaulted:
				t = token{kind: tokenLiteral, text: t.fallback}
			case v.state == variableAbsent, v.state == variableMany:
				return &language{empty: true}
			case v.state == variableFixed:
				t = token{kind: tokenLiteral, text: v.value}
			case v.state == variableOpen:
				rough = true
				t.text = v.lower
			default:
				rough = rough || v.state == variableColon
				// The key has a value: the default does not count.
				t.text, t.defaulted = v.lower, false
			}
			if t.kind == tokenLiteral && t.text == "" {
				continue
			}
		}
		tokens = append(tokens, t)
	}
	if rough && p.early() {
		// Where the colons of the value are is not known, so neither is how far a wildcard reaches.
		for i := range tokens {
			tokens[i].within = false
		}
		l := newLanguage(tokenSymbols(tokens, p.fold, c.variableNumber))
		l.rough = true
		return l
	}
	tokens, never := settle(tokens, p.rule)
	if never {
		return &language{empty: true}
	}
	return newLanguage(tokenSymbols(tokens, p.fold, c.variableNumber))
}

// variableNumber numbers a variable together with its default: with another default it is another text.
func (c *comparer) variableNumber(t token) rune {
	text := t.text
	if t.defaulted {
		text += ", '" + t.fallback
	}
	i := slices.Index(c.variableTexts, text)
	if i < 0 {
		i = len(c.variableTexts)
		c.variableTexts = append(c.variableTexts, text)
	}
	if c.variableColons && slices.ContainsFunc(c.variables, func(v variableCase) bool { return v.lower == t.text && v.state == variableOther }) {
		return rune(i) + colonFree
	}
	return rune(i)
}

// assumeVariables turns the present case into atoms.
func (c *comparer) assumeVariables() {
	v := c.words
	need := func(a int32, what requirement) {
		switch what {
		case requires:
			c.require = append(c.require, a)
		case neverHolds:
			// No request is like that: a test that nothing passes says so.
			c.impossible = true
		default:
		}
	}
	for i := range c.variables {
		x := &c.variables[i]
		if x.state == variableOpen {
			continue
		}
		d := v.dimension(x.key)
		several := v.dimensions[d].several
		switch x.state {
		case variableOpen: // asks nothing
		case variableAbsent, variableFixed:
			if c.pins == nil {
				c.pins = make([]pin, len(v.dimensions))
			}
			c.pins[d].fixed = true
			if x.state == variableFixed {
				c.pins[d].values = []string{x.value}
			}
		case variableOther, variableColon:
			if c.variableColons {
				p := newPattern("*:*", ruleText, true, false, false)
				v.numbers = append(v.numbers[:0], v.language(&p))
				need(v.atom(v.textTest(d, x.state == variableOther), single, false))
			}
			if several {
				v.numbers = v.numbers[:0]
				p := newPattern("*", ruleText, true, false, false)
				v.numbers = append(v.numbers, v.language(&p))
				need(v.atom(v.textTest(d, false), single, false))
			} else {
				need(v.atom(v.presence(d, true), forAnyValue, false))
			}
			if len(x.not) > 0 {
				v.numbers = v.numbers[:0]
				for _, text := range x.not {
					v.numbers = append(v.numbers, v.literal(text))
				}
				need(v.atom(v.textTest(d, true), single, false))
			}
		case variableMany:
			if !several {
				c.impossible = true
				continue
			}
			p := newPattern("*", ruleText, true, false, false)
			v.numbers = append(v.numbers[:0], v.language(&p))
			if a, what := v.atom(v.textTest(d, false), single, true); what == requires {
				c.refuse = append(c.refuse, []int32{a})
			}
		}
	}
}

// maxVariableCases bounds the combinations of cases that are looked at.
const maxVariableCases = 64

// readableCase gives every variable a value that reads well.
func (c *comparer) readableCase() []variableCase {
	out := slices.Clone(c.variableKeys)
	for i := range out {
		x := &out[i]
		x.state, x.value = variableFixed, readableValue(x.lower)
		switch f := c.keys.dimensions[c.keys.dimension(x.key)].family; f {
		case familyNumber, familyDate, familyBoolean, familyAddress:
			x.value = typedValue(f)
		default:
		}
	}
	// A variable that a condition compares with another variable's key takes its value.
	of := func(lower string) *variableCase {
		if i := slices.IndexFunc(out, func(v variableCase) bool { return v.lower == lower }); i >= 0 {
			return &out[i]
		}
		return nil
	}
	for i := range c.statement {
		s := c.statement[i].statement
		if s == nil {
			continue
		}
		for j := range s.conditions {
			k := &s.conditions[j]
			key := of(k.lower)
			if key == nil || k.negated {
				continue
			}
			for n := range k.operands {
				if t := k.operands[n].pattern.tokens; len(t) == 1 && t[0].kind == tokenVariable {
					if v := of(lowerASCII(t[0].text)); v != nil {
						v.value = key.value
					}
				}
			}
		}
	}
	return out
}

// emptyCase gives every variable the empty value, which a tag may have: a pattern then reads as if the variable were not there. A
// language with an open variable says nothing of it.
func (c *comparer) emptyCase() []variableCase {
	out := c.readableCase()
	for i := range out {
		switch c.keys.dimensions[c.keys.dimension(out[i].key)].family {
		case familyNumber, familyDate, familyBoolean, familyAddress: // the empty text is none of these
		default:
			out[i].value = ""
		}
	}
	return out
}

// variableCases lists the cases of the variables that a comparison with open variables could not settle: together they are
// all there are, and those with a value come before the rest.
func (c *comparer) variableCases() (concrete, rest [][]variableCase) {
	keys := c.variableKeys
	options := make([][]variableCase, len(keys))
	for i, k := range keys {
		several := c.words.dimensions[c.words.dimension(k.key)].several
		values := c.variableValues(k)
		add := func(state variableState, value string, not []string) {
			options[i] = append(options[i], variableCase{k.key, k.lower, state, value, not})
		}
		add(variableAbsent, "", nil)
		for _, value := range values {
			add(variableFixed, value, nil)
		}
		add(variableOther, "", values)
		if c.variableColons {
			add(variableColon, "", values)
		}
		if several {
			add(variableMany, "", nil)
		}
	}
	combine := func(options [][]variableCase) [][]variableCase {
		out := [][]variableCase{nil}
		for _, list := range options {
			var next [][]variableCase
			for _, have := range out {
				for _, o := range list {
					next = append(next, append(slices.Clone(have), o))
				}
			}
			if out = next; len(out) > 4*maxVariableCases {
				return nil
			}
		}
		return out
	}
	all := combine(options)
	if all == nil {
		// Too many: each variable alone, the others at their first value.
		for i := range options {
			for _, o := range options[i] {
				if o.state == variableOther || o.state == variableColon {
					continue
				}
				one := make([]variableCase, len(options))
				for j := range options {
					one[j] = options[j][min(1, len(options[j])-1)]
				}
				one[i] = o
				concrete = append(concrete, one)
			}
		}
		open := slices.Clone(keys)
		return concrete[:min(len(concrete), maxVariableCases)], [][]variableCase{open}
	}
	for _, one := range all {
		if slices.ContainsFunc(one, func(v variableCase) bool { return v.state == variableOther || v.state == variableColon }) {
			rest = append(rest, one)
		} else {
			concrete = append(concrete, one)
		}
	}
	return concrete, rest
}

// maxVariableValues bounds the values that a variable is tried with.
const maxVariableValues = 9

// variableValues lists the values of a variable that may matter: a readable one first, then those that statements compare the
// key with, and those that make a pattern with the variable meet another text.
func (c *comparer) variableValues(k variableCase) []string {
	var out []string
	add := func(text string) {
		if len(out) < maxVariableValues && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	d := c.words.dimension(k.key)
	switch f := c.keys.dimensions[d].family; f {
	case familyNumber, familyDate, familyBoolean, familyAddress:
		var tests []*condition
		for i := range c.words.tests {
			if t := &c.words.tests[i]; t.dimension == d && t.condition != nil {
				tests = append(tests, t.condition)
			}
		}
		add(typedValue(f))
		if classes := newTypedClasses(f, tests, &c.budget); classes != nil {
			for class := range min(classes.size(), maxVariableValues) {
				add(classes.value(class))
			}
		}
		return out
	default:
	}
	add(readableValue(k.lower))
	add("") // a tag may be empty, and then a pattern is without the variable
	for i := range c.words.tests {
		t := &c.words.tests[i]
		if t.dimension != d || t.element == nil {
			continue
		}
		for _, l := range t.element.languages {
			if l.single {
				add(l.text)
			} else if !l.opaque && !l.empty {
				add(l.member(0))
			}
		}
	}
	for i := range c.statement {
		s := &c.statement[i]
		if s.statement == nil {
			continue
		}
		for j := range s.resources {
			c.captures(&s.resources[j], k, resourceDimension, add)
		}
		for j := range s.conditions {
			x := &s.conditions[j]
			for n := range x.operands {
				c.captures(&x.operands[n].pattern, k, c.words.dimension(x.key), add)
			}
		}
	}
	add("other")
	return out
}

// captures adds what the variable would have to be for the pattern to match texts that other statements name.
func (c *comparer) captures(p *pattern, k variableCase, d int32, add func(string)) {
	if !p.variable {
		return
	}
	var b strings.Builder
	b.WriteString("^")
	seen := false
	for _, t := range p.tokens {
		switch {
		case t.kind == tokenLiteral:
			b.WriteString(regexp.QuoteMeta(t.text))
		case t.kind == tokenStar:
			b.WriteString(".*")
		case t.kind == tokenOne:
			b.WriteString(".")
		case equalFold(t.text, k.lower) && !seen:
			seen = true
			b.WriteString("(.*?)")
		default:
			b.WriteString(".*?")
		}
	}
	if !seen || b.Len() > 1000 {
		return
	}
	expression, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return
	}
	if lower := c.keys.dimensions[d].lower; slices.ContainsFunc(c.variableKeys, func(v variableCase) bool { return v.lower == lower }) {
		if m := expression.FindStringSubmatch(readableValue(lower)); m != nil {
			add(m[1])
		}
	}
	for i := range c.words.tests {
		t := &c.words.tests[i]
		if t.dimension != d || t.element == nil {
			continue
		}
		for _, l := range t.element.languages {
			if l.opaque || l.empty || l.universal() {
				continue
			}
			if m := expression.FindStringSubmatch(l.member(0)); m != nil && len(m[1]) < 200 {
				add(m[1])
			}
		}
	}
}

// readableValue is a value of a key that reads like one.
func readableValue(lower string) string {
	switch lower {
	case "aws:username":
		return "alice"
	case "aws:principalaccount", "aws:sourceaccount", "aws:resourceaccount":
		return "111122223333"
	case "aws:userid":
		return "AIDAEXAMPLE"
	case "aws:principalarn":
		return "arn:aws:iam::111122223333:role/example"
	case "aws:requestedregion":
		return "us-east-1"
	case "aws:principalorgid", "aws:resourceorgid":
		return "o-example1234"
	}
	return "example"
}

package policy

import (
	"regexp"
	"slices"
	"strings"
)

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

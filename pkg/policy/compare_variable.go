package policy

import (
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
			case v.state == variableAbsent && t.fallback != nil:
				t = token{kind: tokenLiteral, text: *t.fallback}
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
				t.text, t.fallback = v.lower, nil
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
	if t.fallback != nil {
		text += ", '" + *t.fallback
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

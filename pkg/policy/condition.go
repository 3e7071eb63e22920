package policy

import (
	"net/netip"
	"strings"
)

// condition is one operator on one key, compiled.
//
// An absent key is a state of its own: a positive operator is false on it, a negated one and IfExists are true,
// ForAllValues is true and ForAnyValue is false (IfExists wins over ForAnyValue). A key with an empty list of
// values is absent. Several values of the policy are alternatives, and under a negated operator none of them may match.
// An operator without ForAllValues or ForAnyValue needs a key with one value; over several values it is false,
// negated or not: "multivalued context keys require a condition set operator".
// Source: IAM User Guide, "Condition operators"; "Single-valued vs. multivalued context keys"; "Set operators for
// multivalued context keys".
//
// A value in the request that is not of the operator's type (a number, a date, an address, an ARN) matches no value of the
// policy; a negated operator is then true.
type condition struct {
	operator
	key, lower string
	operands   []operand
}

// operand is one value of the policy, read as the operator's type.
type operand struct {
	pattern pattern
	number  number
	instant instant
	network netip.Prefix
	boolean bool
	// invalid is set when the text is not of the type: it matches nothing. Parse refuses such a document.
	invalid bool
}

// newCondition compiles c by itself.
func newCondition(c Condition, variables bool) (condition, string) {
	var m maker
	return m.condition(c, variables)
}

// condition compiles c. variables is whether the document's version has policy variables.
func (m *maker) condition(c Condition, variables bool) (condition, string) {
	op, message := readOperator(c.Operator)
	if message != "" {
		return condition{}, message
	}
	compiled := condition{operator: op, key: c.Key, lower: lowerASCII(c.Key), operands: m.operands.take(len(c.Values))}
	variables = variables && op.comparison.takesVariables()
	for i, text := range c.Values {
		compiled.operands[i] = m.operand(op.comparison, text, variables)
	}
	return compiled, ""
}

func (m *maker) operand(c comparison, text string, variables bool) (o operand) {
	ok := true
	switch c {
	case stringEquals, binaryEquals:
		o.pattern = m.pattern(text, ruleText, false, variables, false)
		ok = c != binaryEquals || isBinary(text)
	case stringEqualsIgnoreCase:
		o.pattern = m.pattern(text, ruleText, false, variables, true)
	case stringLike:
		o.pattern = m.pattern(text, ruleText, true, variables, false)
	case arnLike:
		o.pattern = m.pattern(text, ruleARN, true, variables, false)
	case numericEquals, numericLessThan, numericLessThanEquals, numericGreaterThan, numericGreaterThanEquals:
		o.number, ok = parseNumber(text)
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		o.instant, ok = parseInstant(text)
	case ipAddress:
		o.network, ok = parseRange(text)
	case boolEquals:
		if o.boolean, ok = parseBool(text); !ok && variables && strings.Contains(text, "${") {
			o.pattern, ok = m.pattern(text, ruleText, false, true, true), true
		}
	case nullCheck:
		o.boolean, ok = parseBool(text)
	}
	o.invalid = !ok
	return o
}

// valueMessage says what is wrong with a value of the policy, "" when nothing is.
func valueMessage(c comparison, text string, variables bool) string {
	if variables && c.takesVariables() {
		if message := checkVariables(text); message != "" {
			return message
		}
	}
	var m maker
	if !m.operand(c, text, variables && c.takesVariables()).invalid {
		return ""
	}
	switch c {
	case numericEquals, numericLessThan, numericLessThanEquals, numericGreaterThan, numericGreaterThanEquals:
		return "is not a number"
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		return "is neither an ISO 8601 date nor seconds since 1970"
	case ipAddress:
		return "is neither an address nor a CIDR range"
	case binaryEquals:
		return "is not base-64"
	default:
		return "is neither true nor false"
	}
}

// test says whether the condition holds.
func (c *condition) test(r *Request) truth {
	values, presence := r.lookup(c.key, c.lower)
	if c.comparison == nullCheck {
		return c.testNull(presence)
	}
	if presence == maybe {
		return c.testUnknown(r)
	}
	if presence == no {
		return truthOf(c.ifExists || c.quantifier == forAllValues || c.quantifier == single && c.negated)
	}
	switch c.quantifier {
	case forAllValues:
		result := yes
		for _, value := range values {
			result = min(result, c.testValue(value, r))
		}
		return result
	case forAnyValue:
		result := no
		for _, value := range values {
			result = max(result, c.testValue(value, r))
		}
		return result
	default:
		if len(values) > 1 {
			return no
		}
		return c.testValue(values[0], r)
	}
}

// testNull: true asks for an absent key, false for a present one.
func (c *condition) testNull(presence truth) truth {
	result := no
	for i := range c.operands {
		switch o := &c.operands[i]; {
		case o.invalid:
		case o.boolean:
			result = max(result, presence.not())
		default:
			result = max(result, presence)
		}
	}
	if presence == maybe && c.bothNull() {
		return yes
	}
	return result
}

// bothNull says whether a Null condition names true and false and so asks for nothing.
func (c *condition) bothNull() bool {
	var absent, present bool
	for i := range c.operands {
		absent = absent || !c.operands[i].invalid && c.operands[i].boolean
		present = present || !c.operands[i].invalid && !c.operands[i].boolean
	}
	return absent && present
}

// testUnknown is the answer for a key that cannot be known: maybe, unless every value and absence get the same answer.
func (c *condition) testUnknown(r *Request) truth {
	matchesAll := false
	for i := range c.operands {
		p := &c.operands[i].pattern
		matchesAll = matchesAll || c.comparison == stringLike && !p.variable && p.shape == shapeAny
	}
	absent := c.ifExists || c.quantifier == forAllValues || c.quantifier == single && c.negated
	switch {
	case matchesAll && !c.negated && absent:
		return yes
	case c.quantifier == forAnyValue && matchesAll && c.negated && !absent:
		return no
	case len(c.operands) == 0 && !c.negated && !absent:
		return no
	case len(c.operands) == 0 && c.negated && absent:
		return yes
	}
	return maybe
}

// testValue says whether one value of the key passes: it matches any value of the policy, or none under negation.
func (c *condition) testValue(value string, r *Request) truth {
	result := c.matchAny(value, r)
	if c.negated {
		return result.not()
	}
	return result
}

func (c *condition) matchAny(value string, r *Request) truth {
	switch c.comparison {
	case stringEquals, stringEqualsIgnoreCase, stringLike, arnLike, binaryEquals:
		result := no
		for i := range c.operands {
			if o := &c.operands[i]; !o.invalid {
				if result = max(result, o.pattern.match(value, r)); result == yes {
					break
				}
			}
		}
		return result
	case boolEquals:
		return c.matchBool(value, r)
	case ipAddress:
		address, ok := parseAddress(value)
		if !ok {
			return no
		}
		for i := range c.operands {
			if o := &c.operands[i]; !o.invalid && o.network.Contains(address) {
				return yes
			}
		}
		return no
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		moment, ok := parseInstant(value)
		if !ok {
			return no
		}
		for i := range c.operands {
			if o := &c.operands[i]; !o.invalid && c.comparison.holds(moment.compare(o.instant)) {
				return yes
			}
		}
		return no
	default:
		n, ok := parseNumber(value)
		if !ok {
			return no
		}
		for i := range c.operands {
			if o := &c.operands[i]; !o.invalid && c.comparison.holds(n.compare(o.number)) {
				return yes
			}
		}
		return no
	}
}

func (c *condition) matchBool(value string, r *Request) truth {
	wanted, ok := parseBool(value)
	if !ok {
		return no
	}
	result := no
	for i := range c.operands {
		switch o := &c.operands[i]; {
		case o.invalid:
		case o.pattern.variable:
			result = max(result, o.pattern.match(value, r))
		default:
			result = max(result, truthOf(o.boolean == wanted))
		}
	}
	return result
}

// holds says whether an ordering operator holds for a request value that compares so with the policy's value.
func (c comparison) holds(order int) bool {
	switch c {
	case numericLessThan, dateLessThan:
		return order < 0
	case numericLessThanEquals, dateLessThanEquals:
		return order <= 0
	case numericGreaterThan, dateGreaterThan:
		return order > 0
	case numericGreaterThanEquals, dateGreaterThanEquals:
		return order >= 0
	default:
		return order == 0
	}
}

// unknownKeys adds to keys the names that made the condition undecided.
func (c *condition) unknownKeys(r *Request, keys map[string]bool) {
	if _, presence := r.lookup(c.key, c.lower); presence == maybe {
		keys[c.key] = true
	}
	for i := range c.operands {
		c.operands[i].pattern.unknownKeys(r, keys)
	}
}

func (p *pattern) unknownKeys(r *Request, keys map[string]bool) {
	if !p.variable {
		return
	}
	for _, t := range p.tokens {
		if t.kind == tokenVariable {
			if _, known := r.variable(t); known == maybe {
				keys[t.text] = true
			}
		}
	}
}

// lookup finds a condition key in the context: its values with yes, no when it is absent, maybe when it is one of the unknown
// keys. The spelling that the policy uses is tried first, then its lower case, then every name without case; of several
// spellings in one context the first in byte order counts.
func (r *Request) lookup(key, lower string) ([]string, truth) {
	values, ok := r.carried(key)
	if !ok && lower != key {
		values, ok = r.carried(lower)
	}
	if !ok {
		values, ok = r.carriedFold(key)
	}
	if ok {
		return values, truthOf(len(values) > 0)
	}
	for _, name := range r.Unknown {
		if equalFold(name, key) {
			return nil, maybe
		}
		if family, isFamily := strings.CutSuffix(name, "*"); isFamily && strings.HasSuffix(family, "/") && hasPrefix(key, family, true) {
			return nil, maybe
		}
	}
	return nil, no
}

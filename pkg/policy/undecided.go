package policy

import (
	"fmt"
	"strings"
)

// maxOpenTests bounds how many facts about unknown keys are tried in every combination.
const maxOpenTests = 12

// openFacts numbers what cannot be known about a request: whether an unknown key is there, and whether its value matches one
// value of a policy. Facts that are the same in two conditions have one number, so that a condition and its negation are seen to
// cover everything between them. An unknown key that no set operator tests is taken to have one value at most, which is what
// IAM means by a single-valued key.
type openFacts struct {
	numbers map[string]int
	sets    map[string]bool // unknown keys that a set operator tests: they may have several values
}

func (f *openFacts) number(parts ...string) int {
	name := strings.Join(parts, "\x00")
	n, ok := f.numbers[name]
	if !ok {
		n = len(f.numbers)
		f.numbers[name] = n
	}
	return n
}

// openTest is one undecided test of a statement, over the facts' numbers.
type openTest struct {
	condition *condition // nil for a test that is a fact by itself
	fact      int
	matches   []int // for each value of the condition
}

// holds says whether the test holds when the facts in bits are true.
func (o *openTest) holds(bits uint) bool {
	present := bits>>o.fact&1 == 1
	c := o.condition
	switch {
	case c == nil:
		return present
	case c.comparison == nullCheck:
		for i := range c.operands {
			if !c.operands[i].invalid && c.operands[i].boolean != present {
				return true
			}
		}
		return false
	case !present:
		return c.ifExists || c.negated
	}
	for _, match := range o.matches {
		if bits>>match&1 == 1 {
			return !c.negated
		}
	}
	return c.negated
}

// settleOpen looks at an undecided request once more: it tries every combination of the facts that cannot be known. decided is
// true when all of them lead to the same outcome, as when one statement allows what another allows under the opposite
// condition. More combinations are tried than can occur, so a decided outcome is certain.
func (c *Compiled) settleOpen(answers []truth, reaches []reach, r *Request) (outcome Outcome, decided bool) {
	facts := openFacts{numbers: map[string]int{}, sets: map[string]bool{}}
	for i := range c.statements {
		for j := range c.statements[i].conditions {
			if k := &c.statements[i].conditions[j]; answers[i] == maybe && k.quantifier != single {
				facts.sets[k.lower] = true
			}
		}
	}
	open := make([][]openTest, len(c.statements))
	for i := range c.statements {
		if answers[i] == maybe {
			open[i] = c.statements[i].openTests(&facts, i, r)
		}
		if len(facts.numbers) > maxOpenTests {
			return "", false
		}
	}
	for bits := range uint(1) << len(facts.numbers) {
		var t tally
		for i := range c.statements {
			if answers[i] == yes || answers[i] == maybe && holdAll(open[i], bits) {
				*c.field(&t, c.statements[i], reaches[i]) = yes
			}
		}
		next := ImplicitlyDenied
		switch {
		case t.deny == yes:
			next = ExplicitlyDenied
		case c.combine(&t, t.boundary) == yes:
			next = Allowed
		}
		switch {
		case bits == 0:
			outcome = next
		case outcome == Allowed || next == Allowed:
			if outcome != next {
				return "", false
			}
		case next == ImplicitlyDenied:
			// Denied either way, explicitly only when no combination says otherwise.
			outcome = ImplicitlyDenied
		}
	}
	return outcome, true
}

func holdAll(tests []openTest, bits uint) bool {
	for i := range tests {
		if !tests[i].holds(bits) {
			return false
		}
	}
	return true
}

// openTests lists the tests of a statement that are undecided.
func (s *statement) openTests(facts *openFacts, index int, r *Request) []openTest {
	var tests []openTest
	if s.testResource(r) == maybe {
		tests = append(tests, openTest{fact: facts.number("resource", fmt.Sprint(index))})
	}
	for j := range s.conditions {
		c := &s.conditions[j]
		if c.test(r) != maybe {
			continue
		}
		_, presence := r.lookup(c.key, c.lower)
		if presence != maybe || c.comparison != nullCheck && (facts.sets[c.lower] || c.hasVariables()) {
			tests = append(tests, openTest{fact: facts.number("condition", fmt.Sprint(index, j))})
			continue
		}
		test := openTest{condition: c, fact: facts.number("present", c.lower)}
		if c.comparison != nullCheck {
			for k := range c.operands {
				if !c.operands[k].invalid {
					test.matches = append(test.matches, facts.number("matches", c.lower, c.operands[k].identity(c.comparison)))
				}
			}
		}
		tests = append(tests, test)
	}
	return tests
}

func (c *condition) hasVariables() bool {
	for i := range c.operands {
		if c.operands[i].pattern.variable {
			return true
		}
	}
	return false
}

// identity is the same text for two values that match the same request values.
func (o *operand) identity(c comparison) string {
	switch c {
	case stringEquals, stringLike, binaryEquals, stringEqualsIgnoreCase, arnLike:
		var b strings.Builder
		fmt.Fprintf(&b, "%t %t", o.pattern.rule == ruleARN, o.pattern.fold)
		for _, t := range o.pattern.tokens {
			fmt.Fprintf(&b, " %d %t %q", t.kind, t.within, t.text)
		}
		return b.String()
	case boolEquals:
		return fmt.Sprint("bool ", o.boolean)
	case ipAddress:
		return "in " + o.network.String()
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		return fmt.Sprint("date ", c, o.instant)
	default:
		return fmt.Sprint("number ", c, o.number)
	}
}

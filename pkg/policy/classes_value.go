package policy

import (
	"slices"
	"strconv"
	"strings"
)

// family is the type of values that a condition key is tested as.
type family uint8

const (
	familyNone    family = iota // only its presence is asked
	familyText                  // any text
	familyARN                   // text with the six components of an ARN: only Arn operators ask
	familyNumber                // a decimal number
	familyDate                  // a moment
	familyBoolean               // true or false
	familyAddress               // an IPv4 or IPv6 address
	familyMixed                 // text and something else
)

// familyOf is the family that an operator's values have. A Bool with a policy variable compares text.
func familyOf(c comparison, values []string, version Version) family {
	switch c {
	case numericEquals, numericLessThan, numericLessThanEquals, numericGreaterThan, numericGreaterThanEquals:
		return familyNumber
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		return familyDate
	case boolEquals:
		variable := func(text string) bool {
			if !strings.Contains(text, "${") {
				return false
			}
			p := newPattern(text, ruleText, false, true, true)
			return p.variable
		}
		if version == Version2012 && slices.ContainsFunc(values, variable) {
			return familyText
		}
		return familyBoolean
	case ipAddress:
		return familyAddress
	case arnLike:
		return familyARN
	case nullCheck:
		return familyNone
	case stringEquals, stringEqualsIgnoreCase, stringLike, binaryEquals:
	}
	return familyText
}

// family is the family of a condition that does not compare text.
func (c *condition) family() family { return familyOf(c.comparison, nil, "") }

// join is the family of a key that is tested as both.
func (f family) join(g family) family {
	switch {
	case f == g || g == familyNone:
		return f
	case f == familyNone:
		return g
	case (f == familyText || f == familyARN) && (g == familyText || g == familyARN):
		return familyText
	}
	return familyMixed
}

// typedClasses are the classes of numbers, dates, addresses or Booleans that some conditions can tell apart.
type typedClasses interface {
	// size is how many there are.
	size() int
	// value writes a value of a class.
	value(class int) string
	// pass adds to mask the classes whose values match a value of the condition, negation aside.
	pass(k *condition, mask []uint64)
}

// newTypedClasses finds the classes of a family; nil when the budget ends first.
func newTypedClasses(f family, tests []*condition, b *budget) typedClasses {
	mine := make([]*condition, 0, len(tests))
	operands := 1
	for _, k := range tests {
		if k.family() == f {
			mine = append(mine, k)
			operands += len(k.operands)
		}
	}
	if !b.spend(16 * operands) {
		return nil
	}
	switch f {
	case familyNumber:
		return newNumberClasses(mine, b)
	case familyDate:
		return newDateClasses(mine, b)
	case familyAddress:
		return newAddressClasses(mine, b)
	case familyBoolean:
		return booleanClasses{}
	case familyNone, familyText, familyARN, familyMixed:
	}
	return nil
}

// typedValue is some value of a family.
func typedValue(f family) string {
	if c := newTypedClasses(f, nil, &budget{left: 1000}); c != nil {
		return c.value(c.size() - 1)
	}
	return "example"
}

// booleanClasses are false and true.
type booleanClasses struct{}

func (booleanClasses) size() int { return 2 }

func (booleanClasses) value(class int) string { return strconv.FormatBool(class == 1) }

func (booleanClasses) pass(k *condition, mask []uint64) {
	for i := range k.operands {
		if o := &k.operands[i]; !o.invalid && o.boolean {
			setBit(mask, 1)
		} else if !o.invalid {
			setBit(mask, 0)
		}
	}
}

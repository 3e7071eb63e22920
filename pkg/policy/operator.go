package policy

import "strings"

// comparison is what a condition operator compares, without qualifier, negation and suffix.
type comparison uint8

const (
	stringEquals comparison = iota
	stringEqualsIgnoreCase
	stringLike
	numericEquals
	numericLessThan
	numericLessThanEquals
	numericGreaterThan
	numericGreaterThanEquals
	dateEquals
	dateLessThan
	dateLessThanEquals
	dateGreaterThan
	dateGreaterThanEquals
	boolEquals
	binaryEquals
	ipAddress
	arnLike
	nullCheck
)

// quantifier is the set qualifier of an operator.
type quantifier uint8

const (
	single       quantifier = iota
	forAllValues            // every value of the key must pass
	forAnyValue             // at least one value of the key must pass
)

// operator is a condition operator taken apart.
type operator struct {
	name       string // as IAM's documentation spells the part between qualifier and suffix
	comparison comparison
	negated    bool
	quantifier quantifier
	ifExists   bool
}

// operators are all of IAM's condition operators.
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
var operators = []operator{
	{name: "StringEquals", comparison: stringEquals},
	{name: "StringNotEquals", comparison: stringEquals, negated: true},
	{name: "StringEqualsIgnoreCase", comparison: stringEqualsIgnoreCase},
	{name: "StringNotEqualsIgnoreCase", comparison: stringEqualsIgnoreCase, negated: true},
	{name: "StringLike", comparison: stringLike},
	{name: "StringNotLike", comparison: stringLike, negated: true},
	{name: "NumericEquals", comparison: numericEquals},
	{name: "NumericNotEquals", comparison: numericEquals, negated: true},
	{name: "NumericLessThan", comparison: numericLessThan},
	{name: "NumericLessThanEquals", comparison: numericLessThanEquals},
	{name: "NumericGreaterThan", comparison: numericGreaterThan},
	{name: "NumericGreaterThanEquals", comparison: numericGreaterThanEquals},
	{name: "DateEquals", comparison: dateEquals},
	{name: "DateNotEquals", comparison: dateEquals, negated: true},
	{name: "DateLessThan", comparison: dateLessThan},
	{name: "DateLessThanEquals", comparison: dateLessThanEquals},
	{name: "DateGreaterThan", comparison: dateGreaterThan},
	{name: "DateGreaterThanEquals", comparison: dateGreaterThanEquals},
	{name: "Bool", comparison: boolEquals},
	{name: "BinaryEquals", comparison: binaryEquals},
	{name: "IpAddress", comparison: ipAddress},
	{name: "NotIpAddress", comparison: ipAddress, negated: true},
	{name: "ArnEquals", comparison: arnLike},
	{name: "ArnLike", comparison: arnLike},
	{name: "ArnNotEquals", comparison: arnLike, negated: true},
	{name: "ArnNotLike", comparison: arnLike, negated: true},
	{name: "Null", comparison: nullCheck},
}

const (
	forAllValuesPrefix = "ForAllValues:"
	forAnyValuePrefix  = "ForAnyValue:"
	ifExistsSuffix     = "IfExists"
)

// readOperator takes an operator apart. Its name is read without case. The message is empty when it is one of IAM's.
func readOperator(text string) (op operator, message string) {
	rest := text
	switch {
	case len(rest) > len(forAllValuesPrefix) && hasPrefix(rest, forAllValuesPrefix, true):
		op.quantifier, rest = forAllValues, rest[len(forAllValuesPrefix):]
	case len(rest) > len(forAnyValuePrefix) && hasPrefix(rest, forAnyValuePrefix, true):
		op.quantifier, rest = forAnyValue, rest[len(forAnyValuePrefix):]
	}
	if n := len(rest) - len(ifExistsSuffix); n > 0 && equalFold(rest[n:], ifExistsSuffix) {
		op.ifExists, rest = true, rest[:n]
	}
	for i := range operators {
		known := &operators[i]
		if !equalFold(rest, known.name) {
			continue
		}
		if known.comparison == nullCheck && op.ifExists {
			return operator{}, "Null cannot take IfExists"
		}
		op.name, op.comparison, op.negated = known.name, known.comparison, known.negated
		return op, ""
	}
	return operator{}, "unknown condition operator"
}

// String is the operator as the documentation spells it.
func (op operator) String() string {
	if op.quantifier == single && !op.ifExists {
		return op.name
	}
	var b strings.Builder
	switch op.quantifier {
	case single:
	case forAllValues:
		b.WriteString(forAllValuesPrefix)
	case forAnyValue:
		b.WriteString(forAnyValuePrefix)
	}
	b.WriteString(op.name)
	if op.ifExists {
		b.WriteString(ifExistsSuffix)
	}
	return b.String()
}

// takesVariables says whether ${…} is replaced in the operator's values. The page on variables leaves Bool out, the page on
// operators lets it in; a Bool value is true or false or a variable here.
func (c comparison) takesVariables() bool {
	switch c {
	case stringEquals, stringEqualsIgnoreCase, stringLike, arnLike, boolEquals:
		return true
	default:
		return false
	}
}

package policy

import "testing"

// present makes a context of one key.
func present(values ...string) map[string][]string { return map[string][]string{"a:k": values} }

func TestConditions(t *testing.T) {
	list := func(values ...string) []string { return values }
	absent := map[string][]string(nil)
	const arnX = "arn:aws:lambda:eu-west-1:111122223333:function:x"
	tests := []struct {
		name     string
		operator string
		values   []string
		context  map[string][]string
		want     truth
	}{
		{"StringEquals takes no wildcard", "StringEquals", list("a*"), present("ab"), no},
		{"StringEquals takes a star as itself", "StringEquals", list("a*"), present("a*"), yes},
		{"StringEquals keeps case", "StringEquals", list("A"), present("a"), no},
		{"several values are alternatives", "StringEquals", list("x", "a"), present("a"), yes},
		{"a negated list means none of", "StringNotEquals", list("x", "a"), present("a"), no},
		{"a negated list holds when none matches", "StringNotEquals", list("x", "y"), present("a"), yes},
		{"IgnoreCase folds ASCII", "StringEqualsIgnoreCase", list("ABC"), present("aBc"), yes},
		{"IgnoreCase folds nothing else", "StringEqualsIgnoreCase", list("É"), present("é"), no},
		{"IgnoreCase does not fold the Kelvin sign", "StringEqualsIgnoreCase", list("\u212a"), present("k"), no},
		{"NotEqualsIgnoreCase", "StringNotEqualsIgnoreCase", list("ABC"), present("abc"), no},
		{"StringLike crosses colons", "StringLike", list("arn:*:x"), present(arnX), yes},
		{"StringNotLike", "StringNotLike", list("arn:*"), present(arnX), no},
		{"StringLike keeps case", "StringLike", list("A*"), present("ab"), no},
		{"an empty value is a value", "StringEquals", list(""), present(""), yes},
		{"a star matches the empty value", "StringLike", list("*"), present(""), yes},

		{"ArnEquals takes wildcards", "ArnEquals", list("arn:aws:lambda:*:111122223333:function:*"), present(arnX), yes},
		{"ArnLike does not cross components", "ArnLike", list("arn:aws:lambda:*:function:x"), present(arnX), no},
		{"ArnNotEquals takes wildcards", "ArnNotEquals", list("arn:aws:lambda:*:111122223333:function:*"), present(arnX), no},
		{"ArnNotLike holds for what is no ARN", "ArnNotLike", list("arn:aws:lambda:*:*:*"), present("x"), yes},

		{"NumericEquals compares numbers", "NumericEquals", list("10"), present("10.0"), yes},
		{"NumericNotEquals", "NumericNotEquals", list("10", "11"), present("11.0"), no},
		{"NumericLessThan", "NumericLessThan", list("10"), present("9.99"), yes},
		{"NumericLessThan at the bound", "NumericLessThan", list("10"), present("10"), no},
		{"NumericLessThanEquals at the bound", "NumericLessThanEquals", list("10"), present("10"), yes},
		{"NumericGreaterThan with several bounds takes the lowest", "NumericGreaterThan", list("10", "5"), present("6"), yes},
		{"NumericGreaterThanEquals", "NumericGreaterThanEquals", list("-1"), present("-2"), no},
		{"a text is no number", "NumericLessThan", list("10"), present("a"), no},
		{"a text is not equal to a number", "NumericNotEquals", list("10"), present("a"), yes},

		{"DateEquals compares instants", "DateEquals", list("2024-05-01T00:00:00Z"), present("1714521600"), yes},
		{"DateNotEquals", "DateNotEquals", list("2024-05-01"), present("2024-05-01T00:00:00Z"), no},
		{"DateLessThan", "DateLessThan", list("2024-05-01"), present("2024-04-30T23:59:59Z"), yes},
		{"DateGreaterThanEquals at the bound", "DateGreaterThanEquals", list("2024-05-01"), present("2024-05-01T02:00:00+02:00"), yes},

		{"Bool reads without case", "Bool", list("True"), present("true"), yes},
		{"Bool with both values asks for presence", "Bool", list("true", "false"), present("false"), yes},
		{"Bool with both values fails on absence", "Bool", list("true", "false"), absent, no},
		{"Bool of what is no Boolean", "Bool", list("true"), present("1"), no},

		{"BinaryEquals", "BinaryEquals", list("QmluYXJ5"), present("QmluYXJ5"), yes},
		{"BinaryEquals keeps case", "BinaryEquals", list("QmluYXJ5"), present("qmluyxj5"), no},

		{"IpAddress", "IpAddress", list("10.0.0.0/8", "2001:db8::/32"), present("2001:db8::5"), yes},
		{"NotIpAddress means in none", "NotIpAddress", list("10.0.0.0/8", "2001:db8::/32"), present("2001:db8::5"), no},
		{"NotIpAddress holds for the other family", "NotIpAddress", list("10.0.0.0/8"), present("2001:db8::5"), yes},

		{"Null true asks for absence", "Null", list("true"), absent, yes},
		{"Null true fails on presence", "Null", list("true"), present("x"), no},
		{"Null false asks for presence", "Null", list("false"), present(""), yes},
		{"Null false fails on absence", "Null", list("false"), absent, no},
		{"Null with both asks for nothing", "Null", list("true", "FALSE"), absent, yes},
		{"an empty list of values is absence", "Null", list("true"), present(), yes},

		{"a positive operator fails on absence", "StringEquals", list("a"), absent, no},
		{"a positive star fails on absence", "StringLike", list("*"), absent, no},
		{"a negated operator holds on absence", "StringNotEquals", list("a"), absent, yes},
		{"a negated ARN operator holds on absence", "ArnNotLike", list("arn:aws:s3:::*"), absent, yes},
		{"NotIpAddress holds on absence", "NotIpAddress", list("10.0.0.0/8"), absent, yes},
		{"IfExists holds on absence", "StringEqualsIfExists", list("a"), absent, yes},
		{"negated IfExists holds on absence", "StringNotEqualsIfExists", list("a"), absent, yes},
		{"IfExists tests what is there", "StringEqualsIfExists", list("a"), present("b"), no},
		{"ForAllValues holds on absence", "ForAllValues:StringEquals", list("a"), absent, yes},
		{"ForAllValues holds on an empty set", "ForAllValues:StringEquals", list("a"), present(), yes},
		{"negated ForAllValues holds on absence", "ForAllValues:StringNotEquals", list("a"), absent, yes},
		{"ForAnyValue fails on absence", "ForAnyValue:StringEquals", list("a"), absent, no},
		{"negated ForAnyValue fails on absence", "ForAnyValue:StringNotEquals", list("a"), absent, no},
		{"ForAnyValue with IfExists holds on absence", "ForAnyValue:StringLikeIfExists", list("a"), absent, yes},

		{"ForAllValues wants every member", "ForAllValues:StringEquals", list("a", "b"), present("a", "b", "a"), yes},
		{"ForAllValues fails on one stranger", "ForAllValues:StringEquals", list("a", "b"), present("a", "c"), no},
		{"ForAnyValue wants one member", "ForAnyValue:StringEquals", list("a", "b"), present("c", "b"), yes},
		{"ForAnyValue fails without one", "ForAnyValue:StringEquals", list("a"), present("b", "c"), no},
		{"negated ForAllValues: no member may match", "ForAllValues:StringNotEquals", list("a", "b"), present("c", "b"), no},
		{"negated ForAnyValue: one member matches none", "ForAnyValue:StringNotEquals", list("a", "b"), present("a", "c"), yes},
		{"set operators take a single value too", "ForAnyValue:StringLike", list("a*"), present("ab"), yes},
		{"typed values in sets", "ForAllValues:NumericLessThan", list("10"), present("1", "9"), yes},
		{"an operator without qualifier fails over several values", "StringEquals", list("a"), present("a", "b"), no},
		{"a negated one too", "StringNotEquals", list("x"), present("a", "b"), no},
		{"IfExists does not help it", "StringEqualsIfExists", list("a"), present("a", "a"), no},

		{"no value of the policy matches", "StringEquals", list(), present("a"), no},
		{"none of no values", "StringNotEquals", list(), present("a"), yes},
		{"ForAllValues of no values takes the absent key", "ForAllValues:StringEquals", list(), absent, yes},
		{"operator names are read without case", "FORALLVALUES:stringequalsIFEXISTS", list("a"), present("a"), yes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, message := newCondition(Condition{Operator: tt.operator, Key: "a:k", Values: tt.values}, true)
			if message != "" {
				t.Fatal(message)
			}
			if got := c.test(&Request{Context: tt.context}); got != tt.want {
				t.Errorf("%s %v over %v is %d, want %d", tt.operator, tt.values, tt.context, got, tt.want)
			}
		})
	}
}

func TestConditionKeysFoldCase(t *testing.T) {
	c, _ := newCondition(Condition{Operator: "StringEquals", Key: "AWS:SourceAccount", Values: []string{"1"}}, true)
	for _, key := range []string{"AWS:SourceAccount", "aws:sourceaccount", "aws:SourceAccount"} {
		if c.test(&Request{Context: map[string][]string{"aws:other": {"1"}, key: {"1"}}}) != yes {
			t.Errorf("%s is not found", key)
		}
	}
	if c.test(&Request{Context: map[string][]string{"aws:SourceAccounts": {"1"}}}) != no {
		t.Error("another key is found")
	}
	// "K" and the Kelvin sign are one letter to Unicode's folding, not to IAM's.
	c, _ = newCondition(Condition{Operator: "StringEquals", Key: "aws:k", Values: []string{"1"}}, true)
	if c.test(&Request{Context: map[string][]string{"aws:\u212a": {"1"}}}) != no {
		t.Error("a key is folded beyond ASCII")
	}
}

func TestVariables(t *testing.T) {
	context := map[string][]string{
		"aws:username": {"bob"}, "aws:star": {"*"}, "aws:many": {"a", "b"}, "aws:PrincipalArn": {"arn:aws:iam::111122223333:role/r"},
		"aws:PrincipalAccount": {"111122223333"}, "aws:empty": {""},
	}
	tests := []struct {
		name     string
		version  Version
		operator string
		policy   string
		value    string
		want     truth
	}{
		{"a variable is replaced", Version2012, "StringEquals", "x-${aws:username}-y", "x-bob-y", yes},
		{"key names in variables fold case", Version2012, "StringEquals", "${AWS:UserName}", "bob", yes},
		{"a wildcard beside a variable", Version2012, "StringLike", "${aws:username}*", "bobby", yes},
		{"a value is never a pattern", Version2012, "StringLike", "${aws:star}", "anything", no},
		{"a value's star is itself", Version2012, "StringLike", "${aws:star}", "*", yes},
		{"variables are text in 2008-10-17", Version2008, "StringEquals", "${aws:username}", "${aws:username}", yes},
		{"and are not replaced there", Version2008, "StringEquals", "${aws:username}", "bob", no},
		{"variables are text without a version", "", "StringEquals", "${aws:username}", "${aws:username}", yes},
		{"escapes are text without a version", "", "StringLike", "${*}", "${anything}", yes},
		{"an escaped star", Version2012, "StringLike", "a${*}", "a*", yes},
		{"an escaped star is no wildcard", Version2012, "StringLike", "a${*}", "ab", no},
		{"an escaped question mark", Version2012, "StringLike", "a${?}", "a?", yes},
		{"an escaped dollar", Version2012, "StringEquals", "${$}{aws:username}", "${aws:username}", yes},
		{"escapes hold under StringEquals too", Version2012, "StringEquals", "${*}", "*", yes},
		{"a variable without a value matches nothing", Version2012, "StringLike", "${aws:absent}", "", no},
		{"a star does not save it", Version2012, "StringLike", "*${aws:absent}*", "x", no},
		{"a negated operator holds then", Version2012, "StringNotLike", "${aws:absent}", "x", yes},
		{"the default", Version2012, "StringEquals", "${aws:absent, 'team'}", "team", yes},
		{"the default is no pattern", Version2012, "StringLike", "${aws:absent, '*'}", "x", no},
		{"an empty default", Version2012, "StringEquals", "x${aws:absent, ''}", "x", yes},
		{"the default gives way to a value", Version2012, "StringEquals", "${aws:username, 'team'}", "team", no},
		{"a default may hold a brace", Version2012, "StringEquals", "${aws:absent, 'a}b'}", "a}b", yes},
		{"an empty value is a value", Version2012, "StringEquals", "x${aws:empty, 'd'}", "x", yes},
		{"a key with several values is no variable", Version2012, "StringEquals", "${aws:many}", "a", no},
		{"nor has it a default", Version2012, "StringEquals", "${aws:many, 'a'}", "a", no},
		{"variables do not nest", Version2012, "StringEquals", "${aws:${aws:username}}", "bob}", no},
		{"a dollar alone is text", Version2012, "StringEquals", "$5", "$5", yes},
		{"IgnoreCase folds the value", Version2012, "StringEqualsIgnoreCase", "${aws:USERNAME}", "BOB", yes},
		{"a variable in an ARN's component", Version2012, "ArnEquals", "arn:aws:iam::${aws:PrincipalAccount}:role/*", "arn:aws:iam::111122223333:role/r", yes},
		{"a variable that is the ARN", Version2012, "ArnEquals", "${aws:PrincipalArn}", "arn:aws:iam::111122223333:role/r", yes},
		{"Bool takes a variable", Version2012, "Bool", "${aws:absent, 'true'}", "true", yes},
		{"a number does not", Version2012, "NumericNotEquals", "5", "bob", yes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, message := newCondition(Condition{Operator: tt.operator, Key: "a:k", Values: []string{tt.policy}}, tt.version == Version2012)
			if message != "" {
				t.Fatal(message)
			}
			request := &Request{Context: map[string][]string{"a:k": {tt.value}}}
			for key, values := range context {
				request.Context[key] = values
			}
			if got := c.test(request); got != tt.want {
				t.Errorf("%s %s over %s is %d, want %d", tt.operator, tt.policy, tt.value, got, tt.want)
			}
		})
	}
}

func TestUnknownKeys(t *testing.T) {
	tests := []struct {
		name     string
		operator string
		values   []string
		want     truth
	}{
		{"a positive operator", "StringEquals", []string{"a"}, maybe},
		{"a negated operator", "StringNotEquals", []string{"a"}, maybe},
		{"presence", "Null", []string{"false"}, maybe},
		{"presence or absence is certain", "Null", []string{"false", "true"}, yes},
		{"a star wants presence", "StringLike", []string{"*"}, maybe},
		{"a star with IfExists is certain", "StringLikeIfExists", []string{"*"}, yes},
		{"a star for all values is certain", "ForAllValues:StringLike", []string{"*"}, yes},
		{"no value matches nothing", "StringEquals", nil, no},
		{"none of nothing is certain", "StringNotEquals", nil, yes},
		{"no member fails to match a star", "ForAnyValue:StringNotLike", []string{"*"}, no},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newCondition(Condition{Operator: tt.operator, Key: "aws:ResourceTag/team", Values: tt.values}, true)
			for _, unknown := range []string{"aws:resourcetag/TEAM", "aws:ResourceTag/*"} {
				if got := c.test(&Request{Unknown: []string{unknown}}); got != tt.want {
					t.Errorf("with %s unknown it is %d, want %d", unknown, got, tt.want)
				}
			}
		})
	}
	c, _ := newCondition(Condition{Operator: "StringEquals", Key: "aws:ResourceTag/team", Values: []string{"a"}}, true)
	if got := c.test(&Request{Unknown: []string{"aws:ResourceTag/*"}, Context: map[string][]string{"aws:ResourceTag/team": {"b"}}}); got != no {
		t.Errorf("a key of the context is %d under an unknown family, want no", got)
	}
	if got := c.test(&Request{Unknown: []string{"aws:RequestTag/*", "aws:ResourceTag/te", "aws:*"}}); got != no {
		t.Errorf("other unknown keys make it %d, want no", got)
	}
}

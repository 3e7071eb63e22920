package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// A world is the small part of IAM that one random pair of policy sets speaks of: a few condition keys, a tiny alphabet, a few
// actions and ARNs. Small worlds make the statements meet.
type world struct {
	*rand.Rand
	keys      []worldKey
	testing   string // the key that a condition being made asks for
	variables bool   // values and resources hold policy variables
	principal bool   // the sets have resource documents
}

// worldKey is a condition key with the operators that its type has.
type worldKey struct {
	name  string
	tests []testKind
	many  bool // set operators are likely
}

// testKind is one comparison of the condition language with values to compare with.
type testKind struct {
	operators []string
	values    func(w *world) string
}

var (
	textTest    = testKind{[]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"}, (*world).text}
	numberTest  = testKind{[]string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"}, from(worldNumbers)}
	dateTest    = testKind{[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"}, from(worldDates)}
	boolTest    = testKind{[]string{"Bool"}, (*world).truth}
	binaryTest  = testKind{[]string{"BinaryEquals"}, from([]string{"QQ==", "QUI=", "AAECAw=="})}
	addressTest = testKind{[]string{"IpAddress", "NotIpAddress"}, from(worldRanges)}
	arnTest     = testKind{[]string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"}, (*world).arnPattern}
)

var worldKeys = []worldKey{
	{name: "aws:username", tests: []testKind{textTest}},
	{name: "aws:PrincipalTag/team", tests: []testKind{textTest}},
	{name: "aws:ResourceTag/Owner", tests: []testKind{textTest}},
	{name: "aws:TagKeys", tests: []testKind{textTest}, many: true},
	{name: "s3:max-keys", tests: []testKind{numberTest}},
	{name: "aws:CurrentTime", tests: []testKind{dateTest}},
	{name: "aws:SecureTransport", tests: []testKind{boolTest}},
	{name: "aws:SourceIp", tests: []testKind{addressTest}},
	{name: "aws:SourceArn", tests: []testKind{arnTest}},
	{name: "example:Digest", tests: []testKind{binaryTest}},
	{name: "aws:PrincipalArn", tests: []testKind{arnTest, textTest}},
	{name: "example:Level", tests: []testKind{numberTest, textTest}},
}

var (
	worldNumbers = []string{"1", "1.0", "1e0", "10e-1", "2", "0", "-0", "-1", "1.5", "10", "1e1", "9007199254740992", "9007199254740993", "9007199254740993.0", "0.1", "0.10000000000000001"}
	worldDates   = []string{"2024-01-01T00:00:00Z", "1704067200", "2024-01-01", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.5Z", "2024-06-01T12:00Z", "1717243200", "0"}
	worldRanges  = []string{"10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.2.3", "10.1.2.3/32", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "2001:db8::/32", "2001:db8::1", "2001:DB8:0:0::1/128", "::ffff:10.1.2.3", "10.1.2.2/31"}
	worldActions = []string{"s3:GetObject", "S3:getobject", "s3:PutObject", "s3:Get*", "s3:*", "*", "s3:?etObject", "s3:*Object", "s3:G*t", "s3:GetObject*", "*:GetObject", "kms:Decrypt", "s3:*e*t*", "s3:GetObject?"}
	worldPieces  = []string{"a", "a", "b", "b", "A", "é", "ab", "*", "*", "?", "a*", "*b", "/"}
)

func from(values []string) func(w *world) string {
	return func(w *world) string { return values[w.IntN(len(values))] }
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 41))}
	w.variables = w.IntN(3) == 0
	w.principal = w.IntN(4) == 0
	for range 1 + w.IntN(3) {
		k := worldKeys[w.IntN(len(worldKeys))]
		if w.variables && w.IntN(3) > 0 {
			k = worldKeys[w.IntN(4)]
		}
		if !slices.ContainsFunc(w.keys, func(have worldKey) bool { return have.name == k.name }) {
			w.keys = append(w.keys, k)
		}
	}
	return w
}

func (w *world) chance(n int) bool { return w.IntN(n) == 0 }

// variable is a policy variable or an escape.
func (w *world) variable() string {
	if w.chance(8) {
		return []string{"${*}", "${?}", "${$}"}[w.IntN(3)]
	}
	name := w.keys[w.IntN(len(w.keys))].name
	if w.chance(6) || name == w.testing && !w.chance(8) {
		name = "aws:userid" // no condition asks for it
	}
	if w.chance(5) {
		name = strings.ToUpper(name)
	}
	if w.chance(4) {
		return "${" + name + ", '" + []string{"a", "b", "", "é"}[w.IntN(4)] + "'}"
	}
	return "${" + name + "}"
}

// text is a value of a String operator.
func (w *world) text() string {
	var b strings.Builder
	for range 1 + w.IntN(3) {
		if w.variables && w.chance(3) {
			b.WriteString(w.variable())
		} else {
			b.WriteString(worldPieces[w.IntN(len(worldPieces))])
		}
	}
	return b.String()
}

func (w *world) truth() string {
	if w.variables && w.chance(4) {
		return w.variable()
	}
	return []string{"true", "false", "TRUE", "False"}[w.IntN(4)]
}

func (w *world) arnPattern() string {
	if w.chance(12) {
		return "*"
	}
	part := func(values ...string) string { return values[w.IntN(len(values))] }
	return "arn:" + part("aws", "aws", "*", "aws?", "aws-cn") + ":" + part("s3", "s3", "sns", "s*", "?3", "*") + ":" + part("", "", "us-east-1", "*", "us-*") + ":" +
		part("", "", "111122223333", "*", "1*") + ":" + w.text()
}

func (w *world) resource() string {
	switch w.IntN(8) {
	case 0:
		return "*"
	case 1:
		return []string{"arn:aws:s3*", "arn:*", "arn:aws:s3:::*", "arn:aws:sns:*:a", "arn:aws:s?:*", "arn:aws:sns:us-east-1:111122223333:*", "arn:*:*:*:*:*"}[w.IntN(7)]
	case 2:
		return w.arnPattern()
	}
	return "arn:aws:s3:::" + w.text()
}

func (w *world) several(most int, one func() string) []string {
	var out []string
	for range 1 + w.IntN(most) {
		if s := one(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (w *world) action() string {
	a := worldActions[w.IntN(len(worldActions))]
	if w.chance(10) {
		a = strings.ToUpper(a)
	}
	return a
}

func (w *world) condition() policy.Condition {
	k := w.keys[w.IntN(len(w.keys))]
	kind := k.tests[w.IntN(len(k.tests))]
	if w.chance(40) {
		kind = []testKind{textTest, numberTest, boolTest, arnTest, addressTest, dateTest}[w.IntN(6)]
	}
	c := policy.Condition{Key: k.name}
	if w.chance(8) {
		c.Operator, c.Values = "Null", w.several(1+w.IntN(2), func() string { return []string{"true", "false"}[w.IntN(2)] })
		return c
	}
	c.Operator = kind.operators[w.IntN(len(kind.operators))]
	if k.many && !w.chance(4) || w.chance(20) {
		c.Operator = []string{"ForAllValues:", "ForAnyValue:"}[w.IntN(2)] + c.Operator
	}
	if w.chance(4) {
		c.Operator += "IfExists"
	}
	if w.chance(10) {
		c.Operator, c.Key = strings.ToLower(c.Operator), strings.ToUpper(c.Key)
	}
	w.testing = k.name
	c.Values = w.several(3, func() string { return kind.values(w) })
	w.testing = ""
	return c
}

func (w *world) statement() policy.Statement {
	s := policy.Statement{Effect: policy.Allow}
	if w.chance(4) {
		s.Effect = policy.Deny
	}
	if w.chance(7) {
		s.NotActions = w.several(2, w.action)
	} else {
		s.Actions = w.several(2, w.action)
	}
	if w.chance(6) {
		s.NotResources = w.several(2, w.resource)
	} else {
		s.Resources = w.several(2, w.resource)
	}
	for range w.IntN(4) {
		w.addCondition(&s, w.condition())
	}
	return s
}

// addCondition keeps what JSON can say: one operator tests a key once.
func (w *world) addCondition(s *policy.Statement, c policy.Condition) bool {
	for _, have := range s.Conditions {
		if strings.EqualFold(have.Operator, c.Operator) && strings.EqualFold(have.Key, c.Key) {
			return false
		}
	}
	s.Conditions = append(slices.Clone(s.Conditions), c)
	return true
}

func (w *world) document(name string) *policy.Document {
	d := &policy.Document{Name: name, Version: policy.Version2012}
	if w.chance(8) {
		d.Version = []policy.Version{policy.Version2008, ""}[w.IntN(2)]
	}
	for range 1 + w.IntN(3) {
		d.Statements = append(d.Statements, w.statement())
	}
	return d
}

var worldPrincipals = []policy.Principal{
	{Type: policy.PrincipalAny, ID: "*"}, {Type: policy.PrincipalAWS, ID: "*"}, {Type: policy.PrincipalAWS, ID: "111122223333"}, {Type: policy.PrincipalAWS, ID: "arn:aws:iam::111122223333:root"},
	{Type: policy.PrincipalAWS, ID: "arn:aws:iam::111122223333:role/r"}, {Type: policy.PrincipalAWS, ID: "arn:aws:iam::111122223333:role/path/r"}, {Type: policy.PrincipalAWS, ID: "arn:aws:iam::111122223333:user/u"},
	{Type: policy.PrincipalAWS, ID: "arn:aws:sts::111122223333:assumed-role/r/s"}, {Type: policy.PrincipalAWS, ID: "arn:aws:sts::111122223333:federated-user/f"}, {Type: policy.PrincipalAWS, ID: "444455556666"},
	{Type: policy.PrincipalAWS, ID: "AROAEXAMPLE1234567890"}, {Type: policy.PrincipalService, ID: "lambda.amazonaws.com"}, {Type: policy.PrincipalService, ID: "secretsmanager.amazonaws.com"},
	{Type: policy.PrincipalFederated, ID: "accounts.google.com"}, {Type: policy.PrincipalFederated, ID: "arn:aws:iam::111122223333:saml-provider/p"}, {Type: policy.PrincipalCanonicalUser, ID: "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
}

var worldCallers = []policy.Caller{
	{Kind: policy.CallerRole, ARN: "arn:aws:iam::111122223333:role/r"}, {Kind: policy.CallerRole, ARN: "arn:aws:iam::111122223333:role/r", Session: "arn:aws:sts::111122223333:assumed-role/r/s"},
	{Kind: policy.CallerRole, ARN: "arn:aws:iam::111122223333:role/path/r", Session: "arn:aws:sts::111122223333:assumed-role/r/t"}, {Kind: policy.CallerRole, ARN: "arn:aws:iam::111122223333:role/q"},
	{Kind: policy.CallerRole, ARN: "arn:aws:iam::444455556666:role/r"}, {Kind: policy.CallerRole, ARN: "arn:aws:iam::777788889999:role/r"},
	{Kind: policy.CallerUser, ARN: "arn:aws:iam::111122223333:user/u"}, {Kind: policy.CallerUser, ARN: "arn:aws:iam::111122223333:user/v"}, {Kind: policy.CallerUser, ARN: "arn:aws:iam::777788889999:user/u"},
	{Kind: policy.CallerAccount, ARN: "arn:aws:iam::111122223333:root"}, {Kind: policy.CallerAccount, ARN: "arn:aws:iam::444455556666:root"}, {Kind: policy.CallerAccount, ARN: "arn:aws:iam::777788889999:root"},
	{Kind: policy.CallerService, Service: "lambda.amazonaws.com"}, {Kind: policy.CallerService, Service: "secretsmanager.amazonaws.com"}, {Kind: policy.CallerService, Service: "ec2.amazonaws.com"},
	{Kind: policy.CallerFederated, ARN: "accounts.google.com"}, {Kind: policy.CallerFederated, ARN: "arn:aws:iam::111122223333:saml-provider/p"}, {Kind: policy.CallerFederated, ARN: "arn:aws:sts::111122223333:federated-user/f"},
	{Kind: policy.CallerFederated, ARN: "www.amazon.com"}, {Kind: policy.CallerAccount, ARN: "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}, {Kind: policy.CallerAnonymous},
}

func (w *world) resourceDocument(name string) *policy.Document {
	d := w.document(name)
	for i := range d.Statements {
		s := &d.Statements[i]
		var list []policy.Principal
		for range 1 + w.IntN(3) {
			p := worldPrincipals[w.IntN(len(worldPrincipals))]
			if p.Type == policy.PrincipalAny {
				list = []policy.Principal{p}
				break
			}
			if !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
		if w.chance(5) {
			s.NotPrincipals = list
		} else {
			s.Principals = list
		}
		if w.chance(3) {
			s.Resources, s.NotResources = nil, nil
		}
	}
	return d
}

func (w *world) set(name string) policy.Set {
	s := policy.Set{Identity: []*policy.Document{w.document(name)}}
	if w.chance(6) {
		s.Identity = append(s.Identity, w.document(name+"2"))
	}
	if w.chance(6) {
		s.Boundary = w.document(name + "-boundary")
	}
	if w.principal {
		s.Relation = []policy.Relation{policy.SameAccount, policy.CrossAccount, policy.Delegated, policy.ResourceOnly}[w.IntN(4)]
		s.Resource = []*policy.Document{w.resourceDocument(name + "-resource")}
		if w.chance(4) {
			s.Identity = nil
		}
	}
	return s
}

// pair makes two sets that are often equivalent, or nearly: the second is the first one written in another way, then perhaps
// changed a little.
func (w *world) pair() (expected, actual policy.Set) {
	expected = w.set("A")
	if w.chance(6) {
		return expected, w.set("B")
	}
	actual = cloneSet(expected)
	each := func(change func(d *policy.Document)) {
		documents := slices.Clone(actual.Identity)
		documents = append(documents, actual.Resource...)
		if actual.Boundary != nil {
			documents = append(documents, actual.Boundary)
		}
		if len(documents) > 0 {
			change(documents[w.IntN(len(documents))])
		}
	}
	for range 1 + w.IntN(4) {
		each(w.rewrite)
	}
	for range w.IntN(3) {
		each(w.disturb)
	}
	if w.chance(25) && w.principal {
		actual.Relation = []policy.Relation{policy.SameAccount, policy.CrossAccount, policy.Delegated, policy.ResourceOnly}[w.IntN(4)]
	}
	return expected, actual
}

func cloneSet(s policy.Set) policy.Set {
	out := policy.Set{Relation: s.Relation}
	for _, d := range s.Identity {
		out.Identity = append(out.Identity, cloneDocument(d))
	}
	for _, d := range s.Resource {
		out.Resource = append(out.Resource, cloneDocument(d))
	}
	if s.Boundary != nil {
		out.Boundary = cloneDocument(s.Boundary)
	}
	return out
}

func cloneDocument(d *policy.Document) *policy.Document {
	out := *d
	out.Statements = slices.Clone(d.Statements)
	for i := range out.Statements {
		s := &out.Statements[i]
		s.Conditions = slices.Clone(s.Conditions)
		for j := range s.Conditions {
			s.Conditions[j].Values = slices.Clone(s.Conditions[j].Values)
		}
	}
	return &out
}

// describe writes a set so that it can be read and tried again.
func describe(s policy.Set) string {
	var b strings.Builder
	fmt.Fprintf(&b, "relation %q\n", s.Relation)
	for _, d := range s.Identity {
		fmt.Fprintf(&b, "  identity %s\n", d)
	}
	if s.Boundary != nil {
		fmt.Fprintf(&b, "  boundary %s\n", s.Boundary)
	}
	for _, d := range s.Resource {
		fmt.Fprintf(&b, "  resource %s\n", d)
	}
	return b.String()
}

package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// keyPool is what random statements ask of a condition key, and what the brute force tries of it.
type keyPool struct {
	name      string
	operators []string
	values    []string
	tried     [][]string // nil is absent
}

func each(values ...string) [][]string {
	out := [][]string{nil}
	for _, v := range values {
		out = append(out, []string{v})
	}
	return out
}

func pairsOf(values ...string) [][]string {
	out := each(values...)
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			out = append(out, []string{values[i], values[j]})
			for k := j + 1; k < len(values); k++ {
				out = append(out, []string{values[i], values[j], values[k]})
			}
		}
	}
	return out
}

var keyPools = []keyPool{
	{"aws:username", []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringEqualsIfExists", "StringNotLikeIfExists", "Null"},
		[]string{"alice", "bob", "al*", "*", "a?ice", "ALICE", "*e", "??*"},
		each("alice", "bob", "al", "al1", "ale", "ALICE", "Alice", "zed", "zee", "", "a", "b", "e", "aXice", "bOB", "zz")},
	{"s3:max-keys", []string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals", "NumericLessThanIfExists", "Null"},
		[]string{"5", "7", "10", "10.0", "7.5"}, each("-1", "5", "6", "7", "7.2", "7.5", "8", "10", "11")},
	{"aws:CurrentTime", []string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "DateGreaterThanIfExists", "Null"},
		[]string{"2024-01-01T00:00:00Z", "1704067200", "2024-06-01"}, each("2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z", "2024-06-01T00:00:00Z", "2025-01-01T00:00:00Z")},
	{"aws:SecureTransport", []string{"Bool", "BoolIfExists", "Null"}, []string{"true", "false"}, each("true", "false")},
	{"aws:SourceIp", []string{"IpAddress", "NotIpAddress", "IpAddressIfExists", "NotIpAddressIfExists", "Null"},
		[]string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0", "::/0"},
		each("10.0.0.1", "10.1.0.1", "10.1.2.3", "11.0.0.1", "2001:db8::1", "2002::1")},
	{"aws:SourceArn", []string{"ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals", "ArnLikeIfExists", "Null"},
		[]string{"arn:aws:s3:::b", "arn:aws:s3:::*", "arn:*:s3:::b*", "arn:aws:*:*:*:*", "arn:aws:s3:*:*:?"},
		each("arn:aws:s3:::b", "arn:aws:s3:::c", "arn:aws:s3:::bb", "arn:aws-cn:s3:::b", "arn:aws-cn:s3:::c", "arn:aws:sns:us-east-1:1:b", "arn:aws:s3:us-east-1::b", "arn:aws:s3:us-east-1::bb", "arn:aws-cn:sns:::b")},
	{"aws:TagKeys", []string{"ForAnyValue:StringEquals", "ForAllValues:StringEquals", "ForAnyValue:StringLike", "ForAllValues:StringLike", "ForAnyValue:StringNotEquals", "ForAllValues:StringNotEquals", "StringEquals", "StringNotEquals", "ForAnyValue:StringEqualsIfExists", "Null"},
		[]string{"a", "b", "a*", "*"}, pairsOf("a", "b", "ab", "c")},
}

var (
	actionPool    = []string{"s3:GetObject", "s3:PutObject", "s3:Get*", "s3:*", "*", "kms:Decrypt", "s3:*Object", "S3:getobject", "s3:?etObject", "*:Decrypt", "kms:*"}
	triedActions  = []string{"s3:GetObject", "s3:PutObject", "s3:GetBucketPolicy", "s3:ListBucket", "s3:DeleteObject", "s3:SetObject", "kms:Decrypt", "kms:Encrypt", "ec2:Decrypt", "ec2:RunInstances"}
	resourcePool  = []string{"*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/x", "arn:aws:s3:::?/*", "arn:aws:s3:::b*", "arn:aws:s3:::*/x", "arn:*:s3:::b/x", "arn:aws:s3:us-*:1:b/x", "arn:aws:s3:::b/??", "arn:aws:s3*"}
	triedResource = []string{"*", "arn:aws:s3:::b/x", "arn:aws:s3:::b/y", "arn:aws:s3:::c/x", "arn:aws:s3:::c/y", "arn:aws:s3:::b", "arn:aws:s3:::bb", "arn:aws:s3:::bb/x", "arn:aws:s3:::bb/y", "arn:aws:s3:::cc/x", "arn:aws:s3:::cc/y", "arn:aws:s3:::b/xx", "arn:aws:s3:::b/xy",
		"arn:aws:s3:::c/xx", "arn:aws-cn:s3:::b/x", "arn:aws-cn:s3:::c/x", "arn:aws:s3:us-east-1:1:b/x", "arn:aws:s3:eu:1:b/x", "arn:aws:kms:us-east-1:1:key/x", "arn:aws-cn:kms:us-east-1:1:key/z", "arn:aws:s3:us-east-1:1:c/z", "arn:aws:s3express:::b/x", "arn:aws:s3:::b/", "arn:aws:s3:::b/x/x", "arn:aws:s3:::c/y/x"}
)

// generator makes random documents.
type generator struct {
	*rand.Rand
	keys      []keyPool
	resources []string // instead of resourcePool
}

func (g *generator) resourcePool() []string {
	if g.resources != nil {
		return g.resources
	}
	return resourcePool
}

func (g *generator) pick(pool []string, most int) []string {
	n := 1 + g.IntN(most)
	var out []string
	for range n {
		if s := pool[g.IntN(len(pool))]; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (g *generator) statement() Statement {
	s := Statement{Effect: Allow}
	if g.IntN(4) == 0 {
		s.Effect = Deny
	}
	if g.IntN(6) == 0 {
		s.NotActions = g.pick(actionPool, 2)
	} else {
		s.Actions = g.pick(actionPool, 3)
	}
	if g.IntN(5) == 0 {
		s.NotResources = g.pick(g.resourcePool(), 2)
	} else {
		s.Resources = g.pick(g.resourcePool(), 2)
	}
	for range g.IntN(3) {
		k := g.keys[g.IntN(len(g.keys))]
		c := Condition{Operator: k.operators[g.IntN(len(k.operators))], Key: k.name}
		if c.Operator == "Null" {
			c.Values = g.pick([]string{"true", "false"}, 1)
		} else {
			c.Values = g.pick(k.values, 2)
		}
		if !slices.ContainsFunc(s.Conditions, func(have Condition) bool { return have.Operator == c.Operator && have.Key == c.Key }) {
			s.Conditions = append(s.Conditions, c)
		}
	}
	return s
}

func (g *generator) document(name string) *Document {
	d := &Document{Name: name, Version: Version2012}
	for range 1 + g.IntN(4) {
		d.Statements = append(d.Statements, g.statement())
	}
	return d
}

// relative is the document with a few changes, so that many pairs are nearly equal.
func (g *generator) relative(d *Document) *Document {
	out := &Document{Name: "B", Version: d.Version, Statements: slices.Clone(d.Statements)}
	for range g.IntN(3) {
		i := g.IntN(len(out.Statements))
		s := &out.Statements[i]
		switch g.IntN(5) {
		case 0:
			out.Statements = append(out.Statements, g.statement())
		case 1:
			if len(s.Conditions) > 0 {
				s.Conditions = slices.Clone(s.Conditions[1:])
			}
		case 2:
			if len(s.Resources) > 0 {
				s.Resources = g.pick(g.resourcePool(), 2)
			}
		case 3:
			if len(s.Actions) > 0 {
				s.Actions = g.pick(actionPool, 3)
			}
		case 4:
			out.Statements = slices.Delete(out.Statements, i, i+1)
			if len(out.Statements) == 0 {
				out.Statements = append(out.Statements, g.statement())
			}
		}
	}
	return out
}

func (g *generator) set(name string) Set {
	s := Set{Identity: []*Document{g.document(name)}}
	if g.IntN(6) == 0 {
		s.Identity = append(s.Identity, g.document(name+"2"))
	}
	if g.IntN(6) == 0 {
		s.Boundary = g.document(name + "-boundary")
	}
	return s
}

func (g *generator) pair() (Set, Set) {
	g.keys = nil
	for range 1 + g.IntN(2) {
		k := keyPools[g.IntN(len(keyPools))]
		if !slices.ContainsFunc(g.keys, func(have keyPool) bool { return have.name == k.name }) {
			g.keys = append(g.keys, k)
		}
	}
	expected := g.set("A")
	if g.IntN(3) == 0 {
		return expected, g.set("B")
	}
	actual := expected
	actual.Identity = slices.Clone(expected.Identity)
	i := g.IntN(len(actual.Identity))
	actual.Identity[i] = g.relative(actual.Identity[i])
	return expected, actual
}

// bruteForce tries every request of a small universe on both sides.
func bruteForce(expected, actual Set, keys []keyPool, callers []Caller) (missing, excess *Request) {
	return bruteForceOn(expected, actual, keys, callers, triedResource)
}

func bruteForceOn(expected, actual Set, keys []keyPool, callers []Caller, resources []string) (missing, excess *Request) {
	a, b := Compile(expected), Compile(actual)
	contexts := contextsOf(keys)
	actions := tellingApart(triedActions, a, b)
	var r Request
	for _, action := range actions {
		x, y := named(a, action), named(b, action)
		for _, caller := range callers {
			for _, resource := range resources {
				for _, context := range contexts {
					r.Caller, r.Action, r.Resource, r.Context = caller, action, resource, context
					switch expected, actual := x.Allows(&r), y.Allows(&r); {
					case expected && !actual && missing == nil:
						found := r
						missing = &found
					case actual && !expected && excess == nil:
						found := r
						excess = &found
					}
					if missing != nil && excess != nil {
						return missing, excess
					}
				}
			}
		}
	}
	return missing, excess
}

// contextsOf are all contexts of a small universe.
func contextsOf(keys []keyPool) []map[string][]string {
	contexts := []map[string][]string{{}}
	for _, k := range keys {
		var more []map[string][]string
		for _, c := range contexts {
			for _, values := range k.tried {
				next := maps.Clone(c)
				if values != nil {
					next[k.name] = values
				}
				more = append(more, next)
			}
		}
		contexts = more
	}
	return contexts
}

// unshown gathers the statements that grant a difference and are in no witness of a result.
type unshown struct {
	shown map[StatementRef]bool
	refs  []StatementRef
}

func newUnshown(got *Result) *unshown {
	u := &unshown{shown: map[StatementRef]bool{}}
	for _, list := range [][]Witness{got.Missing, got.Excess} {
		for i := range list {
			for _, ref := range list[i].by() {
				u.shown[ref] = true
			}
		}
	}
	return u
}

// differs takes in a request that only one side allows.
func (u *unshown) differs(side *Compiled, r *Request) {
	for _, ref := range side.Evaluate(r).By {
		if !u.shown[ref] {
			u.shown[ref], u.refs = true, append(u.refs, ref)
		}
	}
}

// shownPairs holds of random pairs that every statement that grants a difference is in a witness.
func shownPairs(t *testing.T, from, to uint64) {
	t.Helper()
	for seed := from; seed < to; seed++ {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 4))}
		expected, actual := g.pair()
		got := Compare(expected, actual, nil)
		if got.Truncated {
			continue
		}
		u, a, b := newUnshown(&got), Compile(expected), Compile(actual)
		for _, action := range tellingApart(triedActions, a, b) {
			x, y := named(a, action), named(b, action)
			for _, resource := range triedResource {
				for _, context := range contextsOf(g.keys) {
					r := Request{Action: action, Resource: resource, Context: context}
					switch p, q := x.Allows(&r), y.Allows(&r); {
					case p && !q:
						u.differs(a, &r)
					case q && !p:
						u.differs(b, &r)
					}
				}
			}
		}
		if len(u.refs) > 0 {
			t.Fatalf("seed %d: no witness shows what %v differ in\n%s%s", seed, u.refs, describe(expected), describe(actual))
		}
	}
}

func TestEveryStatementThatDiffersIsShown(t *testing.T) { shownPairs(t, 200_000, 200_300) }

// named is a set without the statements that do not speak of an action; the others speak of every action.
func named(c *Compiled, action string) *Compiled {
	out := &Compiled{relation: c.relation, bounded: c.bounded}
	for _, s := range c.statements {
		if s.testAction(&Request{Action: action}) {
			one := *s
			one.actions, one.notAction = nil, true
			out.statements = append(out.statements, &one)
		}
	}
	return out
}

// tellingApart leaves out actions that every statement names, or does not, just like one before.
func tellingApart(actions []string, sides ...*Compiled) []string {
	var out []string
	seen := map[string]bool{}
	for _, action := range actions {
		var key strings.Builder
		for _, side := range sides {
			for _, s := range side.statements {
				fmt.Fprint(&key, s.testAction(&Request{Action: action}))
			}
		}
		if !seen[key.String()] {
			seen[key.String()] = true
			out = append(out, action)
		}
	}
	return out
}

func describe(s Set) string {
	var b strings.Builder
	fmt.Fprintf(&b, "relation %q\n", s.Relation)
	for _, d := range s.Identity {
		fmt.Fprintf(&b, "identity %s\n", d)
	}
	if s.Boundary != nil {
		fmt.Fprintf(&b, "boundary %s\n", s.Boundary)
	}
	for _, d := range s.Resource {
		fmt.Fprintf(&b, "resource %s\n", d)
	}
	return b.String()
}

// checkWitnesses evaluates every witness again.
func checkWitnesses(t *testing.T, expected, actual Set, r Result) {
	t.Helper()
	for _, w := range r.Missing {
		if Evaluate(&expected, &w.Request).Outcome != Allowed || Evaluate(&actual, &w.Request).Outcome == Allowed {
			t.Errorf("witness %+v is not missing", w.Request)
		}
	}
	for _, w := range r.Excess {
		if Evaluate(&expected, &w.Request).Outcome == Allowed || Evaluate(&actual, &w.Request).Outcome != Allowed {
			t.Errorf("witness %+v is not excess", w.Request)
		}
	}
}

func TestCompareAgainstBruteForce(t *testing.T) { bruteForcePairs(t, 0, 300) }

// bruteForcePairs compares the random pairs of some seeds and holds each verdict against the brute force.
func bruteForcePairs(t *testing.T, from, to int) {
	t.Helper()
	n := to - from
	var equal, differ int
	for seed := from; seed < to; seed++ {
		g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 4))}
		expected, actual := g.pair()
		got := Compare(expected, actual, nil)
		missing, excess := bruteForce(expected, actual, g.keys, []Caller{{}})
		if len(got.Indeterminate) > 0 {
			t.Fatalf("seed %d is indeterminate: %v\n%s%s", seed, got.Indeterminate, describe(expected), describe(actual))
		}
		if missing != nil && len(got.Missing) == 0 {
			t.Fatalf("seed %d: Compare does not see that %+v is missing\n%s%s", seed, *missing, describe(expected), describe(actual))
		}
		if excess != nil && len(got.Excess) == 0 {
			t.Fatalf("seed %d: Compare does not see that %+v is excess\n%s%s", seed, *excess, describe(expected), describe(actual))
		}
		checkWitnesses(t, expected, actual, got)
		if got.Verdict() == Equivalent {
			equal++
		} else {
			differ++
			if missing == nil && len(got.Missing) > 0 {
				t.Logf("seed %d: only Compare sees %+v", seed, got.Missing[0].Request)
			}
			if excess == nil && len(got.Excess) > 0 {
				t.Logf("seed %d: only Compare sees %+v", seed, got.Excess[0].Request)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s%s", seed, describe(expected), describe(actual))
		}
	}
	t.Logf("%d pairs: %d equivalent, %d different", n, equal, differ)
	if equal < n/20 || differ < n/20 {
		t.Errorf("of %d pairs %d are equivalent and %d differ: the sample says little", n, equal, differ)
	}
}

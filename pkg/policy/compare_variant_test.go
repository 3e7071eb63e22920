package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// variants write the documents of a set in other ways that mean the same.
var variants = []struct {
	name    string
	rewrite func(t *testing.T, r *rand.Rand, d *Document) *Document
}{
	{"shuffled", func(t *testing.T, r *rand.Rand, d *Document) *Document {
		out := *d
		out.Statements = slices.Clone(d.Statements)
		r.Shuffle(len(out.Statements), func(i, j int) { out.Statements[i], out.Statements[j] = out.Statements[j], out.Statements[i] })
		for i := range out.Statements {
			s := &out.Statements[i]
			for _, list := range []*[]string{&s.Actions, &s.NotActions, &s.Resources, &s.NotResources} {
				*list = slices.Clone(*list)
				r.Shuffle(len(*list), func(i, j int) { (*list)[i], (*list)[j] = (*list)[j], (*list)[i] })
			}
			s.Conditions = slices.Clone(s.Conditions)
			r.Shuffle(len(s.Conditions), func(i, j int) { s.Conditions[i], s.Conditions[j] = s.Conditions[j], s.Conditions[i] })
		}
		return &out
	}},
	{"split", func(t *testing.T, r *rand.Rand, d *Document) *Document {
		out := *d
		out.Statements = nil
		for _, s := range d.Statements {
			parts := []Statement{s}
			if len(s.Actions) > 1 {
				parts = nil
				for _, a := range s.Actions {
					p := s
					p.Actions = []string{a}
					parts = append(parts, p)
				}
			}
			for _, p := range parts {
				if len(p.Resources) < 2 {
					out.Statements = append(out.Statements, p)
					continue
				}
				for _, resource := range p.Resources {
					q := p
					q.Resources = []string{resource}
					out.Statements = append(out.Statements, q)
				}
			}
		}
		return &out
	}},
	{"merged", func(t *testing.T, r *rand.Rand, d *Document) *Document {
		out := *d
		out.Statements = nil
		for _, s := range d.Statements {
			i := slices.IndexFunc(out.Statements, func(have Statement) bool {
				return have.Effect == s.Effect && len(have.Actions) > 0 && len(s.Actions) > 0 && slices.Equal(have.Resources, s.Resources) &&
					slices.Equal(have.NotResources, s.NotResources) && len(have.Conditions)+len(s.Conditions) == 0 &&
					slices.Equal(have.Principals, s.Principals) && slices.Equal(have.NotPrincipals, s.NotPrincipals)
			})
			if i < 0 {
				out.Statements = append(out.Statements, s)
				continue
			}
			out.Statements[i].Actions = append(slices.Clone(out.Statements[i].Actions), s.Actions...)
		}
		out.Statements = append(out.Statements, out.Statements[0])
		return &out
	}},
	{"re-cased", func(t *testing.T, r *rand.Rand, d *Document) *Document {
		recase := func(s string) string {
			if r.IntN(2) == 0 {
				return strings.ToUpper(s)
			}
			return strings.ToLower(s)
		}
		out := *d
		out.Statements = slices.Clone(d.Statements)
		for i := range out.Statements {
			s := &out.Statements[i]
			for _, list := range []*[]string{&s.Actions, &s.NotActions} {
				*list = slices.Clone(*list)
				for j := range *list {
					(*list)[j] = recase((*list)[j])
				}
			}
			s.Conditions = slices.Clone(s.Conditions)
			for j := range s.Conditions {
				s.Conditions[j].Key = recase(s.Conditions[j].Key)
				s.Conditions[j].Operator = recase(s.Conditions[j].Operator)
			}
		}
		return &out
	}},
	{"re-encoded", func(t *testing.T, r *rand.Rand, d *Document) *Document {
		text := d.Indent()
		var escaped strings.Builder
		for _, c := range text {
			if c == '*' || c == '/' && r.IntN(2) == 0 {
				escaped.WriteString(`\u00` + map[rune]string{'*': "2a", '/': "2F"}[c])
				continue
			}
			escaped.WriteRune(c)
		}
		out, err := Parse(d.Name, []byte(escaped.String()))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return out
	}},
	{"spread over documents", nil},
}

func rewriteSet(t *testing.T, r *rand.Rand, s Set, rewrite func(*testing.T, *rand.Rand, *Document) *Document) Set {
	out := Set{Relation: s.Relation}
	for _, d := range s.Identity {
		if rewrite == nil {
			for i := range d.Statements {
				part := *d
				part.Statements = d.Statements[i : i+1]
				out.Identity = append(out.Identity, &part)
			}
			continue
		}
		out.Identity = append(out.Identity, rewrite(t, r, d))
	}
	if rewrite == nil {
		out.Boundary, out.Resource = s.Boundary, s.Resource
		return out
	}
	if s.Boundary != nil {
		out.Boundary = rewrite(t, r, s.Boundary)
	}
	for _, d := range s.Resource {
		out.Resource = append(out.Resource, rewrite(t, r, d))
	}
	return out
}

// TestCompareIsTheSameForVariants: a document written in another way gets the same verdict, and is equivalent to what it was.
func TestCompareIsTheSameForVariants(t *testing.T) { variantPairs(t, 0, 120) }

func variantPairs(t *testing.T, from, to int) {
	t.Helper()
	for seed := from; seed < to; seed++ {
		g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 5))}
		expected, actual := g.pair()
		if seed%3 == 0 {
			expected, actual = g.resourcePair()
		}
		want := Compare(expected, actual, nil)
		swapped := Compare(actual, expected, nil)
		if (len(want.Missing) > 0) != (len(swapped.Excess) > 0) || (len(want.Excess) > 0) != (len(swapped.Missing) > 0) {
			t.Fatalf("seed %d: swapped, %v becomes %v\n%s%s", seed, want.Verdict(), swapped.Verdict(), describe(expected), describe(actual))
		}
		for _, v := range variants {
			e, a := rewriteSet(t, g.Rand, expected, v.rewrite), rewriteSet(t, g.Rand, actual, v.rewrite)
			if got := Compare(e, a, nil); got.Verdict() != want.Verdict() {
				t.Fatalf("seed %d: %s, %v becomes %v\n%s%s%s%s", seed, v.name, want.Verdict(), got.Verdict(), describe(expected), describe(actual), describe(e), describe(a))
			}
			if got := Compare(expected, e, nil); got.Verdict() != Equivalent {
				t.Fatalf("seed %d: %s is %v\n%s%s%+v", seed, v.name, got.Verdict(), describe(expected), describe(e), got)
			}
		}
		again := Compare(expected, actual, nil)
		if len(again.Missing) != len(want.Missing) || len(again.Excess) != len(want.Excess) {
			t.Fatalf("seed %d: compared again, the witnesses differ", seed)
		}
		for i := range want.Missing {
			if again.Missing[i].Request.compare(&want.Missing[i].Request) != 0 {
				t.Fatalf("seed %d: compared again, %+v becomes %+v", seed, want.Missing[i].Request, again.Missing[i].Request)
			}
		}
	}
}

var principalPool = []Principal{
	{PrincipalAny, "*"}, {PrincipalAWS, "*"}, {PrincipalAWS, "111122223333"}, {PrincipalAWS, "arn:aws:iam::111122223333:root"}, {PrincipalAWS, "arn:aws:iam::111122223333:role/r"},
	{PrincipalAWS, "arn:aws:iam::111122223333:user/u"}, {PrincipalAWS, "arn:aws:sts::111122223333:assumed-role/r/s"}, {PrincipalAWS, "444455556666"},
	{PrincipalService, "lambda.amazonaws.com"}, {PrincipalService, "secretsmanager.amazonaws.com"}, {PrincipalFederated, "accounts.google.com"}, {PrincipalCanonicalUser, "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
}

var triedCallers = []Caller{
	{Kind: CallerRole, ARN: "arn:aws:iam::111122223333:role/r"}, {Kind: CallerRole, ARN: "arn:aws:iam::111122223333:role/r", Session: "arn:aws:sts::111122223333:assumed-role/r/s"},
	{Kind: CallerRole, ARN: "arn:aws:iam::111122223333:role/other"}, {Kind: CallerUser, ARN: "arn:aws:iam::111122223333:user/u"}, {Kind: CallerUser, ARN: "arn:aws:iam::111122223333:user/v"},
	{Kind: CallerAccount, ARN: "arn:aws:iam::111122223333:root"}, {Kind: CallerRole, ARN: "arn:aws:iam::444455556666:role/r"}, {Kind: CallerRole, ARN: "arn:aws:iam::777788889999:role/r"},
	{Kind: CallerService, Service: "lambda.amazonaws.com"}, {Kind: CallerService, Service: "secretsmanager.amazonaws.com"}, {Kind: CallerService, Service: "ec2.amazonaws.com"},
	{Kind: CallerFederated, ARN: "accounts.google.com"}, {Kind: CallerFederated, ARN: "www.amazon.com"}, {Kind: CallerAnonymous},
	{Kind: CallerAccount, ARN: "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}, {Kind: CallerAccount, ARN: "arn:aws:iam::777788889999:root"}, {Kind: CallerUser, ARN: "arn:aws:iam::777788889999:user/u"},
}

// resourceDocument names principals in its statements.
func (g *generator) resourceDocument(name string) *Document {
	d := g.document(name)
	for i := range d.Statements {
		s := &d.Statements[i]
		var list []Principal
		for range 1 + g.IntN(2) {
			if p := principalPool[g.IntN(len(principalPool))]; !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
		if g.IntN(8) == 0 {
			s.NotPrincipals = list
		} else {
			s.Principals = list
		}
		if g.IntN(3) == 0 {
			s.Resources, s.NotResources = nil, nil
		}
	}
	return d
}

func (g *generator) resourcePair() (Set, Set) {
	g.keys = []keyPool{keyPools[g.IntN(len(keyPools))]}
	relations := []Relation{SameAccount, CrossAccount, Delegated, ResourceOnly}
	expected := g.set("A")
	expected.Relation = relations[g.IntN(len(relations))]
	expected.Resource = []*Document{g.resourceDocument("R")}
	actual := expected
	actual.Resource = []*Document{g.relative(expected.Resource[0])}
	if g.IntN(2) == 0 {
		actual.Identity = []*Document{g.relative(expected.Identity[0])}
	}
	if g.IntN(6) == 0 {
		actual.Relation = relations[g.IntN(len(relations))]
	}
	for i := range actual.Resource[0].Statements {
		s := &actual.Resource[0].Statements[i]
		if len(s.Principals)+len(s.NotPrincipals) == 0 {
			s.Principals = principalPool[2:3]
		}
	}
	return expected, actual
}

func TestCompareResourcePoliciesAgainstBruteForce(t *testing.T) { resourcePairs(t, 0, 100) }

func resourcePairs(t *testing.T, from, to int) {
	t.Helper()
	for seed := from; seed < to; seed++ {
		g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 6))}
		expected, actual := g.resourcePair()
		got := Compare(expected, actual, nil)
		missing, excess := bruteForce(expected, actual, g.keys, triedCallers)
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
		if t.Failed() {
			t.Fatalf("seed %d\n%s%s", seed, describe(expected), describe(actual))
		}
	}
}

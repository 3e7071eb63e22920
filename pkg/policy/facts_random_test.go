package policy

import (
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
)

// factWorld is a small world of which some facts are known.
type factWorld struct {
	*generator
	facts *Facts
}

var (
	factActions   = []string{"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets", "s3:GetObject"}
	factPatterns  = []string{"secretsmanager:GetSecretValue", "secretsmanager:*", "secretsmanager:Get*", "s3:GetObject", "*"}
	factResources = []string{"*", "arn:aws:secretsmanager:us-east-1:1:secret:a", "arn:aws:secretsmanager:us-east-1:1:secret:b", "arn:aws:secretsmanager:us-east-1:1:secret:c", "arn:aws:secretsmanager:us-east-1:1:secret:zz", "arn:aws:secretsmanager:us-east-1:1:secret:ab", "arn:aws:s3:::b/x", "arn:aws:s3:::c/y"}
	factKeys      = []keyPool{
		{"secretsmanager:resource/AllowRotationLambdaArn", []string{"StringEquals", "StringNotEquals", "StringEqualsIfExists", "Null"}, []string{"f", "g"}, each("f", "g", "h")},
		{"aws:ResourceTag/team", []string{"StringEquals", "StringNotEquals", "StringLike", "Null"}, []string{"a", "b*"}, each("a", "b", "c")},
		{"aws:TagKeys", []string{"ForAnyValue:StringEquals", "ForAllValues:StringEquals", "StringEquals", "StringNotEquals", "Null"}, []string{"a", "b"}, pairsOf("a", "b", "c")},
	}
)

// factKind says which facts a world has of a key: that it is absent or that it is present, never both. Of a key that no policy names
// nothing is asked, so facts that contradict each other there go unseen.
type factKind int

const (
	factAbsent factKind = iota
	factPresent
)

func (w *factWorld) actionFact(kinds []factKind) ActionFact {
	f := ActionFact{Actions: w.pick(factPatterns, 2)}
	switch w.IntN(5) {
	case 0:
		f.NoResource = true
	case 1:
		f.Resources = w.pick([]string{"arn:aws:secretsmanager:*:*:secret:*", "arn:aws:s3:::*/*", "arn:*:secretsmanager:us-east-1:1:secret:?"}, 2)
	}
	for i, names := range [][]string{{"secretsmanager:resource/AllowRotationLambdaArn", "secretsmanager:*", "secretsmanager:RESOURCE/*"}, {"aws:ResourceTag/*", "aws:ResourceTag/team"}, {"aws:TagKeys"}} {
		if w.IntN(3) > 0 {
			continue
		}
		if kinds[i] == factAbsent {
			f.Absent = append(f.Absent, names[w.IntN(len(names))])
		} else {
			f.Present = append(f.Present, names[w.IntN(len(names))])
		}
	}
	return f
}

func newFactWorld(seed uint64) *factWorld {
	w := &factWorld{generator: &generator{Rand: rand.New(rand.NewPCG(seed, 11)), keys: factKeys,
		resources: []string{"*", "arn:aws:secretsmanager:us-east-1:1:secret:a", "arn:aws:secretsmanager:us-east-1:1:secret:?", "arn:aws:secretsmanager:us-east-1:1:secret:*", "arn:aws:secretsmanager:us-east-1:1:secret:b", "arn:aws:secretsmanager:*:1:secret:c", "arn:aws:s3:::b/*", "arn:*"}}, facts: &Facts{}}
	kinds := []factKind{factKind(w.IntN(2)), factKind(w.IntN(2)), factKind(w.IntN(2))}
	for range w.IntN(3) {
		w.facts.Actions = append(w.facts.Actions, w.actionFact(kinds))
	}
	for range w.IntN(3) {
		i := w.IntN(len(factKeys))
		k := KeyFact{Key: factKeys[i].name}
		switch w.IntN(3) {
		case 0:
			k.Values = SingleValued
		case 1:
			callers := [][]CallerKind{{CallerRole}, {CallerUser}, {CallerRole, CallerUser}}[w.IntN(3)]
			if kinds[i] == factAbsent {
				k.AbsentFor = callers
			} else {
				k.PresentFor = callers
			}
		}
		w.facts.Keys = append(w.facts.Keys, k)
	}
	for _, arn := range factResources[1:4] {
		if w.IntN(2) == 0 {
			continue
		}
		r := ResourceFact{ARN: arn, Keys: map[string][]string{}}
		switch {
		case kinds[0] == factPresent && w.IntN(2) == 0:
			r.Keys["secretsmanager:resource/AllowRotationLambdaArn"] = w.pick([]string{"f", "g"}, 1)
		case w.IntN(2) == 0:
			r.Keys["secretsmanager:resource/AllowRotationLambdaArn"] = nil
		}
		switch {
		case kinds[1] == factPresent && w.IntN(2) == 0:
			r.Keys["aws:resourcetag/TEAM"] = []string{"a"}
		case kinds[1] == factAbsent && w.IntN(2) == 0:
			r.Only = []string{"aws:ResourceTag/*"}
		}
		if kinds[0] == factPresent && len(r.Keys["secretsmanager:resource/AllowRotationLambdaArn"]) == 0 {
			delete(r.Keys, "secretsmanager:resource/AllowRotationLambdaArn")
		}
		w.facts.Resources = append(w.facts.Resources, r)
	}
	if w.IntN(2) == 0 {
		u := UniverseFact{Resources: []string{"arn:aws:secretsmanager:*:*:secret:*"}}
		if u.Closed = w.IntN(2) == 0; !u.Closed {
			u.Without = map[string][]string{"secretsmanager:resource/AllowRotationLambdaArn": {"f"}}
		}
		w.facts.Universe = append(w.facts.Universe, u)
	}
	return w
}

// globbed matches * and ? the way path.Match does, to which a slash is nothing special here.
func globbed(pattern, text string) bool {
	plain := strings.NewReplacer("/", "\x01")
	ok, err := path.Match(plain.Replace(strings.ToLower(pattern)), plain.Replace(strings.ToLower(text)))
	return ok && err == nil
}

// valuesOf reads a key of a context without regard to case.
func valuesOf(context map[string][]string, key string) []string {
	for name, values := range context {
		if strings.EqualFold(name, key) {
			return values
		}
	}
	return nil
}

// occurs reads the facts word by word: whether they leave room for the request of a role or a user.
func (f *Facts) occurs(r *Request) bool {
	for _, a := range f.Actions {
		if !slices.ContainsFunc(a.Actions, func(p string) bool { return globbed(p, r.Action) }) {
			continue
		}
		if a.NoResource && r.Resource != "*" {
			return false
		}
		if len(a.Resources) > 0 && !slices.ContainsFunc(a.Resources, func(p string) bool { return globbed(p, r.Resource) }) {
			return false
		}
		for _, k := range factKeys {
			there := len(valuesOf(r.Context, k.name)) > 0
			named := func(p string) bool { return globbed(p, k.name) }
			if there && slices.ContainsFunc(a.Absent, named) || !there && slices.ContainsFunc(a.Present, named) {
				return false
			}
		}
	}
	both := func(kinds []CallerKind) bool {
		return slices.Contains(kinds, CallerRole) && slices.Contains(kinds, CallerUser)
	}
	for _, k := range f.Keys {
		values := valuesOf(r.Context, k.Key)
		if k.Values == SingleValued && len(values) > 1 || both(k.AbsentFor) && len(values) > 0 || both(k.PresentFor) && len(values) == 0 {
			return false
		}
	}
	for _, at := range f.Resources {
		if at.ARN != r.Resource {
			continue
		}
		for _, k := range factKeys {
			values := valuesOf(r.Context, k.name)
			fixed, known := []string(nil), false
			for name, list := range at.Keys {
				if strings.EqualFold(name, k.name) {
					fixed, known = list, true
				}
			}
			known = known || slices.ContainsFunc(at.Only, func(p string) bool { return globbed(p, k.name) })
			if known && !slices.Equal(values, fixed) {
				return false
			}
		}
		return true
	}
	for _, u := range f.Universe {
		if !slices.ContainsFunc(u.Resources, func(p string) bool { return globbed(p, r.Resource) }) {
			continue
		}
		if u.Closed {
			return false
		}
		for key, values := range u.Without {
			if slices.ContainsFunc(valuesOf(r.Context, key), func(v string) bool { return slices.Contains(values, v) }) {
				return false
			}
		}
	}
	return true
}

// occurs says whether the facts leave room for a witness, perhaps with keys that do not matter to it: it carries only those that do.
func (w *factWorld) occurs(expected, actual Set, r *Request) bool {
	a, b := Compile(expected), Compile(actual)
	tried := make([][][]string, len(factKeys))
	for i, k := range factKeys {
		if tried[i] = k.tried; len(r.Context[k.name]) > 0 {
			tried[i] = [][]string{r.Context[k.name]}
		}
	}
	for _, x := range tried[0] {
		for _, y := range tried[1] {
			for _, z := range tried[2] {
				full := *r
				full.Context = map[string][]string{factKeys[0].name: x, factKeys[1].name: y, factKeys[2].name: z}
				if a.Allows(&full) == a.Allows(r) && b.Allows(&full) == b.Allows(r) && w.facts.occurs(&full) {
					return true
				}
			}
		}
	}
	return false
}

// pair is two sets that are mostly alike, about the world's actions.
func (w *factWorld) pair() (Set, Set) {
	document := func() *Document {
		d := w.document("A")
		for i := range d.Statements {
			s := &d.Statements[i]
			if len(s.Actions) > 0 {
				s.Actions = w.pick(factPatterns, 2)
			} else {
				s.NotActions = w.pick(factPatterns[:4], 2)
			}
		}
		return d
	}
	a := document()
	b := &Document{Name: "B", Version: a.Version, Statements: slices.Clone(a.Statements)}
	switch i := w.IntN(len(b.Statements)); w.IntN(5) {
	case 0:
		b = document()
	case 1:
		b.Statements[i].Conditions = document().Statements[0].Conditions
	case 2:
		s := &b.Statements[i]
		s.Resources, s.NotResources = w.pick(w.resources, 2), nil
	case 3:
		b.Statements = append(b.Statements, document().Statements[0])
	case 4:
		// Each asks for one action on one resource: what tells the resources at hand apart comes action by action.
		for _, action := range w.pick(factActions[:4], 3) {
			b.Statements = append(b.Statements, Statement{Effect: Allow, Actions: []string{action}, Resources: w.pick(factResources[1:6], 1)})
		}
	}
	b.Name = "B"
	return Set{Identity: []*Document{a}}, Set{Identity: []*Document{b}}
}

// factPairs compares random pairs under random facts, and tries every request of the small world that can occur.
func factPairs(t *testing.T, from, to uint64) {
	t.Helper()
	differ, settled := 0, 0
	for seed := from; seed < to; seed++ {
		w := newFactWorld(seed)
		expected, actual := w.pair()
		got := Compare(expected, actual, w.facts)
		if len(got.Indeterminate) > 0 {
			t.Fatalf("seed %d is indeterminate: %v\n%+v\n%s%s", seed, got.Indeterminate, w.facts, describe(expected), describe(actual))
		}
		checkWitnesses(t, expected, actual, got)
		for _, witness := range append(got.Missing, got.Excess...) {
			if !w.occurs(expected, actual, &witness.Request) {
				t.Errorf("witness %+v cannot occur", witness.Request)
			}
		}
		missing, excess, unseen := w.bruteForce(expected, actual, &got)
		if missing != nil && len(got.Missing) == 0 {
			t.Errorf("Compare does not see that %+v is missing", *missing)
		}
		if excess != nil && len(got.Excess) == 0 {
			t.Errorf("Compare does not see that %+v is excess", *excess)
		}
		for _, ref := range unseen {
			t.Errorf("no witness shows what %v differs in", ref)
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%+v\n%s%s", seed, w.facts, describe(expected), describe(actual))
		}
		if missing != nil || excess != nil {
			differ++
		}
		if free := Compare(expected, actual, nil); free.Verdict() != Equivalent && got.Verdict() == Equivalent {
			settled++
		}
	}
	n := int(to - from)
	t.Logf("%d pairs: %d differ, %d differ only without the facts", n, differ, settled)
	if differ < n/10 || settled < n/50 {
		t.Errorf("of %d pairs %d differ and %d differ only without the facts: the sample says little", n, differ, settled)
	}
}

// bruteForce tries every request. unseen are the statements that grant a difference and are shown by no witness of the result.
func (w *factWorld) bruteForce(expected, actual Set, got *Result) (missing, excess *Request, unseen []StatementRef) {
	a, b := Compile(expected), Compile(actual)
	u := newUnshown(got)
	several := func(name string) bool {
		for _, set := range []Set{expected, actual} {
			for _, s := range set.Identity[0].Statements {
				if slices.ContainsFunc(s.Conditions, func(c Condition) bool { return c.Key == name && strings.Contains(c.Operator, ":") }) {
					return true
				}
			}
		}
		return false
	}
	many := several("aws:TagKeys")
	for _, action := range factActions {
		for _, resource := range factResources {
			for _, x := range factKeys[0].tried {
				for _, y := range factKeys[1].tried {
					for _, z := range factKeys[2].tried {
						if len(z) > 1 && !many {
							continue
						}
						r := Request{Action: action, Resource: resource, Context: map[string][]string{factKeys[0].name: x, factKeys[1].name: y, factKeys[2].name: z}}
						p, q := a.Allows(&r), b.Allows(&r)
						if p == q || !w.facts.occurs(&r) {
							continue
						}
						if p {
							missing = &r
							u.differs(a, &r)
						} else {
							excess = &r
							u.differs(b, &r)
						}
					}
				}
			}
		}
	}
	return missing, excess, u.refs
}

// TestCompareWithFactsAgainstBruteForce: what the facts rule out is no difference, and what they leave is seen.
func TestCompareWithFactsAgainstBruteForce(t *testing.T) { factPairs(t, 0, 150) }

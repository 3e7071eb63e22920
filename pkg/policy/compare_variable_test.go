package policy

import (
	"math/rand/v2"
	"testing"
)

func TestCompareVariables(t *testing.T) {
	get := func(resource, condition string) string {
		if condition != "" {
			condition = `,"Condition":` + condition
		}
		return doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"` + resource + `"` + condition + `}`)
	}
	old := func(resource string) string {
		return `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"` + resource + `"}}`
	}
	home := "arn:aws:s3:::home/"
	tests := []struct {
		name             string
		expected, actual string
		want             Verdict
	}{
		{"the same variable", get(home+"${aws:username}/*", ""), get(home+"${aws:UserName}/*", ""), Equivalent},
		{"a variable is not a name", get(home+"alice/*", ""), get(home+"${aws:username}/*", ""), MissingAndExcess},
		{"a variable is not a wildcard", get(home+"${aws:username}/*", ""), get(home+"*", ""), OnlyExcess},
		{"a variable within a wildcard", get(home+"*", ""), get(home+"${aws:username}/*", ""), OnlyMissing},
		{"a variable beside a wildcard that covers it", get(home+"*", ""), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::home/*","arn:aws:s3:::home/${aws:username}/*"]}`), Equivalent},
		{"another variable", get(home+"${aws:username}/*", ""), get(home+"${aws:userid}/*", ""), MissingAndExcess},
		{"a variable whose key is known", get(home+"alice/*", `{"StringEquals":{"aws:username":"alice"}}`), get(home+"${aws:username}/*", `{"StringEquals":{"aws:username":"alice"}}`), Equivalent},
		{"a variable whose key is one of two", get(home+"alice/*", `{"StringEquals":{"aws:username":["alice","bob"]}}`), get(home+"${aws:username}/*", `{"StringEquals":{"aws:username":["alice","bob"]}}`), MissingAndExcess},
		{"a variable whose key is absent", doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`), get(home+"${aws:username}/*", `{"Null":{"aws:username":"true"}}`), Equivalent},
		{"a default for the absent key", get(home+"nobody/*", `{"Null":{"aws:username":"true"}}`), get(home+"${aws:username, 'nobody'}/*", `{"Null":{"aws:username":"true"}}`), Equivalent},
		{"a default is more than none", get(home+"${aws:username}/*", ""), get(home+"${aws:username, 'nobody'}/*", ""), OnlyExcess},
		{"another default", get(home+"${aws:username, 'a'}/*", ""), get(home+"${aws:username, 'b'}/*", ""), MissingAndExcess},
		{"escapes are the characters", get(home+"${*}", ""), get(home+"*", ""), OnlyExcess},
		{"an escaped question mark", get(home+"${?}${$}", ""), get(home+"${?}${$}", ""), Equivalent},
		{"no version means no variables", old(home + "${aws:username}/*"), get(home+"${aws:username}/*", ""), MissingAndExcess},
		{"literal text is the same without version", old(home + "${aws:username}"), `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::home/${aws:username}"}}`, Equivalent},
		{"two paths of one home", get(home+"${aws:username}", ""), doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::home/${aws:username}","arn:aws:s3:::home/${aws:username}/*"]}`), OnlyExcess},
		{"a condition with a variable", get("*", `{"StringEquals":{"aws:ResourceTag/owner":"${aws:username}"}}`), get("*", `{"StringEquals":{"aws:ResourceTag/owner":"alice"}}`), MissingAndExcess},
		{"or its negation", get("*", ""), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/owner":"${aws:username}"}}}`,
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceTag/owner":"${aws:username}"}}}`), Equivalent},
		{"a Deny with a variable", get("*", ""), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`, `{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::home/${aws:username}/*"}`), OnlyMissing},
		{"an ARN with a variable", get("*", `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:${aws:PrincipalAccount}:*"}}`), get("*", `{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}`), OnlyExcess},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expected, actual := identitySet(t, tt.expected), identitySet(t, tt.actual)
			got := Compare(expected, actual, nil)
			for _, w := range append(got.Missing, got.Excess...) {
				t.Logf("%s %s on %s with %v", w.Direction, w.Request.Action, w.Request.Resource, w.Request.Context)
			}
			if got.Verdict() != tt.want || len(got.Indeterminate) > 0 {
				t.Errorf("Compare = %v, want %v: %v", got.Verdict(), tt.want, got.Indeterminate)
			}
			checkWitnesses(t, expected, actual, got)
		})
	}
}

// variablePools replace the pools of resources and keys where variables are compared.
func (g *generator) variablePair() (Set, Set) {
	g.keys = []keyPool{
		{"aws:username", []string{"StringEquals", "StringNotEquals", "StringLike", "StringLikeIfExists", "Null"}, []string{"alice", "bob", "a*"}, each("alice", "bob", "al", "zed", "x", "")},
		{"aws:ResourceTag/owner", []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "Null"}, []string{"alice", "${aws:username}", "${aws:username}*", "${aws:username, 'x'}", "a*"}, each("alice", "bob", "al", "zed", "x", "bob1", "zed1", "x1")},
	}
	g.resources = []string{"*", "arn:aws:s3:::home/*", "arn:aws:s3:::home/alice", "arn:aws:s3:::home/${aws:username}", "arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/${aws:username, 'alice'}", "arn:aws:s3:::home/*/${aws:username}", "arn:aws:s3:::home/a*"}
	expected := g.set("A")
	if g.IntN(3) == 0 {
		return expected, g.set("B")
	}
	actual := expected
	actual.Identity = []*Document{g.relative(expected.Identity[0])}
	if g.IntN(6) == 0 {
		d := *actual.Identity[0]
		d.Version = Version2008
		actual.Identity[0] = &d
	}
	return expected, actual
}

var triedHomes = []string{"*", "arn:aws:s3:::home/alice", "arn:aws:s3:::home/bob", "arn:aws:s3:::home/al", "arn:aws:s3:::home/zed", "arn:aws:s3:::home/x", "arn:aws:s3:::home/", "arn:aws:s3:::home/zed/f", "arn:aws:s3:::home/alice/f",
	"arn:aws:s3:::home/bob/f", "arn:aws:s3:::home/f/bob", "arn:aws:s3:::home/f/zed", "arn:aws:s3:::home/f/alice", "arn:aws:s3:::home/al/al", "arn:aws:s3:::home/x/zed", "arn:aws:s3:::other", "arn:aws:s3:::home/${aws:username}", "arn:aws:s3:::home//f", "arn:aws:s3:::home/f/"}

func variablePairs(t *testing.T, from, to int) {
	t.Helper()
	n, doubts := to-from, 0
	for seed := from; seed < to; seed++ {
		g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 9))}
		expected, actual := g.variablePair()
		got := Compare(expected, actual, nil)
		missing, excess := bruteForceOn(expected, actual, g.keys, []Caller{{}}, triedHomes)
		if len(got.Indeterminate) > 0 {
			doubts++
			t.Logf("seed %d is indeterminate: %v\n%s%s", seed, got.Indeterminate, describe(expected), describe(actual))
		}
		if missing != nil && len(got.Missing) == 0 && len(got.Indeterminate) == 0 {
			t.Fatalf("seed %d: Compare does not see that %+v is missing\n%s%s", seed, *missing, describe(expected), describe(actual))
		}
		if excess != nil && len(got.Excess) == 0 && len(got.Indeterminate) == 0 {
			t.Fatalf("seed %d: Compare does not see that %+v is excess\n%s%s", seed, *excess, describe(expected), describe(actual))
		}
		checkWitnesses(t, expected, actual, got)
		if t.Failed() {
			t.Fatalf("seed %d\n%s%s", seed, describe(expected), describe(actual))
		}
	}
	t.Logf("%d pairs, %d in doubt", n, doubts)
	if doubts > n/50 {
		t.Errorf("%d of %d pairs with variables are in doubt", doubts, n)
	}
}

func TestCompareVariablesAgainstBruteForce(t *testing.T) { variablePairs(t, 0, 150) }

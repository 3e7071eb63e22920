package policy

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// fuzzSet reads documents from one text, apart from each other by a NUL.
func fuzzSet(text string) (Set, bool) {
	d, err := Parse("A.json", []byte(text))
	if err != nil {
		return Set{}, false
	}
	return Set{Identity: []*Document{d}}, true
}

var fuzzSeeds = []string{
	`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","*"],"Resource":"*"}]}`,
	`{"Statement":{"Effect":"Deny","NotAction":"iam:*","NotResource":["arn:aws:s3:::b/*","*a*b*c?"],"Condition":{"ForAllValues:StringNotLike":{"aws:TagKeys":["a*","*"]},"Null":{"aws:TagKeys":"false"}}}}`,
	`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username, 'x'}${*}","Condition":{"forallvalues:stringlikeifexists":{"a:b":["x","${a:c}"]},"Bool":{"a:d":true},"NumericLessThan":{"a:e":[1,-2.5e3]},"IpAddress":{"a:f":"::/0"},"DateLessThan":{"a:g":"2024-05-01T00:00:00Z"},"BinaryEquals":{"a:i":"QQ=="}}},{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"NumericNotEquals":{"a:e":"1.0"}}}]}`,
	`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/r"],"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","NotPrincipal":"*","Action":"sts:*"}]}`,
	`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:?*","Resource":"arn:aws:*:*:*:?*","Condition":{"ArnLike":{"aws:SourceArn":"arn:*:s3:::?"},"StringEqualsIgnoreCase":{"aws:SourceArn":"ARN:aws:s3:::B"}}}]}`,
}

// FuzzCompareLaws holds the laws of comparison over documents of any kind: nothing panics, a document equals itself however it
// is written, sides swap with the sets, an Allow more takes nothing away, and every witness holds.
func FuzzCompareLaws(f *testing.F) {
	for i, a := range fuzzSeeds {
		f.Add(a, fuzzSeeds[(i+1)%len(fuzzSeeds)], uint64(i))
	}
	f.Fuzz(func(t *testing.T, a, b string, seed uint64) {
		x, ok := fuzzSet(a)
		if !ok {
			return
		}
		y, ok := fuzzSet(b)
		if !ok {
			return
		}
		if seed%2 == 1 {
			x = Set{Relation: ResourceOnly, Resource: x.Identity}
			y = Set{Relation: ResourceOnly, Resource: y.Identity}
		}
		if got := Compare(x, x, nil); got.Verdict() != Equivalent {
			t.Fatalf("%s is %v itself: %v", a, got.Verdict(), got.Indeterminate)
		}
		r := rand.New(rand.NewPCG(seed, 1))
		for _, v := range variants[:1] {
			if got := Compare(x, rewriteSet(t, r, x, v.rewrite), nil); len(got.Missing)+len(got.Excess) > 0 {
				t.Fatalf("%s, %s, is %v", a, v.name, got.Verdict())
			}
		}
		got, swapped := Compare(x, y, nil), Compare(y, x, nil)
		checkWitnesses(t, x, y, got)
		checkWitnesses(t, y, x, swapped)
		if len(got.Indeterminate)+len(swapped.Indeterminate) == 0 && ((len(got.Missing) > 0) != (len(swapped.Excess) > 0) || (len(got.Excess) > 0) != (len(swapped.Missing) > 0)) {
			t.Fatalf("%s and %s are %v, swapped %v", a, b, got.Verdict(), swapped.Verdict())
		}
		more := y
		for _, list := range []*[]*Document{&more.Identity, &more.Resource} {
			for i, d := range *list {
				wider := *d
				wider.Statements = slices.Clone(d.Statements)
				for _, s := range d.Statements {
					if s.Effect == Allow {
						s.Conditions = nil
						wider.Statements = append(wider.Statements, s)
					}
				}
				*list = slices.Clone(*list)
				(*list)[i] = &wider
			}
		}
		if wide := Compare(y, more, nil); len(wide.Missing) > 0 {
			t.Fatalf("an Allow more takes %+v from %s", wide.Missing[0].Request, b)
		}
		// What x allows beyond y, the widened y refuses or allows; it refuses nothing that y allows.
		for _, w := range got.Missing {
			if Evaluate(&y, &w.Request).Outcome == Allowed {
				t.Fatalf("%+v is not missing", w.Request)
			}
		}
	})
}

// FuzzParseFacts: facts that are read are used without a panic, and narrow what differs.
func FuzzParseFacts(f *testing.F) {
	f.Add([]byte(`{"builtin":true,"resources":[{"arn":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf","keys":{"secretsmanager:resource/AllowRotationLambdaArn":["arn:aws:lambda:us-east-1:111122223333:function:f"]},"only":["aws:ResourceTag/*"]}],"universe":[{"resources":["arn:*:secretsmanager:*:*:secret:*"],"without":{"secretsmanager:resource/AllowRotationLambdaArn":["x"]}}]}`))
	f.Add([]byte(`{"actions":[{"actions":["s3:Get*"],"no_resource":true,"absent":["s3:*"],"present":["aws:TagKeys"]}],"keys":[{"key":"a:*","values":"multi","type":"Numeric","absent_for":["role"]}],"complete":["s3"]}`))
	expected, _ := fuzzSet(fuzzSeeds[2])
	actual, _ := fuzzSet(fuzzSeeds[4])
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := ParseFacts("facts.json", data)
		if err != nil {
			return
		}
		checkWitnesses(t, expected, actual, Compare(expected, actual, facts))
	})
}

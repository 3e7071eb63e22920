package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: a document that is read is printed so that it is read again, as the same document.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}`,
		`{"Statement":{"Sid":"\ud83d\ude00","Effect":"Deny","NotPrincipal":{"AWS":["111122223333","AROAEXAMPLE1234567890"],"Service":"lambda.amazonaws.com"},"NotAction":"iam:*","NotResource":["arn:aws:s3:::b/*","*a*b*c?"]}}`,
		`{"Id":"x","Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:s3:::b/${aws:username, 'x'}${*}","Condition":{"forallvalues:stringlikeifexists":{"a:b":["x","${a:c}"]},"Bool":{"a:d":true},"NumericLessThan":{"a:e":[1,-2.5e3]},"IpAddress":{"a:f":"::/0"},"DateLessThan":{"a:g":"2024-05-01T00:00:00Z"},"Null":{"a:h":[]},"BinaryEquals":{"a:i":"QQ=="}}}}`,
		`{"Statement":[{"Effect":"Allow"`, `{"Statement":[{"Effect":"\ud800`, `[[[[[[`, "\xef\xbb\xbf{}", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::\ufffd"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("A.json", data)
		if err != nil {
			if d != nil || err.Error() == "" {
				t.Fatalf("Parse = %v, %v", d, err)
			}
			return
		}
		for _, kind := range []Kind{KindIdentity, KindResource, KindTrust} {
			if err := d.CheckKind(kind); err != nil && err.Error() == "" {
				t.Errorf("CheckKind(%s) gives an empty error", kind)
			}
		}
		for _, printed := range []string{d.String(), d.Indent()} {
			again, err := Parse("A.json", []byte(printed))
			if err != nil {
				t.Fatalf("%s is not read again: %v", printed, err)
			}
			if diff := cmp.Diff(d, again); diff != "" {
				t.Fatalf("the round trip through %s differs:\n%s", printed, diff)
			}
		}
		if _, err := d.MarshalJSON(); err != nil {
			t.Errorf("a document that was read cannot be marshalled: %v", err)
		}
	})
}

// FuzzEvaluate: laws of evaluation on any document and request.
func FuzzEvaluate(f *testing.F) {
	const condition = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*","Condition":{"StringLike":{"a:k":"x*${a:l}"}}},` +
		`{"Effect":"Deny","NotAction":"s3:*","NotResource":"arn:aws:s3:::c","Principal":{"AWS":"111122223333"},"Condition":{"ForAllValues:ArnLike":{"a:l":"arn:aws:*:*:*:?"}}}]}`
	f.Add([]byte(condition), "s3:GetObject", "arn:aws:s3:::b/x", "a:k", "xyz", "a:l", "z")
	f.Add([]byte(condition), "ec2:Describe", "*", "a:k", "", "A:L", "arn:aws:a:b:c:d")
	f.Add([]byte(`{"Statement":{"Effect":"Allow","NotPrincipal":{"Service":"lambda.amazonaws.com"},"Action":"*","Resource":"*","Condition":{"NumericLessThan":{"n":5},"NotIpAddress":{"i":"10.0.0.0/8"}}}}`), "a:b", "arn", "n", "4", "i", "10.0.0.1")
	f.Fuzz(func(t *testing.T, data []byte, action, resource, key1, value1, key2, value2 string) {
		d, err := Parse("A.json", data)
		if err != nil {
			return
		}
		r := &Request{
			Caller: Caller{Kind: CallerRole, ARN: roleARN, Session: sessionARN}, Action: action, Resource: resource,
			Context: map[string][]string{key1: {value1}, key2: {value2, value1}},
		}
		everything := &Document{Statements: []Statement{{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}}}}
		for _, relation := range []Relation{SameAccount, CrossAccount, Delegated, ResourceOnly} {
			set := Set{Relation: relation, Identity: []*Document{d}, Resource: []*Document{d}}
			got := Evaluate(&set, r)
			if Compile(set).Allows(r) != (got.Outcome == Allowed) {
				t.Fatalf("%s: Allows disagrees with %+v", relation, got)
			}
			if got.Outcome == Undecided {
				t.Fatalf("%s: undecided without unknown keys: %+v", relation, got)
			}
			if (got.Outcome == Allowed || got.Outcome == ExplicitlyDenied) != (len(got.By) > 0) {
				t.Fatalf("%s: %s by %v", relation, got.Outcome, got.By)
			}
			again, err := Parse("A.json", []byte(d.String()))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, Evaluate(&Set{Relation: relation, Identity: []*Document{again}, Resource: []*Document{again}}, r)); diff != "" {
				t.Fatalf("%s: the round trip decides otherwise:\n%s", relation, diff)
			}
			if got.Outcome == Allowed {
				wider := set
				wider.Identity = []*Document{d, everything}
				if more := Evaluate(&wider, r); more.Outcome != Allowed {
					t.Fatalf("%s: one more Allow takes the request away: %+v", relation, more)
				}
			}
			Nearest(&set, r)
			// What is decided with a key unknown is decided so whatever the key's value.
			unknown := *r
			unknown.Context = map[string][]string{key2: r.Context[key2]}
			unknown.Unknown = []string{key1}
			if blind := Evaluate(&set, &unknown); blind.Outcome != Undecided {
				full := *r
				if _, twice := unknown.Context[key1]; !twice && !equalFold(key1, key2) && (Evaluate(&set, &full).Outcome == Allowed) != (blind.Outcome == Allowed) {
					t.Fatalf("%s: %s with %q unknown, %s with it", relation, blind.Outcome, key1, Evaluate(&set, &full).Outcome)
				}
			}
		}
	})
}

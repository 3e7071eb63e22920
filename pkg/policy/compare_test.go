package policy

import (
	"strings"
	"testing"
)

// identitySet parses identity documents.
func identitySet(t testing.TB, documents ...string) Set {
	t.Helper()
	var s Set
	for i, text := range documents {
		d, err := Parse(string(rune('A'+i))+".json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.Identity = append(s.Identity, d)
	}
	return s
}

// doc wraps statements into a document.
func doc(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestCompareIdentity(t *testing.T) {
	tests := []struct {
		name             string
		expected, actual string
		want             Verdict
	}{
		{"the same", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), Equivalent},
		{"one action more", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}`), OnlyExcess},
		{"a wildcard covers", doc(`{"Effect":"Allow","Action":["s3:Get*","s3:GetObject"],"Resource":"*"}`), doc(`{"Effect":"Allow","Action":"s3:get*","Resource":"*"}`), Equivalent},
		{"a wildcard is more", doc(`{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}`), doc(`{"Effect":"Allow","Action":"s3:get*","Resource":"*"}`), OnlyExcess},
		{"A or not A", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:username":"a"}}}`,
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringNotEquals":{"aws:username":"a"}}}`), Equivalent},
		{"A or present not A", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:username":"a"}}}`,
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringNotEquals":{"aws:username":"a"},"Null":{"aws:username":"false"}}}`), OnlyMissing},
		{"resource and not resource", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`,
			`{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/*"}`), Equivalent},
		{"deny takes away", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`,
			`{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`), OnlyMissing},
		{"deny as not resource", doc(`{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`,
			`{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`), Equivalent},
		{"not action", doc(`{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`), doc(
			`{"Effect":"Allow","Action":"*","Resource":"*"}`,
			`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`), Equivalent},
		{"numbers cover", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Null":{"s3:max-keys":"false"}}}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"NumericLessThan":{"s3:max-keys":"10"}}}`,
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"NumericGreaterThanEquals":{"s3:max-keys":"10.0"}}}`), Equivalent},
		{"for all values is true on the absent key", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}}`),
			doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"a"}}}`), MissingAndExcess},
		{"globs overlap", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a*b"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::a*cb","arn:aws:s3:::a*b"]}`), Equivalent},
		{"question marks and star", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::a","arn:aws:s3:::a?","arn:aws:s3:::a??*"]}`), Equivalent},
		{"question marks and star but one", doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a*"}`), doc(
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::a","arn:aws:s3:::a?","arn:aws:s3:::a???*"]}`), OnlyMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := identitySet(t, tt.expected), identitySet(t, tt.actual)
			got := Compare(a, b, nil)
			if got.Verdict() != tt.want {
				t.Errorf("Compare = %v, want %v: %+v", got.Verdict(), tt.want, got)
			}
			for _, w := range append(got.Missing, got.Excess...) {
				t.Logf("%s %s on %s with %v", w.Direction, w.Request.Action, w.Request.Resource, w.Request.Context)
			}
			for _, r := range got.Indeterminate {
				t.Logf("indeterminate: %v", r)
			}
		})
	}
}

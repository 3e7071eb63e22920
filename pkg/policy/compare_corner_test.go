package policy

import "testing"

// TestCompareCorners holds the verdicts of pairs that are easily got wrong.
func TestCompareCorners(t *testing.T) {
	get := func(condition string) string {
		return `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":` + condition + `}`
	}
	on := func(effect, resource string) string {
		return `{"Effect":"` + effect + `","Action":"s3:GetObject","Resource":"` + resource + `"}`
	}
	none := doc(on("Deny", "*"))
	tests := []struct {
		name             string
		expected, actual string
		want             Verdict
	}{
		{"a variable with a star behind it is more", doc(get(`{"StringEquals":{"s3:prefix":"${aws:username}"}}`)), doc(get(`{"StringLike":{"s3:prefix":"${aws:username}*"}}`)), OnlyExcess},
		{"the empty value of a variable", doc(on("Allow", "arn:aws:s3:::b/${aws:username}"), on("Deny", "arn:aws:s3:::b/?*")), none, OnlyMissing},
		{"the empty value of a variable of the key itself", doc(get(`{"StringEquals":{"s3:prefix":"${s3:prefix}"},"StringNotLike":{"s3:prefix":"?*"}}`)), none, OnlyMissing},
		{"a union with a variable before it", doc(on("Allow", "arn:aws:s3:::home/${aws:username}*")),
			doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::home/${aws:username}","arn:aws:s3:::home/${aws:username}?","arn:aws:s3:::home/${aws:username}??*"]}`), Equivalent},
		{"a union with a variable before it and a gap", doc(on("Allow", "arn:aws:s3:::home/${aws:username}*")),
			doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::home/${aws:username}","arn:aws:s3:::home/${aws:username}?","arn:aws:s3:::home/${aws:username}???*"]}`), OnlyMissing},
		{"an escape is literal text without variables", `{"Version":"2008-10-17","Statement":` + on("Allow", "arn:aws:s3:::*x${*}") + `}`, doc(on("Allow", "arn:aws:s3:::*x${*}")), MissingAndExcess},
		{"two members of one class", doc(get(`{"ForAllValues:StringLike":{"aws:TagKeys":"a*b"}}`)), doc(get(`{"StringLike":{"aws:TagKeys":"?*"}}`), get(`{"Null":{"aws:TagKeys":"true"}}`)), MissingAndExcess},
		{"two named members of one class", doc(get(`{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]},"ForAnyValue:StringNotEquals":{"aws:TagKeys":"x"}}`)), doc(get(`{"StringNotEquals":{"aws:TagKeys":"x"}}`)), MissingAndExcess},
		{"the one named member of a class", doc(get(`{"ForAllValues:StringEquals":{"aws:TagKeys":"a"},"Null":{"aws:TagKeys":"false"}}`)), doc(get(`{"StringEquals":{"aws:TagKeys":"a"}}`)), Equivalent},
		{"a number or a text that is none", none, doc(get(`{"NumericEquals":{"a:k":"10"},"StringNotEquals":{"a:k":"10"}}`)), OnlyExcess},
		{"one text in any case and a Boolean", none, doc(get(`{"StringEqualsIgnoreCase":{"a:k":"true"},"Bool":{"a:k":"false"}}`)), Equivalent},
		{"a number in a spelling that no text names", none, doc(get(`{"NumericEquals":{"a:k":"10"},"StringNotEquals":{"a:k":["10","10.0","10.00","010"]}}`)), OnlyExcess},
		{"a Boolean in a spelling that no text names", none, doc(get(`{"Bool":{"a:k":"true"},"StringNotEquals":{"a:k":["true","True","TRUE"]}}`)), OnlyExcess},
		{"an address in a spelling that no text names", none, doc(get(`{"IpAddress":{"a:k":"::1/128"},"StringNotEquals":{"a:k":"::1"}}`)), OnlyExcess},
		{"a date in a spelling that no text names", none, doc(get(`{"DateEquals":{"a:k":"2024-01-01"},"StringNotEquals":{"a:k":["2024-01-01","2024-01-01T00:00:00Z","1704067200"]}}`)), OnlyExcess},
		{"an IPv4 address has one spelling", none, doc(get(`{"IpAddress":{"a:k":"10.0.0.1/32"},"StringNotEquals":{"a:k":"10.0.0.1"}}`)), Equivalent},
		{"a number and a pattern of texts, or not that pattern", doc(get(`{"NumericLessThan":{"a:k":"10"}}`)),
			doc(get(`{"NumericLessThan":{"a:k":"10"},"StringLike":{"a:k":"1*"}}`), get(`{"NumericLessThan":{"a:k":"10"},"StringNotLike":{"a:k":"1*"}}`)), Equivalent},
		{"a date in a spelling that a pattern leaves", doc(get(`{"DateLessThan":{"a:k":"2020-01-01"}}`)), doc(get(`{"DateLessThan":{"a:k":"2020-01-01"},"StringLike":{"a:k":"20*"}}`)), OnlyMissing},
		{"a number that is no date", doc(get(`{"DateLessThan":{"a:k":"2020-01-01"}}`)), doc(get(`{"DateLessThan":{"a:k":"2020-01-01"}}`), get(`{"NumericLessThan":{"a:k":"1577836800"}}`)), OnlyExcess},
		{"the variable of the key itself asks for any value", doc(get(`{"StringLike":{"aws:username":"${aws:username}*"}}`)), doc(get(`{"Null":{"aws:username":"false"}}`)), Equivalent},
		{"a variable in the resource part of an ARN", none, doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"ArnNotLike":{"aws:SourceArn":"arn:aws:s3:us-*:1:${aws:userid}"}}}`,
			get(`{"ArnLike":{"aws:SourceArn":"arn:*:sns:us-*:1:${aws:userid}"}}`)), Equivalent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expected, actual := identitySet(t, tt.expected), identitySet(t, tt.actual)
			got := Compare(expected, actual, nil)
			if got.Verdict() != tt.want || len(got.Indeterminate) > 0 {
				t.Errorf("Compare = %v, want %v: %v", got.Verdict(), tt.want, got.Indeterminate)
			}
			checkWitnesses(t, expected, actual, got)
		})
	}
}

// TestCompareNeverSettlesWhatItCannotSpell: values of two types have more spellings than are tried. No difference may be denied then.
func TestCompareNeverSettlesWhatItCannotSpell(t *testing.T) {
	none := identitySet(t, doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`))
	for _, condition := range []string{
		`{"NumericGreaterThanEquals":{"a:k":"10"},"DateEquals":{"a:k":"2024-01-01"}}`,
		`{"NumericEquals":{"a:k":"10"},"StringNotEquals":{"a:k":["10","10.0","10.00","010"]}}`,
		`{"Bool":{"a:k":"true"},"StringNotEquals":{"a:k":["true","True","TRUE"]}}`,
		`{"IpAddress":{"a:k":"::1/128"},"StringNotEquals":{"a:k":"::1"}}`,
		`{"DateEquals":{"a:k":"2024-01-01"},"StringNotEquals":{"a:k":["2024-01-01","2024-01-01T00:00:00Z","1704067200"]}}`,
	} {
		actual := identitySet(t, doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":`+condition+`}`))
		if got := Compare(none, actual, nil); got.Verdict() == Equivalent {
			t.Errorf("Compare denies that %s can hold", condition)
		}
	}
}

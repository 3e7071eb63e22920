package policy

import (
	"fmt"
	"slices"
	"testing"
)

// TestEveryStatementThatDiffersHasAWitness: each statement that grants what the other side refuses grants one of the witnesses.
func TestEveryStatementThatDiffersHasAWitness(t *testing.T) {
	none := doc(`{"Effect":"Deny","Action":"*","Resource":"*"}`)
	tests := []struct {
		name   string
		actual []string
		want   []string // document and index
	}{
		{"two statements of one action", []string{doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"}`, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`)}, []string{"A.json 0", "A.json 1"}},
		{"one statement within another", []string{doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`)}, []string{"A.json 0", "A.json 1"}},
		{"a condition that only one value of a variable meets, on what another statement grants as well", []string{doc(
			`{"Effect":"Allow","Action":"*","NotResource":"arn:aws-cn:s*:*::${aws:PrincipalTag/team}*","Condition":{"StringLike":{"aws:PrincipalTag/team":"é"}}}`,
			`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericNotEquals":{"s3:max-keys":"2"}}}`)}, []string{"A.json 0", "A.json 1"}},
		{"a Deny that asks one key to be made of another", []string{
			doc(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:TagKeys":"aé${aws:SourceArn}"}}}`,
				`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws?:*:us-east-1:1*:/a/"}}}`),
			doc(`{"Effect":"Allow","NotAction":"kms:Decrypt","Resource":"arn:aws:s?:*"}`)}, []string{"A.json 1", "B.json 0"}},
		{"a key that begins with the value of another", []string{doc(
			`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:username":"${aws:userid}a*"}}}`,
			`{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:ResourceTag/Owner}a*é"}`,
			`{"Effect":"Allow","NotAction":"kms:Decrypt","Resource":"arn:aws:s*::*:a${aws:username}a*"}`)}, []string{"A.json 0", "A.json 1", "A.json 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expected, actual := identitySet(t, none), identitySet(t, tt.actual...)
			got := Compare(expected, actual, nil)
			checkWitnesses(t, expected, actual, got)
			if len(got.Indeterminate) > 0 {
				t.Errorf("in doubt: %v", got.Indeterminate)
			}
			var shown []string
			for i := range got.Excess {
				for _, by := range got.Excess[i].Actual.By {
					shown = append(shown, fmt.Sprintf("%s %d", by.Document, by.Index))
				}
			}
			slices.Sort(shown)
			if shown = slices.Compact(shown); !slices.Equal(shown, tt.want) {
				t.Errorf("the witnesses are granted by %q, want %q: %v", shown, tt.want, got.Excess)
			}
		})
	}
}

// TestEveryNamedActionThatDiffersHasAWitness: whichever side names it, and whichever way it differs.
func TestEveryNamedActionThatDiffersHasAWitness(t *testing.T) {
	allow := func(rest string) string { return `{"Effect":"Allow",` + rest + `}` }
	deny := func(rest string) string { return `{"Effect":"Deny",` + rest + `}` }
	all := doc(allow(`"Action":"s3:*","Resource":"*"`))
	tests := []struct {
		name             string
		expected, actual string
		want             []string // action and resource
	}{
		{"the other side takes two of a service away", all, doc(allow(`"Action":"s3:*","Resource":"*"`), deny(`"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::a/*"`)),
			[]string{"s3:GetObject arn:aws:s3:::a/example", "s3:PutObject arn:aws:s3:::a/example"}},
		{"each statement that denies", all, doc(allow(`"Action":"s3:*","Resource":"*"`), deny(`"Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"`), deny(`"Action":"s3:Get*","Resource":["arn:aws:s3:::b/*","arn:aws:s3:::c/*"]`)),
			[]string{"s3:GetObject arn:aws:s3:::a/example", "s3:GetBucketPolicy arn:aws:s3:::b/example", "s3:GetObject arn:aws:s3:::c/example"}},
		{"a Deny of what its own side does not allow is no difference", all, doc(allow(`"Action":"s3:*","Resource":"arn:aws:s3:::a/*"`), deny(`"Action":"s3:*","Resource":"arn:aws:s3:::b/*"`)),
			[]string{"s3:GetObject arn:aws:s3:::example-bucket/example"}},
		{"what the other side leaves out by name", doc(allow(`"NotAction":["s3:GetObject","iam:PassRole"],"Resource":"*"`)), doc(allow(`"Action":"*","Resource":"*"`)),
			[]string{"iam:PassRole arn:aws:iam::111122223333:role/example", "s3:GetObject arn:aws:s3:::example-bucket/example"}},
		{"what the other side limits by name", doc(allow(`"Action":["s3:GetObject","s3:ListBucket"],"Resource":"arn:aws:s3:::a*"`)), doc(allow(`"Action":["s3:GetObject","s3:L*"],"Resource":"*"`)),
			[]string{"s3:GetObject arn:aws:s3:::example-bucket/example", "s3:ListBucket arn:aws:s3:::example-bucket", "s3:ListAllMyBuckets *"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expected, actual := identitySet(t, tt.expected), identitySet(t, tt.actual)
			for swapped, sides := range [][2]Set{{expected, actual}, {actual, expected}} {
				got := Compare(sides[0], sides[1], nil)
				checkWitnesses(t, sides[0], sides[1], got)
				var shown []string
				for i := range append(got.Missing, got.Excess...) {
					r := append(got.Missing, got.Excess...)[i].Request
					shown = append(shown, r.Action+" "+r.Resource)
				}
				slices.Sort(shown)
				slices.Sort(tt.want)
				if !slices.Equal(shown, tt.want) {
					t.Errorf("swapped %d: the witnesses are %q, want %q", swapped, shown, tt.want)
				}
			}
		})
	}
}

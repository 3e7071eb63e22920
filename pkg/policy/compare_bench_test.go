package policy

import (
	"slices"
	"testing"
	"time"

	awspolicy "github.com/hashicorp/awspolicyequivalence"
)

// The documented single-user policy and the three documents that a deployment tool leaves on a rotation function's role.
const (
	templateText = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],
		 "Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"arn:aws:lambda:eu-west-1:111122223333:function:rotate"}}},
		{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"},
		{"Effect":"Allow","Action":["ec2:CreateNetworkInterface","ec2:DeleteNetworkInterface","ec2:DescribeNetworkInterfaces"],"Resource":"*"}]}`
	reorderedText = `{"Statement":[
		{"Resource":"*","Action":["ec2:DescribeNetworkInterfaces","ec2:DeleteNetworkInterface","ec2:CreateNetworkInterface"],"Effect":"Allow"},
		{"Resource":["*"],"Action":["secretsmanager:GetRandomPassword"],"Effect":"Allow"},
		{"Action":["secretsmanager:UpdateSecretVersionStage","secretsmanager:PutSecretValue","secretsmanager:GetSecretValue","secretsmanager:DescribeSecret"],
		 "Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":["arn:aws:lambda:eu-west-1:111122223333:function:rotate"]}},"Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}`
)

var roleTexts = []string{
	`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],
		 "Resource":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"arn:aws:lambda:eu-west-1:111122223333:function:rotate"}}},
		{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`,
	`{"Statement":[{"Effect":"Allow","Action":["ec2:CreateNetworkInterface","ec2:DeleteNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DetachNetworkInterface"],"Resource":"*"}]}`,
	`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,
}

// BenchmarkCompareTemplate compares the parsed template with a typical role's three parsed documents, which differ from it, and
// with the template itself in three documents and another order, which do not.
func BenchmarkCompareTemplate(b *testing.B) {
	expected := identitySet(b, templateText)
	split := identitySet(b, reorderedText)
	var equal Set
	for i := range split.Identity[0].Statements {
		equal.Identity = append(equal.Identity, &Document{Name: string(rune('A' + i)), Version: Version2012, Statements: split.Identity[0].Statements[i : i+1]})
	}
	for _, bb := range []struct {
		name   string
		actual Set
		want   Verdict
	}{{"role", identitySet(b, roleTexts...), MissingAndExcess}, {"equal", equal, Equivalent}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if got := Compare(expected, bb.actual, nil); got.Verdict() != bb.want {
					b.Fatal(got.Verdict())
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
		})
	}
}

// BenchmarkCompareWithFacts compares a role with its template for ten secrets at hand, told what services do.
func BenchmarkCompareWithFacts(b *testing.B) {
	expected, actual := identitySet(b, templateText), identitySet(b, roleTexts...)
	b.ReportAllocs()
	for b.Loop() {
		own := &Facts{Universe: []UniverseFact{{Resources: []string{"arn:*:secretsmanager:*:*:secret:*"}, Without: map[string][]string{"secretsmanager:resource/AllowRotationLambdaArn": {"arn:aws:lambda:eu-west-1:111122223333:function:rotate"}}}}}
		for i := range 10 {
			own.Resources = append(own.Resources, ResourceFact{ARN: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db" + string(rune('a'+i)) + "-AbCdEf",
				Keys: map[string][]string{"secretsmanager:resource/AllowRotationLambdaArn": {"arn:aws:lambda:eu-west-1:111122223333:function:rotate"}}})
		}
		got := Compare(expected, actual, BuiltinFacts().With(own))
		if got.Verdict() != OnlyExcess || len(got.Indeterminate) > 0 {
			b.Fatal(got)
		}
	}
}

// BenchmarkVersusAwspolicyequivalence decides a pair from its texts, with this package and with a comparison of structure.
func BenchmarkVersusAwspolicyequivalence(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			expected, err := Parse("A.json", []byte(templateText))
			if err != nil {
				b.Fatal(err)
			}
			actual, err := Parse("B.json", []byte(reorderedText))
			if err != nil {
				b.Fatal(err)
			}
			if got := Compare(Set{Identity: []*Document{expected}}, Set{Identity: []*Document{actual}}, nil); got.Verdict() != Equivalent {
				b.Fatal(got.Verdict())
			}
		}
	})
	b.Run("awspolicyequivalence", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if equal, err := awspolicy.PoliciesAreEquivalent(templateText, reorderedText); err != nil || !equal {
				b.Fatal(equal, err)
			}
		}
	})
}

// TestAgainstAwspolicyequivalence lists pairs with what is true of them, and which of these the comparison of structure gets
// wrong.
func TestAgainstAwspolicyequivalence(t *testing.T) {
	get := func(rest string) string { return doc(`{"Effect":"Allow","Action":"s3:GetObject",` + rest + `}`) }
	all := get(`"Resource":"*"`)
	tests := []struct {
		name      string
		a, b      string
		equal     bool
		peerSays  bool
		peerFails bool
	}{
		{"another order", templateText, reorderedText, true, true, false},
		{"a statement split in two", doc(`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}`),
			doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`, `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}`), true, false, false},
		{"a statement twice", all, doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), true, false, false},
		{"an action that a wildcard covers", doc(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`), doc(`{"Effect":"Allow","Action":["s3:Get*","s3:GetObject"],"Resource":"*"}`), true, false, false},
		{"the case of an action", all, doc(`{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}`), true, false, false},
		{"the case of a resource", get(`"Resource":"arn:aws:s3:::B"`), get(`"Resource":"arn:aws:s3:::b"`), false, false, false},
		{"a resource that a wildcard covers", get(`"Resource":"arn:aws:s3:::b/*"`), get(`"Resource":["arn:aws:s3:::b/*","arn:aws:s3:::b/x"]`), true, false, false},
		{"the case of a condition key", get(`"Resource":"*","Condition":{"StringEquals":{"aws:username":"a"}}`), get(`"Resource":"*","Condition":{"StringEquals":{"aws:UserName":"a"}}`), true, false, false},
		{"a number in another spelling", get(`"Resource":"*","Condition":{"NumericEquals":{"s3:max-keys":"10"}}`), get(`"Resource":"*","Condition":{"NumericEquals":{"s3:max-keys":"10.0"}}`), true, false, false},
		{"an operator that means the same", get(`"Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:*:x"}}`), get(`"Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:x"}}`), true, false, false},
		{"no version and variables", `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::${aws:username}"}}`, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::${aws:username}"}}`, false, false, false},
		{"no version and none", `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`, all, true, false, false},
		{"a Deny of what nothing allows", all, doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`, `{"Effect":"Deny","Action":"kms:*","Resource":"*"}`), true, false, false},
		{"a condition or its opposite", all, doc(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:username":"a"}}}`,
			`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringNotEquals":{"aws:username":"a"}}}`), true, false, false},
		{"another Sid", doc(`{"Sid":"A","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), doc(`{"Sid":"B","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), true, false, false},
	}
	wrong := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Compare(identitySet(t, tt.a), identitySet(t, tt.b), nil)
			if (got.Verdict() == Equivalent) != tt.equal || len(got.Indeterminate) > 0 {
				t.Errorf("Compare = %v, want equivalent %t", got.Verdict(), tt.equal)
			}
			peer, err := awspolicy.PoliciesAreEquivalent(tt.a, tt.b)
			if (err != nil) != tt.peerFails || peer != tt.peerSays {
				t.Errorf("the comparison of structure says %t, %v, not %t", peer, err, tt.peerSays)
			}
			if peer != tt.equal || err != nil {
				wrong++
			}
		})
	}
	t.Logf("of %d pairs the comparison of structure gets %d wrong", len(tests), wrong)
}

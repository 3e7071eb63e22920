package policy

import "testing"

// typicalRole is what a rotation function's role holds: the secret's statements inline, a network set, the logs of the
// managed policy.
func typicalRole(tb testing.TB) (Set, *Request) {
	tb.Helper()
	set := Set{Identity: []*Document{
		mustParse(tb, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],
			 "Resource":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:*",
			 "Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"arn:aws:lambda:eu-west-1:111122223333:function:rotate"}}},
			{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`),
		mustParse(tb, `{"Statement":[{"Effect":"Allow","Action":["ec2:CreateNetworkInterface","ec2:DeleteNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DetachNetworkInterface"],"Resource":"*"}]}`),
		mustParse(tb, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`),
	}}
	return set, &Request{
		Caller:   Caller{Kind: CallerRole, ARN: "arn:aws:iam::111122223333:role/rotate", Session: "arn:aws:sts::111122223333:assumed-role/rotate/rotate"},
		Action:   "secretsmanager:GetSecretValue",
		Resource: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf",
		Context: map[string][]string{
			"aws:PrincipalArn": {"arn:aws:iam::111122223333:role/rotate"}, "aws:PrincipalAccount": {"111122223333"},
			"aws:RequestedRegion": {"eu-west-1"}, "aws:SecureTransport": {"true"}, "aws:PrincipalIsAWSService": {"false"},
			"aws:ViaAWSService": {"false"}, "secretsmanager:VersionStage": {"AWSCURRENT"},
			"secretsmanager:resource/AllowRotationLambdaArn": {"arn:aws:lambda:eu-west-1:111122223333:function:rotate"},
		},
	}
}

func mustParse(tb testing.TB, text string) *Document {
	tb.Helper()
	d, err := Parse("test.json", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func BenchmarkEvaluate(b *testing.B) {
	set, request := typicalRole(b)
	compiled := Compile(set)
	b.ReportAllocs()
	for b.Loop() {
		if compiled.Evaluate(request).Outcome != Allowed {
			b.Fatal("not allowed")
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	set, request := typicalRole(b)
	compiled := Compile(set)
	b.ReportAllocs()
	for b.Loop() {
		if !compiled.Allows(request) {
			b.Fatal("not allowed")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	set, _ := typicalRole(b)
	b.ReportAllocs()
	for b.Loop() {
		Compile(set)
	}
}

func BenchmarkParse(b *testing.B) {
	set, _ := typicalRole(b)
	var texts [][]byte
	for _, d := range set.Identity {
		texts = append(texts, []byte(d.String()))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, err := Parse("role.json", text); err != nil {
				b.Fatal(err)
			}
		}
	}
}

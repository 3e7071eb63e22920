package awstest_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func BenchmarkSeed(b *testing.B) {
	all := make([]awstest.Secret, 100_000)
	on := true
	for i := range all {
		all[i] = awstest.Secret{
			Name: fmt.Sprintf("team/%d/db", i), RotationEnabled: &on,
			RotationLambdaARN: fmt.Sprintf("arn:aws:lambda:us-east-1:123456789012:function:rotator-%d", i%10_000),
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		awstest.NewHandler(awstest.Options{}).AddSecrets(all)
	}
}

func BenchmarkListSecretsPage(b *testing.B) {
	a := awstest.New(b, awstest.Options{})
	a.KeepCalls(false)
	for i := range 1000 {
		a.AddSecret(awstest.Secret{Name: fmt.Sprintf("team/%d/db", i)})
	}
	c := newClients(a.Config())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.secrets.ListSecrets(b.Context(), &secretsmanager.ListSecretsInput{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetPolicy(b *testing.B) {
	a := awstest.New(b, awstest.Options{})
	a.KeepCalls(false)
	f := versioned()
	f.Policies = map[string]string{"": allowAll}
	a.AddFunction(f)
	c := newClients(a.Config())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.lambda.GetPolicy(b.Context(), &lambda.GetPolicyInput{FunctionName: str("f")}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

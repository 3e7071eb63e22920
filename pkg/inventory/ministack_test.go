package inventory_test

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// TestListingWithoutFunctionsIsCompleted: ministack's ListSecrets leaves function and key out, and its GetPolicy answers with an empty
// policy where there is none.
func TestListingWithoutFunctionsIsCompleted(t *testing.T) {
	ctx := t.Context()
	s := emulator.For(t)(emulator.StartMinistack(ctx))
	cfg := aws.Config{Region: home, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	role, err := iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	check(err)
	_, err = iam.NewFromConfig(cfg).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("a+b"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Sid":"plus","Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::a+b/100%25 sure"}]}`)})
	check(err)
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	_, err = z.Create("index.py")
	check(err)
	check(z.Close())
	fn, err := lambda.NewFromConfig(cfg).CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: role.Role.Arn, Runtime: types.RuntimePython311, Handler: aws.String("index.handler"), Code: &types.FunctionCode{ZipFile: code.Bytes()},
	})
	check(err)
	key, err := kms.NewFromConfig(cfg).CreateKey(ctx, &kms.CreateKeyInput{})
	check(err)
	_, err = secretsmanager.NewFromConfig(cfg).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("{}"), KmsKeyId: key.KeyMetadata.KeyId})
	check(err)
	_, err = secretsmanager.NewFromConfig(cfg).RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String("s"), RotationLambdaARN: fn.FunctionArn, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(7)}, RotateImmediately: aws.Bool(false),
	})
	check(err)

	r := inventory.New(inventory.NewClients(cfg), inventory.Options{Unthrottled: true})
	got := setup(t, read(t, r, rotation.Scope{}), rotation.ARN(*fn.FunctionArn))
	if gaps := inventory.Gaps(rotation.Group{Setups: []rotation.Setup{got}}); len(gaps) > 0 {
		t.Errorf("gaps: %+v", gaps)
	}
	if k := got.Keys[*key.KeyMetadata.KeyId]; string(k.ARN) != *key.KeyMetadata.Arn || k.Policy.Document == nil {
		t.Errorf("key = %+v", k)
	}
	if p := got.Function.Policy; p.Presence != rotation.Absent {
		t.Errorf("function policy = %+v, want none", p)
	}
	if p := got.Role.Identity[0]; p.Document == nil || p.Document.Statements[0].Resources[0] != "arn:aws:s3:::a+b/100%25 sure" {
		t.Errorf("inline policy = %+v", p)
	}
	if n := r.Calls()["secretsmanager:DescribeSecret"]; n != 1 {
		t.Errorf("DescribeSecret was called %d times, want 1", n)
	}
}

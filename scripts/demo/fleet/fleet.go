// Package fleet makes small accounts for fleet sweeps, on an emulator or in the account in memory, and knows what a sweep of each should
// find. What an account and Region hold follows from their number alone.
package fleet

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// Member is the role that a fleet assumes in each account, and ExternalID what it sends.
const (
	Member     = "audit/rotationguard-member"
	ExternalID = "example-3f9c"
)

// flaw is what is wrong with a rotation.
type flaw string

const (
	sound    flaw = "sound"    // nothing
	uninvoke flaw = "uninvoke" // Secrets Manager may not invoke the function
	public   flaw = "public"   // everybody may invoke it
	gone     flaw = "gone"     // the function was deleted
)

var verdicts = map[flaw]account.Verdict{sound: account.InSync, uninvoke: account.Broken, public: account.Drifted, gone: account.Orphaned}

// flaws are those of the n-th account and Region; every one holds a sound rotation too.
func flaws(n int) []flaw {
	return append([]flaw{sound}, [][]flaw{{}, {uninvoke}, {public, sound}, {gone, uninvoke}}[n%4]...)
}

// Want is how many secrets of the n-th account and Region get which verdict.
func Want(n int) map[account.Verdict]int {
	want := map[account.Verdict]int{}
	for _, f := range flaws(n) {
		want[verdicts[f]]++
	}
	return want
}

// AddMember makes the member role in the account of cfg, which trusts the account hub with the external id.
func AddMember(ctx context.Context, cfg aws.Config, hub string) error {
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + hub + `:root"},"Action":["sts:AssumeRole","sts:TagSession"],` +
		`"Condition":{"StringEquals":{"sts:ExternalId":"` + ExternalID + `"}}}]}`
	_, err := iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{Path: aws.String("/audit/"), RoleName: aws.String("rotationguard-member"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		return fmt.Errorf("making the member role: %w", err)
	}
	return nil
}

// Seed makes what the n-th account and Region hold. Values are what an emulator wants to see in a secret; they are no secrets.
func Seed(ctx context.Context, cfg aws.Config, accountID string, n int) error {
	s := seeder{accountID, cfg.Region, iam.NewFromConfig(cfg), lambda.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)}
	for i, f := range flaws(n) {
		if err := s.rotation(ctx, fmt.Sprintf("db-%d-%s", i, f), f); err != nil {
			return fmt.Errorf("account %s, %s: %w", accountID, cfg.Region, err)
		}
	}
	return nil
}

type seeder struct {
	account, region string
	iam             *iam.Client
	lambda          *lambda.Client
	secrets         *secretsmanager.Client
}

func (s *seeder) rotation(ctx context.Context, name string, f flaw) error {
	role, function := "rotate-"+name+"-"+s.region, "rotate-"+name
	arn := "arn:aws:lambda:" + s.region + ":" + s.account + ":function:" + function
	if _, err := s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &role, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}); err != nil {
		return err
	}
	// AWS documentation, "Permissions required to automatically rotate secrets": the execution role of a single-user rotation.
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue",` +
		`"secretsmanager:UpdateSecretVersionStage"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"` + arn + `"}}},` +
		`{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`
	if _, err := s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("rotation"), PolicyDocument: &policy}); err != nil {
		return err
	}
	code, err := account.EmptyPackage()
	if err != nil {
		return err
	}
	if _, err := s.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &function, Role: aws.String("arn:aws:iam::" + s.account + ":role/" + role), Runtime: lambdatypes.RuntimePython312, Handler: aws.String("index.handler"),
		Code: &lambdatypes.FunctionCode{ZipFile: code},
	}); err != nil {
		return err
	}
	if f != uninvoke {
		if err := s.grant(ctx, function, "secretsmanager.amazonaws.com", &s.account); err != nil {
			return err
		}
	}
	if f == public {
		if err := s.grant(ctx, function, "*", nil); err != nil {
			return err
		}
	}
	if _, err := s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(`{"engine":"demo"}`)}); err != nil {
		return err
	}
	if _, err := s.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: &name, RotationLambdaARN: &arn, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	}); err != nil {
		return err
	}
	if f == gone {
		if _, err := s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &function}); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) grant(ctx context.Context, function, principal string, source *string) error {
	sid := "secretsmanager"
	if principal == "*" {
		sid = "everybody"
	}
	_, err := s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &function, StatementId: &sid, Action: aws.String("lambda:InvokeFunction"), Principal: &principal, SourceAccount: source,
	})
	return err
}

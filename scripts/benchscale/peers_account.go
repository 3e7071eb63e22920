package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// The account that the tools are run on side by side: 200 rotation functions with a role and three secrets each, and 400 secrets that do
// not rotate.
const (
	peerFunctions = 200
	peerRotating  = 3 * peerFunctions
	peerSecrets   = 1000
	peerEach      = 20 // every twentieth function has the same trouble, so that there are ten of each
	peerForeign   = "999988887777"
)

// trouble is a class of what is wrong with a setup, in the words of the table.
type trouble string

// The classes. Half of the functions have none.
const (
	noInvoke       trouble = "function policy gone: Secrets Manager may not invoke"
	wrongSource    trouble = "function policy names another account's secrets"
	noPut          trouble = "role may not PutSecretValue"
	voided         trouble = "role's statement voided by a condition"
	noKey          trouble = "role may not use the secret's customer key"
	functionGone   trouble = "rotation function deleted"
	publicInvoke   trouble = "anybody may invoke the function"
	foreignInvoke  trouble = "another account may invoke the function"
	allSecrets     trouble = "role may do everything with every secret"
	foreignTrust   trouble = "another account may assume the role"
	notRotating    trouble = "secret does not rotate"
	openSecret     trouble = "another account may read the secret"
	nothingAtFault trouble = ""
)

// troubles are the classes in the table's order; a function has the one of its number modulo peerEach.
var troubles = []trouble{noInvoke, wrongSource, noPut, voided, noKey, functionGone, publicInvoke, foreignInvoke, allSecrets, foreignTrust, notRotating, openSecret}

// setup is a function with its role and secrets, or a secret alone, by the names that a tool would tell it by.
type setup struct {
	trouble trouble
	names   []string
}

func troubleOf(function int) trouble {
	if k := function % peerEach; k < 10 {
		return troubles[k]
	}
	return nothingAtFault
}

func peerFunction(i int) string { return fmt.Sprintf("fn-%03d-rotator", i) }
func peerRole(i int) string     { return fmt.Sprintf("role-%03d-rotator", i) }
func peerSecret(i int) string   { return fmt.Sprintf("db-%04d-app", i) }

// setups are what the account has.
func setups() []setup {
	var all []setup
	for i := range peerFunctions {
		s := setup{troubleOf(i), []string{peerFunction(i), peerRole(i)}}
		for j := range 3 {
			s.names = append(s.names, peerSecret(3*i+j))
		}
		all = append(all, s)
	}
	for i := peerRotating; i < peerSecrets; i++ {
		s := setup{notRotating, []string{peerSecret(i)}}
		if i%40 == 0 {
			s.trouble = openSecret
		}
		all = append(all, s)
	}
	return all
}

// peerSeeder makes the account on moto.
type peerSeeder struct {
	secrets *secretsmanager.Client
	lambda  *lambda.Client
	iam     *iam.Client
	key     string
	code    []byte
}

func seedPeers(ctx context.Context, cfg aws.Config) error {
	s := &peerSeeder{secrets: secretsmanager.NewFromConfig(cfg), lambda: lambda.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg)}
	key, err := kms.NewFromConfig(cfg).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	s.key = *key.KeyMetadata.Arn
	if s.code, err = account.EmptyPackage(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range peerFunctions {
		g.Go(func() error { return s.function(ctx, i) })
	}
	for i := peerRotating; i < peerSecrets; i++ {
		g.Go(func() error { return s.alone(ctx, i) })
	}
	return g.Wait()
}

const lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}%s]}`

func (s *peerSeeder) function(ctx context.Context, i int) error {
	name, role, wrong := peerFunction(i), peerRole(i), troubleOf(i)
	arn := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", region, accountID, name)
	trust, policy := fmt.Sprintf(lambdaTrust, ""), fmt.Sprintf(ownPolicy, arn, "")
	switch wrong {
	case foreignTrust:
		trust = fmt.Sprintf(lambdaTrust, `,{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+peerForeign+`:root"},"Action":"sts:AssumeRole"}`)
	case noPut:
		policy = strings.Replace(policy, `"secretsmanager:PutSecretValue",`, "", 1)
	case voided:
		policy = strings.Replace(policy, `"StringEquals":{`, `"StringEquals":{"aws:SourceAccount":"`+accountID+`",`, 1)
	case allSecrets:
		policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}]}`
	case noInvoke, wrongSource, noKey, functionGone, publicInvoke, foreignInvoke, notRotating, openSecret, nothingAtFault: // not of the role
	}
	made, err := s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &role, AssumeRolePolicyDocument: &trust})
	if err != nil {
		return err
	}
	if _, err := s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("rotation"), PolicyDocument: &policy}); err != nil {
		return err
	}
	if _, err := s.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")}); err != nil {
		return err
	}
	if _, err := s.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Role: made.Role.Arn, Runtime: lambdatypes.RuntimePython313, Handler: aws.String("index.handler"), Code: &lambdatypes.FunctionCode{ZipFile: s.code},
	}); err != nil {
		return err
	}
	if err := s.permit(ctx, name, wrong); err != nil {
		return err
	}
	for j := range 3 {
		if err := s.rotating(ctx, peerSecret(3*i+j), arn, wrong); err != nil {
			return err
		}
	}
	if wrong == functionGone {
		_, err = s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
	}
	return err
}

// permit gives the function its policy.
func (s *peerSeeder) permit(ctx context.Context, name string, wrong trouble) error {
	add := func(sid, principal, source string) error {
		in := &lambda.AddPermissionInput{FunctionName: &name, StatementId: &sid, Action: aws.String("lambda:InvokeFunction"), Principal: &principal}
		if source != "" {
			in.SourceAccount = &source
		}
		_, err := s.lambda.AddPermission(ctx, in)
		return err
	}
	source := accountID
	switch wrong {
	case noInvoke:
		return nil
	case wrongSource:
		source = peerForeign
	case publicInvoke:
		if err := add("all", "*", ""); err != nil {
			return err
		}
	case foreignInvoke:
		if err := add("partner", "arn:aws:iam::"+peerForeign+":root", ""); err != nil {
			return err
		}
	case noPut, voided, noKey, functionGone, allSecrets, foreignTrust, notRotating, openSecret, nothingAtFault: // not of the function's policy
	}
	return add("rotation", "secretsmanager.amazonaws.com", source)
}

func (s *peerSeeder) rotating(ctx context.Context, name, function string, wrong trouble) error {
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(`{"engine":"demo"}`)}
	if wrong == noKey {
		in.KmsKeyId = &s.key
	}
	if _, err := s.secrets.CreateSecret(ctx, in); err != nil {
		return err
	}
	_, err := s.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: &name, RotationLambdaARN: &function, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	})
	return err
}

// alone makes a secret that does not rotate.
func (s *peerSeeder) alone(ctx context.Context, i int) error {
	name := peerSecret(i)
	if _, err := s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(`{"engine":"demo"}`)}); err != nil {
		return err
	}
	if i%40 != 0 {
		return nil
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + peerForeign + `:root"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	_, err := s.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: &name, ResourcePolicy: &policy})
	return err
}

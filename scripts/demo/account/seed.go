package account

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/sync/errgroup"
)

// seeder makes the account on moto.
type seeder struct {
	secrets *secretsmanager.Client
	primary *secretsmanager.Client // of the Region that has the replicas' primaries
	lambda  *lambda.Client
	iam     *iam.Client
	kms     *kms.Client
	stacks  *cloudformation.Client

	mu    sync.Mutex
	names names
	code  []byte
}

// primaryRegion has the primaries of the account's replicas.
const primaryRegion = "eu-west-1"

// Seed makes the account on moto at the endpoint of cfg, without the rotations that moto cannot hold: all of them, or only those of the functions that are
// named. Values are what an emulator wants to see in a secret before it can be rotated; they are no secrets.
func Seed(ctx context.Context, cfg aws.Config, functions ...string) error {
	code, err := EmptyPackage()
	if err != nil {
		return err
	}
	elsewhere := cfg.Copy()
	elsewhere.Region = primaryRegion
	s := &seeder{
		secrets: secretsmanager.NewFromConfig(cfg), primary: secretsmanager.NewFromConfig(elsewhere), lambda: lambda.NewFromConfig(cfg),
		iam: iam.NewFromConfig(cfg), kms: kms.NewFromConfig(cfg), stacks: cloudformation.NewFromConfig(cfg),
		names: names{secrets: map[string]string{}, keys: map[string]string{}}, code: code,
	}
	rotations := slices.DeleteFunc(Rotations(), func(r Rotation) bool {
		return r.Held == NotInMoto || len(functions) > 0 && !slices.Contains(functions, r.Function)
	})
	for _, step := range []struct {
		doing string
		do    func(context.Context, []Rotation) error
	}{
		{"making keys", s.makeKeys},
		{"making secrets", s.makeSecrets},
		{"making rotations", s.makeRotations},
		{"setting key policies", s.setKeyPolicies},
	} {
		if err := step.do(ctx, rotations); err != nil {
			return fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	return nil
}

// EmptyPackage is a deployment package with a handler that does nothing: the functions never run.
func EmptyPackage() ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("index.py")
	if err == nil {
		_, err = f.Write([]byte("def handler(event, context):\n    pass\n"))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("packing an empty function: %w", err)
	}
	return b.Bytes(), nil
}

func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, item := range items {
		g.Go(func() error { return do(ctx, item) })
	}
	return g.Wait()
}

func (s *seeder) makeKeys(ctx context.Context, _ []Rotation) error {
	return each(ctx, Keys(), func(ctx context.Context, k Key) error {
		out, err := s.kms.CreateKey(ctx, &kms.CreateKeyInput{Description: &k.Name})
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.names.keys[k.Name] = *out.KeyMetadata.Arn
		return nil
	})
}

// setKeyPolicies comes last: a key policy names roles that must be there.
func (s *seeder) setKeyPolicies(ctx context.Context, _ []Rotation) error {
	return each(ctx, Keys(), func(ctx context.Context, k Key) error {
		if k.Policy == "" {
			return nil
		}
		text, err := s.names.fill(&Rotation{}, k.Policy)
		if err == nil {
			_, err = s.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: aws.String(s.names.keys[k.Name]), PolicyName: aws.String("default"), Policy: &text})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		return nil
	})
}

// makeSecrets makes all secrets before the tags that name other secrets.
func (s *seeder) makeSecrets(ctx context.Context, rotations []Rotation) error {
	all := Masters()
	for _, r := range rotations {
		all = append(all, r.Secrets...)
	}
	return each(ctx, all, func(ctx context.Context, secret Secret) error {
		in := &secretsmanager.CreateSecretInput{Name: &secret.Name, SecretString: aws.String(`{"engine":"demo"}`)}
		if secret.Key != "" {
			in.KmsKeyId = aws.String(s.names.keys[secret.Key])
		}
		client := s.secrets
		if secret.Replica {
			client = s.primary
			in.AddReplicaRegions = []smtypes.ReplicaRegionType{{Region: aws.String(Region)}}
		}
		if secret.Owner != "" { // how moto knows an owning service
			in.Tags = append(in.Tags, smtypes.Tag{Key: aws.String("aws:secretsmanager:owningService"), Value: &secret.Owner})
		}
		out, err := client.CreateSecret(ctx, in)
		if err != nil {
			return fmt.Errorf("%s: %w", secret.Name, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.names.secrets[secret.Name] = *out.ARN
		return nil
	})
}

func (s *seeder) makeRotations(ctx context.Context, rotations []Rotation) error {
	return each(ctx, rotations, func(ctx context.Context, r Rotation) error {
		steps := []func(context.Context, *Rotation) error{s.makeRole, s.makeFunction, s.grantInvoke, s.rotate, s.remove}
		if r.Function == "" {
			steps = []func(context.Context, *Rotation) error{s.rotate}
		}
		for _, step := range steps {
			if err := step(ctx, &r); err != nil {
				return fmt.Errorf("%s%s: %w", r.Function, r.Secrets[0].Name, err)
			}
		}
		return nil
	})
}

func (s *seeder) makeRole(ctx context.Context, r *Rotation) error {
	name := r.roleName()
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(r.trust())}
	if r.Role.Boundary != "" {
		arn, err := s.makePolicy(ctx, r, name+"-boundary", r.Role.Boundary)
		if err != nil {
			return err
		}
		in.PermissionsBoundary = &arn
	}
	if _, err := s.iam.CreateRole(ctx, in); err != nil {
		return err
	}
	for _, policy := range slices.Sorted(maps.Keys(r.inlineDocuments())) {
		text, err := s.names.fill(r, r.inlineDocuments()[policy])
		if err != nil {
			return err
		}
		if strings.HasPrefix(text, oldStart) { // moto refuses the 2008 language, which IAM takes
			text = document2012 + strings.TrimPrefix(text, oldStart)
		}
		if _, err := s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &policy, PolicyDocument: &text}); err != nil {
			return err
		}
	}
	attach := r.managed()
	for _, policy := range slices.Sorted(maps.Keys(r.Role.Customer)) {
		arn, err := s.makePolicy(ctx, r, policy, r.Role.Customer[policy])
		if err != nil {
			return err
		}
		attach = append(attach, arn)
	}
	for _, arn := range attach {
		if _, err := s.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) makePolicy(ctx context.Context, r *Rotation, name, doc string) (string, error) {
	text, err := s.names.fill(r, doc)
	if err != nil {
		return "", err
	}
	out, err := s.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &text})
	if err != nil {
		return "", err
	}
	return *out.Policy.Arn, nil
}

func (s *seeder) makeFunction(ctx context.Context, r *Rotation) error {
	in := &lambda.CreateFunctionInput{
		FunctionName: &r.Function, Role: aws.String(roleARN(r.roleName())), Runtime: lambdatypes.RuntimePython312, Handler: aws.String("index.handler"),
		Code: &lambdatypes.FunctionCode{ZipFile: s.code}, Publish: r.Alias != "",
	}
	if r.VPC {
		in.VpcConfig = &lambdatypes.VpcConfig{SubnetIds: subnets(), SecurityGroupIds: securityGroups()}
	}
	if r.Stack != nil {
		stack, err := s.makeStack(ctx, r)
		if err != nil {
			return err
		}
		// CloudFormation alone may set these on AWS; moto takes them from anyone.
		in.Tags = map[string]string{"aws:cloudformation:stack-id": stack, "aws:cloudformation:stack-name": r.Function}
	}
	if _, err := s.lambda.CreateFunction(ctx, in); err != nil {
		return err
	}
	if r.Alias == "" {
		return nil
	}
	_, err := s.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: &r.Function, Name: &r.Alias, FunctionVersion: aws.String("1")})
	return err
}

func subnets() []string        { return []string{"subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"} }
func securityGroups() []string { return []string{"sg-0a1b2c3d4e5f60718"} }

func (s *seeder) makeStack(ctx context.Context, r *Rotation) (string, error) {
	in := &cloudformation.CreateStackInput{StackName: &r.Function}
	declared := ""
	for i, name := range slices.Sorted(maps.Keys(r.Stack)) {
		value, err := s.names.fill(r, r.Stack[name])
		if err != nil {
			return "", err
		}
		in.Parameters = append(in.Parameters, cfntypes.Parameter{ParameterKey: &name, ParameterValue: &value})
		if i > 0 {
			declared += ","
		}
		declared += fmt.Sprintf("%q:{\"Type\":\"String\"}", name)
	}
	in.TemplateBody = aws.String(`{"Parameters":{` + declared + `},"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}`)
	out, err := s.stacks.CreateStack(ctx, in)
	if err != nil {
		return "", err
	}
	return *out.StackId, nil
}

func (s *seeder) grantInvoke(ctx context.Context, r *Rotation) error {
	for _, g := range r.grants() {
		in := &lambda.AddPermissionInput{FunctionName: &r.Function, StatementId: &g.Sid, Action: aws.String("lambda:InvokeFunction")}
		principal := g.Principal
		if principal == "{account}" {
			principal = "arn:aws:iam::" + ID + ":root"
		}
		in.Principal = &principal
		if g.SourceAccount != "" {
			in.SourceAccount = aws.String(ID)
		}
		if g.SourceSecret != "" {
			in.SourceArn = aws.String(s.names.secrets[g.SourceSecret])
		}
		if r.Alias != "" && !g.Unqualified {
			in.Qualifier = &r.Alias
		}
		if _, err := s.lambda.AddPermission(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// rotate turns rotation on, tags the secrets and gives them their policies.
func (s *seeder) rotate(ctx context.Context, r *Rotation) error {
	for i := range r.Secrets {
		secret := &r.Secrets[i]
		if !secret.Off && !secret.Replica {
			in := &secretsmanager.RotateSecretInput{
				SecretId: &secret.Name, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(int64(cmp.Or(secret.Every, 30)))},
			}
			if r.Function != "" {
				in.RotationLambdaARN = aws.String(r.FunctionARN())
			}
			if _, err := s.secrets.RotateSecret(ctx, in); err != nil {
				return err
			}
		}
		if err := s.decorate(ctx, r, secret); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) decorate(ctx context.Context, r *Rotation, secret *Secret) error {
	if len(secret.Tags) > 0 {
		in := &secretsmanager.TagResourceInput{SecretId: &secret.Name}
		for _, key := range slices.Sorted(maps.Keys(secret.Tags)) {
			value, err := s.names.fill(r, secret.Tags[key])
			if err != nil {
				return err
			}
			in.Tags = append(in.Tags, smtypes.Tag{Key: &key, Value: &value})
		}
		if _, err := s.secrets.TagResource(ctx, in); err != nil {
			return err
		}
	}
	if secret.Policy != "" {
		text, err := s.names.fill(r, secret.Policy)
		if err == nil {
			_, err = s.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: &secret.Name, ResourcePolicy: &text})
		}
		if err != nil {
			return err
		}
	}
	if secret.Deleting {
		_, err := s.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &secret.Name, RecoveryWindowInDays: aws.Int64(7)})
		return err
	}
	return nil
}

// remove deletes what the rotation has lost since.
func (s *seeder) remove(ctx context.Context, r *Rotation) error {
	switch r.Gone {
	case NothingGone:
	case FunctionGone:
		_, err := s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &r.Function})
		return err
	case RoleGone:
		name := r.roleName()
		for _, arn := range r.managed() {
			if _, err := s.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); err != nil {
				return err
			}
		}
		for policy := range r.inlineDocuments() {
			if _, err := s.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy}); err != nil {
				return err
			}
		}
		_, err := s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
		return err
	}
	return nil
}

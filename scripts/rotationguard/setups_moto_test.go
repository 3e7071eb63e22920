package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift/setups"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const (
	motoAccount = "123456789012"
	motoRegion  = "eu-west-1"
	motoVPC     = "vpc-123abc" // whatever VPC a function's subnets are in
)

// motoCannot says why moto cannot hold a setup; empty when it can.
func motoCannot(c *setups.Case) string {
	for _, rule := range []struct {
		why   string
		holds func() bool
	}{
		{"a read fails, and moto's reads do not", func() bool { return len(c.Held.Gaps) > 0 }},
		{"an operator, who acts on all that the account rotates", func() bool { return c.Held.Operator != nil }},
		{"a document that its grammar check refuses", func() bool {
			return slices.ContainsFunc(c.Held.Role.Identity, func(p rotation.Policy) bool { return p.Document == nil })
		}},
		{"a managed external secret", func() bool {
			return slices.ContainsFunc(c.Held.Secrets, func(s rotation.Secret) bool { return s.ExternalRole != "" })
		}},
		{"a policy, role or configuration at a version or alias", func() bool {
			return c.Options.AllQualifiers || slices.ContainsFunc(c.Held.Secrets, func(s rotation.Secret) bool { _, q := s.FunctionARN.SplitFunction(); return q != "" })
		}},
		{"a function's state", func() bool {
			return slices.ContainsFunc(c.Held.Functions, func(f rotation.Function) bool { return f.State != "Active" || f.LastUpdateStatus != "Successful" })
		}},
		{"another account", func() bool { return elsewhere(c, func(p rotation.Parts) bool { return p.Account != "111122223333" }) }},
		{"another Region, whose functions a secret cannot name there", func() bool { return elsewhere(c, func(p rotation.Parts) bool { return p.Region != motoRegion }) }},
		{"a function policy that AddPermission does not write", func() bool {
			return slices.ContainsFunc(c.Held.Functions, func(f rotation.Function) bool { _, ok := permissions(&f); return !ok })
		}},
	} {
		if rule.holds() {
			return rule.why
		}
	}
	return ""
}

// elsewhere says whether a function, key or secret of the setup is somewhere else.
func elsewhere(c *setups.Case, is func(rotation.Parts) bool) bool {
	var all []rotation.ARN
	for _, f := range c.Held.Functions {
		all = append(all, f.ARN)
	}
	for _, k := range c.Held.Keys {
		all = append(all, k.ARN)
	}
	for _, s := range c.Held.Secrets {
		all = append(all, s.ARN, s.FunctionARN)
	}
	return slices.ContainsFunc(all, func(arn rotation.ARN) bool { return arn != "" && is(arn.Parts()) })
}

// permissions are a function policy as calls of AddPermission; ok is false when it is none that they make.
func permissions(f *rotation.Function) (calls []*lambda.AddPermissionInput, ok bool) {
	if f.Policy.Presence != rotation.Present {
		return nil, true
	}
	if f.Policy.Document == nil {
		return nil, false
	}
	for i, s := range f.Policy.Document.Statements {
		in := &lambda.AddPermissionInput{FunctionName: aws.String(string(f.ARN)), StatementId: aws.String(s.Sid), Action: aws.String(strings.Join(s.Actions, ","))}
		if s.Sid == "" {
			in.StatementId = aws.String(fmt.Sprint("statement-", i))
		}
		if s.Effect != policy.Allow || len(s.Principals) != 1 || len(s.Actions) != 1 || !slices.Equal(s.Resources, []string{string(f.ARN)}) || s.Sid == "" {
			return nil, false
		}
		if s.Principals[0] == (policy.Principal{Type: "AWS", ID: "*"}) {
			return nil, false // it writes "*"
		}
		in.Principal = aws.String(s.Principals[0].ID)
		for _, condition := range s.Conditions {
			if len(condition.Values) != 1 {
				return nil, false
			}
			value := aws.String(condition.Values[0])
			switch strings.ToLower(condition.Operator + " " + condition.Key) {
			case "stringequals aws:sourceaccount":
				in.SourceAccount = value
			case "arnlike aws:sourcearn":
				in.SourceArn = value
			case "stringequals aws:principalorgid":
				in.PrincipalOrgID = value
			default:
				return nil, false
			}
		}
		calls = append(calls, in)
	}
	return calls, true
}

// TestSetupsOnMoto puts the setups that moto can hold into one account there, each under names of its own, and sweeps it: once for all those
// without a configuration, and for every other one by its secret.
func TestSetupsOnMoto(t *testing.T) {
	server := emulator.For(t)(emulator.StartMoto(t.Context()))
	path, m := build(t), newMoto(t, server.URL)
	all, left := loadLibrary(t), map[string]int{}
	var mu sync.Mutex
	loaded := map[string]*setups.Case{}
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(4)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		c := loadCase(t, name, all[name])
		if why := motoCannot(c); why != "" {
			left[why]++
			continue
		}
		g.Go(func() error {
			own, err := m.put(ctx, name, i, all[name])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			loaded[name] = own
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	environ := []string{"AWS_ENDPOINT_URL=" + server.URL, "AWS_REGION=" + motoRegion, "AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo"}
	everything := sweepWith(t, path, environ)
	for _, name := range slices.Sorted(maps.Keys(loaded)) {
		t.Run(name, func(t *testing.T) {
			c, r := loaded[name], everything
			if config := configOf(t, c, ""); config != "" {
				args := []string{"--config", config}
				for _, s := range c.Held.Secrets {
					args = append(args, "--secret", s.Name)
				}
				r = sweepWith(t, path, environ, args...)
			}
			wantAnswers(t, c, r)
		})
	}
	t.Logf("%d setups on moto, of %d", len(loaded), len(all))
	for _, why := range slices.Sorted(maps.Keys(left)) {
		t.Logf("%d left out: %s", left[why], why)
	}
}

type moto struct {
	secrets *secretsmanager.Client
	primary *secretsmanager.Client // of the Region that has the replicas' primaries
	lambda  *lambda.Client
	iam     *iam.Client
	kms     *kms.Client
	stacks  *cloudformation.Client
	code    []byte
}

func newMoto(t *testing.T, url string) *moto {
	t.Helper()
	cfg := aws.Config{Region: motoRegion, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", "")}
	other := cfg.Copy()
	other.Region = "us-east-1"
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	f, err := z.Create("index.py")
	if err == nil {
		_, err = f.Write([]byte("def handler(event, context):\n    pass\n"))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &moto{
		secrets: secretsmanager.NewFromConfig(cfg), primary: secretsmanager.NewFromConfig(other), lambda: lambda.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg),
		kms: kms.NewFromConfig(cfg), stacks: cloudformation.NewFromConfig(cfg), code: code.Bytes(),
	}
}

// motoSetup is a setup on its way into moto: its text follows the names and ids that moto gives.
type motoSetup struct {
	*moto
	name    string
	archive *txtar.Archive
}

// put makes everything that a setup holds, and gives the setup as it is then.
func (m *moto) put(ctx context.Context, name string, number int, data []byte) (*setups.Case, error) {
	s := &motoSetup{moto: m, name: name, archive: txtar.Parse(data)}
	s.archive.Files = slices.DeleteFunc(s.archive.Files, func(f txtar.File) bool { return f.Name == "want.txt" })
	own := fmt.Sprintf("%03d", number)
	s.replace("111122223333", motoAccount, "prod/", "p"+own+"/", "alias/prod-", "alias/p"+own+"-", "rotate-", "r"+own+"-", "SecretsManagerapp", "SecretsManagerapp"+own,
		"1A2B3C4D5E6F7", "1A2B3C4D5E"+own, "developers", "developers-"+own, "rotation-only", "rotation-only-"+own, "rds!cluster-0a1b2c3d", "rds!cluster-0a1b2"+own)
	for _, step := range []func(context.Context, *setups.Case) error{s.makeKeys, s.makeSecrets, s.makeRole, s.makeStack, s.makeFunctions, s.setPolicies, s.rotate, s.remove} {
		c, err := s.load()
		if err != nil {
			return nil, err
		}
		if err := step(ctx, c); err != nil {
			return nil, err
		}
	}
	return s.load()
}

func (s *motoSetup) load() (*setups.Case, error) {
	return setups.Load(s.name, txtar.Format(s.archive), awsManaged)
}

// replace puts new texts for old ones, in pairs, into the whole setup.
func (s *motoSetup) replace(pairs ...string) {
	r := strings.NewReplacer(pairs...)
	s.archive.Comment = []byte(r.Replace(string(s.archive.Comment)))
	for i := range s.archive.Files {
		f := &s.archive.Files[i]
		if f.Name != "attached/AWSLambdaBasicExecutionRole" {
			f.Name = r.Replace(f.Name)
		}
		f.Data = []byte(r.Replace(string(f.Data)))
	}
}

func (s *motoSetup) makeKeys(ctx context.Context, c *setups.Case) error {
	for _, k := range c.Held.Keys {
		if k.Manager == "AWS" {
			continue
		}
		out, err := s.kms.CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			return err
		}
		s.replace(k.ARN.Parts().Resource[len("key/"):], *out.KeyMetadata.KeyId)
		if strings.HasPrefix(k.ID, "alias/") {
			if _, err := s.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &k.ID, TargetKeyId: out.KeyMetadata.KeyId}); err != nil {
				return err
			}
		}
	}
	return nil
}

// described is what of DescribeSecret's answer the setup's parsed form leaves out.
type described struct {
	ARN, Name, RotationLambdaARN string
	RotationEnabled              *bool
}

func (s *motoSetup) described(name string) (described, error) {
	var d described
	for _, f := range s.archive.Files {
		if err := json.Unmarshal(f.Data, &d); strings.HasPrefix(f.Name, "secret") && err == nil && d.Name == name {
			return d, nil
		}
		d = described{}
	}
	return d, fmt.Errorf("no member for %s", name)
}

func (s *motoSetup) makeSecrets(ctx context.Context, c *setups.Case) error {
	var all []rotation.Secret
	for _, arn := range c.Held.Others {
		name, _, _ := arn.SecretName()
		all = append(all, rotation.Secret{ARN: arn, Name: name})
	}
	all = append(append(all, c.Held.Masters...), c.Held.Secrets...)
	for _, secret := range all {
		in := &secretsmanager.CreateSecretInput{Name: &secret.Name, SecretString: aws.String(`{"engine":"setup"}`)}
		if secret.KMSKeyID != "" {
			in.KmsKeyId = &secret.KMSKeyID
		}
		client := s.secrets
		if secret.Kind == rotation.KindReplica {
			client = s.primary
			in.AddReplicaRegions = []smtypes.ReplicaRegionType{{Region: aws.String(motoRegion)}}
		}
		if secret.OwningService != "" { // how moto knows an owning service
			in.Tags = append(in.Tags, smtypes.Tag{Key: aws.String("aws:secretsmanager:owningService"), Value: &secret.OwningService})
		}
		out, err := client.CreateSecret(ctx, in)
		if err != nil {
			return fmt.Errorf("%s: %w", secret.Name, err)
		}
		s.replace(string(secret.ARN), strings.Replace(*out.ARN, ":us-east-1:", ":"+motoRegion+":", 1))
	}
	return nil
}

func (s *motoSetup) makeRole(ctx context.Context, c *setups.Case) error {
	r := &c.Held.Role
	if r.ARN == "" {
		return nil
	}
	name := r.ARN.RoleName()
	path := strings.TrimSuffix(strings.TrimPrefix(r.ARN.Parts().Resource, "role"), name)
	in := &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: &r.Trust.Text}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		in.Tags = append(in.Tags, iamtypes.Tag{Key: &key, Value: aws.String(r.Tags[key])})
	}
	managed := func(p *rotation.Policy) (*string, error) {
		if p.ARN.Parts().Account != "aws" {
			_, err := s.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(p.ARN.RoleName()), PolicyDocument: &p.Text})
			return aws.String(string(p.ARN)), err
		}
		return aws.String(string(p.ARN)), nil
	}
	var err error
	if r.Boundary != nil {
		if in.PermissionsBoundary, err = managed(r.Boundary); err != nil {
			return err
		}
	}
	out, err := s.iam.CreateRole(ctx, in)
	if err != nil {
		return err
	}
	s.replace(r.ID, *out.Role.RoleId)
	for i := range r.Identity {
		p := &r.Identity[i]
		if p.Source == rotation.PolicyInline {
			text := p.Text
			if p.Document.Version != policy.Version2012 { // moto refuses the 2008 language, which IAM takes; nothing here uses what is new since
				text = strings.Replace(text, "{", `{"Version":"2012-10-17",`, 1)
			}
			_, err = s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &p.Name, PolicyDocument: &text})
		} else {
			var arn *string
			if arn, err = managed(p); err == nil {
				_, err = s.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: arn})
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Label(), err)
		}
	}
	return nil
}

func (s *motoSetup) makeFunctions(ctx context.Context, c *setups.Case) error {
	for i := range c.Held.Functions {
		f := &c.Held.Functions[i]
		in := &lambda.CreateFunctionInput{
			FunctionName: aws.String(f.ARN.Parts().Resource[len("function:"):]), Role: aws.String(string(f.Role)), Runtime: lambdatypes.RuntimePython312,
			Handler: aws.String("index.handler"), Code: &lambdatypes.FunctionCode{ZipFile: s.code}, Tags: f.Tags,
		}
		if f.VPC != "" {
			in.VpcConfig = &lambdatypes.VpcConfig{SubnetIds: f.Subnets, SecurityGroupIds: f.SecurityGroups}
			s.replace(f.VPC, motoVPC)
		}
		if f.Role.RoleName() != c.Held.Role.ARN.RoleName() || f.Role != c.Held.Role.ARN { // a role that is gone by now must be there to make the function
			if err := s.passing(ctx, f.Role, func() error { _, err := s.lambda.CreateFunction(ctx, in); return err }); err != nil {
				return err
			}
		} else if _, err := s.lambda.CreateFunction(ctx, in); err != nil {
			return err
		}
		calls, _ := permissions(f)
		for _, call := range calls {
			if _, err := s.lambda.AddPermission(ctx, call); err != nil {
				return err
			}
		}
	}
	return nil
}

// passing makes a role for as long as do takes.
func (s *motoSetup) passing(ctx context.Context, arn rotation.ARN, do func() error) error {
	name := arn.RoleName()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	_, err := s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
	return err
}

// makeStack makes the stack that a function's tags name, whose id moto chooses.
func (s *motoSetup) makeStack(ctx context.Context, c *setups.Case) error {
	if len(c.Held.Stack) == 0 {
		return nil
	}
	tags := c.Held.Functions[0].Tags
	in := &cloudformation.CreateStackInput{StackName: aws.String(tags["aws:cloudformation:stack-name"])}
	var declared []string
	for _, name := range slices.Sorted(maps.Keys(c.Held.Stack)) {
		in.Parameters = append(in.Parameters, cfntypes.Parameter{ParameterKey: &name, ParameterValue: aws.String(c.Held.Stack[name])})
		declared = append(declared, fmt.Sprintf("%q:{\"Type\":\"String\"}", name))
	}
	in.TemplateBody = aws.String(`{"Parameters":{` + strings.Join(declared, ",") + `},"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}`)
	out, err := s.stacks.CreateStack(ctx, in)
	if err != nil {
		return err
	}
	s.replace(tags["aws:cloudformation:stack-id"], *out.StackId)
	return nil
}

// setPolicies sets what names the role: the policies, grants and states of keys, and the secrets' policies.
func (s *motoSetup) setPolicies(ctx context.Context, c *setups.Case) error {
	for _, k := range c.Held.Keys {
		if k.Manager == "AWS" {
			continue
		}
		id := string(k.ARN)
		if k.Policy.Text != "" {
			if _, err := s.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, PolicyName: aws.String("default"), Policy: &k.Policy.Text}); err != nil {
				return err
			}
		}
		for _, g := range k.Grants {
			in := &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String(g.Grantee)}
			for _, operation := range g.Operations {
				in.Operations = append(in.Operations, kmstypes.GrantOperation(operation))
			}
			if len(g.ContextEquals)+len(g.ContextSubset) > 0 {
				in.Constraints = &kmstypes.GrantConstraints{EncryptionContextEquals: g.ContextEquals, EncryptionContextSubset: g.ContextSubset}
			}
			if _, err := s.kms.CreateGrant(ctx, in); err != nil {
				return err
			}
		}
	}
	for _, secret := range append(slices.Clone(c.Held.Masters), c.Held.Secrets...) {
		if secret.Policy.Text != "" {
			if _, err := s.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: aws.String(string(secret.ARN)), ResourcePolicy: &secret.Policy.Text}); err != nil {
				return err
			}
		}
	}
	return nil
}

// rotate turns rotation on and tags the secrets.
func (s *motoSetup) rotate(ctx context.Context, c *setups.Case) error {
	for _, secret := range c.Held.Secrets {
		d, err := s.described(secret.Name)
		if err != nil {
			return err
		}
		id := &secret.Name
		if d.RotationEnabled != nil && secret.Kind != rotation.KindReplica {
			in := &secretsmanager.RotateSecretInput{SecretId: id, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}}
			if d.RotationLambdaARN != "" {
				in.RotationLambdaARN = &d.RotationLambdaARN
			}
			rotate := func() error { _, err := s.secrets.RotateSecret(ctx, in); return err }
			arn := rotation.ARN(d.RotationLambdaARN)
			if arn != "" && !slices.ContainsFunc(c.Held.Functions, func(f rotation.Function) bool { return f.ARN == arn }) {
				err = s.passingFunction(ctx, arn, rotate)
			} else {
				err = rotate()
			}
			if err == nil && !*d.RotationEnabled {
				_, err = s.secrets.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: id})
			}
			if err != nil {
				return fmt.Errorf("rotating %s: %w", secret.Name, err)
			}
		}
	}
	for _, secret := range append(slices.Clone(c.Held.Masters), c.Held.Secrets...) {
		if len(secret.Tags) == 0 {
			continue
		}
		in := &secretsmanager.TagResourceInput{SecretId: &secret.Name}
		for _, key := range slices.Sorted(maps.Keys(secret.Tags)) {
			in.Tags = append(in.Tags, smtypes.Tag{Key: &key, Value: aws.String(secret.Tags[key])})
		}
		if _, err := s.secrets.TagResource(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// passingFunction makes a function for as long as do takes: a secret takes no function that is not there.
func (s *motoSetup) passingFunction(ctx context.Context, arn rotation.ARN, do func() error) error {
	name := arn.Parts().Resource[len("function:"):]
	role := rotation.ARN("arn:aws:iam::" + motoAccount + ":role/" + name + "-passing")
	return s.passing(ctx, role, func() error {
		if _, err := s.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: &name, Role: aws.String(string(role)), Runtime: lambdatypes.RuntimePython312, Handler: aws.String("index.handler"), Code: &lambdatypes.FunctionCode{ZipFile: s.code},
		}); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
		_, err := s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
		return err
	})
}

// remove ends what is no longer usable: keys, and secrets to be deleted.
func (s *motoSetup) remove(ctx context.Context, c *setups.Case) error {
	for _, k := range c.Held.Keys {
		id, err := strings.TrimPrefix(k.ARN.Parts().Resource, "key/"), error(nil) // moto takes no ARN here
		switch k.State {
		case "Disabled":
			_, err = s.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
		case "PendingDeletion":
			_, err = s.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id})
		}
		if err != nil {
			return err
		}
	}
	for _, secret := range c.Held.Secrets {
		if secret.Deleting {
			if _, err := s.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &secret.Name, RecoveryWindowInDays: aws.Int64(7)}); err != nil {
				return err
			}
		}
	}
	return nil
}

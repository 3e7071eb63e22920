//go:build long

package repair_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// moto is an account in an emulator that others wrote.
type moto struct {
	cfg     aws.Config
	iam     *iam.Client
	lambda  *lambda.Client
	secrets *secretsmanager.Client
	kms     *kms.Client
	code    []byte
}

func newMoto(t *testing.T, url string) *moto {
	t.Helper()
	cfg := aws.Config{Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
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
	return &moto{cfg, iam.NewFromConfig(cfg), lambda.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg), kms.NewFromConfig(cfg), code.Bytes()}
}

// fits says whether moto can hold the account: it keeps one policy for all versions of a function, takes what AddPermission writes, and keeps
// an account's number as it is given and not as its root's ARN; fill gives it no tags, no key policies, no dates and no versions.
func (b *bench) fits(t *testing.T) bool {
	t.Helper()
	functions := map[string]bool{}
	for _, f := range b.Functions() {
		functions[string(functionARN(f.Name))] = true
		for qualifier, doc := range f.Policies {
			if qualifier != "" || strings.Contains(doc, `"Deny"`) || strings.Contains(doc, `"Condition"`) || strings.Contains(doc, `"AWS"`) || len(bySid(t, doc)) != strings.Count(doc, `"Sid"`) {
				return false
			}
		}
		if len(f.Aliases) > 0 || len(f.Tags) > 0 {
			return false
		}
	}
	for _, r := range b.Roles() {
		if len(r.Tags) > 0 || r.LastUsedRegion != "" {
			return false
		}
	}
	for _, s := range b.Secrets() {
		if !functions[s.RotationLambdaARN] || len(s.Versions) > 1 || len(s.Tags) > 0 || strings.HasPrefix(s.KmsKeyID, "arn:aws:kms:us-east-1:123456789012:key/2") || strings.HasPrefix(s.KmsKeyID, "arn:aws:kms:us-east-1:123456789012:key/3") {
			return false
		}
	}
	return true
}

// fill puts the bench's account into moto.
func (m *moto) fill(ctx context.Context, t *testing.T, b *bench) error {
	t.Helper()
	key, err := m.kms.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	for _, p := range b.Policies() {
		if p.ARN == "" || strings.Contains(p.ARN, ":"+accountID+":") {
			if _, err := m.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &p.Name, PolicyDocument: &p.Document}); err != nil {
				return fmt.Errorf("policy %s: %w", p.Name, err)
			}
		}
	}
	for _, r := range b.Roles() {
		in := &iam.CreateRoleInput{RoleName: &r.Name, AssumeRolePolicyDocument: &r.Trust}
		if r.Boundary != "" {
			in.PermissionsBoundary = &r.Boundary
		}
		if _, err := m.iam.CreateRole(ctx, in); err != nil {
			return fmt.Errorf("role %s: %w", r.Name, err)
		}
		for name, doc := range r.Inline {
			if _, err := m.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &r.Name, PolicyName: &name, PolicyDocument: &doc}); err != nil {
				return fmt.Errorf("inline policy %s: %w", name, err)
			}
		}
		for _, arn := range r.Attached {
			if _, err := m.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &r.Name, PolicyArn: &arn}); err != nil {
				return fmt.Errorf("attaching %s: %w", arn, err)
			}
		}
	}
	for _, f := range b.Functions() {
		in := &lambda.CreateFunctionInput{FunctionName: &f.Name, Role: &f.Role, Runtime: types.RuntimePython312, Handler: aws.String("index.handler"), Code: &types.FunctionCode{ZipFile: m.code}}
		if f.VPC != nil {
			in.VpcConfig = &types.VpcConfig{SubnetIds: f.VPC.Subnets, SecurityGroupIds: f.VPC.SecurityGroups}
		}
		if _, err := m.lambda.CreateFunction(ctx, in); err != nil {
			return fmt.Errorf("function %s: %w", f.Name, err)
		}
		for sid, statement := range bySid(t, orEmpty(f.Policies[""])) {
			if _, err := m.lambda.AddPermission(ctx, permission(t, f.Name, sid, statement)); err != nil {
				return fmt.Errorf("statement %s: %w", sid, err)
			}
		}
	}
	for _, s := range b.Secrets() {
		name, _, _ := rotation.ARN(s.ARN).SecretName()
		in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("{}")}
		if s.KmsKeyID != "" {
			in.KmsKeyId = key.KeyMetadata.Arn
		}
		if _, err := m.secrets.CreateSecret(ctx, in); err != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
		if s.Policy != "" {
			if _, err := m.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: &name, ResourcePolicy: &s.Policy}); err != nil {
				return fmt.Errorf("policy of secret %s: %w", name, err)
			}
		}
		if _, err := m.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
			SecretId: &name, RotationLambdaARN: &s.RotationLambdaARN, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}, RotateImmediately: aws.Bool(false),
		}); err != nil {
			return fmt.Errorf("rotating %s: %w", name, err)
		}
		if err := m.settle(ctx, name); err != nil {
			return fmt.Errorf("settling %s: %w", name, err)
		}
	}
	return nil
}

// settle ends a rotation that moto has begun and, without running the function, does not end.
func (m *moto) settle(ctx context.Context, name string) error {
	d, err := m.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
	if err != nil {
		return err
	}
	for version, labels := range d.VersionIdsToStages {
		if slices.Contains(labels, "AWSPENDING") && !slices.Contains(labels, "AWSCURRENT") {
			_, err = m.secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: &name, VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: &version,
			})
		}
	}
	return err
}

func orEmpty(doc string) string {
	if doc == "" {
		return document()
	}
	return doc
}

// permission is the call that writes a statement of the random accounts.
func permission(t *testing.T, function, sid, statement string) *lambda.AddPermissionInput {
	t.Helper()
	var s struct {
		Principal any
		Action    string
	}
	if err := json.Unmarshal([]byte(statement), &s); err != nil {
		t.Fatal(err)
	}
	in := &lambda.AddPermissionInput{FunctionName: &function, StatementId: &sid, Action: &s.Action}
	switch p := s.Principal.(type) {
	case string:
		in.Principal = &p
	case map[string]any:
		for kind, id := range p {
			text := fmt.Sprint(id)
			if kind == "AWS" {
				text = rotation.ARN(text).Parts().Account
			}
			in.Principal = &text
		}
	}
	return in
}

// state is what moto holds that repair may write: inline policies byte for byte, function policies by Sid.
func (m *moto) state(ctx context.Context, t *testing.T, b *bench) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range b.Roles() {
		names, err := m.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &r.Name})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names.PolicyNames {
			p, err := m.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &r.Name, PolicyName: &name})
			if err != nil {
				t.Fatal(err)
			}
			if out["role "+r.Name+" "+name], err = url.PathUnescape(*p.PolicyDocument); err != nil {
				t.Fatal(err)
			}
		}
		attached, err := m.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &r.Name})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range attached.AttachedPolicies {
			out["role "+r.Name+" attached "+*p.PolicyArn] = ""
		}
	}
	for _, f := range b.Functions() {
		if p, err := m.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &f.Name}); err == nil {
			for sid, statement := range bySid(t, *p.Policy) {
				out["function "+f.Name+" "+sid] = statement
			}
		}
	}
	return out
}

// TestLongRandomAccountsOnMoto holds the laws of repair on random accounts in moto: what can be mended is, a second run has nothing to do, and
// rolled back the account is what it was.
func TestLongRandomAccountsOnMoto(t *testing.T) {
	server := emulator.For(t)(emulator.StartMoto(t.Context()))
	m := newMoto(t, server.URL)
	held, ran, written := 0, 0, 0
	for seed := uint64(0); held < 52; seed++ {
		b := newEnforcing(t)
		b.opts.Mode = bothModes[seed%2]
		what := b.addRandom(rand.New(rand.NewPCG(seed, 7)))
		if !b.fits(t) {
			continue
		}
		held++
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if err := server.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := m.fill(t.Context(), t, b); err != nil {
				t.Fatalf("%v: %v", what, err)
			}
			ran++
			written += m.lawful(t, b, what)
		})
	}
	t.Logf("%d random accounts on moto, %d changes made", ran, written)
	if written < ran {
		t.Errorf("only %d changes were made", written)
	}
}

func (m *moto) lawful(t *testing.T, b *bench, what []string) (written int) {
	t.Helper()
	ctx := t.Context()
	before := m.state(ctx, t, b)
	l, err := ledger.OpenFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := b.runner()
	r.cfg = m.cfg
	apply := func() (repair.Plan, []repair.Change, *repair.Repairer) {
		t.Helper()
		plan, err := r.plan(ctx, l)
		if err != nil {
			t.Fatalf("%v: planning: %v", what, err)
		}
		writer := r.repairer(l)
		changes, err := writer.Apply(ctx, plan)
		if err != nil {
			t.Fatalf("%v: %v", what, err)
		}
		return plan, changes, writer
	}
	plan, changes, first := apply()
	for _, c := range changes {
		if c.Status != repair.Done && !rotating(&c) {
			t.Errorf("%v: %s %s is %s: %s", what, c.Call, c.Name, c.Status, c.Reason)
		}
	}
	after, err := r.read(ctx, rotation.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, why := range b.unmended(plan.Left, changes, after) {
		t.Errorf("%v: %s", what, why)
	}
	r.now = r.now.Add(time.Hour)
	if again, _, _ := apply(); again.Writes() {
		t.Errorf("%v: a second run has %v", what, summary(again.Changes))
	}
	if len(changes) == 0 {
		return 0
	}
	r.undo = first.Run
	r.now = r.now.Add(time.Hour)
	_, undone, _ := apply()
	for _, c := range undone {
		if c.Status != repair.Done {
			t.Errorf("%v: rolling back: %s %s is %s: %s", what, c.Call, c.Name, c.Status, c.Reason)
		}
	}
	if d := cmp.Diff(before, m.state(ctx, t, b)); d != "" {
		t.Errorf("%v: rolled back, the account is not what it was (-want +got):\n%s", what, d)
	}
	return len(changes)
}

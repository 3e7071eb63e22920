package awstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
)

// step is one call, answered by what of its answer matters.
type step struct {
	name string
	do   func(context.Context, clients) (any, error)
}

const conformName = "awstest-conformance"

// TestAnswersAsMotoDoes makes the same calls on both and compares what moto gets right. Per-qualifier policies, duplicate
// Sids, paging and limits are not among it, nor are a name that is being deleted, a Principal in a role's policy and a Sid
// with a hyphen, all of which AWS refuses.
func TestAnswersAsMotoDoes(t *testing.T) {
	server := emulator.For(t)(emulator.StartMoto(t.Context()))
	a, ours := start(t)
	cfg := a.Config()
	cfg.BaseEndpoint, cfg.Credentials = aws.String(server.URL), credentials.NewStaticCredentialsProvider("test", "test", "")
	moto := newClients(cfg)
	for _, s := range conformanceSteps() {
		t.Run(s.name, func(t *testing.T) {
			want, got := answer(t, s, moto), answer(t, s, ours)
			if want != got {
				t.Errorf("moto: %s\nours: %s", want, got)
			}
		})
	}
}

var (
	randomPart = regexp.MustCompile(conformName + `-[A-Za-z0-9]{6}`)
	randomID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// answer makes the call and says the outcome without what is random.
func answer(t *testing.T, s step, c clients) string {
	t.Helper()
	out, err := s.do(t.Context(), c)
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
		return "error " + api.ErrorCode()
	case err != nil:
		t.Fatal(err)
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return randomID.ReplaceAllString(randomPart.ReplaceAllString(string(text), "NAME-RANDOM"), "UUID")
}

// plain is a URL-encoded JSON document as a plain value.
func plain(doc *string) (any, error) {
	text, err := url.QueryUnescape(aws.ToString(doc))
	if err != nil {
		return nil, err
	}
	var v any
	return v, json.Unmarshal([]byte(text), &v)
}

func conformanceSteps() []step {
	var steps []step
	add := func(name string, do func(context.Context, clients) (any, error)) {
		steps = append(steps, step{name, do})
	}
	addSecretSteps(add)
	addRoleSteps(add)
	addFunctionSteps(add)
	addKeySteps(add)
	return steps
}

type adder func(string, func(context.Context, clients) (any, error))

func addSecretSteps(add adder) {
	id := str(conformName)
	describe := func(ctx context.Context, c clients) (any, error) {
		d, err := c.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: id})
		if err != nil {
			return nil, err
		}
		return []any{d.ARN, d.Name, d.Description, d.KmsKeyId, d.RotationEnabled != nil && *d.RotationEnabled, d.RotationLambdaARN, d.Tags, d.DeletedDate != nil}, nil
	}
	add("DescribeSecret of none", describe)
	add("CreateSecret", func(ctx context.Context, c clients) (any, error) {
		out, err := c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: id, Description: str("d"), KmsKeyId: str("alias/k"), SecretString: str("{}"), Tags: []types.Tag{{Key: str("k"), Value: str("v")}}})
		if err != nil {
			return nil, err
		}
		return []any{out.ARN, out.Name, out.VersionId != nil}, nil
	})
	add("CreateSecret again", func(ctx context.Context, c clients) (any, error) {
		return c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: id})
	})
	add("DescribeSecret before rotation", describe)
	add("GetResourcePolicy of none", func(ctx context.Context, c clients) (any, error) {
		out, err := c.secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: id})
		if err != nil {
			return nil, err
		}
		return []any{out.ARN, out.Name, aws.ToString(out.ResourcePolicy)}, nil
	})
	add("TagResource", func(ctx context.Context, c clients) (any, error) {
		_, err := c.secrets.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: id, Tags: []types.Tag{{Key: str("k"), Value: str("w")}}})
		return nil, err
	})
	add("DescribeSecret after tagging", describe)
	add("ListSecrets of the name", func(ctx context.Context, c clients) (any, error) {
		out, err := c.secrets.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: []types.Filter{{Key: "name", Values: []string{conformName}}}})
		if err != nil {
			return nil, err
		}
		var all []any
		for _, s := range out.SecretList {
			all = append(all, s.ARN, s.Name, s.KmsKeyId, s.Tags)
		}
		return all, nil
	})
	add("DeleteSecret with a window of 3 days", func(ctx context.Context, c clients) (any, error) {
		return c.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: aws.Int64(3)})
	})
	add("DeleteSecret", func(ctx context.Context, c clients) (any, error) {
		out, err := c.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: id})
		if err != nil {
			return nil, err
		}
		return []any{out.ARN, out.Name, out.DeletionDate != nil}, nil
	})
	add("RestoreSecret", func(ctx context.Context, c clients) (any, error) {
		_, err := c.secrets.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: id})
		return nil, err
	})
	add("GetCallerIdentity", func(ctx context.Context, c clients) (any, error) {
		out, err := c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, err
		}
		return out.Account, nil
	})
}

func addRoleSteps(add adder) {
	name, policy := str(conformName), str("arn:aws:iam::123456789012:policy/"+conformName)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	get := func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
		if err != nil {
			return nil, err
		}
		doc, err := plain(out.Role.AssumeRolePolicyDocument)
		boundary := ""
		if b := out.Role.PermissionsBoundary; b != nil {
			boundary = string(b.PermissionsBoundaryType) + aws.ToString(b.PermissionsBoundaryArn)
		}
		return []any{out.Role.Arn, out.Role.Path, doc, boundary, out.Role.MaxSessionDuration}, err
	}
	attached := func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
		if err != nil {
			return nil, err
		}
		return []any{out.AttachedPolicies, out.IsTruncated}, nil
	}
	add("GetRole of none", get)
	add("CreateRole", func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, Path: str("/p/"), AssumeRolePolicyDocument: &trust})
		if err != nil {
			return nil, err
		}
		return out.Role.Arn, nil
	})
	add("CreateRole again", func(ctx context.Context, c clients) (any, error) {
		return c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: &trust})
	})
	add("GetRole", get)
	add("GetRolePolicy of none", func(ctx context.Context, c clients) (any, error) {
		return c.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: str("p")})
	})
	for label, doc := range map[string]string{
		"not JSON":    "{",
		"no resource": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}`,
		"good":        allowAll,
	} {
		add("PutRolePolicy of "+label, func(ctx context.Context, c clients) (any, error) {
			_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: str("p"), PolicyDocument: &doc})
			return nil, err
		})
	}
	add("GetRolePolicy", func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: str("p")})
		if err != nil {
			return nil, err
		}
		return plain(out.PolicyDocument)
	})
	add("ListRolePolicies", func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
		if err != nil {
			return nil, err
		}
		return []any{out.PolicyNames, out.IsTruncated}, nil
	})
	add("AttachRolePolicy of none", func(ctx context.Context, c clients) (any, error) {
		return c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policy})
	})
	add("CreatePolicy", func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: str(allowAll)})
		if err != nil {
			return nil, err
		}
		return []any{out.Policy.Arn, out.Policy.DefaultVersionId}, nil
	})
	add("AttachRolePolicy", func(ctx context.Context, c clients) (any, error) {
		_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policy})
		return nil, err
	})
	add("ListAttachedRolePolicies", attached)
	add("GetPolicyVersion", func(ctx context.Context, c clients) (any, error) {
		out, err := c.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy, VersionId: str("v1")})
		if err != nil {
			return nil, err
		}
		doc, err := plain(out.PolicyVersion.Document)
		return []any{doc, out.PolicyVersion.IsDefaultVersion, out.PolicyVersion.VersionId}, err
	})
	add("PutRolePermissionsBoundary", func(ctx context.Context, c clients) (any, error) {
		_, err := c.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: policy})
		return nil, err
	})
	add("GetRole with a boundary", get)
	add("DeleteRole in use", func(ctx context.Context, c clients) (any, error) {
		return c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	})
	add("DetachRolePolicy", func(ctx context.Context, c clients) (any, error) {
		_, err := c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policy})
		return nil, err
	})
	add("DetachRolePolicy again", func(ctx context.Context, c clients) (any, error) {
		return c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policy})
	})
}

func addFunctionSteps(add adder) {
	name := str(conformName)
	permit := func(sid, principal string, change func(*lambda.AddPermissionInput)) func(context.Context, clients) (any, error) {
		return func(ctx context.Context, c clients) (any, error) {
			in := grant(sid, principal)
			in.FunctionName = name
			change(in)
			out, err := c.lambda.AddPermission(ctx, in)
			if err != nil {
				return nil, err
			}
			return plain(out.Statement)
		}
	}
	none := func(*lambda.AddPermissionInput) {}
	get := func(ctx context.Context, c clients) (any, error) {
		out, err := c.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: name})
		if err != nil {
			return nil, err
		}
		doc, err := plain(out.Policy)
		return []any{doc, out.RevisionId != nil}, err
	}
	add("GetPolicy of no function", get)
	add("GetFunctionConfiguration of none", func(ctx context.Context, c clients) (any, error) {
		return c.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
	})
	add("CreateFunction", func(ctx context.Context, c clients) (any, error) {
		out, err := c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: name, Role: str("arn:aws:iam::123456789012:role/p/" + conformName), Runtime: "python3.12", Handler: str("h.h"),
			Code: &lambdatypes.FunctionCode{ZipFile: []byte("PK\x05\x06" + strings.Repeat("\x00", 18))}, Tags: map[string]string{"k": "v"},
		})
		if err != nil {
			return nil, err
		}
		return []any{out.FunctionArn, out.Role, out.Version, out.Handler}, nil
	})
	add("GetFunctionConfiguration", func(ctx context.Context, c clients) (any, error) {
		out, err := c.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
		if err != nil {
			return nil, err
		}
		return []any{out.FunctionArn, out.Role, out.State, out.LastUpdateStatus, out.Version}, nil
	})
	add("GetPolicy of none", get)
	add("AddPermission of a service", permit("s", "secretsmanager.amazonaws.com", none))
	add("AddPermission with source account", permit("a", "secretsmanager.amazonaws.com", func(in *lambda.AddPermissionInput) { in.SourceAccount = str("123456789012") }))
	add("AddPermission with source ARN", permit("n", "secretsmanager.amazonaws.com", func(in *lambda.AddPermissionInput) {
		in.SourceArn = str("arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf")
	}))
	add("GetPolicy", get)
	add("AddPermission with a stale revision", permit("r", "secretsmanager.amazonaws.com", func(in *lambda.AddPermissionInput) { in.RevisionId = str("stale") }))
	add("RemovePermission of an unknown Sid", func(ctx context.Context, c clients) (any, error) {
		return c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: str("unknown")})
	})
	add("RemovePermission", func(ctx context.Context, c clients) (any, error) {
		_, err := c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: str("a")})
		return nil, err
	})
	add("GetPolicy after removing", get)
	add("ListTags", func(ctx context.Context, c clients) (any, error) {
		out, err := c.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: str("arn:aws:lambda:us-east-1:123456789012:function:" + conformName)})
		if err != nil {
			return nil, err
		}
		return out.Tags, nil
	})
}

func addKeySteps(add adder) {
	alias := str("alias/" + conformName)
	describe := func(ctx context.Context, c clients) (*kms.DescribeKeyOutput, error) {
		return c.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: alias})
	}
	add("DescribeKey of no alias", func(ctx context.Context, c clients) (any, error) { return describe(ctx, c) })
	add("CreateKey and alias", func(ctx context.Context, c clients) (any, error) {
		out, err := c.kms.CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			return nil, err
		}
		_, err = c.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: alias, TargetKeyId: out.KeyMetadata.KeyId})
		return nil, err
	})
	add("DescribeKey by alias", func(ctx context.Context, c clients) (any, error) {
		out, err := describe(ctx, c)
		if err != nil {
			return nil, err
		}
		k := out.KeyMetadata
		return []any{k.Arn, k.KeyManager, k.KeyState, k.Enabled, k.AWSAccountId}, nil
	})
	add("ListGrants", func(ctx context.Context, c clients) (any, error) {
		k, err := describe(ctx, c)
		if err != nil {
			return nil, err
		}
		id := k.KeyMetadata.KeyId
		_, err = c.kms.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: id, GranteePrincipal: str("arn:aws:iam::123456789012:role/r"), Operations: []kmstypes.GrantOperation{"Decrypt", "GenerateDataKey"}})
		if err != nil {
			return nil, err
		}
		out, err := c.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: id})
		if err != nil {
			return nil, err
		}
		var all []string
		for _, g := range out.Grants {
			all = append(all, fmt.Sprint(aws.ToString(g.GranteePrincipal), g.Operations))
		}
		sort.Strings(all)
		return all, nil
	})
	add("GetKeyPolicy of an unknown key", func(ctx context.Context, c clients) (any, error) {
		return c.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: str("1234abcd-12ab-34cd-56ef-1234567890ab")})
	})
}

package repair

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Clients are what repair reads again and writes with.
type Clients struct {
	IAM     iamReader
	Lambda  lambdaReader
	Secrets secretReader
	// Write is who writes one change. writer is the role to assume with a session policy, empty for the caller's own credentials.
	Write func(ctx context.Context, writer rotation.ARN, session, policy string) (Writer, error)
}

// Writer is what one change is written with.
type Writer struct {
	IAM    iamWriter
	Lambda lambdaWriter
}

type iamReader interface {
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	GetRolePolicy(context.Context, *iam.GetRolePolicyInput, ...func(*iam.Options)) (*iam.GetRolePolicyOutput, error)
	GetPolicy(context.Context, *iam.GetPolicyInput, ...func(*iam.Options)) (*iam.GetPolicyOutput, error)
	GetPolicyVersion(context.Context, *iam.GetPolicyVersionInput, ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error)
	ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error)
}

type functionLister interface {
	ListFunctions(context.Context, *lambda.ListFunctionsInput, ...func(*lambda.Options)) (*lambda.ListFunctionsOutput, error)
}

type lambdaReader interface {
	functionLister
	GetPolicy(context.Context, *lambda.GetPolicyInput, ...func(*lambda.Options)) (*lambda.GetPolicyOutput, error)
}

type secretReader interface {
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
}

type iamWriter interface {
	PutRolePolicy(context.Context, *iam.PutRolePolicyInput, ...func(*iam.Options)) (*iam.PutRolePolicyOutput, error)
	DeleteRolePolicy(context.Context, *iam.DeleteRolePolicyInput, ...func(*iam.Options)) (*iam.DeleteRolePolicyOutput, error)
	DetachRolePolicy(context.Context, *iam.DetachRolePolicyInput, ...func(*iam.Options)) (*iam.DetachRolePolicyOutput, error)
	AttachRolePolicy(context.Context, *iam.AttachRolePolicyInput, ...func(*iam.Options)) (*iam.AttachRolePolicyOutput, error)
}

type lambdaWriter interface {
	AddPermission(context.Context, *lambda.AddPermissionInput, ...func(*lambda.Options)) (*lambda.AddPermissionOutput, error)
	RemovePermission(context.Context, *lambda.RemovePermissionInput, ...func(*lambda.Options)) (*lambda.RemovePermissionOutput, error)
	PutResourcePolicy(context.Context, *lambda.PutResourcePolicyInput, ...func(*lambda.Options)) (*lambda.PutResourcePolicyOutput, error)
}

// NewClients makes the clients of one account and Region.
func NewClients(cfg aws.Config) Clients {
	own := Writer{IAM: iam.NewFromConfig(cfg), Lambda: lambda.NewFromConfig(cfg)}
	return Clients{
		IAM: iam.NewFromConfig(cfg), Lambda: lambda.NewFromConfig(cfg), Secrets: secretsmanager.NewFromConfig(cfg),
		Write: func(ctx context.Context, writer rotation.ARN, session, policy string) (Writer, error) {
			if writer == "" {
				return own, nil
			}
			out, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{
				RoleArn: aws.String(string(writer)), RoleSessionName: aws.String(session), Policy: aws.String(policy),
				DurationSeconds: aws.Int32(900), // STS API, AssumeRole: the shortest there is
			})
			if err != nil {
				return Writer{}, fmt.Errorf("assuming the writer role %s: %w", writer, err)
			}
			as := cfg.Copy()
			as.Credentials = credentials.NewStaticCredentialsProvider(
				aws.ToString(out.Credentials.AccessKeyId), aws.ToString(out.Credentials.SecretAccessKey), aws.ToString(out.Credentials.SessionToken))
			return Writer{IAM: iam.NewFromConfig(as), Lambda: lambda.NewFromConfig(as)}, nil
		},
	}
}

// sessionPolicy lets the writer make exactly one call on exactly one role or function. Lambda's actions can be restricted by the
// ARN of a version or alias (Lambda Developer Guide, "Fine-tuning the Resources and Conditions sections of policies").
func (o Options) sessionPolicy(c *Change) (string, error) {
	type statement struct {
		Effect    policy.Effect
		Action    Call
		Resource  rotation.ARN
		Condition map[string]map[string]rotation.ARN `json:",omitempty"`
	}
	s := statement{Effect: policy.Allow, Action: c.Call, Resource: c.Subject}
	if c.Call.attachment() {
		s.Condition = map[string]map[string]rotation.ARN{"ArnEquals": {"iam:PolicyARN": rotation.ARN(c.Name)}}
	}
	if o.TargetBoundary != "" && c.Call.onRole() {
		if s.Condition == nil {
			s.Condition = map[string]map[string]rotation.ARN{}
		}
		s.Condition["StringEquals"] = map[string]rotation.ARN{"iam:PermissionsBoundary": o.TargetBoundary}
	}
	data, err := json.Marshal(struct {
		Version   policy.Version
		Statement []statement
	}{policy.Version2012, []statement{s}})
	if err != nil {
		return "", fmt.Errorf("writing the session policy of %s: %w", c.ID, err)
	}
	return string(data), nil
}

// ReadRoleUsers reads which functions of the Region run with which role, published versions too: a version keeps its own role. Mode
// enforce needs it in History.RoleUsers.
func ReadRoleUsers(ctx context.Context, l functionLister) (map[rotation.ARN][]rotation.ARN, error) {
	users := map[rotation.ARN][]rotation.ARN{}
	pages := lambda.NewListFunctionsPaginator(l, &lambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the functions: %w", err)
		}
		for _, f := range page.Functions {
			role := rotation.ARN(aws.ToString(f.Role))
			users[role] = append(users[role], rotation.ARN(aws.ToString(f.FunctionArn)))
		}
	}
	return users, nil
}

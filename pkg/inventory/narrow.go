package inventory

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// The clients of CloudFormation and KMS are kept as the calls that are made of them, not as themselves: html/template finds methods by name, and
// so the linker keeps every method of every value that stands behind an interface, which of these services is a twelfth of the
// function's package. Source: Go's cmd/link, deadcode.go, "ReflectMethod".

// stacks is the one call of CloudFormation's client.
type stacks func(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)

// DescribeStacks reads a stack's parameters.
func (s stacks) DescribeStacks(ctx context.Context, in *cloudformation.DescribeStacksInput, options ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	return s(ctx, in, options...)
}

// keys are the calls of KMS's client.
type keys struct {
	describe func(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	policy   func(context.Context, *kms.GetKeyPolicyInput, ...func(*kms.Options)) (*kms.GetKeyPolicyOutput, error)
	grants   func(context.Context, *kms.ListGrantsInput, ...func(*kms.Options)) (*kms.ListGrantsOutput, error)
}

func newKeys(client *kms.Client) keys {
	return keys{describe: client.DescribeKey, policy: client.GetKeyPolicy, grants: client.ListGrants}
}

// DescribeKey reads what a key is.
func (k keys) DescribeKey(ctx context.Context, in *kms.DescribeKeyInput, options ...func(*kms.Options)) (*kms.DescribeKeyOutput, error) {
	return k.describe(ctx, in, options...)
}

// GetKeyPolicy reads a key's policy.
func (k keys) GetKeyPolicy(ctx context.Context, in *kms.GetKeyPolicyInput, options ...func(*kms.Options)) (*kms.GetKeyPolicyOutput, error) {
	return k.policy(ctx, in, options...)
}

// ListGrants reads a key's grants.
func (k keys) ListGrants(ctx context.Context, in *kms.ListGrantsInput, options ...func(*kms.Options)) (*kms.ListGrantsOutput, error) {
	return k.grants(ctx, in, options...)
}

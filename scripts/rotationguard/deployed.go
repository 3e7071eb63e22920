package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/inventory"
)

// stackFlag names the deployed stack.
type stackFlag struct{ stack string }

func (f *stackFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.stack, "stack", "Rotationguard", "the `NAME` of the CloudFormation stack that was deployed")
}

// errNoStack says that nothing was deployed by that name.
var errNoStack = errors.New("there is no such stack")

// read gives the deployed stack, errNoStack where there is none. CloudFormation calls that a validation error (CloudFormation API reference,
// DescribeStacks, "Errors").
func (f *stackFlag) read(ctx context.Context, cfg aws.Config) (types.Stack, error) {
	out, err := cloudformation.NewFromConfig(cfg).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &f.stack})
	var api smithy.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode() == "ValidationError", err == nil && len(out.Stacks) == 0:
		return types.Stack{}, fmt.Errorf("stack %s in %s: %w", f.stack, cfg.Region, errNoStack)
	case err != nil:
		return types.Stack{}, inventory.Explain(cfg, "looking for the stack "+f.stack, err)
	}
	return out.Stacks[0], nil
}

// outputs are a stack's outputs by name.
func outputs(s *types.Stack) map[string]string {
	values := map[string]string{}
	for _, o := range s.Outputs {
		values[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return values
}

package inventory

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// codeMalformedARN is the code of a gap for a name that no call can be made with.
const codeMalformedARN = "MalformedArn"

// functionTarget is how a call addresses a function: the unqualified ARN and the qualifier, nil for none.
func functionTarget(arn rotation.ARN) (name, qualifier *string) {
	function, q := arn.SplitFunction()
	name = aws.String(string(function))
	if q != "" {
		qualifier = aws.String(q)
	}
	return name, qualifier
}

// isFunction says whether an ARN is one of a Lambda function. Source: Lambda API reference, the FunctionArn pattern.
func isFunction(arn rotation.ARN) bool {
	p, err := arn.Parse()
	name, ok := strings.CutPrefix(p.Resource, "function:")
	return err == nil && ok && name != "" && p.Service == "lambda" && p.Region != "" && len(p.Account) == 12
}

// configuration reads a function at its qualifier; settled says that it was last changed long ago. Environment values, code location and
// description are not kept.
func (r *run) configuration(ctx context.Context, arn rotation.ARN) (f rotation.Function, settled bool, err error) {
	call := "lambda:GetFunctionConfiguration"
	if r.reader.options.UseGetFunction {
		call = "lambda:GetFunction"
	}
	f = rotation.Function{ARN: arn}
	fail := func(gap *rotation.Gap) (rotation.Function, bool, error) {
		f.Presence, f.Gaps = rotation.Unreadable, append(f.Gaps, *gap)
		return f, false, nil
	}
	if !isFunction(arn) {
		return fail(&rotation.Gap{Call: call, Resource: rotation.OneLine(string(arn)), Code: codeMalformedARN, Message: "the secret's RotationLambdaARN is not the ARN of a function"})
	}
	s, gap, err := r.site(ctx, arn.Parts().Account, call, string(arn))
	switch {
	case err != nil:
		return f, false, err
	case gap != nil:
		return fail(gap)
	}
	out, tags, err := r.askConfiguration(ctx, s, arn)
	switch {
	case err != nil && absent(err): // the function, the version or the alias
		f.Presence = rotation.Absent
		return f, false, nil
	case err != nil:
		g, err := s.gap(call, string(arn), err)
		if err != nil {
			return f, false, err
		}
		return fail(&g)
	}
	f.Presence, f.Role, f.Tags = rotation.Present, rotation.ARN(copied(out.Role)), tags
	f.State, f.StateReason = string(out.State), string(out.StateReasonCode)
	f.LastUpdateStatus, f.LastUpdateReason = string(out.LastUpdateStatus), string(out.LastUpdateStatusReasonCode)
	if v := out.VpcConfig; v != nil && len(v.SubnetIds) > 0 {
		f.VPC, f.Subnets, f.SecurityGroups = aws.ToString(v.VpcId), slices.Sorted(slices.Values(v.SubnetIds)), slices.Sorted(slices.Values(v.SecurityGroupIds))
	}
	return f, isSettled(out.LastModified), nil
}

// copied is a text of an answer that is kept: what the SDK decodes lies in memory beside all else of its answer.
func copied(text *string) string { return strings.Clone(aws.ToString(text)) }

// askConfiguration reads a configuration with GetFunctionConfiguration, or with GetFunction, which answers with the tags too (nil: not read).
func (r *run) askConfiguration(ctx context.Context, s *site, arn rotation.ARN) (*lambda.GetFunctionConfigurationOutput, map[string]string, error) {
	name, qualifier := functionTarget(arn)
	if !r.reader.options.UseGetFunction {
		out, err := ask(ctx, s, "lambda:GetFunctionConfiguration", s.clients.Functions.GetFunctionConfiguration,
			&lambda.GetFunctionConfigurationInput{FunctionName: name, Qualifier: qualifier}, inLambdaRegion(s, arn)...)
		return out, nil, err
	}
	out, err := ask(ctx, s, "lambda:GetFunction", s.clients.Functions.GetFunction,
		&lambda.GetFunctionInput{FunctionName: name, Qualifier: qualifier}, inLambdaRegion(s, arn)...)
	if err != nil {
		return nil, nil, err
	}
	c := out.Configuration
	if c == nil {
		c = &types.FunctionConfiguration{}
	}
	tags := out.Tags
	if out.TagsError != nil {
		tags = nil
	} else if tags == nil {
		tags = map[string]string{}
	}
	return &lambda.GetFunctionConfigurationOutput{
		Role: c.Role, LastModified: c.LastModified, State: c.State, StateReasonCode: c.StateReasonCode, LastUpdateStatus: c.LastUpdateStatus,
		LastUpdateStatusReasonCode: c.LastUpdateStatusReasonCode, VpcConfig: c.VpcConfig,
	}, tags, nil
}

// inLambdaRegion sends a call to the function's own Region.
func inLambdaRegion(s *site, arn rotation.ARN) []func(*lambda.Options) {
	region := arn.Parts().Region
	if region == "" || region == s.clients.Region {
		return nil
	}
	return []func(*lambda.Options){func(o *lambda.Options) { o.Region = region }}
}

// functionPolicy reads the policy at the qualifier of a function that exists: ResourceNotFoundException is the answer for a
// function without a policy too (Lambda API reference, GetPolicy).
func (r *run) functionPolicy(ctx context.Context, arn rotation.ARN) (rotation.Policy, error) {
	const call = "lambda:GetPolicy"
	none := rotation.Policy{Source: rotation.PolicyFunction, Presence: rotation.Absent}
	s, gap, err := r.site(ctx, arn.Parts().Account, call, string(arn))
	if gap != nil || err != nil {
		return unreadable(rotation.PolicyFunction, "", gap), err
	}
	name, qualifier := functionTarget(arn)
	out, err := ask(ctx, s, call, s.clients.Functions.GetPolicy, &lambda.GetPolicyInput{FunctionName: name, Qualifier: qualifier}, inLambdaRegion(s, arn)...)
	switch {
	case err != nil && absent(err):
		return none, nil
	case err != nil:
		g, err := s.gap(call, string(arn), err)
		return unreadable(rotation.PolicyFunction, "", &g), err
	}
	if hasNoStatement(aws.ToString(out.Policy)) {
		none.Revision = aws.ToString(out.RevisionId)
		return none, nil
	}
	p := rotation.NewPolicy(rotation.PolicyFunction, "", aws.ToString(out.Policy))
	p.Revision = aws.ToString(out.RevisionId)
	return p, nil
}

// hasNoStatement says whether a policy is an empty shell, which stands for no policy.
func hasNoStatement(text string) bool {
	if text == "" {
		return true
	}
	var shell struct{ Statement *[]json.RawMessage }
	return json.Unmarshal([]byte(text), &shell) == nil && shell.Statement != nil && len(*shell.Statement) == 0
}

// Tags that CloudFormation puts on what it makes (CloudFormation User Guide, "Resource tags").
const (
	tagStackID   = "aws:cloudformation:stack-id"
	tagStackName = "aws:cloudformation:stack-name"
)

// readStack reads a function's tags and, if a stack made it, the parameters of that stack which name a master secret. A failing read is a
// gap on the function.
func (r *run) readStack(ctx context.Context, f *rotation.Function) error {
	const call = "lambda:ListTags"
	s, gap, err := r.site(ctx, f.ARN.Parts().Account, call, string(f.ARN))
	if gap != nil || err != nil {
		return err // configuration has that gap already
	}
	if f.Tags == nil {
		name, _ := functionTarget(f.ARN) // tags are the function's, not a version's
		out, err := ask(ctx, s, call, s.clients.Functions.ListTags, &lambda.ListTagsInput{Resource: name}, inLambdaRegion(s, f.ARN)...)
		if err != nil {
			g, err := s.gap(call, *name, err)
			f.Gaps = append(f.Gaps, g)
			return err
		}
		f.Tags = out.Tags
	}
	stack := f.Tags[tagStackID]
	if stack == "" {
		stack = f.Tags[tagStackName]
	}
	if stack == "" {
		return nil
	}
	p, err := r.stack(ctx, s, stack, f.ARN.Parts().Region)
	if p.gap != nil {
		f.Gaps = append(f.Gaps, *p.gap)
	}
	f.Stack = p.masters
	return err
}

// masterParameters are the stack parameters that are kept. Source: the rotation applications of the Serverless Application
// Repository and AWS::SecretsManager::RotationSchedule HostedRotationLambda.
var masterParameters = []string{"superuserSecretArn", "masterSecretArn"}

type stackParameters struct {
	masters map[string]string
	gap     *rotation.Gap
}

// stack reads the parameters of a stack that name a master secret, once.
func (r *run) stack(ctx context.Context, s *site, stack, region string) (stackParameters, error) {
	return r.stacks.get(s.clients.Region+" "+region+" "+stack, func() (stackParameters, error) {
		const call = "cloudformation:DescribeStacks"
		var opts []func(*cloudformation.Options)
		if region != s.clients.Region {
			opts = append(opts, func(o *cloudformation.Options) { o.Region = region })
		}
		out, err := ask(ctx, s, call, s.clients.Stacks.DescribeStacks, &cloudformation.DescribeStacksInput{StackName: &stack}, opts...)
		switch {
		case code(err) == "ValidationError": // the answer for a stack that is gone (CloudFormation API reference, DescribeStacks)
			return stackParameters{}, nil
		case err != nil:
			g, err := s.gap(call, stack, err)
			return stackParameters{gap: &g}, err
		}
		var p stackParameters
		for _, st := range out.Stacks {
			for _, parameter := range st.Parameters {
				for _, name := range masterParameters {
					value := aws.ToString(parameter.ParameterValue)
					if strings.EqualFold(name, aws.ToString(parameter.ParameterKey)) && strings.HasPrefix(value, "arn:") {
						if p.masters == nil {
							p.masters = map[string]string{}
						}
						p.masters[name] = value
					}
				}
			}
		}
		return p, nil
	})
}

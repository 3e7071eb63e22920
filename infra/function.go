package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// sweepTimeout is the longest that Lambda runs, in minutes; the sweep ends itself before.
const sweepTimeout = 15

// newFunction is the sweep. A run that fails is tried once more within the hour, and then told to the dead letters:
// the next one on schedule reads everything anew anyway.
func newFunction(stack awscdk.Stack, s Settings, code Package, role awsiam.Role, dead awssqs.IQueue) awslambda.Function {
	log := awslogs.NewLogGroup(stack, jsii.String("Log"), &awslogs.LogGroupProps{
		Retention:     retention[s.LogDays],
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	log.GrantWrite(role)
	environment := map[string]*string{}
	if s.Config != "" {
		// Relative to LAMBDA_TASK_ROOT, which is not the same folder everywhere that a function runs.
		environment["ROTATIONGUARD_CONFIG"] = jsii.String(configInPackage)
	}
	props := &awslambda.FunctionProps{
		Description:   jsii.String("rotationguard: sweeps this account and Region"),
		Runtime:       awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:  architecture(s),
		Handler:       jsii.String("bootstrap"),
		Code:          functionCode(stack, s, code),
		Role:          role,
		LogGroup:      log,
		LoggingFormat: awslambda.LoggingFormat_JSON,
		Environment:   &environment,
		// 512 MB are twice what a sweep of 100,000 secrets takes (docs/performance.md, "The function"). CPU comes with memory: with these a third
		// of a vCPU. A sweep waits for rate limits more than it computes.
		MemorySize:    jsii.Number(s.Memory),
		Timeout:       awscdk.Duration_Minutes(jsii.Number(sweepTimeout)),
		RetryAttempts: jsii.Number(1),
		MaxEventAge:   awscdk.Duration_Hours(jsii.Number(1)),
		OnFailure:     awslambdadestinations.NewSqsDestination(dead),
	}
	if s.Tracing {
		props.Tracing = awslambda.Tracing_ACTIVE
	}
	inNetwork(stack, s, props, role)
	return awslambda.NewFunction(stack, jsii.String("Sweep"), props)
}

// functionCode is an asset that the CDK uploads, or an object that whoever deploys has uploaded.
func functionCode(stack awscdk.Stack, s Settings, code Package) awslambda.Code {
	if !s.SelfContained {
		return awslambda.Code_FromAsset(&code.folder, nil)
	}
	parameter := func(name, description string) awscdk.CfnParameter {
		return awscdk.NewCfnParameter(stack, &name, &awscdk.CfnParameterProps{Description: &description, MinLength: jsii.Number(1)})
	}
	return awslambda.Code_FromCfnParameters(&awslambda.CfnParametersCodeProps{
		BucketNameParam: parameter("CodeBucket", "an S3 bucket of this Region that holds the function's zip"),
		ObjectKeyParam:  parameter("CodeKey", "the zip's key in that bucket"),
	})
}

func architecture(s Settings) awslambda.Architecture {
	if s.Architecture == "amd64" {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}

// retention are the days that CloudWatch Logs can keep a log, by the CDK's names.
var retention = map[int]awslogs.RetentionDays{
	1: awslogs.RetentionDays_ONE_DAY, 3: awslogs.RetentionDays_THREE_DAYS, 5: awslogs.RetentionDays_FIVE_DAYS,
	7: awslogs.RetentionDays_ONE_WEEK, 14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH,
	60: awslogs.RetentionDays_TWO_MONTHS, 90: awslogs.RetentionDays_THREE_MONTHS, 120: awslogs.RetentionDays_FOUR_MONTHS,
	150: awslogs.RetentionDays_FIVE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
	400: awslogs.RetentionDays_THIRTEEN_MONTHS, 545: awslogs.RetentionDays_EIGHTEEN_MONTHS, 731: awslogs.RetentionDays_TWO_YEARS,
	1827: awslogs.RetentionDays_FIVE_YEARS, 3653: awslogs.RetentionDays_TEN_YEARS,
}

// letContinue lets the function invoke itself, which is how a sweep goes on that does not end in one run. The right is a policy of its own: in the
// role's other policy, which must stand before the function does, it would wait for itself.
func letContinue(stack awscdk.Stack, function awslambda.Function, role awsiam.Role) {
	awsiam.NewPolicy(stack, jsii.String("Continue"), &awsiam.PolicyProps{
		Roles:      &[]awsiam.IRole{role},
		Statements: &[]awsiam.PolicyStatement{statement("ContinueItself", awsiam.Effect_ALLOW, []string{"lambda:InvokeFunction"}, []string{*function.FunctionArn()}, nil)},
	})
}

package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// homeRegion is the Region of a partition in which IAM's calls become events, told by any Region of it; "" where it is not documented. Source:
// IAM User Guide, "Logging IAM and AWS STS API calls with AWS CloudTrail", and EventBridge User Guide, "AWS service events delivered via AWS
// CloudTrail": events of global services are delivered in one Region.
func homeRegion(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "cn-north-1"
	case strings.HasPrefix(region, "us-gov-"):
		return "us-gov-west-1"
	case strings.HasPrefix(region, "us-iso"), strings.HasPrefix(region, "eu-iso"), strings.HasPrefix(region, "eusc-"):
		return ""
	default:
		return "us-east-1"
	}
}

// addForwarder adds the forwarder's stack where the sweep's Region is known to be another than IAM's; a self-contained template asks for the Region
// when it is deployed.
func addForwarder(app constructs.Construct, s Settings) awscdk.Stack {
	const id = "RotationguardForwarder"
	switch {
	case s.Region == "" && s.SelfContained:
		return newForwarder(app, id, s, "", nil)
	case s.Region == "" || homeRegion(s.Region) == "" || homeRegion(s.Region) == s.Region:
		return nil
	}
	return newForwarder(app, id, s, homeRegion(s.Region), &s.Region)
}

// newForwarder sends IAM's events from the home Region's default bus to that of the sweep's Region, where the sweep's own rule matches them. The stack's name
// holds the Region it sends to: sweeps in several Regions have a forwarder each.
func newForwarder(scope constructs.Construct, id string, s Settings, home string, to *string) awscdk.Stack {
	props := stackProps(s, "rotationguard: sends IAM's events from their home Region to the Region that is swept")
	if home != "" {
		props.Env = &awscdk.Environment{Region: &home}
		props.StackName = jsii.String("rotationguard-forwarder-" + *to)
	}
	stack := awscdk.NewStack(scope, &id, props)
	if to == nil {
		to = awscdk.NewCfnParameter(stack, jsii.String("SweepRegion"), &awscdk.CfnParameterProps{
			Description: jsii.String("the Region that is swept; deploy this stack in IAM's home Region, if that is another"), AllowedPattern: jsii.String("[a-z]{2}[a-z-]*-[0-9]+"),
		}).ValueAsString()
	}
	bus := strings.Join([]string{"arn", *stack.Partition(), "events", *to, *stack.Account(), "event-bus/default"}, ":")
	undelivered := awssqs.NewQueue(stack, jsii.String("Undelivered"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(true), Encryption: awssqs.QueueEncryption_SQS_MANAGED, RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	for _, w := range watches {
		if w.source != "aws.iam" {
			continue
		}
		rule := awsevents.NewRule(stack, jsii.String(w.id), &awsevents.RuleProps{
			Description:  jsii.String("rotationguard: " + w.description),
			EventPattern: w.pattern(),
		})
		role := awsiam.NewRole(stack, jsii.String("Sender"), &awsiam.RoleProps{
			Description: jsii.String("rotationguard sends IAM's events to the Region that is swept"),
			AssumedBy: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), &awsiam.ServicePrincipalOpts{
				// EventBridge User Guide, "Preventing the confused deputy problem".
				Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()}},
			}),
		})
		rule.AddTarget(awseventstargets.NewEventBus(awsevents.EventBus_FromEventBusArn(stack, jsii.String("SweptBus"), &bus), &awseventstargets.EventBusProps{
			Role: role, DeadLetterQueue: undelivered,
		}))
	}
	output(stack, "UndeliveredQueueUrl", undelivered.QueueUrl(), "events that did not reach the Region that is swept")
	return stack
}

package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// watched is one rule: the events of a service that may change whether rotation works.
type watched struct {
	id, description string
	source          string
	service         string // as CloudTrail writes it
	calls           []string
	prefixed        bool     // CloudTrail writes the date of the API behind a call's name
	events          []string // what the service itself records
}

// watches are what starts a sweep of what is concerned. Package trigger understands each; it knows a few more, which are left out for being
// frequent and harmless: a key's grants are made and retired by other services all day.
var watches = []watched{
	{
		// Lambda Developer Guide, "Logging AWS Lambda API calls using AWS CloudTrail": "AddPermission20150331v2".
		id: "LambdaCalls", description: "function policies, roles and aliases change", source: "aws.lambda", service: "lambda.amazonaws.com", prefixed: true,
		calls: []string{
			"AddPermission", "RemovePermission", "PutResourcePolicy", "DeleteResourcePolicy", "CreateFunction", "UpdateFunctionConfiguration", "DeleteFunction",
			"CreateAlias", "UpdateAlias", "DeleteAlias", "TagResource", "UntagResource",
		},
	},
	{
		id: "IAMCalls", description: "roles and managed policies change", source: "aws.iam", service: "iam.amazonaws.com",
		calls: []string{
			"PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "UpdateAssumeRolePolicy",
			"PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "CreateRole", "DeleteRole", "TagRole", "UntagRole",
		},
	},
	{
		// Secrets Manager User Guide, "CloudTrail entries": what Secrets Manager does by itself is a service event.
		id: "SecretCalls", description: "rotation is set up, fails, or a secret's policy changes", source: "aws.secretsmanager", service: "secretsmanager.amazonaws.com",
		calls: []string{
			"RotateSecret", "CancelRotateSecret", "UpdateSecret", "PutResourcePolicy", "DeleteResourcePolicy", "DeleteSecret", "RestoreSecret", "TagResource",
			"UntagResource",
		},
		events: []string{"RotationFailed", "RotationAbandoned", "TestRotationFailed"},
	},
	{
		id: "KeyCalls", description: "keys that encrypt secrets are locked or unlocked", source: "aws.kms", service: "kms.amazonaws.com",
		calls: []string{"PutKeyPolicy", "DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "RevokeGrant"},
	},
}

// CloudTrail's kinds of events. Source: EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
const (
	apiCall      = "AWS API Call via CloudTrail"
	serviceEvent = "AWS Service Event via CloudTrail"
)

// pattern matches the calls that succeeded, and what the service recorded of itself.
func (w watched) pattern() *awsevents.EventPattern {
	kinds, names := []string{apiCall}, make([]any, 0, len(w.calls))
	for _, call := range w.calls {
		if w.prefixed {
			names = append(names, map[string]any{"prefix": call})
			continue
		}
		names = append(names, call)
	}
	if len(w.events) > 0 {
		kinds = append(kinds, serviceEvent)
		for _, event := range w.events {
			names = append(names, event)
		}
	}
	detail := map[string]any{"eventSource": []string{w.service}, "eventName": names}
	if len(w.events) == 0 { // a service's own event may say with an error code what went wrong
		detail["errorCode"] = []any{map[string]any{"exists": false}}
	}
	return &awsevents.EventPattern{Source: jsii.Strings(w.source), DetailType: jsii.Strings(kinds...), Detail: &detail}
}

const (
	// eventWindow is how long events are gathered for one sweep, in seconds: a deployment that touches 200 functions is one sweep, or a few.
	eventWindow = 20
	// eventTries is how often a message is received before it is a dead letter.
	eventTries = 3
)

// newEvents sends what may change rotation through a queue to the function, many at a time. The function leaves out what it wrote itself.
func newEvents(stack awscdk.Stack, function awslambda.Function, reader awsiam.Role, dead awssqs.IQueue) awssqs.Queue {
	queue := awssqs.NewQueue(stack, jsii.String("Events"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(true),
		// Events name functions, roles, keys and secrets, never values. A customer key would have to let every rule use it.
		Encryption: awssqs.QueueEncryption_SQS_MANAGED,
		// As long as a sweep may run, and the window. Lambda recommends six times that, so that it can wait where it is throttled; a message that
		// comes back twice does no harm here, and one that fails should not wait for an hour and a half.
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(sweepTimeout*60 + eventWindow)),
		RetentionPeriod:   awscdk.Duration_Days(jsii.Number(4)),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(eventTries)},
	})
	for _, w := range watches {
		awsevents.NewRule(stack, jsii.String(w.id), &awsevents.RuleProps{
			Description:  jsii.String("rotationguard: " + w.description),
			EventPattern: w.pattern(),
			Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewSqsQueue(queue, &awseventstargets.SqsQueueProps{DeadLetterQueue: dead})},
		})
	}
	// What Lambda needs to poll, which is less than the CDK's grant. Source: Lambda Developer Guide, "Configuring execution role permissions".
	reader.AddToPolicy(statement("TakeEvents", awsiam.Effect_ALLOW, []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
		[]string{*queue.QueueArn()}, nil))
	function.AddEventSourceMapping(jsii.String("Events"), &awslambda.EventSourceMappingOptions{
		EventSourceArn: queue.QueueArn(),
		// Whatever a window gathers is one batch: Lambda ends it at 6 MB.
		BatchSize:               jsii.Number(10000),
		MaxBatchingWindow:       awscdk.Duration_Seconds(jsii.Number(eventWindow)),
		MaxConcurrency:          jsii.Number(2), // the least that there is: sweeps at the same time share the account's quotas
		ReportBatchItemFailures: jsii.Bool(true),
	})
	return queue
}

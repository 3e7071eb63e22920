package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsschedulertargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// newSchedule runs the full sweep with the deployed config, which is what an empty event asks for. EventBridge
// Scheduler invokes with a role of its own, so the function's policy stays empty.
func newSchedule(stack awscdk.Stack, s Settings, function awslambda.IFunction, dead awssqs.IQueue) {
	window := awsscheduler.TimeWindow_Off()
	if s.Window > 0 {
		window = awsscheduler.TimeWindow_Flexible(awscdk.Duration_Minutes(jsii.Number(s.Window)))
	}
	awsscheduler.NewSchedule(stack, jsii.String("Schedule"), &awsscheduler.ScheduleProps{
		Description: jsii.String("rotationguard: the full sweep"),
		Schedule:    awsscheduler.ScheduleExpression_Expression(&s.Schedule, nil),
		TimeWindow:  window,
		Target: awsschedulertargets.NewLambdaInvoke(function, &awsschedulertargets.ScheduleTargetBaseProps{
			Input:           awsscheduler.ScheduleTargetInput_FromObject(map[string]any{}),
			RetryAttempts:   jsii.Number(3),
			MaxEventAge:     awscdk.Duration_Hours(jsii.Number(1)),
			DeadLetterQueue: dead,
		}),
	})
}

// newDeadLetters keeps what could not be delivered for two weeks, the longest that a queue keeps anything.
func newDeadLetters(stack awscdk.Stack) awssqs.Queue {
	return awssqs.NewQueue(stack, jsii.String("DeadLetters"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(true),
		// Events name functions and secrets, never values; the queue's own encryption needs no grant on a key.
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
}

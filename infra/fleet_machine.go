package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsschedulertargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// fleetConcurrency is how many targets are swept at the same time where the targets file does not say: each is an account's or a Region's own
// rate limits, and Lambda runs 1,000 functions of an account at once by default.
const fleetConcurrency = 50

// newMachine is the fleet's sweep as a state machine: targets → a map over them → digest. It is the CDK's lower level, because its
// definition is written out: what runs is what stands here.
func (f *fleetStack) newMachine(targets, sweep, digest awslambda.Function) awsstepfunctions.CfnStateMachine {
	// Its own name, because its role names its ARN: a map run starts executions of the same state machine.
	name := *f.stack.StackName() + "-sweep"
	self := *arn(f.stack, "states", "stateMachine:"+name)
	log := awslogs.NewLogGroup(f.stack, jsii.String("FleetLog"), &awslogs.LogGroupProps{
		LogGroupName: jsii.String("/aws/vendedlogs/states/" + name), // the prefix keeps CloudWatch Logs' resource policy short
		Retention:    retention[f.settings.LogDays], RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := f.machineRole(self, name, targets, sweep, digest)
	machine := awsstepfunctions.NewCfnStateMachine(f.stack, jsii.String("Fleet"), &awsstepfunctions.CfnStateMachineProps{
		StateMachineName: &name,
		StateMachineType: jsii.String("STANDARD"),
		RoleArn:          role.RoleArn(),
		DefinitionString: f.stack.ToJsonString(f.definition(*targets.FunctionArn(), *sweep.FunctionArn(), *digest.FunctionArn()), nil),
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: jsii.String("ALL"), IncludeExecutionData: jsii.Bool(false),
			Destinations: &[]any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{LogGroupArn: log.LogGroupArn()},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{Enabled: jsii.Bool(true)},
	})
	machine.Node().AddDependency(role)
	return machine
}

// definition is the state machine in the Amazon States Language. Every attempt at a target that may end otherwise the next time is made again,
// later by chance, so that what was throttled together is not tried again together. The digest's function also notes, beside where it would be, why a report is not there.
func (f *fleetStack) definition(targets, sweep, digest string) map[string]any {
	bucket := *f.bucket.BucketName()
	invoke := func(function string, payload map[string]any, more map[string]any) map[string]any {
		state := map[string]any{
			"Type": "Task", "Resource": "arn:" + *f.stack.Partition() + ":states:::lambda:invoke",
			"Parameters": map[string]any{"FunctionName": function, "Payload": payload}, "TimeoutSeconds": 930, // a little more than the function has
		}
		for key, value := range more {
			state[key] = value
		}
		return state
	}
	retry := func(seconds, attempts int, errors ...string) map[string]any {
		return map[string]any{
			"ErrorEquals": errors, "IntervalSeconds": seconds, "MaxAttempts": attempts, "BackoffRate": 2, "MaxDelaySeconds": 300, "JitterStrategy": "FULL",
		}
	}
	// A sweep that was cut at the function's time limit has failed in nothing: it goes on at once, as often as it may be cut.
	goOn := retry(1, 12, "Unfinished")
	goOn["BackoffRate"] = 1
	never := func(errors ...string) map[string]any {
		return map[string]any{"ErrorEquals": errors, "MaxAttempts": 0}
	}
	// Lambda's own errors, after the Lambda Developer Guide, "Handle transient Lambda service exceptions".
	busy := retry(2, 6, "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException", "Lambda.ClientExecutionTimeoutException")
	concurrency := f.fleet.Targets.Concurrency
	if concurrency == 0 {
		concurrency = fleetConcurrency
	}
	item := map[string]any{
		"ProcessorConfig": map[string]any{"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, // a sweep takes longer than an express execution's five minutes
		"StartAt":         "Sweep",
		"States": map[string]any{
			"Sweep": invoke(sweep, map[string]any{"target.$": "$.target", "run.$": "$.run"}, map[string]any{
				// A role that may not be assumed, and an event that is refused, are so the next time too.
				"Retry": []any{busy, never("TargetDenied", "BadEvent", "BadConfig"), goOn, retry(15, 2, "States.ALL")},
				"Catch": []any{map[string]any{"ErrorEquals": []string{"States.ALL"}, "ResultPath": "$.failure", "Next": "Note"}},
				"End":   true, "ResultSelector": map[string]any{"verdict.$": "$.Payload.verdict", "summary.$": "$.Payload.summary", "report.$": "$.Payload.report"},
			}),
			"Note": invoke(digest, map[string]any{"run.$": "$.run", "target.$": "$.target", "failure.$": "$.failure"}, map[string]any{
				"Retry": []any{retry(2, 3, "States.ALL")}, "Next": "Failed", "ResultPath": "$.note",
				"Catch": []any{map[string]any{"ErrorEquals": []string{"States.ALL"}, "ResultPath": "$.unnoted", "Next": "Failed"}},
			}),
			"Failed": map[string]any{"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
		},
	}
	fleetMap := map[string]any{
		"Type": "Map", "Label": "Targets", "Next": "Digest", "ResultPath": "$.map",
		"ItemReader": map[string]any{
			"Resource": "arn:" + *f.stack.Partition() + ":states:::s3:getObject", "ReaderConfig": map[string]any{"InputType": "JSON"},
			"Parameters": map[string]any{"Bucket": bucket, "Key.$": "$.list.key"},
		},
		"ItemSelector":               map[string]any{"target.$": "$$.Map.Item.Value", "run.$": "$.run"},
		"ItemProcessor":              item,
		"MaxConcurrency":             concurrency,
		"ToleratedFailurePercentage": f.fleet.Targets.Tolerated,
		"ResultWriter": map[string]any{
			"Resource": "arn:" + *f.stack.Partition() + ":states:::s3:putObject", "Parameters": map[string]any{"Bucket": bucket, "Prefix.$": "States.Format('evidence/{}', $$.Execution.Name)"},
		},
		// Too many have failed: what is known is told all the same.
		"Catch": []any{map[string]any{"ErrorEquals": []string{"States.ALL"}, "ResultPath": "$.failure", "Next": "DigestOfFailed"}},
	}
	digestRetry := []any{busy, never("BadEvent", "BadConfig"), retry(10, 3, "States.ALL")}
	return map[string]any{
		"Comment": "rotationguard: sweep every target, gather what they leave", "StartAt": "Name",
		"States": map[string]any{
			"Name": map[string]any{"Type": "Pass", "Parameters": map[string]any{"run.$": "$$.Execution.Name"}, "Next": "List"},
			"List": invoke(targets, map[string]any{"run.$": "$.run"}, map[string]any{
				"Retry": []any{busy, never("BadEvent", "BadConfig", "NoTargets"), retry(15, 3, "States.ALL")},
				"Next":  "Map", "ResultPath": "$.list", "ResultSelector": map[string]any{"key.$": "$.Payload.key", "targets.$": "$.Payload.targets", "failed.$": "$.Payload.failed"},
			}),
			"Map": fleetMap,
			"Digest": invoke(digest, map[string]any{"run.$": "$.run"}, map[string]any{
				"Retry": digestRetry, "End": true, "OutputPath": "$.Payload",
			}),
			"DigestOfFailed": invoke(digest, map[string]any{"run.$": "$.run", "failure.$": "$.failure"}, map[string]any{
				"Retry": digestRetry, "Next": "TooManyFailed", "ResultPath": "$.digest",
			}),
			"TooManyFailed": map[string]any{"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
		},
	}
}

// machineRole may invoke the three functions, run the map as executions of its own state machine, and read and write the run's objects.
// Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states".
func (f *fleetStack) machineRole(self, name string, functions ...awslambda.Function) awsiam.Role {
	role := awsiam.NewRole(f.stack, jsii.String("FleetRole"), &awsiam.RoleProps{
		Description: jsii.String("rotationguard runs the fleet's state machine"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("states.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": f.stack.Account()}, "ArnLike": map[string]any{"aws:SourceArn": self}},
		}),
	})
	arns := make([]string, len(functions))
	for i, function := range functions {
		arns[i] = *function.FunctionArn()
	}
	role.AddToPolicy(denySecretValues())
	role.AddToPolicy(statement("InvokeFunctions", awsiam.Effect_ALLOW, []string{"lambda:InvokeFunction"}, arns, nil))
	role.AddToPolicy(statement("RunMap", awsiam.Effect_ALLOW, []string{"states:StartExecution"}, []string{self}, nil))
	role.AddToPolicy(statement("WatchMap", awsiam.Effect_ALLOW, []string{"states:DescribeExecution", "states:StopExecution"},
		[]string{*arn(f.stack, "states", "execution:"+name+"/*"), *arn(f.stack, "states", "execution:"+name+":*")}, nil))
	f.objects(role, "ReadList", []string{"runs/*/targets.json"}, "s3:GetObject")
	f.objects(role, "WriteEvidence", []string{"evidence/*"}, "s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
	f.useKey(role, "kms:Encrypt") // as that page has it for the parts of a map run's results
	// Log delivery and X-Ray have no resources: Step Functions Developer Guide, "Using CloudWatch Logs to log execution history" and "X-Ray".
	role.AddToPolicy(statement("LogAndTrace", awsiam.Effect_ALLOW, []string{
		"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
		"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
		"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
	}, []string{"*"}, nil))
	return role
}

// newSchedule starts the state machine with the settings of a single account's schedule.
func (f *fleetStack) newSchedule(machine awsstepfunctions.CfnStateMachine) {
	window := awsscheduler.TimeWindow_Off()
	if f.settings.Window > 0 {
		window = awsscheduler.TimeWindow_Flexible(awscdk.Duration_Minutes(jsii.Number(f.settings.Window)))
	}
	awsscheduler.NewSchedule(f.stack, jsii.String("Schedule"), &awsscheduler.ScheduleProps{
		Description: jsii.String("rotationguard: the sweep of the fleet"),
		Schedule:    awsscheduler.ScheduleExpression_Expression(&f.settings.Schedule, nil),
		TimeWindow:  window,
		Target: awsschedulertargets.NewStepFunctionsStartExecution(
			awsstepfunctions.StateMachine_FromStateMachineArn(f.stack, jsii.String("Scheduled"), machine.AttrArn()),
			&awsschedulertargets.ScheduleTargetBaseProps{
				Input: awsscheduler.ScheduleTargetInput_FromObject(map[string]any{}), RetryAttempts: jsii.Number(3), MaxEventAge: awscdk.Duration_Hours(jsii.Number(1)),
			}),
	})
}

// newAlarms tell when the fleet's sweep itself does not work: what stays silent looks like a fleet in sync.
func (f *fleetStack) newAlarms(machine awsstepfunctions.CfnStateMachine) {
	tell := awscloudwatchactions.NewSnsAction(f.topic)
	for _, a := range []struct{ id, metric, says string }{
		{"Failed", "ExecutionsFailed", "a sweep of the fleet failed"},
		{"TimedOut", "ExecutionsTimedOut", "a sweep of the fleet took too long"},
		{"Aborted", "ExecutionsAborted", "a sweep of the fleet was stopped"},
		{"Throttled", "ExecutionThrottled", "sweeps of the fleet are throttled by Step Functions"},
	} {
		alarm := awscloudwatch.NewAlarm(f.stack, jsii.String("Fleet"+a.id), &awscloudwatch.AlarmProps{
			AlarmDescription: jsii.String("rotationguard: " + a.says),
			Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String("AWS/States"), MetricName: jsii.String(a.metric), Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(5)),
				DimensionsMap: &map[string]*string{"StateMachineArn": machine.AttrArn()},
			}),
			Threshold: jsii.Number(0), ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD, EvaluationPeriods: jsii.Number(1),
			TreatMissingData: awscloudwatch.TreatMissingData_NOT_BREACHING,
		})
		alarm.AddAlarmAction(tell)
		alarm.AddOkAction(tell)
	}
}

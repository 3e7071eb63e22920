package main

import (
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// newAlarms tell when the sweep itself does not work: a monitor that has stopped looks like an account in sync.
func newAlarms(stack awscdk.Stack, s Settings, function awslambda.Function, dead awssqs.Queue, topics []awssns.ITopic) {
	alarm := func(id, description string, props awscloudwatch.AlarmProps) {
		props.AlarmDescription = jsii.String("rotationguard: " + description)
		a := awscloudwatch.NewAlarm(stack, &id, &props)
		for _, topic := range topics {
			tell := awscloudwatchactions.NewSnsAction(topic)
			a.AddAlarmAction(tell)
			a.AddOkAction(tell)
		}
	}
	anyOf := func(id, description string, metric awscloudwatch.IMetric) {
		alarm(id, description, awscloudwatch.AlarmProps{
			Metric:             metric,
			Threshold:          jsii.Number(0),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD,
			EvaluationPeriods:  jsii.Number(1),
			TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING,
		})
	}
	sum := func(period time.Duration) *awscloudwatch.MetricOptions {
		return &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(period.Minutes()))}
	}
	anyOf("SweepFails", "a sweep ended with an error", function.MetricErrors(sum(5*time.Minute)))
	anyOf("SweepThrottled", "a sweep was not started for lack of concurrency", function.MetricThrottles(sum(5*time.Minute)))
	anyOf("DeadLettersWait", "a sweep was given up: see the dead letter queue",
		dead.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum")}))
	period := schedulePeriod(s.Schedule)
	alarm("NoSweep", "no sweep was started for two periods of its schedule", awscloudwatch.AlarmProps{
		Metric:             function.MetricInvocations(sum(period)),
		Threshold:          jsii.Number(1),
		ComparisonOperator: awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD,
		EvaluationPeriods:  jsii.Number(2),
		TreatMissingData:   awscloudwatch.TreatMissingData_BREACHING,
	})
}

var rate = regexp.MustCompile(`^rate\(([0-9]+) (minute|hour|day)s?\)$`)

// schedulePeriod is how long an alarm waits for one run. An alarm's period is at most a day, which is also what is
// taken for a cron expression: "PutMetricAlarm" in the CloudWatch API reference.
func schedulePeriod(expression string) time.Duration {
	const day = 24 * time.Hour
	m := rate.FindStringSubmatch(expression)
	if m == nil {
		return day
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 1440 {
		return day
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": day}[m[2]]
	return min(time.Duration(n)*unit, day)
}

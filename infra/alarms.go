package main

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// metricNamespace is where package alert writes what sweeps measure.
const metricNamespace = "rotationguard"

// measured is one of the sweep's own metrics, of this account and Region.
func measured(stack awscdk.Stack, name, statistic string, period time.Duration) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(metricNamespace), MetricName: &name, Statistic: &statistic, Period: minutes(period),
		DimensionsMap: &map[string]*string{"Account": stack.Account(), "Region": stack.Region()},
	})
}

func minutes(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Minutes(jsii.Number(d.Minutes()))
}

// newAlarms tell when the sweep itself does not work, for a monitor that has stopped looks like an account in sync, and while rotation is broken.
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
	anyOf := func(id, description string, metric awscloudwatch.IMetric, missing awscloudwatch.TreatMissingData) {
		alarm(id, description, awscloudwatch.AlarmProps{
			Metric:             metric,
			Threshold:          jsii.Number(0),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD,
			EvaluationPeriods:  jsii.Number(1),
			TreatMissingData:   missing,
		})
	}
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5 * time.Minute)}
	none := awscloudwatch.TreatMissingData_NOT_BREACHING
	anyOf("SweepFails", "a sweep ended with an error", function.MetricErrors(sum), none)
	anyOf("SweepThrottled", "a sweep was not started for lack of concurrency", function.MetricThrottles(sum), none)
	anyOf("DeadLettersWait", "a sweep or an event was given up: see the dead letter queue",
		dead.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum")}), none)
	// Only a sweep of the whole account counts what is broken: until the next one the alarm stays as it is.
	anyOf("RotationBroken", "secrets cannot be rotated: see the report", measured(stack, "Broken", "Maximum", 5*time.Minute), awscloudwatch.TreatMissingData_IGNORE)
	period, periods := silence(s.Schedule)
	alarm("NoSweep", "no sweep of the whole account succeeded for two periods of its schedule", awscloudwatch.AlarmProps{
		Metric:             measured(stack, "Sweeps", "Sum", period),
		Threshold:          jsii.Number(1),
		ComparisonOperator: awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD,
		EvaluationPeriods:  jsii.Number(periods),
		TreatMissingData:   awscloudwatch.TreatMissingData_BREACHING,
	})
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

var rate = regexp.MustCompile(`^rate\(([0-9]+) (minute|hour|day)s?\)$`)

// silence is how long a schedule may go without a sweep, as an alarm's period and how many of them: two runs. An alarm looks back seven days at most,
// with periods below an hour one day, and a period is at most a day: CloudWatch API reference, PutMetricAlarm.
func silence(expression string) (period time.Duration, periods int) {
	run := schedulePeriod(expression)
	if run <= day {
		return run, 2
	}
	return day, int((min(2*run, week) + day - 1) / day)
}

// schedulePeriod is how long it takes from run to run: what a rate says, and of a cron expression a day, or a week where it does not name every day.
func schedulePeriod(expression string) time.Duration {
	if m := rate.FindStringSubmatch(expression); m != nil {
		n, err := strconv.Atoi(m[1])
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": day}[m[2]]
		if err != nil || n > int(week/unit) {
			return week
		}
		return max(time.Duration(n)*unit, time.Minute)
	}
	// Minutes, hours, day of the month, month, day of the week, year: EventBridge Scheduler User Guide, "Schedule types".
	fields := strings.Fields(strings.TrimSuffix(strings.TrimPrefix(expression, "cron("), ")"))
	if len(fields) == 6 && always(fields[2]) && always(fields[3]) && always(fields[4]) {
		return day
	}
	return week
}

// always says whether a field of a cron expression leaves out nothing.
func always(field string) bool {
	return field == "*" || field == "?" || field == "1/1" || field == "*/1"
}

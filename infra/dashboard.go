package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// verdicts are the worst first, in the words of reports.
var verdicts = []string{"broken", "orphaned", "unknown", "drifted", "in-sync", "exempt", "skipped"}

// newDashboard shows what is swept and how the sweep does.
func newDashboard(stack awscdk.Stack, s Settings, function awslambda.Function, events, dead awssqs.Queue) {
	const hour = time.Hour
	period := max(schedulePeriod(s.Schedule), 5*time.Minute)
	period = min(period, day)
	var secrets []awscloudwatch.IMetric
	for _, verdict := range verdicts {
		secrets = append(secrets, awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String(metricNamespace), MetricName: jsii.String("Secrets"), Statistic: jsii.String("Maximum"), Period: minutes(period), Label: &verdict,
			DimensionsMap: &map[string]*string{"Account": stack.Account(), "Region": stack.Region(), "Verdict": &verdict},
		}))
	}
	graph := func(title string, left, right []awscloudwatch.IMetric, width float64) awscloudwatch.IWidget {
		props := &awscloudwatch.GraphWidgetProps{Title: &title, Width: &width, Left: &left}
		if right != nil {
			props.Right = &right
		}
		return awscloudwatch.NewGraphWidget(props)
	}
	options := &awscloudwatch.MetricOptions{Period: minutes(hour), Statistic: jsii.String("Sum")}
	most := &awscloudwatch.MetricOptions{Period: minutes(hour), Statistic: jsii.String("Maximum")}
	dashboard := awscloudwatch.NewDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DefaultInterval: awscdk.Duration_Days(jsii.Number(14)),
	})
	dashboard.AddWidgets(
		graph("Secrets by verdict", secrets, nil, 16),
		awscloudwatch.NewSingleValueWidget(&awscloudwatch.SingleValueWidgetProps{
			Title: jsii.String("Rotation is broken for"), Width: jsii.Number(8), Height: jsii.Number(6),
			Metrics: &[]awscloudwatch.IMetric{measured(stack, "Broken", "Maximum", period)},
		}),
	)
	dashboard.AddWidgets(
		graph("Sweeps and changes", []awscloudwatch.IMetric{
			measured(stack, "Sweeps", "Sum", hour), measured(stack, "Failures", "Sum", hour), measured(stack, "Changes", "Sum", hour),
		}, []awscloudwatch.IMetric{measured(stack, "SweepSeconds", "Maximum", hour)}, 8),
		graph("Calls to AWS", []awscloudwatch.IMetric{measured(stack, "Calls", "Sum", hour)}, []awscloudwatch.IMetric{measured(stack, "Throttles", "Sum", hour)}, 8),
		graph("Function and queues", []awscloudwatch.IMetric{function.MetricInvocations(options), function.MetricErrors(options), function.MetricThrottles(options)},
			[]awscloudwatch.IMetric{events.MetricApproximateAgeOfOldestMessage(most), dead.MetricApproximateNumberOfMessagesVisible(most)}, 8),
	)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// unasked says that a question could not be asked.
func (d *doctor) unasked(name, permission string, err error) {
	d.lacks(name, unknown, "allow "+permission, "cannot be asked: %s", inventory.DescribeError(err))
}

// trail looks for a trail that delivers the management events of this Region: EventBridge gets the calls that CloudTrail records only where
// there is one. Source: EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
func (d *doctor) trail(ctx context.Context) {
	const name, create = "trail", "aws cloudtrail create-trail --name management --s3-bucket-name BUCKET --is-multi-region-trail && aws cloudtrail start-logging --name management"
	client := cloudtrail.NewFromConfig(d.cfg)
	trails, err := client.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(true)})
	if err != nil {
		d.unasked(name, "cloudtrail:DescribeTrails", err)
		return
	}
	var why []string
	blind := false
	for i := range trails.TrailList {
		t := &trails.TrailList[i]
		said, err := d.delivers(ctx, client, t)
		switch {
		case err != nil:
			blind = true
			why = append(why, fmt.Sprintf("%s: %s", aws.ToString(t.Name), inventory.DescribeError(err)))
		case said == "":
			d.say(name, fine, "trail %s delivers the management events of %s", aws.ToString(t.Name), d.cfg.Region)
			return
		default:
			why = append(why, fmt.Sprintf("%s %s", aws.ToString(t.Name), said))
		}
	}
	switch {
	case blind:
		d.lacks(name, unknown, "allow cloudtrail:GetTrailStatus and cloudtrail:GetEventSelectors", "whether a trail delivers management events cannot be told: %s", strings.Join(why, "; "))
	case len(why) > 0:
		d.lacks(name, gap, create, "no trail delivers the management events of %s, so that only the schedule starts sweeps: %s", d.cfg.Region, strings.Join(why, "; "))
	default:
		d.lacks(name, gap, create, "there is no trail, so that only the schedule starts sweeps")
	}
}

// delivers says why a trail does not deliver what starts sweeps, "" where it does.
func (d *doctor) delivers(ctx context.Context, client *cloudtrail.Client, t *trailtypes.Trail) (string, error) {
	if !aws.ToBool(t.IsMultiRegionTrail) && aws.ToString(t.HomeRegion) != d.cfg.Region {
		return "records " + aws.ToString(t.HomeRegion) + " only", nil
	}
	status, err := client.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: t.TrailARN})
	if err != nil {
		return "", err
	}
	if !aws.ToBool(status.IsLogging) {
		return "is stopped", nil
	}
	chosen, err := client.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: t.TrailARN})
	if err != nil {
		return "", err
	}
	for _, s := range chosen.EventSelectors {
		if aws.ToBool(s.IncludeManagementEvents) && s.ReadWriteType != trailtypes.ReadWriteTypeReadOnly {
			if slices.Contains(s.ExcludeManagementEventSources, "kms.amazonaws.com") {
				return "leaves out the calls of KMS", nil
			}
			return "", nil
		}
	}
	for _, s := range chosen.AdvancedEventSelectors {
		if records(s.FieldSelectors) {
			return "", nil
		}
	}
	return "does not record management events that write", nil
}

// records says whether an advanced selector takes the management events that write, of all services. Source: CloudTrail API reference,
// AdvancedFieldSelector.
func records(fields []trailtypes.AdvancedFieldSelector) bool {
	management := false
	for i := range fields {
		f := &fields[i]
		switch aws.ToString(f.Field) {
		case "eventCategory":
			management = slices.Contains(f.Equals, "Management")
		case "readOnly":
			if !slices.Contains(f.Equals, "false") {
				return false
			}
		default: // leaves something out
			return false
		}
	}
	return management
}

// homeRegion is where IAM's calls become events, "" where it is not documented. Source: IAM User Guide, "Logging IAM and AWS STS API calls with
// AWS CloudTrail".
func homeRegion(partition string) string {
	return map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[partition]
}

// forwarder looks for a rule in IAM's home Region that sends its events here.
func (d *doctor) forwarder(ctx context.Context) {
	const name = "forwarder"
	partition := rotation.ARN(d.id.caller).Parts().Partition
	home := homeRegion(partition)
	switch home {
	case d.cfg.Region:
		d.say(name, notNeeded, "IAM's events are delivered in %s itself", home)
		return
	case "":
		d.lacks(name, unknown, "nothing: only the schedule starts sweeps after calls of IAM", "in which Region IAM's events are delivered is not documented for partition %s", partition)
		return
	}
	cfg := d.cfg.Copy()
	cfg.Region = home
	client := eventbridge.NewFromConfig(cfg)
	bus := strings.Join([]string{"arn", partition, "events", d.cfg.Region, d.id.account, "event-bus/default"}, ":")
	in := &eventbridge.ListRuleNamesByTargetInput{TargetArn: &bus}
	disabled := ""
	for {
		out, err := client.ListRuleNamesByTarget(ctx, in)
		if err != nil {
			d.unasked(name, "events:ListRuleNamesByTarget in "+home, err)
			return
		}
		for _, rule := range out.RuleNames {
			r, err := client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &rule})
			switch {
			case err != nil:
				d.unasked(name, "events:DescribeRule in "+home, err)
				return
			case !strings.Contains(aws.ToString(r.EventPattern), "aws.iam"):
			case r.State == eventtypes.RuleStateDisabled:
				disabled = rule
			default:
				d.say(name, fine, "rule %s in %s sends IAM's events here", rule, home)
				return
			}
		}
		if in.NextToken = out.NextToken; out.NextToken == nil {
			break
		}
	}
	if disabled != "" {
		d.lacks(name, gap, "aws events enable-rule --region "+home+" --name "+disabled, "rule %s in %s, which sends IAM's events here, is disabled", disabled, home)
		return
	}
	d.lacks(name, gap, "make deploy with CDK_DEFAULT_REGION="+d.cfg.Region+" also deploys rotationguard-forwarder-"+d.cfg.Region+" in "+home,
		"no rule in %s sends IAM's events here: changes of roles wait for the schedule", home)
}

// deployed looks at what the stack has made.
func (d *doctor) deployed(ctx context.Context) {
	stack, err := d.stack.read(ctx, d.cfg)
	switch {
	case errors.Is(err, errNoStack):
		d.lacks("stack", gap, "make deploy, or name the stack with --stack", "nothing is deployed as stack %s in %s: only the command sweeps", d.stack.stack, d.cfg.Region)
		return
	case err != nil:
		d.unasked("stack", "cloudformation:DescribeStacks on the stack "+d.stack.stack, err)
		return
	}
	out := outputs(&stack)
	d.say("stack", fine, "stack %s is there (%s)", d.stack.stack, stack.StackStatus)
	d.function(ctx, out["FunctionName"])
	d.topic(ctx, out["TopicArn"])
	d.deadLetters(ctx, out["DeadLetterQueueUrl"])
	d.lastSweep(ctx, out["LedgerTable"], d.schedule(ctx))
}

// function looks whether the function can run and gets events.
func (d *doctor) function(ctx context.Context, function string) {
	const name = "function"
	if function == "" {
		d.lacks(name, unknown, "make deploy again", "the stack has no output FunctionName")
		return
	}
	client := lambda.NewFromConfig(d.cfg)
	f, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	switch {
	case err != nil:
		d.unasked(name, "lambda:GetFunctionConfiguration on "+function, err)
	case f.State != "" && f.State != lambdatypes.StateActive && f.State != lambdatypes.StateInactive:
		d.lacks(name, gap, "make deploy again", "function %s is %s: %s", function, f.State, aws.ToString(f.StateReason))
	default:
		d.say(name, fine, "function %s can run", function)
	}
	sources, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &function})
	switch {
	case err != nil:
		d.unasked("events", "lambda:ListEventSourceMappings", err)
	case len(sources.EventSourceMappings) == 0:
		d.lacks("events", gap, "make deploy again", "no queue gives events to function %s: only the schedule starts sweeps", function)
	default:
		for i := range sources.EventSourceMappings {
			s := &sources.EventSourceMappings[i]
			if state := aws.ToString(s.State); state != "Enabled" && state != "Enabling" && state != "Creating" && state != "Updating" {
				d.lacks("events", gap, "aws lambda update-event-source-mapping --enabled --uuid "+aws.ToString(s.UUID), "the queue's events are not taken: the mapping is %s", state)
				return
			}
		}
		d.say("events", fine, "events reach function %s by a queue", function)
	}
}

// topic looks whether somebody is told.
func (d *doctor) topic(ctx context.Context, topic string) {
	const name = "topic"
	if topic == "" {
		d.lacks(name, unknown, "make deploy again", "the stack has no output TopicArn")
		return
	}
	cfg := d.cfg.Copy()
	cfg.Region = rotation.ARN(topic).Parts().Region
	client := sns.NewFromConfig(cfg)
	confirmed, waiting := 0, ""
	in := &sns.ListSubscriptionsByTopicInput{TopicArn: &topic}
	for {
		out, err := client.ListSubscriptionsByTopic(ctx, in)
		if err != nil {
			d.unasked(name, "sns:ListSubscriptionsByTopic on "+topic, err)
			return
		}
		for i := range out.Subscriptions {
			// SNS API reference, Subscription: the ARN of one that is not confirmed is the text "PendingConfirmation".
			if s := &out.Subscriptions[i]; strings.HasPrefix(aws.ToString(s.SubscriptionArn), "arn:") {
				confirmed++
			} else if waiting == "" {
				waiting = aws.ToString(s.Protocol) + " " + aws.ToString(s.Endpoint)
			}
		}
		if in.NextToken = out.NextToken; out.NextToken == nil {
			break
		}
	}
	switch {
	case waiting != "":
		d.lacks(name, gap, "open the link in the confirmation that was sent there, or subscribe again", "the subscription of %s is not confirmed", waiting)
	case confirmed == 0:
		d.lacks(name, gap, "make deploy CONTEXT=\"subscriptions=you@example.com\"", "nobody is subscribed to %s", topic)
	default:
		d.say(name, fine, "%d subscribers are told by %s", confirmed, topic)
	}
}

// deadLetters looks whether something was given up.
func (d *doctor) deadLetters(ctx context.Context, queue string) {
	const name = "dead letters"
	if queue == "" {
		d.lacks(name, unknown, "make deploy again", "the stack has no output DeadLetterQueueUrl")
		return
	}
	depth := string(sqstypes.QueueAttributeNameApproximateNumberOfMessages)
	out, err := sqs.NewFromConfig(d.cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeName(depth)}})
	switch {
	case err != nil:
		d.unasked(name, "sqs:GetQueueAttributes on "+queue, err)
	case out.Attributes[depth] == "":
		d.lacks(name, unknown, "ask again", "SQS does not say how many there are")
	case out.Attributes[depth] != "0":
		d.lacks(name, gap, "aws sqs receive-message --queue-url "+queue+" shows what was given up; the function's log says why", "%s runs or events were given up", out.Attributes[depth])
	default:
		d.say(name, fine, "no run and no event was given up")
	}
}

// schedule looks whether the schedule is on, and answers with its period, 0 where it is not known.
func (d *doctor) schedule(ctx context.Context) time.Duration {
	const name = "schedule"
	id := ""
	in := &cloudformation.ListStackResourcesInput{StackName: &d.stack.stack}
	client := cloudformation.NewFromConfig(d.cfg)
	for id == "" {
		out, err := client.ListStackResources(ctx, in)
		if err != nil {
			d.unasked(name, "cloudformation:ListStackResources on the stack "+d.stack.stack, err)
			return 0
		}
		for i := range out.StackResourceSummaries {
			if r := &out.StackResourceSummaries[i]; aws.ToString(r.ResourceType) == "AWS::Scheduler::Schedule" {
				id = aws.ToString(r.PhysicalResourceId)
			}
		}
		if in.NextToken = out.NextToken; out.NextToken == nil {
			break
		}
	}
	if id == "" {
		d.lacks(name, gap, "make deploy again", "the stack has no schedule: only events start sweeps")
		return 0
	}
	// The physical id is the name, or group and name.
	group, schedule, both := strings.Cut(id, "/")
	if !both {
		group, schedule = "default", id
	}
	s, err := scheduler.NewFromConfig(d.cfg).GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &schedule, GroupName: &group})
	switch {
	case err != nil:
		d.unasked(name, "scheduler:GetSchedule on "+id, err)
		return 0
	case s.State == schedulertypes.ScheduleStateDisabled:
		d.lacks(name, gap, "make deploy again, or enable the schedule "+id, "the schedule is disabled")
	default:
		d.say(name, fine, "sweeps start at %s", aws.ToString(s.ScheduleExpression))
	}
	return period(aws.ToString(s.ScheduleExpression))
}

var rateForm = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`)

// period is how long lies between two runs of a rate, 0 of any other schedule. Source: EventBridge Scheduler User Guide, "Schedule types".
func period(expression string) time.Duration {
	m := rateForm.FindStringSubmatch(expression)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 10_000 {
		return 0
	}
	return time.Duration(n) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
}

// quiet is how long no sweep may have ended where the schedule is no rate.
const quiet = 48 * time.Hour

// errReadOnly keeps the doctor from writing.
var errReadOnly = errors.New("nothing is written")

// readOnly is a table that is only read: opening a ledger that is empty would otherwise give it its schema.
type readOnly struct{ *dynamodb.Client }

// PutItem implements the ledger's table.
func (readOnly) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, errReadOnly
}

// lastSweep looks into the ledger for the last sweep of the whole account.
func (d *doctor) lastSweep(ctx context.Context, table string, every time.Duration) {
	const name = "last sweep"
	if table == "" {
		d.lacks(name, unknown, "make deploy again", "the stack has no output LedgerTable")
		return
	}
	never := func() {
		d.lacks(name, gap, "rotationguard invoke", "no sweep of the whole account has ended yet")
	}
	l, err := ledger.OpenTable(ctx, readOnly{dynamodb.NewFromConfig(d.cfg)}, table, d.id.account+"/"+d.cfg.Region)
	if errors.Is(err, errReadOnly) {
		never()
		return
	}
	if err != nil {
		d.unasked(name, "dynamodb:GetItem and dynamodb:Query on the table "+table+", and kms:Decrypt on its key", err)
		return
	}
	runs, err := l.Runs(ctx, 200)
	if err != nil {
		d.unasked(name, "dynamodb:Query on the table "+table, err)
		return
	}
	last := slices.IndexFunc(runs, func(r ledger.Run) bool { return r.Complete && r.Ended != nil })
	if last < 0 {
		never()
		return
	}
	allowed := 2 * every
	if every == 0 {
		allowed = quiet
	}
	age := d.now.Sub(*runs[last].Ended).Round(time.Minute)
	if age > allowed {
		d.lacks(name, gap, "rotationguard invoke shows why; the function's log says more", "the last sweep of the whole account ended %s ago (run %s)", age, runs[last].ID)
		return
	}
	d.say(name, fine, "the last sweep of the whole account ended %s ago (run %s)", age, runs[last].ID)
}

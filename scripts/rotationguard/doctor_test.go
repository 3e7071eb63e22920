package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// diagnosis is what the doctor prints as JSON.
type diagnosis struct {
	Fine   bool
	Checks []examined
}

func (got typed) diagnosis(t *testing.T) diagnosis {
	t.Helper()
	var d diagnosis
	if err := json.Unmarshal([]byte(got.stdout), &d); err != nil {
		t.Fatalf("%v: %s %s", err, got.stdout, got.stderr)
	}
	if d.Fine != (got.code == 0) {
		t.Errorf("fine is %t with the exit code %d", d.Fine, got.code)
	}
	return d
}

// is holds one check, "" for one that is not made.
func (d diagnosis) is(t *testing.T, name string, want health, says string) {
	t.Helper()
	i := slices.IndexFunc(d.Checks, func(x examined) bool { return x.Name == name })
	if i < 0 {
		t.Errorf("%s is not examined, want %s %q", name, want, says)
		return
	}
	x := d.Checks[i]
	if x.Health != want || !strings.Contains(x.Says, says) || (x.Fix != nil) != (want == gap && x.Name != "reads" || want == unknown) {
		t.Errorf("%s is %s: %s (fix %v), want %s %q", name, x.Health, x.Says, x.Fix, want, says)
	}
}

// TestTheDoctorTriesEveryRead: a call that inventory comes to make is one that the doctor asks for.
func TestTheDoctorTriesEveryRead(t *testing.T) {
	var tried, made []string
	c := inventory.Clients{}
	for _, p := range probes(&c, &things{function: "a:b:c:d:e:f:g"}) {
		_, call, _ := strings.Cut(p.call, ":")
		tried = append(tried, call)
	}
	for i := range reflect.TypeFor[inventory.Clients]().NumField() {
		if field := reflect.TypeFor[inventory.Clients]().Field(i); field.Type.Kind() == reflect.Interface && field.Name != "Credentials" {
			for j := range field.Type.NumMethod() {
				made = append(made, field.Type.Method(j).Name)
			}
		}
	}
	slices.Sort(tried)
	slices.Sort(made)
	if !slices.Equal(tried, made) {
		t.Errorf("the doctor tries %v, inventory calls %v", tried, made)
	}
}

func TestTheDoctorNamesEveryReadThatIsDenied(t *testing.T) {
	b := newBench(t)
	examine := func(args ...string) diagnosis {
		t.Helper()
		return b.on(append([]string{"doctor", "--output", "json"}, args...)...).diagnosis(t)
	}
	d := examine()
	d.is(t, "reads", fine, "23 of 23 calls")
	for _, call := range []string{"lambda:GetPolicy", "secretsmanager:ListSecrets", "kms:ListGrants", "iam:GetAccountAuthorizationDetails", "tag:GetResources", "cloudformation:DescribeStacks"} {
		service, operation, _ := strings.Cut(call, ":")
		b.account.Deny(awstest.Match{Service: service, Operation: operation})
		d := examine()
		d.is(t, call, gap, "")
		d.is(t, "reads", gap, "22 of 23 calls")
		b.account.Heal()
	}
	b.account.Fail(awstest.Match{Service: "iam", Operation: "GetRole", Count: -1}, awstest.Fault{Code: "ServiceFailure", Status: 500})
	d = examine()
	d.is(t, "iam:GetRole", unknown, "")
	d.is(t, "trail", unknown, "")
	b.account.Heal()
	examine("--config", b.writes("o.yaml", "use_get_function: true\noperators: [{principal: \"arn:aws:iam::123456789012:role/dba\", may: trigger}]\n")).is(t, "reads", fine, "33 of 33 calls")
	if writes := b.account.Writes(); len(writes) > 0 {
		t.Errorf("the doctor wrote %s", writes[0].Name())
	}
	for name := range b.account.CallCounts() {
		if strings.Contains(name, "SecretValue") {
			t.Errorf("the doctor called %s", name)
		}
	}
	b.on("doctor", "--mode", "fix").refused(t, `--mode "fix"`)
	if got := b.on("doctor"); got.code != 1 || !strings.Contains(got.stdout, "fix: ") || !strings.Contains(got.stdout, "23 of 23") {
		t.Errorf("text: %s%s", got.stdout, got.stderr)
	}
}

// stackOf is the template of a stack with what the doctor looks at.
const stackOf = `{"Resources":{
 "Topic":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"rotationguard"}},
 "Dead":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":"dead"}},
 "Ledger":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":"ledger","BillingMode":"PAY_PER_REQUEST",
  "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"}],
  "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}},
 "Schedule":{"Type":"AWS::Scheduler::Schedule","Properties":{"Name":"sweeps","ScheduleExpression":"rate(6 hours)","FlexibleTimeWindow":{"Mode":"OFF"},
  "Target":{"Arn":"arn:aws:lambda:eu-central-1:000000000000:function:rotationguard-sweep","RoleArn":"arn:aws:iam::000000000000:role/scheduler"}}}},
 "Outputs":{"FunctionName":{"Value":"rotationguard-sweep"},"TopicArn":{"Value":{"Ref":"Topic"}},"LedgerTable":{"Value":{"Ref":"Ledger"}},"DeadLetterQueueUrl":{"Value":{"Ref":"Dead"}}}}`

// TestTheDoctorExaminesADeployment goes from nothing to a deployment without a gap, on ministack.
func TestTheDoctorExaminesADeployment(t *testing.T) {
	url, cfg := newMinistack(t)
	name := deployed(t, url, cfg)
	b := newBench(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	examine := func(args ...string) diagnosis {
		t.Helper()
		return b.types(append([]string{"doctor", "--output", "json", "--endpoint-url", url, "--region", account.Region}, args...)...).diagnosis(t)
	}
	d := examine()
	d.is(t, "stack", gap, "nothing is deployed")
	d.is(t, "trail", gap, "there is no trail")
	d.is(t, "forwarder", gap, "no rule in us-east-1")
	examine("--region", "us-east-1").is(t, "forwarder", notNeeded, "us-east-1 itself")

	_, err := cloudformation.NewFromConfig(cfg).CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String("Rotationguard"), TemplateBody: aws.String(stackOf)})
	must(err)
	must(cloudformation.NewStackCreateCompleteWaiter(cloudformation.NewFromConfig(cfg), func(o *cloudformation.StackCreateCompleteWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).Wait(ctx,
		&cloudformation.DescribeStacksInput{StackName: aws.String("Rotationguard")}, time.Minute))
	trails := cloudtrail.NewFromConfig(cfg)
	_, err = trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("management"), S3BucketName: aws.String(reports), IsMultiRegionTrail: aws.Bool(true)})
	must(err)
	d = examine()
	d.is(t, "stack", fine, "Rotationguard")
	d.is(t, "trail", gap, "is stopped")
	d.is(t, "events", gap, "no queue gives events")
	d.is(t, "topic", gap, "nobody is subscribed")
	d.is(t, "dead letters", fine, "no run")
	d.is(t, "schedule", fine, "rate(6 hours)")
	d.is(t, "last sweep", gap, "no sweep of the whole account has ended")
	if out, err := dynamodb.NewFromConfig(cfg).Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("ledger")}); err != nil || len(out.Items) > 0 {
		t.Errorf("the doctor left %d items in the ledger (%v)", len(out.Items), err)
	}

	_, err = trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: aws.String("management")})
	must(err)
	_, err = trails.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("management"), EventSelectors: []trailtypes.EventSelector{{
		IncludeManagementEvents: aws.Bool(true), ReadWriteType: trailtypes.ReadWriteTypeReadOnly,
	}}})
	must(err)
	examine().is(t, "trail", gap, "does not record management events that write")
	_, err = trails.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("management"), EventSelectors: []trailtypes.EventSelector{{
		IncludeManagementEvents: aws.Bool(true), ReadWriteType: trailtypes.ReadWriteTypeAll,
	}}})
	must(err)
	home := cfg.Copy()
	home.Region = "us-east-1"
	rules := eventbridge.NewFromConfig(home)
	_, err = rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("iam"), EventPattern: aws.String(`{"source":["aws.iam"]}`), State: eventtypes.RuleStateDisabled})
	must(err)
	_, err = rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("iam"), Targets: []eventtypes.Target{{Id: aws.String("bus"), Arn: aws.String("arn:aws:events:eu-central-1:000000000000:event-bus/default"), RoleArn: aws.String("arn:aws:iam::000000000000:role/sender")}}})
	must(err)
	_, err = sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("events")})
	must(err)
	_, err = lambda.NewFromConfig(cfg).CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: &name, EventSourceArn: aws.String("arn:aws:sqs:eu-central-1:000000000000:events")})
	must(err)
	topic := aws.String("arn:aws:sns:eu-central-1:000000000000:rotationguard")
	_, err = sns.NewFromConfig(cfg).Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-central-1:000000000000:events")})
	must(err)
	l, err := ledger.OpenTable(ctx, dynamodb.NewFromConfig(cfg), "ledger", "000000000000/eu-central-1")
	must(err)
	ended := time.Now().Add(-13 * time.Hour)
	_, err = l.SealRun(ctx, ledger.Run{ID: "old", Mode: "report", Command: "sweep", Started: ended.Add(-time.Minute), Ended: &ended, Complete: true, Verdicts: map[drift.Verdict]int{}})
	must(err)
	dead := aws.String(url + "/000000000000/dead")
	_, err = sqs.NewFromConfig(cfg).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: dead, MessageBody: aws.String("{}")})
	must(err)
	d = examine()
	d.is(t, "trail", fine, "management")
	d.is(t, "forwarder", gap, "is disabled")
	d.is(t, "last sweep", gap, "13h0m")
	d.is(t, "dead letters", gap, "1 runs or events")

	_, err = rules.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: aws.String("iam")})
	must(err)
	_, err = sqs.NewFromConfig(cfg).PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: dead})
	must(err)
	ended = time.Now()
	_, err = l.SealRun(ctx, ledger.Run{ID: "new", Mode: "report", Command: "sweep", Started: ended.Add(-time.Minute), Ended: &ended, Complete: true, Verdicts: map[drift.Verdict]int{}})
	must(err)
	must(lambda.NewFunctionActiveV2Waiter(lambda.NewFromConfig(cfg)).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute))
	d = examine()
	if !d.Fine {
		t.Errorf("a whole deployment has gaps: %+v", d.Checks)
	}
	d = examine("--mode", "repair")
	d.is(t, "writes", fine, "root user")

	// A session of a role: the answers are about the role. ministack finds no policies of a role that has a path.
	roles := iam.NewFromConfig(cfg)
	role, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("mender"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}]}`)})
	must(err)
	_, err = roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("mender"), PolicyName: aws.String("writes"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:PutRolePolicy","lambda:*Permission"],"Resource":"*"},{"Effect":"Deny","Action":"lambda:RemovePermission","Resource":"*"}]}`)})
	must(err)
	session, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("ana")})
	must(err)
	t.Setenv("AWS_ACCESS_KEY_ID", aws.ToString(session.Credentials.AccessKeyId))
	t.Setenv("AWS_SECRET_ACCESS_KEY", aws.ToString(session.Credentials.SecretAccessKey))
	t.Setenv("AWS_SESSION_TOKEN", aws.ToString(session.Credentials.SessionToken))
	d = examine("--mode", "repair")
	d.is(t, "iam:PutRolePolicy", fine, "allowed")
	d.is(t, "iam:DeleteRolePolicy", gap, "implicitDeny")
	d.is(t, "lambda:AddPermission", fine, "allowed")
	d.is(t, "lambda:RemovePermission", gap, "explicitDeny")
}

func TestAdvancedSelectors(t *testing.T) {
	f := func(field string, equals ...string) trailtypes.AdvancedFieldSelector {
		return trailtypes.AdvancedFieldSelector{Field: &field, Equals: equals}
	}
	for _, tt := range []struct {
		name   string
		fields []trailtypes.AdvancedFieldSelector
		want   bool
	}{
		{"management events", []trailtypes.AdvancedFieldSelector{f("eventCategory", "Management")}, true},
		{"those that write", []trailtypes.AdvancedFieldSelector{f("eventCategory", "Management"), f("readOnly", "false")}, true},
		{"those that read", []trailtypes.AdvancedFieldSelector{f("eventCategory", "Management"), f("readOnly", "true")}, false},
		{"those of one service", []trailtypes.AdvancedFieldSelector{f("eventCategory", "Management"), f("eventSource", "kms.amazonaws.com")}, false},
		{"data events", []trailtypes.AdvancedFieldSelector{f("eventCategory", "Data")}, false},
		{"nothing", nil, false},
	} {
		if got := records(tt.fields); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestPeriods(t *testing.T) {
	for expression, want := range map[string]time.Duration{
		"rate(6 hours)": 6 * time.Hour, "rate(1 day)": 24 * time.Hour, "rate(30 minutes)": 30 * time.Minute, "cron(0 6 * * ? *)": 0, "rate(6 weeks)": 0, "rate(99999 days)": 0,
	} {
		if got := period(expression); got != want {
			t.Errorf("the period of %s is %s, want %s", expression, got, want)
		}
	}
}

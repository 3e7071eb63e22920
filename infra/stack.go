package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// newSweepStack is everything that sweeps one account and Region: schedule and events → function → topic, ledger and reports, and alarms about it.
func newSweepStack(scope constructs.Construct, id string, s Settings, code Package) awscdk.Stack {
	props := stackProps(s, "rotationguard: keeps Secrets Manager rotation able to work, and unable to do more than that")
	if s.Region != "" {
		props.Env = &awscdk.Environment{Region: &s.Region}
	}
	stack := awscdk.NewStack(scope, &id, props)
	key := newKey(stack, s)
	topic, chat := newTopic(stack, s, key), newChat(stack, s, key)
	dead := newDeadLetters(stack)
	ledger, reports := newLedger(stack, s, key), newReports(stack, s, key)

	reader := newReader(stack, s.GetFunction)
	readOtherAccounts(stack, s, reader)
	grantLedger(stack, s, reader, ledger, key)
	grantReports(stack, reader, reports, key)
	topics := []awssns.ITopic{topic}
	if chat != nil {
		topics = append(topics, chat)
	}
	grantTelling(stack, s, reader, topics, key)

	function := newFunction(stack, s, code, reader, dead)
	letContinue(stack, function, reader)
	keepNetworkFromCode(stack, s, function, reader)
	set := func(name string, value *string) { function.AddEnvironment(&name, value, nil) }
	set("ROTATIONGUARD_LEDGER_TABLE", ledger.TableName())
	set("ROTATIONGUARD_REPORTS_BUCKET", reports.BucketName())
	set("ROTATIONGUARD_TOPIC_ARN", topic.TopicArn())
	if chat != nil {
		set("ROTATIONGUARD_CHAT_TOPIC_ARN", chat.TopicArn())
	}
	if s.Bus != "" {
		set("ROTATIONGUARD_EVENT_BUS", &s.Bus)
	}
	if s.Mode != modeReport {
		writer := newWriter(stack, s, reader)
		set("ROTATIONGUARD_WRITER_ROLE", writer.RoleArn())
	}

	newSchedule(stack, s, function, dead)
	events := newEvents(stack, function, reader, dead)
	newAlarms(stack, s, function, dead, topics)
	newDashboard(stack, s, function, events, dead)

	output(stack, "FunctionName", function.FunctionName(), "invoke it by hand with this name")
	output(stack, "TopicArn", topic.TopicArn(), "subscribe to drift here")
	output(stack, "LedgerTable", ledger.TableName(), "what runs remember; as ledger.table the command shares it")
	output(stack, "ReportsBucket", reports.BucketName(), "full reports: runs/RUN/ACCOUNT/REGION.json and .html")
	output(stack, "EventsQueueUrl", events.QueueUrl(), "calls that CloudTrail recorded wait here for a sweep")
	output(stack, "DeadLetterQueueUrl", dead.QueueUrl(), "sweeps and events that were given up")
	return stack
}

// stackProps are what every stack of an app has in common.
func stackProps(s Settings, description string) *awscdk.StackProps {
	synthesizer := &awscdk.DefaultStackSynthesizerProps{GenerateBootstrapVersionRule: jsii.Bool(!s.SelfContained)}
	if s.Qualifier != "" {
		synthesizer.Qualifier = &s.Qualifier
	}
	return &awscdk.StackProps{Description: &description, PermissionsBoundary: boundary(s), Synthesizer: awscdk.NewDefaultStackSynthesizer(synthesizer)}
}

// kept is what becomes of data when its stack is destroyed: it stays, unless the operator says otherwise.
func kept(s Settings) awscdk.RemovalPolicy {
	if s.DestroyData {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}

// newKey encrypts what the sweep leaves. A key given by ARN keeps its own policy, which must let this account's
// identities use it.
func newKey(stack awscdk.Stack, s Settings) awskms.IKey {
	if s.Key != "" {
		return awskms.Key_FromKeyArn(stack, jsii.String("Key"), &s.Key)
	}
	key := awskms.NewKey(stack, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("rotationguard: alerts, ledger and reports"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     kept(s),
	})
	letAlarmsUseKey(stack, key)
	return key
}

func boundary(s Settings) awscdk.PermissionsBoundary {
	if s.Boundary == "" {
		return nil
	}
	return awscdk.PermissionsBoundary_FromArn(&s.Boundary)
}

func output(stack awscdk.Stack, name string, value *string, description string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: value, Description: &description})
}

// arn is an ARN of this stack's partition, Region and account; region is "" for global services.
func arn(stack awscdk.Stack, service, resource string) *string {
	parts := &awscdk.ArnComponents{Service: &service, Resource: &resource, ArnFormat: awscdk.ArnFormat_NO_RESOURCE_NAME}
	if service == "iam" {
		parts.Region = jsii.String("")
	}
	return stack.FormatArn(parts)
}

// statement is one statement of our own roles' policies.
func statement(sid string, effect awsiam.Effect, actions, resources []string, conditions map[string]any) awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{Sid: &sid, Effect: effect, Actions: jsii.Strings(actions...), Resources: jsii.Strings(resources...)}
	if conditions != nil {
		props.Conditions = &conditions
	}
	return awsiam.NewPolicyStatement(props)
}

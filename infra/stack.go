package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// newSweepStack is everything that sweeps one account and Region: schedule → function → topic and ledger, and alarms about it.
func newSweepStack(scope constructs.Construct, id string, s Settings, code Package) awscdk.Stack {
	stack := awscdk.NewStack(scope, &id, &awscdk.StackProps{
		Description:         jsii.String("rotationguard: keeps Secrets Manager rotation able to work, and unable to do more than that"),
		PermissionsBoundary: boundary(s),
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: jsii.Bool(!s.SelfContained),
		}),
	})
	key := newKey(stack, s)
	topic := newTopic(stack, s, key)
	dead := newDeadLetters(stack)

	reader := newReader(stack, s.GetFunction)
	readOtherAccounts(stack, s, reader)
	function := newFunction(stack, s, code, reader, dead)
	topic.GrantPublish(reader)
	ledger := newLedger(stack, s, key)
	grantLedger(stack, s, reader, ledger, key)
	function.AddEnvironment(jsii.String("ROTATIONGUARD_LEDGER_TABLE"), ledger.TableName(), nil)
	function.AddEnvironment(jsii.String("ROTATIONGUARD_TOPIC_ARN"), topic.TopicArn(), nil)
	if s.Mode != modeReport {
		writer := newWriter(stack, s, reader)
		function.AddEnvironment(jsii.String("ROTATIONGUARD_WRITER_ROLE"), writer.RoleArn(), nil)
	}

	newSchedule(stack, s, function, dead)
	newAlarms(stack, s, function, dead, topic)

	output(stack, "FunctionName", function.FunctionName(), "invoke it by hand with this name")
	output(stack, "TopicArn", topic.TopicArn(), "subscribe to drift here")
	output(stack, "LedgerTable", ledger.TableName(), "what runs remember; as ledger.table the command shares it")
	output(stack, "DeadLetterQueueUrl", dead.QueueUrl(), "sweeps that could not be started or did not end")
	return stack
}

// newKey encrypts what the sweep leaves. A key given by ARN keeps its own policy, which must let this account's
// identities use it.
func newKey(stack awscdk.Stack, s Settings) awskms.IKey {
	if s.Key != "" {
		return awskms.Key_FromKeyArn(stack, jsii.String("Key"), &s.Key)
	}
	return awskms.NewKey(stack, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("rotationguard: alerts and ledger"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
	})
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

package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// newTopic is where drift is told. Its policy lets this account's identities publish, if their own policies do, and
// this account's CloudWatch alarms; over TLS only. A topic given by ARN keeps its own policy.
func newTopic(stack awscdk.Stack, s Settings, key awskms.IKey) awssns.ITopic {
	var topic awssns.ITopic
	if s.Topic != "" {
		topic = awssns.Topic_FromTopicArn(stack, jsii.String("Topic"), &s.Topic)
	} else {
		topic = ownTopic(stack, "Topic", key)
	}
	for _, to := range s.Subscriptions {
		topic.AddSubscription(subscription(stack, to))
	}
	return topic
}

func ownTopic(stack awscdk.Stack, id string, key awskms.IKey) awssns.ITopic {
	topic := awssns.NewTopic(stack, &id, &awssns.TopicProps{
		DisplayName: jsii.String("rotationguard"),
		MasterKey:   key,
		EnforceSSL:  jsii.Bool(true),
	})
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("ThisAccountPublishes"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewAccountRootPrincipal()},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
	}))
	fromThisAccount := &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()}}
	alarms := awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsPublish"),
		Principals: &[]awsiam.IPrincipal{alarms},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: fromThisAccount,
	}))
	return topic
}

// letAlarmsUseKey: an alarm reaches an encrypted topic only if CloudWatch may use the key. Source: SNS Developer Guide, "Key management".
func letAlarmsUseKey(stack awscdk.Stack, key awskms.IKey) {
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsPublish"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey*"),
		Resources:  jsii.Strings("*"),
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()}},
	}), jsii.Bool(true))
}

// grantTelling lets the function tell by the ways that it is deployed with: the topics, the bus under our own source alone, and Security Hub as the
// account's own product. Sources: Service Authorization Reference, Amazon EventBridge (events:source) and AWS Security Hub.
func grantTelling(stack awscdk.Stack, s Settings, reader awsiam.Role, topics []awssns.ITopic, key awskms.IKey) {
	var arns []string
	for _, topic := range topics {
		arns = append(arns, *topic.TopicArn())
	}
	reader.AddToPolicy(statement("Tell", awsiam.Effect_ALLOW, []string{"sns:Publish"}, arns, nil))
	useKey(stack, reader, "TellEncrypted", key, "sns", "kms:Decrypt", "kms:GenerateDataKey")
	if s.Bus != "" {
		reader.AddToPolicy(statement("TellBus", awsiam.Effect_ALLOW, []string{"events:PutEvents"}, []string{busARN(stack, s.Bus)},
			map[string]any{"StringEquals": map[string]any{"events:source": "rotationguard"}}))
	}
	if s.SecurityHub {
		reader.AddToPolicy(statement("TellSecurityHub", awsiam.Effect_ALLOW, []string{"securityhub:BatchImportFindings"},
			[]string{*arn(stack, "securityhub", "product/"+*stack.Account()+"/default")}, nil))
	}
}

// busARN is the ARN of a bus of this account and Region by its name, or the ARN that is given.
func busARN(stack awscdk.Stack, bus string) string {
	if arnPattern.MatchString(bus) {
		return bus
	}
	return *arn(stack, "events", "event-bus/"+bus)
}

func subscription(stack awscdk.Stack, to string) awssns.ITopicSubscription {
	switch {
	case strings.HasPrefix(to, "https://"):
		return awssnssubscriptions.NewUrlSubscription(&to, nil)
	case queueARN.MatchString(to):
		return awssnssubscriptions.NewSqsSubscription(awssqs.Queue_FromQueueArn(stack, jsii.String("Queue "+to), &to), nil)
	default:
		return awssnssubscriptions.NewEmailSubscription(&to, nil)
	}
}

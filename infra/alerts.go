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
		topic = ownTopic(stack, key)
	}
	for _, to := range s.Subscriptions {
		topic.AddSubscription(subscription(stack, to))
	}
	return topic
}

func ownTopic(stack awscdk.Stack, key awskms.IKey) awssns.ITopic {
	topic := awssns.NewTopic(stack, jsii.String("Topic"), &awssns.TopicProps{
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
	// An alarm reaches an encrypted topic only if CloudWatch may use the key: SNS developer guide, "Key management".
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsPublish"),
		Principals: &[]awsiam.IPrincipal{alarms},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey*"),
		Resources:  jsii.Strings("*"),
		Conditions: fromThisAccount,
	}), jsii.Bool(true))
	return topic
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

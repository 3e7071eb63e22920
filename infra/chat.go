package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awschatbot"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

// newChat is the topic that chat channels are told by, nil where there are none: messages for Amazon Q Developer in chat applications have a form of
// their own. The channel may show what it is told, and no one may do anything in AWS from it: without a guardrail of ours it would be
// AdministratorAccess (AWS::Chatbot::SlackChannelConfiguration, GuardrailPolicies).
func newChat(stack awscdk.Stack, s Settings, key awskms.IKey) awssns.ITopic {
	if s.ChatTopic == "" && s.Slack == "" {
		return nil
	}
	var topic awssns.ITopic
	if s.ChatTopic != "" {
		topic = awssns.Topic_FromTopicArn(stack, jsii.String("Chat"), &s.ChatTopic)
	} else {
		topic = ownTopic(stack, "Chat", key)
	}
	if s.Slack != "" {
		workspace, channel, _ := strings.Cut(s.Slack, "/")
		awschatbot.NewSlackChannelConfiguration(stack, jsii.String("Slack"), &awschatbot.SlackChannelConfigurationProps{
			SlackChannelConfigurationName: jsii.String("rotationguard-" + channel),
			SlackWorkspaceId:              &workspace,
			SlackChannelId:                &channel,
			NotificationTopics:            &[]awssns.ITopic{topic},
			GuardrailPolicies:             &[]awsiam.IManagedPolicy{awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("AWSDenyAll"))},
		})
	}
	return topic
}

package report

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// publisher is what telling subscribers takes.
type publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Publish tells the topic's subscribers of an outcome that has drift, a new exemption or a target that failed and answers with the message's id; of any other it
// tells nothing and answers with "". where, which may be empty, is where the full report is.
//
// The message attributes verdict, severity, account, region and event are for subscriptions' filter policies. Email cannot be sent by a FIFO topic
// (SNS Developer Guide, "FIFO topics"); such a topic gets the alerts of one account and Region in order.
func Publish(ctx context.Context, client publisher, topic string, o *Outcome, where string) (string, error) {
	if !o.HasDrift() && len(o.Exempted) == 0 && !o.Unswept() {
		return "", nil
	}
	alert := NewAlert(o, where)
	message, err := alert.Message(o.At)
	if err != nil {
		return "", err
	}
	in := &sns.PublishInput{
		TopicArn: aws.String(topic), Subject: aws.String(alert.Subject()), Message: aws.String(message), MessageStructure: aws.String("json"),
		MessageAttributes: alert.attributes(),
	}
	if strings.HasSuffix(topic, ".fifo") {
		in.MessageGroupId = aws.String(alert.Account + "-" + alert.Region)
		in.MessageDeduplicationId = aws.String(ShortHash(message))
	}
	out, err := client.Publish(ctx, in)
	if err != nil {
		return "", fmt.Errorf("publishing to %s: %w", topic, err)
	}
	return aws.ToString(out.MessageId), nil
}

// attributes are never empty: SNS refuses an empty value (SNS API reference, MessageAttributeValue).
func (a *Alert) attributes() map[string]types.MessageAttributeValue {
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{
		"event": string(a.Event), "verdict": string(a.Verdict), "severity": string(a.Severity), "account": a.Account, "region": a.Region,
	} {
		if value != "" {
			attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	return attributes
}

package deployed

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Inbox is a queue that is subscribed to the stack's topic.
type Inbox struct {
	client *sqs.Client
	url    string
}

// Listen subscribes a queue to the stack's topic; its messages are what a subscriber gets, without SNS's envelope.
func (s *Stack) Listen(ctx context.Context) (*Inbox, error) {
	const name = "drift"
	b := &Inbox{client: sqs.NewFromConfig(s.cfg)}
	topic := s.Outputs["TopicArn"]
	queue := strings.Replace(topic[:strings.LastIndex(topic, ":")+1], ":sns:", ":sqs:", 1) + name
	// Amazon SNS Developer Guide, "Fanout Amazon SNS notifications to Amazon SQS queues": the queue lets the topic send.
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`,
		queue, topic)
	made, err := b.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: map[string]string{"Policy": policy}})
	if err != nil {
		return nil, fmt.Errorf("making the queue %s: %w", name, err)
	}
	b.url = aws.ToString(made.QueueUrl)
	if _, err := sns.NewFromConfig(s.cfg).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &queue,
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		return nil, fmt.Errorf("subscribing the queue %s: %w", name, err)
	}
	return b, nil
}

// Receive takes the messages that are there.
func (b *Inbox) Receive(ctx context.Context) (messages []string, err error) {
	out, err := b.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &b.url, MaxNumberOfMessages: 10})
	if err != nil {
		return nil, fmt.Errorf("receiving: %w", err)
	}
	for _, m := range out.Messages {
		messages = append(messages, aws.ToString(m.Body))
		if _, err := b.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &b.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			return messages, fmt.Errorf("taking a message: %w", err)
		}
	}
	return messages, nil
}

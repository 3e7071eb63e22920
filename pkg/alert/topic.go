package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// Topic is an Amazon SNS topic. Like a Hub it has the one call that it makes.
type Topic struct {
	ARN string

	send func(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// NewTopic is the topic of an ARN. It may be another Region's: SNS takes a message only in the topic's own.
func NewTopic(cfg aws.Config, topic string) *Topic {
	client := sns.NewFromConfig(cfg, func(o *sns.Options) {
		if parsed, err := arn.Parse(topic); err == nil && parsed.Region != "" {
			o.Region = parsed.Region
		}
	})
	return &Topic{ARN: topic, send: client.Publish}
}

// fifo says whether the topic is a FIFO topic, which is told by its name. Source: Amazon SNS Developer Guide, "FIFO topics".
func (t *Topic) fifo() bool { return strings.HasSuffix(t.ARN, ".fifo") }

// message is what is published.
type message struct {
	subject, body string
	structured    bool
	attributes    map[string]types.MessageAttributeValue
	group         string // messages of a group come in order, where the topic is a FIFO topic
}

func (t *Topic) publish(ctx context.Context, m *message) (string, error) {
	in := &sns.PublishInput{TopicArn: &t.ARN, Message: &m.body, MessageAttributes: m.attributes}
	if m.subject != "" {
		in.Subject = &m.subject
	}
	if m.structured {
		in.MessageStructure = aws.String("json")
	}
	if t.fifo() {
		sum := sha256.Sum256([]byte(m.body))
		in.MessageGroupId, in.MessageDeduplicationId = aws.String(groupID(m.group)), aws.String(hex.EncodeToString(sum[:]))
	}
	out, err := t.send(ctx, in)
	if err != nil {
		return "", fmt.Errorf("publishing to %s: %w", t.ARN, err)
	}
	return aws.ToString(out.MessageId), nil
}

// groupID is a name as a group's id, which is up to 128 letters, digits and punctuation marks. Source: Amazon SNS API reference, Publish.
func groupID(name string) string {
	name = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return '-'
	}, name)
	return name[:min(len(name), 128)]
}

// attributes are for subscriptions' filter policies. None is empty, and there are at most 10: five and alerts.tags, of which there are at most
// five. Sources: Amazon SNS API reference, MessageAttributeValue; Developer Guide, "Amazon SNS message attributes".
func (a *Alert) attributes(tags map[string][]string) map[string]types.MessageAttributeValue {
	attributes := map[string]types.MessageAttributeValue{}
	verdict := ""
	if a.Verdict != nil {
		verdict = string(*a.Verdict)
	}
	for name, value := range map[string]string{
		"event": string(a.Event), "verdict": verdict, "severity": string(a.Severity), "account": a.Account, "region": a.Region,
	} {
		if value != "" {
			attributes[name] = text(value)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if name := attributeName(key); len(attributes) < maxAttributes && name != "" {
			attributes[name] = texts(tags[key])
		}
	}
	return attributes
}

const maxAttributes = 10

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

// texts is one value, or several as a list: a filter policy takes the message if any of them matches.
func texts(values []string) types.MessageAttributeValue {
	if len(values) == 1 {
		return text(values[0])
	}
	list, _ := json.Marshal(values) // texts can always be written
	return types.MessageAttributeValue{DataType: aws.String("String.Array"), StringValue: aws.String(string(list))}
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// attributeName is a tag's key as an attribute's name. Source: Amazon SNS Developer Guide, "Amazon SNS message attributes": letters, digits,
// hyphens, underscores and, in places, periods.
func attributeName(key string) string { return notInName.ReplaceAllString(key, "_") }

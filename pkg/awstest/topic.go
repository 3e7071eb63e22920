package awstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Message is a message published to a topic.
type Message struct {
	ID         string
	Topic      string // ARN
	Subject    string
	Body       string
	Structure  string            // json, or empty
	Attributes map[string]string // values by name
	At         time.Time
}

// AddTopic puts an SNS topic into this Region and gives its ARN.
func (a *Account) AddTopic(name string) string {
	r, unlock := a.lock()
	defer unlock()
	arn := a.state.arn("sns", r.name, name)
	r.topics[arn] = true
	return arn
}

// Messages are what was published in this Region, in order. They are not delivered to anybody.
func (a *Account) Messages() []Message {
	r, unlock := a.lock()
	defer unlock()
	out := slices.Clone(r.messages)
	for i := range out {
		out[i].Attributes = maps.Clone(out[i].Attributes)
	}
	return out
}

func topicOperations() []*operation {
	return []*operation{{
		service: "sns", name: "Publish", write: true, run: publish,
		resource: func(x *exchange) string { return x.form.Get("TopicArn") },
	}}
}

// maxMessage is the longest message, in bytes of UTF-8 (SNS API reference, Publish).
const maxMessage = 262_144

func publish(x *exchange) (any, error) {
	m := Message{
		Topic: x.form.Get("TopicArn"), Subject: x.form.Get("Subject"), Body: x.form.Get("Message"),
		Structure: x.form.Get("MessageStructure"), Attributes: map[string]string{}, At: x.now,
	}
	total := len(m.Body)
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		if !x.form.Has(prefix + "Name") {
			break
		}
		if x.form.Get(prefix+"Value.DataType") == "" {
			return nil, bad("InvalidParameterValue", "The message attribute '%s' must contain non-empty message attribute type.", x.form.Get(prefix+"Name"))
		}
		m.Attributes[x.form.Get(prefix+"Name")] = x.form.Get(prefix + "Value.StringValue")
		total += len(x.form.Get(prefix+"Name")) + len(x.form.Get(prefix+"Value.StringValue"))
	}
	switch {
	case m.Body == "":
		return nil, bad("InvalidParameter", "Invalid parameter: Empty message")
	case total > maxMessage:
		return nil, bad("InvalidParameter", "Invalid parameter: Message too long")
	case len([]rune(m.Subject)) > 100 || strings.ContainsAny(m.Subject, "\n\r"):
		return nil, bad("InvalidParameter", "Invalid parameter: Subject")
	case m.Structure == "json" && !hasDefault(m.Body):
		return nil, bad("InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body")
	case !x.reg.topics[m.Topic]:
		return nil, failure(http.StatusNotFound, "NotFound", "Topic does not exist")
	}
	m.ID = x.srv.uuid()
	x.reg.messages = append(x.reg.messages, m)
	return struct{ MessageId string }{m.ID}, nil //nolint:revive // the name is AWS's
}

func hasDefault(body string) bool {
	var forms map[string]json.RawMessage
	return json.Unmarshal([]byte(body), &forms) == nil && forms["default"] != nil
}

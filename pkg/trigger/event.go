package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The kinds of events that CloudTrail gives to EventBridge. Source: EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
const (
	apiCall      = "AWS API Call via CloudTrail"
	serviceEvent = "AWS Service Event via CloudTrail"
)

// Event is one event of EventBridge, as far as it decides what to look at.
type Event struct {
	ID      string
	Source  string // "lambda.amazonaws.com"; of what CloudTrail did not record, the envelope's
	Name    string // "RemovePermission20150331v2"
	Account string
	Region  string
	At      time.Time    // zero where the event does not say
	Caller  rotation.ARN // who called
	Issuer  rotation.ARN // the role of which the caller is a session

	idle  bool // a call that failed or only reads
	moved moved
}

// envelope is the event as EventBridge delivers it. Source: EventBridge User Guide, "Events".
type envelope struct {
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Region     string          `json:"region"`
	Time       string          `json:"time"`
	Detail     json.RawMessage `json:"detail"`
}

// record is the part of a CloudTrail record that is used. Source: CloudTrail User Guide, "CloudTrail record contents".
type record struct {
	EventSource string
	EventName   string
	AWSRegion   string
	ReadOnly    bool
	ErrorCode   string
	Recipient   string `json:"recipientAccountId"`
	Identity    struct {
		ARN     rotation.ARN
		Session struct {
			Issuer struct{ ARN rotation.ARN } `json:"sessionIssuer"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	Resources  []struct{ ARN rotation.ARN }
	Request    fields `json:"requestParameters"`
	Response   fields `json:"responseElements"`
	Additional fields `json:"additionalEventData"`
}

// fields are an object's members that are text, by their names in lower case: services spell the same name in more than one way ("arn" and
// "aRN"; Secrets Manager User Guide, "CloudTrail entries"). What is no object has none.
type fields map[string]string

// UnmarshalJSON keeps what is text or a Boolean.
func (f *fields) UnmarshalJSON(data []byte) error {
	var members map[string]any
	if json.Unmarshal(data, &members) != nil {
		return nil //nolint:nilerr // CloudTrail writes null, and may write what it left out as text
	}
	*f = fields{}
	for name, value := range members {
		switch v := value.(type) {
		case string:
			(*f)[strings.ToLower(name)] = v
		case bool:
			(*f)[strings.ToLower(name)] = fmt.Sprint(v)
		}
	}
	return nil
}

// Parse reads an event as EventBridge delivers it, to a function or into a queue. An event that CloudTrail did not record, or of a service that
// has nothing to do with rotation, is no error: it concerns nothing.
func Parse(data []byte) (Event, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return Event{}, errors.New("not an event of EventBridge: not a JSON object with its fields")
	}
	if e.DetailType == "" || e.Source == "" {
		return Event{}, errors.New("not an event of EventBridge: it has no detail-type or no source")
	}
	event := Event{ID: e.ID, Source: e.Source, Account: e.Account, Region: e.Region, idle: true}
	if at, err := time.Parse(time.RFC3339, e.Time); err == nil {
		event.At = at
	}
	if e.DetailType != apiCall && e.DetailType != serviceEvent {
		return event, nil
	}
	var r record
	if err := json.Unmarshal(e.Detail, &r); err != nil || r.EventSource == "" || r.EventName == "" {
		return Event{}, fmt.Errorf("event %s: its detail is no record of CloudTrail", rotation.OneLine(e.ID))
	}
	event.Source, event.Name = r.EventSource, r.EventName
	event.Caller, event.Issuer = r.Identity.ARN, r.Identity.Session.Issuer.ARN
	if r.Recipient != "" {
		event.Account = r.Recipient
	}
	if r.AWSRegion != "" {
		event.Region = r.AWSRegion
	}
	if event.idle = r.ReadOnly || e.DetailType == apiCall && r.ErrorCode != ""; !event.idle {
		event.moved = event.read(&r)
	}
	return event, nil
}

// IsEvent says whether an object has the form of an event of EventBridge that CloudTrail recorded.
func IsEvent(data []byte) bool {
	var e envelope
	return json.Unmarshal(data, &e) == nil && (e.DetailType == apiCall || e.DetailType == serviceEvent)
}

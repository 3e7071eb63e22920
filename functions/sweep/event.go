package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/trigger"
)

// maxEvent is the largest event that is read, in bytes.
const maxEvent = 256 << 10

// request is what an event asks for: a mode, empty for the deployed one, and the secrets whose functions to sweep.
type request struct {
	mode  repair.Mode
	scope rotation.Scope
	run   string // the run's name, by which its report is found

	events []trigger.Event // what they concern is the scope
	from   *place          // where the sweep goes on, nil for its beginning
}

// parseEvent reads an event. Nothing but a schedule's event, an empty one, and mode, secrets and tags by hand is taken: an event that
// would be half understood could sweep or repair something else than was meant. Errors are one line.
func parseEvent(payload []byte) (request, error) {
	if len(payload) > maxEvent {
		return request{}, fmt.Errorf("event: %d bytes are larger than %d KiB", len(payload), maxEvent>>10)
	}
	fields, err := parseObject(payload)
	if err != nil {
		return request{}, fmt.Errorf("event: %w", err)
	}
	if _, ok := fields["detail-type"]; ok {
		return request{}, schedule(fields)
	}
	return byHand(fields)
}

// schedule takes the event of an EventBridge rule with a schedule (EventBridge User Guide, "Creating a rule that runs on a schedule") and
// what EventBridge Scheduler sends where a schedule has no input. Both ask for the full sweep; fields that AWS may add decide nothing.
func schedule(fields map[string]json.RawMessage) error {
	var kind, source string
	if json.Unmarshal(fields["detail-type"], &kind) != nil || json.Unmarshal(fields["source"], &source) != nil {
		return errors.New("event: detail-type and source are text in an EventBridge event")
	}
	if kind != "Scheduled Event" || source != "aws.events" && source != "aws.scheduler" {
		return fmt.Errorf("event: %q of %q is not a schedule's event: only schedules, calls that CloudTrail recorded and events by hand start a sweep", kind, source)
	}
	for _, field := range handFields {
		if _, ok := fields[field]; ok {
			return fmt.Errorf("event: a schedule's event has no field %q: give the schedule an input of its own for that", field)
		}
	}
	return nil
}

// handFields are the fields of an event by hand.
var handFields = []string{"mode", "secrets", "tags"}

func byHand(fields map[string]json.RawMessage) (request, error) {
	for name := range fields {
		if !slices.Contains(handFields, name) {
			return request{}, fmt.Errorf("event: unknown field %q: an event is a schedule's, {}, or holds %s", clip(name), strings.Join(handFields, ", "))
		}
	}
	var r request
	var err error
	if raw, ok := fields["mode"]; ok {
		if r.mode, err = parseMode(raw); err != nil {
			return request{}, err
		}
	}
	if raw, ok := fields["secrets"]; ok {
		if r.scope.Secrets, err = parseSecrets(raw); err != nil {
			return request{}, err
		}
	}
	if raw, ok := fields["tags"]; ok {
		if r.scope.Tags, err = parseTags(raw); err != nil {
			return request{}, err
		}
	}
	return r, nil
}

func parseMode(raw json.RawMessage) (repair.Mode, error) {
	var text *string
	if json.Unmarshal(raw, &text) != nil || text == nil {
		return "", fmt.Errorf("event: mode is %s: it is text", kindOf(raw))
	}
	mode, err := repair.ParseMode(clip(*text))
	if err != nil {
		return "", fmt.Errorf("event: %w", err)
	}
	return mode, nil
}

// An empty list would pick nothing where it stands, and be the whole account to the sweep; whoever sends it meant neither for sure.
const leaveOut = "leave it out to sweep the whole account"

func parseSecrets(raw json.RawMessage) ([]string, error) {
	var list []*string
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, fmt.Errorf("event: secrets is %s: it is a list of names and ARNs", kindOf(raw))
	}
	if len(list) == 0 {
		return nil, errors.New("event: secrets is empty: " + leaveOut)
	}
	secrets := make([]string, len(list))
	for i, s := range list {
		if s == nil || *s == "" {
			return nil, fmt.Errorf("event: secrets[%d] names no secret", i)
		}
		secrets[i] = *s
	}
	return secrets, nil
}

func parseTags(raw json.RawMessage) (map[string]string, error) {
	var values map[string]*string
	if json.Unmarshal(raw, &values) != nil || values == nil {
		return nil, fmt.Errorf("event: tags is %s: it is an object of text", kindOf(raw))
	}
	if len(values) == 0 {
		return nil, errors.New("event: tags is empty: " + leaveOut)
	}
	tags := make(map[string]string, len(values))
	for key, value := range values {
		switch {
		case key == "":
			return nil, errors.New("event: tags has an empty key")
		case value == nil:
			return nil, fmt.Errorf("event: tags[%q] is null: an empty text matches any value", clip(key))
		}
		tags[key] = *value
	}
	return tags, nil
}

// parseObject reads one JSON object by its exact field names. No payload at all is an empty object: that is what an invocation without one
// means.
func parseObject(payload []byte) (map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(payload)) == 0 {
		return fields, nil
	}
	if !json.Valid(payload) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("%s is no event: it is an object", kindOf(payload))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, errors.New("not JSON")
		}
		field, _ := name.(string)
		if _, twice := fields[field]; twice {
			return nil, fmt.Errorf("field %q is there twice", clip(field))
		}
		fields[field] = raw
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON")
	}
	return fields, nil
}

// kindOf says what a JSON value is, for a message.
func kindOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// clip keeps what a sender wrote short in a message.
func clip(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

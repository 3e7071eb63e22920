package trigger

import (
	"strings"
	"testing"
)

func TestCause(t *testing.T) {
	parse := func(name, caller string) Event {
		e, err := Parse([]byte(`{"id":"e-1","detail-type":"AWS API Call via CloudTrail","source":"aws.lambda","time":"2026-11-25T06:00:00Z","detail":{
			"eventSource":"lambda.amazonaws.com","eventName":"` + name + `","userIdentity":{"arn":"` + caller + `"},"requestParameters":{"functionName":"f"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	const writer = "arn:aws:iam::123456789012:role/writer"
	theirs := parse("RemovePermission20150331v2", "arn:aws:sts::123456789012:assumed-role/deploy/x")
	ours := parse("AddPermission20150331v2", "arn:aws:sts::123456789012:assumed-role/writer/run")
	const one = "RemovePermission20150331v2 by arn:aws:sts::123456789012:assumed-role/deploy/x at 2026-11-25T06:00:00Z (event e-1)"
	for _, tt := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"one", []Event{theirs}, one},
		{"our own writes are no cause", []Event{ours, theirs}, one},
		{"nothing", []Event{ours}, ""},
		{"a burst names the first", []Event{theirs, theirs, theirs, theirs, ours, theirs}, strings.Join([]string{one, one, one, "and 2 more"}, "; ")},
		{"an event that says little", []Event{{Name: "DeleteRole\nx"}}, "DeleteRole x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Cause(tt.events, writer); got != tt.want {
				t.Errorf("Cause = %q, want %q", got, tt.want)
			}
		})
	}
}

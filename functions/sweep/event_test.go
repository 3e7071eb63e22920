package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestSampleEvents(t *testing.T) {
	want := map[string]request{
		"event-everything.json": {},
		"event-schedule.json":   {},
		"event-rule.json":       {},
		"event.json": {mode: repair.ModeReport, scope: rotation.Scope{
			Secrets: []string{"prod/orders/db", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/hr/db-AbCdEf"},
			Tags:    map[string]string{"team": "payments"},
		}},
	}
	others := []string{ // read by parseBatch, parseItem and parseTriggered
		"event-batch.json", "event-target.json", "event-lambda.json", "event-iam.json", "event-kms.json", "event-secretsmanager.json", "event-rotation-failed.json",
	}
	files, err := filepath.Glob("event*.json")
	files = slices.DeleteFunc(files, func(f string) bool { return slices.Contains(others, f) })
	if err != nil || len(files) != len(want) {
		t.Fatalf("samples %v (%v), want %d", files, err, len(want))
	}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseEvent(payload)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if d := cmp.Diff(want[file], got, cmp.AllowUnexported(request{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
	}
}

func TestSampleOfABatch(t *testing.T) {
	payload, err := os.ReadFile("event-batch.json")
	if err != nil {
		t.Fatal(err)
	}
	b, ok, err := parseBatch(slog.New(slog.DiscardHandler), payload)
	if !ok || err != nil || len(b.events) != 2 || b.events[1].Name != "DeleteRolePolicy" || len(b.poison) != 1 {
		t.Errorf("%+v, %t, %v", b, ok, err)
	}
	for name, payload := range map[string]string{
		"of another source": `{"Records":[{"messageId":"1","eventSource":"aws:kinesis"}]}`, "without an id": `{"Records":[{"eventSource":"aws:sqs"}]}`,
	} {
		if _, ok, err := parseBatch(slog.New(slog.DiscardHandler), []byte(payload)); !ok || err == nil {
			t.Errorf("a message %s was taken", name)
		}
	}
	if _, ok, _ := parseBatch(slog.New(slog.DiscardHandler), []byte(`{"secrets":["a"]}`)); ok {
		t.Error("an event by hand was taken for a batch")
	}
}

func TestEventsThatAreTaken(t *testing.T) {
	tests := []struct {
		name, event string
		want        request
	}{
		{"no payload asks for everything", "", request{}},
		{"white space is no payload", " \n", request{}},
		{"a mode alone", `{"mode":"enforce"}`, request{mode: repair.ModeEnforce}},
		{"an empty tag value matches any", `{"tags":{"team":""}}`, request{scope: rotation.Scope{Tags: map[string]string{"team": ""}}}},
		{"fields that AWS adds to a schedule's event decide nothing", `{"detail-type":"Scheduled Event","source":"aws.events","replay-name":"x"}`, request{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEvent([]byte(tt.event))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(request{})); d != "" {
				t.Errorf("parseEvent (-want +got):\n%s", d)
			}
		})
	}
}

func TestEventsThatAreRefused(t *testing.T) {
	tests := []struct{ name, event, want string }{
		{"garbage", `mode=repair`, "not JSON"},
		{"half an object", `{"mode":"report"`, "not JSON"},
		{"more than one value", `{} {}`, "not JSON"},
		{"null", `null`, "null is no event"},
		{"a list", `[{"mode":"report"}]`, "a list is no event"},
		{"text", `"report"`, "text is no event"},
		{"an unknown field", `{"mode":"report","dry_run":true}`, `unknown field "dry_run"`},
		{"a field in another case", `{"Mode":"repair"}`, `unknown field "Mode"`},
		{"a field twice", `{"mode":"report","mode":"repair"}`, `field "mode" is there twice`},
		{"an unknown mode", `{"mode":"fix"}`, `unknown mode "fix": it is report, repair or enforce`},
		{"a mode that is no text", `{"mode":1}`, "mode is a number"},
		{"a mode that is null", `{"mode":null}`, "mode is null"},
		{"an empty mode", `{"mode":""}`, `unknown mode ""`},
		{"a secret that is no list", `{"secrets":"prod/db"}`, "secrets is text"},
		{"no secrets", `{"secrets":[]}`, "leave it out"},
		{"secrets that are null", `{"secrets":null}`, "secrets is null"},
		{"a secret without a name", `{"secrets":["a",""]}`, "secrets[1]"},
		{"a secret that is no text", `{"secrets":[1]}`, "secrets is a list"},
		{"tags that are a list", `{"tags":["team"]}`, "tags is a list"},
		{"no tags", `{"tags":{}}`, "leave it out"},
		{"a tag without a key", `{"tags":{"":"x"}}`, "empty key"},
		{"a tag that is null", `{"tags":{"team":null}}`, `tags["team"] is null`},
		{"a tag that is no text", `{"tags":{"team":7}}`, "tags is an object"},
		{"an event of CloudTrail", `{"detail-type":"AWS API Call via CloudTrail","source":"aws.lambda","detail":{}}`, `"AWS API Call via CloudTrail" of "aws.lambda" is not a schedule's event`},
		{"an EventBridge event without source", `{"detail-type":"Scheduled Event"}`, "source are text"},
		{"a schedule of somebody else", `{"detail-type":"Scheduled Event","source":"my.app"}`, "is not a schedule's event"},
		{"a schedule that also names a mode", `{"detail-type":"Scheduled Event","source":"aws.events","mode":"report"}`, `no field "mode"`},
		{"messages of a queue", `{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}`, `unknown field "Records"`},
		{"one byte over 256 KiB", `{"secrets":["` + strings.Repeat("x", maxEvent-15) + `"]}`, "262145 bytes are larger than 256 KiB"},
		{"a field name full of control characters", "{\"a\\u001b[31m\\n\":1}", `unknown field "a\x1b[31m\n"`},
		{"a long field name", `{"` + strings.Repeat("x", 5000) + `":1}`, "x…"},
		{"a depth that would exhaust the reader", `{"secrets":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`, "not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEvent([]byte(tt.event))
			if err == nil {
				t.Fatalf("taken as %+v", got)
			}
			if !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 400 {
				t.Errorf("error %q, want one line with %q", err, tt.want)
			}
		})
	}
}

func FuzzEvent(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"mode":"repair","secrets":["a"],"tags":{"k":"v"}}`, `{"detail-type":"Scheduled Event","source":"aws.events"}`, `{"mode":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := parseEvent(payload)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("error of more than one line: %q", err)
			}
			return
		}
		if r.mode != "" && !r.mode.AtMost(repair.ModeEnforce) {
			t.Errorf("mode %q", r.mode)
		}
		for _, s := range r.scope.Secrets {
			if s == "" {
				t.Error("an empty secret")
			}
		}
	})
}

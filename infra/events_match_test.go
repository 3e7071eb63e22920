package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/rotationguard/rotationguard/scripts/demo/deployed"
)

// TestRulesAsAnotherReadsThem asks ministack's EventBridge, which is no work of ours, which of the synthesized patterns match the sample events that
// lie beside the function, and events that are nearly such.
func TestRulesAsAnotherReadsThem(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an emulator")
	}
	m, err := deployed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	client := eventbridge.NewFromConfig(m.Config())
	patterns := map[string]string{}
	tm := synth(t, defaultSettings())
	for _, id := range tm.ofType("AWS::Events::Rule") {
		pattern := tm.Resources[id].Properties["EventPattern"].(map[string]any)
		patterns[pattern["source"].([]any)[0].(string)] = string(encoded(t, pattern))
	}
	detail := func(name string, value any) func(map[string]any) {
		return func(event map[string]any) { event["detail"].(map[string]any)[name] = value }
	}
	as := func(map[string]any) {} // as it is
	tests := []struct {
		name, file string
		change     func(map[string]any)
		rule       string // the source of the one rule that matches; "" for none
	}{
		{"a call of Lambda with the API's date and version", "lambda", as, "aws.lambda"},
		{"a call of Lambda with the API's date alone", "lambda", detail("eventName", "CreateFunction20150331"), "aws.lambda"},
		{"a call of Lambda without a date", "lambda", detail("eventName", "PutResourcePolicy"), "aws.lambda"},
		{"another call of Lambda", "lambda", detail("eventName", "UpdateFunctionConfiguration20150331v2"), "aws.lambda"},
		{"new code changes nothing that is compared", "lambda", detail("eventName", "UpdateFunctionCode20150331v2"), ""},
		{"a call that reads", "lambda", detail("eventName", "GetPolicy20150331v2"), ""},
		{"a call that was denied", "lambda", detail("errorCode", "AccessDenied"), ""},
		{"a call of another service under Lambda's source", "lambda", detail("eventSource", "iam.amazonaws.com"), ""},
		{"a call of IAM", "iam", as, "aws.iam"},
		{"a call of IAM with a name that only begins alike", "iam", detail("eventName", "PutRolePolicyElsewhere"), ""},
		{"a call of IAM that failed", "iam", detail("errorCode", "NoSuchEntityException"), ""},
		{"a call of IAM about a user", "iam", detail("eventName", "PutUserPolicy"), ""},
		{"a call of Secrets Manager", "secretsmanager", as, "aws.secretsmanager"},
		{"a read of a value", "secretsmanager", detail("eventName", "GetSecretValue"), ""},
		{"a write of a value", "secretsmanager", detail("eventName", "PutSecretValue"), ""},
		{"a failed rotation", "rotation-failed", as, "aws.secretsmanager"},
		{"a rotation that succeeded", "rotation-failed", detail("eventName", "RotationSucceeded"), ""},
		{"a call of KMS", "kms", as, "aws.kms"},
		{"a use of a key", "kms", detail("eventName", "Decrypt"), ""},
		{"a schedule", "schedule", as, ""},
		{"another kind of event", "lambda", func(event map[string]any) { event["detail-type"] = "AWS Service Event via CloudTrail" }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var event map[string]any
			if err := json.Unmarshal(readFile(t, filepath.Join("..", "functions", "sweep", "event-"+tt.file+".json")), &event); err != nil {
				t.Fatal(err)
			}
			tt.change(event)
			text := string(encoded(t, event))
			for rule, pattern := range patterns {
				out, err := client.TestEventPattern(t.Context(), &eventbridge.TestEventPatternInput{Event: &text, EventPattern: &pattern})
				if err != nil {
					t.Fatal(err)
				}
				if out.Result != (rule == tt.rule) {
					t.Errorf("the rule of %s matches: %v", rule, out.Result)
				}
			}
		})
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/trigger"
)

// TestEventsThatAreSentAreUnderstood: every call that a rule matches moves what package trigger looks at.
func TestEventsThatAreSentAreUnderstood(t *testing.T) {
	const (
		function = "arn:aws:lambda:eu-west-1:111122223333:function:rotate"
		secret   = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"
		role     = "arn:aws:iam::111122223333:role/rotate"
		policy   = "arn:aws:iam::111122223333:policy/rotate"
		key      = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	)
	uses := rotation.Uses{Role: role, Policies: []rotation.ARN{policy}, Keys: []rotation.ARN{key}}
	index := &rotation.Index{
		Functions: map[rotation.ARN]rotation.Uses{function: uses, function + ":live": uses}, Secrets: map[rotation.ARN]rotation.ARN{secret: function},
	}
	request := map[string]any{
		"functionName": function, "resourceArn": function, "resource": function, "name": "live", "roleName": "rotate", "policyArn": policy, "keyId": key, "secretId": secret,
	}
	for _, w := range watches {
		if len(w.calls) == 0 {
			t.Errorf("%s watches nothing", w.id)
		}
		for _, name := range slices.Concat(w.calls, w.events) {
			kind := apiCall
			if slices.Contains(w.events, name) {
				kind = serviceEvent
			}
			if w.prefixed {
				name += "20150331v2"
			}
			e, err := trigger.Parse(encoded(t, map[string]any{
				"id": "1", "detail-type": kind, "source": w.source, "account": "111122223333", "region": "eu-west-1",
				"detail": map[string]any{
					"eventSource": w.service, "eventName": name, "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
					"requestParameters": request, "additionalEventData": map[string]any{"SecretId": secret},
				},
			}))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, concerned := trigger.Scope([]trigger.Event{e}, index, "", ""); !concerned {
				t.Errorf("%s of %s starts the function and concerns nothing", name, w.service)
			}
		}
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRulesMatchCallsThatSucceeded(t *testing.T) {
	tm := synth(t, defaultSettings())
	rules := map[string]map[string]any{}
	for _, id := range tm.ofType("AWS::Events::Rule") {
		pattern := tm.Resources[id].Properties["EventPattern"].(map[string]any)
		rules[pattern["source"].([]any)[0].(string)] = pattern
		// EventBridge User Guide, "Amazon EventBridge quotas": an event pattern has at most 2,048 characters.
		if n := len(encoded(t, pattern)); n > 2048 {
			t.Errorf("the pattern of %s has %d characters, more than EventBridge takes", id, n)
		}
	}
	if got, want := slices.Sorted(maps.Keys(rules)), []string{"aws.iam", "aws.kms", "aws.lambda", "aws.secretsmanager"}; !slices.Equal(got, want) {
		t.Fatalf("rules for %v, want %v", got, want)
	}
	for source, want := range map[string]string{
		"aws.lambda": `{"prefix":"RemovePermission"}`, "aws.iam": `"UpdateAssumeRolePolicy"`, "aws.kms": `"ScheduleKeyDeletion"`, "aws.secretsmanager": `"RotationFailed"`,
	} {
		if names := string(encoded(t, rules[source]["detail"])); !strings.Contains(names, want) {
			t.Errorf("the rule of %s does not match %s: %s", source, want, names)
		}
	}
	for _, source := range []string{"aws.lambda", "aws.iam", "aws.kms"} {
		detail := rules[source]["detail"].(map[string]any)
		if diff := cmp.Diff([]any{map[string]any{"exists": false}}, detail["errorCode"]); diff != "" {
			t.Errorf("the rule of %s matches calls that failed:\n%s", source, diff)
		}
	}
	if got := fmt.Sprint(rules["aws.secretsmanager"]["detail-type"]); got != "["+apiCall+" "+serviceEvent+"]" {
		t.Errorf("Secrets Manager's rule matches %s", got)
	}
}

func TestEventsReachTheFunctionManyAtATime(t *testing.T) {
	tests := []struct {
		name, typ  string
		properties map[string]any
	}{
		{"the queue is encrypted, lasts longer than a sweep and gives up after three tries", "AWS::SQS::Queue", map[string]any{
			"SqsManagedSseEnabled": true, "VisibilityTimeout": 920,
			"RedrivePolicy": map[string]any{"maxReceiveCount": 3, "deadLetterTargetArn": map[string]any{"Fn::GetAtt": []any{assertions.Match_StringLikeRegexp(text("^DeadLetters")), "Arn"}}},
		}},
		{"a window's events are one batch, of which single ones may fail", "AWS::Lambda::EventSourceMapping", map[string]any{
			"BatchSize": 10000, "MaximumBatchingWindowInSeconds": 20, "FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "ScalingConfig": map[string]any{"MaximumConcurrency": 2},
			"EventSourceArn": map[string]any{"Fn::GetAtt": []any{assertions.Match_StringLikeRegexp(text("^Events")), "Arn"}},
		}},
		{"what cannot be sent to the queue is a dead letter", "AWS::Events::Rule", map[string]any{
			"State": "ENABLED",
			"Targets": []any{assertions.Match_ObjectLike(&map[string]any{
				"Arn":              map[string]any{"Fn::GetAtt": []any{assertions.Match_StringLikeRegexp(text("^Events")), "Arn"}},
				"DeadLetterConfig": map[string]any{"Arn": assertions.Match_AnyValue()},
				"InputPath":        assertions.Match_Absent(), "InputTransformer": assertions.Match_Absent(), "Input": assertions.Match_Absent(),
			})},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { has(t, defaultSettings(), tt.typ, tt.properties) })
	}
}

// TestQueuesTakeFromTheirSendersAlone reads the policies of both queues.
func TestQueuesTakeFromTheirSendersAlone(t *testing.T) {
	tm := synth(t, defaultSettings())
	for _, id := range tm.ofType("AWS::SQS::QueuePolicy") {
		tls := false
		for _, s := range tm.Resources[id].Properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			s := s.(map[string]any)
			principal := strings.Join(texts(principals(s)), " ")
			condition := string(encoded(t, s["Condition"]))
			switch {
			case s["Effect"] == "Deny":
				tls = tls || principal == "*" && strings.Contains(condition, `"aws:SecureTransport":"false"`)
			case principal != "events.amazonaws.com" || !strings.Contains(condition, "aws:SourceArn"):
				t.Errorf("%s: %s may %v under %s", id, principal, s["Action"], condition)
			}
		}
		if !tls {
			t.Errorf("%s takes messages without TLS", id)
		}
	}
}

func TestFunctionMayInvokeItselfAndNothingElse(t *testing.T) {
	tm := synth(t, defaultSettings())
	want := []string{"<" + tm.named(t, "Sweep") + ".Arn>"}
	var got [][]string
	for _, g := range tm.grants(t, tm.named(t, "Reader")) {
		if slices.Contains(g.Actions, "lambda:InvokeFunction") {
			got = append(got, g.Resources)
		}
	}
	if len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("the function may invoke %v, want %v", got, want)
	}
}

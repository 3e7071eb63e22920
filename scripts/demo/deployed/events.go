package deployed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// Invoke runs the deployed function as "aws lambda invoke" does; its answer, or what it failed with.
func (s *Stack) Invoke(ctx context.Context, payload string) ([]byte, error) {
	name := s.Outputs["FunctionName"]
	out, err := lambda.NewFromConfig(s.cfg).Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload)})
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", name, err)
	}
	if out.FunctionError != nil {
		return nil, fmt.Errorf("%s failed: %s", name, out.Payload)
	}
	return out.Payload, nil
}

// Send puts an event on the stack's queue, as its rules do: nobody but AWS may put events of AWS's own sources on a bus.
func (s *Stack) Send(ctx context.Context, event string) error {
	queue := s.Outputs["EventsQueueUrl"]
	if _, err := sqs.NewFromConfig(s.cfg).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &event}); err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	return nil
}

// Granted says whether a function's policy lets Secrets Manager invoke it.
func (m *Ministack) Granted(ctx context.Context, function string) (bool, error) {
	out, err := lambda.NewFromConfig(m.Config()).GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &function})
	var none *types.ResourceNotFoundException
	switch {
	case errors.As(err, &none):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the policy of %s: %w", function, err)
	}
	return strings.Contains(aws.ToString(out.Policy), "secretsmanager.amazonaws.com"), nil
}

// Ungrant removes every statement of a function's policy, and gives the event that CloudTrail records of that.
func (m *Ministack) Ungrant(ctx context.Context, function string) (event string, err error) {
	client := lambda.NewFromConfig(m.Config())
	out, err := client.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &function})
	if err != nil {
		return "", fmt.Errorf("reading the policy of %s: %w", function, err)
	}
	var policy struct{ Statement []struct{ Sid string } }
	if err := json.Unmarshal([]byte(aws.ToString(out.Policy)), &policy); err != nil {
		return "", fmt.Errorf("reading the policy of %s: %w", function, err)
	}
	for _, s := range policy.Statement {
		if _, err := client.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: &function, StatementId: &s.Sid}); err != nil {
			return "", fmt.Errorf("removing %s from the policy of %s: %w", s.Sid, function, err)
		}
		if event, err = removal(function, s.Sid); err != nil {
			return "", err
		}
	}
	if event == "" {
		return "", fmt.Errorf("the policy of %s has no statement", function)
	}
	return event, nil
}

// removal is RemovePermission as CloudTrail records it and EventBridge delivers it. Source: Lambda Developer Guide, "Logging AWS Lambda API calls using
// AWS CloudTrail".
func removal(function, sid string) (string, error) {
	data, err := json.Marshal(map[string]any{
		"version": "0", "id": "2c0e6b1a-7d0d-4f0e-9a64-5a4f5d2b9e11", "detail-type": "AWS API Call via CloudTrail", "source": "aws.lambda",
		"account": account.ID, "region": account.Region, "time": time.Now().UTC().Format(time.RFC3339), "resources": []string{},
		"detail": map[string]any{
			"eventVersion": "1.11", "eventSource": "lambda.amazonaws.com", "eventName": "RemovePermission20150331v2", "awsRegion": account.Region,
			"userIdentity": map[string]any{
				"type": "AssumedRole", "arn": "arn:aws:sts::" + account.ID + ":assumed-role/developer/ann", "accountId": account.ID,
				"sessionContext": map[string]any{"sessionIssuer": map[string]any{"type": "Role", "arn": "arn:aws:iam::" + account.ID + ":role/developer"}},
			},
			"requestParameters": map[string]any{"functionName": function, "statementId": sid}, "responseElements": nil, "readOnly": false,
			"eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": account.ID, "eventCategory": "Management",
		},
	})
	return string(data), err
}

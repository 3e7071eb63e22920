//go:build long

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// previousRelease is the template of the release before, with this release's code: what a user updates from.
func previousRelease(t *testing.T) string {
	t.Helper()
	folder := release(t, modeReport, nil)
	template := string(readFile(t, "testdata/previous.template.json"))
	if runtime.GOARCH == "arm64" {
		template = strings.Replace(template, `"x86_64"`, `"arm64"`, 1)
	}
	if err := os.WriteFile(filepath.Join(folder, "Rotationguard.template.json"), []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestLongDeployedStackLives carries a stack from the release before through an update, its own schedule, mode repair, mode report and a poisoned
// event to its end.
func TestLongDeployedStackLives(t *testing.T) {
	p := newProof(t)
	p.deploy(t, previousRelease(t))
	table := p.stack.Outputs["LedgerTable"]
	p.sweep(t, "{}")
	p.told(t, `"event":"new"`, 10*time.Second)
	before := p.runs(t)

	// An update keeps the data: the table is the same, and what was told is not told again.
	p.deploy(t, release(t, modeReport, map[string]any{"schedule": "rate(1 minute)", "window": 0}))
	if p.stack.Outputs["LedgerTable"] != table {
		t.Fatalf("the update made another ledger: %s instead of %s", p.stack.Outputs["LedgerTable"], table)
	}
	if after := p.runs(t); len(before) != 1 || len(after) != 1 || after[0].Hash != before[0].Hash {
		t.Fatalf("the ledger had the runs %+v, and after the update %+v", before, after)
	}
	// The schedule starts the next sweep by itself.
	await(t, "a sweep on schedule", 3*time.Minute, func() bool {
		runs := p.runs(t)
		return len(runs) > 1 && slices.ContainsFunc(runs, func(r ledger.Run) bool { return r.Number == 2 })
	})
	if messages, err := p.inbox.Receive(t.Context()); err != nil || len(messages) > 0 {
		t.Errorf("what was told before the update is told again: %d messages, %v", len(messages), err)
	}

	if got := p.writers(t); got != nil {
		t.Errorf("mode report has the writer %v", got)
	}
	p.deploy(t, release(t, modeRepair, nil))
	if got := p.writers(t); len(got) != 1 {
		t.Errorf("mode repair has the writers %v, want one", got)
	}
	answer := p.sweep(t, "{}")
	if o := p.report(t, answer.Report); len(o.Changes) == 0 {
		t.Error("the deployed function repaired nothing")
	}
	p.told(t, `resolved-by-us`, 10*time.Second)

	p.deploy(t, release(t, modeReport, nil))
	if got := p.writers(t); got != nil {
		t.Errorf("back in mode report the writer %v is left", got)
	}
	p.ungrant(t, inSyncFunction)
	p.told(t, inSyncFunction, time.Minute)
	if p.granted(t, inSyncFunction) {
		t.Error("mode report granted something")
	}

	p.poison(t)
	p.destroy(t)
}

// writers are the stack's roles that write.
func (p *proof) writers(t *testing.T) (names []string) {
	t.Helper()
	roles, err := p.stack.Resources(t.Context(), "AWS::IAM::Role")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range roles {
		if strings.Contains(name, "Writer") {
			names = append(names, name)
		}
	}
	return names
}

// poison sends what is no event, and an event with it: one is a dead letter once, the other is swept.
func (p *proof) poison(t *testing.T) {
	t.Helper()
	// Three times the queue's own would be most of an hour.
	if _, err := sqs.NewFromConfig(p.Config()).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(p.stack.Outputs["EventsQueueUrl"]), Attributes: map[string]string{"VisibilityTimeout": "1"},
	}); err != nil {
		t.Fatal(err)
	}
	p.send(t, "poison")
	await(t, "the poisoned event is a dead letter", time.Minute, func() bool {
		return p.waiting(t, "DeadLetterQueueUrl") == "1+0" && p.waiting(t, "EventsQueueUrl") == "0+0"
	})
}

// destroy deletes the stack: data stay, everything else is gone.
func (p *proof) destroy(t *testing.T) {
	t.Helper()
	cfg := p.Config()
	gone := map[string]func(id string) error{
		"AWS::Lambda::Function": func(id string) error {
			_, err := lambda.NewFromConfig(cfg).GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &id})
			return err
		},
		"AWS::IAM::Role": func(id string) error {
			_, err := iam.NewFromConfig(cfg).GetRole(t.Context(), &iam.GetRoleInput{RoleName: &id})
			return err
		},
		"AWS::SQS::Queue": func(id string) error {
			_, err := sqs.NewFromConfig(cfg).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &id})
			return err
		},
		"AWS::SNS::Topic": func(id string) error {
			_, err := sns.NewFromConfig(cfg).GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: &id})
			return err
		},
		"AWS::Events::Rule": func(id string) error {
			_, err := eventbridge.NewFromConfig(cfg).DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String(id[strings.LastIndex(id, "/")+1:])})
			return err
		},
	}
	ids := map[string][]string{}
	for typ, look := range gone {
		found, err := p.stack.Resources(t.Context(), typ)
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s in the stack: %v", typ, err)
		}
		for _, id := range found {
			if err := look(id); err != nil {
				t.Errorf("%s %s is not there before the stack goes: %v", typ, id, err)
			}
		}
		ids[typ] = found
	}
	if err := p.stack.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for typ, look := range gone {
		for _, id := range ids[typ] {
			if look(id) == nil {
				t.Errorf("%s %s is left", typ, id)
			}
		}
	}
	if runs := p.runs(t); len(runs) < 4 {
		t.Errorf("the ledger has %d runs left", len(runs))
	}
	if _, err := dynamodb.NewFromConfig(cfg).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(p.stack.Outputs["LedgerTable"])}); err != nil {
		t.Errorf("the ledger: %v", err)
	}
	kept, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(p.stack.Outputs["ReportsBucket"])})
	if err != nil || len(kept.Contents) == 0 {
		t.Errorf("the reports: %v", err)
	}
}

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
)

// forwarderOf is the forwarder's template, if there is one, and the Region that it is for.
func forwarderOf(t *testing.T, s Settings) (tm template, region string, ok bool) {
	t.Helper()
	app := newApp(t.TempDir())
	stack := addForwarder(app, s)
	if stack == nil {
		return template{}, "", false
	}
	app.Synth(nil)
	return readTemplate(t, filepath.Join(*app.Outdir(), "RotationguardForwarder.template.json")), *stack.Region(), true
}

func TestForwarderStandsInTheHomeRegionOfIAM(t *testing.T) {
	for swept, want := range map[string]string{
		"": "", "us-east-1": "", "eu-west-1": "us-east-1", "ap-southeast-4": "us-east-1", "cn-northwest-1": "cn-north-1", "cn-north-1": "",
		"us-gov-east-1": "us-gov-west-1", "us-gov-west-1": "", "us-iso-west-1": "",
	} {
		_, got, _ := forwarderOf(t, with(func(s *Settings) { s.Region = swept }))
		if got != want {
			t.Errorf("sweeping %q, the forwarder stands in %q, want %q", swept, got, want)
		}
	}
}

func TestForwarderSendsIAMsEventsToTheSweptRegion(t *testing.T) {
	s := with(func(s *Settings) { s.Region = "eu-west-1" })
	tm, _, _ := forwarderOf(t, s)
	rule := tm.only(t, "AWS::Events::Rule")
	sweep := synth(t, s)
	if diff := cmp.Diff(sweep.Resources[sweep.named(t, "IAMCalls")].Properties["EventPattern"], rule["EventPattern"]); diff != "" {
		t.Errorf("what is forwarded is not what the sweep's rule matches:\n%s", diff)
	}
	target := rule["Targets"].([]any)[0].(map[string]any)
	const bus = "arn:aws:events:eu-west-1:<AccountId>:event-bus/default"
	if got := strings.Join(texts(target["Arn"]), ""); got != bus || target["DeadLetterConfig"] == nil {
		t.Errorf("events go to %s with dead letters %v, want %s", got, target["DeadLetterConfig"], bus)
	}
	sender := tm.named(t, "Sender")
	want := []grant{{Effect: "Allow", Actions: []string{"events:PutEvents"}, Resources: []string{bus}}}
	if diff := cmp.Diff(want, tm.grants(t, sender)); diff != "" {
		t.Errorf("the rule's role may (-want +got):\n%s", diff)
	}
	if trust := string(encoded(t, tm.Resources[sender].Properties["AssumeRolePolicyDocument"])); !strings.Contains(trust, `"aws:SourceAccount":{"Ref":"AWS::AccountId"}`) {
		t.Errorf("the role may be used for another account's rules: %s", trust)
	}
	if tm.ofType("AWS::Lambda::Function") != nil {
		t.Error("the forwarder runs code")
	}
}

func TestSelfContainedForwarderAsksForTheRegion(t *testing.T) {
	tm, _, ok := forwarderOf(t, with(func(s *Settings) { s.SelfContained = true }))
	if !ok || tm.Parameters["SweepRegion"] == nil || len(tm.Parameters) != 1 {
		t.Fatalf("the template has parameters %v, want the Region alone", tm.Parameters)
	}
	target := tm.only(t, "AWS::Events::Rule")["Targets"].([]any)[0].(map[string]any)
	if got := strings.Join(texts(target["Arn"]), ""); got != "arn:<Partition>:events:<SweepRegion>:<AccountId>:event-bus/default" {
		t.Errorf("events go to %s", got)
	}
}

func TestForwarderPassesAWSSolutions(t *testing.T) {
	stack := addForwarder(newApp(t.TempDir()), with(func(s *Settings) { s.Region = "eu-west-1" }))
	for _, finding := range awsSolutionsOf(t, stack) {
		// The queue is the rule's dead letter queue, which the check does not see.
		if !strings.Contains(finding, "/Undelivered/Resource: AwsSolutions-SQS3") {
			t.Error(finding)
		}
	}
}

func TestCurrentRegionIsTheCDKs(t *testing.T) {
	read := func() (Settings, error) {
		app := newApp(t.TempDir())
		app.Node().SetContext(jsii.String("region"), "current")
		return settingsFrom(app.Node())
	}
	t.Setenv("CDK_DEFAULT_REGION", "ap-south-1")
	if s, err := read(); err != nil || s.Region != "ap-south-1" {
		t.Errorf("region current = %q, %v, want ap-south-1", s.Region, err)
	}
	t.Setenv("CDK_DEFAULT_REGION", "")
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a Region: %v, want an error that says what to set", err)
	}
}

//go:build long

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
)

// tolerated are checkov's findings that stand, each with its reason. One that is found no longer fails the test.
var tolerated = []struct{ check, resource, reason string }{
	{"CKV_AWS_18", "AWS::S3::Bucket.Reports", "access logs need a second bucket of the operator's own; CloudTrail's data events record the same with the caller's identity"},
	{"CKV_AWS_27", "AWS::SQS::Queue.Events", "it is encrypted, by SQS's own key, which the check does not know (SqsManagedSseEnabled)"},
	{"CKV_AWS_27", "AWS::SQS::Queue.DeadLetters", "it is encrypted, by SQS's own key, which the check does not know (SqsManagedSseEnabled)"},
	{"CKV_AWS_27", "AWS::SQS::Queue.Undelivered", "it is encrypted, by SQS's own key, which the check does not know (SqsManagedSseEnabled)"},
	{"CKV_AWS_111", "AWS::IAM::Policy.ReaderDefaultPolicy", "with a network and X-Ray: Lambda's calls for network interfaces and X-Ray's for traces have no resource"},
	{"CKV_AWS_115", "AWS::Lambda::Function.Sweep", "reserved concurrency is taken from the account's other functions; events are swept two at a time, and the schedule starts one"},
	{"CKV_AWS_116", "AWS::Lambda::Function.Sweep", "it has a destination for failed runs, which the check does not know: the dead letter queue, with the event's context"},
	{"CKV_AWS_117", "AWS::Lambda::Function.Sweep", "it calls AWS's APIs alone; a network is an option"},
	{"CKV_AWS_158", "AWS::Logs::LogGroup.Log", "logs hold no secret value, and are encrypted by CloudWatch Logs' own key"},
	{"CKV_AWS_173", "AWS::Lambda::Function.Sweep", "the environment holds names and ARNs, and is encrypted by Lambda's own key"},
}

// TestLongTemplatesPassCheckov runs every check for CloudFormation on what is deployed by default, in mode repair, with all options, and in IAM's home Region.
func TestLongTemplatesPassCheckov(t *testing.T) {
	env, err := emulator.Install(t.Context(), "checkov")
	if err != nil {
		t.Fatal(err)
	}
	full := inVPC()
	full.Tracing, full.Slack, full.Bus, full.SecurityHub, full.Region = true, "T0123ABCD/C0123ABCD", "security", true, "eu-west-1"
	folder := t.TempDir()
	for i, s := range []Settings{defaultSettings(), repairing(), full} {
		app, _ := stackFor(t, s)
		addForwarder(app, s)
		app.Synth(nil)
		found, err := filepath.Glob(filepath.Join(*app.Outdir(), "*.template.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if err := copyFile(filepath.Join(folder, fmt.Sprintf("%d-%s", i, filepath.Base(name))), name, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(env, "bin", "checkov"), "--directory", folder, "--framework", "cloudformation", "--skip-download", "--output", "json",
		"--soft-fail")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "BC_SKIP_MAPPING=TRUE")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("checkov: %v\n%s", err, out)
	}
	var result struct {
		Results struct {
			Failed []struct {
				Check    string `json:"check_id"`
				Name     string `json:"check_name"`
				Resource string `json:"resource"`
			} `json:"failed_checks"`
			Parsing []string `json:"parsing_errors"`
		} `json:"results"`
		Summary struct{ Passed int } `json:"summary"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("checkov's report: %v\n%s", err, out)
	}
	if result.Summary.Passed == 0 || len(result.Results.Parsing) > 0 {
		t.Fatalf("checkov passed %d checks and could not read %v", result.Summary.Passed, result.Results.Parsing)
	}
	found := map[int]bool{}
	for _, f := range result.Results.Failed {
		known := slices.IndexFunc(tolerated, func(a struct{ check, resource, reason string }) bool {
			return a.check == f.Check && len(f.Resource) > 8 && a.resource == f.Resource[:len(f.Resource)-8]
		})
		if known < 0 {
			t.Errorf("%s on %s: %s", f.Check, f.Resource, f.Name)
			continue
		}
		found[known] = true
	}
	for i, a := range tolerated {
		if !found[i] {
			t.Errorf("%s on %s is tolerated and was not found: take it out", a.check, a.resource)
		}
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrerequisitesSayWhatIsMissing runs the script before a deployment with an aws command that answers as AWS's does.
func TestPrerequisitesSayWhatIsMissing(t *testing.T) {
	const notFound = `echo "An error occurred (ParameterNotFound) when calling the GetParameter operation:" >&2; exit 254`
	tests := []struct {
		name, whoami, parameter string
		environ                 []string
		fails                   bool
		want                    []string // in the order in which they are said; empty: nothing is said
	}{
		{"all is there", "echo 111122223333", "echo 21", []string{"AWS_PROFILE=ops", "AWS_REGION=eu-west-1"}, false, nil},
		{"no credentials and no Region", "exit 1", "exit 1", nil, true, []string{"missing: AWS credentials: set AWS_PROFILE", "missing: a Region: set AWS_REGION"}},
		{
			"credentials that have expired", `echo "An error occurred (ExpiredToken) when calling GetCallerIdentity" >&2; exit 254`, "exit 1",
			[]string{"AWS_PROFILE=ops", "AWS_REGION=eu-west-1"}, true, []string{"missing: AWS credentials that work: An error occurred (ExpiredToken)"},
		},
		{
			"no bootstrap in the Region, nor in IAM's", "echo 111122223333", notFound, []string{"AWS_PROFILE=ops", "AWS_REGION=eu-west-1"}, true,
			[]string{"missing: the CDK's bootstrap in eu-west-1: ", "cdk bootstrap aws://111122223333/eu-west-1", "cdk bootstrap aws://111122223333/us-east-1"},
		},
		{
			"IAM's Region of another partition", "echo 111122223333", notFound, []string{"AWS_PROFILE=ops", "AWS_REGION=us-gov-east-1"}, true,
			[]string{"aws://111122223333/us-gov-east-1", "aws://111122223333/us-gov-west-1"},
		},
		{
			"a bootstrap of one's own", "echo 111122223333", `case "$*" in */cdk-bootstrap/mine/version*) echo 21 ;; *) exit 1 ;; esac`,
			[]string{"AWS_PROFILE=ops", "AWS_REGION=us-east-1", "QUALIFIER=mine"}, false, nil,
		},
		{
			"a bootstrap that may not be looked at", "echo 111122223333", `echo "An error occurred (AccessDeniedException)" >&2; exit 254`,
			[]string{"AWS_PROFILE=ops", "AWS_REGION=us-east-1"}, false, []string{"not known whether the CDK is bootstrapped in us-east-1: An error occurred (AccessDeniedException)"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			script := "#!/bin/sh\ncase $1 in\nsts) " + tt.whoami + " ;;\nssm) " + tt.parameter + " ;;\nesac\n"
			if err := os.WriteFile(filepath.Join(bin, "aws"), []byte(script), 0o755); err != nil { //nolint:gosec // a command
				t.Fatal(err)
			}
			cmd := exec.Command("../scripts/prerequisites.sh")
			cmd.Env = append([]string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + bin}, tt.environ...)
			out, err := cmd.CombinedOutput()
			if (err != nil) != tt.fails {
				t.Errorf("the script ended with %v", err)
			}
			if len(tt.want) == 0 && len(out) > 0 {
				t.Errorf("said %s", out)
			}
			rest := string(out)
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("said\n%swant %q", out, want)
				}
				rest = after
			}
		})
	}
}

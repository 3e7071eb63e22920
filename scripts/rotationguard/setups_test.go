package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/drift/setups"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The library of setups, put into accounts that are swept with the built command: what it says must be what the library says.

const library = "../../testdata/setups"

func loadLibrary(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(library, "*.txtar"))
	if err != nil || len(files) < 80 {
		t.Fatalf("%d setups in %s: %v", len(files), library, err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".txtar")] = data
	}
	return all
}

func awsManaged(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join("../../testdata/aws-managed", name+".json"))
	return string(text), err
}

func loadCase(t *testing.T, name string, data []byte) *setups.Case {
	t.Helper()
	c, err := setups.Load(name, data, awsManaged)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// build makes the command as it is shipped, and gives its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rotationguard")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// swept is the report of a sweep by the built command.
type swept struct {
	Secrets []struct {
		Name, Verdict, Reason string
		Can                   *bool `json:"rotation_can_work"`
		Notes                 []string
		Findings              []*drift.Finding
	}
	Operators []struct {
		Principal, Reason string
		May               rotation.Permission
		Verdict           drift.Verdict
		Findings          []*drift.Finding
	}
	Errors []struct{ Call, Resource, Code string }
}

// sweepWith runs the built command in its own environment and holds its exit code against its report.
func sweepWith(t *testing.T, path string, environ []string, args ...string) swept {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, append([]string{"sweep", "--output", "json"}, args...)...)
	cmd.Dir = folder
	cmd.Env = append([]string{"HOME=" + folder, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none"}, environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	var r swept
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v; stdout %.300q, stderr %q", err, stdout.String(), stderr.String())
	}
	want := 0
	for _, s := range r.Secrets {
		if v := drift.Verdict(s.Verdict); v != drift.InSync && v != drift.Skipped && v != drift.Exempt {
			want = 2
		}
	}
	for _, o := range r.Operators {
		if o.Verdict != drift.InSync {
			want = 2
		}
	}
	if len(r.Errors) > 0 {
		want = 1
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("exit code %d with %d errors, want %d; stderr %q", got, len(r.Errors), want, stderr.String())
	}
	return r
}

// answers are what the report says of each secret, as want.txt holds it.
func (r swept) answers() map[string]string {
	all := map[string]string{}
	for _, s := range r.Secrets {
		all[s.Name] = setups.Answer{Name: s.Name, Verdict: drift.Verdict(s.Verdict), Can: s.Can, Reason: s.Reason, Notes: s.Notes, Findings: s.Findings}.Text()
	}
	return all
}

// wantAnswers compares the report with what the library says of the setup's secrets.
func wantAnswers(t *testing.T, c *setups.Case, r swept) {
	t.Helper()
	got := r.answers()
	for _, j := range drift.Judge(c.Group, c.Options) {
		for _, s := range j.Secrets {
			want := setups.Text([]drift.Judgement{{Setup: j.Setup, Secrets: []drift.SecretJudgement{s}}})
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got[s.Secret.Name], "\n")); diff != "" {
				t.Errorf("%s (-library +swept):\n%s", s.Secret.Name, diff)
			}
		}
	}
}

// wantOperator compares what the report says of the setup's operator.
func wantOperator(t *testing.T, c *setups.Case, r swept) {
	t.Helper()
	want, got := "", ""
	if j, ok := c.JudgeOperator(); ok {
		want = setups.OperatorText(j.Operator.Principal, j.Operator.May, j.Verdict, j.Reason, j.Findings)
	}
	for _, o := range r.Operators {
		got += setups.OperatorText(rotation.ARN(o.Principal), o.May, o.Verdict, o.Reason, o.Findings)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("operator (-library +swept):\n%s", diff)
	}
}

// configOf is the configuration of a setup; empty when it has none.
func configOf(t *testing.T, c *setups.Case, memberRole string) string {
	t.Helper()
	var all map[string]any
	for _, f := range c.Archive.Files {
		if f.Name != "config.json" {
			continue
		}
		if err := json.Unmarshal(f.Data, &all); err != nil {
			t.Fatal(err)
		}
	}
	delete(all, "allQualifiers") // a flag of the command
	exemptions, _ := all["exemptions"].([]any)
	for _, e := range exemptions {
		e.(map[string]any)["expires"] = time.Now().AddDate(0, 0, 7).Format(time.DateOnly)
	}
	if all == nil {
		all = map[string]any{}
	}
	if o := c.Held.Operator; o != nil {
		all["operators"] = []any{map[string]any{"principal": o.Principal, "may": o.May}}
	}
	if memberRole != "" {
		all["member"] = map[string]any{"role": memberRole}
	}
	if len(all) == 0 {
		return ""
	}
	text, err := json.Marshal(all) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rotationguard.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

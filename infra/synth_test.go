package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
)

func TestFeatureFlagsAreThoseOfCDKJSON(t *testing.T) {
	data, err := os.ReadFile("../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		App              string
		Context          map[string]any
		PathMetadata     *bool
		AssetMetadata    *bool
		VersionReporting *bool
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, featureFlags), file.Context); diff != "" {
		t.Errorf("feature flags (-code +cdk.json):\n%s", diff)
	}
	// What the command line would add to a template, the app alone does not.
	for name, on := range map[string]*bool{"pathMetadata": file.PathMetadata, "assetMetadata": file.AssetMetadata, "versionReporting": file.VersionReporting} {
		if on == nil || *on {
			t.Errorf("cdk.json: %s is not false", name)
		}
	}
}

// plain is v as JSON reads it.
func plain(t *testing.T, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// TestAppAloneWritesWhatTheCDKCommandWrites runs both on the default config and what "make build" made.
func TestAppAloneWritesWhatTheCDKCommandWrites(t *testing.T) {
	alone, cdk := t.TempDir(), t.TempDir()
	run(t, []string{"CDK_OUTDIR=" + alone}, "go", "run", "./infra")
	command, err := filepath.Abs("node_modules/.bin/cdk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(command); err != nil {
		t.Fatalf("the CDK's command line is not installed: run make infra/node_modules first (%v)", err)
	}
	run(t, nil, command, "synth", "--quiet", "--output", cdk)

	templates, err := filepath.Glob(filepath.Join(alone, "*.template.json"))
	if err != nil || len(templates) == 0 {
		t.Fatalf("the app wrote no template: %v", err)
	}
	others, err := filepath.Glob(filepath.Join(cdk, "*.template.json"))
	if err != nil || len(others) != len(templates) {
		t.Fatalf("the app wrote %d templates and the CDK %d (%v)", len(templates), len(others), err)
	}
	for _, name := range templates {
		want, err := os.ReadFile(filepath.Join(cdk, filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs (-cdk +app):\n%s", filepath.Base(name), cmp.Diff(string(want), string(got)))
		}
	}
}

func TestTemplatesPassCfnLint(t *testing.T) {
	env, err := emulator.Install(t.Context(), "moto")
	if err != nil {
		t.Fatal(err)
	}
	full := inVPC()
	full.Tracing, full.Slack, full.Bus, full.SecurityHub, full.Region = true, "T0123ABCD/C0123ABCD", "security", true, "eu-west-1"
	full.Subscriptions = []string{"oncall@example.com"}
	alone := with(func(s *Settings) { s.SelfContained = true })
	var files []string
	for _, s := range []Settings{defaultSettings(), repairing(), full, alone} {
		app, _ := stackFor(t, s)
		addForwarder(app, s)
		app.Synth(nil)
		found, err := filepath.Glob(filepath.Join(*app.Outdir(), "*.template.json"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) != 6 {
		t.Fatalf("%d templates, want 6: %v", len(files), files)
	}
	// W3005: the CDK repeats as DependsOn what a reference already says.
	run(t, nil, filepath.Join(env, "bin", "cfn-lint"), append([]string{"--ignore-checks", "W3005", "--"}, files...)...)
}

// run runs a command at the root of the clone and fails the test with what it printed.
func run(t *testing.T, environ []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = ".."
	cmd.Env = append(append(os.Environ(), "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20"), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
}

func TestEveryContextValueIsDocumented(t *testing.T) {
	page := string(readFile(t, "../docs/deploy.md"))
	read := regexp.MustCompile(`c\.(?:text|number|list|truth|pairs)\("(\w+)"`).FindAllStringSubmatch(string(readFile(t, "settings.go")), -1)
	if len(read) == 0 {
		t.Fatal("settings.go reads no context value")
	}
	for _, m := range read {
		if !strings.Contains(page, "| `"+m[1]+"` |") {
			t.Errorf("docs/deploy.md does not explain context %s", m[1])
		}
	}
}

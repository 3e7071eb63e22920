package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// lifted is a configuration under which a first repair may write as much as it has to.
const lifted = "repair: {max_changes: 1000, max_change_percent: 100, settle: 0s}\n"

// typed is what somebody who typed a command sees.
type typed struct {
	stdout, stderr string
	code           int
}

// bench is a person's shell: an empty folder, an account, and nothing of this machine.
type bench struct {
	t       *testing.T
	account *awstest.Account
	folder  string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region})
	if err := account.Fill(a, time.Now()); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, account: a, folder: t.TempDir()}
	t.Chdir(b.folder)
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(b.folder, "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(b.folder, "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, variable := range a.Environ() {
		if name, value, _ := strings.Cut(variable, "="); name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" {
			t.Setenv(name, value)
		}
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(b.folder, "state"))
	return b
}

// types runs the command as typed.
func (b *bench) types(args ...string) typed {
	b.t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(b.t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return typed{stdout.String(), stderr.String(), code}
}

// on adds the account's address.
func (b *bench) on(args ...string) typed {
	b.t.Helper()
	return b.types(append(args, "--endpoint-url", b.account.URL(), "--region", account.Region)...)
}

func (b *bench) writes(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// wants fails unless the command ended so, with nothing on stderr but what is said to be there.
func (got typed) wants(t *testing.T, code int, stderr ...string) typed {
	t.Helper()
	if got.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", got.code, code, got.stdout, got.stderr)
	}
	for _, want := range stderr {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("stderr %q does not say %q", got.stderr, want)
		}
	}
	if len(stderr) == 0 && got.stderr != "" {
		t.Errorf("stderr says %q, want nothing", got.stderr)
	}
	return got
}

// refused is a command that could not run: one line, nothing on stdout.
func (got typed) refused(t *testing.T, want string) {
	t.Helper()
	got.wants(t, 1, want)
	if got.stdout != "" {
		t.Errorf("stdout holds %q, want nothing", got.stdout)
	}
	if strings.Count(got.stderr, "\n") != 1 || !strings.HasPrefix(got.stderr, "rotationguard: ") || len(got.stderr) > 700 {
		t.Errorf("stderr is not one clear line: %q", got.stderr)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rotationguard": main})
}

// TestScripts runs what a user types.
func TestScripts(t *testing.T) {
	t.Parallel()
	scripts := filepath.Join("testdata", "script")
	if found, err := filepath.Glob(filepath.Join(scripts, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("there are no scripts in %s: %v", scripts, err)
	}
	testscript.Run(t, testscript.Params{
		Dir: scripts,
		Setup: func(env *testscript.Env) error {
			// Nothing of the machine's AWS configuration, and no request to an instance's metadata service.
			env.Setenv("AWS_CONFIG_FILE", filepath.Join(env.WorkDir, "no-aws-config"))
			env.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(env.WorkDir, "no-aws-credentials"))
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("SECRET", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf")
			env.Setenv("FUNCTION", "arn:aws:lambda:eu-west-1:111122223333:function:rotate")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"oneline": oneLineOnStderr,
			"bytes":   writeBytes,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// oneLineOnStderr holds that the last command said nothing on stdout and one clear line on stderr, of printable characters, without a dump
// of usage or stack. Its arguments must occur in the line.
func oneLineOnStderr(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("oneline cannot be negated")
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("stdout holds %q", out)
	}
	text := ts.ReadFile("stderr")
	line, rest, ended := strings.Cut(text, "\n")
	if !ended || rest != "" || !strings.HasPrefix(line, "rotationguard: ") || len(line) > 1200 || strings.Contains(line, "goroutine") {
		ts.Fatalf("stderr is not one line of a message: %q", text)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e }) {
		ts.Fatalf("stderr holds control characters: %q", text)
	}
	for _, want := range args {
		if !strings.Contains(line, want) {
			ts.Fatalf("stderr says %q, not %q", line, want)
		}
	}
}

// writeBytes writes a file that a script cannot hold: "bytes FILE PART..." with \u, \x and \n escapes in its parts, and REPEAT*TEXT.
func writeBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bytes FILE PART...")
	}
	var b strings.Builder
	for _, part := range args[1:] {
		text, err := unescape(part)
		ts.Check(err)
		b.WriteString(text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// command is the built command, run as a user would.
type command struct {
	root     string // the clone
	home     string // where it keeps its ledger, so that the demo leaves the user's alone
	path     string
	endpoint string
}

func (c *command) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", c.path, "./scripts/rotationguard")
	cmd.Dir = c.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return nil
}

// The command's exit codes that are no failure of the demo.
const (
	exitInSync = 0
	exitDrift  = 2
)

// run runs the command and gives an error when it could not do its work. Drift is what the demo is about.
func (c *command) run(ctx context.Context, stdout io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = c.root
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	cmd.Env = c.environ()
	// An interrupted sweep still finishes its journal.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == exitDrift || exit.ExitCode() == exitInSync) {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("rotationguard %s: %w", strings.Join(args, " "), err)
	}
	return ctx.Err()
}

// environ is the caller's environment with the demo's credentials in the place of any AWS setting.
func (c *command) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "AWS_") || name == "HOME" || strings.HasPrefix(name, "XDG_")
	})
	return append(env, "HOME="+c.home, "AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo", "AWS_EC2_METADATA_DISABLED=true")
}

// online are the arguments of a sweep of the account on moto.
func (c *command) online(args ...string) []string {
	return append([]string{
		"sweep", "--endpoint-url", c.endpoint, "--region", account.Region, "--config", filepath.Join("scripts", "demo", "rotationguard.yaml"),
	}, args...)
}

// sweep prints what a user would see.
func (c *command) sweep(ctx context.Context, out io.Writer, args ...string) error {
	args = c.online(args...)
	fmt.Fprintf(out, "$ rotationguard %s\n\n", strings.Join(args, " "))
	return c.run(ctx, out, args...)
}

func (c *command) offline(ctx context.Context, out io.Writer) error {
	args := []string{"sweep", "--snapshot", filepath.Join("examples", "account.json"), "--config", filepath.Join("examples", "rotationguard.yaml")}
	for _, r := range account.Rotations() {
		if r.Held == account.NotInMoto {
			for _, s := range r.Secrets {
				args = append(args, "--secret", s.Name)
			}
		}
	}
	fmt.Fprintf(out, "$ rotationguard %s\n\n", strings.Join(args, " "))
	return c.run(ctx, out, args...)
}

func (c *command) writeReport(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return c.run(ctx, io.Discard, c.online("--output", "html", "--out", path)...)
}

// outcome is what the demo reads of a sweep's JSON.
type outcome struct {
	Secrets []struct {
		Name    string `json:"name"`
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	} `json:"secrets"`
	Changes []struct {
		Call    string `json:"call"`
		Subject string `json:"subject"`
		Status  string `json:"status"`
	} `json:"changes"`
	Errors []json.RawMessage `json:"errors"`
}

// checkMended sweeps once more in mode repair and holds the answer to what the account's data say of it: no change is made, and what is
// left is for people or for mode enforce.
func (c *command) checkMended(ctx context.Context, out io.Writer) error {
	args := c.online("--mode", "repair", "--output", "json")
	fmt.Fprintf(out, "$ rotationguard %s\n\n", strings.Join(args, " "))
	var text bytes.Buffer
	if err := c.run(ctx, &text, args...); err != nil {
		return err
	}
	var o outcome
	if err := json.Unmarshal(text.Bytes(), &o); err != nil {
		return fmt.Errorf("reading the sweep's JSON: %w", err)
	}
	wanted := map[string]account.Verdict{}
	for _, r := range account.Rotations() {
		for _, s := range r.Secrets {
			wanted[s.Name] = s.After
		}
	}
	for _, s := range account.Masters() {
		wanted[s.Name] = s.After
	}
	counts, left := map[string]int{}, []string(nil)
	for _, s := range o.Secrets {
		counts[s.Verdict]++
		if want := wanted[s.Name]; s.Verdict != string(want) {
			return fmt.Errorf("%s is %s after the repair (%s), it should be %s", s.Name, s.Verdict, s.Reason, want)
		}
		if s.Verdict != string(account.InSync) && s.Verdict != string(account.Skipped) {
			left = append(left, fmt.Sprintf("  %-9s %s\n            %s", s.Verdict, s.Name, wrapped(s.Reason, 12)))
		}
	}
	for _, change := range o.Changes {
		if change.Status == "done" || change.Status == "planned" {
			return fmt.Errorf("the second repair still changes something: %s on %s", change.Call, change.Subject)
		}
	}
	if len(o.Errors) > 0 {
		return fmt.Errorf("the sweep could not read everything: %s", o.Errors[0])
	}
	fmt.Fprintf(out, "No change was made. In sync %d, drifted %d, broken %d, orphaned %d, skipped %d.\nLeft for people, or for mode enforce:\n%s\n",
		counts["in-sync"], counts["drifted"], counts["broken"], counts["orphaned"], counts["skipped"], strings.Join(left, "\n"))
	return nil
}

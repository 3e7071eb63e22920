package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/deployed"
)

// mendedFunction is the function that loses its grant, and has it again a moment later.
const mendedFunction = "rotate-orders"

// runDeployed shows the deployed stack at work without an AWS account: the synthesized template is deployed to ministack's CloudFormation, where the
// real function sweeps the demo's account, tells of it, and mends what an event concerns. It stops what it started.
func runDeployed(ctx context.Context, out io.Writer) (err error) {
	start := time.Now()
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rotationguard-demo-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	say(out, "Writing the template in mode repair, and starting ministack, an AWS account on this machine that runs functions")
	var m *deployed.Ministack
	template := filepath.Join(dir, "template")
	g, together := errgroup.WithContext(ctx)
	g.Go(func() error { return synthesize(together, root, dir, template) })
	g.Go(func() (err error) {
		if m, err = deployed.Start(ctx); err != nil {
			return err
		}
		return account.Seed(together, m.Config())
	})
	err = g.Wait()
	if m != nil {
		defer func() { err = errors.Join(err, m.Stop()) }()
	}
	if err != nil {
		return err
	}
	s, err := m.Deploy(ctx, "rotationguard", template)
	if err != nil {
		return err
	}
	inbox, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	say(out, "1. Deployed by change set, as CloudFormation does it. A queue is subscribed to its topic.")
	for _, name := range []string{"FunctionName", "TopicArn", "LedgerTable", "ReportsBucket", "EventsQueueUrl"} {
		fmt.Fprintf(out, "   %-15s %s\n", name, s.Outputs[name])
	}

	say(out, "2. The first sweep: aws lambda invoke --function-name %s", s.Outputs["FunctionName"])
	if err := firstAlert(ctx, out, s, inbox); err != nil {
		return err
	}
	say(out, "That alert came %s after the start.", time.Since(start).Round(time.Second))

	say(out, "3. Somebody removes what lets Secrets Manager invoke %s. CloudTrail's event of that reaches the function through the queue, "+
		"without waiting for the schedule.", mendedFunction)
	if err := mendByEvent(ctx, out, m, s); err != nil {
		return err
	}
	say(out, "4. The stack is destroyed; its ledger and its reports stay.")
	if err := s.Destroy(ctx); err != nil {
		return err
	}
	say(out, "Done in %s. Nothing of it is left running.", time.Since(start).Round(time.Second))
	return nil
}

// synthesize writes what "make template" writes, for the demo's config in mode repair on this machine's architecture.
func synthesize(ctx context.Context, root, dir, template string) error {
	config := filepath.Join(dir, "rotationguard.yaml")
	text, err := os.ReadFile(filepath.Join(root, "scripts", "demo", "rotationguard.yaml"))
	if err != nil {
		return fmt.Errorf("reading the demo's config: %w", err)
	}
	text = fmt.Appendf(text, "\nmode: repair\narchitecture: %s\n", runtime.GOARCH)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return fmt.Errorf("writing the demo's config: %w", err)
	}
	settings, err := json.Marshal(map[string]string{"selfContained": "true", "config": config})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./infra")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CDK_OUTDIR="+template, "CDK_CONTEXT_JSON="+string(settings), "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("writing the template: %w\n%s", err, out)
	}
	return nil
}

// firstAlert sweeps, and shows what the subscribed queue gets.
func firstAlert(ctx context.Context, out io.Writer, s *deployed.Stack, inbox *deployed.Inbox) error {
	answer, err := s.Invoke(ctx, "{}")
	if err != nil {
		return err
	}
	var swept struct{ Report string }
	if err := json.Unmarshal(answer, &swept); err != nil {
		return fmt.Errorf("reading the function's answer: %w", err)
	}
	var messages []string
	if err := until(ctx, func() (bool, error) {
		messages, err = inbox.Receive(ctx)
		return len(messages) > 0, err
	}); err != nil {
		return fmt.Errorf("waiting for the alert: %w", err)
	}
	var alert struct {
		Story   string
		Secrets []struct{ Name, Verdict, Reason string }
	}
	if err := json.Unmarshal([]byte(messages[0]), &alert); err != nil {
		return fmt.Errorf("reading the alert: %w", err)
	}
	fmt.Fprintf(out, "   %s\n\n", wrapped(alert.Story, 3))
	const shown = 5
	for i, secret := range alert.Secrets {
		if i == shown {
			fmt.Fprintf(out, "   and %d more\n", len(alert.Secrets)-shown)
			break
		}
		fmt.Fprintf(out, "   %s is %s\n     %s\n", secret.Name, secret.Verdict, wrapped(secret.Reason, 5))
	}
	fmt.Fprintf(out, "\n   the full report: %s\n", swept.Report)
	return nil
}

// mendByEvent takes a grant away and waits until the function has put it back.
func mendByEvent(ctx context.Context, out io.Writer, m *deployed.Ministack, s *deployed.Stack) error {
	event, err := m.Ungrant(ctx, mendedFunction)
	if err != nil {
		return err
	}
	removed := time.Now()
	if err := s.Send(ctx, event); err != nil {
		return err
	}
	if err := until(ctx, func() (bool, error) { return m.Granted(ctx, mendedFunction) }); err != nil {
		return fmt.Errorf("waiting for the grant of %s: %w", mendedFunction, err)
	}
	fmt.Fprintf(out, "   mended %s later; in AWS, CloudTrail and the 20 s that events are gathered come on top\n", time.Since(removed).Round(100*time.Millisecond))
	return nil
}

// until asks until it is so, for a minute at most.
func until(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

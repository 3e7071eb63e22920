// Command demo shows rotationguard at work without an AWS account: it starts moto on a free loopback port, makes an account of rotation
// setups that are in sync or broken in the ways that real ones are, sweeps it, repairs it, and sweeps it again to show that nothing is
// left that a repair could mend. What moto cannot hold is shown from examples/account.json. It stops what it started.
//
// With the argument deployed it deploys the synthesized template to ministack's CloudFormation instead, where the real function sweeps, tells, and mends
// what an event concerns.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	show := run
	if len(os.Args) == 2 && os.Args[1] == "deployed" {
		show = runDeployed
	}
	err := show(ctx, os.Stdout)
	stop()
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "demo: interrupted; what it started is stopped")
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
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

	say(out, "Building the command and starting moto, an AWS account on this machine")
	c := &command{root: root, home: dir, path: filepath.Join(dir, "rotationguard")}
	if err := c.build(ctx); err != nil {
		return err
	}
	moto, err := emulator.StartMoto(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, moto.Stop()) }()
	c.endpoint = moto.URL

	if err := account.Seed(ctx, motoConfig(moto.URL)); err != nil {
		return fmt.Errorf("making the account: %w", err)
	}
	describe(out, moto.URL)
	if err := c.show(ctx, out); err != nil {
		return err
	}
	say(out, "Done in %s. Nothing of it is left running.", time.Since(start).Round(time.Second))
	return nil
}

func motoConfig(url string) aws.Config {
	return aws.Config{Region: account.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", "")}
}

// show is what the demo is about: report, repair, and what is left.
func (c *command) show(ctx context.Context, out io.Writer) error {
	say(out, "1. mode report: what is wrong, and when it will hurt. It changes nothing.")
	if err := c.sweep(ctx, out); err != nil {
		return err
	}
	say(out, "2. mode repair. The demo's configuration lifts the breaker (max_changes, max_change_percent) and the settling time, because it mends a "+
		"whole account at once that is a minute old. By default 25 changes and 10 %% of the functions are the most, and a role is granted "+
		"nothing for a secret that has named its function for less than a day.")
	if err := c.sweep(ctx, out, "--mode", "repair"); err != nil {
		return err
	}
	say(out, "3. Swept again in mode repair: what a repair could mend is mended.")
	if err := c.checkMended(ctx, out); err != nil {
		return err
	}
	say(out, "4. What moto cannot hold: a function that has failed, a secret that Secrets Manager rotates with a partner, a policy that an alias has "+
		"for itself. examples/account.json is a snapshot of the same account with them; it needs neither moto nor AWS.")
	if err := c.offline(ctx, out); err != nil {
		return err
	}
	report := filepath.Join(c.root, "dist", "demo", "report.html")
	if err := c.writeReport(ctx, report); err != nil {
		return err
	}
	say(out, "The report of the account as it is now:")
	fmt.Fprintf(out, "   %s\n", report) // on a line of its own, whole, however long the path is
	return nil
}

func say(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, "\n== %s\n\n", wrapped(fmt.Sprintf(format, args...), 3))
}

// describe says what was made, and what was not.
func describe(out io.Writer, url string) {
	setups, secrets := 0, len(account.Masters())
	for _, r := range account.Rotations() {
		switch {
		case r.Held == account.NotInMoto:
			continue
		case r.Function != "":
			setups++
		}
		secrets += len(r.Secrets)
	}
	fmt.Fprintf(out, "Account %s in %s at %s: %d rotation functions, %d secrets.\n", account.ID, account.Region, url, setups, secrets)
	for _, r := range account.Rotations() {
		name := r.Function
		if name == "" {
			name = r.Secrets[0].Name
		}
		mark := ""
		if r.Held == account.NotInMoto {
			mark = " (not in moto: see step 4)"
		}
		fmt.Fprintf(out, "  %-30s  %s\n", name, wrapped(r.Story+mark, 34))
	}
}

// wrapped breaks a text into lines of 80 columns of which the first indent are taken.
func wrapped(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > 80:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// moduleRoot is the clone that the demo belongs to: the working folder or one above it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the clone: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "scripts", "demo", "main.go")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run it in a clone of rotationguard: there is no scripts/demo in this folder or above it")
		}
		dir = parent
	}
}

package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// TestWatchPrintsALineForEachChangeAndWritesNothing watches while a role loses its policy and gets it back.
func TestWatchPrintsALineForEachChangeAndWritesNothing(t *testing.T) {
	b := newBench(t)
	b.writes("config.yaml", "mode: repair\n"+lifted) // a watch only reads all the same
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lines, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"sweep", "--watch", "--interval", "1s", "--config", "config.yaml", "--ledger", "ledger.db", "--endpoint-url", b.account.URL(), "--region", account.Region},
			strings.NewReader(""), out, out)
		_ = out.Close()
	}()
	printed := bufio.NewScanner(lines)
	next := func(want string) {
		t.Helper()
		for printed.Scan() {
			if strings.Contains(printed.Text(), want) {
				return
			}
		}
		t.Fatalf("it ended without a line that says %q", want)
	}
	next("rotating secrets in sync")
	next(": broken: ")
	var documents map[string]string
	change := func(inline map[string]string) {
		t.Helper()
		if !b.account.UpdateRole("rotate-orders-role", func(r *awstest.Role) { documents, r.Inline = r.Inline, inline }) {
			t.Fatal("there is no such role")
		}
	}
	change(nil)
	next("prod/orders/db: in-sync -> broken: ")
	change(documents)
	next("prod/orders/db: broken -> in-sync")
	b.account.Fail(awstest.Match{Service: "secretsmanager", Operation: "ListSecrets", Count: -1}, awstest.Fault{Code: "AccessDeniedException", Message: "not authorized"})
	next("not read, it is tried again: ")
	stop()
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	if code := <-ended; code != 2 {
		t.Errorf("an interrupted watch exits %d, want that of what it saw last, 2", code)
	}
	for _, c := range b.account.Writes() {
		t.Errorf("a watch wrote: %s on %s", c.Name(), c.Resource)
	}
	if got := b.types("report", "verify", "--ledger", "ledger.db").wants(t, 0).stdout; got != "No run was sealed yet.\n" {
		t.Errorf("a watch left runs in the ledger: %s", got)
	}
}

func TestWatchRefusesWhatItDoesNotDo(t *testing.T) {
	b := newBench(t)
	for want, args := range map[string][]string{
		"--mode repair writes":         {"--watch", "--mode", "repair"},
		"--mode enforce writes":        {"--watch", "--mode", "enforce"},
		"does not change":              {"--watch", "--snapshot", "account.json"},
		"say with --target which":      {"--watch", "--targets", "t.yaml"},
		"leave --output and --out out": {"--watch", "--output", "json"},
		"it is 1s or longer":           {"--watch", "--interval", "10ms"},
		"--interval is for --watch":    {"--interval", "1m"},
		"--alert-topic out":            {"--watch", "--alert-topic", "arn:aws:sns:eu-west-1:111122223333:t"},
	} {
		if args != nil {
			b.on(append([]string{"sweep"}, args...)...).refused(t, want)
		}
	}
	// What cannot be read at first is an error, as of any sweep.
	b.types("sweep", "--watch", "--endpoint-url", "http://127.0.0.1:1", "--region", "eu-west-1").refused(t, "127.0.0.1:1")
}

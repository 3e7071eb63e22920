package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var address = regexp.MustCompile(`at http://(127\.0\.0\.1:\d+)`)

// TestDemo runs it as `make demo` does.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	for _, part := range []string{
		"mode report", "mode repair", "lifts the breaker", "No change was made", "Left for people", "examples/account.json", "Nothing of it is left running",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q", part)
		}
	}
	stopped(t, text)
	_, path, ok := strings.Cut(text, "as it is now:\n\n   ")
	path, _, _ = strings.Cut(path, "\n")
	if !ok {
		t.Fatal("it does not print where the report is")
	}
	if report, err := os.ReadFile(path); err != nil || !bytes.Contains(report, []byte("prod/vault/db")) {
		t.Errorf("the report %q: %v", path, err)
	}
}

// TestDemoInterrupted: Ctrl-C ends it and what it started.
func TestDemoInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	out := &trigger{at: "mode report", fire: interrupt}
	if err := run(ctx, out); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	stopped(t, out.String())
}

// trigger fires once a text has been written.
type trigger struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	at   string
	fire func()
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if strings.Contains(w.buf.String(), w.at) {
		w.fire()
	}
	return len(p), nil
}

func (w *trigger) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// stopped fails when the account that the output names still answers.
func stopped(t *testing.T, text string) {
	t.Helper()
	m := address.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no address in %s", text)
	}
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", m[1]); err == nil {
		c.Close()
		t.Errorf("%s still answers", m[1])
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPolicyPageShowsWhatTheCommandPrints runs every command of docs/policy.md on the page's own files.
func TestPolicyPageShowsWhatTheCommandPrints(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	commands := 0
	for label, block := range fencedBlocks(string(page)) {
		if name, ok := strings.CutPrefix(label, "json "); ok {
			if err := os.WriteFile(name, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if label != "console" {
			continue
		}
		for _, session := range strings.Split("\n"+block, "\n$ ")[1:] {
			commands++
			command, want, _ := strings.Cut(session, "\n")
			command, exits, _ := strings.Cut(command, "  # exits ")
			code, _ := strconv.Atoi(exits)
			args := strings.Fields(strings.ReplaceAll(command, "'", ""))
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), args[1:], strings.NewReader(""), &stdout, &stderr); got != code {
				t.Errorf("%s exits %d, the page says %d: %s", command, got, code, &stderr)
			}
			if diff := cmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(stdout.String(), "\n")); diff != "" {
				t.Errorf("%s (-page +command):\n%s", command, diff)
			}
		}
	}
	if commands == 0 {
		t.Error("the page shows no command")
	}
}

// fencedBlocks gives the code blocks of a page with what follows their opening fence, in order.
func fencedBlocks(page string) func(yield func(label, block string) bool) {
	return func(yield func(label, block string) bool) {
		for i, part := range strings.Split("\n"+page, "\n```") {
			if i%2 == 0 {
				continue
			}
			label, block, _ := strings.Cut(part, "\n")
			if !yield(label, block+"\n") {
				return
			}
		}
	}
}

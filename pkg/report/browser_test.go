//go:build !race

package report

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageInChromium opens pages in a real browser: scripts/browser/report.test.mjs says what is tried. The race detector has nothing to
// find there, so it is left out of those runs.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)

	pages := t.TempDir()
	outcomes := situations()
	outcomes["paths"] = paths()
	outcomes["fleet"] = *fleetOutcome(nil)
	outcomes["remembered"] = remembered()
	outcomes["compared"] = compared()
	outcomes["attack"] = attack()
	outcomes["many"] = large(300)
	outcomes["held"] = large(heldFrom)
	outcomes["large"] = large(10_000)
	for name, o := range outcomes {
		if err := os.WriteFile(filepath.Join(pages, name+".html"), []byte(htmlOf(t, &o)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, page := range auditPages(t) {
		if err := os.WriteFile(filepath.Join(pages, name+".html"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Read, so that the test runs again when they change.
	files, err := filepath.Glob(filepath.Join(browserScripts, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	node := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=tap", filepath.Join(browserScripts, "report.test.mjs"))
	node.Env = append(os.Environ(), "PAGES="+pages, "CHROMIUM="+chromium)
	out, err := node.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "\n# fail 0\n") || strings.Contains(string(out), "\n# pass 0\n") {
		t.Errorf("the browser's tests did not run:\n%s", out)
	}
}

// attack is a page with every hostile text wherever an account may put one.
func attack() Outcome {
	all := filled("account")
	for _, text := range hostileTexts {
		o := filled(text)
		all.Secrets = append(all.Secrets, o.Secrets[0])
		all.Operators = append(all.Operators, o.Operators...)
		all.Changes = append(all.Changes, o.Changes[3])
		all.Left = append(all.Left, o.Left...)
		all.Errors = append(all.Errors, o.Errors...)
		all.Notes = append(all.Notes, o.Notes...)
	}
	return all
}

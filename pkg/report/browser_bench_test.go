//go:build !race

package report

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkPageInChromium says how long a reader of the page of ten thousand secrets waits: scripts/browser/bench.mjs says for what. Each
// figure is the median of seven times, worst-… the longest.
func BenchmarkPageInChromium(b *testing.B) {
	o := large(10_000)
	file := filepath.Join(b.TempDir(), "large.html")
	page := htmlOf(b, &o)
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		b.Fatal(err)
	}
	var took map[string]struct{ Median, Worst float64 }
	for b.Loop() {
		node := exec.CommandContext(b.Context(), "node", filepath.Join(browserScripts, "bench.mjs"), file)
		node.Env = append(os.Environ(), "CHROMIUM="+findChromium(b))
		var said strings.Builder
		node.Stderr = &said
		out, err := node.Output()
		if err != nil {
			b.Fatal(err, said.String())
		}
		if err := json.Unmarshal(out, &took); err != nil {
			b.Fatal(err)
		}
	}
	for name, t := range took {
		b.ReportMetric(t.Median, name+"-ms")
		b.ReportMetric(t.Worst, "worst-"+name+"-ms")
	}
	b.ReportMetric(float64(len(page)), "B/page")
	b.ReportMetric(0, "ns/op")
}

// browserScripts is where the browser's driver and what it tries are.
var browserScripts = filepath.Join("..", "..", "scripts", "browser")

// findChromium is the browser's path; it installs the browser where it may.
func findChromium(tb testing.TB) string {
	tb.Helper()
	install := exec.CommandContext(tb.Context(), browserScripts+".sh")
	var said strings.Builder
	install.Stderr = &said
	chromium, err := install.Output()
	if err != nil {
		tb.Fatal(strings.TrimSpace(said.String()), err)
	}
	return strings.TrimSpace(string(chromium))
}

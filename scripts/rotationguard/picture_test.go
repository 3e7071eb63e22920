package main

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

var update = flag.Bool("update", false, "draw the README's picture anew")

// TestReadmeShowsWhatTheCommandPrints holds the README's picture to what a sweep of the example prints on a terminal at one fixed time.
func TestReadmeShowsWhatTheCommandPrints(t *testing.T) {
	root := filepath.Join("..", "..")
	path := filepath.Join(root, "docs", "sweep.svg")
	want := drawTerminal("rotationguard sweep", exampleOnTerminal(t, root))
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/sweep.svg is not what a sweep of the example prints: look at what has changed, then run make screenshots")
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, []byte("(docs/sweep.svg)")) {
		t.Error("the README does not show docs/sweep.svg")
	}
}

// exampleOnTerminal is the story, the secrets that rotate first, and what is said of the first, up to the command that mends it.
func exampleOnTerminal(t *testing.T, root string) []string {
	t.Helper()
	now := time.Date(2026, 11, 25, 5, 0, 0, 0, time.UTC)
	config := configFlag{path: filepath.Join(root, "examples", "rotationguard.yaml")}
	_, settings, _, err := config.settings(os.Stderr, now)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := inventory.OpenSnapshot(filepath.Join(root, "examples", "account.json"), settings.Reading.Rules)
	if err != nil {
		t.Fatal(err)
	}
	s := sweep.Sweeper{Operators: settings.Operators, Judging: settings.Judging, Repair: settings.Repair, Command: "sweep", Source: snapshot,
		Account: snapshot.Account, Region: snapshot.Region, Now: func() time.Time { return now }}
	outcome, err := s.Sweep(t.Context(), rotation.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	outcome.Sort()
	var text bytes.Buffer
	if err := outcome.WriteText(&text, report.Style{Width: 100, Color: true}); err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(text.String(), "\n\n", 4)
	if len(parts) < 4 {
		t.Fatalf("a sweep prints %d parts, want the story, the table, a secret and others", len(parts))
	}
	table := strings.Split(parts[1], "\n")
	if len(table) > 9 {
		table = append(table[:9], "…")
	}
	first, _, _ := strings.Cut(text.String()[len(parts[0])+len(parts[1])+4:], "\n\n\x1b[31mbroken")
	first, _, _ = strings.Cut(first, "\n  \x1b[2mrun") // the AWS CLI's line is wider than a README
	lines := append(strings.Split(parts[0], "\n"), "")
	lines = append(append(lines, table...), "")
	return append(lines, strings.Split(strings.TrimRight(first, "\n"), "\n")...)
}

// The picture's measures, in pixels of its own, and the colours that a terminal gives to the escape sequences of report.Style.
const (
	pictureLine  = 17
	pictureGlyph = 7.8
	pictureEdge  = 16
)

var (
	pictureSequence = regexp.MustCompile("\x1b\\[([0-9;]*)m")
	pictureStyles   = map[string]string{"1": `font-weight="bold"`, "2": `fill="#8b949e"`, "31": `fill="#ff7b72"`, "32": `fill="#7ee787"`, "33": `fill="#e3b341"`,
		"35": `fill="#d2a8ff"`}
)

// drawTerminal draws a command and the lines that it printed as a terminal shows them.
func drawTerminal(command string, lines []string) []byte {
	lines = append([]string{"\x1b[2m$\x1b[0m " + command, ""}, lines...)
	columns := 0
	for _, line := range lines {
		columns = max(columns, utf8.RuneCountInString(pictureSequence.ReplaceAllString(line, "")))
	}
	width, height := int(float64(columns)*pictureGlyph)+2*pictureEdge, len(lines)*pictureLine+2*pictureEdge
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="What %[3]s prints">`+"\n", width, height, command)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#0d1117"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" fill="#e6edf3">`+"\n")
	for i, line := range lines {
		if line != "" {
			fmt.Fprintf(&b, `<text x="%d" y="%d" xml:space="preserve">%s</text>`+"\n", pictureEdge, pictureEdge+(i+1)*pictureLine-4, drawLine(line))
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

func drawLine(line string) string {
	var b strings.Builder
	style := ""
	put := func(text string) {
		if text == "" {
			return
		}
		var escaped bytes.Buffer
		_ = xml.EscapeText(&escaped, []byte(text)) // a buffer takes everything
		if style == "" {
			b.Write(escaped.Bytes())
			return
		}
		fmt.Fprintf(&b, "<tspan %s>%s</tspan>", style, &escaped)
	}
	at := 0
	for _, m := range pictureSequence.FindAllStringSubmatchIndex(line, -1) {
		put(line[at:m[0]])
		style, at = pictureStyles[line[m[2]:m[3]]], m[1]
	}
	put(line[at:])
	return b.String()
}

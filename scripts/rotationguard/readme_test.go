package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeShowsWhatTheCommandPrints runs the sweep that the README shows. What it leaves out it says with "…"; lines with a date, which say
// how far away it is, are of the day on which they were printed.
func TestReadmeShowsWhatTheCommandPrints(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dated := regexp.MustCompile(`\d{4}-\d\d-\d\d|\boverdue\b`)
	shown := 0
	for label, block := range fencedBlocks(string(page)) {
		command, want, found := strings.Cut(strings.TrimPrefix(block, "$ "), "\n")
		if label != "text" || !found || !strings.HasPrefix(block, "$ ") {
			continue
		}
		t.Chdir(root)
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(command)[1:], strings.NewReader(""), &stdout, &stderr); code != 2 {
			t.Fatalf("%s exits %d: %s", command, code, &stderr)
		}
		rest := stdout.String()
		for line := range strings.Lines(strings.TrimLeft(want, "\n")) {
			if line == "…\n" || line == "\n" || dated.MatchString(line) {
				continue
			}
			_, after, found := strings.Cut("\n"+rest, "\n"+line)
			if !found {
				t.Fatalf("%s does not print, after what comes before it in the README:\n%s", command, line)
			}
			rest = after
			shown++
		}
	}
	if shown < 10 {
		t.Errorf("the README shows %d lines of a sweep, want the story and a finding", shown)
	}
}

// TestReadmeLeadsToEveryPage: the README is the front door of docs/.
func TestReadmeLeadsToEveryPage(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("there are no pages in docs: %v", err)
	}
	for _, page := range pages {
		if link := "(docs/" + filepath.Base(page) + ")"; !strings.Contains(string(readme), link) {
			t.Errorf("the README does not link docs/%s", filepath.Base(page))
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(readme), -1) {
		if _, err := os.Stat(filepath.Join("..", "..", link[1])); err != nil {
			t.Errorf("the README links %s, which is not there", link[1])
		}
	}
}

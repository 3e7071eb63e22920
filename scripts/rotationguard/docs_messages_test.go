package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTroubleshootingQuotesWhatIsPrinted holds every message of docs/troubleshooting.md to a text in the code, verbs and … standing for anything.
func TestTroubleshootingQuotesWhatIsPrinted(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts := textsOf(t, root)
	quoted := regexp.MustCompile("(?m)^### `([^`]*)`$").FindAllStringSubmatch(string(page), -1)
	for _, q := range quoted {
		if !printed(q[1], texts) {
			t.Errorf("nothing in the code says %q", q[1])
		}
	}
	if headings := strings.Count(string(page), "\n### "); len(quoted) < 20 || len(quoted) != headings {
		t.Errorf("the page quotes %d messages and has %d of them as headings", len(quoted), headings)
	}
}

// printed says whether some text of the code can become the message.
func printed(message string, texts []string) bool {
	var parts []string
	for part := range strings.SplitSeq(message, "…") {
		parts = append(parts, strings.TrimSpace(part))
	}
	longest := 0
	for _, p := range parts {
		longest = max(longest, len(p))
	}
	for _, text := range texts {
		rest, in := text, longest >= 8
		for _, p := range parts {
			_, after, found := strings.Cut(rest, p)
			if in = in && found; !in {
				break
			}
			rest = after
		}
		if in {
			return true
		}
	}
	return false
}

// textsOf are the texts in what the project ships, those that are put together with + as one.
func textsOf(t *testing.T, root string) []string {
	t.Helper()
	var texts []string
	files := token.NewFileSet()
	for _, folder := range []string{"pkg", "functions", filepath.Join("scripts", "rotationguard")} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				expr, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				text, whole := constant(expr)
				if whole {
					texts = append(texts, text)
				}
				return !whole
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// constant is the text of a literal, or of several that are joined.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, l := constant(e.X)
		right, r := constant(e.Y)
		return left + right, l && r && e.Op == token.ADD
	}
	return "", false
}

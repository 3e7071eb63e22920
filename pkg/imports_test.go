// Package pkg_test holds which package may import which, so that the line from reading to reporting stays one line.
package pkg_test

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rotationguard/rotationguard/"

// mayImport says, for every package of the line, which of ours it may import outside its tests. A package that is
// not named here may not exist under pkg.
var mayImport = map[string][]string{
	"pkg/policy":           {},
	"pkg/rotation":         {"pkg/policy"},
	"pkg/drift":            {"pkg/rotation", "pkg/policy"},
	"pkg/drift/setups":     {"pkg/drift", "pkg/rotation"},
	"pkg/trigger":          {"pkg/rotation"},
	"pkg/spill":            {},
	"pkg/inventory":        {"pkg/spill", "pkg/rotation", "pkg/policy"},
	"pkg/ledger":           {"pkg/drift"},
	"pkg/repair":           {"pkg/ledger", "pkg/drift", "pkg/rotation", "pkg/policy"},
	"pkg/report":           {"pkg/spill", "pkg/repair", "pkg/ledger", "pkg/drift", "pkg/rotation", "pkg/policy"},
	"pkg/archive":          {"pkg/report"},
	"pkg/alert":            {"pkg/report", "pkg/repair", "pkg/ledger", "pkg/drift", "pkg/rotation"},
	"pkg/sweep":            {"pkg/spill", "pkg/config", "pkg/inventory", "pkg/report", "pkg/repair", "pkg/ledger", "pkg/trigger", "pkg/drift", "pkg/rotation", "pkg/policy"},
	"pkg/fleet":            {"pkg/config", "pkg/inventory", "pkg/repair", "pkg/rotation"},
	"pkg/config":           {},
	"pkg/awstest":          {},
	"pkg/awstest/emulator": {},
	"infra":                {"pkg/config", "pkg/rotation"},
}

// modules says which packages may import a module at all; "" stands for everything of ours.
var modules = []struct {
	prefix string
	rule   string
	only   []string // folders that may
}{
	{"github.com/aws/aws-cdk-go/", "only infra imports awscdk", []string{"infra"}},
	{"github.com/aws/constructs-go/", "only infra imports awscdk", []string{"infra"}},
	{"github.com/cdklabs/", "only infra imports awscdk", []string{"infra"}},
	{"github.com/aws/jsii-runtime-go", "only infra imports awscdk", []string{"infra"}},
	{"github.com/aws/aws-lambda-go", "only functions import aws-lambda-go", []string{"functions"}},
}

// pure packages take no context, clock, logger or SDK type.
var pure = []string{"pkg/policy", "pkg/rotation", "pkg/drift", "pkg/trigger"}

var impure = []string{"context", "log", "log/slog", "net/http", "os", "github.com/aws/"}

// source is one Go file that is not a test: where it is, and what it imports.
type source struct {
	folder, file string
	imports      []string
}

// violation is the broken rule, or "" if the file may import imported.
func (s source) violation(imported string) string {
	if ours, ok := strings.CutPrefix(imported, module); ok {
		return s.oursViolation(ours)
	}
	for _, m := range modules {
		if strings.HasPrefix(imported, m.prefix) && !slices.ContainsFunc(m.only, s.within) {
			return m.rule
		}
	}
	if s.within("pkg/policy") && strings.Contains(firstElement(imported), ".") {
		return "policy imports the standard library only"
	}
	if slices.ContainsFunc(pure, s.within) && slices.ContainsFunc(impure, func(p string) bool {
		return imported == p || strings.HasSuffix(p, "/") && strings.HasPrefix(imported, p)
	}) {
		return "policy, rotation, drift and trigger take no context, clock, logger or SDK type"
	}
	if s.within("pkg/config") && strings.HasPrefix(imported, "github.com/aws/") {
		return "config reads files; it makes no AWS call"
	}
	return ""
}

func (s source) oursViolation(ours string) string {
	if strings.HasPrefix(ours, "pkg/awstest") && !s.within("pkg/awstest") && !s.within("scripts/demo") && !s.within("scripts/benchscale") {
		return "awstest is imported by tests, benchmarks and scripts/demo only"
	}
	allowed, named := mayImport[s.folder]
	switch {
	case !named && s.within("pkg"):
		return s.folder + " is not in the list of packages: say there what it may import"
	case !named, slices.Contains(allowed, ours):
		return ""
	case len(allowed) == 0:
		return s.folder + " imports nothing of ours"
	default:
		return fmt.Sprintf("%s imports %s only", s.folder, strings.Join(allowed, ", "))
	}
}

func (s source) within(folder string) bool {
	return s.folder == folder || strings.HasPrefix(s.folder, folder+"/")
}

func firstElement(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	return first
}

func TestImports(t *testing.T) {
	files := sources(t)
	if len(files) == 0 {
		t.Fatal("no source file was found")
	}
	for _, s := range files {
		if _, named := mayImport[s.folder]; s.within("pkg") && !named {
			t.Errorf("%s: %s is not in the list of packages: say there what it may import", s.file, s.folder)
		}
		for _, imported := range s.imports {
			if rule := s.violation(imported); rule != "" {
				t.Errorf("%s imports %s: %s", s.file, imported, rule)
			}
		}
	}
}

func TestImportRulesSeeWhatBreaksThem(t *testing.T) {
	tests := []struct {
		folder, imported string
		want             string // part of the rule; "" when it may
	}{
		{"pkg/policy", "encoding/json", ""},
		{"pkg/policy", module + "pkg/rotation", "imports nothing of ours"},
		{"pkg/policy", "golang.org/x/sync/errgroup", "standard library only"},
		{"pkg/policy", "log/slog", "no context, clock, logger"},
		{"pkg/rotation", module + "pkg/policy", ""},
		{"pkg/rotation", "github.com/aws/aws-sdk-go-v2/aws", "no context, clock, logger"},
		{"pkg/drift", module + "pkg/inventory", "pkg/drift imports pkg/rotation, pkg/policy only"},
		{"pkg/trigger", "context", "no context, clock, logger"},
		{"pkg/inventory", module + "pkg/repair", "pkg/inventory imports"},
		{"pkg/repair", module + "pkg/inventory", "pkg/repair imports"},
		{"pkg/repair", "github.com/aws/aws-sdk-go-v2/service/iam", ""},
		{"pkg/sweep", module + "pkg/awstest", "tests, benchmarks and scripts/demo only"},
		{"pkg/sweep", "github.com/aws/aws-lambda-go/events", "only functions"},
		{"pkg/config", "github.com/aws/aws-sdk-go-v2/aws", "no AWS call"},
		{"pkg/newcomer", module + "pkg/policy", "not in the list"},
		{"scripts/demo", module + "pkg/awstest/emulator", ""},
		{"scripts/rotationguard", module + "pkg/awstest", "tests, benchmarks and scripts/demo only"},
		{"scripts/rotationguard", "github.com/aws/aws-cdk-go/awscdk/v2", "only infra"},
		{"functions/sweep", "github.com/aws/aws-lambda-go/lambda", ""},
		{"functions/sweep", module + "pkg/sweep", ""},
		{"infra", "github.com/aws/aws-cdk-go/awscdk/v2", ""},
		{"infra", module + "pkg/sweep", "infra imports"},
	}
	for _, tt := range tests {
		t.Run(tt.folder+" imports "+tt.imported, func(t *testing.T) {
			got := source{folder: tt.folder}.violation(tt.imported)
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("violation = %q, want one that says %q", got, tt.want)
			}
		})
	}
}

// TestPurePackagesHaveNoClock holds the clock apart, because time.Time as a value is fine where time.Now is not.
func TestPurePackagesHaveNoClock(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.ContainsFunc(pure, s.within) {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", s.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"time.Now(", "time.Since(", "time.Until(", "time.Sleep(", "time.After("} {
			if strings.Contains(string(text), call) {
				t.Errorf("%s calls %s): policy, rotation, drift and trigger take the time as a value", s.file, call)
			}
		}
	}
}

// sources are the module's Go files that are not tests, with paths from its root.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	for _, root := range []string{"pkg", "functions", "scripts", "infra"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil && errors.Is(err, fs.ErrNotExist) && path.Base(filepath.ToSlash(name)) == root:
				return nil
			case err != nil:
				return err
			case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "node_modules"):
				return filepath.SkipDir
			case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			s, err := parseImports(name)
			found = append(found, s)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func parseImports(name string) (source, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	file := strings.TrimPrefix(filepath.ToSlash(name), "../")
	s := source{folder: path.Dir(file), file: file}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("%s: import %s: %w", file, spec.Path.Value, err)
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

package drift_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/drift/setups"
)

var update = flag.Bool("update", false, "rewrite want.txt in testdata/setups and docs/rules.md")

const library = "../../testdata/setups"

func awsManaged(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join("../../testdata/aws-managed", name+".json"))
	return string(text), err
}

// loadSetups reads the whole library.
func loadSetups(t testing.TB) []*setups.Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(library, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 80 {
		t.Fatalf("the library has %d setups, want at least 80", len(files))
	}
	var cases []*setups.Case
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := setups.Load(strings.TrimSuffix(filepath.Base(file), ".txtar"), data, awsManaged)
		if err != nil {
			t.Error(err)
			continue
		}
		cases = append(cases, c)
	}
	return cases
}

func TestSetups(t *testing.T) {
	for _, c := range loadSetups(t) {
		t.Run(c.Name, func(t *testing.T) {
			judgements := drift.Judge(c.Group, c.Options)
			checkComment(t, c, judgements)
			got := setups.Text(judgements)
			if j, ok := c.JudgeOperator(); ok {
				checkOperator(t, c, j)
				got += setups.OperatorText(j.Operator.Principal, j.Operator.May, j.Verdict, j.Reason, j.Findings)
			}
			if *update {
				rewrite(t, c, got)
				return
			}
			if diff := cmp.Diff(c.Want, got); diff != "" {
				t.Errorf("want.txt differs (-want +got):\n%s", diff)
			}
		})
	}
}

// checkComment holds the judgement against what the file's comment says, which no -update rewrites.
func checkComment(t *testing.T, c *setups.Case, judgements []drift.Judgement) {
	t.Helper()
	all, hasAll := c.Expect["verdict "]
	var found, notes []string
	for _, j := range judgements {
		for _, s := range j.Secrets {
			want, one := c.Expect["verdict "+s.Secret.Name]
			if !one {
				want = all
			}
			if !one && !hasAll {
				t.Errorf("the comment gives no verdict for %s", s.Secret.Name)
			} else if string(s.Verdict) != want {
				t.Errorf("verdict of %s = %s, want %s: %s", s.Secret.Name, s.Verdict, want, s.Reason)
			}
			for _, f := range s.Findings {
				into := &found
				if f.Severity == drift.Info {
					into = &notes
				}
				if !slices.Contains(*into, f.Rule) {
					*into = append(*into, f.Rule)
				}
			}
		}
	}
	slices.Sort(found)
	slices.Sort(notes)
	if want := c.Expect["findings"]; strings.Join(found, " ") != want {
		t.Errorf("findings = %q, want %q", strings.Join(found, " "), want)
	}
	if want, ok := c.Expect["notes"]; ok && strings.Join(notes, " ") != want {
		t.Errorf("notes = %q, want %q", strings.Join(notes, " "), want)
	}
	if len(c.Shows) == 0 {
		t.Error("the comment names no rule")
	}
}

func checkOperator(t *testing.T, c *setups.Case, j drift.OperatorJudgement) {
	t.Helper()
	if want := c.Expect["operator"]; string(j.Verdict) != want {
		t.Errorf("the operator is %s, want %s: %s", j.Verdict, want, j.Reason)
	}
	var found []string
	for _, f := range j.Findings {
		found = append(found, f.Rule)
	}
	slices.Sort(found)
	if got, want := strings.Join(slices.Compact(found), " "), c.Expect["operator-findings"]; got != want {
		t.Errorf("the operator's findings are %q, want %q", got, want)
	}
}

// rewrite puts got into the file as want.txt.
func rewrite(t *testing.T, c *setups.Case, got string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(library, c.Name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	a := txtar.Parse(data)
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want.txt" })
	a.Files = append(a.Files, txtar.File{Name: "want.txt", Data: []byte(got)})
	if err := os.WriteFile(filepath.Join(library, c.Name+".txtar"), txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

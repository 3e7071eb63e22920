package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// managedPolicies are AWS's own managed policies: all that moto carries when ROTATIONGUARD_MANAGED_POLICIES names their folder,
// as the Makefile does, else the sample in testdata.
func managedPolicies(tb testing.TB) []*Document {
	tb.Helper()
	folder := os.Getenv("ROTATIONGUARD_MANAGED_POLICIES")
	if folder == "" {
		folder = filepath.Join("testdata", "managed")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) < 40 {
		tb.Fatalf("%s holds %d policies: %v", folder, len(files), err)
	}
	documents := make([]*Document, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if documents[i], err = Parse(strings.TrimSuffix(filepath.Base(file), ".json"), data); err != nil {
			tb.Fatal(err)
		}
	}
	return documents
}

func TestManagedPoliciesAreReadAndPrinted(t *testing.T) {
	for _, d := range managedPolicies(t) {
		if err := d.CheckKind(KindIdentity); err != nil {
			t.Error(err)
		}
		for _, printed := range []string{d.String(), d.Indent()} {
			again, err := Parse(d.Name, []byte(printed))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d, again); diff != "" {
				t.Errorf("the round trip of %s differs:\n%s", d.Name, diff)
			}
		}
	}
}

// TestManagedPoliciesGrantWhatTheyList asks each policy for every action that an Allow names without a wildcard on everything
// and without a condition.
func TestManagedPoliciesGrantWhatTheyList(t *testing.T) {
	asked := 0
	for _, d := range managedPolicies(t) {
		compiled := Compile(Set{Identity: []*Document{d}})
		denies := false
		for i := range d.Statements {
			denies = denies || d.Statements[i].Effect == Deny
		}
		for i := range d.Statements {
			s := &d.Statements[i]
			if denies || len(s.Conditions) > 0 || len(s.Resources) != 1 || s.Resources[0] != "*" {
				continue
			}
			for _, action := range s.Actions {
				if strings.ContainsAny(action, "*?") {
					continue
				}
				asked++
				r := &Request{Caller: Caller{Kind: CallerRole, ARN: roleARN, Session: sessionARN}, Action: strings.ToUpper(action), Resource: "*"}
				if !compiled.Allows(r) {
					t.Errorf("%s does not allow %s", d.Name, action)
				}
			}
		}
	}
	if asked < 300 {
		t.Errorf("only %d actions were asked for", asked)
	}
}

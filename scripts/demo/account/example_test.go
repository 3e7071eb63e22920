package account_test

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

var update = flag.Bool("update", false, "write examples/account.json anew")

// TestExampleSnapshot holds examples/account.json to the account that it is a snapshot of.
func TestExampleSnapshot(t *testing.T) {
	const path = "../../../examples/account.json"
	now := time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region, Now: func() time.Time { return now }})
	if err := account.Fill(a, now); err != nil {
		t.Fatal(err)
	}
	r := inventory.New(inventory.NewClients(a.Config()), inventory.Options{Everything: true, Unthrottled: true})
	var want bytes.Buffer
	if err := inventory.WriteSnapshot(&want, r.Groups(t.Context(), rotation.Scope{InOrder: true}), inventory.Also{}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil { //nolint:gosec // an example, for everybody to read
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s is not the account's snapshot; run this test with -update (-want +got):\n%s", path, diff)
	}
	for name, rules := range map[string]rotation.Rules{"with the example's rules": rules(), "without": {}} {
		t.Run(name, func(t *testing.T) {
			s, err := inventory.OpenSnapshot(path, rules)
			if err != nil {
				t.Fatal(err)
			}
			wantVerdicts(t, s.Groups(t.Context(), rotation.Scope{}), func(account.Rotation) bool { return true })
		})
	}
}

package account_test

import (
	"testing"

	"github.com/rotationguard/rotationguard/pkg/config"
)

// TestConfigurations: the example's and the demo's configuration are valid and say the same of the account.
func TestConfigurations(t *testing.T) {
	for _, path := range []string{"../../../examples/rotationguard.yaml", "../rotationguard.yaml"} {
		c, err := config.Load(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		want := rules()
		if len(c.Rotations) != 1 || c.Rotations[0].MasterSecret != want.Rotations[0].Master || c.Rotations[0].Match.Name != want.Rotations[0].Match.Name {
			t.Errorf("%s declares %+v", path, c.Rotations)
		}
		if len(c.Exclude) != 1 || c.Exclude[0].Match.Tag["rotation"] != "legacy" {
			t.Errorf("%s excludes %+v", path, c.Exclude)
		}
	}
}

package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestPageDescribesEverySetting holds docs/configure.md: every field is in it, every example loads, and the first one is the defaults.
func TestPageDescribesEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/configure.md")
	if err != nil {
		t.Fatal(err)
	}
	var root schemaNode
	if err := json.Unmarshal(Schema, &root); err != nil {
		t.Fatal(err)
	}
	fields := func(n schemaNode) {
		for name := range n.Properties {
			if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), name+":") {
				t.Errorf("docs/configure.md does not speak of %s", name)
			}
		}
	}
	fields(root)
	for _, section := range root.Properties {
		fields(section)
		if section.Items != nil {
			fields(*section.Items)
		}
	}
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "policies"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "policies", "single-user.json"), "{}")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 5 {
		t.Fatalf("%d examples were found", len(examples))
	}
	for i, example := range examples {
		c, err := Parse(filepath.Join(folder, "rotationguard.yaml"), []byte(example[1]))
		if err != nil {
			t.Errorf("%v in\n%s", err, example[1])
			continue
		}
		if i == 0 {
			if diff := cmp.Diff(Default(), c, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the settings with their defaults are not the defaults (-default +page):\n%s", diff)
			}
		}
	}
}

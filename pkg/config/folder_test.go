package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTemplatesMayBeAFolder(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"policies/single-user.json": "{}", "policies/trigger.json": "{}", "policies/README.md": "", "none/README.md": ""} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "c.yaml")
	c, err := Parse(path, []byte("mode: report\ntemplates: policies\n"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for name, template := range c.Templates {
		files = append(files, name+" "+template.File+" "+string(template.Text))
	}
	slices.Sort(files)
	if want := []string{"single-user policies/single-user.json {}", "trigger policies/trigger.json {}"}; !slices.Equal(files, want) {
		t.Errorf("templates = %q, want %q", files, want)
	}
	if err := c.ProblemAt("templates.trigger", os.ErrInvalid); !strings.Contains(err.Error(), "c.yaml:2:1: templates.trigger: ") {
		t.Errorf("a problem of one of them is %q, want the place of templates", err)
	}
	for text, want := range map[string]string{
		"templates: none": "templates: none: the folder holds no NAME.json", "templates: gone": "templates: gone: no such file or directory", "templates: [a]": "it is a mapping, not a list",
	} {
		if _, err := Parse(path, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
}

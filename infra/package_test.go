package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPackageHoldsTheBinaryAndTheConfig(t *testing.T) {
	dist := t.TempDir()
	binary := filepath.Join(dist, "sweep", "arm64", "bootstrap")
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(config, []byte("mode: report\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := newPackage(with(func(s *Settings) { s.Dist, s.Config = dist, config }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.remove()
	for name, want := range map[string]os.FileMode{"bootstrap": 0o755, "rotationguard.yaml": 0o644} {
		info, err := os.Stat(filepath.Join(p.folder, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
	p.remove()
	if _, err := os.Stat(p.folder); !os.IsNotExist(err) {
		t.Errorf("%s is left", p.folder)
	}
}

func TestMissingBinaryNamesTheCommandThatMakesIt(t *testing.T) {
	_, err := newPackage(with(func(s *Settings) { s.Dist = t.TempDir() }))
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("newPackage without a binary = %v, want an error that says make build", err)
	}
}

package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	folder := t.TempDir()
	config := filepath.Join(folder, "mine.yaml")
	for _, name := range []string{config, filepath.Join(folder, "expected.json")} {
		if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := newPackage(with(func(s *Settings) {
		s.Dist, s.Config, s.Templates = dist, config, []string{"expected.json", "expected.json"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.remove()
	for name, want := range map[string]os.FileMode{"bootstrap": 0o755, "rotationguard.yaml": 0o644, "expected.json": 0o644} {
		info, err := os.Stat(filepath.Join(p.folder, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
	first, second := filepath.Join(t.TempDir(), "a.zip"), filepath.Join(t.TempDir(), "b.zip")
	for _, to := range []string{first, second} {
		if err := p.zip(to); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(p.folder, "bootstrap"), time.Time{}, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := readFile(t, first), readFile(t, second)
	if !bytes.Equal(a, b) {
		t.Error("two zips of the same code differ")
	}
	archive, err := zip.NewReader(bytes.NewReader(a), int64(len(a)))
	if err != nil || len(archive.File) != 3 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode().Perm() != 0o755 {
		t.Errorf("the zip is not bootstrap, executable, and the config with its template: %v", err)
	}
	p.remove()
	if _, err := os.Stat(p.folder); !os.IsNotExist(err) {
		t.Errorf("%s is left", p.folder)
	}
}

// TestPackageOfEachArchitectureIsSmall packs what "make build" wrote.
func TestPackageOfEachArchitectureIsSmall(t *testing.T) {
	const most = 12_000_000 // bytes, zipped
	for _, architecture := range []string{"arm64", "amd64"} {
		p, err := newPackage(with(func(s *Settings) { s.Dist, s.Architecture = "../dist", architecture }))
		if err != nil {
			t.Fatal(err)
		}
		defer p.remove()
		to := filepath.Join(t.TempDir(), "code.zip")
		if err := p.zip(to); err != nil {
			t.Fatal(err)
		}
		if size := len(readFile(t, to)); size > most {
			t.Errorf("the package for %s has %d bytes, want at most %d", architecture, size, most)
		}
	}
}

func TestMissingBinaryNamesTheCommandThatMakesIt(t *testing.T) {
	_, err := newPackage(with(func(s *Settings) { s.Dist = t.TempDir() }))
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("newPackage without a binary = %v, want an error that says make build", err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBuildIsTheSameFromEveryCheckout builds the function here and in a copy of the source elsewhere.
func TestBuildIsTheSameFromEveryCheckout(t *testing.T) {
	if testing.Short() {
		t.Skip("links the function twice")
	}
	here, elsewhere := "..", filepath.Join(t.TempDir(), "another", "checkout")
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"pkg", "functions"} {
		if err := os.CopyFS(filepath.Join(elsewhere, folder), os.DirFS(filepath.Join(here, folder))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		if err := copyFile(filepath.Join(elsewhere, file), filepath.Join(here, file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(elsewhere, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(filepath.Join(elsewhere, "scripts", "build.sh"), filepath.Join(here, "scripts", "build.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The copy is built with another user's settings: they must not show either.
	build := exec.Command(filepath.Join(elsewhere, "scripts", "build.sh"), "arm64", "sweep")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=true", "TZ=Asia/Tokyo", "LC_ALL=C")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building in the copy: %v\n%s", err, out)
	}
	if a, b := readFile(t, "../dist/sweep/arm64/bootstrap"), readFile(t, filepath.Join(elsewhere, "dist", "sweep", "arm64", "bootstrap")); !bytes.Equal(a, b) {
		t.Errorf("the function built here (%x) and in a copy (%x) of the same source differ; make build makes the one here", sha256.Sum256(a), sha256.Sum256(b))
	}
}

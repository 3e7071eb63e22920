package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Package is the folder that becomes the function's code: the binary and the config it runs with. Both are in it, so
// that a changed config is a changed deployment and no right to read it from elsewhere is needed.
type Package struct{ folder string }

// configInPackage is the config's name in the function's code, wherever it was on the deploying machine.
const configInPackage = "rotationguard.yaml"

// newPackage gathers the sweep function's code from what "make build" wrote.
func newPackage(s Settings) (Package, error) { return newPackageOf(s, "sweep") }

// newPackageOf gathers a function's code.
func newPackageOf(s Settings, function string) (Package, error) {
	binary := filepath.Join(s.Dist, function, s.Architecture, "bootstrap")
	if _, err := os.Stat(binary); errors.Is(err, fs.ErrNotExist) {
		return Package{}, fmt.Errorf("%s is not there: run make build first", binary)
	}
	folder, err := os.MkdirTemp("", "rotationguard-package-")
	if err != nil {
		return Package{}, fmt.Errorf("making a folder for the function's code: %w", err)
	}
	p := Package{folder: folder}
	err = copyFile(filepath.Join(folder, "bootstrap"), binary, 0o755)
	if err == nil && s.Config != "" {
		err = p.addConfig(s)
	}
	if err != nil {
		p.remove()
		return Package{}, fmt.Errorf("packing the function's code: %w", err)
	}
	return p, nil
}

// addConfig adds the config and the template files that it names, each where the config says.
func (p Package) addConfig(s Settings) error {
	if err := copyFile(filepath.Join(p.folder, configInPackage), s.Config, 0o644); err != nil {
		return err
	}
	added := map[string]bool{}
	for _, file := range s.Templates {
		to := filepath.Join(p.folder, file)
		if added[to] { // two strategies may share a template
			continue
		}
		added[to] = true
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyFile(to, filepath.Join(filepath.Dir(s.Config), file), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the folder; the CDK has its own copy once it has synthesized.
func (p Package) remove() { _ = os.RemoveAll(p.folder) }

// zip writes the code as Lambda takes it. The same code gives the same bytes: files in order, without times.
func (p Package) zip(to string) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("zipping the function's code: %w", err)
	}
	archive := zip.NewWriter(out)
	err = filepath.WalkDir(p.folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return addFile(archive, p.folder, name)
	})
	if err = errors.Join(err, archive.Close(), out.Close()); err != nil {
		return fmt.Errorf("zipping the function's code: %w", err)
	}
	return nil
}

func addFile(archive *zip.Writer, folder, name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(folder, name)
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: filepath.ToSlash(relative), Method: zip.Deflate}
	header.SetMode(info.Mode())
	w, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

func copyFile(to, from string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Install makes sure that the emulator "moto" or "ministack" is installed and returns the folder of its Python
// environment. The first time takes up to a minute and reads a package index; after that it is a file's existence.
func Install(ctx context.Context, name string) (string, error) {
	return script(ctx, "install", name)
}

// ManagedPolicies returns a folder with AWS's managed policies as moto carries them, one NAME.json each.
func ManagedPolicies(ctx context.Context) (string, error) {
	return script(ctx, "managed-policies")
}

func script(ctx context.Context, args ...string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts", "emulators.sh"), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := strings.TrimPrefix(lines[len(lines)-1], "emulators.sh: "); last != "" {
			return "", errors.New(last)
		}
		return "", fmt.Errorf("running scripts/emulators.sh %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// moduleRoot finds the clone that holds scripts/emulators.sh: the working folder or one above it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the clone: %w", err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "scripts", "emulators.sh"))
		if err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return "", errors.New("the emulators need a clone of rotationguard: no scripts/emulators.sh in this folder or above it")
		}
		dir = parent
	}
}

//go:build long

package policy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLongPairsAgainstTheSolver asks the solver itself, about more pairs than are recorded.
func TestLongPairsAgainstTheSolver(t *testing.T) {
	t.Parallel()
	install := exec.Command("../../scripts/emulators.sh", "install", "z3")
	install.Stderr = os.Stderr
	folder, err := install.Output()
	if err != nil {
		t.Fatal(err)
	}
	pairs := smtPairs(smtAll)
	python := exec.Command(filepath.Join(strings.TrimSpace(string(folder)), "bin", "python"), "../../scripts/judge/smt/smt.py")
	python.Stdin, python.Stderr = strings.NewReader(smtLines(pairs)), os.Stderr
	letters, err := python.Output()
	if err != nil {
		t.Fatal(err)
	}
	holdAnswers(t, pairs, strings.Join(strings.Fields(string(letters)), ""))
}

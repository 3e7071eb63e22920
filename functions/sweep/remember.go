package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// ephemeral is what a reader of the report must know of a repair without a ledger that outlives it.
const ephemeral = "No ledger outlives this run: every secret counts as first seen now, so that role grants wait unless repair.settle is 0; changes are " +
	"counted for this run alone; the log holds what was there before, and rollback has nothing to go by."

// openLedger is a ledger for one run. An execution environment may serve the next run or not: what is remembered by chance would only
// seem to be remembered.
func openLedger() (ledger.Ledger, func(), error) {
	folder, err := os.MkdirTemp("", "rotationguard-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder for the ledger: %w", err)
	}
	l, err := ledger.OpenFile(filepath.Join(folder, "ledger.db"))
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, nil, err
	}
	return l, func() {
		_ = l.Close()
		_ = os.RemoveAll(folder)
	}, nil
}

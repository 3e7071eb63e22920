package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// ephemeral is what a reader of the report must know of a repair without a ledger that outlives it.
const ephemeral = "No ledger outlives this run (ledger.table is not set): every secret counts as first seen now, so that role grants wait unless repair.settle " +
	"is 0; changes are counted for this run alone; the log holds what was there before, and rollback has nothing to go by."

// openLedger opens the deployed table, or a file for this one run: an execution environment may serve the next run or not, and what is
// remembered by chance would only seem to be remembered.
func (h *handler) openLedger(ctx context.Context, account string) (l ledger.Ledger, forget func(), err error) {
	if h.deployed.table != "" {
		t, err := ledger.OpenTable(ctx, dynamodb.NewFromConfig(h.home), h.deployed.table, account+"/"+h.cfg.Region)
		if err != nil {
			return nil, nil, err
		}
		return t, func() { _ = t.Close() }, nil
	}
	folder, err := os.MkdirTemp("", "rotationguard-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder for the ledger: %w", err)
	}
	f, err := ledger.OpenFile(filepath.Join(folder, "ledger.db"))
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, nil, err
	}
	return f, func() {
		_ = f.Close()
		_ = os.RemoveAll(folder)
	}, nil
}

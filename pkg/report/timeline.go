package report

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// Timeline is what the ledger remembers of the time before a report.
type Timeline struct {
	Since    time.Time
	Runs     []ledger.Run   // newest first, the report's own among them
	Writes   []ledger.Entry // what came of writes, oldest first
	Findings []ledger.FindingRecord
}

// How far back a timeline goes, and how many runs it has at most.
const (
	TimelineTime = 90 * 24 * time.Hour
	TimelineRuns = 500
)

// ReadTimeline reads from the ledger what a report shows of the time before now. The ledger is trusted as it is: whether it was edited is for
// VerifyLedger to say.
func ReadTimeline(ctx context.Context, l ledger.Ledger, now time.Time) (*Timeline, error) {
	t := &Timeline{Since: now.Add(-TimelineTime)}
	var err error
	if t.Runs, err = l.RunsSince(ctx, t.Since, TimelineRuns); err != nil {
		return nil, fmt.Errorf("reading the runs: %w", err)
	}
	if n := len(t.Runs); n == TimelineRuns {
		t.Since = t.Runs[n-1].Started
	}
	entries, err := l.EntriesSince(ctx, t.Since)
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	t.Writes = slices.DeleteFunc(entries, func(e ledger.Entry) bool { return e.Phase != ledger.PhaseOutcome })
	if t.Findings, err = l.Findings(ctx); err != nil {
		return nil, fmt.Errorf("reading the findings: %w", err)
	}
	return t, nil
}

// runAt is the place of the run in which something happened at a moment, -1 where it is before the oldest.
func (t *Timeline) runAt(at time.Time) int {
	return slices.IndexFunc(t.Runs, func(r ledger.Run) bool { return !r.Started.After(at) })
}

package sweep

import (
	"context"
	"fmt"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// observe puts the outcome's findings into the ledger and takes from it what is news. A stored finding that is not among them is resolved only
// when this run would have seen it; mended names the run's changes that ended findings.
func (s *Sweeper) observe(ctx context.Context, outcome *report.Outcome, complete bool, mended map[string]string) error {
	if s.Ledger == nil {
		return nil
	}
	seen := NewSighted()
	seen.Add(outcome, complete)
	channels := s.Channels
	if s.Forgetful {
		channels = nil // everything would be new
	}
	news, err := s.Ledger.ObserveFindings(ctx, ledger.Sighting{
		At: s.now(), Findings: seen.findings, Covers: func(f drift.Finding) bool { return seen.covers(&f, func(*drift.Finding) bool { return complete }) },
		Mended: mended, RemindAfter: s.RemindAfter, Channels: channels,
	})
	if err != nil {
		return fmt.Errorf("remembering the findings: %w", err)
	}
	outcome.News = news
	return nil
}

// mendedBy names, for every finding that a change of the run has ended, the change.
func mendedBy(run string, changes []repair.Change) map[string]string {
	mended := map[string]string{}
	for i := range changes {
		if c := &changes[i]; c.Status == repair.Done {
			for _, id := range c.Findings {
				mended[id] = fmt.Sprintf("run %s: %s %s", run, c.Call, rotation.OneLine(c.Name))
			}
		}
	}
	return mended
}

// record stores a run before it writes. The journal, not this line, is what a write depends on: a failure is only said.
func (s *Sweeper) record(ctx context.Context, outcome *report.Outcome, run ledger.Run) {
	run.Mode, run.Command, run.Caller, run.Cause = string(s.Repair.Mode), s.Command, s.Caller, s.Cause
	if err := s.Ledger.PutRun(ctx, run); err != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: "ledger", Message: rotation.OneLine(fmt.Sprintf("storing run %s: %v", run.ID, err))})
	}
}

func count(changes []repair.Change, counts func(*repair.Change) bool) int {
	n := 0
	for i := range changes {
		if counts(&changes[i]) {
			n++
		}
	}
	return n
}

func summary(changes []repair.Change) string {
	of := func(status repair.Status) int {
		return count(changes, func(c *repair.Change) bool { return c.Status == status })
	}
	return fmt.Sprintf("%d done, %d failed, %d refused, %d waiting", of(repair.Done), of(repair.Failed), of(repair.Refused), of(repair.Waiting))
}

package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// reasonLength is how many characters of a verdict's reason the ledger keeps.
const reasonLength = 200

// seal puts the run at the end of the ledger's chain: what it found and, by the hash of its journal, what it wrote. The journal, not this, is
// what a write depends on: a failure is only said.
func (s *Sweeper) seal(ctx context.Context, outcome *report.Outcome, run ledger.Run) {
	if s.Ledger == nil {
		return
	}
	run.Mode, run.Command, run.Caller, run.Cause = string(s.Repair.Mode), s.Command, s.Caller, s.Cause
	ended := s.now()
	run.Ended = &ended
	if err := s.evidence(ctx, outcome, &run); err != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: "ledger", Message: rotation.OneLine(fmt.Sprintf("sealing run %s: %v", run.ID, err))})
	}
}

func (s *Sweeper) evidence(ctx context.Context, outcome *report.Outcome, run *ledger.Run) error {
	stored, err := s.Ledger.Verdicts(ctx)
	if err != nil {
		return fmt.Errorf("reading the last verdicts: %w", err)
	}
	run.Verdicts = map[drift.Verdict]int{}
	was := make(map[string]drift.Verdict, len(stored))
	for i := range stored {
		was[stored[i].Secret] = stored[i].Verdict
	}
	var seen []ledger.VerdictChange
	for secret := range outcome.Some(func(g report.Glance) bool {
		run.Verdicts[g.Verdict]++
		before, known := was[string(g.ARN)]
		if g.Verdict == drift.Skipped && !known {
			return false // one that never rotated is no news, one that does not any more is
		}
		if before == g.Verdict {
			seen = append(seen, ledger.VerdictChange{Secret: string(g.ARN), Is: g.Verdict})
		}
		return before != g.Verdict
	}) {
		seen = append(seen, ledger.VerdictChange{Secret: string(secret.ARN), Is: secret.Verdict, Reason: verdictReason(secret)})
	}
	run.Changed = ledger.ChangedVerdicts(stored, seen, run.Complete)
	if run.Exemptions, err = s.inForce(ctx); err != nil {
		return err
	}
	if run.Summary != "" {
		entries, err := s.Ledger.Entries(ctx, run.ID)
		if err != nil {
			return fmt.Errorf("reading its journal: %w", err)
		}
		if run.Journal, err = ledger.HashEntries(entries); err != nil {
			return err
		}
	}
	_, err = s.Ledger.SealRun(ctx, *run)
	return err
}

// verdictReason is why a secret has its verdict, in one line.
func verdictReason(secret *report.Secret) string {
	reason := secret.Reason
	if report.Drift(secret.Verdict) {
		for _, f := range secret.Findings {
			if f.Severity != drift.Info {
				reason = f.Explanation
				break
			}
		}
	}
	text := []rune(rotation.OneLine(reason))
	if len(text) > reasonLength {
		text = append(text[:reasonLength-1], '…')
	}
	return string(text)
}

// inForce are the exemptions that this run goes by, those of the configuration as the ledger knows them.
func (s *Sweeper) inForce(ctx context.Context) ([]ledger.Exemption, error) {
	all, err := s.Ledger.Exemptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the exemptions: %w", err)
	}
	held := []ledger.Exemption{}
	for _, e := range all {
		if !e.Holds(s.now()) || e.Config && !slices.ContainsFunc(s.Judging.Exemptions, func(x drift.Exemption) bool {
			return x.Finding == e.Finding && x.Secret == e.Secret && x.Function == e.Function && x.Rule == e.Rule && x.Owner == e.Owner && x.Reason == e.Reason
		}) {
			continue
		}
		held = append(held, e)
	}
	return held, nil
}

// sealWithin bounds sealing a run whose own time is over.
const sealWithin = 20 * time.Second

// timeline lets the outcome have what the ledger remembers of the time before. A report is whole without it: a failure is only said.
func (s *Sweeper) timeline(ctx context.Context, outcome *report.Outcome) {
	if s.Ledger == nil || s.Forgetful || !s.Timeline {
		return
	}
	var err error
	if outcome.Timeline, err = report.ReadTimeline(ctx, s.Ledger, s.now()); err != nil {
		outcome.Notes = append(outcome.Notes, "The timeline is left out: "+rotation.OneLine(err.Error()))
	}
}

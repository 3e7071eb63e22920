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

// observe puts the outcome's findings into the ledger. A stored finding that is not among them is resolved only when this run
// would have seen it.
func (s *Sweeper) observe(ctx context.Context, outcome *report.Outcome, complete bool) error {
	if s.Ledger == nil {
		return nil
	}
	seen := map[string]bool{}
	var findings []*drift.Finding
	read, unread := map[rotation.ARN]bool{}, map[rotation.ARN]bool{}
	for i := range outcome.Secrets {
		secret := &outcome.Secrets[i]
		for _, thing := range []rotation.ARN{secret.ARN, secret.FunctionARN, secret.RoleARN} {
			if thing != "" {
				read[thing] = true
				unread[thing] = unread[thing] || secret.Verdict == drift.Unknown
			}
		}
		for _, f := range secret.Findings {
			if !seen[f.ID] {
				seen[f.ID] = true
				findings = append(findings, f)
			}
		}
	}
	for i := range outcome.Operators {
		o := &outcome.Operators[i]
		read[o.Principal], unread[o.Principal] = true, o.Verdict == drift.Unknown
		for _, f := range o.Findings {
			if !seen[f.ID] {
				seen[f.ID] = true
				findings = append(findings, f)
			}
		}
	}
	covers := func(f drift.Finding) bool {
		known := false
		for _, thing := range []rotation.ARN{f.Secret, f.Function, f.Subject} {
			if unread[thing] {
				return false
			}
			known = known || read[thing]
		}
		return known || complete
	}
	if _, err := s.Ledger.ObserveFindings(ctx, ledger.Sighting{At: s.now(), Findings: findings, Covers: covers, RemindAfter: s.RemindAfter}); err != nil {
		return fmt.Errorf("remembering the findings: %w", err)
	}
	return nil
}

// record stores a run that writes. The journal, not this line, is what a write depends on: a failure is only said.
func (s *Sweeper) record(ctx context.Context, outcome *report.Outcome, run ledger.Run) {
	run.Mode, run.Command, run.Caller = string(s.Repair.Mode), s.Command, s.Caller
	if err := s.Ledger.PutRun(ctx, run); err != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: "ledger", Message: rotation.OneLine(fmt.Sprintf("storing run %s: %v", run.ID, err))})
	}
}

func count(changes []repair.Change, status repair.Status) int {
	n := 0
	for i := range changes {
		if changes[i].Status == status {
			n++
		}
	}
	return n
}

func summary(changes []repair.Change) string {
	return fmt.Sprintf("%d done, %d failed, %d refused, %d waiting", count(changes, repair.Done), count(changes, repair.Failed), count(changes, repair.Refused), count(changes, repair.Waiting))
}

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
	seen := sighted{at: map[string]int{}, read: map[rotation.ARN]bool{}, unread: map[rotation.ARN]bool{}}
	for i := range outcome.Secrets {
		secret := &outcome.Secrets[i]
		seen.thing(secret.Verdict, secret.ARN, secret.FunctionARN, secret.RoleARN)
		for _, f := range secret.Findings {
			seen.add(f, secret.Verdict, secret.Reason)
		}
		if secret.Verdict == drift.Unknown {
			seen.add(report.NewUnread(outcome.Account, drift.KindSecret, secret.ARN, secret.FunctionARN, secret.Reason), secret.Verdict, "")
		}
	}
	for i := range outcome.Operators {
		o := &outcome.Operators[i]
		seen.thing(o.Verdict, o.Principal)
		for _, f := range o.Findings {
			seen.add(f, o.Verdict, o.Reason)
		}
		if o.Verdict == drift.Unknown {
			seen.add(report.NewUnread(outcome.Account, drift.KindOperator, o.Principal, "", o.Reason), o.Verdict, "")
		}
	}
	channels := s.Channels
	if s.Forgetful {
		channels = nil // everything would be new
	}
	news, err := s.Ledger.ObserveFindings(ctx, ledger.Sighting{
		At: s.now(), Findings: seen.findings, Covers: func(f drift.Finding) bool { return seen.covers(&f, complete) },
		Mended: mended, RemindAfter: s.RemindAfter, Channels: channels,
	})
	if err != nil {
		return fmt.Errorf("remembering the findings: %w", err)
	}
	outcome.News = news
	return nil
}

// sighted are the findings of an outcome, each once, and what they are about.
type sighted struct {
	findings     []*drift.Finding
	at           map[string]int // where a finding is, by its id
	read, unread map[rotation.ARN]bool
}

func (s *sighted) thing(verdict drift.Verdict, names ...rotation.ARN) {
	for _, name := range names {
		if name != "" {
			s.read[name] = true
			s.unread[name] = s.unread[name] || verdict == drift.Unknown
		}
	}
}

// add takes a finding of something with a verdict. It is exempt only where everything that has it is.
func (s *sighted) add(f *drift.Finding, verdict drift.Verdict, reason string) {
	if verdict == drift.Exempt && f.Exempt == "" {
		covered := *f
		covered.Exempt = reason
		f = &covered
	}
	if i, known := s.at[f.ID]; !known {
		s.at[f.ID] = len(s.findings)
		s.findings = append(s.findings, f)
	} else if f.Exempt == "" {
		s.findings[i] = f
	}
}

// covers says of a stored finding that is not among them whether the run would have found it.
func (s *sighted) covers(f *drift.Finding, complete bool) bool {
	known := false
	for _, thing := range []rotation.ARN{f.Secret, f.Function, f.Subject} {
		if s.unread[thing] {
			return false
		}
		known = known || s.read[thing]
	}
	return known || complete
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

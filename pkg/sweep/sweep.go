// Package sweep carries rotation functions through the whole line: read, compare with the contract, plan, apply, verify, report.
//
// Verifying is finding once more: after a repair every verdict speaks of the state that was read again. What could not be
// read is unknown and stands under errors; the sweep goes on. Changes that were made are in the outcome even when an error stopped the
// rest. Mode report writes nothing to the account.
package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Source is an account, or a snapshot of one.
type Source interface {
	Groups(ctx context.Context, scope rotation.Scope) iter.Seq2[rotation.Group, error]
	Operators(ctx context.Context, declared []rotation.Operator) ([]rotation.Operator, error)
}

// Sweeper sweeps one account and Region. Without a Ledger nothing is remembered and, as every write needs its journal entry,
// nothing is written; a Sweeper of a snapshot has neither Ledger nor Clients.
type Sweeper struct {
	Source  Source
	Judging drift.Options
	// Operators are the principals that are declared to hold a permission set. They are judged when the whole account is swept.
	Operators []rotation.Operator
	Repair    repair.Options
	Clients   repair.Clients
	Ledger    ledger.Ledger
	// Forgetful says that the ledger ends with the run: nothing is said of rolling back.
	Forgetful bool

	// Account, Region and Caller are what the caller's credentials say; a snapshot's are found in it.
	Account string
	Region  string
	Caller  string
	Target  string // ACCOUNT/REGION where it is a fleet's target and not the caller's own: as the command's --target names it
	Command string // how the run is called in the ledger: "sweep"
	Cause   string // what made it run, where that was an event: the ledger keeps it
	Run     string // the run's name; empty for a new one when something is written
	Now     func() time.Time
	// Visible is how long a write may take until reads show it; 0 means AWS's own pace.
	Visible time.Duration
	// RemindAfter is when a standing finding is news again.
	RemindAfter time.Duration

	// Continue lets the sweep stop in time for another process to go on; nil: it has the time that it takes.
	Continue *Continuation

	known *rotation.Index // of the scope that is being swept: reading again lists nothing either
	// Timeline says that the outcome is to be shown with what the ledger remembers of the time before.
	Timeline bool
	// Channels are those by which news is told: what each of them does not know yet is the outcome's news.
	Channels []ledger.Channel
}

// Sweep carries the rotation functions in scope through the whole line.
func (s *Sweeper) Sweep(ctx context.Context, scope rotation.Scope) (report.Outcome, error) {
	started := s.Continue.started(s.now())
	outcome, plan, err := s.Plan(ctx, scope)
	if err != nil {
		return outcome, err
	}
	outcome, err = s.apply(ctx, outcome, plan, started)
	s.timeline(ctx, &outcome)
	return outcome, err
}

// Plan is the left half of the line: what stands, and what would be written. In mode report the plan is empty.
func (s *Sweeper) Plan(ctx context.Context, scope rotation.Scope) (report.Outcome, repair.Plan, error) {
	outcome := s.outcome()
	acted := operated{wanted: len(s.Operators) > 0, whole: s.Repair.Mode.Writes()}
	defer acted.close()
	s.known = scope.Known
	keep := s.recall(ctx, scope)
	judgements, complete, err := s.find(ctx, scope, &outcome, &acted)
	if err != nil {
		return outcome, repair.Plan{}, err
	}
	if complete {
		keep(ctx, &outcome)
	}
	if err := s.judgeOperators(ctx, scope, &outcome, &acted); err != nil {
		return outcome, repair.Plan{}, err
	}
	if s.Continue.late(s.now()) {
		return outcome, repair.Plan{}, s.Continue.cut(true)
	}
	history := repair.History{At: s.now(), Complete: complete}
	if s.Ledger != nil {
		if history, err = s.remember(ctx, judgements, &acted, complete); err != nil {
			return outcome, repair.Plan{}, fmt.Errorf("using the ledger: %w", err)
		}
		if err := s.Ledger.ObserveFunctions(ctx, acted.index.functions, complete); err != nil {
			return outcome, repair.Plan{}, fmt.Errorf("remembering the functions: %w", err)
		}
	}
	if s.Repair.Mode == repair.ModeEnforce && complete && s.Clients.Lambda != nil {
		if history.RoleUsers, err = repair.ReadRoleUsers(ctx, s.Clients.Lambda); err != nil {
			return outcome, repair.Plan{}, err
		}
	}
	if complete && s.Ledger != nil && s.Clients.IAM != nil {
		if history.Orphans, err = repair.ReadOrphans(ctx, s.Clients, s.Ledger, acted.index.judged(), s.Account, s.Region); err != nil {
			return outcome, repair.Plan{}, fmt.Errorf("reading what earlier runs wrote: %w", err)
		}
	}
	if s.Ledger != nil {
		if err := s.exempted(ctx, &outcome); err != nil {
			return outcome, repair.Plan{}, err
		}
	}
	plan := repair.NewPlan(judgements, s.Repair, history)
	outcome.Changes, outcome.Left = plan.Changes, plan.Left
	if s.Repair.Mode.Writes() {
		breaker := plan.Breaker
		outcome.Breaker = &breaker
	} else {
		for i := range history.Orphans {
			outcome.Notes = append(outcome.Notes, fmt.Sprintf("No secret names %s any more: %s serves nothing, and mode repair takes it back.", history.Orphans[i].Function, &history.Orphans[i]))
		}
	}
	outcome.Sort()
	return outcome, plan, s.observe(ctx, &outcome, complete, nil)
}

// Apply writes what a person approved of a stored plan, as far as what it rests on still stands.
func (s *Sweeper) Apply(ctx context.Context, stored repair.Plan) (report.Outcome, error) {
	approving := *s
	approving.Repair.Mode, approving.Repair.Approved, approving.Operators = stored.Mode, true, nil
	if len(stored.Changes) == 0 {
		outcome := approving.outcome()
		outcome.Changes = stored.Changes
		return outcome, nil
	}
	started, scope := s.now(), stored.Scope()
	if stored.Takes() {
		scope = rotation.Scope{} // what takes something away rests on the whole account
	}
	outcome, fresh, err := approving.Plan(ctx, scope)
	if err != nil {
		return outcome, err
	}
	if fresh.Account == "" {
		fresh.Account, fresh.Region = s.Account, s.Region // nothing was found in scope
	}
	plan := repair.Confirm(stored, fresh)
	outcome.Changes, outcome.Breaker = plan.Changes, &plan.Breaker
	return approving.apply(ctx, outcome, plan, started)
}

// Rollback takes back what a run wrote. Without write it only answers with what it would do.
func (s *Sweeper) Rollback(ctx context.Context, run string, undoing repair.Undoing, write bool) (report.Outcome, error) {
	started, outcome := s.now(), s.outcome()
	if s.Ledger == nil {
		return outcome, errors.New("rolling back needs the ledger that journalled the run")
	}
	entries, err := s.Ledger.Entries(ctx, run)
	if err != nil {
		return outcome, fmt.Errorf("reading the journal of run %s: %w", run, err)
	}
	if len(entries) == 0 {
		return outcome, fmt.Errorf("the ledger has no run %s that wrote anything", rotation.OneLine(run))
	}
	scope, err := repair.RunScope(entries)
	if err != nil {
		return outcome, err
	}
	judgements, complete, err := s.find(ctx, scope, &outcome, &operated{whole: true})
	if err != nil {
		return outcome, err
	}
	history, err := repair.Remember(ctx, s.Ledger, judgements, complete && scope.All(), s.now())
	if err != nil {
		return outcome, fmt.Errorf("using the ledger: %w", err)
	}
	plan, err := repair.NewRollback(entries, judgements, undoing, s.Repair, history)
	if err != nil {
		return outcome, err
	}
	outcome.Changes, outcome.Left = plan.Changes, plan.Left
	outcome.Sort()
	if !write {
		return outcome, nil
	}
	return s.apply(ctx, outcome, plan, started)
}

// apply is the right half of the line: write, read again, say what stands now. Every run is sealed, one that writes nothing too.
func (s *Sweeper) apply(ctx context.Context, outcome report.Outcome, plan repair.Plan, started time.Time) (report.Outcome, error) {
	run := ledger.Run{ID: cmp.Or(s.Run, repair.NewRun(s.now())), Started: started, Complete: plan.Complete()}
	if !plan.Writes() {
		s.seal(ctx, &outcome, run)
		outcome.Sort()
		return outcome, nil
	}
	repairer := repair.New(s.Clients, s.Ledger, s.Repair)
	repairer.Run, repairer.Now, repairer.Reread = run.ID, s.now, s.judge
	if s.Visible > 0 {
		repairer.Visible = s.Visible
	}
	s.record(ctx, &outcome, run)

	changes, err := repairer.Apply(ctx, plan)
	outcome.Changes = changes
	// What was written is read again and reported even when time ran out on the rest.
	verifying, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifyWithin)
	defer cancel()
	verr := s.verify(verifying, &outcome, changes, mendedBy(repairer.Run, changes))
	run.Summary = summary(changes)
	sealing, stop := context.WithTimeout(context.WithoutCancel(ctx), sealWithin)
	defer stop()
	s.seal(sealing, &outcome, run)
	if written := count(changes, (*repair.Change).Wrote); written > 0 && !s.Forgetful {
		outcome.Notes = append(outcome.Notes, fmt.Sprintf("Run %s wrote %d changes; `%s` shows what taking them back would do.", repairer.Run, written, s.rollback(repairer.Run)))
	}
	outcome.Sort()
	return outcome, errors.Join(err, verr)
}

// rollback is the command that takes a run's changes back.
func (s *Sweeper) rollback(run string) string {
	command := "rotationguard rollback " + run
	if s.Target != "" {
		command += " --target " + s.Target
	}
	return command
}

// verifyWithin bounds reading again after a write, even where the run's own time is over.
const verifyWithin = 60 * time.Second

// verify finds once more for the functions that changes concern and lets the outcome speak of that.
func (s *Sweeper) verify(ctx context.Context, outcome *report.Outcome, changes []repair.Change, mended map[string]string) error {
	scope := repair.ScopeOf(changes)
	if scope.All() {
		return nil
	}
	verified, err := s.judge(ctx, scope)
	if err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	outcome.Replace(verified)
	outcome.Sort()
	return s.observe(ctx, outcome, false, mended)
}

// judge finds in scope without an outcome.
func (s *Sweeper) judge(ctx context.Context, scope rotation.Scope) ([]drift.Judgement, error) {
	var judgements []drift.Judgement
	scope.Known = s.known
	for group, err := range s.Source.Groups(ctx, scope) {
		if err != nil {
			return judgements, err
		}
		judgements = append(judgements, drift.Judge(group, s.Judging)...)
	}
	return judgements, nil
}

// find reads the setups in scope as they stand and compares each with its contract. The outcome takes every answer; a judgement is
// kept only where a plan is made, and whole only where that may have to do with it or with another function of its role. complete says that the whole account was read.
func (s *Sweeper) find(ctx context.Context, scope rotation.Scope, outcome *report.Outcome, acted *operated) (judgements []drift.Judgement, complete bool, err error) {
	complete = scope.All()
	for next, err := range s.judged(ctx, scope) {
		if err != nil {
			return judgements, false, err
		}
		group, judged := next.group, next.judgements
		for _, gap := range inventory.Gaps(group) {
			outcome.Errors = append(outcome.Errors, report.ErrorOf(gap))
		}
		complete = complete && group.Listed != nil && group.Listed.Complete
		acted.add(&group)
		acted.index.add(&group)
		concerned := false
		for i := range judged {
			outcome.Add(&judged[i])
			if !acted.whole {
				acted.namings.add(&judged[i])
			}
			concerned = concerned || repair.Concerns(&judged[i])
		}
		for i := range judged {
			switch {
			case !acted.whole: // nothing is planned
				forgetRequests(&judged[i])
			case concerned:
				judgements = append(judgements, judged[i])
			default:
				judgements = append(judgements, remembered(&judged[i]))
			}
		}
	}
	if s.Continue.unread(outcome) {
		complete = false
	}
	return judgements, complete, nil
}

// forgetRequests lets go of what only a plan asks of findings: requests hold what was read of secret, function and role.
func forgetRequests(j *drift.Judgement) {
	for i := range j.Secrets {
		for _, f := range j.Secrets[i].Findings {
			f.Request = nil
		}
	}
}

// remembered is the little of a judgement that the ledger's index keeps.
func remembered(j *drift.Judgement) drift.Judgement {
	slim := drift.Judgement{Setup: rotation.Setup{Account: j.Setup.Account, Region: j.Setup.Region, Partition: j.Setup.Partition,
		Function: rotation.Function{ARN: j.Setup.Function.ARN}}}
	for i := range j.Setup.Secrets {
		secret := &j.Setup.Secrets[i]
		slim.Setup.Secrets = append(slim.Setup.Secrets, rotation.Secret{ARN: secret.ARN, Name: secret.Name, Kind: secret.Kind, FunctionARN: secret.FunctionARN, KMSKeyID: secret.KMSKeyID})
	}
	return slim
}

// remember puts what was read into the ledger's index. What earlier runs know matters only where something may be written.
func (s *Sweeper) remember(ctx context.Context, judgements []drift.Judgement, acted *operated, complete bool) (repair.History, error) {
	if acted.whole {
		return repair.Remember(ctx, s.Ledger, judgements, complete, s.now())
	}
	_, err := s.Ledger.ObserveSecrets(ctx, s.now(), acted.namings.all(), complete)
	return repair.History{At: s.now(), Complete: complete}, err
}

func (s *Sweeper) outcome() report.Outcome {
	return report.Outcome{Account: s.Account, Region: s.Region, Mode: s.Repair.Mode, At: s.now()}
}

func (s *Sweeper) now() time.Time {
	if s.Now == nil {
		return time.Now().UTC()
	}
	return s.Now().UTC()
}

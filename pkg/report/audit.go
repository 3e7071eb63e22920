package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// AuditSchema is the version of an audit's JSON.
const AuditSchema = "rotationguard.audit/1"

// Audit is what the ledger shows of a period: when each secret was in sync, every change with its proof and who caused it, and the exemptions.
// A verdict is known at runs alone: it is taken to stand until a run sees another.
type Audit struct {
	Schema  string    `json:"schema"`
	Account string    `json:"account"` // "" where the ledger knows no secret
	Region  string    `json:"region"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	// AsOf is when the last run of the period read the account, null without one: nothing is known of later.
	AsOf       *time.Time       `json:"as_of"`
	Chain      ledger.Chain     `json:"chain"`
	Watch      AuditWatch       `json:"watch"`
	Secrets    []AuditSecret    `json:"secrets"`
	Changes    []AuditChange    `json:"changes"`
	Exemptions []AuditExemption `json:"exemptions"`
	Runs       []AuditRun       `json:"runs"`
}

// AuditWatch says how closely the account was looked at.
type AuditWatch struct {
	Runs     int `json:"runs"`
	Complete int `json:"complete"` // that listed the whole account
	// LongestGap is the longest time without a complete run, in seconds, and GapFrom when it began.
	LongestGap int64     `json:"longest_gap_seconds"`
	GapFrom    time.Time `json:"longest_gap_from"`
}

// AuditRun is one run of the period.
type AuditRun struct {
	ID       string                `json:"id"`
	Number   uint64                `json:"number"` // its place in the chain; 0: it did not end, and nothing protects its record
	Hash     string                `json:"hash"`
	Started  time.Time             `json:"started"`
	Ended    *time.Time            `json:"ended"`
	Command  string                `json:"command"`
	Mode     string                `json:"mode"`
	Caller   string                `json:"caller"`
	Cause    string                `json:"cause"` // the event that made it run
	Complete bool                  `json:"complete"`
	Verdicts map[drift.Verdict]int `json:"verdicts"`
	Changed  int                   `json:"changed"` // verdicts that it saw to be others than before
	Summary  string                `json:"summary"` // of what it wrote
	Problem  string                `json:"problem"` // why its record does not hold; "" where it does
}

// AuditSecret is one secret's history.
type AuditSecret struct {
	ARN     string        `json:"arn"`
	Name    string        `json:"name"`
	Verdict drift.Verdict `json:"verdict"` // at the end of the period
	// InSync and Judged are for how long, in seconds of the period, it was in sync and had a verdict at all.
	InSync  int64         `json:"in_sync_seconds"`
	Judged  int64         `json:"judged_seconds"`
	Periods []AuditPeriod `json:"periods"`
}

// AuditPeriod is a time in which a secret had one verdict.
type AuditPeriod struct {
	Verdict drift.Verdict `json:"verdict"`
	From    *time.Time    `json:"from"` // null: before the oldest run that the ledger still has
	To      *time.Time    `json:"to"`   // null: it stood at the end
	Reason  string        `json:"reason"`
	Run     string        `json:"run"` // that saw it first; "" where the ledger does not have that run any more
}

// audited is what an audit is made of.
type audited struct {
	runs       []ledger.Run // sealed ones first, in the order of the chain
	journal    []ledger.Entry
	verdicts   []ledger.VerdictRecord
	exemptions []ledger.Exemption
	problems   map[uint64]string
}

// ReadAudit reads what a ledger shows of a period, and whether its chain of runs holds.
func ReadAudit(ctx context.Context, l ledger.Ledger, since, until, now time.Time) (*Audit, error) {
	chain, in, err := readChain(ctx, l, now)
	if err != nil {
		return nil, err
	}
	if in.verdicts, err = l.Verdicts(ctx); err != nil {
		return nil, fmt.Errorf("reading the verdicts: %w", err)
	}
	if in.exemptions, err = l.Exemptions(ctx); err != nil {
		return nil, fmt.Errorf("reading the exemptions: %w", err)
	}
	a := &Audit{Schema: AuditSchema, Since: since.UTC(), Until: until.UTC(), Chain: chain}
	a.addRuns(&in)
	a.addSecrets(&in)
	a.addChanges(&in)
	a.addExemptions(&in)
	for _, s := range a.Secrets {
		if parts := strings.SplitN(s.ARN, ":", 6); len(parts) == 6 {
			a.Region, a.Account = parts[3], parts[4]
			break
		}
	}
	return a, nil
}

// VerifyLedger says whether a ledger's chain of runs holds, and has the run that was noted, if one was: see ledger.Holds.
func VerifyLedger(ctx context.Context, l ledger.Ledger, noted *NotedRun, now time.Time) (ledger.Chain, error) {
	chain, in, err := readChain(ctx, l, now)
	if err == nil && noted != nil && !ledger.Holds(in.runs, noted.Number, noted.Hash) {
		chain.Problems = append(chain.Problems, ledger.Problem{Number: noted.Number, What: "the ledger has no run with the hash that was noted: it, or one before it, was written anew; or it is older than what is kept"})
		slices.SortStableFunc(chain.Problems, func(a, b ledger.Problem) int { return cmp.Compare(a.Number, b.Number) })
	}
	return chain, err
}

// NotedRun is a place in the chain of which somebody has kept the hash elsewhere.
type NotedRun struct {
	Number uint64
	Hash   string
}

func readChain(ctx context.Context, l ledger.Ledger, now time.Time) (ledger.Chain, audited, error) {
	var in audited
	// The end first: a run that is sealed while the others are read comes after it.
	head, err := l.Head(ctx)
	if err != nil {
		return ledger.Chain{}, in, fmt.Errorf("reading the end of the chain of runs: %w", err)
	}
	runs, err := l.Runs(ctx, 0)
	if err != nil {
		return ledger.Chain{}, in, fmt.Errorf("reading the runs: %w", err)
	}
	later, err := l.Head(ctx)
	if err != nil {
		return ledger.Chain{}, in, fmt.Errorf("reading the end of the chain of runs: %w", err)
	}
	// What is beyond the later end was not sealed, whoever says so; what lies between the two is left for the next time.
	runs = slices.DeleteFunc(runs, func(r ledger.Run) bool { return r.Number > head.Number && r.Number <= later.Number })
	if in.journal, err = l.EntriesSince(ctx, time.Time{}); err != nil {
		return ledger.Chain{}, in, fmt.Errorf("reading the journal: %w", err)
	}
	chain, err := ledger.Verify(runs, head, in.journal, now)
	if err != nil {
		return chain, in, fmt.Errorf("verifying the chain of runs: %w", err)
	}
	in.problems = make(map[uint64]string, len(chain.Problems))
	for _, p := range chain.Problems {
		in.problems[p.Number] = p.What
	}
	slices.SortStableFunc(runs, func(a, b ledger.Run) int {
		if a.Number > 0 && b.Number > 0 {
			return cmp.Compare(a.Number, b.Number)
		}
		return a.Started.Compare(b.Started)
	})
	in.runs = runs
	return chain, in, nil
}

// within says whether a moment lies in the audit's period.
func (a *Audit) within(t time.Time) bool { return !t.Before(a.Since) && t.Before(a.Until) }

// addRuns takes the runs of the period, and how closely they looked.
func (a *Audit) addRuns(in *audited) {
	a.Runs = []AuditRun{}
	last := a.Since // when the last complete run began
	gap := func(to time.Time) {
		if d := int64(to.Sub(last).Seconds()); d > a.Watch.LongestGap {
			a.Watch.LongestGap, a.Watch.GapFrom = d, last
		}
	}
	for _, r := range byStart(in.runs) {
		if r.Number > 0 && r.Complete && r.Started.Before(a.Since) {
			last = r.Started
		}
		if !a.within(r.Started) {
			continue
		}
		a.Runs = append(a.Runs, AuditRun{
			ID: r.ID, Number: r.Number, Hash: r.Hash, Started: r.Started, Ended: r.Ended, Command: r.Command, Mode: r.Mode, Caller: r.Caller, Cause: r.Cause,
			Complete: r.Complete, Verdicts: countsOf(r.Verdicts), Changed: len(r.Changed), Summary: r.Summary, Problem: in.problems[r.Number],
		})
		if r.Number == 0 {
			a.Runs[len(a.Runs)-1].Problem = "it did not end: nothing protects its record"
			continue
		}
		a.Watch.Runs++
		started := r.Started
		a.AsOf = &started
		if r.Complete {
			gap(r.Started)
			a.Watch.Complete++
			last = r.Started
		}
	}
	gap(a.Until)
}

// countsOf is never null in JSON.
func countsOf(verdicts map[drift.Verdict]int) map[drift.Verdict]int {
	if verdicts == nil {
		return map[drift.Verdict]int{}
	}
	return verdicts
}

func byStart(runs []ledger.Run) []ledger.Run {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b ledger.Run) int { return a.Started.Compare(b.Started) })
	return runs
}

// addSecrets puts the verdicts that runs saw one after the other. Of a secret that no run in the ledger says anything of, the last verdict is
// all that is known.
func (a *Audit) addSecrets(in *audited) {
	periods := map[string][]AuditPeriod{}
	for i := range in.runs {
		r := &in.runs[i]
		if r.Number == 0 {
			continue
		}
		started := r.Started
		for _, c := range r.Changed {
			all := periods[c.Secret]
			switch {
			case len(all) > 0:
				all[len(all)-1].To = &started
			case c.Was != "":
				all = append(all, AuditPeriod{Verdict: c.Was, To: &started})
			}
			periods[c.Secret] = append(all, AuditPeriod{Verdict: c.Is, From: &started, Reason: c.Reason, Run: r.ID})
		}
	}
	for _, v := range in.verdicts {
		if len(periods[v.Secret]) == 0 && v.Verdict != drift.Skipped {
			since := v.Since
			periods[v.Secret] = []AuditPeriod{{Verdict: v.Verdict, From: &since}}
		}
	}
	a.Secrets = []AuditSecret{}
	for _, arn := range sortedKeys(periods) {
		if s, ok := a.secret(arn, periods[arn], in.first()); ok {
			a.Secrets = append(a.Secrets, s)
		}
	}
}

// first is when the oldest run of the chain began that the ledger still has.
func (in *audited) first() time.Time {
	for i := range in.runs {
		if in.runs[i].Number > 0 {
			return in.runs[i].Started
		}
	}
	return time.Time{}
}

// secret cuts a history to the audit's period; false: the secret had none in it. Of a verdict that was there before the first run nothing is
// known of the time before it.
func (a *Audit) secret(arn string, history []AuditPeriod, first time.Time) (AuditSecret, bool) {
	s := AuditSecret{ARN: arn, Periods: []AuditPeriod{}}
	s.Name, _, _ = rotation.ARN(arn).SecretName()
	s.Name = cmp.Or(s.Name, arn)
	end := a.Since
	if a.AsOf != nil {
		end = *a.AsOf
	}
	there := false
	for _, p := range history {
		if p.To != nil && !p.To.After(a.Since) || p.From != nil && !p.From.Before(a.Until) {
			continue
		}
		if p.To != nil && !p.To.Before(a.Until) {
			p.To = nil
		}
		s.Periods = append(s.Periods, p)
		s.Verdict = p.Verdict
		there = there || p.Verdict != ledger.VerdictGone
		from, to := a.Since, end
		begun := p.From
		if begun == nil {
			begun = &first
		}
		if begun.After(from) {
			from = *begun
		}
		if p.To != nil && p.To.Before(to) {
			to = *p.To
		}
		if seconds := int64(to.Sub(from).Seconds()); seconds > 0 && p.Verdict != ledger.VerdictGone && p.Verdict != drift.Skipped {
			s.Judged += seconds
			if p.Verdict == drift.InSync {
				s.InSync += seconds
			}
		}
	}
	return s, there
}

// Held says whether all that the audit rests on is as it was sealed.
func (a *Audit) Held() bool { return len(a.Chain.Problems) == 0 }

// ExitCode is 2 where the chain does not hold.
func (a *Audit) ExitCode() int {
	if a.Held() {
		return ExitInSync
	}
	return ExitDrift
}

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// TargetStatus says how far the sweep of a fleet's target came.
type TargetStatus string

// The statuses of a target.
const (
	TargetSwept      TargetStatus = "swept"      // all of it was read
	TargetIncomplete TargetStatus = "incomplete" // something could not be read or done; errors name it
	TargetFailed     TargetStatus = "failed"     // nothing is known of it
)

// Target is one account and Region of a fleet sweep.
type Target struct {
	Account string         `json:"account"`
	Name    string         `json:"name"`   // of the account, for people
	Region  string         `json:"region"` // empty where the account as a whole failed
	Status  TargetStatus   `json:"status"`
	Verdict *drift.Verdict `json:"verdict"` // the worst; null where the target failed or has no secret
	Summary Summary        `json:"summary"`
	Cause   string         `json:"cause"`  // why it failed
	Report  *string        `json:"report"` // where the target's own report is
}

// Fleet says whether the outcome is of several accounts and Regions: it then has Targets, and its secrets say whose they are.
func (o *Outcome) Fleet() bool { return len(o.Targets) > 0 }

// Join takes the outcome of one target into a fleet's. Of its secrets those are kept whose verdict keep takes, all when it is nil; the
// target's summary counts all. where, which may be empty, is where the target's own report is.
func (o *Outcome) Join(account, name, region string, part *Outcome, where string, keep func(drift.Verdict) bool) {
	t := Target{Account: account, Name: name, Region: region, Status: TargetSwept, Summary: part.Summary(), Report: orNull(where)}
	if len(part.Errors) > 0 {
		t.Status = TargetIncomplete
	}
	if part.Count()+len(part.Operators) > 0 {
		worst := part.WorstVerdict()
		// What a target has beyond the secrets that were read is not known.
		if t.Status == TargetIncomplete && slices.Index(Verdicts, worst) > slices.Index(Verdicts, drift.Unknown) {
			worst = drift.Unknown
		}
		t.Verdict = &worst
	}
	if t.Verdict == nil && t.Status == TargetIncomplete {
		t.Status, t.Cause = TargetFailed, part.Errors[0].String()
	}
	o.Targets = append(o.Targets, t)
	for of := range part.All() {
		if keep == nil || keep(of.Verdict) {
			s := *of
			s.Account, s.Region = account, region
			o.Secrets = append(o.Secrets, s)
		}
	}
	o.Operators = append(o.Operators, part.Operators...)
	o.Changes = append(o.Changes, part.Changes...)
	o.Left = append(o.Left, part.Left...)
	o.joinBreaker(account, region, part.Breaker)
	for _, e := range part.Errors {
		o.Errors = append(o.Errors, e.in(account, region))
	}
	o.joinNotes(account+" "+region, part.Notes)
}

// joinBreaker names every target in which the breaker stopped writing.
func (o *Outcome) joinBreaker(account, region string, b *repair.Breaker) {
	if b == nil || b.Tripped == "" {
		return
	}
	tripped := *b
	tripped.Tripped = account + " " + region + ": " + tripped.Tripped
	if o.Breaker != nil {
		tripped.Tripped = o.Breaker.Tripped + "; " + tripped.Tripped
	}
	o.Breaker = &tripped
}

// sharedNote is where in the notes is what several targets say, and who said it first.
type sharedNote struct {
	at    int
	first string
	more  int
}

// joinNotes takes a target's notes, each once with whose it is.
func (o *Outcome) joinNotes(whose string, notes []string) {
	for _, n := range notes {
		shared, ok := o.shared[n]
		if !ok {
			if o.shared == nil {
				o.shared = map[string]*sharedNote{}
			}
			o.shared[n] = &sharedNote{at: len(o.Notes), first: whose}
			o.Notes = append(o.Notes, whose+": "+n)
			continue
		}
		shared.more++
		o.Notes[shared.at] = shared.first + " and " + count(shared.more, "more target") + ": " + n
	}
}

// JoinFailed takes a target of which nothing is known into a fleet's outcome, with the reason. region is empty where the account as a
// whole is meant.
func (o *Outcome) JoinFailed(account, name, region string, cause Error) {
	part := Outcome{}
	o.Targets = append(o.Targets, Target{
		Account: account, Name: name, Region: region, Status: TargetFailed, Summary: part.Summary(), Cause: cause.String(),
	})
	o.Errors = append(o.Errors, cause.in(account, region))
}

// in says of an error in which account and Region it is, where its resource does not.
func (e Error) in(account, region string) Error {
	if !strings.Contains(e.Resource, account) || region != "" && !strings.Contains(e.Resource, region) && strings.HasPrefix(e.Resource, "arn:") && !strings.Contains(e.Resource, ":iam::") {
		e.Resource = strings.TrimSpace(account + " " + region + " " + strings.TrimPrefix(e.Resource, account))
	}
	return e
}

// fleetSummary adds up the targets'.
func (o *Outcome) fleetSummary() Summary {
	s := Summary{Functions: 0, ByVerdict: map[drift.Verdict]int{}}
	for _, v := range Verdicts {
		s.ByVerdict[v] = 0
	}
	for i := range o.Targets {
		t := &o.Targets[i]
		s.Secrets += t.Summary.Secrets
		s.Functions += t.Summary.Functions
		for v, n := range t.Summary.ByVerdict {
			s.ByVerdict[v] += n
		}
	}
	return s
}

// targets counts the targets by status, and the accounts that they are of.
func (o *Outcome) targets() (by map[TargetStatus]int, accounts int) {
	by, seen := map[TargetStatus]int{}, map[string]bool{}
	for i := range o.Targets {
		by[o.Targets[i].Status]++
		seen[o.Targets[i].Account] = true
	}
	return by, len(seen)
}

// WholeSweep is the resource of an error that is about no one thing: the sweep itself failed, or is not complete.
const WholeSweep = "sweep"

// Unswept says whether the sweep, or a target's, failed or could be read in part only: nobody may take its silence for being in sync.
func (o *Outcome) Unswept() bool {
	return slices.ContainsFunc(o.Targets, func(t Target) bool { return t.Status != TargetSwept }) ||
		slices.ContainsFunc(o.Errors, func(e Error) bool { return e.Resource == WholeSweep })
}

// TargetsByStatus counts a fleet's targets, every status, 0 too.
func (o *Outcome) TargetsByStatus() map[TargetStatus]int {
	by, _ := o.targets()
	for _, status := range []TargetStatus{TargetSwept, TargetIncomplete, TargetFailed} {
		by[status] += 0
	}
	return by
}

// Scope says in a few words what was swept: "123456789012 eu-central-1", or "40 targets in 20 accounts".
func (o *Outcome) Scope() string {
	if !o.Fleet() {
		return o.Account + " " + o.Region
	}
	_, accounts := o.targets()
	return count(len(o.Targets), "target") + " in " + count(accounts, "account")
}

// fleetStory is how many targets are known of, before what is known.
func (o *Outcome) fleetStory() string {
	by, _ := o.targets()
	text := fmt.Sprintf("%d of %s swept.", by[TargetSwept]+by[TargetIncomplete], count(len(o.Targets), "target"))
	if n := by[TargetFailed]; n > 0 {
		text += fmt.Sprintf(" %d failed: nothing is known of their secrets.", n)
	}
	if n := by[TargetIncomplete]; n > 0 {
		text += fmt.Sprintf(" %d could be read in part only.", n)
	}
	return text + " "
}

func sortTargets(targets []Target) {
	slices.SortStableFunc(targets, func(a, b Target) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region))
	})
}

// fleetTargets lists the targets for people: those that failed with the cause, those with something worse than in sync, and how many others.
func (t *text) fleetTargets(o *Outcome) {
	if !o.Fleet() {
		return
	}
	t.heading("Targets")
	quiet := 0
	for i := 0; i < len(o.Targets); i++ {
		target := &o.Targets[i]
		switch {
		case target.Status == TargetFailed:
			where := target.where()
			for ; i+1 < len(o.Targets) && target.failedAlike(&o.Targets[i+1]); i++ {
				where += ", " + o.Targets[i+1].Region
			}
			t.labelled(pad("failed", labelWidth), red, inert(where+": "+target.Cause))
		case target.quiet():
			quiet++
		default:
			t.labelled(pad(string(target.worst()), labelWidth), verdictColor(target.worst()), inert(target.where()+": "+target.counts()))
		}
	}
	if quiet > 0 {
		t.labelled(pad(fmt.Sprint(quiet), labelWidth), dim, "with nothing worse than in sync (--output json lists them)")
	}
}

// quiet says whether all of the target was read and nothing in it is worse than in sync.
func (t *Target) quiet() bool {
	return t.Status == TargetSwept && (t.Verdict == nil || !Drift(*t.Verdict))
}

// failedAlike says whether another target is of the same account and failed for the same reason.
func (t *Target) failedAlike(other *Target) bool {
	return other.Status == TargetFailed && other.Account == t.Account && other.Name == t.Name && other.Cause == t.Cause
}

// unsaid are the errors that are not a failed target's cause, which the list of targets has.
func (o *Outcome) unsaid() []Error {
	said := map[string]bool{}
	for i := range o.Targets {
		if o.Targets[i].Status == TargetFailed {
			said[o.Targets[i].Cause] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(o.Errors), func(e Error) bool { return said[e.String()] })
}

// worst is the target's verdict: unknown where nothing is known of it.
func (t *Target) worst() drift.Verdict {
	switch {
	case t.Verdict != nil:
		return *t.Verdict
	case t.Status != TargetSwept:
		return drift.Unknown
	}
	return drift.Skipped
}

func (t *Target) where() string {
	return strings.Join(strings.Fields(t.Account+" "+t.Name+" "+t.Region), " ")
}

// Line says in one line what became of a target.
func (t *Target) Line() string {
	if t.Status == TargetFailed {
		return inert(t.where() + ": failed: " + t.Cause)
	}
	return inert(t.where() + ": " + t.counts())
}

func (t *Target) counts() string {
	var parts []string
	for _, v := range Verdicts {
		if n := t.Summary.ByVerdict[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	text := count(t.Summary.Secrets, "secret")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if t.Status == TargetIncomplete {
		text += "; something could not be read"
	}
	return text
}

// whose is the account and Region of a fleet's secret.
func (s *Secret) whose() string { return strings.TrimSpace(s.Account + " " + s.Region) }

// named is a secret's name, in a fleet with whose it is.
func (s *Secret) named() string {
	if s.Account == "" {
		return secretName(s)
	}
	return secretName(s) + " in " + inert(s.whose())
}

// longestWhose is how wide the longest account and Region is, 0 where all are one account's.
func longestWhose(lists ...[]*Secret) int {
	longest := 0
	for _, list := range lists {
		for _, s := range list {
			longest = max(longest, width(inert(s.whose())))
		}
	}
	return longest
}

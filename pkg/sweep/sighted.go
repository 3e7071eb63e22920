package sweep

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// FleetScope is the scope in a ledger's table of what a fleet was told: its accounts and Regions have others, each its own.
const FleetScope = "fleet"

// Sighted are the findings of one or more outcomes, each once, and what they are about.
type Sighted struct {
	findings     []*drift.Finding
	at           map[string]int        // where a finding is, by its id
	read, unread map[rotation.ARN]bool // by the sweep of its own account and Region, or of another
	near         map[rotation.ARN]bool // read by the sweep of its own
	mended       map[string]string     // the changes that ended findings, by their ids
	whole        map[place]bool        // false where something of the account and Region may not have been seen
	accounts     map[string]bool       // false where that holds for any of the account's Regions
	dark         map[place]bool        // of these nothing was seen; without a Region it is the account as a whole
	dimmed       map[string]bool       // the accounts that have one
}

// place is an account and Region.
type place struct{ account, region string }

func placeOf(thing rotation.ARN) place {
	of := thing.Parts()
	return place{of.Account, of.Region}
}

// NewSighted has seen nothing.
func NewSighted() *Sighted {
	return &Sighted{
		at: map[string]int{}, read: map[rotation.ARN]bool{}, unread: map[rotation.ARN]bool{}, near: map[rotation.ARN]bool{}, mended: map[string]string{},
		whole: map[place]bool{}, accounts: map[string]bool{}, dark: map[place]bool{}, dimmed: map[string]bool{},
	}
}

// Add takes an outcome of one account and Region. complete says that all of it was read that could be: what is not in it is no more.
func (s *Sighted) Add(o *report.Outcome, complete bool) {
	s.swept(o.Account, o.Region, complete)
	here := place{o.Account, o.Region}
	whole := s.whole[here] // then it need not be known of each thing that it was read
	for secret := range o.Some(func(g report.Glance) bool { return !whole || !g.Clean || g.Verdict == drift.Unknown }) {
		s.thing(here, secret.Verdict, secret.ARN, secret.FunctionARN, secret.RoleARN)
		for _, f := range secret.Findings {
			s.add(f, secret.Verdict, secret.Reason)
		}
		if secret.Verdict == drift.Unknown {
			s.add(report.NewUnread(o.Account, drift.KindSecret, secret.ARN, secret.FunctionARN, secret.Reason), secret.Verdict, "")
		}
	}
	for i := range o.Operators {
		p := &o.Operators[i]
		s.thing(here, p.Verdict, p.Principal)
		for _, f := range p.Findings {
			s.add(f, p.Verdict, p.Reason)
		}
		if p.Verdict == drift.Unknown {
			s.add(report.NewUnread(o.Account, drift.KindOperator, p.Principal, "", p.Reason), p.Verdict, "")
		}
	}
}

// AddMended names the changes of a run that ended findings.
func (s *Sighted) AddMended(run string, o *report.Outcome) {
	for id, change := range mendedBy(run, o.Changes) {
		s.mended[id] = change
	}
}

// AddTargets takes what became of a fleet's targets: one that was not swept as a whole is a finding itself, so that it is told once, and told when it is over.
func (s *Sighted) AddTargets(o *report.Outcome) {
	for i := range o.Targets {
		t := &o.Targets[i]
		f := report.NewUnswept(t)
		at := place{t.Account, t.Region}
		s.thing(at, drift.InSync, f.Subject)
		if t.Region != "" { // the account's Regions could be listed
			s.thing(at, drift.InSync, rotation.ARN(t.Account))
		}
		switch t.Status {
		case report.TargetSwept:
			continue
		case report.TargetFailed:
			s.dark[at], s.dimmed[t.Account] = true, true
		case report.TargetIncomplete:
		}
		s.swept(t.Account, t.Region, false)
		s.add(f, drift.Unknown, "")
	}
}

func (s *Sighted) swept(account, region string, whole bool) {
	at := place{account, region}
	before, seen := s.whole[at]
	s.whole[at] = whole && (before || !seen)
	before, seen = s.accounts[account]
	s.accounts[account] = whole && (before || !seen)
}

func (s *Sighted) thing(here place, verdict drift.Verdict, names ...rotation.ARN) {
	for _, name := range names {
		if name != "" {
			s.read[name] = true
			if at := placeOf(name); at.account == here.account && (at.region == "" || at.region == here.region) {
				s.near[name] = true
			}
			if verdict == drift.Unknown {
				s.unread[name] = true
			}
		}
	}
}

// add takes a finding of something with a verdict. It is exempt only where everything that has it is.
func (s *Sighted) add(f *drift.Finding, verdict drift.Verdict, reason string) {
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

// covers says of a stored finding that is not among them whether it would have been found: what it is about was read, or whole says that all was.
// What is in an account and Region that could not be swept would not: that another one's secrets name it does not count.
func (s *Sighted) covers(f *drift.Finding, whole func(*drift.Finding) bool) bool {
	known, regional := false, false
	for _, thing := range []rotation.ARN{f.Secret, f.Function, f.Subject} {
		at := placeOf(thing)
		if s.unread[thing] || s.dark[at] || s.dark[place{at.account, ""}] {
			return false
		}
		_, swept := s.whole[at]
		known = known || s.near[thing] || s.read[thing] && !swept
		regional = regional || at.region != ""
	}
	// A role or user that is named alone may have been found by the sweep of any of its account's Regions.
	if !regional && s.dimmed[f.Subject.Parts().Account] {
		return false
	}
	return known || whole(f)
}

// wholeOf says whether all was read of the account and Region that a finding is of; a role or user is of all the account's Regions.
func (s *Sighted) wholeOf(f *drift.Finding) bool {
	of := cmp.Or(f.Secret, f.Function, f.Subject).Parts()
	if of.Region == "" {
		return s.accounts[of.Account]
	}
	return s.whole[place{of.Account, of.Region}]
}

// ObserveFleet puts what the targets of a fleet's sweep have found into the ledger, and answers with what is news on the channels.
func (s *Sighted) ObserveFleet(ctx context.Context, l ledger.Ledger, at time.Time, remindAfter time.Duration, channels []ledger.Channel) ([]ledger.Transition, error) {
	news, err := l.ObserveFindings(ctx, ledger.Sighting{
		At: at, Findings: s.findings, Covers: func(f drift.Finding) bool { return s.covers(&f, s.wholeOf) }, Mended: s.mended, RemindAfter: remindAfter, Channels: channels,
	})
	if err != nil {
		return nil, fmt.Errorf("remembering the fleet's findings: %w", err)
	}
	return news, nil
}

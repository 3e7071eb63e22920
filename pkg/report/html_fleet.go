package report

import (
	"cmp"
	"slices"
)

// Fleet says whether the page is of several accounts and Regions.
func (p *page) Fleet() bool { return p.outcome.Fleet() }

// Scope says in a few words what was swept.
func (p *page) Scope() string { return inert(p.outcome.Scope()) }

// pageTarget is a fleet's target as the page lists it.
type pageTarget struct{ Account, Name, Region, Status, Verdict, Says, Report string }

// Targets are those of a fleet's accounts and Regions that somebody should look at: first those that failed, then those that could be read in part only or have
// something worse than in sync, worst first.
func (p *page) Targets() []pageTarget {
	var all []*Target
	for i := range p.outcome.Targets {
		if t := &p.outcome.Targets[i]; !t.quiet() {
			all = append(all, t)
		}
	}
	rank := func(t *Target) int {
		if t.Status == TargetFailed {
			return -1
		}
		return slices.Index(Verdicts, t.worst())
	}
	slices.SortStableFunc(all, func(a, b *Target) int { return cmp.Compare(rank(a), rank(b)) })
	return viewsOf(all)
}

// QuietTargets are the others.
func (p *page) QuietTargets() []pageTarget {
	var all []*Target
	for i := range p.outcome.Targets {
		if t := &p.outcome.Targets[i]; t.quiet() {
			all = append(all, t)
		}
	}
	return viewsOf(all)
}

func viewsOf(targets []*Target) []pageTarget {
	var all []pageTarget
	for _, t := range targets {
		view := pageTarget{Account: inert(t.Account), Name: inert(t.Name), Region: inert(t.Region), Status: string(t.Status), Says: inert(t.counts())}
		if t.Status == TargetFailed {
			view.Says = inert(t.Cause)
		}
		if t.Verdict != nil {
			view.Verdict = inert(string(*t.Verdict))
		}
		if t.Report != nil {
			view.Report = inert(*t.Report)
		}
		all = append(all, view)
	}
	return all
}

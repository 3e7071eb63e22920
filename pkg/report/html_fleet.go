package report

// Fleet says whether the page is of several accounts and Regions.
func (p *page) Fleet() bool { return p.outcome.Fleet() }

// Scope says in a few words what was swept.
func (p *page) Scope() string { return inert(p.outcome.Scope()) }

// pageTarget is a fleet's target as the page lists it.
type pageTarget struct{ Account, Name, Region, Status, Verdict, Says, Report string }

// Targets are a fleet's accounts and Regions, none of a single account's page.
func (p *page) Targets() []pageTarget {
	var all []pageTarget
	for i := range p.outcome.Targets {
		t := &p.outcome.Targets[i]
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

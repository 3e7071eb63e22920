package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// pageTimeline is the section of runs and what they saw change.
type pageTimeline struct {
	Says string
	Runs []pageRun
	More int // runs that are older than those shown
}

// pageRun is one run, or several after each other that saw nothing change.
type pageRun struct {
	At, Until *pageTime // Until is the first of several
	Folded    int       // how many they are, where there is more than one
	What, By  string
	Counts    []pageCount
	Said      string // the counts in words
	Turns     []pageTurn
	TurnsMore int
	Writes    []pageWrite
	Events    string // findings that came and went
	Problem   string
}

// pageTurn is a secret whose verdict became another.
type pageTurn struct {
	At      *pageTime // in a secret's own history
	Secret  *pageReference
	Was, Is string
	Reason  string
}

type pageWrite struct{ Status, Call, Name, On, Reason string }

// What is shown of a timeline at most: rows, and verdicts that changed in one of them or of one secret.
const (
	runsShown  = 60
	turnsShown = 20
	ownTurns   = 10
)

// HasTimeline says whether Timeline has anything.
func (p *page) HasTimeline() bool {
	return p.outcome.Timeline != nil && len(p.outcome.Timeline.Runs) > 0
}

// Timeline is read after the secrets: it refers to those that the page has. It is nil where the ledger has no run, or none is kept.
func (p *page) Timeline() *pageTimeline {
	t := p.outcome.Timeline
	if !p.HasTimeline() {
		return nil
	}
	view := &pageTimeline{Says: fmt.Sprintf("%s since %s, newest first. What happened between two runs is known from the later one.",
		count(len(t.Runs), "run"), t.Since.UTC().Format(time.DateOnly))}
	came, went := make([]int, len(t.Runs)), make([]int, len(t.Runs))
	tally := func(at time.Time, counts []int) {
		if i := t.runAt(at); i >= 0 {
			counts[i]++
		}
	}
	for i := range t.Findings {
		f := &t.Findings[i]
		if f.Finding.Severity == drift.Info {
			continue
		}
		tally(f.FirstSeen, came)
		for _, at := range f.Reopenings {
			tally(at, came)
		}
		if f.Resolved != nil {
			tally(*f.Resolved, went)
		}
	}
	writes := map[string][]pageWrite{}
	for i := range t.Writes {
		e := &t.Writes[i]
		writes[e.Run] = append(writes[e.Run], pageWrite{inert(e.Status), inert(e.Call), inert(e.Name), brief(inert(e.Subject)), brief(inert(e.Reason))})
	}
	for i := range t.Runs {
		run := p.run(&t.Runs[i], came[i], went[i])
		run.Writes = writes[t.Runs[i].ID]
		if n := len(view.Runs); n > 0 && run.quiet() && view.Runs[n-1].quiet() && run.Said == view.Runs[n-1].Said && run.What == view.Runs[n-1].What {
			view.Runs[n-1].Until, view.Runs[n-1].Folded = run.At, max(view.Runs[n-1].Folded, 1)+1
			continue
		}
		if len(view.Runs) == runsShown {
			view.More = len(t.Runs) - i
			break
		}
		view.Runs = append(view.Runs, run)
	}
	return view
}

func (p *page) run(r *ledger.Run, came, went int) pageRun {
	v := pageRun{At: newPageTime(r.Started), What: inert(r.Command) + ", mode " + inert(r.Mode), By: runBy(r)}
	if r.Number > 0 && !r.Complete {
		v.What += ", a part of the account"
	}
	if r.Ended == nil {
		v.Problem = "It did not end."
	}
	v.Counts = countsFrom(r.Verdicts)
	var said []string
	for _, c := range v.Counts {
		said = append(said, fmt.Sprintf("%d %s", c.Count, c.Name))
	}
	v.Said = strings.Join(said, ", ")
	for i := range r.Changed {
		if i == turnsShown {
			v.TurnsMore = len(r.Changed) - i
			break
		}
		c := &r.Changed[i]
		turn := pageTurn{Secret: p.reference(rotation.ARN(c.Secret)), Was: inert(string(c.Was)), Is: inert(string(c.Is)), Reason: turnReason(c)}
		if turn.Secret == nil {
			turn.Secret = &pageReference{Name: "a secret without a name"}
		}
		v.Turns = append(v.Turns, turn)
	}
	var events []string
	if came > 0 {
		events = append(events, count(came, "finding")+" came")
	}
	if went > 0 {
		events = append(events, count(went, "finding")+" ended")
	}
	v.Events = strings.Join(events, ", ")
	return v
}

// runBy says who made a run, and what made it run.
func runBy(r *ledger.Run) string {
	by := brief(inert(r.Caller))
	if r.Cause != "" {
		by = strings.TrimPrefix(by+"; for "+brief(inert(r.Cause)), "; ")
	}
	return by
}

// turnReason is why a secret's verdict is another: where it is well again the verdict says it all.
func turnReason(c *ledger.VerdictChange) string {
	if c.Is == drift.InSync || c.Is == ledger.VerdictGone {
		return ""
	}
	return brief(inert(c.Reason))
}

// quiet says that a run saw nothing change and went as it should.
func (r *pageRun) quiet() bool {
	return len(r.Turns) == 0 && len(r.Writes) == 0 && r.Events == "" && r.Problem == ""
}

// countsFrom are the counts of a run's verdicts, for a bar.
func countsFrom(by map[drift.Verdict]int) []pageCount {
	total := 0
	for _, v := range Verdicts {
		total += max(by[v], 0)
	}
	return bar(by, total)
}

// history is how a secret's verdict changed, newest first.
func (p *page) history(arn rotation.ARN) []pageTurn {
	if p.outcome.Timeline == nil {
		return nil
	}
	if p.turns == nil {
		p.turns = map[string][]pageTurn{}
		for i := range p.outcome.Timeline.Runs {
			run := &p.outcome.Timeline.Runs[i]
			for k := range run.Changed {
				c := &run.Changed[k]
				if turns := p.turns[c.Secret]; len(turns) < ownTurns {
					p.turns[c.Secret] = append(turns, pageTurn{At: newPageTime(run.Started), Was: inert(string(c.Was)), Is: inert(string(c.Is)), Reason: turnReason(c)})
				}
			}
		}
	}
	return p.turns[string(arn)]
}

// since is from when on a finding stands, nil where no ledger says it.
func (p *page) since(id string) *pageTime {
	if p.outcome.Timeline == nil {
		return nil
	}
	if p.standing == nil {
		p.standing = map[string]time.Time{}
		for i := range p.outcome.Timeline.Findings {
			if f := &p.outcome.Timeline.Findings[i]; f.Resolved == nil {
				p.standing[f.Finding.ID] = f.Since()
			}
		}
	}
	return newPageTime(p.standing[id])
}

// Colour is the status where it is one of a change.
func (w pageWrite) Colour() string {
	switch s := repair.Status(w.Status); s {
	case repair.Done, repair.Failed, repair.Refused, repair.Waiting, repair.Planned:
		return string(s)
	}
	return ""
}

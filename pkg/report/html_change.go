package report

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/repair"
)

// pageChange is one write with what it changes.
type pageChange struct {
	Anchor, ID          string
	Status              repair.Status
	Call                repair.Call
	Name, Subject       string
	On                  string // the subject, without what all have in common
	Reason, Proof       string
	Until, At           *pageTime
	Secrets             []*pageReference
	Findings            []pageReference
	New                 bool // there was no document
	Diff                []pageHunk
	Before, After, Undo string
	Loses, Opens        []string
}

// pageHunk is lines that stayed (Same), or lines that went with those that came in their place. Gap says that lines are left out before it.
type pageHunk struct {
	Gap                string
	Same, Removed, Add []string
}

// Changes is read after the secrets: it refers to those that the page has.
func (p *page) Changes() []pageChange {
	var all []pageChange
	for i := range p.outcome.Changes {
		all = append(all, p.change(&p.outcome.Changes[i]))
	}
	return all
}

func (p *page) change(c *repair.Change) pageChange {
	v := pageChange{
		Anchor: p.once("c-" + c.ID), ID: inert(c.ID), Status: c.Status, Call: c.Call, Name: inert(c.Name), Subject: inert(string(c.Subject)),
		On: brief(inert(string(c.Subject))), Reason: sentence(brief(inert(c.Reason))), Proof: proofText(&c.Proof), New: c.Before == "", Diff: hunks(c.Diff),
		Before: strings.Join(layOutIfAny(c.Before), "\n"), After: strings.Join(layOutIfAny(c.After), "\n"),
	}
	if c.NotBefore != nil && c.Status == repair.Waiting {
		v.Until = newPageTime(*c.NotBefore)
	}
	if c.At != nil {
		v.At = newPageTime(*c.At)
	}
	for _, arn := range c.Secrets {
		if ref := p.reference(arn); ref != nil {
			v.Secrets = append(v.Secrets, ref)
		}
	}
	for _, id := range c.Findings {
		ref := pageReference{Name: inert(id)}
		if p.anchors["f-"+id] {
			ref.Anchor = "f-" + id
		}
		v.Findings = append(v.Findings, ref)
	}
	for _, b := range c.Breaks {
		v.Loses = append(v.Loses, inert(b))
	}
	for _, o := range c.Opens {
		v.Opens = append(v.Opens, inert(o))
	}
	if c.Undo != "" && c.Status == repair.Done {
		v.Undo = strings.Join(breakCommand(inert(c.Undo), commandWidth), "\n")
	}
	return v
}

func layOutIfAny(document string) []string {
	if document == "" {
		return nil
	}
	return layOut(document)
}

// hunks turns a unified diff into what a reader sees side by side.
func hunks(diff string) []pageHunk {
	var all []pageHunk
	gap := ""
	last := func(same bool) *pageHunk {
		if n := len(all); n == 0 || gap != "" || (len(all[n-1].Same) > 0) != same {
			all = append(all, pageHunk{Gap: gap})
			gap = ""
		}
		return &all[len(all)-1]
	}
	header := true
	for _, line := range inertLines(diff) {
		switch {
		case strings.HasPrefix(line, "@@ "):
			if !header {
				gap = "lines left out"
			}
			header = false
		case header:
		case strings.HasPrefix(line, "+"):
			h := last(false)
			h.Add = append(h.Add, line)
		case strings.HasPrefix(line, "-"):
			h := last(false)
			h.Removed = append(h.Removed, line)
		default:
			h := last(true)
			h.Same = append(h.Same, line)
		}
	}
	return all
}

// pageStatus counts the changes of a status.
type pageStatus struct {
	Status repair.Status
	Count  int
	Says   string
}

// Statuses counts the changes by what became of them.
func (p *page) Statuses() []pageStatus {
	counts := map[repair.Status]int{}
	for i := range p.outcome.Changes {
		counts[p.outcome.Changes[i].Status]++
	}
	var all []pageStatus
	for _, s := range []repair.Status{repair.Failed, repair.Refused, repair.Waiting, repair.Planned, repair.Done} {
		if n := counts[s]; n > 0 {
			all = append(all, pageStatus{s, n, statusText(s)})
		}
	}
	return all
}

func statusText(s repair.Status) string {
	switch s {
	case repair.Planned:
		return "planned and not written"
	case repair.Waiting:
		return "waiting until it may be written"
	case repair.Refused:
		return "refused"
	case repair.Done:
		return "in place, as read again"
	case repair.Failed:
		return "sent without taking effect"
	}
	return string(s)
}

// Breaker says why nothing was written, or is empty.
func (p *page) Breaker() string {
	if p.outcome.Breaker == nil {
		return ""
	}
	return inert(p.outcome.Breaker.Tripped)
}

// Unchanged says why there is no change.
func (p *page) Unchanged() string {
	if p.outcome.Mode.Writes() {
		return fmt.Sprintf("Nothing: mode %s found nothing that it may write.", p.Mode())
	}
	return "Nothing: mode report writes nothing to the account."
}

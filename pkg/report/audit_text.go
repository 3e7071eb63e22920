package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// WriteJSON writes the audit as audit.schema.json describes it.
func (a *Audit) WriteJSON(w io.Writer) error { return WriteValue(w, a) }

// WriteText writes the audit for people. Secrets that were in sync all the time are counted, not listed.
func (a *Audit) WriteText(w io.Writer, style Style) error {
	t := newText(w, style, a.Until)
	t.line(t.paint("rotationguard", bold) + "  evidence  " + a.place() + "  " + day(a.Since) + " to " + day(a.Until))
	t.prosed(a.watched())
	t.chain(&a.Chain)
	t.auditSecrets(a)
	if len(a.Changes) > 0 {
		t.heading("Changes")
	}
	for i := range a.Changes {
		if i > 0 {
			t.line("")
		}
		t.auditChange(&a.Changes[i])
	}
	if len(a.Changes) == 0 {
		t.line("")
		t.line("Nothing was written to the account.")
	}
	t.auditExemptions(a.Exemptions)
	return t.flush()
}

// WriteChain says whether a chain of runs holds.
func WriteChain(w io.Writer, c *ledger.Chain, style Style) error {
	t := newText(w, style, time.Time{})
	t.chain(c)
	return t.flush()
}

func (a *Audit) place() string {
	if a.Account == "" {
		return "of a ledger that knows no secret"
	}
	return "account " + inert(a.Account) + "  " + inert(a.Region)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// watched says how closely the account was looked at.
func (a *Audit) watched() string {
	if a.Watch.Runs == 0 {
		return "No run read the account in this time: what is said of secrets is what was seen before."
	}
	text := fmt.Sprintf("%s read the account, %d of them all of it.", count(a.Watch.Runs, "run"), a.Watch.Complete)
	return text + fmt.Sprintf(" The longest time without a complete one is %s, from %s UTC.", span(time.Duration(a.Watch.LongestGap)*time.Second), minute(a.Watch.GapFrom))
}

func (t *text) prosed(s string) {
	for _, line := range Wrap(s, t.prose()) {
		t.line(line)
	}
}

func (t *text) chain(c *ledger.Chain) {
	if len(c.Problems) == 0 {
		t.prosed(chainText(c))
		if c.Head.Number > 0 {
			t.line(fmt.Sprintf("Its end is %d:%s", c.Head.Number, inert(c.Head.Hash)))
		}
		return
	}
	t.line(t.paint(brokenChain(c), red))
	for _, p := range c.Problems {
		t.labelled(pad("", 4), "", inert(p.String()))
	}
}

func chainText(c *ledger.Chain) string {
	if c.Head.Number == 0 {
		return "No run was sealed yet."
	}
	return fmt.Sprintf("The chain of runs holds: %s, numbers %d to %d, none edited, removed or inserted.", count(c.Runs, "run"), c.First, c.Head.Number)
}

func brokenChain(c *ledger.Chain) string {
	return fmt.Sprintf("The chain of runs does not hold in %s:", count(len(c.Problems), "place"))
}

// share is for how much of the time in which it was judged a secret was in sync: rounded down, so that 100 % is all of it.
func (s *AuditSecret) share() string {
	if s.Judged == 0 {
		return "-"
	}
	tenths := s.InSync * 1000 / s.Judged
	return strconv.FormatInt(tenths/10, 10) + "." + strconv.FormatInt(tenths%10, 10) + " %"
}

// steady says whether a secret was in sync for the whole of the period.
func (s *AuditSecret) steady() bool {
	return len(s.Periods) == 1 && s.Verdict == drift.InSync
}

func (t *text) auditSecrets(a *Audit) {
	var listed []*AuditSecret
	names := len("SECRET")
	for i := range a.Secrets {
		if s := &a.Secrets[i]; !s.steady() {
			listed = append(listed, s)
			names = max(names, width(inert(s.Name)))
		}
	}
	t.heading("Secrets")
	if steady := len(a.Secrets) - len(listed); steady > 0 || len(listed) == 0 {
		t.line(count(steady, "secret") + " in sync all the time.")
	}
	if len(listed) == 0 {
		return
	}
	names = min(names, t.style.Width-40)
	t.line(t.paint(pad("SECRET", names+2)+pad("IN SYNC", 10)+pad("NOW", 10)+"SINCE", bold))
	for _, s := range listed {
		last := s.Periods[len(s.Periods)-1]
		t.line(pad(shorten(inert(s.Name), names), names+2) + pad(s.share(), 10) + t.paint(pad(inert(string(s.Verdict)), 10), verdictColor(s.Verdict)) + fromText(last.From))
		for _, p := range s.Periods {
			line := "    " + fromText(p.From) + "  " + t.paint(pad(inert(string(p.Verdict)), 10), verdictColor(p.Verdict))
			for i, part := range Wrap(inert(p.Reason), max(t.prose()-32, 28)) {
				if i > 0 {
					line = strings.Repeat(" ", 32)
				}
				t.line(line + part)
			}
		}
	}
}

func fromText(from *time.Time) string {
	if from == nil {
		return pad("before", 16)
	}
	return minute(*from)
}

func (t *text) auditChange(c *AuditChange) {
	t.labelled(pad(inert(string(c.Status)), max(labelWidth, width(string(c.Status))+1)), statusColor(c.Status), minute(c.At)+"  "+inert(c.Call)+" "+inert(c.Name)+" on "+inert(c.Subject))
	who := cmp.Or(c.Caller, "somebody whom the ledger does not name")
	t.field("by", who+" ("+strings.Join(nonEmpty(c.Command, c.Mode), ", mode ")+", run "+c.Run+")")
	for _, f := range []struct{ label, value string }{
		{"cause", c.Cause}, {"because", c.Reason}, {"proof", c.proof()}, {"ends", strings.Join(c.Findings, " ")}, {"undoes", c.Undoes}, {"beware", c.Problem},
	} {
		if f.value != "" {
			t.field(f.label, f.value)
		}
	}
}

func (c *AuditChange) proof() string {
	if c.Proof == nil {
		return ""
	}
	return proofText(c.Proof)
}

func (t *text) auditExemptions(all []AuditExemption) {
	if len(all) == 0 {
		return
	}
	t.heading("Exemptions")
	for i := range all {
		e := &all[i]
		t.line("  " + pad(inert(e.ID), 16) + pad(e.State, 10) + "  " + inert(e.what()))
		t.field("owner", e.Owner+"; expires "+minute(e.Expires)+" UTC")
		t.field("because", e.Reason)
		t.field("added", minute(e.Added)+" UTC by "+e.addedBy())
		if e.EndedAt != nil {
			t.field("ended", "before the run of "+minute(*e.EndedAt)+" UTC")
		}
	}
}

// addedBy names who added an exemption, or whose run read it first in a configuration.
func (e *AuditExemption) addedBy() string {
	by := cmp.Or(e.AddedBy, "somebody whom the ledger does not name")
	if e.Config {
		return "a configuration that a run of " + by + " read first"
	}
	return by
}

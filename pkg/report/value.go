package report

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// WriteValue writes any value as the JSON report is written: indented, and with what a terminal would act on escaped.
func WriteValue(w io.Writer, v any) error {
	out := &jsonWriter{w: bufio.NewWriter(w)}
	out.value(v, "")
	out.raw("\n")
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("writing the result: %w", out.err)
	}
	return nil
}

// ShortHash is a short stable name for a list of texts.
func ShortHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:12]
}

// assumeRole is a permission that is lacking on one role, or seems to be: AWS says the same where the role is not there or does not trust the caller (IAM User Guide,
// "Troubleshoot IAM roles", "I can't assume a role"). So nobody is told to add it.
const (
	assumeRole = "sts:AssumeRole"
	assumeHint = " (is the role there, does it trust this caller with this external id, and may the caller assume it?)"
)

// String is the error in one sentence.
func (e Error) String() string {
	text := e.Code
	if e.Call != "" {
		text = e.Call + " on " + e.Resource + ": " + e.Code
	}
	if e.Message != "" {
		text = strings.TrimPrefix(text+": "+e.Message, ": ")
	}
	switch e.Permission {
	case "":
	case assumeRole:
		text += assumeHint
	default:
		text += " (add the permission " + e.Permission + ")"
	}
	return inert(text)
}

// ChangesExitCode is that of applying and rolling back: 1 when something could not be read or done, 2 when a change was refused, failed or
// waits, else 0.
func (o *Outcome) ChangesExitCode() int {
	switch {
	case len(o.Errors) > 0:
		return ExitFailed
	case slices.ContainsFunc(o.Changes, func(c repair.Change) bool {
		return c.Status == repair.Refused || c.Status == repair.Failed || c.Status == repair.Waiting
	}):
		return ExitDrift
	}
	return ExitInSync
}

// WriteChanges writes the changes alone for people.
func (o *Outcome) WriteChanges(w io.Writer, style Style) error {
	t := newText(w, style, o.At)
	t.line(t.paint("rotationguard", bold) + "  account " + inert(o.Account) + "  " + inert(o.Region) + "  mode " + string(o.Mode))
	if len(o.Changes) == 0 {
		t.line("No changes.")
	}
	t.changes(o)
	t.errors(o.Errors)
	if len(o.Notes) > 0 {
		t.heading("Notes")
		for _, n := range o.Notes {
			t.labelled(pad("", labelWidth), "", inert(n))
		}
	}
	return t.flush()
}

// WriteFindings lists findings with their history, worst first.
func WriteFindings(w io.Writer, records []ledger.FindingRecord, style Style) error {
	t := newText(w, style, time.Time{})
	if len(records) == 0 {
		t.line("No findings.")
		return t.flush()
	}
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b ledger.FindingRecord) int {
		if d := slices.Index(severities, a.Finding.Severity) - slices.Index(severities, b.Finding.Severity); d != 0 {
			return d
		}
		return a.FirstSeen.Compare(b.FirstSeen)
	})
	t.line(t.paint(pad("FINDING", 18)+pad("SEVERITY", 10)+pad("SINCE", 12)+"STATE", bold))
	for i := range records {
		r := &records[i]
		state := "standing"
		switch {
		case r.Resolved != nil:
			state = "resolved"
		case r.Reopened > 0:
			state = "reopened"
		}
		line := pad(inert(r.Finding.ID), 18) + t.paint(pad(string(r.Finding.Severity), 10), severityColor(r.Finding.Severity)) +
			pad(r.FirstSeen.UTC().Format(time.DateOnly), 12) + pad(state, 10)
		if t.style.Width >= wideTable {
			t.line(line + shorten(inert(r.Finding.Explanation), t.style.Width-50))
			continue
		}
		t.line(line)
		for _, part := range Wrap(inert(r.Finding.Explanation), t.style.Width-4) {
			t.line("    " + part)
		}
	}
	return t.flush()
}

// Explanation is one finding with all that is known around it.
type Explanation struct {
	Finding   drift.Finding         `json:"finding"`
	FirstSeen *time.Time            `json:"first_seen"` // null where no ledger knows it
	LastSeen  *time.Time            `json:"last_seen"`
	Resolved  *time.Time            `json:"resolved"`
	Rule      *RuleText             `json:"rule"`
	Secret    rotation.ARN          `json:"secret,omitempty"` // whose next rotation is forecast
	Forecast  []drift.ForecastStep  `json:"forecast"`
	Owner     string                `json:"owner,omitempty"` // who most likely made the role, and how one can tell
	Fixes     map[drift.Tool]string `json:"fixes"`
	Shown     []drift.Tool          `json:"-"` // the fixes that the text shows
}

// RuleText is a rule as docs/rules.md has it.
type RuleText struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Says    string   `json:"says"`
	Sources []string `json:"sources"`
	Assumes string   `json:"assumes,omitempty"`
}

// NewExplanation explains a finding with its rule and its fix in every tool's form.
func NewExplanation(f drift.Finding) Explanation {
	e := Explanation{Finding: f, Forecast: []drift.ForecastStep{}, Fixes: map[drift.Tool]string{}}
	if r, ok := drift.RuleOf(f.Rule); ok {
		e.Rule = &RuleText{ID: r.ID, Title: r.Title, Says: r.Says, Sources: r.Sources, Assumes: r.Assumes}
	}
	for _, tool := range drift.Tools() {
		if text := drift.FixIn(tool, &f); text != "" {
			e.Fixes[tool] = text
		}
	}
	return e
}

// WriteExplanation says all about one finding.
func WriteExplanation(w io.Writer, e *Explanation, style Style) error {
	t := newText(w, style, time.Time{})
	f := &e.Finding
	t.line(t.paint(inert(f.ID), bold) + "  " + t.paint(string(f.Severity), severityColor(f.Severity)) + "  " + string(f.Direction) + "  " + string(f.Kind))
	t.field("about", string(f.Subject))
	if f.Secret != "" {
		t.field("secret", string(f.Secret))
	}
	if f.Function != "" {
		t.field("function", string(f.Function))
	}
	t.field("why", f.Explanation)
	if f.Statement != nil {
		text := fmt.Sprintf("statement %d of %s", f.Statement.Index+1, f.Statement.Document)
		if f.Statement.Sid != "" {
			text += fmt.Sprintf(" (%q)", f.Statement.Sid)
		}
		t.field("in", text)
	}
	if f.Witness != nil {
		t.field("witness", requestText(f.Witness, nil))
		for _, key := range sortedKeys(f.Witness.Context) {
			t.field("", key+" = "+strings.Join(f.Witness.Context[key], ", "))
		}
	}
	if f.Exempt != "" {
		t.field("exempt", f.Exempt)
	}
	if e.FirstSeen != nil && e.LastSeen != nil {
		t.field("since", e.FirstSeen.UTC().Format(time.RFC3339)+", last seen "+e.LastSeen.UTC().Format(time.RFC3339))
	}
	if e.Resolved != nil {
		t.field("resolved", e.Resolved.UTC().Format(time.RFC3339))
	}
	if e.Rule != nil {
		t.field("rule", fmt.Sprintf("%s (%s of docs/rules.md): %s. %s", f.Rule, e.Rule.ID, e.Rule.Title, e.Rule.Says))
		t.field("source", strings.Join(e.Rule.Sources, "; "))
		if e.Rule.Assumes != "" {
			t.field("assumes", e.Rule.Assumes)
		}
	}
	t.forecast(e.Secret, e.Forecast)
	t.fixes(e)
	return t.flush()
}

// fixes shows the fix in a sentence, and in the forms that are asked for.
func (t *text) fixes(e *Explanation) {
	fix := e.Finding.Fix
	if fix == nil {
		return
	}
	t.heading("What mends it")
	t.fixSummary(group{fix: fix, findings: []*drift.Finding{&e.Finding}})
	if e.Owner != "" {
		t.field("owner", e.Owner)
	}
	for _, tool := range e.Shown {
		form, ok := e.Fixes[tool]
		if !ok {
			continue
		}
		t.line("")
		t.label(string(tool))
		lines := inertLines(form)
		if tool == drift.ToolCLI {
			lines = breakCommand(inert(form), t.style.Width-len(indent)-2)
		}
		for _, line := range lines {
			t.line(indent + line)
		}
	}
	if len(e.Fixes) == 0 && fix.Statement != "" {
		t.label("statement")
		for _, line := range layOut(fix.Statement) {
			t.line(indent + line)
		}
	}
}

// WriteRuns lists the runs that wrote, newest first.
func WriteRuns(w io.Writer, runs []ledger.Run, style Style) error {
	t := newText(w, style, time.Time{})
	if len(runs) == 0 {
		t.line("No run has written anything.")
		return t.flush()
	}
	for _, r := range runs {
		summary := r.Summary
		if r.Ended == nil {
			summary = "did not end"
		}
		what, by := inert(r.Command)+", mode "+inert(r.Mode), ""
		if r.Caller != "" {
			by = "by " + inert(r.Caller)
		}
		if t.style.Width >= wideTable {
			t.line(pad(inert(r.ID), 27) + pad(what, 50) + "  " + inert(summary) + "  " + by)
			continue
		}
		t.line(pad(inert(r.ID), 27) + what)
		t.line("    " + inert(summary))
		if by != "" {
			t.line("    " + by)
		}
	}
	return t.flush()
}

// WriteExemptions lists exemptions; those that are over are marked.
func WriteExemptions(w io.Writer, all []ledger.Exemption, now time.Time) error {
	t := newText(w, Style{Width: 200}, time.Time{})
	if len(all) == 0 {
		t.line("No exemptions.")
		return t.flush()
	}
	for _, e := range all {
		state := "until " + e.Expires.UTC().Format(time.RFC3339)
		if !e.Holds(now) {
			state = "expired"
		}
		t.line(pad(inert(e.ID), 16) + pad(state, 28) + inert(strings.Join(nonEmpty(e.Finding, e.Secret, e.Function, e.Rule), " ")) +
			": " + inert(e.Reason) + " (" + inert(e.Owner) + ")")
	}
	return t.flush()
}

func nonEmpty(values ...string) []string {
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

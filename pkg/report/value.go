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

// String is the error in one sentence.
func (e Error) String() string {
	text := e.Code
	if e.Call != "" {
		text = e.Call + " on " + e.Resource + ": " + e.Code
	}
	if e.Message != "" {
		text = strings.TrimPrefix(text+": "+e.Message, ": ")
	}
	if e.Permission != "" {
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
		for _, part := range wrap(inert(r.Finding.Explanation), t.style.Width-4) {
			t.line("    " + part)
		}
	}
	return t.flush()
}

// WriteFinding says all about one finding.
func WriteFinding(w io.Writer, r ledger.FindingRecord, style Style) error {
	t := newText(w, style, time.Time{})
	f := &r.Finding
	t.line(t.paint(inert(f.ID), bold) + "  " + t.paint(string(f.Severity), severityColor(f.Severity)) + "  " + string(f.Direction) + "  " + string(f.Kind))
	t.field("rule", f.Rule)
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
		t.field("statement", text)
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
	t.field("since", r.FirstSeen.UTC().Format(time.RFC3339)+", last seen "+r.LastSeen.UTC().Format(time.RFC3339))
	if r.Resolved != nil {
		t.field("resolved", r.Resolved.UTC().Format(time.RFC3339))
	}
	if f.Fix != nil {
		t.line("")
		t.fix(group{fix: f.Fix, findings: []*drift.Finding{f}})
		if f.Fix.Command != "" && f.Fix.Statement != "" {
			t.label("statement")
			for _, line := range layOut(f.Fix.Statement) {
				t.line(indent + line)
			}
		}
	}
	return t.flush()
}

// WriteRuns lists the runs that wrote, newest first.
func WriteRuns(w io.Writer, runs []ledger.Run) error {
	t := newText(w, Style{Width: 200}, time.Time{})
	if len(runs) == 0 {
		t.line("No run has written anything.")
		return t.flush()
	}
	for _, r := range runs {
		summary := r.Summary
		if r.Ended == nil {
			summary = "did not end"
		}
		t.line(pad(inert(r.ID), 28) + pad(inert(r.Command), 10) + pad(inert(r.Mode), 9) + inert(summary) + "  " + inert(r.Caller))
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

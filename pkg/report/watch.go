package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// Moved is what became another between two outcomes, each on one line.
type Moved struct {
	At   time.Time
	Is   drift.Verdict // of the secret; "" where none is meant
	Text string
}

// Moves compares two outcomes of the same account, oldest first by secret. Without a first one everything that is worse than in sync is new.
func Moves(was, is *Outcome) []Moved {
	before := map[string]*Secret{}
	if was != nil {
		for s := range was.All() {
			before[string(s.ARN)] = s
		}
	}
	var all []Moved
	say := func(v drift.Verdict, text string) { all = append(all, Moved{is.At, v, text}) }
	secrets := slices.Collect(is.All())
	slices.SortStableFunc(secrets, func(a, b *Secret) int { return strings.Compare(string(a.ARN), string(b.ARN)) })
	for _, s := range secrets {
		old := before[string(s.ARN)]
		delete(before, string(s.ARN))
		switch {
		case old == nil && (was != nil && s.Verdict != drift.Skipped || Drift(s.Verdict)):
			say(s.Verdict, secretName(s)+": "+string(s.Verdict)+because(s))
		case old != nil && old.Verdict != s.Verdict:
			say(s.Verdict, secretName(s)+": "+string(old.Verdict)+" -> "+string(s.Verdict)+because(s))
		case old != nil:
			for _, text := range findingMoves(old.Findings, s.Findings) {
				say(s.Verdict, secretName(s)+": "+text)
			}
		}
	}
	for _, arn := range sortedKeys(before) {
		if before[arn].Verdict != drift.Skipped {
			say("", secretName(before[arn])+": the account does not list it any more")
		}
	}
	return append(all, errorMoves(was, is)...)
}

func because(s *Secret) string {
	if !Drift(s.Verdict) || s.Reason == "" {
		return ""
	}
	return ": " + inert(s.Reason)
}

// findingMoves are the findings that came and went, those of information left out.
func findingMoves(was, is []*drift.Finding) []string {
	has := func(list []*drift.Finding, id string) bool {
		return slices.ContainsFunc(list, func(f *drift.Finding) bool { return f.ID == id })
	}
	var out []string
	for _, f := range is {
		if f.Severity != drift.Info && !has(was, f.ID) {
			out = append(out, "new "+string(f.Severity)+" finding "+inert(f.ID)+": "+inert(f.Explanation))
		}
	}
	for _, f := range was {
		if f.Severity != drift.Info && !has(is, f.ID) {
			out = append(out, "finding "+inert(f.ID)+" is resolved: "+inert(f.Explanation))
		}
	}
	return out
}

// errorMoves are what cannot be read now and could before, and the other way round.
func errorMoves(was, is *Outcome) []Moved {
	before := map[string]bool{}
	if was != nil {
		for _, e := range was.Errors {
			before[e.String()] = true
		}
	}
	var all []Moved
	for _, e := range is.Errors {
		if !before[e.String()] {
			all = append(all, Moved{is.At, drift.Unknown, "not readable: " + e.String()})
		}
		delete(before, e.String())
	}
	for _, text := range sortedKeys(before) {
		all = append(all, Moved{is.At, "", "readable again: " + text})
	}
	return all
}

// WriteMoves writes one line for each, with its moment.
func WriteMoves(w io.Writer, moves []Moved, style Style) error {
	t := newText(w, style, time.Time{})
	for _, m := range moves {
		t.line(t.moved(&m))
	}
	return t.flush()
}

func (t *text) moved(m *Moved) string {
	return t.paint(rfc3339(m.At), dim) + "  " + t.paint(m.Text, verdictColor(m.Is))
}

// WriteGlance writes what of an outcome and of what moved fits on a screen of so many lines.
func (o *Outcome) WriteGlance(w io.Writer, moves []Moved, style Style, rows int) error {
	var b bytes.Buffer
	t := newText(&b, style, o.At)
	t.head(o)
	if len(o.Errors) > 0 {
		t.line(t.paint(count(len(o.Errors), "call")+" failed: what they would have shown is unknown", magenta))
	}
	t.table(o.WithVerdict(Drift), o.WithVerdict(func(v drift.Verdict) bool { return v == drift.InSync }))
	if err := t.flush(); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	shown := min(len(moves), max(rows/3, 1)) // the newest, below
	room := max(rows-1, 1)
	if shown > 0 {
		room = max(rows-shown-2, 1)
	}
	if hidden := len(lines) - room; hidden > 0 {
		lines = append(lines[:room-1], t.paint(fmt.Sprintf("and %d more lines: \"rotationguard sweep\" has them all", hidden+1), dim))
	}
	if shown > 0 {
		lines = append(lines, "", t.paint("What moved", bold))
		for i := range moves[len(moves)-shown:] {
			m := moves[len(moves)-shown+i]
			m.Text = shorten(m.Text, t.style.Width-22)
			lines = append(lines, t.moved(&m))
		}
	}
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

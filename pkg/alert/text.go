package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// maxSubject is how long a subject may be. Source: Amazon SNS API reference, Publish: a subject is ASCII text that begins with a letter, number or
// punctuation mark, has no line breaks or control characters, and is less than 100 characters long.
const maxSubject = 99

// Subject is the line that an email shows: what is wrong, where and when it breaks, in printable ASCII.
func (a *Alert) Subject() string {
	subject := "rotationguard: " + a.what() + " in " + a.scope
	if a.Parts > 1 {
		subject = fmt.Sprintf("(%d/%d) %s", a.Part, a.Parts, subject)
	}
	subject = report.ASCII(subject)
	if first := a.first; first != nil && !a.Event.over() {
		when := first.soon(a.at)
		overdue, _, _ := strings.Cut(when, " since ")
		for _, when := range []string{when, overdue} {
			if longer := subject + report.ASCII(", first "+when); len(longer) <= maxSubject {
				subject = longer
				break
			}
		}
	}
	return subject[:min(len(subject), maxSubject)]
}

// what says the event and how much it is about.
func (a *Alert) what() string {
	var parts []string
	for _, v := range report.Verdicts {
		if n := a.counts[v]; n > 0 && report.Drift(v) {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	about := strings.Join(parts, ", ")
	switch {
	case a.Event == Drift && about == "" && len(a.Targets) > 0:
		return count(len(a.Targets), "target") + " not swept"
	case a.Event == Drift && about == "":
		return "drift"
	case a.Event == Drift:
		return about
	case len(a.Exemptions) > 0:
		return "new exemption"
	case about == "" || a.Event.over():
		about = count(a.findings, "finding")
	}
	return strings.ReplaceAll(string(a.Event), "-", " ") + ": " + about
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// inFull is how many items the text shows with all that is known of them; of further ones it has a line each.
const inFull = 20

// Text is the alert for people: what cannot rotate, when it breaks, why and what mends it.
func (a *Alert) Text() string {
	t := &textWriter{}
	t.head(a)
	shown := 0
	for _, list := range a.lists() {
		for i := range *list {
			if shown == inFull {
				t.line("")
			}
			t.item(a, &(*list)[i], shown < inFull)
			shown++
		}
	}
	if a.Omitted > 0 {
		t.line("")
		t.line("And %d more, which the full report has.", a.Omitted)
	}
	t.section(len(a.Targets), "Targets of which not all is known:")
	for i := range a.Targets {
		t.line("  %s", report.Inert(a.Targets[i].line))
	}
	t.section(len(a.Exemptions), "New exemptions:")
	for i := range a.Exemptions {
		t.exemption(&a.Exemptions[i])
	}
	t.section(len(a.Changes), "Changes of this sweep:")
	for i := range a.Changes {
		t.change(&a.Changes[i])
	}
	t.tail(a)
	return t.b.String()
}

type textWriter struct{ b strings.Builder }

func (t *textWriter) line(format string, args ...any) { fmt.Fprintf(&t.b, format+"\n", args...) }

func (t *textWriter) section(n int, title string) {
	if n > 0 {
		t.line("")
		t.line("%s", title)
	}
}

func (t *textWriter) head(a *Alert) {
	where := report.Inert(a.scope)
	if a.Account != "" {
		where = "Account " + report.Inert(a.Account) + ", " + report.Inert(a.Region)
	}
	t.line("%s, mode %s", where, a.Mode)
	if a.Event != Drift {
		t.line("%s: %s.", a.Event.headline(), count(a.findings, "finding"))
	}
	if a.Parts > 1 {
		t.line("This is message %d of %d.", a.Part, a.Parts)
	}
	t.line("%s", report.Inert(a.Story))
}

func (t *textWriter) item(a *Alert, i *Item, full bool) {
	verdict := strings.ToUpper(i.verdict(a.Event))
	name := report.Inert(i.Name)
	if a.Account == "" {
		name += "  (" + report.Inert(strings.TrimSpace(i.Account+" "+i.Region)) + ")"
	}
	if !full {
		t.line("%s  %s  %s", verdict, name, i.breaks(a.at))
		return
	}
	t.line("")
	t.line("%s  %s", verdict, name)
	if i.next != nil || i.FunctionARN != nil {
		t.line("  %s", i.when(a.at))
	}
	if i.Reason != "" {
		t.line("  %s", report.Inert(i.Reason))
	}
	fixed := map[string]bool{}
	for k := range i.Findings {
		t.finding(a.Event, &i.Findings[k], fixed)
	}
	if i.OmittedFindings > 0 {
		t.line("  and %s more, for which this message has no room", count(i.OmittedFindings, "finding"))
	}
}

// finding says why, where the item's reason does not, and what mends it. fixed are the fixes that were said before.
func (t *textWriter) finding(event Event, f *FindingText, fixed map[string]bool) {
	switch event {
	case ResolvedByUs:
		t.line("  mended: %s (finding %s, %s)", report.Inert(f.Explanation), report.Inert(f.ID), report.Inert(f.ResolvedBy))
		return
	case ResolvedByOthers:
		t.line("  gone: %s (finding %s)", report.Inert(f.Explanation), report.Inert(f.ID))
		return
	case Exempted:
		t.line("  %s: %s (finding %s)", report.Inert(f.Exempt), report.Inert(f.Explanation), report.Inert(f.ID))
		return
	case Worse:
		t.line("  %s, was %s: %s (finding %s)", f.Severity, f.Was, report.Inert(f.Explanation), report.Inert(f.ID))
	case Flapping, Reopened:
		t.line("  %s, reopened %s since it was first seen: %s (finding %s)", f.Severity, times(f.Reopened), report.Inert(f.Explanation), report.Inert(f.ID))
	case Reminder, ExemptExpired:
		t.line("  %s, since %s: %s (finding %s)", f.Severity, report.Inert(f.Since), report.Inert(f.Explanation), report.Inert(f.ID))
	case New:
		t.line("  %s: %s (finding %s)", f.Severity, report.Inert(f.Explanation), report.Inert(f.ID))
	case Drift:
	}
	if f.MoreSecrets > 0 {
		t.line("  the same concerns %s more", count(f.MoreSecrets, "secret"))
	}
	if f.Fix == "" || fixed[f.Fix] {
		return
	}
	fixed[f.Fix] = true
	id := ""
	if event == Drift {
		id = " (finding " + report.Inert(f.ID) + ")"
	}
	t.line("  fix: %s%s%s", report.Inert(f.Fix), byText(f.FixedBy), id)
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func (t *textWriter) exemption(e *ExemptionText) {
	where := "the ledger"
	if e.Config {
		where = "the configuration"
	}
	t.line("  %s in %s: %s, until %s, for %s: %s. Added at %s by %s.", report.Inert(e.ID), where, report.Inert(e.Covers), e.Expires, report.Inert(e.Owner), report.Inert(e.Reason), e.Added, report.Inert(e.AddedBy))
}

func (t *textWriter) change(c *ChangeText) {
	reason := ""
	if c.Reason != "" {
		reason = ": " + report.Inert(c.Reason)
	}
	t.line("  %s  %s %s on %s%s", c.Status, c.Call, report.Inert(c.Name), report.Inert(string(c.Subject)), reason)
}

func (t *textWriter) tail(a *Alert) {
	if a.Errors > 0 {
		t.line("")
		t.line("%s could not be read or done; the report names them.", count(a.Errors, "thing"))
	}
	t.line("")
	switch {
	case a.Report != nil:
		t.line("Full report: %s", report.Inert(*a.Report))
	case a.Region != "":
		t.line("Full report: rotationguard sweep --region %s", report.Inert(a.Region))
	}
	for _, n := range a.Notes {
		t.line("%s", report.Inert(n))
	}
}

// verdict is the item's, in words where it has none: what was resolved and is not in the outcome is no more.
func (i *Item) verdict(event Event) string {
	switch {
	case i.Verdict != nil:
		return string(*i.Verdict)
	case event == ResolvedByUs || event == ResolvedByOthers:
		return "gone"
	}
	return "not read"
}

// when says when the item breaks, or rotates next where it does not break.
func (i *Item) when(at time.Time) string {
	if i.fails() {
		return i.breaks(at)
	}
	return "next rotation: " + momentText("", i.next, at)
}

// breaks is when in short: "breaks in 2 days, 4 h".
func (i *Item) breaks(at time.Time) string {
	switch {
	case i.fails() && i.next == nil:
		return "cannot rotate"
	case i.fails():
		return momentText("breaks ", i.next, at)
	}
	return momentText("rotates ", i.next, at)
}

// soon is when without the moment, for a subject.
func (i *Item) soon(at time.Time) string {
	when, _, _ := strings.Cut(i.breaks(at), " (")
	return when
}

func (i *Item) fails() bool { return i.RotationCanWork != nil && !*i.RotationCanWork }

func momentText(what string, next *time.Time, at time.Time) string {
	if next == nil {
		return "no date"
	}
	moment := next.UTC().Format("2006-01-02 15:04 UTC")
	if next.Before(at) {
		return "overdue since " + moment
	}
	return what + "in " + until(next.Sub(at)) + " (" + moment + ")"
}

// until is a time to go in its two largest units: "2 days, 4 h".
func until(left time.Duration) string {
	days, hours, minutes := int(left.Hours())/24, int(left.Hours())%24, int(left.Minutes())%60
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%s, %d h", count(days, "day"), hours)
	case days > 0:
		return count(days, "day")
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%d h, %d min", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h", hours)
	}
	return fmt.Sprintf("%d min", minutes)
}

func byText(m drift.Mender) string {
	switch m {
	case drift.ByRepair:
		return " [mode repair does this]"
	case drift.ByEnforce:
		return " [mode enforce does this]"
	case drift.ByPerson:
		return " [by hand]"
	}
	return ""
}

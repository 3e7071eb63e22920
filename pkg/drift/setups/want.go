package setups

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// Text is a judgement in full, as want.txt holds it.
func Text(judgements []drift.Judgement) string {
	var b strings.Builder
	for i := range judgements {
		for _, s := range judgements[i].Secrets {
			b.WriteString(Answer{Name: s.Secret.Name, Verdict: s.Verdict, Can: s.RotationCanWork, Reason: s.Reason, Notes: s.Notes, Findings: s.Findings}.Text())
		}
	}
	return b.String()
}

// Answer is what is said of one secret, wherever it was said.
type Answer struct {
	Name     string
	Verdict  drift.Verdict
	Can      *bool
	Reason   string
	Notes    []string
	Findings []*drift.Finding
}

// Text is the answer in full, as want.txt holds it.
func (a Answer) Text() string {
	var b strings.Builder
	can := "unknown"
	if a.Can != nil {
		can = fmt.Sprint(*a.Can)
	}
	fmt.Fprintf(&b, "%s: %s, rotation can work: %s\n  %s\n", a.Name, a.Verdict, can, a.Reason)
	for _, n := range a.Notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	for _, f := range a.Findings {
		writeFinding(&b, f)
	}
	return b.String()
}

func writeFinding(b *strings.Builder, f *drift.Finding) {
	fmt.Fprintf(b, "- %s %s %s %s %s\n  %s\n", f.ID, f.Severity, f.Direction, f.Kind, f.Rule, f.Explanation)
	if f.Exempt != "" {
		fmt.Fprintf(b, "  %s\n", f.Exempt)
	}
	if w := f.Witness; w != nil {
		principal := ""
		if w.Principal != nil {
			principal = " by " + *w.Principal
		}
		fmt.Fprintf(b, "  witness: %s on %s%s\n", w.Action, w.Resource, principal)
	}
	if f.Fix != nil {
		fmt.Fprintf(b, "  fix by %s: %s\n", f.Fix.By, f.Fix.Summary)
		for _, line := range []struct{ name, text string }{{"where", f.Fix.Where}, {"statement", f.Fix.Statement}, {"command", f.Fix.Command}, {"blocked by", f.Fix.BlockedBy}} {
			if line.text != "" {
				fmt.Fprintf(b, "    %s: %s\n", line.name, line.text)
			}
		}
	}
}

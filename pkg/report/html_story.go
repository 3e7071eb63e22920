package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// checked is how many secrets have a verdict of their own.
func (p *page) checked() int { return p.summary.Secrets - p.summary.ByVerdict[drift.Skipped] }

func (p *page) stuck() int {
	return p.summary.ByVerdict[drift.Broken] + p.summary.ByVerdict[drift.Orphaned]
}

// Headline is the outcome in one line.
func (p *page) Headline() string {
	by, _ := p.outcome.targets()
	if failed := by[TargetFailed]; failed > 0 {
		return fmt.Sprintf("%d of %s failed; of what was read: %s", failed, count(len(p.outcome.Targets), "target"), p.headline())
	}
	return p.headline()
}

func (p *page) headline() string {
	checked, by := p.checked(), p.summary.ByVerdict
	of := fmt.Sprintf("of %s", count(checked, "rotating secret"))
	switch {
	case checked == 0:
		return "No secret here is rotated by a function"
	case p.stuck() > 0:
		return fmt.Sprintf("%d %s cannot rotate", p.stuck(), of)
	case by[drift.Unknown] > 0:
		return fmt.Sprintf("Whether %d %s can rotate is not known", by[drift.Unknown], of)
	case by[drift.Drifted] > 0:
		return fmt.Sprintf("Every rotation can work, and %d %s drifted", by[drift.Drifted], of)
	case by[drift.Exempt] > 0:
		return fmt.Sprintf("%d %s in sync, %d exempt", by[drift.InSync], of, by[drift.Exempt])
	case checked == 1:
		return "The one rotating secret is in sync"
	}
	return fmt.Sprintf("All %d rotating secrets are in sync", checked)
}

// Lead says what the headline leaves out: what is in sync, what else stands.
func (p *page) Lead() string {
	by := p.summary.ByVerdict
	var parts []string
	if n := by[drift.InSync]; n > 0 && n < p.checked() {
		parts = append(parts, fmt.Sprintf("%d in sync", n))
	}
	if n := by[drift.Drifted]; n > 0 && p.stuck()+by[drift.Unknown] > 0 {
		parts = append(parts, fmt.Sprintf("%d can rotate and drifted", n))
	}
	if n := by[drift.Unknown]; n > 0 && p.stuck() > 0 {
		parts = append(parts, fmt.Sprintf("of %d it is not known", n))
	}
	if n := by[drift.Exempt]; n > 0 && p.stuck()+by[drift.Unknown]+by[drift.Drifted] > 0 {
		parts = append(parts, fmt.Sprintf("%d exempt", n))
	}
	if n := by[drift.Skipped]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d not checked", n))
	}
	if p.summary.Functions > 0 {
		parts = append(parts, count(p.summary.Functions, "rotation function")+" read")
	}
	if n := p.driftedOperators(); n > 0 {
		parts = append(parts, count(n, "operator")+" drifted")
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

func (p *page) driftedOperators() int {
	n := 0
	for i := range p.outcome.Operators {
		if Drift(p.outcome.Operators[i].Verdict) {
			n++
		}
	}
	return n
}

// pageCount is how many secrets have a verdict, or a finding of a severity, and its part in the bar: per mille from From on.
type pageCount struct {
	Name, Says  string
	Count       int
	From, Width int
}

// Counts are the verdicts that occur, worst first.
func (p *page) Counts() []pageCount { return bar(p.summary.ByVerdict, p.summary.Secrets) }

// bar lays the verdicts that occur side by side.
func bar(by map[drift.Verdict]int, total int) []pageCount {
	const whole, least = 1000, 6 // the bar, and what can still be seen of it
	var all []pageCount
	from, before := 0, 0
	for _, v := range Verdicts {
		n := by[v]
		if n <= 0 {
			continue
		}
		before += n
		to := min(max(before*whole/total, from+least), whole)
		all = append(all, pageCount{Name: string(v), Says: verdictSays(v), Count: n, From: from, Width: to - from})
		from = to
	}
	return all
}

func verdictSays(v drift.Verdict) string {
	switch v {
	case drift.Broken:
		return "the next rotation fails"
	case drift.Orphaned:
		return "what rotates it is gone"
	case drift.Unknown:
		return "something could not be read"
	case drift.Drifted:
		return "rotates, with a finding"
	case drift.InSync:
		return "rotates, as it should"
	case drift.Exempt:
		return "somebody answers for it"
	case drift.Skipped:
		return "not checked"
	}
	return ""
}

// Severities are the severities that occur, with the number of secrets that have such a finding.
func (p *page) Severities() []pageCount {
	counts := map[string]int{}
	for i := range p.outcome.Secrets {
		_, all := severitiesOf(p.outcome.Secrets[i].Findings)
		for name := range strings.FieldsSeq(all) {
			counts[name]++
		}
	}
	var all []pageCount
	for _, s := range severities {
		if n := counts[string(s)]; n > 0 {
			all = append(all, pageCount{Name: string(s), Count: n})
		}
	}
	return all
}

// pageSoon is a secret that the reader should know of first.
type pageSoon struct {
	Anchor, Name string
	Verdict      drift.Verdict
	Due          string
	Overdue      bool
	Next         *pageTime
	Why, Fix, By string
	Many         int // findings that the fix ends, where there is more than one
	Others       int // more changes that it takes
}

// soonShown is how many secrets the story names.
const soonShown = 5

// Soonest are the secrets that cannot rotate, or where there are none those of which it is not known, soonest first.
func (p *page) Soonest() []pageSoon {
	var all []pageSoon
	for _, s := range p.soonest() {
		if len(all) == soonShown {
			break
		}
		v := pageSoon{Anchor: secretAnchor(s.ARN), Name: s.named(), Verdict: s.Verdict, Why: sentence(brief(inert(s.Reason)))}
		v.Due, v.Overdue = due(s, p.outcome.At)
		if s.NextRotation != nil {
			v.Next = newPageTime(*s.NextRotation)
		}
		if groups := groupByFix(s.Findings); len(groups) > 0 && groups[0].fix != nil {
			if n := len(groups[0].findings); n > 1 {
				v.Many = n
			}
			v.Fix, v.By, v.Others = brief(inert(groups[0].summary())), fixedBy(groups[0].fix), len(groups)-1
		}
		all = append(all, v)
	}
	return all
}

func (p *page) soonest() []*Secret {
	picked := p.outcome.WithVerdict(func(v drift.Verdict) bool { return v == drift.Broken || v == drift.Orphaned })
	if len(picked) == 0 {
		picked = p.outcome.WithVerdict(func(v drift.Verdict) bool { return v == drift.Unknown })
	}
	return picked
}

// SoonestTitle says what Soonest lists.
func (p *page) SoonestTitle() string {
	if p.stuck() > 0 {
		return "What breaks soonest"
	}
	return "What is not known"
}

// SoonestMore is how many more there are than Soonest lists.
func (p *page) SoonestMore() int { return max(len(p.soonest())-soonShown, 0) }

// Quiet is the next rotation where nothing is wrong.
func (p *page) Quiet() string {
	for _, s := range p.outcome.WithVerdict(func(v drift.Verdict) bool { return v == drift.InSync || v == drift.Drifted }) {
		if text, overdue := due(s, p.outcome.At); s.NextRotation != nil && text != "" && !overdue {
			return fmt.Sprintf("Nothing is known to break. The next rotation is that of %s, %s.", s.named(), text)
		}
	}
	return "Nothing is known to break."
}

// Overdue are the secrets that were mended after their rotation was due, each with the command that rotates it.
func (p *page) Overdue() []pageOverdue {
	var all []pageOverdue
	for _, s := range p.order {
		if s.Rotate != "" {
			text, _ := due(s, p.outcome.At)
			all = append(all, pageOverdue{Anchor: secretAnchor(s.ARN), Name: s.named(), Due: text, Command: inert(s.Rotate)})
		}
	}
	return all
}

type pageOverdue struct{ Anchor, Name, Due, Command string }

// Permissions are the IAM actions that the caller lacks, sorted.
func (p *page) Permissions() []string {
	var all []string
	for _, e := range p.outcome.Errors {
		if e.Permission != "" && e.Permission != assumeRole {
			all = append(all, inert(e.Permission))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// PermissionStatement is the statement that lets the caller read what could not be read.
func (p *page) PermissionStatement() (string, error) {
	text, err := json.MarshalIndent(struct {
		Effect   string
		Action   []string
		Resource string
	}{"Allow", p.Permissions(), "*"}, "", "  ")
	return string(text), err
}

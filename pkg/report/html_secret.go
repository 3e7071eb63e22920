package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// pageSecret is one line of the list with what it opens to.
type pageSecret struct {
	Anchor         string
	Place          string // account, Region and the account's name, where the page has secrets of several
	Verdict        drift.Verdict
	Worse          bool   // than in sync, and neither exempt nor skipped
	Severities     string // of its findings, worst first, for the script
	Name, Function string
	Whose          string // account and Region of a fleet's secret
	Reason         string
	Due            string
	Overdue        bool
	Next           *pageTime
	Path           *pagePath
	Groups         []pageGroup
	Infos          []pageFinding
	Notes          []string
	Facts          []pageFact
	Tags           []string
	History        []pageTurn
}

// pageFact is a name with a value; Code says that the value is an identifier.
type pageFact struct {
	Name, Value string
	Code        bool
}

func (p *page) secret(s *Secret) *pageSecret {
	anchor := p.once(secretAnchor(s.ARN))
	view := &pageSecret{
		Anchor: anchor, Verdict: s.Verdict, Worse: Drift(s.Verdict), Name: secretName(s), Whose: inert(s.whose()), Function: functionName(s.FunctionARN), Path: p.path(s),
	}
	if s.Verdict != drift.InSync {
		view.Reason = sentence(brief(inert(s.Reason)))
	}
	if s.Verdict != drift.Skipped {
		view.Due, view.Overdue = due(s, p.outcome.At)
		view.Overdue = view.Overdue && view.Worse
	}
	if s.NextRotation != nil {
		view.Next = newPageTime(*s.NextRotation)
	}
	if anchor != "" {
		p.names[anchor] = view.Name
	}
	_, view.Severities = severitiesOf(s.Findings)
	view.Groups, view.Infos = p.findings(anchor, s, s.Findings)
	if len(p.places) > 1 {
		view.Place = p.placeText(placeOf(s.ARN))
	}
	for _, n := range s.Notes {
		view.Notes = append(view.Notes, inert(n))
	}
	view.Facts, view.History = facts(s), p.history(s.ARN)
	for _, key := range sortedKeys(s.Tags) {
		view.Tags = append(view.Tags, inert(key+"="+s.Tags[key]))
	}
	return view
}

// facts are what the account says of the secret, and what is known of its next rotation.
func facts(s *Secret) []pageFact {
	var list []pageFact
	for _, f := range []pageFact{
		{"Account", s.whose(), true}, {"Secret", string(s.ARN), true}, {"Function", string(s.FunctionARN), true}, {"Role", string(s.RoleARN), true}, {"Key", s.KMSKeyID, true},
		{"Master", string(s.Master), true}, {"Strategy", strategyText(s), false}, {"Can rotate", canRotate(s), false},
	} {
		if f.Value = inert(f.Value); f.Value != "" {
			list = append(list, f)
		}
	}
	return list
}

func strategyText(s *Secret) string {
	switch {
	case s.Strategy == "":
		return ""
	case s.StrategySource == rotation.SourceDefault || s.StrategySource == "":
		return string(s.Strategy) + ", as nothing is declared"
	}
	return string(s.Strategy) + ", declared by " + string(s.StrategySource)
}

func canRotate(s *Secret) string {
	switch {
	case s.Verdict == drift.Skipped:
		return ""
	case s.RotationCanWork == nil:
		return "not known"
	case *s.RotationCanWork:
		return "yes"
	}
	return "no"
}

// severitiesOf names the severities that occur, worst first, those of exempt findings left out.
func severitiesOf(findings []*drift.Finding) (worst drift.Severity, all string) {
	var found []string
	for _, s := range severities {
		if slices.ContainsFunc(findings, func(f *drift.Finding) bool { return f.Severity == s && f.Exempt == "" }) {
			found = append(found, string(s))
		}
	}
	if len(found) > 0 {
		worst = drift.Severity(found[0])
	}
	return worst, strings.Join(found, " ")
}

// due says how long it is until the next rotation, or since when it is overdue.
func due(s *Secret, at time.Time) (text string, overdue bool) {
	switch {
	case s.NextRotation == nil:
		return "no date", false
	case at.IsZero():
		return "", false
	case s.Overdue(at):
		return "overdue by " + span(at.Sub(*s.NextRotation)), true
	}
	return "in " + span(s.NextRotation.Sub(at)), false
}

// span is a duration as people say it, to the hour within a week.
func span(d time.Duration) string {
	hours := int(d.Hours())
	days := hours / 24
	switch {
	case d < time.Minute:
		return "less than 1 min"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case days == 0:
		return fmt.Sprintf("%d h", hours)
	case days < 7 && hours%24 > 0:
		return fmt.Sprintf("%s %d h", count(days, "day"), hours%24)
	}
	return count(days, "day")
}

// brief cuts the ARNs in a sentence down to what tells them apart; the findings below it have them whole.
func brief(text string) string { return arnHead.ReplaceAllString(text, "") }

var arnHead = regexp.MustCompile(`arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:`)

// sentence begins a text with a capital letter, unless its first word is a name.
func sentence(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if word == "" || strings.ContainsAny(word, ":/.") || word[0] < 'a' || word[0] > 'z' {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// pageGroup is findings that one change ends.
type pageGroup struct {
	Findings []pageFinding
	Compare  *pageCompare
	Fix      *pageFix
}

type pageFinding struct {
	Anchor, ID, Rule, Subject, Statement string
	Kind                                 drift.Kind
	Direction                            policy.Direction
	Severity                             drift.Severity
	Explanation, Exempt                  string
	Same                                 string // the request alone: everything else is as in the finding before
	Witness                              []pageFact
	Since                                *pageTime // it stands, where a ledger says it
	Fix                                  *pageFix  // of a finding of severity info
}

type pageFix struct {
	Summary, By, Where string
	Many               int        // findings that it ends, where there is more than one
	Forms              []pageForm // how other tools write it
	Command            string
	Same               *pageReference // the secret for which the same fix is written out
}

// findings are those with a fix of their own, grouped by it, and those of severity info. s is nil where they are of no secret.
func (p *page) findings(secret string, s *Secret, findings []*drift.Finding) (groups []pageGroup, infos []pageFinding) {
	for _, g := range groupByFix(findings) {
		view := pageGroup{}
		for i, f := range g.findings {
			v := p.finding(f)
			if i > 0 && sameCause(g.findings[0], f) {
				v.Same = inert(requestText(f.Witness, g.findings[0].Witness))
			}
			view.Findings = append(view.Findings, v)
		}
		view.Fix = p.fix(secret, g)
		if s != nil && view.Fix != nil && view.Fix.Same == nil {
			view.Compare = p.compare(s, g)
		}
		groups = append(groups, view)
	}
	for _, f := range findings {
		if f.Severity == drift.Info {
			v := p.finding(f)
			v.Fix = p.fix(secret, group{fix: f.Fix, findings: []*drift.Finding{f}})
			infos = append(infos, v)
		}
	}
	return groups, infos
}

func (p *page) finding(f *drift.Finding) pageFinding {
	v := pageFinding{
		Anchor: p.once("f-" + f.ID), ID: inert(f.ID), Rule: inert(f.Rule), Kind: f.Kind, Direction: f.Direction, Severity: f.Severity,
		Subject: inert(string(f.Subject)), Explanation: inert(f.Explanation), Exempt: inert(f.Exempt), Since: p.since(f.ID),
	}
	if f.Statement != nil {
		v.Statement = fmt.Sprintf("statement %d of the %s", f.Statement.Index+1, inert(f.Statement.Document))
		if f.Statement.Sid != "" {
			v.Statement += ", Sid " + inert(f.Statement.Sid)
		}
	}
	if w := f.Witness; w != nil {
		if w.Principal != nil {
			v.Witness = append(v.Witness, pageFact{"who", inert(*w.Principal), true})
		}
		v.Witness = append(v.Witness, pageFact{"calls", inert(w.Action), true}, pageFact{"on", inert(w.Resource), true})
		for _, key := range sortedKeys(w.Context) {
			v.Witness = append(v.Witness, pageFact{"with", inert(key + " = " + strings.Join(w.Context[key], ", ")), true})
		}
	}
	return v
}

// commandWidth is where the commands of a fix are broken.
const commandWidth = 100

// fix is the change that ends a group of findings. A fix that has been written out for another secret is referred to.
func (p *page) fix(secret string, g group) *pageFix {
	if g.fix == nil {
		return nil
	}
	v := &pageFix{Summary: inert(g.summary()), By: fixedBy(g.fix)}
	if len(g.findings) > 1 {
		v.Many = len(g.findings)
	}
	key := g.fix.Command
	if key == "" {
		for _, f := range g.findings {
			key += " " + f.ID
		}
	}
	if earlier, ok := p.fixes[key]; ok && earlier != secret {
		v.Same = &pageReference{earlier, p.names[earlier]}
		return v
	}
	if secret != "" {
		p.fixes[key] = secret
	}
	v.Where = inert(g.fix.Where)
	v.Forms = forms(g.findings)
	if g.fix.Command != "" {
		v.Command = strings.Join(breakCommand(inert(g.fix.Command), commandWidth), "\n")
	}
	return v
}

// fixedBy says who makes the change.
func fixedBy(f *drift.Fix) string {
	switch f.By {
	case drift.ByRepair:
		return "Mode repair does this."
	case drift.ByEnforce:
		return "Mode enforce does this."
	case drift.ByPerson:
		if f.BlockedBy != "" {
			return "By hand: blocked by " + inert(f.BlockedBy) + "."
		}
	}
	return "By hand."
}

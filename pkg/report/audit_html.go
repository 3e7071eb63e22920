package report

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

//go:embed audit.html.tmpl
var auditTemplate string

//go:embed audit.css
var auditStyle string

// WriteHTML writes the audit as one file that needs no network and runs no script.
func (a *Audit) WriteHTML(w io.Writer) error {
	parsed, err := template.New("audit").Parse(auditTemplate)
	if err != nil {
		return fmt.Errorf("reading the template of the audit: %w", err)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := parsed.Execute(out, &auditPage{a}); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// auditPage is what the template shows; every text from the ledger is inert before the template escapes it.
type auditPage struct{ a *Audit }

// ContentPolicy lets the page's own style in, by its hash, and nothing else. Source: W3C, "Content Security Policy Level 3".
func (p *auditPage) ContentPolicy() string {
	return "default-src 'none'; style-src '" + sourceHash(htmlStyle+auditStyle) + "'; base-uri 'none'; form-action 'none'"
}

// Style is the project's own, embedded: nothing of the account is in it.
func (p *auditPage) Style() template.CSS { return template.CSS(htmlStyle + auditStyle) }

func (p *auditPage) Place() string    { return p.a.place() }
func (p *auditPage) Since() *pageTime { return newPageTime(p.a.Since) }
func (p *auditPage) Until() *pageTime { return newPageTime(p.a.Until) }
func (p *auditPage) Watched() string  { return p.a.watched() }
func (p *auditPage) Held() bool       { return p.a.Held() }
func (p *auditPage) End() string {
	return fmt.Sprintf("%d:%s", p.a.Chain.Head.Number, inert(p.a.Chain.Head.Hash))
}
func (p *auditPage) Problems() []string { return inertAll(p.a.Chain.Problems) }

// Chain says whether the chain of runs holds.
func (p *auditPage) Chain() string {
	if p.a.Held() {
		return chainText(&p.a.Chain)
	}
	return brokenChain(&p.a.Chain)
}

func inertAll(problems []ledger.Problem) []string {
	all := make([]string, len(problems))
	for i, problem := range problems {
		all[i] = inert(problem.String())
	}
	return all
}

// Headline is the audit in one sentence.
func (p *auditPage) Headline() string {
	steady := 0
	for i := range p.a.Secrets {
		if p.a.Secrets[i].steady() {
			steady++
		}
	}
	return fmt.Sprintf("%d of %s in sync all the time", steady, count(len(p.a.Secrets), "secret"))
}

type auditRow struct {
	Name, ARN, Share string
	Verdict          string
	Steady           bool
	Bars             []auditBar
	Periods          []auditTime
}

// auditBar is a verdict's part of the bar, which is barWidth wide.
type auditBar struct {
	Verdict     string
	From, Width int64
}

type auditTime struct {
	Verdict, Reason, Run string
	From, To             *pageTime
}

const barWidth = 1000

// Secrets are those that were not in sync all the time first.
func (p *auditPage) Secrets() []auditRow {
	rows := make([]auditRow, 0, len(p.a.Secrets))
	for i := range p.a.Secrets {
		rows = append(rows, p.row(&p.a.Secrets[i]))
	}
	slices.SortStableFunc(rows, func(a, b auditRow) int {
		switch {
		case a.Steady == b.Steady:
			return 0
		case a.Steady:
			return 1
		}
		return -1
	})
	return rows
}

func (p *auditPage) row(s *AuditSecret) auditRow {
	r := auditRow{Name: inert(s.Name), ARN: inert(s.ARN), Share: s.share(), Verdict: inert(string(s.Verdict)), Steady: s.steady()}
	for _, period := range s.Periods {
		r.Bars = append(r.Bars, p.bar(&period))
		t := auditTime{Verdict: inert(string(period.Verdict)), Reason: inert(period.Reason), Run: inert(period.Run)}
		if period.From != nil {
			t.From = newPageTime(*period.From)
		}
		if period.To != nil {
			t.To = newPageTime(*period.To)
		}
		r.Periods = append(r.Periods, t)
	}
	return r
}

func (p *auditPage) bar(period *AuditPeriod) auditBar {
	all := max(p.a.Until.Sub(p.a.Since), time.Second)
	at := func(t *time.Time, otherwise int64) int64 {
		if t == nil {
			return otherwise
		}
		return min(max(int64(float64(t.Sub(p.a.Since))/float64(all)*barWidth), 0), barWidth)
	}
	from, to := at(period.From, 0), at(period.To, at(p.a.AsOf, 0))
	return auditBar{Verdict: inert(string(period.Verdict)), From: from, Width: max(to-from, 2)}
}

// Legend are the verdicts that the bars show.
func (p *auditPage) Legend() []string {
	seen := map[string]bool{}
	for i := range p.a.Secrets {
		for _, period := range p.a.Secrets[i].Periods {
			seen[inert(string(period.Verdict))] = true
		}
	}
	return sortedKeys(seen)
}

type auditWrite struct {
	ID, Status, Call, Name, On, Subject         string
	Reason, Proof, By, Run, Cause, Undo, Beware string
	At, Ended                                   *pageTime
	Findings                                    string
	New                                         bool
	Diff                                        []pageHunk
	Before, After                               string
}

// Changes are the writes, oldest first.
func (p *auditPage) Changes() []auditWrite {
	all := make([]auditWrite, 0, len(p.a.Changes))
	for i := range p.a.Changes {
		c := &p.a.Changes[i]
		v := auditWrite{
			ID: inert(c.ID), Status: inert(string(c.Status)), Call: inert(c.Call), Name: inert(c.Name), On: brief(inert(c.Subject)), Subject: inert(c.Subject),
			Reason: sentence(brief(inert(c.Reason))), Proof: c.proof(), By: inert(c.Caller), Run: inert(strings.Join(nonEmpty(c.Run, c.Command, c.Mode), ", ")), Cause: inert(c.Cause),
			Undo: inert(c.Undoes), Beware: inert(c.Problem), At: newPageTime(c.At), Findings: inert(strings.Join(c.Findings, " ")), New: c.Before == "" && c.After != "", Diff: hunks(c.Diff),
			Before: strings.Join(layOutIfAny(c.Before), "\n"), After: strings.Join(layOutIfAny(c.After), "\n"),
		}
		if c.Ended != nil {
			v.Ended = newPageTime(*c.Ended)
		}
		all = append(all, v)
	}
	return all
}

type auditExempt struct {
	ID, What, Owner, Reason, By, State string
	Added, Expires, Ended              *pageTime
}

// Exemptions are those of the period.
func (p *auditPage) Exemptions() []auditExempt {
	all := make([]auditExempt, 0, len(p.a.Exemptions))
	for i := range p.a.Exemptions {
		e := &p.a.Exemptions[i]
		v := auditExempt{
			ID: inert(e.ID), What: inert(e.what()), Owner: inert(e.Owner), Reason: inert(e.Reason), By: inert(e.addedBy()), State: e.State,
			Added: newPageTime(e.Added), Expires: newPageTime(e.Expires),
		}
		if e.EndedAt != nil {
			v.Ended = newPageTime(*e.EndedAt)
		}
		all = append(all, v)
	}
	return all
}

type auditRunRow struct {
	Number                         uint64
	ID, What, By, Cause, Saw, Hash string
	Summary, Problem               string
	Started                        *pageTime
}

// Runs are the runs of the period, oldest first.
func (p *auditPage) Runs() []auditRunRow {
	all := make([]auditRunRow, 0, len(p.a.Runs))
	for i := range p.a.Runs {
		r := &p.a.Runs[i]
		what := inert(strings.Join(nonEmpty(r.Command, r.Mode), ", "))
		if !r.Complete {
			what += ", a part of the account"
		}
		all = append(all, auditRunRow{
			Number: r.Number, ID: inert(r.ID), What: what, By: inert(r.Caller), Cause: inert(r.Cause), Saw: verdictCounts(r.Verdicts), Hash: inert(r.Hash), Summary: inert(r.Summary),
			Problem: inert(r.Problem), Started: newPageTime(r.Started),
		})
	}
	return all
}

// verdictCounts says how many secrets had which verdict, the worst first.
func verdictCounts(counts map[drift.Verdict]int) string {
	var parts []string
	for _, v := range Verdicts {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	return strings.Join(parts, ", ")
}

// Written says how many changes came to what.
func (p *auditPage) Written() string {
	done := 0
	for i := range p.a.Changes {
		if p.a.Changes[i].Status == repair.Done {
			done++
		}
	}
	if len(p.a.Changes) == 0 {
		return "Nothing was written to the account."
	}
	return fmt.Sprintf("%d of %s took effect.", done, count(len(p.a.Changes), "change"))
}

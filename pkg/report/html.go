package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

//go:embed report.html.tmpl
var htmlTemplate string

//go:embed report.css
var htmlStyle string

//go:embed report.js
var htmlScript string

// page is what the HTML report shows: every text is inert before it is escaped, because text that reverses direction is harmless markup.
type page struct {
	ContentPolicy         string
	Style                 template.CSS
	Script                template.JS
	Account, Region, Mode string
	At, Story             string
	Counts                []pageCount
	Secrets               []pageSecret
	Operators             []Operator
	Breaker               string
	Changes               []pageChange
	Left, Errors, Notes   []string
}

type pageCount struct {
	Verdict drift.Verdict
	Count   int
}

type pageSecret struct {
	Verdict                                      drift.Verdict
	Name, FunctionName, Next, Reason, SearchText string
	Drift, Overdue                               bool
	Path                                         []pageHop
	Findings                                     []pageFinding
	Notes                                        []string
}

// pageHop is one thing on the way from the secret to its key. Bad says what is wrong there, in a word.
type pageHop struct{ What, Name, Bad string }

type pageFinding struct {
	ID, Rule, Direction, Explanation, Exempt, Witness string
	Kind                                              drift.Kind
	Severity                                          drift.Severity
	Fix                                               *pageFix
}

type pageFix struct{ Summary, By, Where, Statement, Command string }

type pageChange struct {
	Status                                 repair.Status
	Call                                   repair.Call
	Name, Subject, ID, Reason, Proof, Undo string
	Diff                                   []pageLine
}

type pageLine struct{ Class, Text string }

// WriteHTML writes the report as one file that needs no network: styles and script are in it, and its content policy lets nothing else
// run or load.
func (o *Outcome) WriteHTML(w io.Writer) error {
	parsed, err := template.New("report").Parse(htmlTemplate)
	if err != nil {
		return fmt.Errorf("reading the template of the report: %w", err)
	}
	out := bufio.NewWriter(w)
	if err := parsed.Execute(out, o.page()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (o *Outcome) page() page {
	p := page{
		ContentPolicy: "default-src 'none'; base-uri 'none'; form-action 'none'; style-src '" + sourceHash(htmlStyle) + "'; script-src '" + sourceHash(htmlScript) + "'",
		Style:         template.CSS(htmlStyle), Script: template.JS(htmlScript), // our own files, embedded
		Account: inert(o.Account), Region: inert(o.Region), Mode: string(o.Mode), At: o.At.UTC().Format(time.RFC3339), Story: o.Story(),
	}
	summary := o.Summary()
	for _, v := range Verdicts {
		if n := summary.ByVerdict[v]; n > 0 {
			p.Counts = append(p.Counts, pageCount{v, n})
		}
	}
	for _, pick := range []func(drift.Verdict) bool{Drift, func(v drift.Verdict) bool { return !Drift(v) }} {
		for _, s := range o.WithVerdict(pick) {
			p.Secrets = append(p.Secrets, pageOf(s, o.At))
		}
	}
	for _, op := range o.Operators {
		op.Reason = inert(op.Reason)
		p.Operators = append(p.Operators, op)
	}
	if o.Breaker != nil {
		p.Breaker = inert(o.Breaker.Tripped)
	}
	for i := range o.Changes {
		p.Changes = append(p.Changes, pageChangeOf(&o.Changes[i]))
	}
	for _, l := range o.Left {
		p.Left = append(p.Left, leftText(l))
	}
	for _, e := range o.Errors {
		p.Errors = append(p.Errors, e.String())
	}
	for _, n := range append([]string{NotVisible}, o.Notes...) {
		p.Notes = append(p.Notes, inert(n))
	}
	return p
}

// sourceHash names a script or style in a content policy. Source: W3C, "Content Security Policy Level 3", hash-source.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func pageOf(s *Secret, at time.Time) pageSecret {
	p := pageSecret{
		Verdict: s.Verdict, Name: secretName(s), FunctionName: functionName(s.FunctionARN), Next: whenText(s, at), Reason: inert(s.Reason),
		Drift: Drift(s.Verdict), Overdue: s.Overdue(at) && Drift(s.Verdict), Path: pathOf(s),
	}
	search := []string{p.Name, string(s.ARN), string(s.FunctionARN), string(s.RoleARN), string(s.Verdict), s.Reason}
	for _, f := range s.Findings {
		p.Findings = append(p.Findings, pageFindingOf(f))
		search = append(search, f.ID, f.Rule, string(f.Severity))
	}
	for _, key := range sortedKeys(s.Tags) {
		search = append(search, key+"="+s.Tags[key])
	}
	for _, n := range s.Notes {
		p.Notes = append(p.Notes, inert(n))
	}
	p.SearchText = strings.ToLower(inert(strings.Join(search, " ")))
	return p
}

// pathOf is the way that a rotation takes, with what is wrong at each hop.
func pathOf(s *Secret) []pageHop {
	bad := func(kinds ...drift.Kind) string {
		what := ""
		for _, f := range s.Findings {
			if f.Severity == drift.Info || f.Exempt != "" || !slices.Contains(kinds, f.Kind) {
				continue
			}
			if f.Direction != "" && what == "" || f.Direction == "missing" {
				what = string(f.Direction)
			}
			if what == "" {
				what = "wrong"
			}
		}
		return what
	}
	hops := []pageHop{{"secret", inert(string(s.ARN)), bad(drift.KindSecret, drift.KindSecretPolicy)}}
	if s.FunctionARN != "" {
		hops = append(hops, pageHop{"function", inert(string(s.FunctionARN)), bad(drift.KindFunction, drift.KindFunctionPolicy)})
	}
	if s.RoleARN != "" {
		hops = append(hops, pageHop{"role", inert(string(s.RoleARN)), bad(drift.KindRole, drift.KindTrust, drift.KindBoundary)})
	}
	if s.KMSKeyID != "" {
		hops = append(hops, pageHop{"key", inert(s.KMSKeyID), bad(drift.KindKey)})
	}
	return hops
}

func pageFindingOf(f *drift.Finding) pageFinding {
	p := pageFinding{
		ID: inert(f.ID), Rule: inert(f.Rule), Kind: f.Kind, Direction: string(f.Direction), Severity: f.Severity,
		Explanation: inert(f.Explanation), Exempt: inert(f.Exempt),
	}
	if f.Witness != nil {
		p.Witness = inert(requestText(f.Witness, nil))
	}
	if f.Fix == nil {
		return p
	}
	fix := &pageFix{Summary: inert(f.Fix.Summary), Where: inert(f.Fix.Where), Command: inert(f.Fix.Command)}
	switch f.Fix.By {
	case drift.ByRepair:
		fix.By = "Mode repair does this."
	case drift.ByEnforce:
		fix.By = "Mode enforce does this."
	case drift.ByPerson:
		fix.By = "By hand."
		if f.Fix.BlockedBy != "" {
			fix.By = "By hand: blocked by " + inert(f.Fix.BlockedBy) + "."
		}
	}
	if f.Fix.Statement != "" {
		fix.Statement = strings.Join(layOut(f.Fix.Statement), "\n")
	}
	p.Fix = fix
	return p
}

func pageChangeOf(c *repair.Change) pageChange {
	p := pageChange{
		Status: c.Status, Call: c.Call, Name: inert(c.Name), Subject: inert(string(c.Subject)), ID: c.ID, Reason: inert(c.Reason),
		Proof: proofText(&c.Proof), Undo: inert(c.Undo),
	}
	for _, line := range inertLines(c.Diff) {
		class := "s"
		switch {
		case strings.HasPrefix(line, "+"):
			class = "a"
		case strings.HasPrefix(line, "-"):
			class = "c"
		}
		p.Diff = append(p.Diff, pageLine{class, line})
	}
	return p
}

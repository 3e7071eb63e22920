package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

//go:embed report.html.tmpl
var htmlTemplate string

//go:embed report.css
var htmlStyle string

//go:embed report.js
var htmlScript string

// WriteHTML writes the report as one file that needs no network: styles and script are in it, and its content policy lets nothing
// else run or load. All of it can be read without the script, which searches, filters and copies. Secrets are written one by one, so that
// a large account's page is never in memory as a whole.
//
// A large account's secrets stand in noscript elements: a browser that runs scripts takes each for one text, of which the script makes elements
// when they come into sight or are looked for, and of what a secret opens to when it is opened. Ten thousand secrets would otherwise be
// more than half a million elements, which take a browser seconds to make.
func (o *Outcome) WriteHTML(w io.Writer) error {
	parsed, err := template.New("report").Parse(htmlTemplate)
	if err != nil {
		return fmt.Errorf("reading the template of the report: %w", err)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := parsed.Execute(out, newPage(o)); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// page is what the template shows. Every text from the account is inert before the template escapes it: text that reverses
// direction is harmless as markup and still deceives.
type page struct {
	outcome *Outcome
	unread  map[string]bool   // resources that an error names
	anchors map[string]bool   // ids of elements that have been written
	fixes   map[string]string // fixes that have been written, by what they are; the anchor of the secret that they were written for
	names   map[string]string // names of secrets, by their anchor
	order   []*Secret         // as the page lists them
	places  []string          // accounts and Regions of the secrets, sorted
	summary Summary

	accounts map[string]string     // names of a fleet's accounts; made when it is first needed
	turns    map[string][]pageTurn // how verdicts changed, by secret; made when it is first needed
	standing map[string]time.Time  // since when findings stand, by id; made when it is first needed
}

func newPage(o *Outcome) *page {
	p := &page{
		outcome: o, unread: map[string]bool{}, anchors: map[string]bool{}, fixes: map[string]string{}, names: map[string]string{}, summary: o.Summary(),
	}
	for _, e := range o.Errors {
		p.unread[e.Resource] = true
	}
	is := func(v drift.Verdict) func(drift.Verdict) bool {
		return func(other drift.Verdict) bool { return v == other }
	}
	p.order = o.WithVerdict(Drift)
	for _, v := range []drift.Verdict{drift.InSync, drift.Exempt, drift.Skipped} {
		p.order = append(p.order, o.WithVerdict(is(v))...)
	}
	p.places = placesOf(o)
	return p
}

// ContentPolicy lets the page's own style and script run, by their hashes, and nothing else.
// Source: W3C, "Content Security Policy Level 3", hash-source; "Trusted Types" for the last two directives.
func (p *page) ContentPolicy() string {
	return "default-src 'none'; style-src '" + sourceHash(htmlStyle) + "'; script-src '" + sourceHash(htmlScript) +
		"'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types report"
}

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Style and Script are the project's own files, embedded: nothing of the account is in them.
func (p *page) Style() template.CSS { return template.CSS(htmlStyle) }

func (p *page) Script() template.JS { return template.JS(htmlScript) }

// Account is the account, or how many there are.
func (p *page) Account() string {
	if p.outcome.Account != "" {
		return inert(p.outcome.Account)
	}
	accounts := map[string]bool{}
	for _, place := range p.places {
		account, _, _ := strings.Cut(place, " ")
		accounts[account] = true
	}
	return fmt.Sprintf("%d accounts", len(accounts))
}

// Places are the accounts and Regions of the page's secrets, where there are several.
func (p *page) Places() []string {
	if len(p.places) < 2 {
		return nil
	}
	var all []string
	for _, place := range p.places {
		all = append(all, p.placeText(place))
	}
	return all
}

// placeText is an account and Region with the account's name, where a fleet knows it.
func (p *page) placeText(place string) string {
	if p.accounts == nil {
		p.accounts = map[string]string{}
		for i := range p.outcome.Targets {
			t := &p.outcome.Targets[i]
			p.accounts[inert(t.Account)] = inert(t.Name)
		}
	}
	account, _, _ := strings.Cut(place, " ")
	return strings.TrimSpace(place + " " + p.accounts[account])
}

func placesOf(o *Outcome) []string {
	found := map[string]bool{}
	for s := range o.All() {
		found[placeOf(s.ARN)] = true
	}
	return sortedKeys(found)
}

func (p *page) Region() string { return inert(p.outcome.Region) }

func (p *page) Mode() string { return inert(string(p.outcome.Mode)) }

// Swept is when the account was read, for people and for machines.
func (p *page) Swept() *pageTime { return newPageTime(p.outcome.At) }

// pageTime is a moment.
type pageTime struct{ Machine, People string }

func newPageTime(t time.Time) *pageTime {
	if t.IsZero() {
		return nil
	}
	return &pageTime{rfc3339(t), t.UTC().Format("2006-01-02 15:04") + " UTC"}
}

// Total is how many secrets there are.
func (p *page) Total() int { return p.summary.Secrets }

// chunk is how many secrets are laid out together: a browser looks at every chunk for each frame that it draws.
const chunk = 50

// heldFrom is from how many secrets on they are held as text.
const heldFrom = 1000

// Held says whether the secrets are held as text.
func (p *page) Held() bool { return len(p.order) >= heldFrom }

// Chunks are the secrets in the order of the page: what is worse than in sync first, soonest next rotation first. Each is made when the
// template asks for it.
func (p *page) Chunks() iter.Seq[iter.Seq[*pageSecret]] {
	return func(yield func(iter.Seq[*pageSecret]) bool) {
		for part := range slices.Chunk(p.order, chunk) {
			if !yield(p.secrets(part)) {
				return
			}
		}
	}
}

func (p *page) secrets(part []*Secret) iter.Seq[*pageSecret] {
	return func(yield func(*pageSecret) bool) {
		for _, s := range part {
			if !yield(p.secret(s)) {
				return
			}
		}
	}
}

// HasOperators says whether Operators has anything.
func (p *page) HasOperators() bool { return len(p.outcome.Operators) > 0 }

// Operators are the declared principals with their findings. It is read once: what it gives is written.
func (p *page) Operators() []pageOperator {
	var all []pageOperator
	for i := range p.outcome.Operators {
		op := &p.outcome.Operators[i]
		o := pageOperator{Verdict: op.Verdict, Principal: inert(string(op.Principal)), May: inert(string(op.May)), Reason: inert(op.Reason)}
		o.Groups, o.Infos = p.findings("", nil, op.Findings)
		all = append(all, o)
	}
	return all
}

type pageOperator struct {
	Verdict                drift.Verdict
	Principal, May, Reason string
	Groups                 []pageGroup
	Infos                  []pageFinding
}

// Left is what no change mends.
func (p *page) Left() []pageLeft {
	var all []pageLeft
	for _, l := range p.outcome.Left {
		all = append(all, pageLeft{
			What: inert(l.What), On: inert(string(l.Subject)), Reason: inert(l.Reason), Secret: p.reference(l.Secret),
		})
	}
	return all
}

type pageLeft struct {
	What, On, Reason string
	Secret           *pageReference
}

// pageReference names a secret; Anchor is empty where the page has no such secret.
type pageReference struct{ Anchor, Name string }

func (p *page) reference(arn rotation.ARN) *pageReference {
	if arn == "" {
		return nil
	}
	anchor := secretAnchor(arn)
	if name, ok := p.names[anchor]; ok {
		return &pageReference{anchor, name}
	}
	return &pageReference{"", inert(string(arn))}
}

// Errors are what could not be read or done.
func (p *page) Errors() []Error {
	var all []Error
	for _, e := range p.outcome.unsaid() {
		if e.Permission == assumeRole {
			e.Permission, e.Message = "", e.Message+assumeHint
		}
		all = append(all, Error{Call: inert(e.Call), Resource: inert(e.Resource), Code: inert(e.Code), Message: inert(e.Message), Permission: inert(e.Permission)})
	}
	return all
}

// Notes begin with what no report can see.
func (p *page) Notes() []string {
	notes := []string{NotVisible}
	for _, n := range p.outcome.Notes {
		notes = append(notes, inert(n))
	}
	return notes
}

// secretAnchor is the same in every report of the secret.
func secretAnchor(arn rotation.ARN) string { return "s-" + ShortHash(string(arn)) }

// once is an anchor that no other element has: empty when one has it already, or when it is no plain name.
func (p *page) once(anchor string) string {
	if p.anchors[anchor] || !plainName.MatchString(anchor) {
		return ""
	}
	p.anchors[anchor] = true
	return anchor
}

var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

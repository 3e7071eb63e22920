package alert

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Schema names the form of the message for programs.
const Schema = "rotationguard.alert/1"

// JSONSchema is the JSON schema of the message for programs.
//
//go:embed alert.schema.json
var JSONSchema []byte

// Alert is what a topic's subscribers are told of one event.
type Alert struct {
	Schema  string      `json:"schema"`
	Event   Event       `json:"event"`
	Account string      `json:"account"` // empty in a fleet's
	Region  string      `json:"region"`
	Mode    repair.Mode `json:"mode"`
	At      string      `json:"at"`
	// Verdict is the worst of what the message is about, as it stands now; null where nothing of it was read.
	Verdict  *drift.Verdict `json:"verdict"`
	Severity drift.Severity `json:"severity"` // the worst
	Summary  report.Summary `json:"summary"`  // of the whole sweep
	Story    string         `json:"story"`
	// Part and Parts number the messages of one alert that is too long for one.
	Part  int `json:"part"`
	Parts int `json:"parts"`
	// What the message is about: what breaks first comes first. Others are functions and roles of which no secret is known, and secrets that are gone.
	Secrets   []Item `json:"secrets"`
	Operators []Item `json:"operators"`
	Others    []Item `json:"others"`
	// Omitted counts what only the report has: secrets, operators, others, targets, exemptions and changes for which the message has no room.
	Omitted    int             `json:"omitted"`
	Exemptions []ExemptionText `json:"exemptions"` // that were added
	Changes    []ChangeText    `json:"changes"`    // of this sweep
	Targets    []TargetText    `json:"targets"`    // of a fleet, that failed or could be read in part only
	Errors     int             `json:"errors"`     // things that could not be read or done
	Report     *string         `json:"report"`     // where the full report is
	Notes      []string        `json:"notes"`

	at       time.Time
	scope    string
	counts   map[drift.Verdict]int // of the items, by verdict
	findings int
	first    *Item // what breaks first
}

// Item is one secret, principal or other thing with what is told of it.
type Item struct {
	ARN             rotation.ARN      `json:"arn"`
	Name            string            `json:"name"`
	Account         string            `json:"account"`
	Region          string            `json:"region"`
	FunctionARN     *rotation.ARN     `json:"function_arn"`
	Tags            map[string]string `json:"tags"`    // those that alerts.tags names
	Verdict         *drift.Verdict    `json:"verdict"` // null where it was not read
	RotationCanWork *bool             `json:"rotation_can_work"`
	NextRotation    *string           `json:"next_rotation"`
	Reason          string            `json:"reason"`
	Findings        []FindingText     `json:"findings"`
	// OmittedFindings counts those that the message has no room for.
	OmittedFindings int `json:"omitted_findings,omitempty"`

	next *time.Time
}

// FindingText is a finding in short, with its history where a ledger knows it.
type FindingText struct {
	ID          string         `json:"id"`
	Rule        string         `json:"rule"`
	Kind        drift.Kind     `json:"kind"`
	Severity    drift.Severity `json:"severity"`
	Was         drift.Severity `json:"was,omitempty"` // the severity that was told last, where it was another
	Subject     rotation.ARN   `json:"subject"`
	Explanation string         `json:"explanation"`
	Fix         string         `json:"fix,omitempty"`
	FixedBy     drift.Mender   `json:"fixed_by,omitempty"`
	MoreSecrets int            `json:"more_secrets,omitempty"` // that it concerns as well
	Since       string         `json:"since,omitempty"`
	Reopened    int            `json:"reopened,omitempty"`
	ResolvedBy  string         `json:"resolved_by,omitempty"` // the change of ours
	Exempt      string         `json:"exempt,omitempty"`      // the reason of the exemption that covers it
}

// ChangeText is a change in short.
type ChangeText struct {
	ID      string        `json:"id"`
	Call    repair.Call   `json:"call"`
	Subject rotation.ARN  `json:"subject"`
	Name    string        `json:"name"`
	Status  repair.Status `json:"status"`
	Reason  string        `json:"reason,omitempty"`
}

// ExemptionText is an exemption in short.
type ExemptionText struct {
	ID      string `json:"id"`
	Covers  string `json:"covers"` // "secret prod/*", "rule invoke-grant"
	Owner   string `json:"owner"`
	Reason  string `json:"reason"`
	Expires string `json:"expires"`
	Added   string `json:"added"`
	AddedBy string `json:"added_by"`
	Config  bool   `json:"config"` // it stands in a configuration
}

// TargetText is a target of a fleet in short.
type TargetText struct {
	Account string              `json:"account"`
	Name    string              `json:"name"`
	Region  string              `json:"region"`
	Status  report.TargetStatus `json:"status"`
	Cause   string              `json:"cause"`

	line string
}

// composer makes alerts of an outcome.
type composer struct {
	outcome *report.Outcome
	places  *places
	tags    []string
	where   string
}

// newAlert has what is the same in every alert of an outcome.
func (c *composer) newAlert(event Event) Alert {
	o := c.outcome
	a := Alert{
		Schema: Schema, Event: event, Account: o.Account, Region: o.Region, Mode: o.Mode, At: rfc3339(o.At), Severity: drift.Info, Summary: o.Summary(), Story: o.Story(),
		Part: 1, Parts: 1, Secrets: []Item{}, Operators: []Item{}, Others: []Item{}, Exemptions: []ExemptionText{}, Changes: []ChangeText{}, Targets: []TargetText{},
		Errors: len(o.Errors), Report: orNull(c.where), Notes: append([]string{report.NotVisible}, o.Notes...), at: o.At, scope: o.Scope(),
	}
	return a
}

// everything is the alert of a sweep without a ledger: all that is worse than in sync.
func (c *composer) everything() Alert {
	o := c.outcome
	a := c.newAlert(Drift)
	for i := range o.Secrets {
		if s := &o.Secrets[i]; report.Drift(s.Verdict) {
			a.Secrets = append(a.Secrets, c.secret(s, findingsOf(s.Findings)))
		}
	}
	for i := range o.Operators {
		if p := &o.Operators[i]; report.Drift(p.Verdict) {
			a.Operators = append(a.Operators, c.operator(p, findingsOf(p.Findings)))
		}
	}
	for i := range o.Targets {
		if t := &o.Targets[i]; t.Status != report.TargetSwept {
			a.Targets = append(a.Targets, TargetText{t.Account, t.Name, t.Region, t.Status, t.Cause, t.Line()})
		}
	}
	a.Changes = c.changes()
	a.finish()
	return a
}

func findingsOf(findings []*drift.Finding) []FindingText {
	var all []FindingText
	for _, f := range findings {
		if f.Severity != drift.Info && f.Exempt == "" {
			all = append(all, findingText(f))
		}
	}
	return all
}

func findingText(f *drift.Finding) FindingText {
	t := FindingText{ID: f.ID, Rule: f.Rule, Kind: f.Kind, Severity: f.Severity, Subject: f.Subject, Explanation: f.Explanation, Exempt: f.Exempt}
	if f.Fix != nil {
		t.Fix, t.FixedBy = f.Fix.Summary, f.Fix.By
	}
	return t
}

// transitionText is the finding of a transition with its history.
func transitionText(x *ledger.Transition, more int) FindingText {
	t := findingText(&x.Record.Finding)
	t.MoreSecrets, t.Since, t.Reopened, t.ResolvedBy = more, rfc3339(x.Record.Since()), x.Record.Reopened, x.Record.ResolvedBy
	if told, known := x.Record.Told[x.Channel]; known && told.Severity != t.Severity {
		t.Was = told.Severity
	}
	return t
}

// said is one transition with the tags by which it is routed.
type said struct {
	x     *ledger.Transition
	event Event
	tags  map[string]string
}

// route finds for a transition whose tags route it.
func (c *composer) route(x *ledger.Transition) said {
	s := said{x: x, event: eventOf(x)}
	if secret, _, _ := c.places.of(&x.Record.Finding); secret != nil {
		s.tags = c.chosen(secret.Tags)
	}
	return s
}

// chosen are the tags that alerts carry; one without a value does not count, as SNS refuses an empty attribute.
func (c *composer) chosen(tags map[string]string) map[string]string {
	chosen := map[string]string{}
	for _, key := range c.tags {
		if value := report.Inert(tags[key]); value != "" {
			chosen[key] = value
		}
	}
	return chosen
}

// of is the alert of one event's transitions.
func (c *composer) of(event Event, all []said) Alert {
	a := c.newAlert(event)
	at := map[string]*Item{}
	lists := map[*[]Item][]*Item{}
	add := func(list *[]Item, key string, item func() Item, f FindingText) {
		i := at[key]
		if i == nil {
			made := item()
			i = &made
			at[key] = i
			lists[list] = append(lists[list], i)
		}
		i.Findings = append(i.Findings, f)
	}
	for _, s := range all {
		f := &s.x.Record.Finding
		secret, more, operator := c.places.of(f)
		text := transitionText(s.x, more)
		switch {
		case secret != nil:
			add(&a.Secrets, "secret "+string(secret.ARN), func() Item { return c.secret(secret, nil) }, text)
		case operator != nil:
			add(&a.Operators, "operator "+string(operator.Principal), func() Item { return c.operator(operator, nil) }, text)
		default:
			about := cmp.Or(f.Secret, f.Function, f.Subject)
			item := func() Item { return c.other(about) }
			if f.Kind == report.KindTarget {
				item = func() Item { return c.target(about) }
			}
			add(&a.Others, "other "+string(about), item, text)
		}
	}
	for list, items := range lists {
		for _, i := range items {
			*list = append(*list, *i)
		}
	}
	if event != Exempted && event != Reminder {
		a.Changes = c.changes()
	}
	a.finish()
	return a
}

func (c *composer) secret(s *report.Secret, findings []FindingText) Item {
	verdict := s.Verdict
	i := Item{
		ARN: s.ARN, Name: cmp.Or(s.Name, string(s.ARN)), Account: cmp.Or(s.Account, c.outcome.Account), Region: cmp.Or(s.Region, c.outcome.Region), FunctionARN: orNull(s.FunctionARN),
		Tags: c.chosen(s.Tags), Verdict: &verdict, RotationCanWork: s.RotationCanWork, Reason: s.Reason, Findings: findings, next: s.NextRotation,
	}
	if s.NextRotation != nil {
		t := rfc3339(*s.NextRotation)
		i.NextRotation = &t
	}
	return i
}

func (c *composer) operator(p *report.Operator, findings []FindingText) Item {
	verdict := p.Verdict
	i := c.other(p.Principal)
	i.Verdict, i.Reason, i.Findings = &verdict, p.Reason, findings
	return i
}

func (c *composer) other(about rotation.ARN) Item {
	return Item{ARN: about, Name: string(about), Account: cmp.Or(about.Parts().Account, c.outcome.Account), Region: cmp.Or(about.Parts().Region, c.outcome.Region), Tags: map[string]string{}}
}

// target is one of a fleet that is not known, or known again.
func (c *composer) target(subject rotation.ARN) Item {
	account, region, _ := strings.Cut(string(subject), " ")
	i := Item{ARN: subject, Name: "target", Account: account, Region: region, Tags: map[string]string{}}
	for k := range c.outcome.Targets {
		if t := &c.outcome.Targets[k]; t.Account == account && t.Region == region {
			i.Name = strings.TrimSpace("target " + t.Name)
			verdict := drift.Unknown
			switch {
			case t.Status == report.TargetSwept && t.Verdict != nil:
				verdict = *t.Verdict
			case t.Status == report.TargetSwept: // and it has no secret
				verdict = drift.InSync
			}
			i.Verdict = &verdict
		}
	}
	return i
}

func (c *composer) changes() []ChangeText {
	all := []ChangeText{}
	for i := range c.outcome.Changes {
		x := &c.outcome.Changes[i]
		all = append(all, ChangeText{x.ID, x.Call, x.Subject, x.Name, x.Status, x.Reason})
	}
	return all
}

func exemptionText(e *ledger.Exemption) ExemptionText {
	covers := ""
	for _, p := range []struct{ kind, name string }{{"finding", e.Finding}, {"secret", e.Secret}, {"function", e.Function}, {"rule", e.Rule}} {
		if p.name != "" {
			covers = strings.TrimSpace(covers + " " + p.kind + " " + p.name)
		}
	}
	return ExemptionText{e.ID, covers, e.Owner, e.Reason, rfc3339(e.Expires), rfc3339(e.Added), e.AddedBy, e.Config}
}

// finish sorts what the alert is about, and says the worst of it.
func (a *Alert) finish() {
	a.counts, a.findings, a.first, a.Verdict, a.Severity = map[drift.Verdict]int{}, 0, nil, nil, drift.Info
	for _, list := range a.lists() {
		for i := range *list {
			item := &(*list)[i]
			a.findings += len(item.Findings)
			if item.Verdict != nil {
				a.counts[*item.Verdict]++
			}
			if item.Findings == nil {
				item.Findings = []FindingText{}
			}
			slices.SortStableFunc(item.Findings, func(x, y FindingText) int {
				return cmp.Or(cmp.Compare(rank(x.Severity), rank(y.Severity)), cmp.Compare(x.ID, y.ID))
			})
			for _, f := range item.Findings {
				if rank(f.Severity) < rank(a.Severity) {
					a.Severity = f.Severity
				}
			}
			if v := item.Verdict; v != nil && (a.Verdict == nil || slices.Index(report.Verdicts, *v) < slices.Index(report.Verdicts, *a.Verdict)) {
				a.Verdict = v
			}
		}
		slices.SortStableFunc(*list, func(x, y Item) int { return cmp.Or(x.urgency().compare(y.urgency()), cmp.Compare(x.ARN, y.ARN)) })
	}
	if len(a.Secrets) > 0 && a.Secrets[0].RotationCanWork != nil && !*a.Secrets[0].RotationCanWork {
		first := a.Secrets[0]
		a.first = &first
	}
	if len(a.Targets) > 0 && (a.Verdict == nil || slices.Index(report.Verdicts, drift.Unknown) < slices.Index(report.Verdicts, *a.Verdict)) {
		unknown := drift.Unknown
		a.Verdict = &unknown
	}
}

func (i *Item) urgency() urgent {
	worst := drift.Info
	if len(i.Findings) > 0 {
		worst = i.Findings[0].Severity
	}
	return urgency(i.RotationCanWork, i.next, worst)
}

func (a *Alert) lists() []*[]Item { return []*[]Item{&a.Secrets, &a.Operators, &a.Others} }

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func orNull[T ~string](v T) *T {
	if v == "" {
		return nil
	}
	return &v
}

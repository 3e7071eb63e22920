package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// AlertSchema names the form of the message for machines.
const AlertSchema = "rotationguard.alert/1"

// AlertJSONSchema is the JSON schema of the message for machines.
//
//go:embed alert.schema.json
var AlertJSONSchema []byte

// Event says what a message tells of.
type Event string

// EventDrift says that a sweep found something worse than in sync.
const EventDrift Event = "drift"

// EventExempted says that an exemption was added, and that nothing else is worse than in sync.
const EventExempted Event = "exempted"

// Limits of Amazon SNS. Source: SNS API reference, Publish (Subject: ASCII, less than 100 characters, no line breaks or control
// characters; Message: at most 262,144 bytes, which attributes count towards).
const (
	maxSubject = 100
	maxMessage = 262144
	reserved   = 4096 // for the attributes
)

// Alert is what subscribers are told of a sweep that found drift.
type Alert struct {
	Schema   string         `json:"schema"`
	Event    Event          `json:"event"`
	Account  string         `json:"account"`
	Region   string         `json:"region"`
	Mode     repair.Mode    `json:"mode"`
	At       string         `json:"at"`
	Verdict  drift.Verdict  `json:"verdict"`  // the worst
	Severity drift.Severity `json:"severity"` // the worst
	Summary  Summary        `json:"summary"`
	Story    string         `json:"story"`
	// Secrets are those that are worse than in sync, soonest next rotation first; Omitted says how many more there are than fit.
	Secrets []AlertSecret `json:"secrets"`
	Omitted int           `json:"omitted"`
	Changes []AlertChange `json:"changes"`
	Errors  int           `json:"errors"`
	Report  *string       `json:"report"` // where the full report is
	Notes   []string      `json:"notes"`
}

// AlertSecret is one secret of an alert.
type AlertSecret struct {
	ARN             rotation.ARN   `json:"arn"`
	Name            string         `json:"name"`
	FunctionARN     *rotation.ARN  `json:"function_arn"`
	Verdict         drift.Verdict  `json:"verdict"`
	RotationCanWork *bool          `json:"rotation_can_work"`
	NextRotation    *string        `json:"next_rotation"`
	Reason          string         `json:"reason"`
	Findings        []AlertFinding `json:"findings"` // none of severity info
}

// AlertFinding is a finding in short.
type AlertFinding struct {
	ID          string         `json:"id"`
	Rule        string         `json:"rule"`
	Severity    drift.Severity `json:"severity"`
	Explanation string         `json:"explanation"`
	Fix         string         `json:"fix,omitempty"`
	FixedBy     drift.Mender   `json:"fixed_by,omitempty"`
}

// AlertChange is a change in short.
type AlertChange struct {
	ID      string        `json:"id"`
	Call    repair.Call   `json:"call"`
	Subject rotation.ARN  `json:"subject"`
	Name    string        `json:"name"`
	Status  repair.Status `json:"status"`
	Reason  string        `json:"reason,omitempty"`
}

// NewAlert is what an outcome has to tell. where, which may be empty, is where the full report is.
func NewAlert(o *Outcome, where string) Alert {
	a := Alert{
		Schema: AlertSchema, Event: EventDrift, Account: o.Account, Region: o.Region, Mode: o.Mode, At: rfc3339(o.At),
		Verdict: o.WorstVerdict(), Severity: o.WorstSeverity(), Summary: o.Summary(), Story: o.Story(), Secrets: []AlertSecret{},
		Changes: []AlertChange{}, Errors: len(o.Errors), Report: orNull(where), Notes: append([]string{NotVisible}, o.Notes...),
	}
	if !o.HasDrift() && !o.Unswept() {
		a.Event = EventExempted
	}
	for _, s := range o.WithVerdict(Drift) {
		a.Secrets = append(a.Secrets, alertSecretOf(s))
	}
	for i := range o.Changes {
		c := &o.Changes[i]
		a.Changes = append(a.Changes, AlertChange{c.ID, c.Call, c.Subject, c.Name, c.Status, c.Reason})
	}
	return a
}

func alertSecretOf(s *Secret) AlertSecret {
	a := AlertSecret{
		ARN: s.ARN, Name: s.Name, FunctionARN: orNull(s.FunctionARN), Verdict: s.Verdict, RotationCanWork: s.RotationCanWork, Reason: s.Reason,
		Findings: []AlertFinding{},
	}
	if s.NextRotation != nil {
		t := rfc3339(*s.NextRotation)
		a.NextRotation = &t
	}
	for _, f := range s.Findings {
		if f.Severity == drift.Info || f.Exempt != "" {
			continue
		}
		finding := AlertFinding{ID: f.ID, Rule: f.Rule, Severity: f.Severity, Explanation: f.Explanation}
		if f.Fix != nil {
			finding.Fix, finding.FixedBy = f.Fix.Summary, f.Fix.By
		}
		a.Findings = append(a.Findings, finding)
	}
	return a
}

// Subject is the line that an email shows: what is wrong, and where, in at most 100 printable ASCII characters.
func (a *Alert) Subject() string {
	where := " in " + a.Account + " " + a.Region
	var parts []string
	for _, v := range Verdicts {
		if n := a.Summary.ByVerdict[v]; n > 0 && Drift(v) {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	what := strings.Join(parts, ", ")
	switch {
	case what != "":
	case a.Event == EventExempted:
		what = "new exemption"
	default:
		what = "drift"
	}
	subject := asciiPrintable("rotationguard: " + what + where)
	return subject[:min(len(subject), maxSubject-1)]
}

// Text is the alert for people: what cannot rotate, when, why and what mends it.
func (a *Alert) Text(at time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Account %s, %s, mode %s", inert(a.Account), inert(a.Region), a.Mode)
	line("%s", a.Story)
	for i := range a.Secrets {
		s := &a.Secrets[i]
		line("")
		line("%s  %s", strings.ToUpper(string(s.Verdict)), inert(s.Name))
		line("  next rotation: %s", s.when(at))
		line("  %s", inert(s.Reason))
		fixed := map[string]bool{}
		for _, f := range s.Findings {
			if f.Fix == "" || fixed[f.Fix] {
				continue
			}
			fixed[f.Fix] = true
			line("  fix: %s%s (finding %s)", inert(f.Fix), byText(f.FixedBy), inert(f.ID))
		}
	}
	if a.Omitted > 0 {
		line("")
		line("And %d more, which do not fit in one message.", a.Omitted)
	}
	if len(a.Changes) > 0 {
		line("")
		line("Changes:")
		for _, c := range a.Changes {
			reason := ""
			if c.Reason != "" {
				reason = ": " + inert(c.Reason)
			}
			line("  %s  %s %s on %s%s", c.Status, c.Call, inert(c.Name), inert(string(c.Subject)), reason)
		}
	}
	if a.Errors > 0 {
		line("")
		line("%s could not be read or done; the report names them.", count(a.Errors, "thing"))
	}
	line("")
	if a.Report != nil {
		line("Full report: %s", inert(*a.Report))
	} else {
		line("Full report: rotationguard sweep --region %s", inert(a.Region))
	}
	for _, n := range a.Notes {
		line("%s", inert(n))
	}
	return b.String()
}

func (s *AlertSecret) when(at time.Time) string {
	if s.NextRotation == nil {
		return whenLong(nil, at)
	}
	next, err := time.Parse(time.RFC3339, *s.NextRotation)
	if err != nil {
		return *s.NextRotation
	}
	return whenLong(&next, at)
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

// Message is the alert as SNS takes it with MessageStructure json: text for people, JSON for machines. Secrets that do not fit are
// counted, never cut in the middle: those that rotate last are left out first.
func (a *Alert) Message(at time.Time) (string, error) {
	all := a.Secrets
	fits := func(n int) (string, bool, error) {
		part := *a
		part.Secrets, part.Omitted = all[:n], a.Omitted+len(all)-n
		text, err := part.structured(at)
		return text, len(text) <= maxMessage-reserved, err
	}
	message, ok, err := fits(len(all))
	if ok || err != nil {
		return message, err
	}
	low, high := 0, len(all) // fits(low) is taken to fit, fits(high) does not
	for high-low > 1 {
		middle := (low + high) / 2
		_, ok, err := fits(middle)
		if err != nil {
			return "", err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	message, ok, err = fits(low)
	if err != nil || ok {
		return message, err
	}
	short := *a
	short.Secrets, short.Omitted, short.Changes, short.Notes = []AlertSecret{}, a.Omitted+len(all), []AlertChange{}, []string{NotVisible}
	return short.structured(at)
}

// structured has JSON for whoever does not ask for a protocol's own text. Source: SNS Developer Guide, "Sending different payloads by
// protocol": default is required, the others are used by their protocol.
func (a *Alert) structured(at time.Time) (string, error) {
	machine, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("writing the alert: %w", err)
	}
	message, err := json.Marshal(map[string]string{
		"default": string(escapeUnprintable(machine)), "email": a.Text(at), "sms": asciiPrintable(a.Subject()),
	})
	if err != nil {
		return "", fmt.Errorf("writing the alert: %w", err)
	}
	return string(message), nil
}

package alert

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// EventSource is the source of the events on the bus.
const EventSource = "rotationguard"

// EventSchema names the form of an event's detail.
const EventSchema = "rotationguard.event/1"

// EventJSONSchema is the JSON schema of an event's detail.
//
//go:embed event.schema.json
var EventJSONSchema []byte

// Limits of PutEvents. Source: Amazon EventBridge API reference, PutEvents (10 entries), and User Guide, "Calculating PutEvents event entry size" (the
// entries together less than 256 KB). What is left of it is for what the estimate does not count.
const (
	maxEntries   = 10
	maxEntrySize = 240 << 10
)

// Bus is an EventBridge event bus. Like a Hub it has the one call that it makes.
type Bus struct {
	Name  string        // name or ARN
	pause time.Duration // before entries are put again that were not taken

	putEvents func(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// NewBus is the bus with a name or an ARN, which may be another Region's.
func NewBus(cfg aws.Config, name string) *Bus {
	client := eventbridge.NewFromConfig(cfg, func(o *eventbridge.Options) {
		if parsed, err := arn.Parse(name); err == nil && parsed.Region != "" {
			o.Region = parsed.Region
		}
	})
	return &Bus{Name: name, pause: time.Second, putEvents: client.PutEvents}
}

// detail is what an event says.
type detail struct {
	Schema      string          `json:"schema"`
	Event       Event           `json:"event"`
	Account     string          `json:"account"`
	Region      string          `json:"region"`
	At          string          `json:"at"`
	Finding     *drift.Finding  `json:"finding"` // null where the event is of no single finding
	Secret      *Item           `json:"secret"`  // the secret that breaks soonest of those that the finding concerns
	MoreSecrets int             `json:"more_secrets"`
	FirstSeen   *string         `json:"first_seen"`
	Since       *string         `json:"since"` // from when on it stands without a break
	Resolved    *string         `json:"resolved"`
	ResolvedBy  *string         `json:"resolved_by"` // the change of ours
	Reopened    int             `json:"reopened"`
	Was         *drift.Severity `json:"was"`       // the severity that was told last, where it was another
	Exemption   *ExemptionText  `json:"exemption"` // of an exemption that was added
	Summary     *report.Summary `json:"summary"`   // of a sweep without a ledger
	Shortened   bool            `json:"shortened"` // the finding was too long for an event; its id leads to all of it
	Report      *string         `json:"report"`
}

// detailType names an event's kind on the bus.
func detailType(e Event) string {
	switch e {
	case New:
		return "Rotation Finding New"
	case Worse:
		return "Rotation Finding Worse"
	case Reopened:
		return "Rotation Finding Reopened"
	case Flapping:
		return "Rotation Finding Flapping"
	case ResolvedByUs, ResolvedByOthers:
		return "Rotation Finding Resolved"
	case Exempted:
		return "Rotation Finding Exempted"
	case ExemptExpired:
		return "Rotation Finding Exemption Expired"
	case Reminder:
		return "Rotation Finding Reminder"
	case Drift:
	}
	return "Rotation Sweep Drift"
}

const exemptionAdded = "Rotation Exemption Added"

// entry is one event with what it tells of.
type entry struct {
	kind       string
	detail     detail
	resources  []rotation.ARN
	transition *ledger.Transition
	exemption  bool
}

func (t *Teller) tellBus(ctx context.Context, d *delivery, channel ledger.Channel) error {
	var entries []entry
	exemptions := d.untold(channel)
	for _, x := range d.news[channel] {
		entries = append(entries, d.finding(x))
	}
	for i := range exemptions {
		e := entry{kind: exemptionAdded, detail: d.detail(Exempted), exemption: true}
		text := exemptionText(&exemptions[i])
		e.detail.Exemption = &text
		entries = append(entries, e)
	}
	taken := 0
	err := t.Bus.put(ctx, d.outcome.At, entries, func(e *entry) {
		d.told.Events++
		switch {
		case e.transition != nil:
			d.took(e.transition)
		case e.exemption:
			taken++
		}
	})
	d.exempted[channel] = len(exemptions) > 0 && taken == len(exemptions)
	return err
}

// tellSweep puts one event of a sweep without a ledger.
func (t *Teller) tellSweep(ctx context.Context, c *composer, a *Alert, told *Told) error {
	e := entry{kind: detailType(Drift), detail: c.detail(Drift)}
	e.detail.Summary = &a.Summary
	if len(a.Secrets) > 0 {
		first := a.Secrets[0]
		e.detail.Secret, e.detail.MoreSecrets = &first, len(a.Secrets)-1
	}
	return t.Bus.put(ctx, c.outcome.At, []entry{e}, func(*entry) { told.Events++ })
}

func (c *composer) detail(event Event) detail {
	return detail{Schema: EventSchema, Event: event, Account: c.outcome.Account, Region: c.outcome.Region, At: rfc3339(c.outcome.At), Report: orNull(c.where)}
}

func (c *composer) finding(x *ledger.Transition) entry {
	event, r := eventOf(x), &x.Record
	d := c.detail(event)
	first, since := rfc3339(r.FirstSeen), rfc3339(r.Since())
	d.Finding, d.FirstSeen, d.Since, d.ResolvedBy, d.Reopened = &r.Finding, &first, &since, orNull(r.ResolvedBy), r.Reopened
	if r.Resolved != nil {
		at := rfc3339(*r.Resolved)
		d.Resolved = &at
	}
	if told, known := r.Told[x.Channel]; known && told.Severity != r.Finding.Severity {
		d.Was = &told.Severity
	}
	if secret, more, _ := c.places.of(&r.Finding); secret != nil {
		item := c.secret(secret, []FindingText{})
		d.Secret, d.MoreSecrets = &item, more
	}
	return entry{kind: detailType(event), detail: d, resources: []rotation.ARN{r.Finding.Subject, r.Finding.Secret, r.Finding.Function}, transition: x}
}

// text is the detail as JSON. A finding that is too long for an event leaves out its witness, statement and fix, and says so.
func (e *entry) text() (string, error) {
	text, err := json.Marshal(e.detail)
	if err != nil {
		return "", fmt.Errorf("writing an event: %w", err)
	}
	if text = report.EscapeJSON(text); len(text) <= maxEntrySize {
		return string(text), nil
	}
	short := e.detail
	short.Shortened = true
	if f := short.Finding; f != nil {
		cut := *f
		cut.Statement, cut.Witness, cut.Fix, cut.Explanation = nil, nil, nil, clip(f.Explanation, maxDescription)
		short.Finding = &cut
	}
	if short.Secret != nil {
		item := *short.Secret
		item.Findings, item.Reason = []FindingText{}, clip(item.Reason, maxDescription)
		short.Secret = &item
	}
	if text, err = json.Marshal(short); err != nil {
		return "", fmt.Errorf("writing an event: %w", err)
	}
	return string(report.EscapeJSON(text)), nil
}

// attempts is how often an entry is put that the bus does not take, beside the retries of each call.
const attempts = 3

// put puts entries on the bus, and calls took for each that it has taken. Source: EventBridge User Guide, "Handling failures with PutEvents": the others
// of a request are taken all the same, and an entry that was not has an error code.
func (b *Bus) put(ctx context.Context, at time.Time, entries []entry, took func(*entry)) error {
	var refused error
	for attempt := range attempts {
		var again []entry
		for len(entries) > 0 {
			batch, n, err := b.batch(at, entries)
			if err != nil {
				return err
			}
			out, err := b.putEvents(ctx, &eventbridge.PutEventsInput{Entries: batch})
			if err != nil {
				return fmt.Errorf("putting events on %s: %w", b.Name, err)
			}
			for i := range n {
				if i < len(out.Entries) && out.Entries[i].ErrorCode == nil {
					took(&entries[i])
					continue
				}
				again = append(again, entries[i])
				if i < len(out.Entries) {
					refused = fmt.Errorf("%s: %s", aws.ToString(out.Entries[i].ErrorCode), aws.ToString(out.Entries[i].ErrorMessage))
				}
			}
			entries = entries[n:]
		}
		if len(again) == 0 {
			return nil
		}
		entries = again
		if attempt < attempts-1 {
			select {
			case <-ctx.Done():
				return errors.Join(refused, ctx.Err())
			case <-time.After(b.pause << attempt):
			}
		}
	}
	return fmt.Errorf("putting events on %s: %d were not taken: %w", b.Name, len(entries), refused)
}

// batch is as many of the entries as one request takes, and how many that are.
func (b *Bus) batch(at time.Time, entries []entry) (batch []types.PutEventsRequestEntry, n int, err error) {
	size := 0
	for i := range entries {
		e := &entries[i]
		text, err := e.text()
		if err != nil {
			return nil, 0, err
		}
		one := 14 + len(EventSource) + len(e.kind) + len(text)
		made := types.PutEventsRequestEntry{
			EventBusName: &b.Name, Source: aws.String(EventSource), DetailType: aws.String(e.kind), Detail: aws.String(text), Time: aws.Time(at),
		}
		for _, r := range e.resources {
			if name := report.ASCII(string(r)); name != "" {
				made.Resources = append(made.Resources, name)
				one += len(name)
			}
		}
		if n > 0 && (n == maxEntries || size+one > maxEntrySize) {
			break
		}
		batch, n, size = append(batch, made), n+1, size+one
	}
	return batch, n, nil
}

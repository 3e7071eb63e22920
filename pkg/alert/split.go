package alert

import (
	"encoding/json"
	"fmt"

	"github.com/rotationguard/rotationguard/pkg/report"
)

// maxMessage is how long a message may be, in bytes of UTF-8, its attributes included. Source: Amazon SNS API reference, Publish.
const maxMessage = 262144

// reserved is room for what the estimate below does not count.
const reserved = 4096

// structured is the message as SNS takes it with MessageStructure json: JSON for whoever has no text of its own, text for email, the subject for SMS.
// Source: Amazon SNS Developer Guide, "Sending different payloads by protocol": default is required, the others are used by their protocol.
func (a *Alert) structured() (string, error) {
	machine, err := a.json()
	if err != nil {
		return "", err
	}
	message, err := json.Marshal(map[string]string{"default": machine, "email": a.Text(), "sms": a.Subject()})
	if err != nil {
		return "", fmt.Errorf("writing the alert: %w", err)
	}
	return string(message), nil
}

// json is the message for programs.
func (a *Alert) json() (string, error) {
	machine, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("writing the alert: %w", err)
	}
	return string(report.EscapeJSON(machine)), nil
}

// unit is one piece of an alert that is never cut.
type unit struct {
	put  func(*Alert)
	size int
}

// fit makes the messages of an alert: one where it has room for all, else one with what breaks first and a link to the report that has
// the rest, else as many as it takes, numbered. room is the length that a message's text may have.
func (a *Alert) fit(room int) ([]Alert, error) {
	if whole, err := a.structured(); err != nil || len(whole) <= room {
		return []Alert{*a}, err
	}
	bare := *a
	bare.Secrets, bare.Operators, bare.Others, bare.Changes, bare.Exemptions, bare.Targets = []Item{}, []Item{}, []Item{}, []ChangeText{}, []ExemptionText{}, []TargetText{}
	bare.Parts = 99999 // as long as the number may become
	head, err := bare.structured()
	if err != nil {
		return nil, err
	}
	if len(head) > room/2 { // notes without end: the report has them
		bare.Notes = []string{report.NotVisible}
		if head, err = bare.structured(); err != nil {
			return nil, err
		}
	}
	left := room - len(head)
	var parts []Alert
	part, used := bare, 0
	for _, u := range a.units(left) {
		full := used+u.size > left && used > 0
		switch {
		case a.Report != nil && (full || part.Omitted > 0):
			part.Omitted++
			continue
		case full:
			parts = append(parts, part)
			part, used = bare, 0
		}
		u.put(&part)
		used += u.size
	}
	parts = append(parts, part)
	for i := range parts {
		parts[i].Part, parts[i].Parts = i+1, len(parts)
	}
	return parts, nil
}

// units are an alert's pieces in the order in which they are told. An item that is longer than a whole message says how much of it is left out.
func (a *Alert) units(left int) []unit {
	var all []unit
	add := func(value any, text string, put func(*Alert)) { all = append(all, unit{put, sizeOf(value, text)}) }
	for n, list := range a.lists() {
		for i := range *list {
			item := (*list)[i]
			for sizeOf(item, item.text(a)) > left && len(item.Findings) > 0 {
				keep := len(item.Findings) / 2
				item.OmittedFindings += len(item.Findings) - keep
				item.Findings = item.Findings[:keep:keep]
			}
			if sizeOf(item, item.text(a)) > left {
				item.Reason = "what is known of it is too long for a message"
			}
			add(item, item.text(a), func(p *Alert) {
				into := p.lists()[n]
				*into = append(*into, item)
			})
		}
	}
	for _, t := range a.Targets {
		add(t, t.line, func(p *Alert) { p.Targets = append(p.Targets, t) })
	}
	for _, e := range a.Exemptions {
		w := &textWriter{}
		w.exemption(&e)
		add(e, w.b.String(), func(p *Alert) { p.Exemptions = append(p.Exemptions, e) })
	}
	for _, c := range a.Changes {
		w := &textWriter{}
		w.change(&c)
		add(c, w.b.String(), func(p *Alert) { p.Changes = append(p.Changes, c) })
	}
	return all
}

func (i *Item) text(a *Alert) string {
	w := &textWriter{}
	w.item(a, i, true)
	return w.b.String()
}

// sizeOf is what a piece adds to a message: its JSON inside a JSON text, and its text.
func sizeOf(value any, text string) int {
	const between = 64
	machine, err := json.Marshal(value)
	if err != nil {
		return maxMessage
	}
	quoted, _ := json.Marshal(string(report.EscapeJSON(machine)))
	spoken, _ := json.Marshal(text)
	return len(quoted) + len(spoken) + between
}

package report

import (
	"bufio"
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// SchemaName names the form of the JSON report.
const SchemaName = "rotationguard.report/1"

// Schema is the JSON schema of the JSON report.
//
//go:embed report.schema.json
var Schema []byte

// secretJSON is a secret in the JSON report.
type secretJSON struct {
	Account         string               `json:"account,omitempty"`
	Region          string               `json:"region,omitempty"`
	ARN             rotation.ARN         `json:"arn"`
	Name            string               `json:"name"`
	Kind            rotation.Kind        `json:"kind"`
	FunctionARN     *rotation.ARN        `json:"function_arn"`
	RoleARN         *rotation.ARN        `json:"role_arn"`
	KMSKeyID        *string              `json:"kms_key_id"`
	Tags            map[string]string    `json:"tags,omitempty"`
	Strategy        *rotation.Strategy   `json:"strategy"`
	StrategySource  *rotation.Source     `json:"strategy_source"`
	Master          *rotation.ARN        `json:"master_secret"`
	Verdict         drift.Verdict        `json:"verdict"`
	RotationCanWork *bool                `json:"rotation_can_work"`
	NextRotation    *string              `json:"next_rotation"`
	Reason          string               `json:"reason"`
	Notes           []string             `json:"notes"`
	Forecast        []drift.ForecastStep `json:"forecast"`
	Rotate          *string              `json:"rotate_command"`
	Findings        []*drift.Finding     `json:"findings"`
}

// MarshalJSON writes a secret as the report does.
func (s Secret) MarshalJSON() ([]byte, error) {
	j := secretJSON{
		Account: s.Account, Region: s.Region, ARN: s.ARN, Name: s.Name, Kind: s.Kind, FunctionARN: orNull(s.FunctionARN), RoleARN: orNull(s.RoleARN), KMSKeyID: orNull(s.KMSKeyID), Tags: s.Tags,
		Strategy: orNull(s.Strategy), StrategySource: orNull(s.StrategySource), Master: orNull(s.Master),
		Verdict: s.Verdict, RotationCanWork: s.RotationCanWork, Reason: s.Reason, Notes: orEmpty(s.Notes), Forecast: orEmpty(s.Forecast), Rotate: orNull(s.Rotate), Findings: orEmpty(s.Findings),
	}
	if s.NextRotation != nil {
		t := rfc3339(*s.NextRotation)
		j.NextRotation = &t
	}
	return json.Marshal(j)
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func orNull[T ~string](v T) *T {
	if v == "" {
		return nil
	}
	return &v
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// WriteJSON writes the report for machines. It is written secret by secret, so that a large account's report is never in memory as a
// whole. Characters that a terminal would act on are escaped.
func (o *Outcome) WriteJSON(w io.Writer) error {
	out := &jsonWriter{w: bufio.NewWriter(w)}
	out.raw("{\n")
	out.member("schema", SchemaName)
	out.member("account", o.Account)
	out.member("region", o.Region)
	out.member("mode", o.Mode)
	out.member("summary", o.Summary())
	if o.Fleet() {
		out.list("targets", len(o.Targets), func(i int) any { return o.Targets[i] })
	}
	each(out, "secrets", o.All())
	out.list("operators", len(o.Operators), func(i int) any {
		p := o.Operators[i]
		p.Findings = orEmpty(p.Findings)
		return p
	})
	out.list("changes", len(o.Changes), func(i int) any { return changeJSON(o.Changes[i]) })
	out.list("left", len(o.Left), func(i int) any { return o.Left[i] })
	out.member("breaker", o.Breaker)
	out.list("errors", len(o.Errors), func(i int) any { return o.Errors[i] })
	out.last("notes", append([]string{NotVisible}, o.Notes...))
	out.raw("}\n")
	if out.err == nil {
		out.err = cmp.Or(o.Err(), out.w.Flush())
	}
	if out.err != nil {
		return fmt.Errorf("writing the report: %w", out.err)
	}
	return nil
}

// changeJSON is a change with lists that are lists and times in UTC.
func changeJSON(c repair.Change) repair.Change {
	c.Secrets, c.Findings, c.Rests = orEmpty(c.Secrets), orEmpty(c.Findings), orEmpty(c.Rests)
	c.NotBefore, c.At = seconds(c.NotBefore), seconds(c.At)
	return c
}

func seconds(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	cut := t.UTC().Truncate(time.Second)
	return &cut
}

// jsonWriter writes one object member by member and keeps the first error.
type jsonWriter struct {
	w   *bufio.Writer
	err error
}

func (j *jsonWriter) raw(text string) {
	if j.err == nil {
		_, j.err = j.w.WriteString(text)
	}
}

func (j *jsonWriter) value(v any, indent string) {
	if j.err != nil {
		return
	}
	text, err := json.MarshalIndent(v, indent, "  ")
	if err != nil {
		j.err = err
		return
	}
	_, j.err = j.w.Write(escapeUnprintable(text))
}

func (j *jsonWriter) member(name string, v any) { j.pair(name, v, ",\n") }

func (j *jsonWriter) last(name string, v any) { j.pair(name, v, "\n") }

func (j *jsonWriter) pair(name string, v any, end string) {
	j.raw("  " + strconv.Quote(name) + ": ")
	j.value(v, "  ")
	j.raw(end)
}

func (j *jsonWriter) list(name string, n int, item func(int) any) {
	j.raw("  " + strconv.Quote(name) + ": [")
	for i := range n {
		if i > 0 {
			j.raw(",")
		}
		j.raw("\n    ")
		j.value(item(i), "    ")
	}
	if n > 0 {
		j.raw("\n  ")
	}
	j.raw("],\n")
}

// each is a list of which nobody knows how many items come.
func each[T any](j *jsonWriter, name string, items iter.Seq[T]) {
	j.raw("  " + strconv.Quote(name) + ": [")
	before, after := "\n    ", ""
	for item := range items {
		j.raw(before)
		j.value(item, "    ")
		before, after = ",\n    ", "\n  "
	}
	j.raw(after + "],\n")
}

// escapeUnprintable writes what a terminal would act on, or not show, as \u escapes. encoding/json escapes the C0 controls only; outside
// of strings JSON has no such character.
func escapeUnprintable(text []byte) []byte {
	clean := true
	for _, r := range string(text) {
		if r >= 0x7f && !unicode.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var out bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			out.Write(text[:size])
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out.Bytes()
}

package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// WriteCSV writes one line for each secret, and one for each target of a fleet of which nothing is known, for a spreadsheet. A cell that a spreadsheet would compute is made text by an apostrophe.
// Source: OWASP, "CSV Injection".
func (o *Outcome) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{
		"account", "region", "secret", "arn", "kind", "function", "role", "strategy", "verdict", "rotation_can_work", "next_rotation", "reason", "findings",
	}}
	for s := range o.All() {
		works, next := "unknown", ""
		if s.RotationCanWork != nil {
			works = fmt.Sprint(*s.RotationCanWork)
		}
		if s.NextRotation != nil {
			next = s.NextRotation.UTC().Format(time.RFC3339)
		}
		ids := make([]string, len(s.Findings))
		for k, f := range s.Findings {
			ids[k] = f.ID
		}
		rows = append(rows, []string{
			cmp.Or(s.Account, o.Account), cmp.Or(s.Region, o.Region), s.Name, string(s.ARN), string(s.Kind), string(s.FunctionARN), string(s.RoleARN), string(s.Strategy), string(s.Verdict),
			works, next, s.Reason, strings.Join(ids, " "),
		})
	}
	for i := range o.Targets {
		if t := &o.Targets[i]; t.Status == TargetFailed {
			rows = append(rows, []string{t.Account, t.Region, "", "", string(KindTarget), "", "", "", string(drift.Unknown), "unknown", "", t.Cause, NewUnswept(t).ID})
		}
	}
	for _, row := range rows {
		for i := range row {
			row[i] = inertCell(row[i])
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// formula is what a spreadsheet would compute: at the beginning of a cell, in its full-width form too, and behind a semicolon, which separates cells where
// the comma is the decimal sign, quotes or not.
var formula = regexp.MustCompile(`(^|;)(\s*[=+\-@|%＝＋－＠])`)

func inertCell(s string) string { return formula.ReplaceAllString(inert(s), "$1'$2") }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// compareFlags are two sets of policies.
type compareFlags struct {
	outputFlags
	expected, actual      []string
	boundary, kind, facts string
}

func newCompareCommand() *cobra.Command {
	f := &compareFlags{}
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Say over all requests whether one set of policies allows what another does",
		Long: `Compares over all requests, not text with text. Every difference is shown by a witness: one concrete request that the two sides answer
differently. Without --facts nothing is assumed about what services do.

Exit codes: 0 equivalent; 2 different; 3 could not be settled; 1 bad input.`,
		Example: `  rotationguard policy compare --expected template.json --actual role-1.json --actual role-2.json --boundary boundary.json
  rotationguard policy compare --kind resource --expected E.json --actual A.json --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.compare(cmd) },
	}
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	cmd.Flags().StringArrayVar(&f.expected, "expected", nil, "a file with an expected policy; may be repeated")
	cmd.Flags().StringArrayVar(&f.actual, "actual", nil, "a file with an actual policy; may be repeated")
	cmd.Flags().StringVar(&f.boundary, "boundary", "", "a file with the permissions boundary; it limits the actual side only")
	cmd.Flags().StringVar(&f.kind, "kind", "", "identity or resource (default: resource when the policies have a Principal)")
	cmd.Flags().StringVar(&f.facts, "facts", "", `a file with facts about requests; {"builtin": true} takes what AWS documents of the services that rotation uses`)
	return cmd
}

func (f *compareFlags) compare(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	expected, actual, facts, err := f.parse()
	if err != nil {
		return err
	}
	result := policy.Compare(expected, actual, facts)
	err = f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return report.WriteValue(w, compareJSON(&result))
		}
		return writeComparison(w, &expected, &actual, &result)
	})
	if err != nil {
		return err
	}
	switch result.Verdict() {
	case policy.Equivalent:
		return exitWith(exitSettled)
	case policy.Indeterminate:
		return exitWith(exitUndecided)
	case policy.OnlyMissing, policy.OnlyExcess, policy.MissingAndExcess:
	}
	return exitWith(exitDiffers)
}

func (f *compareFlags) parse() (expected, actual policy.Set, facts *policy.Facts, err error) {
	var missing []string
	if len(f.expected) == 0 {
		missing = append(missing, "expected")
	}
	if len(f.actual) == 0 {
		missing = append(missing, "actual")
	}
	if len(missing) > 0 {
		return expected, actual, nil, errRequired(missing...)
	}
	if f.kind != "" {
		if err := oneOf("kind", f.kind, string(policy.KindIdentity), string(policy.KindResource)); err != nil {
			return expected, actual, nil, err
		}
	}
	kind := policy.Kind(f.kind)
	if kind == "" {
		// One side's first document decides for all: an identity policy cannot be compared with a resource policy.
		d, err := readDocument("expected", f.expected[0])
		if err != nil {
			return expected, actual, nil, err
		}
		kind = kindOf(d)
	}
	if expected.Identity, expected.Resource, err = readDocuments("expected", f.expected, kind); err != nil {
		return expected, actual, nil, err
	}
	if actual.Identity, actual.Resource, err = readDocuments("actual", f.actual, kind); err != nil {
		return expected, actual, nil, err
	}
	if actual.Boundary, err = readBoundary(f.boundary); err != nil {
		return expected, actual, nil, err
	}
	if kind != policy.KindIdentity {
		if actual.Boundary != nil {
			return expected, actual, nil, fmt.Errorf("--boundary limits a role or user: it has no meaning for resource policies alone")
		}
		expected.Relation, actual.Relation = policy.ResourceOnly, policy.ResourceOnly
	}
	if f.facts == "" {
		return expected, actual, nil, nil
	}
	data, err := readSmall("facts", f.facts)
	if err != nil {
		return expected, actual, nil, err
	}
	facts, err = policy.ParseFacts(f.facts, data)
	return expected, actual, facts, err
}

type comparisonJSON struct {
	Verdict   policy.Verdict `json:"verdict"`
	Witnesses []witnessJSON  `json:"witnesses"`
	Reason    *string        `json:"reason"`
}

type witnessJSON struct {
	Direction policy.Direction    `json:"direction"`
	Action    string              `json:"action"`
	Resource  string              `json:"resource"`
	Principal *string             `json:"principal"`
	Context   map[string][]string `json:"context"`
}

func compareJSON(r *policy.Result) comparisonJSON {
	j := comparisonJSON{Verdict: r.Verdict(), Witnesses: []witnessJSON{}}
	for _, list := range [][]policy.Witness{r.Missing, r.Excess} {
		for i := range list {
			w := &list[i]
			out := witnessJSON{Direction: w.Direction, Action: w.Request.Action, Resource: w.Request.Resource, Context: map[string][]string{}}
			if caller := callerText(&w.Request.Caller); caller != "" {
				out.Principal = &caller
			}
			for key, values := range w.Request.Context {
				out.Context[key] = values
			}
			j.Witnesses = append(j.Witnesses, out)
		}
	}
	if reason := reasonText(r); reason != "" {
		j.Reason = &reason
	}
	return j
}

// reasonText is what could not be settled, and that there is more than is shown.
func reasonText(r *policy.Result) string {
	var reasons []string
	for _, reason := range r.Indeterminate {
		text := reason.Text
		if reason.Statement.Document != "" {
			text = refText(reason.Statement) + ": " + text
		}
		reasons = append(reasons, text)
	}
	if r.Truncated {
		reasons = append(reasons, fmt.Sprintf("there are more differences than the %d shown of one direction", policy.MaxWitnesses))
	}
	return strings.Join(reasons, "; ")
}

// writeComparison explains the difference in sentences.
func writeComparison(w io.Writer, expected, actual *policy.Set, r *policy.Result) error {
	lines := []string{verdictText(r)}
	for i := range r.Missing {
		m := &r.Missing[i]
		lines = append(lines, "", "allowed by expected, not by actual: "+requestText(&m.Request),
			"  expected: "+decisionText(expected, &m.Request, m.Expected), "  actual:   "+decisionText(actual, &m.Request, m.Actual))
	}
	for i := range r.Excess {
		m := &r.Excess[i]
		lines = append(lines, "", "allowed by actual, not by expected: "+requestText(&m.Request),
			"  actual:   "+decisionText(actual, &m.Request, m.Actual), "  expected: "+decisionText(expected, &m.Request, m.Expected))
	}
	if reason := reasonText(r); reason != "" {
		lines = append(lines, "", "not settled: "+reason)
	}
	return writeLines(w, lines...)
}

func verdictText(r *policy.Result) string {
	switch r.Verdict() {
	case policy.Equivalent:
		return "equivalent: every request gets the same answer from both sides"
	case policy.OnlyMissing:
		return "missing: actual denies what expected allows"
	case policy.OnlyExcess:
		return "excess: actual allows what expected denies"
	case policy.MissingAndExcess:
		return "missing and excess: actual denies what expected allows, and allows what expected denies"
	case policy.Indeterminate:
		return "indeterminate: no difference was found, and not every request could be settled"
	}
	return string(r.Verdict())
}

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
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
		Use:   "compare --expected FILE... --actual FILE...",
		Short: "Say over all requests whether one set of policies allows what another does",
		Long: `Compares over all requests, not text with text. Every difference is shown by a witness: one concrete request that the two sides answer
differently, evaluated again on both before it is printed.

The policies of one side count together, as those of one role do. A boundary limits the actual side only. Policies of resources, which have
a Principal, are compared as what they allow by themselves. Without --facts nothing is assumed about services: any action may come with any
resource and with any condition keys.

Sentences count statements from 1; messages about bad input from 0.

Exit codes: 0 equivalent; 2 different; 3 not every request could be settled; 1 bad input.`,
		Example: `  rotationguard policy compare --expected template.json --actual role-1.json --actual role-2.json --boundary limit.json
  rotationguard policy compare --expected E.json --actual A.json --facts facts.json --output json
  aws lambda get-policy --function-name rotate --query Policy --output text |
    rotationguard policy compare --kind resource --expected E.json --actual -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.compare(cmd) },
	}
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.expected, "expected", nil, "a `FILE` with an expected policy, - for standard input; may be repeated")
	flags.StringArrayVar(&f.actual, "actual", nil, "a `FILE` with an actual policy, - for standard input; may be repeated")
	flags.StringVar(&f.boundary, "boundary", "", "a `FILE` with the permissions boundary of the actual side")
	flags.StringVar(&f.kind, "kind", "", "the `KIND` of all policies, identity or resource (default: resource where the policies have a Principal)")
	flags.StringVar(&f.facts, "facts", "", "a `FILE` with facts about requests; {\"builtin\": true} is what AWS documents of the services that rotation uses")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func kindNames() []string { return []string{string(policy.KindIdentity), string(policy.KindResource)} }

// comparison is what is compared, and what came out.
type comparison struct {
	expected, actual policy.Set
	facts            *policy.Facts
	result           policy.Result
}

func (f *compareFlags) compare(cmd *cobra.Command) error {
	if err := refuseEmpty(cmd); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	c, err := f.parse(cmd)
	if err != nil {
		return err
	}
	c.result = policy.Compare(c.expected, c.actual, c.facts)
	err = f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return report.WriteValue(w, c.json())
		}
		return writeLines(w, c.lines()...)
	})
	if err != nil {
		return err
	}
	switch c.result.Verdict() {
	case policy.Equivalent:
		return exitWith(exitSettled)
	case policy.Indeterminate:
		return exitWith(exitUndecided)
	case policy.OnlyMissing, policy.OnlyExcess, policy.MissingAndExcess:
	}
	return exitWith(exitDiffers)
}

// maxFacts is more than ParseFacts reads.
const maxFacts = 257 << 20

func (f *compareFlags) parse(cmd *cobra.Command) (*comparison, error) {
	var missing []string
	if len(f.expected) == 0 {
		missing = append(missing, "expected")
	}
	if len(f.actual) == 0 {
		missing = append(missing, "actual")
	}
	if len(missing) > 0 {
		return nil, errRequired(cmd, missing...)
	}
	if f.kind != "" {
		if err := oneOf("kind", f.kind, kindNames()...); err != nil {
			return nil, err
		}
	}
	in := &inputs{cmd: cmd}
	expected, err := in.documents("expected", f.expected)
	if err != nil {
		return nil, err
	}
	actual, err := in.documents("actual", f.actual)
	if err != nil {
		return nil, err
	}
	c := &comparison{}
	if c.actual.Boundary, err = in.boundary(f.boundary); err != nil {
		return nil, err
	}
	if err := f.place(c, expected, actual); err != nil {
		return nil, err
	}
	if f.facts == "" {
		return c, nil
	}
	data, err := in.read("facts", f.facts, maxFacts)
	if err != nil {
		return nil, err
	}
	c.facts, err = policy.ParseFacts(f.facts, data)
	return c, err
}

// place puts the documents where they belong. All are of one kind: what is attached to a caller cannot be compared with what is attached to a
// resource.
func (f *compareFlags) place(c *comparison, expected, actual []*policy.Document) error {
	kind, hint := policy.Kind(f.kind), ""
	if kind == "" {
		kind = kindOf(slices.Concat(expected, actual)...)
		hint = "by most statements these are policies of the other kind (see --kind)"
	}
	if err := checkKind(kind, slices.Concat(expected, actual), hint); err != nil {
		return err
	}
	if kind == policy.KindIdentity {
		c.expected.Identity, c.actual.Identity = expected, actual
		return nil
	}
	if c.actual.Boundary != nil {
		return errors.New("--boundary limits a role or a user: it means nothing for what the policy of a resource allows by itself")
	}
	c.expected = policy.Set{Relation: policy.ResourceOnly, Resource: expected}
	c.actual = policy.Set{Relation: policy.ResourceOnly, Resource: actual}
	return nil
}

type comparisonJSON struct {
	Verdict   policy.Verdict `json:"verdict"`
	Witnesses []witnessJSON  `json:"witnesses"`
	Reason    string         `json:"reason"`
}

type witnessJSON struct {
	Direction policy.Direction    `json:"direction"`
	Action    string              `json:"action"`
	Resource  string              `json:"resource"`
	Principal *string             `json:"principal"` // null: whoever the policies are attached to
	Context   map[string][]string `json:"context"`
}

func (c *comparison) json() comparisonJSON {
	j := comparisonJSON{Verdict: c.result.Verdict(), Witnesses: []witnessJSON{}, Reason: c.reason()}
	for _, w := range slices.Concat(c.result.Missing, c.result.Excess) {
		out := witnessJSON{Direction: w.Direction, Action: w.Request.Action, Resource: w.Request.Resource, Context: w.Request.Context}
		if caller := callerText(&w.Request.Caller); caller != "" {
			out.Principal = &caller
		}
		if out.Context == nil {
			out.Context = map[string][]string{}
		}
		j.Witnesses = append(j.Witnesses, out)
	}
	return j
}

// reason is the verdict in one text: why the first witnesses differ, and what could not be settled.
func (c *comparison) reason() string {
	const most = 3
	var reasons []string
	witnesses := slices.Concat(c.result.Missing, c.result.Excess)
	for i := range witnesses[:min(len(witnesses), most)] {
		reasons = append(reasons, c.sentence(&witnesses[i]))
	}
	if more := len(witnesses) - most; more > 0 {
		reasons = append(reasons, fmt.Sprintf("%d more %s", more, verb(more, "difference", "differences")))
	}
	reasons = append(reasons, c.notes()...)
	if len(reasons) == 0 {
		return c.headline()
	}
	return strings.Join(reasons, "; ")
}

// notes say what could not be settled, and that there is more than is shown.
func (c *comparison) notes() []string {
	var notes []string
	for _, r := range c.result.Indeterminate {
		text := "not settled: " + r.Text
		if r.Statement.Document != "" {
			text += " (" + refText(r.Statement) + ")"
		}
		notes = append(notes, text)
	}
	if c.result.Truncated {
		notes = append(notes, fmt.Sprintf("there are more differences in one direction than the %d shown", policy.MaxWitnesses))
	}
	return notes
}

func (c *comparison) headline() string {
	among := "every request"
	if c.facts != nil {
		among = "every request that can occur by the facts"
	}
	switch c.result.Verdict() {
	case policy.Equivalent:
		return "equivalent: " + among + " gets the same answer from both sides"
	case policy.OnlyMissing:
		return "missing: actual denies what expected allows"
	case policy.OnlyExcess:
		return "excess: actual allows what expected denies"
	case policy.MissingAndExcess:
		return "missing and excess: actual denies some of what expected allows, and allows what expected denies"
	case policy.Indeterminate:
	}
	switch {
	case len(c.result.Missing) > 0:
		return "indeterminate: actual denies what expected allows; whether it allows more could not be settled"
	case len(c.result.Excess) > 0:
		return "indeterminate: actual allows what expected denies; whether it also denies what expected allows could not be settled"
	}
	return "indeterminate: no difference was found, and not every request could be settled"
}

// lines explain the comparison in sentences.
func (c *comparison) lines() []string {
	lines := []string{c.headline()}
	for _, w := range slices.Concat(c.result.Missing, c.result.Excess) {
		lines = append(lines, "", c.sentence(&w))
		refuses, set, decision := "actual", &c.actual, w.Actual
		if w.Direction == policy.Excess {
			refuses, set, decision = "expected", &c.expected, w.Expected
		}
		if decision.Outcome == policy.ImplicitlyDenied {
			if near := nearestText(set, &w.Request); near != "" {
				lines = append(lines, "  of "+refuses+", "+near)
			}
		}
	}
	if notes := c.notes(); len(notes) > 0 {
		lines = append(append(lines, ""), notes...)
	}
	return lines
}

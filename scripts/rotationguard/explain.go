package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// everyTool is --tool for all forms of a fix.
const everyTool = "all"

func newExplainCommand() *cobra.Command {
	f := &lineFlags{}
	var tool string
	names := []string{everyTool}
	for _, t := range drift.Tools() {
		names = append(names, string(t))
	}
	cmd := &cobra.Command{
		Use:   "explain FINDING",
		Short: "Say all about one finding: why, what the next rotation comes to, and what mends it",
		Long: `Says why a finding stands, by which rule and by which page of AWS's documentation, what each call of the next rotation gets, and the fix in the form
of whoever owns the role, or in the one that --tool names. The finding is one that a sweep has put into the ledger, else one of the account as it
stands, or of a snapshot.`,
		Example: "  rotationguard explain 1b7b43413d5a39b0\n  rotationguard explain 1b7b4341 --tool terraform\n  rotationguard explain 1b7b4341 --snapshot account.json",
		Args:    oneArg("FINDING, an id as a report shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.fleetFlags.checkTarget(f.ledgerFlag.path, f.snapshot); err != nil {
				return err
			}
			f.looks = true
			if tool != "" {
				if err := oneOf("tool", tool, names...); err != nil {
					return err
				}
			}
			return f.explain(cmd, args[0], tool)
		},
	}
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.ledgerFlag.register(cmd)
	f.fleetFlags.targetFlags.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	cmd.Flags().StringVar(&f.snapshot, "snapshot", "", "a snapshot that has the finding, instead of the ledger and the account")
	cmd.Flags().StringVar(&tool, "tool", "", "the form of the fix: "+strings.Join(names, ", ")+" (default: that of whoever owns the role, and the AWS CLI)")
	_ = cmd.RegisterFlagCompletionFunc("tool", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *lineFlags) explain(cmd *cobra.Command, id, tool string) error {
	line, err := f.line(cmd, "explain")
	if err != nil {
		return err
	}
	defer line.close()
	var e report.Explanation
	if f.snapshot != "" {
		e, err = fromJudgements(cmd, line, id, tool, "nothing in the snapshot")
	} else {
		e, err = fromLedger(cmd, line, id, tool)
	}
	line.progress.wait()
	if err != nil {
		return err
	}
	return f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return report.WriteValue(w, e)
		}
		return report.WriteExplanation(w, &e, f.style(cmd.OutOrStdout()))
	})
}

// fromJudgements finds a finding in what is read now. where is what was read, as a message names it.
func fromJudgements(cmd *cobra.Command, l *line, id, tool, where string) (report.Explanation, error) {
	var found []report.Explanation
	add := func(finding *drift.Finding, j *drift.Judgement, secret rotation.ARN) {
		known := slices.ContainsFunc(found, func(e report.Explanation) bool { return e.Finding.ID == finding.ID })
		if !known && id != "" && strings.HasPrefix(finding.ID, id) {
			found = append(found, explanation(*finding, j, secret, tool))
		}
	}
	for group, err := range l.Source.Groups(cmd.Context(), rotation.Scope{}) {
		if err != nil {
			return report.Explanation{}, err
		}
		for _, j := range drift.Judge(group, l.Judging) {
			for i := range j.Secrets {
				for _, finding := range j.Secrets[i].Findings {
					add(finding, &j, j.Secrets[i].Secret.ARN)
				}
			}
		}
	}
	if len(found) == 0 && len(l.Operators) > 0 {
		looking := l.Sweeper
		looking.Ledger, looking.Repair.Mode = nil, repair.ModeReport
		outcome, _, err := looking.Plan(cmd.Context(), rotation.Scope{})
		if err != nil {
			return report.Explanation{}, err
		}
		for _, o := range outcome.Operators {
			for _, finding := range o.Findings {
				add(finding, nil, "")
			}
		}
	}
	for _, e := range found {
		if e.Finding.ID == id {
			return e, nil
		}
	}
	switch len(found) {
	case 0:
		return report.Explanation{}, fmt.Errorf("%s has the finding %q", where, id)
	case 1:
		return found[0], nil
	}
	return report.Explanation{}, fmt.Errorf("%d findings begin with %q: give more of the id", len(found), id)
}

// fromLedger finds a finding in the ledger, and reads the function that it is about again to say what the next rotation comes to.
func fromLedger(cmd *cobra.Command, l *line, id, tool string) (report.Explanation, error) {
	if l.ledger == nil {
		return fromJudgements(cmd, l, id, tool, "there is no ledger, and nothing in the account")
	}
	record, err := findRecord(cmd, l.ledger, id)
	var unknown *unknownFinding
	if errors.As(err, &unknown) {
		return fromJudgements(cmd, l, id, tool, "neither the ledger nor the account as it stands")
	}
	if err != nil {
		return report.Explanation{}, err
	}
	e := explanation(record.Finding, nil, "", tool)
	scope := rotation.Scope{}
	switch {
	case record.Finding.Secret != "":
		scope.Secrets = []string{string(record.Finding.Secret)}
	case record.Finding.Function != "":
		scope.Functions = []rotation.ARN{record.Finding.Function}
	}
	if !scope.All() && record.Resolved == nil {
		again, err := readAgain(cmd, l, scope, record.Finding, tool)
		switch {
		case err != nil:
			fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: what the next rotation comes to is not known: "+oneLine(err))
		case again.Finding.ID != "":
			e = again
		}
	}
	e.FirstSeen, e.LastSeen, e.Resolved = utc(&record.FirstSeen), utc(&record.LastSeen), utc(record.Resolved)
	return e, nil
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC().Truncate(time.Second)
	return &u
}

// readAgain judges the function of a finding as it stands. Where the finding no longer stands the answer is empty.
func readAgain(cmd *cobra.Command, l *line, scope rotation.Scope, f drift.Finding, tool string) (report.Explanation, error) {
	for group, err := range l.Source.Groups(cmd.Context(), scope) {
		if err != nil {
			return report.Explanation{}, err
		}
		for _, j := range drift.Judge(group, l.Judging) {
			for i := range j.Secrets {
				for _, now := range j.Secrets[i].Findings {
					if now.ID == f.ID {
						return explanation(*now, &j, j.Secrets[i].Secret.ARN, tool), nil
					}
				}
			}
		}
	}
	return report.Explanation{}, nil
}

// explanation puts together what is known of a finding. j, which may be nil, is the judgement that it is of.
func explanation(f drift.Finding, j *drift.Judgement, secret rotation.ARN, tool string) report.Explanation {
	e := report.NewExplanation(f)
	var owner drift.Owner
	if j != nil {
		owner = drift.OwnerOf(&j.Setup)
		e.Owner, e.Secret, e.Forecast = owner.Why, secret, append(e.Forecast, drift.Forecast(j, secret)...)
	}
	switch {
	case tool == everyTool:
		e.Shown = drift.Tools()
	case tool != "":
		e.Shown = []drift.Tool{drift.Tool(tool)}
	case owner.Tool != "" && owner.Tool != drift.ToolCLI:
		e.Shown = []drift.Tool{owner.Tool, drift.ToolCLI}
	default:
		e.Shown = []drift.Tool{drift.ToolJSON, drift.ToolCLI}
	}
	return e
}

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// printCalls prints what a sweep costs. Nothing is remembered of it.
func (f *lineFlags) printCalls(cmd *cobra.Command, scope rotation.Scope) error {
	switch {
	case !scope.All():
		return fmt.Errorf("--plan-calls is about a sweep of the whole account: leave out --secret and --tag")
	case f.snapshot != "" || f.fleetFlags.targets != "" && f.fleetFlags.target == "":
		return fmt.Errorf("--plan-calls is about one account: leave out --snapshot, and say with --target which of --targets is meant")
	case f.form != textOutput && f.form != jsonOutput:
		return fmt.Errorf("--plan-calls prints text or json, not %s", f.form)
	}
	l, err := f.line(cmd, "sweep")
	if err != nil {
		return err
	}
	defer l.close()
	reader, ok := l.Source.(*inventory.Reader)
	if !ok {
		return fmt.Errorf("--plan-calls needs an account")
	}
	plan, err := reader.PlanCalls(cmd.Context())
	l.progress.wait()
	if err != nil {
		return err
	}
	return f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return report.WriteValue(w, plan)
		}
		return writeCalls(w, &plan)
	})
}

func writeCalls(w io.Writer, plan *inventory.CallPlan) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "CALLS\t\tAPI\tQUOTA\t\n")
	for _, c := range plan.Calls {
		most := ""
		if c.AtMost {
			most = "at most"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t\n", c.Count, most, c.Call, c.Quota)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	if _, err := fmt.Fprintf(w, "\n%d calls; with %.0f%% of each quota they take at least:\n\n", plan.Total, plan.Share*100); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	fmt.Fprintf(t, "SECONDS\tCALLS\tA SECOND\tQUOTA\t\n")
	for _, q := range plan.Quotas {
		fmt.Fprintf(t, "%.1f\t%d\t%.1f\t%s\t\n", q.Seconds, q.Calls, q.PerSecond, q.Quota)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	if _, err := fmt.Fprintf(w, "\nAll quotas are used side by side: the sweep takes at least %s.\n", plan.Duration()); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	for _, c := range plan.Chosen {
		if _, err := fmt.Fprintf(w, "- %s\n", c); err != nil {
			return fmt.Errorf("writing the plan: %w", err)
		}
	}
	return nil
}

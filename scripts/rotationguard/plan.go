package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
)

func newPlanCommand() *cobra.Command {
	f := &lineFlags{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what repair would write, with each document before and after, and the proof",
		Long: `Makes the plan of what repair would write, with what a sweep would let settle first, and writes nothing. With --out FILE.json it is stored
for "apply", which a person does after having looked at it.

Exit codes: 0 nothing to do; 2 changes; 1 could not run, or something could not be read.`,
		Example: "  rotationguard plan\n  rotationguard plan --out plan.json && rotationguard apply plan.json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.plan(cmd) },
	}
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.ledgerFlag.register(cmd)
	f.fleetFlags.targetFlags.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	f.scope.register(cmd)
	cmd.Flags().StringVar(&f.mode, "mode", "repair", "what the plan may contain: repair or enforce")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"repair", "enforce"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *lineFlags) plan(cmd *cobra.Command) error {
	if err := oneOf("mode", f.mode, "repair", "enforce"); err != nil {
		return err
	}
	scope, err := f.checked()
	if err == nil {
		err = f.fleetFlags.checkTarget(f.ledgerFlag.path, "")
	}
	if err != nil {
		return err
	}
	f.looks = true
	if !cmd.Flags().Changed("output") && strings.HasSuffix(f.out, ".json") {
		f.form = jsonOutput // it is for apply; the text is printed beside
	}
	line, err := f.line(cmd, "plan")
	if err != nil {
		return err
	}
	defer line.close()
	line.Repair.Approved = true // whoever applies it has seen what settles
	outcome, plan, err := line.Plan(cmd.Context(), scope)
	line.progress.wait()
	if err != nil {
		return err
	}
	outcome.Notes = append(outcome.Notes, line.notes...)
	outcome.Sort()
	err = f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return plan.Write(w)
		}
		return outcome.WriteChanges(w, f.style(cmd.OutOrStdout()))
	})
	if err == nil && f.out != "" && f.form == jsonOutput {
		err = outcome.WriteChanges(cmd.OutOrStdout(), report.Style{Width: 80})
	}
	for _, e := range outcome.Errors {
		if f.form == jsonOutput {
			fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: "+e.String())
		}
	}
	switch {
	case err != nil:
		return err
	case len(outcome.Errors) > 0:
		return exit{report.ExitFailed}
	case len(plan.Changes) > 0:
		return exit{report.ExitDrift}
	}
	return nil
}

func newApplyCommand() *cobra.Command {
	f := &lineFlags{}
	cmd := &cobra.Command{
		Use:   "apply PLAN",
		Short: "Write what a stored plan says, as far as what it rests on still stands",
		Long: `Reads again what the plan's changes rest on, makes them anew, and writes those that come out the same. What has changed since is refused.
A person has approved the plan, so nothing waits for repair.settle; the breaker and every other limit hold.

Exit codes: 0 all done and verified; 2 partly, or refused; 1 could not run.`,
		Example: "  rotationguard apply plan.json",
		Args:    oneArg("PLAN, a file that \"rotationguard plan --output json\" wrote"),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.apply(cmd, args[0]) },
	}
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.ledgerFlag.register(cmd)
	f.fleetFlags.targetFlags.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	return cmd
}

func (f *lineFlags) apply(cmd *cobra.Command, path string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.fleetFlags.checkTarget(f.ledgerFlag.path, ""); err != nil {
		return err
	}
	stored, err := readPlan(path)
	if err != nil {
		return err
	}
	f.mode = string(stored.Mode)
	if err := oneOf("mode", f.mode, "repair", "enforce"); err != nil {
		return fmt.Errorf("%s: the plan's mode is %q: it is repair or enforce", path, f.mode)
	}
	line, err := f.line(cmd, "apply")
	if err != nil {
		return err
	}
	defer line.close()
	outcome, err := line.Apply(cmd.Context(), stored)
	return f.done(cmd, line, outcome, err)
}

func readPlan(path string) (repair.Plan, error) {
	file, err := os.Open(path)
	if err != nil {
		return repair.Plan{}, fmt.Errorf("reading the plan %s: %w", path, cause(err))
	}
	defer file.Close()
	plan, err := repair.ReadPlan(file)
	if err != nil {
		return repair.Plan{}, fmt.Errorf("%s: %w", path, err)
	}
	return plan, nil
}

// done prints what became of changes. The exit code speaks of them and not of the account.
func (f *lineFlags) done(cmd *cobra.Command, l *line, outcome report.Outcome, err error) error {
	l.progress.wait()
	if err != nil && !wrote(&outcome) {
		return err
	}
	if err != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: outcome.Account, Message: oneLine(err)})
	}
	outcome.Notes = append(outcome.Notes, l.notes...)
	outcome.Sort()
	err = f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return outcome.WriteJSON(w)
		}
		return outcome.WriteChanges(w, f.style(cmd.OutOrStdout()))
	})
	if err != nil {
		return err
	}
	return exitWith(outcome.ChangesExitCode())
}

func newRollbackCommand() *cobra.Command {
	f := &lineFlags{}
	var undoing repair.Undoing
	var yes bool
	cmd := &cobra.Command{
		Use:   "rollback RUN",
		Short: "Show what taking back a run's changes would do; with --yes, take them back",
		Long: `Shows, newest first, how each change that a run wrote would be taken back, what would break and what would be open again. Nothing is
written without --yes. A change is refused when somebody has changed the thing since, and, without --accept-broken, when taking it back breaks a
rotation or opens what the repair had closed.

Exit codes: 0 all done and verified (or, without --yes, all could be); 2 partly, or refused; 1 could not run.`,
		Example: "  rotationguard rollback 20260301T020304Z-1a2b3c4d\n  rotationguard rollback 20260301T020304Z-1a2b3c4d --accept-broken --yes\n" +
			"  rotationguard rollback 20260301T020304Z-1a2b3c4d --targets targets.yaml --target 111122223333/eu-west-1",
		Args: oneArg("RUN, as the report of the run and \"rotationguard findings --runs\" name it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.rollback(cmd, args[0], undoing, yes)
		},
	}
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.ledgerFlag.register(cmd)
	f.fleetFlags.targetFlags.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	cmd.Flags().StringVar(&undoing.Change, "change", "", "only this change of the run")
	cmd.Flags().BoolVar(&undoing.AcceptBroken, "accept-broken", false, "also take back what breaks a rotation or opens what was closed")
	cmd.Flags().BoolVar(&yes, "yes", false, "write")
	return cmd
}

func (f *lineFlags) rollback(cmd *cobra.Command, run string, undoing repair.Undoing, yes bool) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.fleetFlags.checkTarget(f.ledgerFlag.path, ""); err != nil {
		return err
	}
	f.mode, f.looks = string(repair.ModeRepair), !yes
	line, err := f.line(cmd, "rollback "+run)
	if err != nil {
		return err
	}
	defer line.close()
	outcome, err := line.Rollback(cmd.Context(), run, undoing, yes)
	if err == nil && !yes {
		outcome.Notes = append(outcome.Notes, "Nothing was written: --yes takes the changes back.")
	}
	return f.done(cmd, line, outcome, err)
}

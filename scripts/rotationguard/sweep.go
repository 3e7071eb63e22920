package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// lineFlags are what every command has that reads an account.
type lineFlags struct {
	accountFlags
	configFlag
	ledgerFlag
	outputFlags
	mode          string
	snapshot      string
	allQualifiers bool
	scope         scopeFlags
	fleetFlags    fleetFlags
	alert         alertFlag
	watching      watchFlags
	planCalls     bool
	looks         bool // nothing is written, whatever the mode
}

type scopeFlags struct{ secrets, tags []string }

func (f *scopeFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.secrets, "secret", nil, "only the function that rotates this secret (name or ARN), with all its secrets; may be repeated")
	cmd.Flags().StringArrayVar(&f.tags, "tag", nil, "only functions that rotate a secret with this tag, KEY=VALUE or KEY; may be repeated, all must be there")
}

func (f *scopeFlags) scope() (rotation.Scope, error) {
	s := rotation.Scope{}
	for _, secret := range f.secrets {
		if strings.TrimSpace(secret) == "" {
			return s, fmt.Errorf("--secret is empty: give a secret's name or ARN")
		}
		s.Secrets = append(s.Secrets, secret)
	}
	for _, tag := range f.tags {
		key, value, _ := strings.Cut(tag, "=")
		if key == "" {
			return s, fmt.Errorf("--tag %q: write KEY=VALUE", tag)
		}
		if s.Tags == nil {
			s.Tags = map[string]string{}
		}
		if other, twice := s.Tags[key]; twice && other != value {
			return s, fmt.Errorf("--tag %s is given twice with different values: no secret has both", key)
		}
		s.Tags[key] = value
	}
	return s, nil
}

func newSweepCommand() *cobra.Command {
	f := &lineFlags{}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Say which rotations will fail and which may do too much; mend them in mode repair",
		Long: `Reads how the account's secrets are rotated, compares it with what rotation needs, and reports. Mode report, the default, changes
nothing. Mode repair adds what is missing and removes grants that let everybody invoke a rotation function; each change is proven before
it is written, and the report speaks of the state that was read again afterwards.

Exit codes: 0 all in sync; 2 drift found, or a change was refused or failed; 1 could not run, or something could not be read.`,
		Example: `  rotationguard sweep
  rotationguard sweep --output json --out report.json
  rotationguard sweep --output junit --out rotationguard.xml
  rotationguard sweep --snapshot account.json
  rotationguard sweep --mode repair --secret prod/db/app
  rotationguard sweep --targets targets.yaml
  rotationguard sweep --targets targets.yaml --target 111122223333/eu-west-1
  rotationguard sweep --watch --interval 10m`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.sweep(cmd) },
	}
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.ledgerFlag.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput, htmlOutput, csvOutput, junitOutput, sarifOutput, ocsfOutput, asffOutput)
	f.scope.register(cmd)
	f.fleetFlags.register(cmd)
	f.alert.register(cmd)
	f.watching.register(cmd)
	cmd.Flags().StringVar(&f.mode, "mode", "", "what may be written: report, repair or enforce (default: the configuration's, report)")
	cmd.Flags().StringVar(&f.snapshot, "snapshot", "", "read this file, which \"rotationguard snapshot save\" wrote, instead of an account")
	cmd.Flags().BoolVar(&f.allQualifiers, "all-qualifiers", false, "also report public and foreign grants on versions and aliases that no secret names")
	cmd.Flags().BoolVar(&f.planCalls, "plan-calls", false, "say which AWS calls a sweep of the whole account makes and how long they take at least; only lists are read")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"report", "repair", "enforce"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *lineFlags) sweep(cmd *cobra.Command) error {
	scope, err := f.checked()
	if err == nil {
		err = f.fleetFlags.check(f)
	}
	if err == nil {
		err = f.alert.check(f.snapshot)
	}
	if err == nil {
		err = f.watching.check(f, cmd.Flags().Changed)
	}
	if err != nil {
		return err
	}
	if f.planCalls {
		return f.printCalls(cmd, scope)
	}
	if f.watching.watch {
		return f.watch(cmd, scope)
	}
	if f.fleetFlags.targets != "" && f.fleetFlags.target == "" {
		return f.sweepTargets(cmd, scope)
	}
	line, err := f.line(cmd, "sweep")
	if err != nil {
		return err
	}
	defer line.close()
	outcome, err := line.Sweep(cmd.Context(), scope)
	return f.finish(cmd, line, outcome, err)
}

// checked looks at the flags before anything is read.
func (f *lineFlags) checked() (rotation.Scope, error) {
	if err := f.check(); err != nil {
		return rotation.Scope{}, err
	}
	if f.mode != "" {
		if err := oneOf("mode", f.mode, "report", "repair", "enforce"); err != nil {
			return rotation.Scope{}, err
		}
	}
	return f.scope.scope()
}

// line is the wired line with what has to be ended.
type line struct {
	sweep.Sweeper
	notes    []string
	progress *progress
	ledger   ledger.Ledger
	teller   *alert.Teller // nil: nobody is told
}

func (l *line) close() {
	l.progress.wait()
	if l.ledger != nil {
		_ = l.ledger.Close() // what was stored was stored durably before
	}
}

// line wires the line to an account or a snapshot.
func (f *lineFlags) line(cmd *cobra.Command, command string) (*line, error) {
	now := time.Now()
	c, settings, notes, err := f.settings(cmd.ErrOrStderr(), now)
	if err != nil {
		return nil, err
	}
	if f.mode != "" {
		settings.Repair.Mode = repair.Mode(f.mode)
	}
	settings.Judging.AllQualifiers = f.allQualifiers
	l := &line{notes: notes, progress: newProgress(cmd.ErrOrStderr())}
	l.Sweeper = sweep.Sweeper{Operators: settings.Operators, Judging: settings.Judging, Repair: settings.Repair, RemindAfter: settings.RemindAfter, Command: command,
		Timeline: f.form == htmlOutput}
	if f.snapshot != "" {
		return l, f.fromSnapshot(l, settings)
	}
	sweep.Frugal()
	ctx := cmd.Context()
	cfg, err := f.accountFlags.load(ctx)
	if err != nil {
		return nil, err
	}
	cfg = l.progress.attempts.Watch(cfg)
	id, err := whoami(ctx, cfg)
	if err != nil {
		return nil, err
	}
	there, err := f.fleetFlags.reach(ctx, cfg, &c, id, f.does(settings.Repair.Mode), repair.NewRun(now))
	if err != nil {
		return nil, err
	}
	there.work(&l.Sweeper)
	if l.teller = f.alert.teller(cfg, c.Alerts.Tags); l.teller != nil {
		l.Channels = l.teller.Channels()
	}
	if err := f.remember(ctx, l, &settings, func() (ledger.Ledger, error) { return there.ledger(ctx, &f.ledgerFlag, &c) }); err != nil {
		return nil, err
	}
	reading := settings.Reading
	reading.Unthrottled, reading.Member, reading.Account = emulated(cfg), member(cfg, &c, id), there.id.account
	reading.Progress, reading.AllQualifiers = l.progress.report, f.allQualifiers
	reader := inventory.New(inventory.NewClients(there.cfg), reading)
	l.Source, l.progress.held = reader, reader.Held
	return l, nil
}

// does is the mode of what is done in the account: a command that only looks there needs no right to write.
func (f *lineFlags) does(mode repair.Mode) repair.Mode {
	if f.looks {
		return repair.ModeReport
	}
	return mode
}

// remember opens the ledger. A sweep that writes nothing does without one that cannot be used, and says so.
func (f *lineFlags) remember(ctx context.Context, l *line, settings *sweep.Settings, open func() (ledger.Ledger, error)) error {
	file, err := open()
	if err == nil {
		l.ledger, l.Ledger = file, file
		*settings, err = settings.WithLedger(ctx, file, l.Caller, time.Now())
		l.Judging.Exemptions = settings.Judging.Exemptions
		return err
	}
	if settings.Repair.Mode.Writes() || f.ledgerFlag.path != "" {
		return err
	}
	l.notes = append(l.notes, "Nothing is remembered of this run: "+oneLine(err))
	return nil
}

// fromSnapshot wires the line to a file: nothing is written and nothing is remembered.
func (f *lineFlags) fromSnapshot(l *line, settings sweep.Settings) error {
	if f.mode != "" && l.Repair.Mode != repair.ModeReport {
		return fmt.Errorf("--mode %s writes to an account, and --snapshot has none: leave one of the two out", f.mode)
	}
	l.Repair.Mode = repair.ModeReport
	snapshot, err := inventory.OpenSnapshot(f.snapshot, settings.Reading.Rules)
	if err != nil {
		return err
	}
	if f.allQualifiers && !snapshot.AllQualifiers {
		return fmt.Errorf("--all-qualifiers: %s does not hold other versions and aliases; save it with \"rotationguard snapshot save --all-qualifiers\"", f.snapshot)
	}
	l.Source, l.Account, l.Region = snapshot, snapshot.Account, snapshot.Region
	return nil
}

// finish prints the outcome. An error that came after something had been written stands in the report; any other is all there is to say.
func (f *lineFlags) finish(cmd *cobra.Command, l *line, outcome report.Outcome, err error) error {
	l.progress.wait()
	defer func() { _ = outcome.Close() }() // it has been read
	if err != nil && !wrote(&outcome) {
		return err
	}
	if err != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: outcome.Account, Message: oneLine(err)})
	}
	outcome.Notes = append(outcome.Notes, l.notes...)
	tell(cmd.Context(), l.teller, l.ledger, &outcome)
	outcome.Sort()
	if err := f.print(cmd, func(w io.Writer) error { return f.write(w, &outcome, f.style(cmd.OutOrStdout())) }); err != nil {
		return err
	}
	return exitWith(outcome.ExitCode())
}

func wrote(o *report.Outcome) bool {
	for i := range o.Changes {
		if s := o.Changes[i].Status; s == repair.Done || s == repair.Failed {
			return true
		}
	}
	return false
}

func (f *outputFlags) write(w io.Writer, o *report.Outcome, style report.Style) error {
	switch f.form {
	case jsonOutput:
		return o.WriteJSON(w)
	case htmlOutput:
		return o.WriteHTML(w)
	case csvOutput:
		return o.WriteCSV(w)
	case junitOutput:
		return o.WriteJUnit(w)
	case sarifOutput:
		return o.WriteSARIF(w, version())
	case ocsfOutput:
		return o.WriteOCSF(w, version())
	case asffOutput:
		return o.WriteASFF(w)
	default:
		return o.WriteText(w, style)
	}
}

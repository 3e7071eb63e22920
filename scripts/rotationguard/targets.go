package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// fleetFlags say which accounts and Regions are swept instead of the caller's own.
type fleetFlags struct {
	targetFlags
	concurrency int
}

func (f *fleetFlags) register(cmd *cobra.Command) {
	f.registerTarget(cmd)
	cmd.Flags().StringVar(&f.targets, "targets", "", "sweep the accounts and Regions of this `FILE`, with the role that it names, into one report; with --target that one alone")
	cmd.Flags().IntVar(&f.concurrency, "concurrency", 0, fmt.Sprintf("how many targets are swept at the same time (default: the file's, %d)", fleetConcurrency))
}

// fleetConcurrency is how many targets are swept at the same time: each waits for its own account's rate limits.
const fleetConcurrency = 8

// check refuses what a sweep of targets has no place for.
func (f *fleetFlags) check(line *lineFlags) error {
	if f.target != "" {
		if f.concurrency != 0 {
			return errors.New("--concurrency is for all targets of --targets, and --target is one: leave one of the two out")
		}
		return f.checkTarget(line.ledgerFlag.path, line.snapshot)
	}
	switch {
	case f.targets == "" && f.concurrency != 0:
		return errors.New("--concurrency is for --targets: one account and Region is swept as fast as its rate limits allow")
	case f.targets == "":
		return nil
	case f.concurrency < 0:
		return fmt.Errorf("--concurrency %d: it is 1 or more", f.concurrency)
	case line.snapshot != "":
		return errors.New("--targets reads accounts and --snapshot a file: leave one of the two out")
	case line.ledgerFlag.path != "":
		return errors.New("--ledger names one file, and every target has a ledger of its own: leave it out, or name a table in the configuration (ledger.table)")
	}
	return nil
}

// fleetSweep is a sweep of several targets.
type fleetSweep struct {
	flags    *lineFlags
	config   config.Config
	settings sweep.Settings
	fleet    fleet.Fleet
	cfg      aws.Config // the caller's
	id       identity
	run      string
	scope    rotation.Scope
	teller   *alert.Teller // nil: nobody is told
}

// sweepTargets sweeps every target of the file and prints one report. A target that fails stands in it with the cause, and stops no other.
func (f *lineFlags) sweepTargets(cmd *cobra.Command, scope rotation.Scope) error {
	ctx, now := cmd.Context(), time.Now()
	file, err := config.LoadTargets(f.fleetFlags.targets)
	if err != nil {
		return err
	}
	if err := checkRegions(&file); err != nil {
		return err
	}
	s := &fleetSweep{flags: f, scope: scope, run: repair.NewRun(now)}
	var notes []string
	if s.config, s.settings, notes, err = f.settings(cmd.ErrOrStderr(), now); err != nil {
		return err
	}
	if f.mode != "" {
		s.settings.Repair.Mode = repair.Mode(f.mode)
	}
	s.settings.Judging.AllQualifiers = f.allQualifiers
	if s.fleet, err = fleet.New(&file, s.config.Member); err != nil {
		return err
	}
	if err := mayWrite(s.fleet, s.settings.Repair.Mode); err != nil {
		return err
	}
	if s.cfg, s.id, err = f.accountFlags.caller(ctx); err != nil {
		return err
	}
	s.teller = f.alert.teller(s.cfg, s.config.Alerts.Tags)
	list, err := s.fleet.List(ctx, fleet.NewDirectory(s.cfg, s.id.caller), &file)
	if err != nil {
		return err
	}
	if len(list.Targets)+len(list.Failed) == 0 {
		return fmt.Errorf("%s picks no account and Region", f.fleetFlags.targets)
	}
	outcome := report.Outcome{Mode: s.settings.Repair.Mode, At: now.UTC(), Notes: append(notes, list.Notes...)}
	for _, failed := range list.Failed {
		outcome.JoinFailed(failed.Account, failed.Name, failed.Region, report.Error(failed.Cause))
		ended(cmd.ErrOrStderr(), &outcome, len(list.Failed)+len(list.Targets))
	}
	if err := s.all(ctx, list.Targets, firstOf(f.fleetFlags.concurrency, file.Concurrency, fleetConcurrency), &outcome, cmd.ErrOrStderr()); err != nil {
		return err
	}
	tellUnswept(ctx, s.teller, &outcome)
	outcome.Sort()
	if err := f.print(cmd, func(w io.Writer) error { return f.write(w, &outcome, f.style(cmd.OutOrStdout())) }); err != nil {
		return err
	}
	return exitWith(outcome.ExitCode())
}

// checkRegions refuses a Region that is mistyped, for which every target would wait in vain.
func checkRegions(t *config.Targets) error {
	lists := map[string][]string{"": t.Regions}
	for i := range t.Targets {
		lists[fmt.Sprintf("targets[%d].", i)] = t.Targets[i].Regions
	}
	for _, of := range slices.Sorted(maps.Keys(lists)) {
		for i, region := range lists[of] {
			if err := checkRegion(region); err != nil {
				return t.ProblemAt(fmt.Sprintf("%sregions[%d]", of, i), err)
			}
		}
	}
	return nil
}

// tellUnswept tells of the targets of which nothing is known: no ledger is opened for them, so it is told in every run. All others are told of
// as an account is, when they have been swept.
func tellUnswept(ctx context.Context, t *alert.Teller, outcome *report.Outcome) {
	unswept := report.Outcome{Mode: outcome.Mode, At: outcome.At, Errors: slices.Clone(outcome.Errors)}
	for i := range outcome.Targets {
		if outcome.Targets[i].Status == report.TargetFailed {
			unswept.Targets = append(unswept.Targets, outcome.Targets[i])
		}
	}
	if len(unswept.Targets) == 0 {
		return
	}
	known := len(unswept.Errors)
	tell(ctx, t, nil, &unswept)
	outcome.Errors = append(outcome.Errors, unswept.Errors[known:]...)
}

func firstOf(values ...int) int {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 1
}

// all sweeps the targets, so many at a time, and says a line of each as it ends. Only the end of the whole run is an error.
func (s *fleetSweep) all(ctx context.Context, targets []fleet.Target, concurrency int, outcome *report.Outcome, stderr io.Writer) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	all := len(outcome.Targets) + len(targets)
	var mu sync.Mutex
	for _, target := range targets {
		group.Go(func() error {
			part, err := s.one(within, target)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && !wrote(&part) {
				outcome.JoinFailed(target.Account, target.Name, target.Region, report.Error(fleet.CauseOf(target.RoleARN, err)))
			} else {
				if err != nil {
					part.Errors = append(part.Errors, report.Error(fleet.CauseOf("", err)))
				}
				outcome.Join(target.Account, target.Name, target.Region, &part, "", nil)
			}
			_ = part.Close() // it has been joined
			ended(stderr, outcome, all)
			return nil
		})
	}
	return group.Wait()
}

// ended says what became of the target that was joined last.
func ended(stderr io.Writer, outcome *report.Outcome, all int) {
	fmt.Fprintf(stderr, "rotationguard: %d/%d %s\n", len(outcome.Targets), all, shorten(outcome.Targets[len(outcome.Targets)-1].Line(), 400))
}

// one sweeps one target with its member role, as the caller's own account is swept.
func (s *fleetSweep) one(ctx context.Context, target fleet.Target) (report.Outcome, error) {
	there, err := enter(ctx, s.cfg, s.fleet, target, s.id, s.run, s.settings.Repair.Mode)
	if err != nil {
		return report.Outcome{}, err
	}
	sweeper := sweep.Sweeper{Operators: s.settings.Operators, Judging: s.settings.Judging, Repair: s.settings.Repair, RemindAfter: s.settings.RemindAfter, Command: "sweep"}
	there.work(&sweeper)
	if s.teller != nil {
		sweeper.Channels = s.teller.Channels()
	}
	unremembered := ""
	l, err := there.ledger(ctx, &s.flags.ledgerFlag, &s.config)
	switch {
	case err == nil:
		defer func() { _ = l.Close() }() // what was stored was stored durably before
		settings, err := s.settings.WithLedger(ctx, l, s.id.caller, time.Now())
		if err != nil {
			return report.Outcome{}, err
		}
		sweeper.Ledger, sweeper.Judging.Exemptions = l, settings.Judging.Exemptions
	case s.settings.Repair.Mode.Writes():
		return report.Outcome{}, err
	default:
		unremembered = "Nothing is remembered of this run: " + oneLine(err)
	}
	reading := s.settings.Reading
	reading.Unthrottled, reading.Member, reading.Account = emulated(s.cfg), member(s.cfg, &s.config, s.id), target.Account
	reading.AllQualifiers = s.flags.allQualifiers
	sweeper.Source = inventory.New(inventory.NewClients(there.cfg), reading)
	outcome, err := sweeper.Sweep(ctx, s.scope)
	if unremembered != "" {
		outcome.Notes = append(outcome.Notes, unremembered)
	}
	if err == nil {
		tell(ctx, s.teller, sweeper.Ledger, &outcome)
	}
	return outcome, err
}

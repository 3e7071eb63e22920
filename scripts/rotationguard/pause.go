package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

func newPauseCommand() *cobra.Command {
	f := &memoryFlags{}
	var reason string
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop all writing until \"rotationguard resume\"",
		Example: `  rotationguard pause --reason "incident 4711"
  rotationguard pause --reason "incident 4711" --target 111122223333/eu-west-1
  rotationguard pause --reason "incident 4711" --targets targets.yaml`,
		Long: `Puts a mark into the ledger that is looked at before every single write. Reports go on. With --targets alone all targets of the file are paused.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.each(cmd, true, func(ctx context.Context, l ledger.Ledger, id identity) (string, error) {
				if err := l.Pause(ctx, ledger.Pause{By: id.caller, Reason: reason, At: time.Now().UTC()}); err != nil {
					return "", err
				}
				p, err := l.Paused(ctx)
				if err != nil || p == nil {
					return "", err
				}
				return fmt.Sprintf("paused since %s by %s, for every run with the ledger of", p.At.UTC().Format(time.RFC3339), p.By), nil
			})
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever finds it paused")
	return cmd
}

func newResumeCommand() *cobra.Command {
	f := &memoryFlags{}
	cmd := &cobra.Command{
		Use: "resume", Short: "Let repair write again", Example: "  rotationguard resume\n  rotationguard resume --targets targets.yaml", Args: noArgs,
		Long: `Takes back what "rotationguard pause" did, with --targets alone for all targets of the file.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.each(cmd, false, func(ctx context.Context, l ledger.Ledger, _ identity) (string, error) {
				return "repair may write again with the ledger of", l.Resume(ctx)
			})
		},
	}
	f.register(cmd)
	return cmd
}

// marking tells a ledger something, and what it has told, up to whose ledger it is.
type marking func(ctx context.Context, l ledger.Ledger, id identity) (string, error)

// each marks the ledger that is meant, or those of all targets of a file.
func (f *memoryFlags) each(cmd *cobra.Command, needCaller bool, mark marking) error {
	if f.targets != "" && f.target == "" {
		return f.all(cmd, mark)
	}
	l, id, err := f.open(cmd, needCaller)
	if err != nil {
		return err
	}
	defer l.Close()
	said, err := mark(cmd.Context(), l, id)
	if err != nil || said == "" {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s (%s)\n", said, f.of(id), f.where)
	return err
}

// all marks the ledgers of all targets of a file. Whatever goes wrong with one holds up no other, and is told of each.
func (f *memoryFlags) all(cmd *cobra.Command, mark marking) error {
	if f.path() != "" {
		return errors.New("--ledger names one file, and every target has a ledger of its own: leave it out, or name a table in the configuration (ledger.table)")
	}
	file, err := config.LoadTargets(f.targets)
	if err != nil {
		return err
	}
	c, err := f.configFlag.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	cfg, id, err := f.accountFlags.caller(ctx)
	if err != nil {
		return err
	}
	list, err := (fleet.Fleet{}).List(ctx, fleet.NewDirectory(cfg, id.caller), &file) // no role of theirs is assumed
	if err != nil {
		return err
	}
	failed := 0
	for _, account := range list.Failed {
		failed++
		fmt.Fprintf(cmd.ErrOrStderr(), "rotationguard: %s: its targets are not known: %s\n", account.Account, report.Error(account.Cause).String())
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(fleetConcurrency)
	for _, target := range list.Targets {
		group.Go(func() error {
			one := targetFlags{target: target.Place()}
			said, err := f.markOne(ctx, &one, &reached{cfg: cfg, home: cfg, id: id}, &c, mark)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				fmt.Fprintf(cmd.ErrOrStderr(), "rotationguard: %s: %s\n", one.target, oneLine(err))
				return nil
			}
			_, err = io.WriteString(cmd.OutOrStdout(), said+"\n")
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if failed > 0 {
		return exit{report.ExitFailed}
	}
	return nil
}

func (f *memoryFlags) markOne(ctx context.Context, one *targetFlags, own *reached, c *config.Config, mark marking) (string, error) {
	there, err := one.remembered(own.home, own.id)
	if err != nil {
		return "", err
	}
	l, err := there.ledger(ctx, &f.ledgerFlag, c)
	if err != nil {
		return "", err
	}
	defer l.Close()
	said, err := mark(ctx, l, there.id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s (%s)", said, one.target, placeOf(l, c)), nil
}

// placeOf is where a ledger is, for people.
func placeOf(l ledger.Ledger, c *config.Config) string {
	if file, ok := l.(*ledger.File); ok {
		return file.Path()
	}
	return "table " + c.Ledger.Table
}

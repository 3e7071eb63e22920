package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func newSnapshotCommand() *cobra.Command {
	var account accountFlags
	var cfgFlag configFlag
	var target targetFlags
	var allQualifiers bool
	save := &cobra.Command{
		Use:   "save FILE",
		Short: "Write an account's inventory into one file",
		Long: `Reads how the account's secrets are rotated and writes it into a file for "rotationguard sweep --snapshot". It holds names, ARNs, policies and
rotation settings; never a secret's value, and nothing of a function's environment or code. The operators of the configuration are in it too.`,
		Example: `  rotationguard snapshot save account.json
  rotationguard sweep --snapshot account.json`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return saveSnapshot(cmd, &account, &cfgFlag, &target, allQualifiers, args[0])
		},
	}
	account.register(save)
	cfgFlag.register(save)
	target.register(save)
	save.Flags().BoolVar(&allQualifiers, "all-qualifiers", false, "also read the policies at versions and aliases that no secret names")
	return parent("snapshot", "Keep an account's inventory in a file", save)
}

func saveSnapshot(cmd *cobra.Command, account *accountFlags, cfgFlag *configFlag, target *targetFlags, allQualifiers bool, path string) error {
	if err := target.checkTarget("", ""); err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("writing the snapshot %s: there is no folder %s", path, filepath.Dir(path))
	}
	c, settings, _, err := cfgFlag.settings(cmd.ErrOrStderr(), time.Now())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	cfg, err := account.load(ctx)
	if err != nil {
		return err
	}
	options := settings.Reading
	options.Everything, options.AllQualifiers, options.Unthrottled = true, allQualifiers, emulated(cfg)
	there := &reached{cfg: cfg}
	if c.Member.Role != "" || target.target != "" {
		id, err := whoami(ctx, cfg)
		if err != nil {
			return err
		}
		options.Member = member(cfg, &c, id)
		if there, err = target.reach(ctx, cfg, &c, id, repair.ModeReport, repair.NewRun(time.Now())); err != nil {
			return err
		}
	}
	options.Account = there.id.account
	bar := newProgress(cmd.ErrOrStderr())
	options.Progress = bar.report
	reader := inventory.New(inventory.NewClients(there.cfg), options)
	operators, err := reader.Operators(ctx, there.operators(settings.Operators))
	if err != nil {
		return err
	}
	secrets, gaps := 0, 0
	for i := range operators {
		gaps += len(inventory.OperatorGaps(&operators[i]))
	}
	err = inventory.SaveSnapshot(path, func(yield func(rotation.Group, error) bool) {
		for g, err := range reader.Groups(ctx, rotation.Scope{InOrder: true}) {
			for i := range g.Setups {
				secrets += len(g.Setups[i].Secrets)
			}
			gaps += len(inventory.Gaps(g))
			if !yield(g, err) {
				return
			}
		}
	}, inventory.Also{Operators: operators, AllQualifiers: allQualifiers})
	bar.wait()
	if err != nil {
		return err
	}
	summary(cmd.ErrOrStderr(), path, secrets, gaps)
	return nil
}

func summary(stderr io.Writer, path string, secrets, gaps int) {
	text := fmt.Sprintf("rotationguard: %d secrets written to %s", secrets, path)
	if gaps > 0 {
		text += fmt.Sprintf("; %d things could not be read and are unknown in it (sweep --snapshot names them)", gaps)
	}
	fmt.Fprintln(stderr, text)
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// targetsName is the targets file that is checked when no other is named.
const targetsName = "targets.yaml"

func newConfigCommand() *cobra.Command {
	var ofTargets, checkTargets bool
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of rotationguard.yaml, for editors", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ofTargets {
				return writeLines(cmd.OutOrStdout(), string(config.TargetsSchema))
			}
			return writeLines(cmd.OutOrStdout(), string(config.Schema))
		},
	}
	schema.Flags().BoolVar(&ofTargets, "targets", false, "the schema of a fleet's targets.yaml instead")
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Say everything that is wrong with a configuration, one problem a line",
		Long: `Reads a configuration and the templates that it names, as every other command does. Problems go to stderr, one a line, with line, column and
field; what holds but no longer does anything, such as an exemption that has expired, is said there too.

Exit codes: 0 it can be used; 1 it cannot.`,
		Example: `  rotationguard config check
  rotationguard config check prod/rotationguard.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s takes one file, not %d", commandName(cmd), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args, checkTargets) },
	}
	check.Flags().BoolVar(&checkTargets, "targets", false, "FILE is a fleet's targets.yaml")
	return parent("config", "Check a configuration, or print its schema", schema, check)
}

// checkConfig lists every problem, and warns of what no longer holds.
func checkConfig(cmd *cobra.Command, args []string, targets bool) error {
	path := configName
	if targets {
		path = targetsName
	}
	if len(args) == 1 {
		path = args[0]
	}
	var c config.Config
	var err error
	if targets {
		_, err = config.LoadTargets(path)
	} else {
		c, err = config.Load(path)
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: "+oneLine(p))
		}
		return exitWith(report.ExitFailed)
	}
	if err != nil {
		return err
	}
	if targets {
		return writeLines(cmd.OutOrStdout(), oneLine(errors.New(path))+": no problem")
	}
	now := time.Now()
	if _, err := sweep.NewSettings(&c, now); err != nil {
		return err
	}
	for _, e := range c.Expired(now) {
		fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: "+oneLine(errors.New(e)))
	}
	return writeLines(cmd.OutOrStdout(), oneLine(errors.New(path))+": no problem")
}

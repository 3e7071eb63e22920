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

func newConfigCommand() *cobra.Command {
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of rotationguard.yaml, for editors", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeLines(cmd.OutOrStdout(), string(config.Schema))
		},
	}
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
		RunE: func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args) },
	}
	return parent("config", "Check a configuration, or print its schema", schema, check)
}

// checkConfig lists every problem, and warns of what no longer holds.
func checkConfig(cmd *cobra.Command, args []string) error {
	path := configName
	if len(args) == 1 {
		path = args[0]
	}
	c, err := config.Load(path)
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
	now := time.Now()
	if _, err := sweep.NewSettings(&c, now); err != nil {
		return err
	}
	for _, e := range c.Expired(now) {
		fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: "+oneLine(errors.New(e)))
	}
	return writeLines(cmd.OutOrStdout(), oneLine(errors.New(path))+": no problem")
}

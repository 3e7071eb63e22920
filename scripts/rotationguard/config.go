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
			_, err := cmd.OutOrStdout().Write(config.Schema)
			return err
		},
	}
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Say everything that is wrong with a configuration", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args) },
	}
	return parent("config", "Check a configuration, or print its schema", schema, check)
}

func configPath(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return configName
}

// checkConfig lists every problem, one a line, and warns of what no longer holds.
func checkConfig(cmd *cobra.Command, args []string) error {
	path := configPath(args)
	c, err := config.Load(path)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: "+p.Error())
		}
		return exit{report.ExitFailed}
	}
	if err != nil {
		return err
	}
	now := time.Now()
	if _, err := sweep.NewSettings(&c, now); err != nil {
		return err
	}
	for _, e := range c.Expired(now) {
		fmt.Fprintln(cmd.ErrOrStderr(), "rotationguard: "+e)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", path)
	return err
}

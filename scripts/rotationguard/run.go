package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// exit is a command's end with a code, after it has said on stdout or stderr what there is to say.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// exitWith is nil for 0.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return exit{code}
}

// run is the whole command; it returns the exit code. Whatever goes wrong is one line on stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return code.code
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "rotationguard: interrupted")
	default:
		fmt.Fprintln(stderr, "rotationguard: "+oneLine(err))
	}
	return report.ExitFailed
}

// oneLine says an error in one line, whatever an SDK or an operating system puts into it.
func oneLine(err error) string {
	return strings.ReplaceAll(rotation.OneLine(inventory.DescribeError(err)), "  ", " ")
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "rotationguard",
		Short: "Keeps AWS Secrets Manager rotation able to work, and unable to do more than that",
		Long: `Lists the secrets that rotate, compares each rotation function's execution role and function policy with what rotating those
secrets needs, and says what will fail, when, why, and which one change mends it. No secret value is ever read.`,
		Example: `  rotationguard sweep                                     report on the account of your AWS profile
  rotationguard sweep --snapshot account.json             the same, offline
  rotationguard plan --out plan.json                      what repair would write
  rotationguard policy eval --policy P.json --action secretsmanager:GetSecretValue --resource ARN`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return fmt.Errorf("there is no command %q: did you mean %s?", args[0], strings.Join(near, " or "))
			}
			return fmt.Errorf("there is no command %q: \"rotationguard --help\" lists them", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%s: %w; see \"%s --help\"", cmd.CommandPath(), err, cmd.CommandPath())
	})
	root.AddCommand(
		newSweepCommand(), newPlanCommand(), newApplyCommand(), newRollbackCommand(), newFindingsCommand(), newExplainCommand(), newExemptCommand(),
		newPauseCommand(), newResumeCommand(), newSnapshotCommand(), newTemplateCommand(), newPolicyCommand(), newConfigCommand(), newVersionCommand(),
	)
	return root
}

// parent is a command that only holds others.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, c := range cmd.Commands() {
				if !c.Hidden {
					names = append(names, c.Name())
				}
			}
			if len(args) > 0 {
				return fmt.Errorf("%s has no command %q; there are %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
			}
			return fmt.Errorf("%s needs a command: %s", cmd.CommandPath(), strings.Join(names, ", "))
		},
	}
	cmd.AddCommand(children...)
	return cmd
}

// noArgs names what is too much.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, not %q; see \"%s --help\"", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// oneArg wants one argument and names it.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s needs one %s; see \"%s --help\"", cmd.CommandPath(), name, cmd.CommandPath())
		}
		return nil
	}
}

// oneOf checks a flag that chooses from a set.
func oneOf(flag, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return fmt.Errorf("--%s %q: it is %s", flag, value, strings.Join(known[:len(known)-1], ", ")+" or "+known[len(known)-1])
}

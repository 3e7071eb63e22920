package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	var unsaid error
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		// Help returns no error of its own when it cannot be written.
		_, unsaid = io.WriteString(stdout, helpText(cmd, helpWidth(stdout)))
	})
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = unsaid
	}
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

// oneLine says an error in one line that a person can read, whatever an SDK, an operating system or a file puts into it.
func oneLine(err error) string {
	return shorten(strings.ReplaceAll(rotation.OneLine(inventory.DescribeError(err)), "  ", " "), 1000)
}

// shorten leaves out the middle of a text that is longer than most characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most*2/3]) + "…" + string(runes[len(runes)-most/3:])
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
			return noCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelpCommand())
	root.AddCommand(
		newSweepCommand(), newPlanCommand(), newApplyCommand(), newRollbackCommand(), newFindingsCommand(), newExplainCommand(), newExemptCommand(),
		newPauseCommand(), newResumeCommand(), newReportCommand(), newInvokeCommand(), newDoctorCommand(), newSnapshotCommand(), newTemplateCommand(), newPolicyCommand(),
		newConfigCommand(), newManCommand(), newVersionCommand(),
	)
	complete(root)
	return root
}

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Say what a command does",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(topic), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(topic, args[len(args)-max(len(rest), 1)])
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// parent is a command that only holds others.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return fmt.Errorf("%s needs a command: %s", commandName(cmd), strings.Join(commandNames(cmd), ", "))
		},
	}
	cmd.AddCommand(children...)
	var examples []string
	for _, c := range children {
		if first, _, _ := strings.Cut(c.Example, "\n"); first != "" && !strings.HasSuffix(first, `\`) {
			examples = append(examples, first)
		}
	}
	cmd.Example = strings.Join(examples, "\n")
	return cmd
}

// commandName is a command as people type it after "rotationguard".
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// noCommand says that a word names no command, and which one was perhaps meant.
func noCommand(cmd *cobra.Command, word string) error {
	of := ""
	if cmd.HasParent() {
		of = commandName(cmd) + " "
	}
	if near := nearest(word, commandNames(cmd)); near != "" {
		return fmt.Errorf("there is no command %q: did you mean %q?", of+word, of+near)
	}
	return fmt.Errorf("there is no command %q: \"%s --help\" lists those that there are", of+word, cmd.CommandPath())
}

// flagError names the flag that was perhaps meant, and where all of them are explained.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			return fmt.Errorf("%s: unknown flag --%s: did you mean --%s?", commandName(cmd), unknown.GetSpecifiedName(), near)
		}
	}
	return fmt.Errorf("%s: %w; see \"%s --help\"", commandName(cmd), err, cmd.CommandPath())
}

// noArgs names what is too much.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, not %q; see \"%s --help\"", commandName(cmd), args[0], cmd.CommandPath())
	}
	return nil
}

// oneArg wants one argument and names it.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s needs one %s; see \"%s --help\"", commandName(cmd), name, cmd.CommandPath())
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
	all := strings.Join(known[:len(known)-1], ", ") + " or " + known[len(known)-1]
	if near := nearest(value, known); near != "" && value != "" {
		return fmt.Errorf("--%s %q: did you mean %s? It is %s", flag, value, near, all)
	}
	return fmt.Errorf("--%s %q: it is %s", flag, value, all)
}

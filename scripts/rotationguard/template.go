package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The documents that template show prints.
const (
	partAll       = "all"       // role and function
	partRole      = "role"      // the execution role's policy
	partFunction  = "function"  // the function's policy
	partConfigure = "configure" // who may set up rotation
	partTrigger   = "trigger"   // who may only start it
	partExternal  = "external"  // the rotation role of managed external secrets
)

func partNames() []string {
	return []string{partAll, partRole, partFunction, partConfigure, partTrigger, partExternal}
}

// templateFlags are the arguments of the expected documents.
type templateFlags struct {
	configFlag
	outputFlags
	part, strategy, generation, function, account string
	secrets, masters, keys                        []string
	vpc                                           bool
}

func newTemplateCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Name the templates", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeLines(cmd.OutOrStdout(), rotation.TemplateNames()...)
		},
	}
	var own configFlag
	text := &cobra.Command{
		Use: "text NAME", Short: "Print a template as it is written, with its placeholders", Args: oneArg("template's name"),
		Long:              `Prints a template with its placeholders, to begin one of your own with: "templates:" in rotationguard.yaml names the files.`,
		Example:           `  rotationguard template text master-user > master-user.json`,
		ValidArgsFunction: cobra.FixedCompletions(rotation.TemplateNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			templates, err := own.templates(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			text, err := templates.Text(args[0])
			if err != nil {
				return err
			}
			return writeLines(cmd.OutOrStdout(), string(text))
		},
	}
	own.register(text)
	return parent("template", "Print the policies that rotation needs", newTemplateShowCommand(), list, text)
}

func newTemplateShowCommand() *cobra.Command {
	f := &templateFlags{}
	cmd := &cobra.Command{
		Use:   "show --strategy STRATEGY --function ARN",
		Short: "Print the policies that an execution role and a function should have, ready to be pasted",
		Long: `Prints what rotation needs, for real ARNs. Without --part that is one JSON object with role_policy, the policy of the execution role, and
function_policy, the policy of the function. With --part it is one policy document and nothing else:

  role       the execution role's policy
  function   the function's policy, which lets Secrets Manager invoke it
  configure  the permission set of who may set up rotation
  trigger    the permission set of who may start rotation and no more
  external   the policy of the rotation role of managed external secrets

The classic form lets the role act on every secret that names the function; --form scoped lists the secrets' ARNs, as today's documentation
does. The templates of the configuration count, if it has any: these are the policies that a sweep expects.`,
		Example: `  rotationguard template show --strategy single-user --function ARN
  rotationguard template show --strategy master-user --function ARN --master ARN --kms-key ARN --vpc --part role > role.json
  rotationguard template show --strategy single-user --function ARN --secret ARN --form scoped
  rotationguard template show --part trigger --function ARN --secret ARN`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.show(cmd) },
	}
	f.configFlag.register(cmd)
	f.outputFlags.register(cmd, jsonOutput, textOutput)
	flags := cmd.Flags()
	flags.StringVar(&f.part, "part", partAll, "the `PART` to print: "+strings.Join(partNames(), ", "))
	flags.StringVar(&f.strategy, "strategy", "", "the `STRATEGY`: single-user, master-user or custom (default: master-user with --master, else single-user)")
	flags.StringVar(&f.generation, "form", string(rotation.Classic), "the `FORM` of the documentation that is followed: classic or scoped")
	flags.StringVar(&f.function, "function", "", "the rotation function's `ARN`, with the qualifier that the secrets name")
	flags.StringArrayVar(&f.secrets, "secret", nil, "a secret's `ARN`; may be repeated")
	flags.StringArrayVar(&f.masters, "master", nil, "the master secret's `ARN`; may be repeated")
	flags.StringArrayVar(&f.keys, "kms-key", nil, "the `ARN` of a customer key that the secrets are encrypted with; may be repeated")
	flags.BoolVar(&f.vpc, "vpc", false, "the function is attached to a VPC")
	flags.StringVar(&f.account, "account", "", "the secrets' `ACCOUNT` (default: that of --secret, else the function's)")
	for flag, values := range map[string][]string{
		"part": partNames(), "strategy": {string(rotation.SingleUser), string(rotation.MasterUser), string(rotation.Custom)},
		"form": {string(rotation.Classic), string(rotation.Scoped)},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// templates are the expected documents: the configuration's own, and the built-in ones.
func (f *configFlag) templates(stderr io.Writer) (rotation.Templates, error) {
	_, settings, _, err := f.settings(stderr, time.Now())
	return settings.Judging.Templates, err
}

// labelled is a document with its heading in text.
type labelled struct {
	heading string
	text    []byte
}

func (f *templateFlags) show(cmd *cobra.Command) error {
	if err := refuseEmpty(cmd); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if err := oneOf("part", f.part, partNames()...); err != nil {
		return err
	}
	if err := oneOf("form", f.generation, string(rotation.Classic), string(rotation.Scoped)); err != nil {
		return err
	}
	values, err := f.values()
	if err != nil {
		return err
	}
	strategy, err := f.chosen()
	if err != nil {
		return err
	}
	if err := f.enough(cmd, strategy); err != nil {
		return err
	}
	templates, err := f.templates(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	documents, err := f.documents(templates, strategy, values)
	if err != nil {
		return err
	}
	return f.print(cmd, func(w io.Writer) error {
		switch {
		case len(documents) == 1:
			return writeLines(w, string(documents[0].text))
		case f.form == textOutput:
			var lines []string
			for _, d := range documents {
				lines = append(lines, "# "+d.heading, string(d.text))
			}
			return writeLines(w, lines...)
		}
		return report.WriteValue(w, struct {
			Role     json.RawMessage `json:"role_policy"`
			Function json.RawMessage `json:"function_policy"`
		}{documents[0].text, documents[1].text})
	})
}

// chosen is --strategy; who names a master and no strategy means master-user.
func (f *templateFlags) chosen() (rotation.Strategy, error) {
	if f.strategy == "" {
		if len(f.masters) > 0 {
			return rotation.MasterUser, nil
		}
		return rotation.SingleUser, nil
	}
	s, err := rotation.ParseStrategy(f.strategy)
	if err != nil {
		return s, fmt.Errorf("--strategy: %w", err)
	}
	return s, nil
}

// enough says what is missing for the documents asked for, in the flags' words, and what would be left out of them in silence.
func (f *templateFlags) enough(cmd *cobra.Command, strategy rotation.Strategy) error {
	role := f.part == partAll || f.part == partRole
	var missing []string
	if f.function == "" && f.part != partExternal && (f.part != partConfigure || f.account == "") {
		missing = append(missing, "function")
	}
	if len(f.secrets) == 0 && (f.part == partTrigger || f.part == partExternal || role && f.generation == string(rotation.Scoped)) {
		missing = append(missing, "secret")
	}
	if len(f.masters) == 0 && role && strategy == rotation.MasterUser {
		missing = append(missing, "master")
	}
	if len(missing) > 0 {
		return errRequired(cmd, missing...)
	}
	if len(f.masters) > 0 && (!role || strategy != rotation.MasterUser) {
		return fmt.Errorf("--master is for the role of the strategy master-user")
	}
	return nil
}

func (f *templateFlags) documents(templates rotation.Templates, strategy rotation.Strategy, v rotation.Values) ([]labelled, error) {
	form := rotation.Form(f.generation)
	var documents []labelled
	add := func(heading string, text []byte, err error) error {
		documents = append(documents, labelled{heading, text})
		return err
	}
	switch f.part {
	case partConfigure, partTrigger, partExternal:
		text, err := templates.Render(f.part, v)
		err = add(f.part, text, err)
		return documents, err
	}
	if f.part != partFunction {
		text, err := templates.RolePolicy(strategy, form, v)
		if err := add("the policy of the execution role", text, err); err != nil {
			return nil, err
		}
	}
	if f.part != partRole {
		text, err := templates.FunctionPolicy(form, v)
		if err := add("the policy of the function "+f.function, text, err); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

func writeLines(w io.Writer, lines ...string) error {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(line, "\n") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

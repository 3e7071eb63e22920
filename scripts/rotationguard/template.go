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

// templateFlags are the arguments of the expected documents.
type templateFlags struct {
	configFlag
	outputFlags
	name, strategy, generation, function string
	secrets, masters, keys               []string
	vpc                                  bool
}

func newTemplateCommand() *cobra.Command {
	f := &templateFlags{}
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the policies that an execution role and a function should have",
		Long: `Prints the expected execution role policy and function policy for real ARNs, ready to be pasted. The classic form grants on "*" where the secret
names the function; --form scoped names the secrets' ARNs, as today's documentation does.`,
		Example: `  rotationguard template show --strategy single-user --function ARN --secret ARN
  rotationguard template show --strategy master-user --function ARN --master ARN --kms-key ARN --vpc
  rotationguard template show --name trigger --secret ARN`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.show(cmd) },
	}
	f.configFlag.register(show)
	f.outputFlags.register(show, textOutput, jsonOutput)
	show.Flags().StringVar(&f.strategy, "strategy", "single-user", "single-user, master-user or custom")
	show.Flags().StringVar(&f.generation, "form", string(rotation.Classic), "classic or scoped")
	show.Flags().StringVar(&f.function, "function", "", "the rotation function's ARN, with the qualifier that the secrets name")
	show.Flags().StringArrayVar(&f.secrets, "secret", nil, "a secret's ARN; may be repeated")
	show.Flags().StringArrayVar(&f.masters, "master", nil, "the master secret's ARN; may be repeated")
	show.Flags().StringArrayVar(&f.keys, "kms-key", nil, "the ARN of a customer key that the secrets are encrypted with; may be repeated")
	show.Flags().BoolVar(&f.vpc, "vpc", false, "the function is attached to a VPC")
	show.Flags().StringVar(&f.name, "name", "", "print this one template instead (\"rotationguard template list\" names them)")
	list := &cobra.Command{
		Use: "list", Short: "Name the templates", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(rotation.TemplateNames(), "\n"))
			return err
		},
	}
	return parent("template", "Print the expected policies", show, list)
}

func (f *templateFlags) show(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := oneOf("form", f.generation, string(rotation.Classic), string(rotation.Scoped)); err != nil {
		return err
	}
	strategy, err := rotation.ParseStrategy(f.strategy)
	if err != nil {
		return fmt.Errorf("--strategy: %w", err)
	}
	values, err := f.values()
	if err != nil {
		return err
	}
	_, settings, _, err := f.settings(cmd.ErrOrStderr(), time.Now())
	if err != nil {
		return err
	}
	templates := settings.Judging.Templates
	if f.name != "" {
		text, err := templates.Render(f.name, values)
		if err != nil {
			return err
		}
		return f.print(cmd, func(w io.Writer) error { return writeLines(w, string(text)) })
	}
	if f.function == "" {
		return fmt.Errorf("--function is missing: the ARN of the rotation function")
	}
	role, err := templates.RolePolicy(strategy, rotation.Form(f.generation), values)
	if err != nil {
		return err
	}
	function, err := templates.FunctionPolicy(rotation.Form(f.generation), values)
	if err != nil {
		return err
	}
	return f.print(cmd, func(w io.Writer) error {
		if f.outputFlags.form == jsonOutput {
			return report.WriteValue(w, map[string]json.RawMessage{"role_policy": role, "function_policy": function})
		}
		return writeLines(w, "# policy of the execution role", string(role), "", "# policy of the function "+f.function, string(function))
	})
}

func writeLines(w io.Writer, lines ...string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// values are the flags as ARNs; what is no ARN of its kind is refused, because it would be pasted.
func (f *templateFlags) values() (rotation.Values, error) {
	function, err := arnFlag("function", f.function, "lambda", "function:")
	if err != nil {
		return rotation.Values{}, err
	}
	lists := [3][]rotation.ARN{}
	for i, kind := range []struct {
		flag, service, prefix string
		values                []string
	}{{"secret", "secretsmanager", "secret:", f.secrets}, {"master", "secretsmanager", "secret:", f.masters}, {"kms-key", "kms", "key/", f.keys}} {
		for _, value := range kind.values {
			arn, err := arnFlag(kind.flag, value, kind.service, kind.prefix)
			if err != nil {
				return rotation.Values{}, err
			}
			lists[i] = append(lists[i], arn)
		}
	}
	v := rotation.NewValues(function, lists[0])
	v.Masters, v.Keys, v.VPC = lists[1], lists[2], f.vpc
	return v, nil
}

func arnFlag(flag, value, service, prefix string) (rotation.ARN, error) {
	if value == "" {
		return "", nil
	}
	p, err := rotation.ARN(value).Parse()
	if err != nil || p.Service != service || !strings.HasPrefix(p.Resource, prefix) || strings.ContainsAny(value, "*? ") {
		return "", fmt.Errorf("--%s %q is not such an ARN: arn:PARTITION:%s:REGION:ACCOUNT:%s…", flag, value, service, prefix)
	}
	return rotation.ARN(value), nil
}

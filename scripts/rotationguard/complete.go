package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// filesOf are the flags that name files; words of other flags are not completed by the names of files.
var filesOf = []string{"config", "ledger", "out", "snapshot", "targets", "policy", "resource-policy", "boundary", "expected", "actual", "facts", "all"}

// filesFor are the commands whose arguments are files.
var filesFor = []string{"apply", "snapshot save", "config check"}

// complete lets a shell offer what a word can be: a command that takes no file is offered none.
func complete(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && !slices.Contains(filesFor, commandName(cmd)) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		offer := cobra.NoFileCompletions
		switch {
		case f.Value.Type() == "bool" || slices.Contains(filesOf, f.Name):
			return
		case f.Name == "region":
			offer = cobra.FixedCompletions(regions, cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "profile":
			offer = profiles
		}
		if _, registered := cmd.GetFlagCompletionFunc(f.Name); !registered {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, offer)
		}
	})
	for _, c := range cmd.Commands() {
		complete(c)
	}
}

// profiles are those of the AWS configuration. Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
func profiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	found := map[string]bool{}
	for _, f := range []struct{ variable, name string }{{"AWS_CONFIG_FILE", "config"}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials"}} {
		path := os.Getenv(f.variable)
		if path == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				continue
			}
			path = filepath.Join(home, ".aws", f.name)
		}
		sections(path, found)
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// sections puts the profiles of one file into found: "[profile NAME]" or "[NAME]".
func sections(path string, found map[string]bool) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		section, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "[")
		section, _, closed := strings.Cut(section, "]")
		kind, name, typed := strings.Cut(strings.TrimSpace(section), " ")
		switch {
		case !ok || !closed:
		case !typed:
			found[kind] = true
		case kind == "profile":
			found[strings.TrimSpace(name)] = true
		}
	}
}

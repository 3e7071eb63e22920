package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "man [COMMAND]",
		Short: "Print the manual page of a command, or write all of them into a folder",
		Example: `  rotationguard man sweep | man -l -
  rotationguard man --all /usr/local/share/man/man1`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(topic), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder != "" {
				if len(args) > 0 {
					return fmt.Errorf("man --all writes every page: leave %q out", args[0])
				}
				return manPages(cmd.Root(), folder)
			}
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(topic, args[len(args)-max(len(rest), 1)])
			}
			page, err := manPage(topic)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(page)
			return err
		},
	}
	cmd.Flags().StringVar(&folder, "all", "", "write the pages of all commands into this `FOLDER`")
	return cmd
}

// manPages writes a page for each command: a folder that is not there is not made, as it is mistyped more often than wanted.
func manPages(cmd *cobra.Command, folder string) error {
	page, err := manPage(cmd)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	if err := os.WriteFile(path, page, 0o644); err != nil { //nolint:gosec // a manual page is for everybody
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			if err := manPages(c, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// manPage is a command's page in the macros of man(7).
func manPage(cmd *cobra.Command) ([]byte, error) {
	cmd.DisableAutoGenTag = true
	cmd.InitDefaultHelpFlag()
	var page bytes.Buffer
	header := &doc.GenManHeader{Section: "1", Source: "rotationguard " + version(), Manual: "rotationguard"}
	if at, ok := builtAt(); ok {
		header.Date = &at
	}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return nil, fmt.Errorf("making the manual page of %s: %w", cmd.CommandPath(), err)
	}
	return page.Bytes(), nil
}

// builtAt is when the commit was made that was built: the same build prints the same page.
func builtAt() (time.Time, bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}, false
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, err := time.Parse(time.RFC3339, s.Value)
			return at, err == nil
		}
	}
	return time.Time{}, false
}

package main

import (
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rotationguard/rotationguard/pkg/report"
)

// helpWidth is how wide help is: as wide as the terminal, within what reads well, and 80 columns elsewhere.
func helpWidth(w io.Writer) int {
	const plain, widest = 80, 110
	file, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return plain
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return plain
	}
	return min(width, widest)
}

// helpText shows first what people come for: how a command is used, in examples. These stay as they are, to be copied.
func helpText(cmd *cobra.Command, width int) string {
	var b strings.Builder
	line := func(text string) { b.WriteString(text + "\n") }
	paragraph := func(text string) {
		for _, l := range report.Wrap(text, width) {
			line(l)
		}
	}
	paragraph(cmd.Short)
	if cmd.HasExample() {
		line("\n" + cmd.Example)
	}
	for part := range strings.SplitSeq(cmd.Long, "\n\n") {
		switch {
		case part == "":
		case part[0] == '\t': // commands to type
			line("\n" + strings.ReplaceAll(strings.TrimRight(part, "\n"), "\t", "  "))
		default:
			line("")
			paragraph(part)
		}
	}
	if cmd.HasAvailableSubCommands() {
		line("\nCommands:")
		for _, c := range cmd.Commands() {
			if !c.IsAvailableCommand() {
				continue
			}
			name := "  " + c.Name() + strings.Repeat(" ", max(c.NamePadding()-len(c.Name()), 0)) + " "
			for _, l := range report.Wrap(c.Short, width-len(name)) {
				line(name + l)
				name = strings.Repeat(" ", len(name))
			}
		}
	}
	if cmd.Runnable() {
		line("\nUsage: " + cmd.UseLine())
	}
	if cmd.HasAvailableLocalFlags() {
		line("\n" + strings.TrimRight(cmd.LocalFlags().FlagUsagesWrapped(width), " \n"))
	}
	if cmd.HasAvailableSubCommands() {
		line("")
		paragraph("\"" + cmd.CommandPath() + " COMMAND --help\" says more about one.")
	}
	return b.String()
}

package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpFitsTheWindow(t *testing.T) {
	root := newRoot()
	root.InitDefaultCompletionCmd()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		for _, width := range []int{80, 110} {
			text := helpText(c, width)
			if c.HasExample() && strings.Index(text, c.Example) > strings.Index(text, "\nUsage: ") {
				t.Errorf("%s: the examples do not come first:\n%s", c.CommandPath(), text)
			}
			text = strings.Replace(text, c.Example, "", 1) // examples are to be copied: they are not broken
			for line := range strings.Lines(text) {
				if len(line)-1 > width && !strings.HasPrefix(line, "Usage: ") && !strings.HasPrefix(line, "  rotationguard ") {
					t.Errorf("%s at %d columns: %q", c.CommandPath(), width, line)
				}
			}
		}
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(root)
}

func TestHelpKeepsCommandsToTypeOnLinesOfTheirOwn(t *testing.T) {
	b := newBench(t)
	if text := b.types("completion", "bash", "--help").wants(t, 0).stdout; !strings.Contains(text, "\n  source <(rotationguard completion bash)\n") {
		t.Errorf("help:\n%s", text)
	}
}

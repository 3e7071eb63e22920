package report

import (
	"strings"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// inert makes text from an account safe on one line of a terminal or mail: no control, escape, format or private-use character is
// left, and no space but the plain one.
func inert(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, rotation.OneLine(s))
}

// inertLines is inert for a text whose lines are kept, such as a diff.
func inertLines(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		lines = append(lines, indent+inert(line))
	}
	return lines
}

// asciiPrintable keeps printable ASCII: what else there is becomes a question mark.
func asciiPrintable(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x20 && r < 0x7f {
			return r
		}
		return '?'
	}, inert(s))
}

package report

import (
	"strings"
	"unicode/utf8"
)

func width(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(columns-width(s), 0))
}

// shorten leaves out the middle of what is too long: names differ at both ends.
func shorten(s string, columns int) string {
	if width(s) <= columns {
		return s
	}
	if columns < 8 {
		return string([]rune(s)[:max(columns, 0)])
	}
	runes := []rune(s)
	head := (columns - 3) / 2
	tail := columns - 3 - head
	return string(runes[:head]) + "..." + string(runes[len(runes)-tail:])
}

// Wrap breaks a text at its spaces. A word that is longer than a line, such as an ARN, keeps a line of its own and is not broken: it
// would no longer be found by searching for it.
func Wrap(s string, columns int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= columns:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// breakCommand puts a shell command on several lines that can be pasted: broken before an option, outside of quotes.
func breakCommand(command string, columns int) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(command); i++ {
		switch {
		case command[i] == '\'':
			quoted = !quoted
		case !quoted && (strings.HasPrefix(command[i:], " --") || strings.HasPrefix(command[i:], " && ")):
			parts = append(parts, command[start:i])
			start = i + 1
		}
	}
	parts = append(parts, command[start:])
	var lines []string
	line := ""
	for _, part := range parts {
		switch {
		case line == "":
			line = part
		case width(line)+1+width(part) <= columns:
			line += " " + part
		default:
			lines = append(lines, line+` \`)
			line = "  " + part
		}
	}
	return append(lines, line)
}

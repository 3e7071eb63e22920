package rotation

import "strings"

// OneLine makes any text safe to print on one line: control characters, line breaks and bidirectional overrides become
// spaces or vanish. Text from an account may be chosen by an attacker.
func OneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0,
			r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r == 0x2028, r == 0x2029, r == 0xfffd:
			return -1
		}
		return r
	}, s))
}

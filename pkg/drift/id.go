package drift

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// identify gives the finding its id from what it is about, never from time or order: what is its own beside those (the action of a
// missing request, the statement of an excess) comes in detail.
func (f *Finding) identify(account string, detail ...string) *Finding {
	parts := append([]string{account, string(f.Subject), string(f.Kind), string(f.Direction), string(f.Secret), string(f.Function), f.Rule}, detail...)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	f.ID = hex.EncodeToString(sum[:8])
	return f
}

// quoteShell writes one word for a POSIX shell. Everything but plain words goes between single quotes.
func quoteShell(s string) string {
	plain := s != ""
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:=@,+%", c)) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// command is one AWS CLI command from its words.
func command(words ...string) string {
	for i, w := range words {
		words[i] = quoteShell(w)
	}
	return strings.Join(words, " ")
}

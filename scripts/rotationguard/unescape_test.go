package main

import (
	"fmt"
	"strconv"
	"strings"
)

// unescape reads "1000*text" as a repetition and Go's escapes as what they stand for.
func unescape(part string) (string, error) {
	times := 1
	if count, text, ok := strings.Cut(part, "*"); ok {
		if n, err := strconv.Atoi(count); err == nil {
			times, part = n, text
		}
	}
	var b strings.Builder
	for rest := part; rest != ""; {
		r, multibyte, tail, err := strconv.UnquoteChar(rest, 0)
		if err != nil {
			return "", fmt.Errorf("reading %q: %w", part, err)
		}
		if r < 0x80 || multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		rest = tail
	}
	return strings.Repeat(b.String(), times), nil
}

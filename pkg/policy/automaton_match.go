package policy

import (
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// matches says whether text is in the language.
func (l *language) matches(text string) bool {
	switch {
	case l.empty:
		return false
	case l.single:
		return text == l.text
	case l.open:
		return strings.HasPrefix(text, l.prefix)
	case !l.folded && !strings.HasPrefix(text, l.prefix):
		return false
	}
	if !l.segmented() {
		return l.matchesGreedy(text)
	}
	if set, ok := l.short(); ok {
		return l.matchesShort(set, text)
	}
	set := l.start()
	next := make([]uint64, len(set))
	for _, c := range text {
		if !l.advance(set, next, c) {
			return false
		}
		set, next = next, set
	}
	return l.accepts(set)
}

// segmented says whether some symbol stays in its segment.
func (l *language) segmented() bool {
	if l.segments == maybe {
		l.segments = truthOf(slices.ContainsFunc(l.symbols(), func(s symbol) bool {
			return s.kind == symbolStarInSegment || s.kind == symbolAnyInSegment
		}))
	}
	return l.segments == yes
}

// matchesGreedy walks the symbols and the text together. On a mismatch the latest star takes one character more; an earlier
// one need not, because the later one reaches as far.
func (l *language) matchesGreedy(text string) bool {
	at, star, from, i := 0, -1, 0, 0
	if !l.folded {
		at, i = utf8.RuneCountInString(l.prefix), len(l.prefix) // matches has compared them
	}
	for i < len(text) {
		c, size := rune(text[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case at < len(l.steps) && l.steps[at].kind == symbolStar:
			star, from = at, i
			at++
		case at < len(l.steps) && l.steps[at].takes(c):
			at++
			i += size
		case star >= 0:
			_, size = utf8.DecodeRuneInString(text[from:])
			from += size
			if star+1 < len(l.steps) {
				if next := l.steps[star+1]; next.kind == symbolChar && next.char < utf8.RuneSelf {
					skip := strings.IndexByte(text[from:], byte(next.char))
					if skip < 0 {
						return false
					}
					from += skip
				}
			}
			at, i = star+1, from
		default:
			return false
		}
	}
	for at < len(l.steps) && l.steps[at].kind == symbolStar {
		at++
	}
	return at == len(l.steps)
}

// short is the starting set of a language of fewer than 64 symbols.
func (l *language) short() (uint64, bool) {
	if len(l.symbols()) >= 64 {
		return 0, false
	}
	set := uint64(1)
	for i := 0; i < len(l.steps) && l.steps[i].star(); i++ {
		set |= 1 << (i + 1)
	}
	return set, true
}

func (l *language) matchesShort(set uint64, text string) bool {
	for _, c := range text {
		var next uint64
		for rest := set; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros64(rest)
			if i == len(l.steps) || !l.steps[i].takes(c) {
				continue
			}
			if l.steps[i].star() {
				next |= 1 << i
			} else {
				i++
				next |= 1 << i
			}
			for ; i < len(l.steps) && l.steps[i].star(); i++ {
				next |= 1 << (i + 1)
			}
		}
		if next == 0 {
			return false
		}
		set = next
	}
	return set&(1<<len(l.steps)) != 0
}

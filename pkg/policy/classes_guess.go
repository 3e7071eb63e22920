package policy

import (
	"math/bits"
	"slices"
	"strings"
)

// build writes a string that is likely in the chosen languages: the longest beginning, then what each has in its middle, then
// the longest end.
func build(languages []*language, in uint64) string {
	var begin, end string
	var middle strings.Builder
	write := func(symbols []symbol) string {
		var b strings.Builder
		for _, s := range symbols {
			switch s.kind {
			case symbolChar, symbolFold:
				b.WriteRune(s.char)
			case symbolAny, symbolAnyInSegment:
				b.WriteByte('x')
			case symbolStar, symbolStarInSegment, symbolVariable:
			}
		}
		return b.String()
	}
	for ; in != 0; in &= in - 1 {
		symbols := languages[bits.TrailingZeros64(in)].symbols()
		first := slices.IndexFunc(symbols, symbol.star)
		if first < 0 {
			return write(symbols)
		}
		last := len(symbols) - 1
		for !symbols[last].star() {
			last--
		}
		if text := write(symbols[:first]); len(text) > len(begin) {
			begin = text
		}
		if text := write(symbols[last:]); len(text) > len(end) {
			end = text
		}
		middle.WriteString(write(symbols[first:last]))
	}
	if middle.Len() == 0 && end == "" {
		return begin + "x"
	}
	return begin + middle.String() + end
}

// another finds a text of a class beside the one at hand: a member of some language, or the text with a character more.
func (s *textSpace) another(class, have string) (string, bool) {
	if i := s.class([]byte(class)); i >= 0 && s.found[i].more {
		return s.found[i].second, true
	}
	is := func(text string) bool {
		if text == have || !s.budget.spend(s.simple+s.general*(8+len(text))) {
			return false
		}
		for _, e := range s.require {
			if !e.holds(text) {
				return false
			}
		}
		for i, e := range s.tell {
			if e.holds(text) != (class[i/8]&(1<<(i%8)) != 0) {
				return false
			}
		}
		return true
	}
	for _, list := range [][]*element{s.require, s.tell} {
		for _, e := range list {
			for _, l := range e.languages[:min(len(e.languages), 16)] {
				for variant := range 6 {
					if text := l.member(variant); !l.opaque && !l.empty && is(text) {
						return text, true
					}
				}
			}
		}
	}
	chars := []rune(have)
	for at := min(len(chars), 64); at >= 0; at-- {
		for _, c := range "xa1Zé" {
			if text := string(chars[:at]) + string(c) + string(chars[at:]); is(text) {
				return text, true
			}
			if at < len(chars) {
				if text := string(chars[:at]) + string(c) + string(chars[at+1:]); is(text) {
					return text, true
				}
			}
		}
	}
	return "", false
}

// guess adds the classes of a few values: hints and members of what is required. It says whether these are all there are.
func (s *textSpace) guess(hints []string) (complete bool) {
	for _, e := range s.require {
		if !e.negated && allLanguages(e.languages, func(l *language) bool { return l.single }) {
			for _, l := range e.languages {
				s.try(l.text)
			}
			return !s.budget.spent()
		}
	}
	for _, h := range hints {
		s.try(h)
	}
	tried := 0
	for _, e := range s.require {
		if e.negated || e == s.universe {
			continue
		}
		for _, l := range e.languages {
			if len(s.tell) == 0 && len(s.found) > 0 {
				return true // there is but one class
			}
			if tried++; tried > 8 || s.budget.spent() {
				return false
			}
			if !l.opaque && !l.empty && !(l.single && strings.ContainsAny(l.text, "*?")) {
				s.try(l.member(0))
			}
		}
	}
	return len(s.tell) == 0 && len(s.found) > 0
}

// guessMore adds the classes of the texts that the elements name and of members of their patterns.
func (s *textSpace) guessMore() {
	var odd []string // texts that look like patterns: they read badly
	for _, list := range [][]*element{s.require, s.tell} {
		for _, e := range list {
			for _, l := range e.languages {
				switch {
				case l.opaque, l.empty:
				case l.single && strings.ContainsAny(l.text, "*?"):
					odd = append(odd, l.text)
				case l.single:
					s.try(l.text)
				default:
					s.try(l.member(0))
					s.try(l.member(1))
				}
				if s.budget.spent() {
					return
				}
			}
		}
	}
	for _, text := range odd {
		s.try(text)
	}
}

// member is a readable string of the language; variant gives other ones.
func (l *language) member(variant int) string {
	if l.single {
		return l.text
	}
	runs := [...]string{"example", "x0", "", "other-1", "Zulu", "9z"}
	segments := [...]string{"arn", "aws", "s3", "us-east-1", "111122223333"}
	const digits = "1234567890"
	letters := "AbCdEf"
	if variant > 0 {
		letters = "GhIjKl"
	}
	isARN := strings.HasPrefix(l.prefix, "arn:") || l.colons() >= arnColons
	var out strings.Builder
	out.Grow(len(l.symbols()) + 40)
	colon, one, empty := 0, 0, true
	for i, s := range l.symbols() {
		switch s.kind {
		case symbolChar, symbolFold:
			out.WriteRune(s.char)
			empty = false
			if s.char == ':' {
				colon++
				empty = true
			}
			one = 0
		case symbolAny, symbolAnyInSegment:
			if isARN && colon == 4 {
				out.WriteByte(digits[one%len(digits)])
			} else {
				out.WriteByte(letters[one%len(letters)])
			}
			one++
			empty = false
		case symbolStar, symbolStarInSegment:
			whole := empty && (i+1 == len(l.steps) || l.steps[i+1] == symbol{symbolChar, ':'})
			if isARN && whole && colon < len(segments) && variant == 0 {
				out.WriteString(segments[colon])
				if i+1 == len(l.steps) {
					for _, text := range segments[min(colon+1, len(segments)):] {
						out.WriteString(":" + text)
					}
					out.WriteString(":example")
				}
			} else {
				out.WriteString(runs[variant%len(runs)])
			}
			empty = false
		case symbolVariable:
			out.WriteString("example")
			empty = false
		}
	}
	return out.String()
}

// colons counts the colons that every member has.
func (l *language) colons() int {
	n := 0
	for _, s := range l.symbols() {
		if s == (symbol{symbolChar, ':'}) {
			n++
		}
	}
	return n
}

// meetings adds the classes of strings that are in two languages: they read better than what the automata find.
func (s *textSpace) meetings(languages []*language) {
	if len(languages) > 16 {
		return
	}
	for i, l := range languages {
		for _, m := range languages[:i] {
			if l.single || m.single || s.budget.spent() {
				continue
			}
			if text, ok, _ := l.meet(m, s.budget); ok {
				s.try(text)
			}
		}
	}
}

// beyond is a text that begins with prefix and then goes its own way.
func (s *textSpace) beyond(prefix string, variant int) string {
	if s.universe == nil {
		return prefix + [...]string{"example", "other", "x0", "Zulu", "9z", "~"}[variant]
	}
	if prefix == "" {
		return [...]string{"arn:aws:s3:::example-bucket/example", "arn:aws:sqs:us-east-1:111122223333:example", "arn:aws:x0:us-east-1:111122223333:example",
			"arn:aws-cn:x0:us-east-1:111122223333:example", "arn:x0:x0:x0:x0:x0", "arn:~:~:~:~:~"}[variant]
	}
	l := prefixLanguage(prefix)
	return l.member(variant)
}

// otherThan is a readable character that is not in the list.
func otherThan(named []rune, lower bool) rune {
	for _, c := range "x0abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789-_/+=.@," {
		if !hasChar(named, c) && !(lower && 'A' <= c && c <= 'Z') {
			return c
		}
	}
	c := 'à'
	for hasChar(named, c) {
		c++
	}
	return c
}

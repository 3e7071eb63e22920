package policy

import (
	"strings"
	"unicode/utf8"
)

// symbolKind says which characters one symbol of a language takes.
type symbolKind uint8

const (
	symbolChar          symbolKind = iota // exactly this character
	symbolFold                            // this ASCII letter in either case
	symbolAny                             // any one character
	symbolAnyInSegment                    // any one character but ":"
	symbolStar                            // any run of characters
	symbolStarInSegment                   // any run of characters without ":"
	symbolVariable                        // the value of a policy variable, whatever it is
)

// symbol is one step of a language. For symbolVariable, char is the variable's number.
type symbol struct {
	kind symbolKind
	char rune
}

func (s symbol) star() bool { return s.kind == symbolStar || s.kind == symbolStarInSegment }

// takes says whether the symbol can consume c; other stands for a character that occurs in no language at hand.
func (s symbol) takes(c rune) bool {
	switch s.kind {
	case symbolChar:
		return s.char == c
	case symbolFold:
		return s.char == foldChar(c)
	case symbolAny:
		return c < variableMark
	case symbolAnyInSegment:
		return c != ':' && c < variableMark
	case symbolStar:
		return true
	case symbolStarInSegment:
		return c != ':' && (c < variableMark || c >= variableMark+colonFree)
	case symbolVariable:
		return false
	}
	return false
}

// foldChar lowers an ASCII letter and leaves every other character: IAM folds nothing else.
func foldChar(c rune) rune {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// variableMark and the runes after it, which are no characters, stand for the values of variables in proofs about all
// values; those from colonFree on stand for values without a colon.
const (
	variableMark rune = 0x110000
	colonFree    rune = 0x10000
)

// other stands for any character that no language at hand names.
const other rune = -1

// language is a compiled pattern: the set of strings that it matches.
type language struct {
	steps  []symbol // made on first use: a text or a prefix needs none
	text   string   // the string itself, when the language holds only that one
	single bool
	prefix string // what every member begins with, unless letters are folded
	folded bool   // the language has case-folded letters
	opaque bool   // the language has a policy variable
	rough  bool   // the symbols stand for more than the language
	open   bool   // everything with that prefix
	empty  bool   // nothing is in the language

	segments truth // whether some symbol stays in its segment; maybe until it is asked
	dfa      []dfaState
	index    map[string]int32
}

// literalLanguage is the language of exactly one string, prefixLanguage that of everything which begins so.
func literalLanguage(text string) *language {
	return &language{single: true, text: text, prefix: text, segments: no}
}
func prefixLanguage(prefix string) *language {
	return &language{open: true, prefix: prefix, segments: no}
}

// newLanguage compiles symbols.
func newLanguage(symbols []symbol) *language {
	l := &language{}
	l.spell(symbols, "")
	return l
}

// spell makes l the language of symbols. begin is the text that they begin with, where that is known.
func (l *language) spell(symbols []symbol, begin string) {
	symbols = orderWildcards(symbols)
	*l = language{steps: symbols, single: true, segments: maybe}
	leading := true
	n := 0
	for i, s := range symbols {
		switch s.kind {
		case symbolChar:
		case symbolFold:
			l.folded = true
			l.single = false
		case symbolVariable:
			l.opaque = true
			l.single, leading = false, false
		default:
			if s.kind == symbolStar && i == len(symbols)-1 && leading && !l.folded {
				l.open = true
			}
			l.single, leading = false, false
		}
		if leading {
			n++
		}
	}
	if l.prefix = begin; begin == "" || utf8.RuneCountInString(begin) != n || !utf8.ValidString(begin) {
		var b strings.Builder
		b.Grow(n)
		for _, s := range symbols[:n] {
			b.WriteRune(s.char)
		}
		l.prefix = b.String()
	}
	if l.single {
		l.text = l.prefix
	}
}

// patternLanguage is the language of a pattern of the evaluator. variables gives each policy variable a number; a
// language with one is opaque.
func patternLanguage(p *pattern, variables func(token) rune) *language {
	if l := (&language{}); l.simple(p) {
		return l
	}
	return newLanguage(tokenSymbols(p.tokens, p.fold, variables))
}

// simple makes l the language of a pattern that is one text, or everything with a prefix, or nothing; it says whether the pattern
// is.
func (l *language) simple(p *pattern) bool {
	switch {
	case p.never:
		*l = language{empty: true}
		return true
	case p.fold || p.variable:
		return false
	}
	switch p.shape {
	case shapeAny:
		*l = language{open: true, segments: no}
	case shapeLiteral:
		*l = language{single: true, text: p.tokens[0].text, prefix: p.tokens[0].text, segments: no}
	case shapePrefix:
		*l = language{open: true, prefix: p.tokens[0].text, segments: no}
	default:
		return false
	}
	return true
}

// tokenSymbols spells the tokens of a pattern out.
func tokenSymbols(tokens []token, fold bool, variables func(token) rune) []symbol {
	return appendSymbols(make([]symbol, 0, symbolCount(tokens)), tokens, fold, variables)
}

// symbolCount is how many symbols the tokens take at most.
func symbolCount(tokens []token) int {
	n := 0
	for i := range tokens {
		n += max(1, len(tokens[i].text))
	}
	return n
}

func appendSymbols(symbols []symbol, tokens []token, fold bool, variables func(token) rune) []symbol {
	for _, t := range tokens {
		switch t.kind {
		case tokenLiteral:
			for _, c := range t.text {
				kind := symbolChar
				if fold {
					if c = foldChar(c); 'a' <= c && c <= 'z' {
						kind = symbolFold
					}
				}
				symbols = append(symbols, symbol{kind, c})
			}
		case tokenStar:
			kind := symbolStar
			if t.within {
				kind = symbolStarInSegment
			}
			symbols = append(symbols, symbol{kind: kind})
		case tokenOne:
			kind := symbolAny
			if t.within {
				kind = symbolAnyInSegment
			}
			symbols = append(symbols, symbol{kind: kind})
		case tokenVariable:
			symbols = append(symbols, symbol{symbolVariable, variables(t)})
		}
	}
	return symbols
}

// symbols are the steps of the language.
func (l *language) symbols() []symbol {
	if l.steps == nil && l.prefix != "" {
		for _, c := range l.prefix {
			l.steps = append(l.steps, symbol{symbolChar, c})
		}
	}
	if l.open && (len(l.steps) == 0 || !l.steps[len(l.steps)-1].star()) {
		l.steps = append(l.steps, symbol{kind: symbolStar})
	}
	return l.steps
}

// universal says whether the language is every string.
func (l *language) universal() bool { return l.open && l.prefix == "" }

// orderWildcards sorts every run of like wildcards into "?…?*".
func orderWildcards(in []symbol) []symbol {
	out := in[:0:len(in)]
	for i := 0; i < len(in); {
		k := in[i].kind
		if k != symbolAny && k != symbolStar && k != symbolAnyInSegment && k != symbolStarInSegment {
			out = append(out, in[i])
			i++
			continue
		}
		one, run := symbolAny, symbolStar
		if k == symbolAnyInSegment || k == symbolStarInSegment {
			one, run = symbolAnyInSegment, symbolStarInSegment
		}
		ones, runs := 0, 0
		for ; i < len(in) && (in[i].kind == one || in[i].kind == run); i++ {
			if in[i].kind == one {
				ones++
			} else {
				runs++
			}
		}
		for ; ones > 0; ones-- {
			out = append(out, symbol{kind: one})
		}
		if runs > 0 {
			out = append(out, symbol{kind: run})
		}
	}
	return out
}

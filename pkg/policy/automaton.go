package policy

import (
	"math/bits"
	"slices"
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
	symbols = orderWildcards(symbols)
	l := &language{steps: symbols, single: true, segments: maybe}
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
	var b strings.Builder
	for _, s := range symbols[:n] {
		b.WriteRune(s.char)
	}
	l.prefix = b.String()
	if l.single {
		l.text = l.prefix
	}
	return l
}

// patternLanguage is the language of a pattern of the evaluator. variables gives each policy variable a number; a
// language with one is opaque.
func patternLanguage(p *pattern, variables func(token) rune) *language {
	if p.never {
		return &language{empty: true}
	}
	if !p.fold && !p.variable {
		switch p.shape {
		case shapeAny:
			return prefixLanguage("")
		case shapeLiteral:
			return literalLanguage(p.tokens[0].text)
		case shapePrefix:
			return prefixLanguage(p.tokens[0].text)
		default:
		}
	}
	return newLanguage(tokenSymbols(p.tokens, p.fold, variables))
}

// tokenSymbols spells the tokens of a pattern out.
func tokenSymbols(tokens []token, fold bool, variables func(token) rune) []symbol {
	n := 0
	for i := range tokens {
		n += max(1, len(tokens[i].text))
	}
	symbols := make([]symbol, 0, n)
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
	at, star, from := 0, -1, 0
	for i := 0; i < len(text); {
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

// start is the set of positions before the first character.
func (l *language) start() []uint64 {
	set := make([]uint64, len(l.symbols())/64+1)
	l.reach(set, 0)
	return set
}

// reach adds position i and what follows it without a character.
func (l *language) reach(set []uint64, i int) {
	for {
		set[i/64] |= 1 << (i % 64)
		if i == len(l.steps) || !l.steps[i].star() {
			return
		}
		i++
	}
}

func (l *language) accepts(set []uint64) bool {
	n := len(l.steps)
	return set[n/64]&(1<<(n%64)) != 0
}

// advance puts into next the positions after c and says whether there is any. A position before a full star that
// has been reached is dropped: whatever it still accepts, the star accepts too. That keeps the sets of a glob as few
// as its length, where the plain subset construction doubles with every "*a".
func (l *language) advance(set, next []uint64, c rune) bool {
	clear(next)
	last, found := -1, false
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if i == len(l.steps) || !l.steps[i].takes(c) {
				continue
			}
			found = true
			if !l.steps[i].star() {
				i++
			}
			l.reach(next, i)
			for i < len(l.steps) && l.steps[i].star() {
				if l.steps[i].kind == symbolStar && i > last {
					last = i
				}
				i++
			}
		}
	}
	if last > 0 {
		for w := 0; w < last/64; w++ {
			next[w] = 0
		}
		next[last/64] &^= 1<<(last%64) - 1
	}
	return found
}

// dfaState is one determined state of a language, made when it is first reached.
type dfaState struct {
	set     []uint64
	named   []rune // the characters that lead elsewhere than other does
	edges   []dfaEdge
	accept  bool
	settled bool // every continuation is accepted, or none is
}

type dfaEdge struct {
	char rune
	to   int32
}

// From the first state of every automaton nothing is accepted, from the second everything.
const (
	deadState   int32 = 0
	acceptState int32 = 1
)

// determine prepares the automaton and returns its first state.
func (l *language) determine(b *budget) int32 {
	if l.index == nil {
		l.index = make(map[string]int32)
		l.dfa = append(l.dfa, dfaState{settled: true}, dfaState{settled: true, accept: true})
	}
	if l.empty {
		return deadState
	}
	return l.state(l.start(), b)
}

// state is the number of a set of positions.
func (l *language) state(set []uint64, b *budget) int32 {
	key := make([]byte, 0, len(set)*8)
	for _, w := range set {
		key = append(key, byte(w), byte(w>>8), byte(w>>16), byte(w>>24), byte(w>>32), byte(w>>40), byte(w>>48), byte(w>>56))
	}
	if s, ok := l.index[string(key)]; ok {
		return s
	}
	b.grow(16*len(set) + 160)
	s := dfaState{set: set, accept: l.accepts(set)}
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if i == len(l.steps) {
				continue
			}
			switch sym := l.steps[i]; sym.kind {
			case symbolChar:
				s.name(sym.char)
			case symbolFold:
				s.name(sym.char)
				if 'a' <= sym.char && sym.char <= 'z' {
					s.name(sym.char - 'a' + 'A')
				}
			case symbolAnyInSegment, symbolStarInSegment:
				s.name(':')
			case symbolStar:
				if i == len(l.steps)-1 {
					l.index[string(key)] = acceptState
					return acceptState
				}
			case symbolAny, symbolVariable:
			}
		}
	}
	n := int32(len(l.dfa))
	l.dfa = append(l.dfa, s)
	l.index[string(key)] = n
	return n
}

func (s *dfaState) name(c rune) {
	for _, have := range s.named {
		if have == c {
			return
		}
	}
	s.named = append(s.named, c)
}

// step is the state after c, where c may be other.
func (l *language) step(from int32, c rune, b *budget) int32 {
	s := &l.dfa[from]
	if from == deadState || s.settled {
		return from
	}
	for _, e := range s.edges {
		if e.char == c {
			return e.to
		}
	}
	if c != other && c < variableMark && !s.names(c) {
		c = other
		for _, e := range s.edges {
			if e.char == c {
				return e.to
			}
		}
	}
	b.spend(20 + 10*len(s.set))
	next := make([]uint64, len(s.set))
	to := deadState
	if l.advance(s.set, next, c) {
		to = l.state(next, b)
		s = &l.dfa[from] // state may have moved the slice
	}
	s.edges = append(s.edges, dfaEdge{c, to})
	return to
}

func (s *dfaState) names(c rune) bool {
	for _, have := range s.named {
		if have == c {
			return true
		}
	}
	return false
}

// covers says that every member of p is a member of l. A false answer means only that this quick look could not
// tell: it reads p's symbols as if they were characters.
func (l *language) covers(p *language, b *budget) bool {
	switch {
	case l == p || l.universal() || p.empty:
		return true
	case l.empty || l.rough:
		return false
	case l.single:
		return p.single && p.text == l.text
	case p.single:
		return l.matches(p.text)
	case l.open && !p.folded:
		return strings.HasPrefix(p.prefix, l.prefix)
	case !l.folded && !p.folded && !strings.HasPrefix(p.prefix, l.prefix):
		return false
	}
	if !b.spend(4 + 2*len(p.symbols())*(1+len(l.symbols())/64)) {
		return false
	}
	if set, ok := l.short(); ok {
		return l.coversShort(set, p)
	}
	set := l.start()
	next := make([]uint64, len(set))
	for _, sym := range p.symbols() {
		clear(next)
		found := false
		for w, word := range set {
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				if i == len(l.steps) || !l.steps[i].takesSymbol(sym) {
					continue
				}
				found = true
				if !l.steps[i].star() {
					i++
				}
				l.reach(next, i)
			}
		}
		if !found {
			return false
		}
		set, next = next, set
	}
	return l.accepts(set)
}

func (l *language) coversShort(set uint64, p *language) bool {
	for _, sym := range p.steps {
		var next uint64
		for rest := set; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros64(rest)
			if i == len(l.steps) || !l.steps[i].takesSymbol(sym) {
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

// takesSymbol says that s takes whatever p stands for.
func (s symbol) takesSymbol(p symbol) bool {
	switch s.kind {
	case symbolChar:
		return p.kind == symbolChar && p.char == s.char
	case symbolFold:
		return (p.kind == symbolChar && foldChar(p.char) == s.char) || (p.kind == symbolFold && p.char == s.char)
	case symbolAny:
		return !p.star() && p.kind != symbolVariable
	case symbolAnyInSegment:
		return p.kind == symbolChar && p.char != ':' || p.kind == symbolFold || p.kind == symbolAnyInSegment
	case symbolStar:
		return true
	case symbolStarInSegment:
		return p.kind == symbolChar && p.char != ':' || p.kind == symbolFold || p.kind == symbolAnyInSegment || p.kind == symbolStarInSegment
	case symbolVariable:
		return p.kind == symbolVariable && p.char == s.char
	}
	return false
}

// meet finds a string in both languages, or says that there is none. A variable counts as any text, so that only the
// answer "none" is certain then. The last answer is false when the budget ended first.
func (l *language) meet(m *language, b *budget) (text string, ok, known bool) {
	switch {
	case l.empty || m.empty:
		return "", false, true
	case l.opaque && m.opaque && l.otherLength(m):
		return "", false, true
	case l.single && !m.opaque:
		return l.text, m.matches(l.text), true
	case m.single && !l.opaque:
		return m.text, l.matches(m.text), true
	case !l.folded && !m.folded && !strings.HasPrefix(l.prefix, m.prefix) && !strings.HasPrefix(m.prefix, l.prefix):
		return "", false, true
	case l.open && m.open:
		if len(l.prefix) > len(m.prefix) {
			return l.prefix, true, true
		}
		return m.prefix, true, true
	}
	if text, ok, quick := l.meetStarred(m); quick {
		return text, ok, true
	}
	n, w := len(l.symbols()), len(m.symbols())+1
	if !b.spend((n+1)*w + 10) {
		return "", false, false
	}
	type place struct {
		from int32
		char rune
	}
	const unseen, silent = -2, -3
	seen := make([]place, (n+1)*w)
	for i := range seen {
		seen[i].from = unseen
	}
	seen[0].from = -1
	queue := []int32{0}
	visit := func(from int32, i, j int, c rune) {
		if at := int32(i*w + j); seen[at].from == unseen {
			seen[at] = place{from, c}
			queue = append(queue, at)
		}
	}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		i, j := int(at)/w, int(at)%w
		if i == n && j == w-1 {
			// Where both languages have a star, a word reads better than nothing.
			const word = "elpmaxe"
			var out []rune
			for ; ; at = seen[at].from {
				if a, b := int(at)/w, int(at)%w; a < n && b < w-1 && l.steps[a].star() && m.steps[b].star() {
					out = append(out, []rune(word)...)
				}
				if at == 0 {
					break
				}
				if seen[at].char != silent {
					out = append(out, seen[at].char)
				}
			}
			for a, z := 0, len(out)-1; a < z; a, z = a+1, z-1 {
				out[a], out[z] = out[z], out[a]
			}
			return string(out), true, true
		}
		var x, y symbol
		lx, my := i < n, j < w-1
		if lx {
			x = l.steps[i]
		}
		if my {
			y = m.steps[j]
		}
		if lx && my {
			if c, ok := x.common(y); ok {
				ni, nj := i+1, j+1
				if x.run() {
					ni = i
				}
				if y.run() {
					nj = j
				}
				if ni != i || nj != j {
					visit(at, ni, nj, c)
				}
			}
		}
		if my && y.run() {
			visit(at, i, j+1, silent)
		}
		if lx && x.run() {
			visit(at, i+1, j, silent)
		}
	}
	return "", false, true
}

// meetStarred is meet for two languages that both have a star which crosses everything, and no other kind of star nor a
// variable: they meet when what stands before the first stars agrees and what stands after the last ones does. The rest of
// both fits between, one after the other.
func (l *language) meetStarred(m *language) (text string, ok, quick bool) {
	x, y := l.symbols(), m.symbols()
	a, z, fine := ends(x)
	c, e, alsoFine := ends(y)
	if !fine || !alsoFine {
		return "", false, false
	}
	var out []rune
	for i := 0; i < max(a, c); i++ {
		var one rune
		switch {
		case i >= a:
			one, ok = y[i].common(symbol{kind: symbolAny})
		case i >= c:
			one, ok = x[i].common(symbol{kind: symbolAny})
		default:
			one, ok = x[i].common(y[i])
		}
		if !ok {
			return "", false, true
		}
		out = append(out, one)
	}
	middle := func(symbols []symbol) {
		for _, s := range symbols {
			if !s.star() {
				one, _ := s.common(symbol{kind: symbolAny})
				out = append(out, one)
			}
		}
	}
	middle(x[a : z+1])
	middle(y[c : e+1])
	from := len(out)
	for i := 1; i <= max(len(x)-1-z, len(y)-1-e); i++ {
		var one rune
		switch {
		case i > len(x)-1-z:
			one, ok = y[len(y)-i].common(symbol{kind: symbolAny})
		case i > len(y)-1-e:
			one, ok = x[len(x)-i].common(symbol{kind: symbolAny})
		default:
			one, ok = x[len(x)-i].common(y[len(y)-i])
		}
		if !ok {
			return "", false, true
		}
		out = append(out, one)
	}
	slices.Reverse(out[from:])
	return string(out), true, true
}

// ends finds the first and the last star; fine is false when there is none, or a symbol that meetStarred cannot place.
func ends(symbols []symbol) (first, last int, fine bool) {
	first, last = -1, -1
	for i, s := range symbols {
		switch s.kind {
		case symbolStar:
			if first < 0 {
				first = i
			}
			last = i
		case symbolStarInSegment, symbolAnyInSegment, symbolVariable:
			return 0, 0, false
		default:
		}
	}
	return first, last, first >= 0
}

// otherLength says that the members of two languages with the same variables never have the same length, whatever the
// variables are.
func (l *language) otherLength(m *language) bool {
	count := func(l *language) (length int, star bool, variables []rune) {
		for _, s := range l.symbols() {
			switch {
			case s.kind == symbolVariable:
				variables = append(variables, s.char)
			case s.star():
				star = true
			default:
				length++
			}
		}
		slices.Sort(variables)
		return length, star, variables
	}
	n, open, v := count(l)
	k, wide, w := count(m)
	if !slices.Equal(v, w) {
		return false
	}
	return n != k && !open && !wide || n < k && !open || k < n && !wide
}

// run says that the symbol can take any number of characters.
func (s symbol) run() bool { return s.star() || s.kind == symbolVariable }

// common is a character that both symbols take.
func (s symbol) common(t symbol) (rune, bool) {
	switch {
	case s.kind == symbolChar:
		return s.char, t.kind == symbolVariable || t.takes(s.char)
	case t.kind == symbolChar:
		return t.char, s.kind == symbolVariable || s.takes(t.char)
	case s.kind == symbolFold:
		return s.char, t.kind == symbolVariable || t.takes(s.char)
	case t.kind == symbolFold:
		return t.char, s.kind == symbolVariable || s.takes(t.char)
	}
	return 'x', true
}

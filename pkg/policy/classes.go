package policy

import (
	"math/bits"
	"slices"
	"strings"
)

// element is what one statement asks of one text value: a member of a language, or, negated, of none of them.
type element struct {
	languages []*language
	negated   bool
}

func (e *element) holds(text string) bool {
	for _, l := range e.languages {
		if l.matches(text) {
			return !e.negated
		}
	}
	return e.negated
}

func (e *element) opaque() bool {
	for _, l := range e.languages {
		if l.opaque {
			return true
		}
	}
	return false
}

// covers says that whatever p holds for, e holds for too. A false answer means only that a quick look could not tell.
func (e *element) covers(p *element, b *budget) bool {
	if !b.spend(2 + len(e.languages)*len(p.languages)) {
		return false
	}
	switch {
	case e == p:
		return true
	case !e.negated && !p.negated:
		return allLanguages(p.languages, func(l *language) bool {
			return anyLanguage(e.languages, func(m *language) bool { return m.covers(l, b) })
		})
	case e.negated && !p.negated:
		return allLanguages(p.languages, func(l *language) bool {
			return allLanguages(e.languages, func(m *language) bool { return l.apart(m, b) })
		})
	case e.negated && p.negated:
		return allLanguages(e.languages, func(l *language) bool {
			return anyLanguage(p.languages, func(m *language) bool { return m.covers(l, b) })
		})
	default:
		return anyLanguage(e.languages, (*language).universal)
	}
}

// excludes says that e holds for nothing that p holds for; false means that a quick look could not tell.
func (e *element) excludes(p *element, b *budget) bool {
	not := element{languages: e.languages, negated: !e.negated}
	return not.covers(p, b)
}

// apart says that no string is in both languages.
func (l *language) apart(m *language, b *budget) bool {
	if l == m {
		return false
	}
	_, meets, known := l.meet(m, b)
	return known && !meets
}

func allLanguages(list []*language, f func(*language) bool) bool {
	for _, l := range list {
		if !f(l) {
			return false
		}
	}
	return true
}

func anyLanguage(list []*language, f func(*language) bool) bool {
	for _, l := range list {
		if f(l) {
			return true
		}
	}
	return false
}

// textSpace finds the classes of text values that a list of elements can tell apart, among the values for which every
// required element holds. A class is a set of told elements; its representative is one value.
type textSpace struct {
	require  []*element
	tell     []*element
	universe *element       // one of require: what every value is
	lower    bool           // values are without capitals
	seen     map[string]int // a class, as its told elements, to its place in values
	values   []string
	vague    []bool // the class was not excluded, but no value of it is known
	classes  []string
	key      []byte
	leaves   []leaf
	inside   []uint64 // for each class that combinations wants, languages that its members are in
	simple   int      // how many languages are easily asked, -1 before they are counted
	general  int      // and how many are not
	budget   *budget
}

// leaf is a set of languages that a value may be in, and one that it is not in, with the class that this makes.
type leaf struct {
	class   string
	in, out uint64
}

// open says whether a leaf may have a value: not when one of the languages that it is in lies within those that it is not in.
func (s *textSpace) open(languages []*language, x leaf) bool {
	var outside []*language
	for out := x.out; out != 0; out &= out - 1 {
		outside = append(outside, languages[bits.TrailingZeros64(out)])
	}
	if len(outside) < 2 {
		return true // pairs have been looked at
	}
	for in := x.in; in != 0; in &= in - 1 {
		if within(languages[bits.TrailingZeros64(in)], outside, s.budget) {
			return false
		}
	}
	return true
}

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

func newTextSpace(require, tell []*element, b *budget) *textSpace {
	b.grow(200 + len(tell))
	return &textSpace{require: require, tell: tell, seen: make(map[string]int), key: make([]byte, (len(tell)+7)/8), simple: -1, budget: b}
}

// try adds the class of text when it is within what is required and new.
func (s *textSpace) try(text string) {
	if s.lower {
		text = lowerASCII(text)
	}
	if s.simple < 0 {
		s.simple = 2
		for _, list := range [...][]*element{s.require, s.tell} {
			for _, e := range list {
				s.simple++
				for _, l := range e.languages {
					if l.single || l.open {
						s.simple++
					} else {
						s.general++
					}
				}
			}
		}
	}
	if !s.budget.spend(s.simple + s.general*(8+len(text))) {
		return
	}
	for _, e := range s.require {
		if !e.holds(text) {
			return
		}
	}
	clear(s.key)
	for i, e := range s.tell {
		if e.holds(text) {
			s.key[i/8] |= 1 << (i % 8)
		}
	}
	s.add(text, false)
}

// another finds a text of a class beside the one at hand: a member of some language, or the text with a character more.
func (s *textSpace) another(class, have string) (string, bool) {
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

func (s *textSpace) add(text string, vague bool) bool {
	if _, ok := s.seen[string(s.key)]; ok {
		return false
	}
	s.budget.grow(2*len(s.key) + len(text) + 120)
	class := string(s.key)
	s.seen[class] = len(s.values)
	s.classes = append(s.classes, class)
	s.values = append(s.values, text)
	s.vague = append(s.vague, vague)
	return true
}

// holds says whether element tell[i] holds in class c.
func (s *textSpace) holds(c, i int) bool { return s.classes[c][i/8]&(1<<(i%8)) != 0 }

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
			if len(s.tell) == 0 && len(s.values) > 0 {
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
	return len(s.tell) == 0 && len(s.values) > 0
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

// maxCombinations bounds how many sets of languages a proof by pairs looks through before the automata are asked.
const maxCombinations = 2048

// complete finds the classes that guess did not, and says whether every class is known then. Where a language is opaque,
// classes that could not be excluded are added without a value.
func (s *textSpace) complete() bool {
	if s.laminar() {
		return true
	}
	languages := s.languages()
	if len(languages) > maxLanguages || s.budget.spent() {
		return false
	}
	abstract := slices.ContainsFunc(languages, func(l *language) bool { return l.opaque })
	wanted, ok := s.combinations(languages)
	if ok && len(wanted) == 0 {
		return true
	}
	if abstract {
		if !ok {
			return false
		}
		for _, class := range wanted {
			// A class can have a value when some set of languages makes it up that is not ruled out.
			if slices.ContainsFunc(s.leaves, func(x leaf) bool { return x.class == class && s.open(languages, x) }) {
				copy(s.key, class)
				s.add("", true)
			}
		}
		return !s.budget.spent()
	}
	s.meetings(languages)
	if ok {
		for _, in := range s.inside {
			s.try(build(languages, in))
		}
		wanted = slices.DeleteFunc(wanted, func(class string) bool { _, have := s.seen[class]; return have })
		if len(wanted) == 0 {
			return true
		}
	}
	return s.product(languages, wanted, ok)
}

// owners says for each language which element names it, counted through require and tell; -1 when more than one does.
func (s *textSpace) owners(languages []*language) []int {
	out := make([]int, len(languages))
	for i, l := range languages {
		out[i] = -2
		n := 0
		for _, list := range [...][]*element{s.require, s.tell} {
			for _, e := range list {
				if slices.Contains(e.languages, l) {
					if out[i] == -2 {
						out[i] = n
					} else if out[i] != n {
						out[i] = -1
					}
				}
				n++
			}
		}
	}
	return out
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

// maxLanguages bounds how many languages a proof takes on that are more than a text or a prefix.
const maxLanguages = 256

// laminar finds the classes of languages that are all a text or a prefix: one for each text, one for each prefix without what
// else begins so, and one outside of all. It says whether it has found a value for every one that can have one.
func (s *textSpace) laminar() bool {
	var texts, prefixes []string
	for _, list := range [][]*element{s.require, s.tell} {
		for _, e := range list {
			for _, l := range e.languages {
				switch {
				case e == s.universe || l.empty:
				case l.single:
					texts = append(texts, l.text)
				case l.open:
					prefixes = append(prefixes, l.prefix)
				default:
					return false
				}
			}
		}
	}
	if !s.budget.spend(8 * (len(texts) + len(prefixes))) {
		return false
	}
	prefixes = append(prefixes, "") // what is outside of all is a prefix too
	slices.Sort(texts)
	slices.Sort(prefixes)
	texts, prefixes = slices.Compact(texts), slices.Compact(prefixes)
	for _, text := range texts {
		s.try(text)
	}
	// fresh says that nothing longer than the prefix takes the text.
	fresh := func(text, prefix string) bool {
		if _, ok := slices.BinarySearch(texts, text); ok {
			return false
		}
		for i, _ := slices.BinarySearch(prefixes, prefix); i < len(prefixes) && strings.HasPrefix(prefixes[i], prefix); i++ {
			if len(prefixes[i]) > len(prefix) && strings.HasPrefix(text, prefixes[i]) {
				return false
			}
			if !s.budget.spend(1) {
				return false
			}
		}
		return true
	}
	for _, prefix := range prefixes {
		found := false
		for variant := range 6 {
			if text := s.beyond(prefix, variant); fresh(text, prefix) && (s.universe == nil || s.universe.holds(text)) {
				s.try(text)
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return !s.budget.spent()
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

// languages lists what the elements name, each once.
func (s *textSpace) languages() []*language {
	var out []*language
	for _, list := range [][]*element{s.require, s.tell} {
		for _, e := range list {
			for _, l := range e.languages {
				if !l.universal() && !l.empty && !slices.Contains(out, l) {
					out = append(out, l)
				}
				if len(out) > maxLanguages || !s.budget.spend(1+len(out)/8) {
					return out
				}
			}
		}
	}
	return out
}

// combinations lists the classes that no pair of languages rules out and that have no value yet. ok is false when there
// are too many to look through.
func (s *textSpace) combinations(languages []*language) (wanted []string, ok bool) {
	n := len(languages)
	if n > 64 {
		return nil, false
	}
	// inside[i] are the languages that hold all of i; apart[i] are those that hold none of it.
	inside, apart := make([]uint64, n), make([]uint64, n)
	for i, l := range languages {
		for j, m := range languages[:i] {
			if l.covers(m, s.budget) || l.holdsAll(m, s.budget) {
				inside[j] |= 1 << i
			}
			if m.covers(l, s.budget) || m.holdsAll(l, s.budget) {
				inside[i] |= 1 << j
			}
			if (inside[i]>>j|inside[j]>>i)&1 == 0 && l.apart(m, s.budget) {
				apart[i] |= 1 << j
				apart[j] |= 1 << i
			}
		}
	}
	if s.budget.spent() {
		return nil, false
	}
	place := make(map[*language]int, n)
	for i, l := range languages {
		place[l] = i
	}
	masks := func(list []*element) []uint64 {
		out := make([]uint64, len(list))
		for i, e := range list {
			for _, l := range e.languages {
				if l.universal() {
					out[i] = ^uint64(0)
					break
				}
				if l.empty {
					continue
				}
				out[i] |= 1 << place[l]
			}
		}
		return out
	}
	require, tell := masks(s.require), masks(s.tell)
	owners := s.owners(languages)
	all := append(slices.Clone(require), tell...)
	holds := func(e *element, mask, in uint64) bool {
		return (mask == ^uint64(0) || mask&in != 0) != e.negated
	}
	found := make(map[string]bool)
	opaque := slices.ContainsFunc(languages, func(l *language) bool { return l.opaque })
	leaves := 0
	var walk func(i int, in, out uint64) bool
	walk = func(i int, in, out uint64) bool {
		if i == n {
			if leaves++; leaves > maxCombinations || !s.budget.spend(10+4*len(tell)) {
				return false
			}
			for k, e := range s.require {
				if !holds(e, require[k], in) {
					return true
				}
			}
			clear(s.key)
			for k, e := range s.tell {
				if holds(e, tell[k], in) {
					s.key[k/8] |= 1 << (k % 8)
				}
			}
			if _, have := s.seen[string(s.key)]; !have && opaque {
				s.leaves = append(s.leaves, leaf{string(s.key), in, out})
			}
			if _, have := s.seen[string(s.key)]; !have && !found[string(s.key)] {
				found[string(s.key)] = true
				wanted = append(wanted, string(s.key))
				s.inside = append(s.inside, in)
			}
			return true
		}
		// Once a language of its element is in, it does not matter whether another one is.
		if owners[i] >= 0 && all[owners[i]]&in != 0 {
			return walk(i+1, in, out)
		}
		if apart[i]&in == 0 && inside[i]&out == 0 {
			if !walk(i+1, in|1<<i, out) {
				return false
			}
		}
		// i can be left out unless something inside it is in.
		for rest := in; rest != 0; rest &= rest - 1 {
			if inside[bits.TrailingZeros64(rest)]>>i&1 == 1 {
				return true
			}
		}
		return walk(i+1, in, out|1<<i)
	}
	if !walk(0, 0, 0) {
		return nil, false
	}
	return wanted, true
}

// holdsAll says that every member of p, an opaque language, is a member of l, whatever the variables are: the variables of
// both are taken as characters of their own, which only a variable or a star takes. What holds for these words holds for any
// values put in their place.
func (l *language) holdsAll(p *language, b *budget) bool {
	return p.opaque && within(p, []*language{l}, b)
}

// within is holdsAll for the union of some languages.
func within(p *language, union []*language, b *budget) bool {
	if p.empty {
		return true
	}
	mark := func(l *language, anything bool) *language {
		symbols := slices.Clone(l.symbols())
		for i := range symbols {
			if symbols[i].kind != symbolVariable {
				continue
			}
			if anything {
				symbols[i] = symbol{kind: symbolStar}
			} else {
				symbols[i] = symbol{symbolChar, variableMark + symbols[i].char}
			}
		}
		return newLanguage(symbols)
	}
	x := mark(p, p.rough)
	all := []*language{x}
	e := &element{}
	for _, l := range union {
		// What a rough language holds is not known, and beside a rough p no variable means the same.
		if l.empty || l.rough || p.rough && l.opaque {
			continue
		}
		if l.universal() {
			return true
		}
		y := mark(l, false)
		e.languages = append(e.languages, y)
		all = append(all, y)
	}
	if len(e.languages) == 0 {
		return false
	}
	space := newTextSpace([]*element{{languages: []*language{x}}}, []*element{e}, b)
	if x.universal() || !space.product(all, []string{"\x00"}, true) {
		return false
	}
	_, outside := space.seen["\x00"]
	return !outside
}

// maxProductStates bounds the memory of one product of automata.
const maxProductStates = 60_000

// product walks the automata of all languages together and adds a value for every class that it meets. With known, wanted
// holds every class that can still be missing, so that the walk may stop early.
func (s *textSpace) product(languages []*language, wanted []string, known bool) bool {
	place := make(map[*language]int, len(languages))
	for i, l := range languages {
		place[l] = i
	}
	positive := -1 // the required element whose death ends a walk
	for i, e := range s.require {
		if !e.negated && !anyLanguage(e.languages, (*language).universal) {
			positive = i
		}
	}
	type node struct {
		parent int32
		char   rune
	}
	n := len(languages)
	var (
		nodes  []node
		states []int32 // n for each node
		index  = make(map[string]struct{})
		key    = make([]byte, 4*n)
	)
	// members are the languages that only one element names, for each element.
	members := make([][]int, len(s.require)+len(s.tell))
	for i, owner := range s.owners(languages) {
		if owner >= 0 {
			members[owner] = append(members[owner], i)
		}
	}
	members = slices.DeleteFunc(members, func(list []int) bool { return len(list) < 2 })
	visit := func(parent int32, c rune, at []int32) {
		// An element that holds whatever follows needs no more than one language to say so.
		for _, list := range members {
			if slices.ContainsFunc(list, func(i int) bool { return at[i] == acceptState }) {
				for _, i := range list {
					at[i] = deadState
				}
				at[list[0]] = acceptState
			}
		}
		for i, st := range at {
			key[4*i], key[4*i+1], key[4*i+2], key[4*i+3] = byte(st), byte(st>>8), byte(st>>16), byte(st>>24)
		}
		if _, ok := index[string(key)]; ok {
			return
		}
		s.budget.grow(8*n + 96)
		index[string(key)] = struct{}{}
		nodes = append(nodes, node{parent, c})
		states = append(states, at...)
	}
	holds := func(e *element, at []int32) bool {
		for _, l := range e.languages {
			if l.universal() || !l.empty && l.dfa[at[place[l]]].accept {
				return !e.negated
			}
		}
		return e.negated
	}
	text := func(i int32) string {
		var out []rune
		for ; nodes[i].parent >= 0; i = nodes[i].parent {
			out = append(out, nodes[i].char)
		}
		for a, z := 0, len(out)-1; a < z; a, z = a+1, z-1 {
			out[a], out[z] = out[z], out[a]
		}
		return string(out)
	}
	at := make([]int32, n)
	for i, l := range languages {
		at[i] = l.determine(s.budget)
	}
	visit(-1, 0, at)
	left := len(wanted)
	var named []rune
	for i := 0; i < len(nodes); i++ {
		if i >= maxProductStates || !s.budget.spend(20+10*n) {
			return false
		}
		here := states[i*n : i*n+n]
		within := true
		for _, e := range s.require {
			within = within && holds(e, here)
		}
		if within {
			clear(s.key)
			for k, e := range s.tell {
				if holds(e, here) {
					s.key[k/8] |= 1 << (k % 8)
				}
			}
			if s.add(text(int32(i)), false) && known && slices.Contains(wanted, string(s.key)) {
				if left--; left == 0 {
					return true
				}
			}
		}
		if positive >= 0 {
			dead := true
			for _, l := range s.require[positive].languages {
				dead = dead && (l.empty || here[place[l]] == deadState)
			}
			if dead {
				continue
			}
		}
		named = named[:0]
		settled := true
		for k, l := range languages {
			st := &l.dfa[here[k]]
			if st.settled {
				continue
			}
			settled = false
			for _, c := range st.named {
				if !hasChar(named, c) {
					named = append(named, c)
				}
			}
		}
		if settled {
			continue
		}
		for c := -1; c < len(named); c++ {
			char, shown := other, otherThan(named, s.lower)
			if c >= 0 {
				char, shown = named[c], named[c]
			}
			s.budget.spend(10 + 6*n)
			for k, l := range languages {
				at[k] = l.step(states[i*n+k], char, s.budget)
			}
			visit(int32(i), shown, at)
		}
	}
	return !s.budget.spent()
}

func hasChar(list []rune, c rune) bool {
	for _, have := range list {
		if have == c {
			return true
		}
	}
	return false
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

package policy

import (
	"math/bits"
	"slices"
	"strings"
)

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
		wanted = slices.DeleteFunc(wanted, func(class string) bool { return s.class([]byte(class)) >= 0 })
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
			have := s.class(s.key) >= 0
			if !have && opaque {
				s.leaves = append(s.leaves, leaf{string(s.key), in, out})
			}
			if !have && !found[string(s.key)] {
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
	return space.class([]byte{0}) < 0
}

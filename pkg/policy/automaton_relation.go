package policy

import (
	"math/bits"
	"slices"
	"strings"
)

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
	const unseen, silent = -2, -3
	seen, queue := b.meeting.seen, append(b.meeting.queue[:0], 0)
	if size := (n + 1) * w; cap(seen) < size {
		seen = make([]meetingPlace, size, max(size, min(2*size, keptMeeting)))
	} else {
		seen = seen[:size]
	}
	for i := range seen {
		seen[i].from = unseen
	}
	seen[0].from = -1
	visit := func(from int32, i, j int, c rune) {
		if at := int32(i*w + j); seen[at].from == unseen {
			seen[at] = meetingPlace{from, c}
			queue = append(queue, at)
		}
	}
	if len(seen) <= keptMeeting {
		defer func() { b.meeting.seen, b.meeting.queue = seen, queue }()
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

// meetingPlace is a place in two languages on the way to a string in both: where it was reached from, and by which character.
type meetingPlace struct {
	from int32
	char rune
}

// keptMeeting is up to how many places the room for a search is kept.
const keptMeeting = 1 << 14

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

// apart says that no string is in both languages.
func (l *language) apart(m *language, b *budget) bool {
	if l == m {
		return false
	}
	if !l.empty && !m.empty && !l.single && !m.single && !l.opaque && !m.opaque {
		x, y := l.symbols(), m.symbols()
		a, z, fine := ends(x)
		c, e, alsoFine := ends(y)
		if fine && alsoFine {
			return !agree(x[:a], y[:c], false) || !agree(x[z+1:], y[e+1:], true)
		}
	}
	_, meets, known := l.meet(m, b)
	return known && !meets
}

// agree says whether the first symbols of two lists, or the last ones, have a character in common each, as far as both go.
func agree(x, y []symbol, last bool) bool {
	for i := range min(len(x), len(y)) {
		p, q := i, i
		if last {
			p, q = len(x)-1-i, len(y)-1-i
		}
		if _, ok := x[p].common(y[q]); !ok {
			return false
		}
	}
	return true
}

package policy

import "math/bits"

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

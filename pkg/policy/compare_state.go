package policy

import (
	"math/bits"
	"slices"
)

// assigned is what a request carries in one dimension.
type assigned struct {
	dimension int32
	absent    bool
	values    []string
	later     bool // the values are still to be chosen: any that passes the test
	test      int32
}

// state is what is still possible for one dimension during a search.
type state struct {
	domain  *domain
	absent  bool       // the key may be absent
	present bool       // it may be present
	allowed []uint64   // every value that the key carries must be one of these
	needed  [][]uint64 // and it must carry one of each of these
	count   count
}

// count is how many values a key carries.
type count int8

const (
	countAny count = iota
	countOne
	countMany
)

func (s *state) feasible() bool {
	if s.absent {
		return true
	}
	if !s.present {
		return false
	}
	if s.count == countOne {
		for w, word := range s.allowed {
			for _, n := range s.needed {
				word &= n[w]
			}
			if word != 0 {
				return true
			}
		}
		return false
	}
	for _, n := range s.needed {
		meets := false
		for w, word := range s.allowed {
			if word&n[w] != 0 {
				meets = true
				break
			}
		}
		if !meets {
			return false
		}
	}
	values := 0
	for w, word := range s.allowed {
		for ; word != 0; word &= word - 1 {
			values++
			if i := w*64 + bits.TrailingZeros64(word); !s.domain.isAlone(i) {
				values++
			}
		}
	}
	return values > 1 || values == 1 && s.count != countMany
}

// choice is one way to make an atom true or false.
type choice struct {
	atom int32
	way  way
}

type way int8

const (
	wayTrue way = iota
	wayFalse
	wayFalseMany // false because an operator without set qualifier meets several values
)

// assume narrows a copy of s; the copy shares nothing that is written to.
func (c *comparer) assume(s state, ch choice) state {
	a := &c.words.atoms[ch.atom]
	mask := s.domain.mask(c.words, a.test)
	several := c.words.dimensions[a.dimension].several
	holds := ch.way == wayTrue
	s.absent = s.absent && a.absent == holds
	narrow := func(inside bool) {
		allowed := make([]uint64, len(s.allowed))
		for w := range allowed {
			if inside {
				allowed[w] = s.allowed[w] & mask[w]
			} else {
				allowed[w] = s.allowed[w] &^ mask[w]
			}
		}
		s.allowed = allowed
	}
	need := func(inside bool) {
		wanted := make([]uint64, len(mask))
		for w := range mask {
			if inside {
				wanted[w] = mask[w]
			} else {
				wanted[w] = s.domain.full[w] &^ mask[w]
			}
		}
		s.needed = append(s.needed[:len(s.needed):len(s.needed)], wanted)
	}
	switch {
	case !several:
		narrow(holds)
	case a.quantifier == forAnyValue && holds:
		need(true)
	case a.quantifier == forAnyValue:
		narrow(false)
	case a.quantifier == forAllValues && holds:
		narrow(true)
	case a.quantifier == forAllValues:
		need(false)
	case ch.way == wayFalseMany:
		s.absent = false
		if s.count == countOne {
			s.present = false
		}
		s.count = countMany
	default:
		if s.count == countMany {
			s.present = false
		}
		s.count = countOne
		narrow(holds)
	}
	return s
}

// pick chooses as few values as will do, those that come first.
func (s *state) pick() (values []string, vague bool) {
	chosen := make([]uint64, len(s.allowed))
	take := func(mask []uint64) bool {
		// A value that is known is better than one that is not.
		for pass := range 2 {
			for w, word := range mask {
				for ; word != 0; word &= word - 1 {
					i := w*64 + bits.TrailingZeros64(word)
					if s.domain.isVague(i) == (pass == 1) {
						setBit(chosen, i)
						return true
					}
				}
			}
		}
		return false
	}
	all := slices.Clone(s.allowed)
	for _, n := range s.needed {
		for w := range all {
			all[w] &= n[w]
		}
	}
	if !take(all) {
		for _, n := range s.needed {
			mask := slices.Clone(s.allowed)
			meets := false
			for w := range mask {
				mask[w] &= n[w]
				meets = meets || mask[w]&chosen[w] != 0
			}
			if !meets {
				take(mask)
			}
		}
	}
	first := -1
	for w, word := range chosen {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if first < 0 {
				first = i
			}
			values = append(values, s.domain.value(i))
			vague = vague || s.domain.isVague(i)
		}
	}
	if s.count == countMany && len(values) == 1 {
		mask := slices.Clone(s.allowed)
		for w := range mask {
			mask[w] &^= chosen[w]
		}
		clear(chosen)
		if take(mask) {
			for w, word := range chosen {
				if word != 0 {
					i := w*64 + bits.TrailingZeros64(word)
					values = append(values, s.domain.value(i))
				}
			}
		} else if second, ok := s.domain.another(first); ok {
			values = append(values, second)
		} else {
			vague = true
		}
	}
	return values, vague
}

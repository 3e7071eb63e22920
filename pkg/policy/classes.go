package policy

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
	universe *element // one of require: what every value is
	lower    bool     // values are without capitals
	found    []textClass
	places   map[string]int // a class, as its told elements, to its place in found, once there are many
	key      []byte
	leaves   []leaf
	inside   []uint64 // for each class that combinations wants, languages that its members are in
	simple   int      // how many languages are easily asked, -1 before they are counted
	general  int      // and how many are not
	budget   *budget

	room    [4]textClass
	keyRoom [8]byte
}

// textClass is a class of texts.
type textClass struct {
	told   string // the told elements that hold, a bit each
	value  string
	vague  bool   // the class was not excluded, but no value of it is known
	second string // another value of the class, when one has been met
	more   bool   // there is a second one
}

// fewClasses is up to how many classes are looked up one after the other.
const fewClasses = 8

// class is the place of a class; -1 when it is not known.
func (s *textSpace) class(told []byte) int {
	if s.places != nil {
		if i, ok := s.places[string(told)]; ok {
			return i
		}
		return -1
	}
	for i := range s.found {
		if s.found[i].told == string(told) {
			return i
		}
	}
	return -1
}

func newTextSpace(require, tell []*element, b *budget) *textSpace {
	s := &textSpace{}
	s.begin(require, tell, b)
	return s
}

// begin is newTextSpace for one that lies elsewhere.
func (s *textSpace) begin(require, tell []*element, b *budget) {
	b.grow(200 + len(tell))
	s.require, s.tell, s.simple, s.budget = require, tell, -1, b
	s.found = s.room[:0]
	if n := (len(tell) + 7) / 8; n <= len(s.keyRoom) {
		s.key = s.keyRoom[:n]
	} else {
		s.key = make([]byte, n)
	}
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

func (s *textSpace) add(text string, vague bool) bool {
	if i := s.class(s.key); i >= 0 {
		if x := &s.found[i]; !vague && !x.more && text != x.value {
			x.second, x.more = text, true
		}
		return false
	}
	s.budget.grow(2*len(s.key) + len(text) + 120)
	s.found = append(s.found, textClass{told: string(s.key), value: text, vague: vague})
	switch n := len(s.found); {
	case s.places != nil:
		s.places[s.found[n-1].told] = n - 1
	case n > fewClasses:
		s.places = make(map[string]int, 4*fewClasses)
		for i := range s.found {
			s.places[s.found[i].told] = i
		}
	}
	return true
}

// holds says whether element tell[i] holds in class c.
func (s *textSpace) holds(c, i int) bool { return s.found[c].told[i/8]&(1<<(i%8)) != 0 }

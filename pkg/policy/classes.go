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
	universe *element       // one of require: what every value is
	lower    bool           // values are without capitals
	seen     map[string]int // a class, as its told elements, to its place in values
	values   []string
	vague    []bool     // the class was not excluded, but no value of it is known
	second   [][]string // another value of the class, when one has been met
	classes  []string
	key      []byte
	leaves   []leaf
	inside   []uint64 // for each class that combinations wants, languages that its members are in
	simple   int      // how many languages are easily asked, -1 before they are counted
	general  int      // and how many are not
	budget   *budget
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

func (s *textSpace) add(text string, vague bool) bool {
	if i, ok := s.seen[string(s.key)]; ok {
		if !vague && len(s.second[i]) == 0 && text != s.values[i] {
			s.second[i] = append(s.second[i], text)
		}
		return false
	}
	s.budget.grow(2*len(s.key) + len(text) + 120)
	class := string(s.key)
	s.seen[class] = len(s.values)
	s.classes = append(s.classes, class)
	s.values = append(s.values, text)
	s.vague = append(s.vague, vague)
	s.second = append(s.second, nil)
	return true
}

// holds says whether element tell[i] holds in class c.
func (s *textSpace) holds(c, i int) bool { return s.classes[c][i/8]&(1<<(i%8)) != 0 }

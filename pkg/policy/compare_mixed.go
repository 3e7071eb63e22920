package policy

import (
	"slices"
	"strconv"
	"strings"
)

// try adds a value when it passes the required tests and no value at hand has the same answers.
func (d *domain) try(c *comparer, require []int32, value string) {
	v := c.words
	if !c.budget.spend((1 + len(require) + len(d.tell)) * (4 + len(d.values))) {
		return
	}
	for _, t := range require {
		if !v.tests[t].holds(value) {
			return
		}
	}
	for _, have := range d.values {
		same := true
		for _, t := range d.tell {
			if v.tests[t].holds(value) != v.tests[t].holds(have) {
				same = false
				break
			}
		}
		if same {
			return
		}
	}
	d.values = append(d.values, value)
}

// maxMixedValues bounds the values that a key which is tested in several ways is tried with.
const maxMixedValues = 400

// mixed finds the values of a key that is tested both as text and as something else. They are all there are when the texts
// are single ones: then each typed class has a spelling that no text names.
func (d *domain) mixed(c *comparer, require []int32, requireElements, tellElements []*element, typed []*condition) {
	literal := true
	var texts, folded []string
	for _, list := range [][]*element{requireElements, tellElements} {
		for _, e := range list {
			for _, l := range e.languages {
				switch {
				case l.single:
					texts = append(texts, l.text)
				case l.empty || l.universal():
				case l.folded && !l.opaque && !slices.ContainsFunc(l.symbols(), func(s symbol) bool { return s.kind != symbolChar && s.kind != symbolFold }):
					texts, folded = append(texts, l.member(0)), append(folded, l.member(0))
				default:
					literal = false
					if !l.opaque {
						texts = append(texts, l.member(0), l.member(1))
					}
				}
			}
		}
	}
	var values []string
	for _, f := range [...]family{familyNumber, familyDate, familyBoolean, familyAddress} {
		if !slices.ContainsFunc(typed, func(k *condition) bool { return k.family() == f }) {
			continue
		}
		classes := newTypedClasses(f, typed, &c.budget)
		if classes == nil {
			literal = false
			continue
		}
		empties, _ := classes.(interface{ empty(class int) bool })
		for class := range classes.size() {
			if len(values) > maxMixedValues {
				literal = false
				break
			}
			if empties == nil || !empties.empty(class) {
				values = append(values, classes.value(class))
			}
		}
	}
	if len(texts) > maxMixedValues {
		texts, literal = texts[:maxMixedValues], false
	}
	for _, text := range texts {
		d.try(c, require, text)
	}
	for _, text := range folded {
		// One text in any case: of more spellings than are listed one stands for the rest.
		spellings, all := recase(text, len(texts)+1)
		for _, spelling := range spellings {
			d.try(c, require, spelling)
		}
		literal = literal && (all || len(spellings) > len(texts))
	}
	for _, value := range values {
		if !slices.Contains(texts, value) {
			d.try(c, require, value)
			continue
		}
		spellings, all := respell(value, len(texts)+1)
		i := slices.IndexFunc(spellings, func(text string) bool { return !slices.Contains(texts, text) })
		if i >= 0 {
			d.try(c, require, spellings[i])
		}
		// A value with no spelling at hand that the texts leave may still have others.
		literal = literal && (i >= 0 || all)
	}
	plain := false
	for _, value := range [...]string{"example", "other", "x0", "Zulu", "9z"} {
		named := func(e *element) bool {
			return anyLanguage(e.languages, func(l *language) bool { return l.matches(value) })
		}
		plain = plain || !slices.ContainsFunc(requireElements, named) && !slices.ContainsFunc(tellElements, named)
		d.try(c, require, value)
	}
	literal = literal && plain
	// A whole number is a moment, too: no class of one family says what it is in the other.
	of := func(f family) bool {
		return slices.ContainsFunc(typed, func(k *condition) bool { return k.family() == f })
	}
	literal = literal && !(of(familyNumber) && of(familyDate))
	d.complete = literal && !c.budget.spent()
	if !d.complete {
		d.complete = d.cross(c, require, requireElements, tellElements, typed)
	}
}

// maxRecased bounds the spellings of one text.
const maxRecased = 64

// recase writes a text in other cases of its letters, in n ways as far as it has them; all says that there are no more.
func recase(text string, n int) (spellings []string, all bool) {
	var letters []int
	for i := range len(text) {
		if c := text[i] | 0x20; 'a' <= c && c <= 'z' {
			letters = append(letters, i)
		}
	}
	count := 1 << min(len(letters), 20)
	for bits := range min(count, n, maxRecased) {
		spelling := []byte(text)
		for k, i := range letters {
			if spelling[i] |= 0x20; bits>>k&1 == 1 {
				spelling[i] -= 'a' - 'A'
			}
		}
		spellings = append(spellings, string(spelling))
	}
	return spellings, len(spellings) == count
}

// respell writes a typed value in at least n other ways that read as the same, as far as it has them; all says that there are no
// more.
func respell(value string, n int) (spellings []string, all bool) {
	if number, ok := parseNumber(value); ok {
		point := ""
		if number.fraction == "" {
			point = "."
		}
		for zeros := 1; zeros <= n; zeros++ {
			spellings = append(spellings, value+point+strings.Repeat("0", zeros))
		}
		return spellings, false
	}
	if _, ok := parseBool(value); ok {
		for bits := range 1 << len(value) {
			text := []byte(value)
			for i := range text {
				if bits>>i&1 == 1 {
					text[i] -= 'a' - 'A'
				}
			}
			spellings = append(spellings, string(text))
		}
		return spellings, true
	}
	if t, ok := parseInstant(value); ok && t.nanoseconds == 0 && strings.HasSuffix(t.text(), "Z") {
		for zeros := 1; zeros <= n; zeros++ {
			spellings = append(spellings, strings.TrimSuffix(t.text(), "Z")+"."+strings.Repeat("0", zeros)+"Z")
		}
		return append(spellings, strconv.FormatInt(t.seconds, 10)), false
	}
	if a, ok := parseAddress(value); ok {
		return []string{a.StringExpanded()}, a.Is4()
	}
	return nil, false
}

package policy

import (
	"slices"
	"strconv"
	"strings"
)

// maxCrossed bounds the classes that are made by crossing those of texts with those of types.
const maxCrossed = 4096

// cross finds the classes of a key that is tested both with patterns and as something else. Every class of the texts is crossed with
// every class of each type, and with being of no type. Of some of these values are found. The others may have none: they are vague, and
// prove that nothing differs, never that something does. It says whether the classes are all there are.
func (d *domain) cross(c *comparer, require []int32, requireElements, tellElements []*element, typed []*condition) bool {
	if slices.ContainsFunc(requireElements, (*element).opaque) || slices.ContainsFunc(tellElements, (*element).opaque) {
		return false
	}
	space := newTextSpace(requireElements, tellElements, &c.budget)
	space.guess(nil)
	space.guessMore()
	if !space.complete() {
		return false
	}
	types, ok := d.typesOf(c, require, typed)
	if !ok {
		return false
	}
	for _, e := range slices.Concat(requireElements, tellElements) {
		for _, l := range e.languages {
			d.tryLike(c, require, l)
		}
	}
	v := c.words
	known := map[string]bool{}
	key := func(passes []bool) string {
		var b strings.Builder
		for _, p := range passes {
			b.WriteByte('0' + byte(truthOf(p)))
		}
		return b.String()
	}
	passes := make([]bool, len(d.tell))
	for _, value := range d.values {
		for k, t := range d.tell {
			passes[k] = v.tests[t].holds(value)
		}
		known[key(passes)] = true
	}
	for at := range space.found {
		if space.listed(at) {
			continue // its members have been tried one by one
		}
		for _, one := range types {
			if !c.budget.spend(4 * (1 + len(d.tell))) {
				return false
			}
			if slices.ContainsFunc(one.families, func(f family) bool { return !space.writes(at, f) }) {
				continue
			}
			told := 0
			for k, t := range d.tell {
				switch test := &v.tests[t]; {
				case test.element != nil:
					passes[k] = space.holds(at, told)
					told++
				case test.condition != nil:
					passes[k] = one.matches[test.condition] != test.condition.negated
				default:
					passes[k] = test.constant == yes
				}
			}
			if text := key(passes); !known[text] {
				known[text] = true
				if d.crossed = append(d.crossed, slices.Clone(passes)); len(d.crossed) > maxCrossed {
					d.crossed = nil
					return false
				}
			}
		}
	}
	return true
}

// listed says whether the members of a class are among the texts that some element lists.
func (s *textSpace) listed(class int) bool {
	list := func(e *element) bool {
		return !e.negated && allLanguages(e.languages, func(l *language) bool { return l.single })
	}
	if slices.ContainsFunc(s.require, list) {
		return true
	}
	for i, e := range s.tell {
		if list(e) && s.holds(class, i) {
			return true
		}
	}
	return false
}

// crossedType is what a value can be beside a text: a class of one type, of two where a whole number is a moment, or of none.
type crossedType struct {
	families []family
	matches  map[*condition]bool // negation aside
}

// typesOf lists what a value can be, and tries values of each. What the required tests refuse is left out.
func (d *domain) typesOf(c *comparer, require []int32, typed []*condition) ([]crossedType, bool) {
	out := []crossedType{{}}
	for _, f := range [...]family{familyNumber, familyDate, familyAddress, familyBoolean} {
		if !slices.ContainsFunc(typed, func(k *condition) bool { return k.family() == f }) {
			continue
		}
		classes := newTypedClasses(f, typed, &c.budget)
		if classes == nil {
			return nil, false
		}
		n := classes.size()
		masks := map[*condition][]uint64{}
		for _, k := range typed {
			if k.family() == f {
				masks[k] = make([]uint64, (n+63)/64)
				classes.pass(k, masks[k])
			}
		}
		empties, _ := classes.(interface{ empty(class int) bool })
		for class := range n {
			if empties != nil && empties.empty(class) {
				continue
			}
			value := classes.value(class)
			spellings, all := respell(value, 3)
			for _, text := range append(spellings, value) {
				d.try(c, require, text)
			}
			if all && f == familyBoolean {
				continue // every spelling has been tried
			}
			one := crossedType{[]family{f}, map[*condition]bool{}}
			for k, mask := range masks {
				one.matches[k] = hasBit(mask, class)
			}
			if out = append(out, one); len(out) > maxCrossed || !c.budget.spend(10*(1+len(typed))) {
				return nil, false
			}
		}
	}
	out = append(out, d.moments(c, require, typed)...)
	return slices.DeleteFunc(out, func(one crossedType) bool {
		return slices.ContainsFunc(require, func(t int32) bool {
			k := c.words.tests[t].condition
			return k != nil && one.matches[k] == k.negated
		})
	}), true
}

// moments lists what whole numbers are that are seconds since 1970 as well: at and beside every point that a number or a date is compared
// with. Any other is between the same points as one of them.
func (d *domain) moments(c *comparer, require []int32, typed []*condition) []crossedType {
	of := func(f family) bool {
		return slices.ContainsFunc(typed, func(k *condition) bool { return k.family() == f })
	}
	if !of(familyNumber) || !of(familyDate) {
		return nil
	}
	seconds := []int64{0}
	for _, k := range typed {
		for i := range k.operands {
			switch o := &k.operands[i]; {
			case o.invalid:
			case k.family() == familyDate:
				seconds = append(seconds, o.instant.seconds-1, o.instant.seconds, o.instant.seconds+1)
			case k.family() == familyNumber:
				if whole := floor(o.number.rat()); whole.IsInt64() {
					seconds = append(seconds, whole.Int64()-1, whole.Int64(), whole.Int64()+1)
				}
			}
		}
	}
	slices.Sort(seconds)
	var out []crossedType
	for _, n := range slices.Compact(seconds) {
		if n < 0 || !c.budget.spend(20*(1+len(typed))) {
			continue
		}
		text := strconv.FormatInt(n, 10)
		d.try(c, require, text)
		one := crossedType{[]family{familyNumber, familyDate}, map[*condition]bool{}}
		for _, k := range typed {
			one.matches[k] = k.matchAny(text, &Request{}) == yes
		}
		out = append(out, one)
	}
	return out
}

// writes says whether a value of a type can be in a class of texts, as far as the characters tell which all members have.
func (s *textSpace) writes(class int, f family) bool {
	var letters string
	switch f {
	case familyNumber:
		letters = "0123456789+-.eE"
	case familyDate:
		letters = "0123456789+-.:TtZz"
	case familyAddress:
		letters = "0123456789abcdefABCDEF.:"
	case familyNone, familyText, familyARN, familyBoolean, familyMixed:
		return true
	}
	can := func(e *element) bool {
		return e.negated || anyLanguage(e.languages, func(l *language) bool {
			return !slices.ContainsFunc(l.symbols(), func(x symbol) bool {
				return (x.kind == symbolChar || x.kind == symbolFold) && !strings.ContainsRune(letters, x.char)
			})
		})
	}
	for _, e := range s.require {
		if !can(e) {
			return false
		}
	}
	for i, e := range s.tell {
		if s.holds(class, i) && !can(e) {
			return false
		}
	}
	return true
}

// tryLike tries members of a pattern that may be a number, a date or an address.
func (d *domain) tryLike(c *comparer, require []int32, l *language) {
	if l.empty || l.single || l.opaque {
		return
	}
	for _, run := range [...]string{"", "0", "1", "5", "9", "00", "000000000", ".5", "0.0.1", "0.0", "2001-01-01T00:00:00Z", "-01-01T00:00:00Z", "01-01T00:00:00Z", "::1", "1::"} {
		for _, single := range [...]string{"0", "1", "9"} {
			var b strings.Builder
			ones := 0
			for _, s := range l.symbols() {
				switch s.kind {
				case symbolChar, symbolFold:
					b.WriteRune(s.char)
				case symbolAny, symbolAnyInSegment:
					b.WriteString(single)
					ones++
				case symbolStar, symbolStarInSegment:
					b.WriteString(run)
				case symbolVariable:
				}
			}
			d.try(c, require, b.String())
			if ones == 0 {
				break
			}
		}
	}
}

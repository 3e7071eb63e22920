package policy

import (
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// family is the type of values that a condition key is tested as.
type family uint8

const (
	familyNone    family = iota // only its presence is asked
	familyText                  // any text
	familyARN                   // text with the six components of an ARN: only Arn operators ask
	familyNumber                // a decimal number
	familyDate                  // a moment
	familyBoolean               // true or false
	familyAddress               // an IPv4 or IPv6 address
	familyMixed                 // text and something else
)

// familyOf is the family that an operator's values have. A Bool with a policy variable compares text.
func familyOf(c comparison, values []string, version Version) family {
	switch c {
	case numericEquals, numericLessThan, numericLessThanEquals, numericGreaterThan, numericGreaterThanEquals:
		return familyNumber
	case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals:
		return familyDate
	case boolEquals:
		variable := func(text string) bool {
			if !strings.Contains(text, "${") {
				return false
			}
			p := newPattern(text, ruleText, false, true, true)
			return p.variable
		}
		if version == Version2012 && slices.ContainsFunc(values, variable) {
			return familyText
		}
		return familyBoolean
	case ipAddress:
		return familyAddress
	case arnLike:
		return familyARN
	case nullCheck:
		return familyNone
	case stringEquals, stringEqualsIgnoreCase, stringLike, binaryEquals:
	}
	return familyText
}

// family is the family of a condition that does not compare text.
func (c *condition) family() family { return familyOf(c.comparison, nil, "") }

// join is the family of a key that is tested as both.
func (f family) join(g family) family {
	switch {
	case f == g || g == familyNone:
		return f
	case f == familyNone:
		return g
	case (f == familyText || f == familyARN) && (g == familyText || g == familyARN):
		return familyText
	}
	return familyMixed
}

// typedClasses are the classes of numbers, dates, addresses or Booleans that some conditions can tell apart.
type typedClasses interface {
	// size is how many there are.
	size() int
	// value writes a value of a class.
	value(class int) string
	// pass adds to mask the classes whose values match a value of the condition, negation aside.
	pass(k *condition, mask []uint64)
}

// newTypedClasses finds the classes of a family; nil when the budget ends first.
func newTypedClasses(f family, tests []*condition, b *budget) typedClasses {
	mine := make([]*condition, 0, len(tests))
	operands := 1
	for _, k := range tests {
		if k.family() == f {
			mine = append(mine, k)
			operands += len(k.operands)
		}
	}
	if !b.spend(16 * operands) {
		return nil
	}
	switch f {
	case familyNumber:
		return newNumberClasses(mine, b)
	case familyDate:
		return newDateClasses(mine, b)
	case familyAddress:
		return newAddressClasses(mine, b)
	case familyBoolean:
		return booleanClasses{}
	case familyNone, familyText, familyARN, familyMixed:
	}
	return nil
}

// typedValue is some value of a family.
func typedValue(f family) string {
	if c := newTypedClasses(f, nil, &budget{left: 1000}); c != nil {
		return c.value(c.size() - 1)
	}
	return "example"
}

// booleanClasses are false and true.
type booleanClasses struct{}

func (booleanClasses) size() int { return 2 }

func (booleanClasses) value(class int) string { return strconv.FormatBool(class == 1) }

func (booleanClasses) pass(k *condition, mask []uint64) {
	for i := range k.operands {
		if o := &k.operands[i]; !o.invalid && o.boolean {
			setBit(mask, 1)
		} else if !o.invalid {
			setBit(mask, 0)
		}
	}
}

// orderedClasses are the points that ordered values are compared with and the gaps below, between and above them: class 2i+1
// is point i, class 2i the gap below it. A gap may be empty.
type orderedClasses[T any] struct {
	points  []T
	compare func(a, b T) int
	of      func(o *operand) T
	write   func(v T) string
	between func(below, above *T) (T, bool) // a value in a gap; nil is no bound
	some    string                          // a value when there is no point
}

func newOrderedClasses[T any](c *orderedClasses[T], tests []*condition, b *budget) *orderedClasses[T] {
	for _, k := range tests {
		for i := range k.operands {
			if o := &k.operands[i]; !o.invalid {
				c.points = append(c.points, c.of(o))
			}
		}
	}
	if n := len(c.points); !b.spend(n * 40) {
		return nil
	}
	slices.SortFunc(c.points, c.compare)
	c.points = slices.CompactFunc(c.points, func(a, b T) bool { return c.compare(a, b) == 0 })
	return c
}

func (c *orderedClasses[T]) size() int { return 2*len(c.points) + 1 }

func (c *orderedClasses[T]) value(class int) string {
	if len(c.points) == 0 {
		return c.some
	}
	if class%2 == 1 {
		return c.write(c.points[class/2])
	}
	var below, above *T
	if class > 0 {
		below = &c.points[class/2-1]
	}
	if class/2 < len(c.points) {
		above = &c.points[class/2]
	}
	v, _ := c.between(below, above)
	return c.write(v)
}

// empty says whether a class has no value.
func (c *orderedClasses[T]) empty(class int) bool {
	if class%2 == 1 || len(c.points) == 0 {
		return false
	}
	var below, above *T
	if class > 0 {
		below = &c.points[class/2-1]
	}
	if class/2 < len(c.points) {
		above = &c.points[class/2]
	}
	_, ok := c.between(below, above)
	return !ok
}

func (c *orderedClasses[T]) pass(k *condition, mask []uint64) {
	n := c.size()
	for i := range k.operands {
		o := &k.operands[i]
		if o.invalid {
			continue
		}
		p, _ := slices.BinarySearchFunc(c.points, c.of(o), c.compare)
		at := 2*p + 1
		if k.comparison.holds(-1) {
			setBits(mask, 0, at)
		}
		if k.comparison.holds(0) {
			setBit(mask, at)
		}
		if k.comparison.holds(1) {
			setBits(mask, at+1, n)
		}
	}
}

// setBits sets the members from low up to, not including, high.
func setBits(set []uint64, low, high int) {
	for ; low < high && low%64 != 0; low++ {
		setBit(set, low)
	}
	for ; low+64 <= high; low += 64 {
		set[low/64] = ^uint64(0)
	}
	for ; low < high; low++ {
		setBit(set, low)
	}
}

func newNumberClasses(tests []*condition, b *budget) typedClasses {
	if c := newOrderedClasses(&orderedClasses[number]{
		compare: number.compare,
		of:      func(o *operand) number { return o.number },
		write:   number.text,
		between: numberBetween,
		some:    "1",
	}, tests, b); c != nil {
		return c
	}
	return nil
}

// numberBetween is a number above one and below another, a whole one if it can be.
func numberBetween(below, above *number) (number, bool) {
	one := big.NewRat(1, 1)
	var out *big.Rat
	switch {
	case below == nil:
		out = new(big.Rat).SetInt(floor(above.rat()))
		if out.Cmp(above.rat()) == 0 {
			out.Sub(out, one)
		}
	case above == nil:
		out = new(big.Rat).SetInt(floor(below.rat()))
		out.Add(out, one)
	default:
		low, high := below.rat(), above.rat()
		out = new(big.Rat).SetInt(floor(low))
		if out.Add(out, one); out.Cmp(high) >= 0 {
			out.Add(low, high)
			out.Quo(out, big.NewRat(2, 1))
		}
	}
	digits, _ := out.FloatPrec()
	n, ok := parseNumber(out.FloatString(digits))
	return n, ok
}

func floor(r *big.Rat) *big.Int {
	return new(big.Int).Div(r.Num(), r.Denom())
}

// rat is the number as a fraction.
func (n number) rat() *big.Rat {
	r, ok := new(big.Rat).SetString(n.text())
	if !ok {
		return new(big.Rat)
	}
	return r
}

// text writes the number without an exponent.
func (n number) text() string {
	text := n.whole
	if text == "" {
		text = "0"
	}
	if n.fraction != "" {
		text += "." + n.fraction
	}
	if n.negative {
		text = "-" + text
	}
	return text
}

func newDateClasses(tests []*condition, b *budget) typedClasses {
	if c := newOrderedClasses(&orderedClasses[instant]{
		compare: instant.compare,
		of:      func(o *operand) instant { return o.instant },
		write:   instant.text,
		between: instantBetween,
		some:    "2024-01-01T00:00:00Z",
	}, tests, b); c != nil {
		return c
	}
	return nil
}

// instantBetween is a moment after one and before another: a day apart where there is room, a nanosecond where there is not.
func instantBetween(below, above *instant) (instant, bool) {
	const day = 24 * 60 * 60
	switch {
	case below == nil:
		out := instant{seconds: above.seconds - day}
		return out, out.compare(*above) < 0
	case above == nil:
		out := instant{seconds: below.seconds + day}
		return out, out.compare(*below) > 0
	}
	for _, out := range [...]instant{
		{below.seconds + day, 0},
		{below.seconds + 1, 0},
		{below.seconds, below.nanoseconds + (1_000_000_000-below.nanoseconds)/2},
		{below.seconds, below.nanoseconds + (above.nanoseconds-below.nanoseconds)/2},
		{above.seconds, above.nanoseconds / 2},
	} {
		if out.nanoseconds >= 0 && out.nanoseconds < 1_000_000_000 && below.compare(out) < 0 && out.compare(*above) < 0 {
			return out, true
		}
	}
	return instant{}, false
}

// text writes the moment in ISO 8601 when the year has four digits, else as seconds since 1970.
func (t instant) text() string {
	when := time.Unix(t.seconds, int64(t.nanoseconds)).UTC()
	if y := when.Year(); y < 0 || y > 9999 || t.seconds > 1<<40 || t.seconds < -1<<40 {
		return strconv.FormatInt(t.seconds, 10)
	}
	return when.Format("2006-01-02T15:04:05.999999999Z07:00")
}

// addressClasses are the ranges that addresses are tested for, all of IPv4 and all of IPv6 among them, each without the ranges
// inside it. Ranges lie within each other or apart, so they are a forest.
type addressClasses struct {
	ranges []netip.Prefix // an outer range before what is inside it
	after  []int          // where what is inside ends
	free   []netip.Addr   // an address of the class; the zero value when there is none
}

func newAddressClasses(tests []*condition, b *budget) typedClasses {
	c := &addressClasses{ranges: []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}}
	for _, k := range tests {
		for i := range k.operands {
			if o := &k.operands[i]; !o.invalid {
				c.ranges = append(c.ranges, o.network)
			}
		}
	}
	if !b.spend(len(c.ranges) * 60) {
		return nil
	}
	slices.SortFunc(c.ranges, compareRanges)
	c.ranges = slices.Compact(c.ranges)
	c.after = make([]int, len(c.ranges))
	c.free = make([]netip.Addr, len(c.ranges))
	var open []int
	for i, r := range c.ranges {
		for len(open) > 0 && !c.ranges[open[len(open)-1]].Contains(r.Addr()) {
			c.after[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
		open = append(open, i)
	}
	for _, i := range open {
		c.after[i] = len(c.ranges)
	}
	for i, r := range c.ranges {
		var inner []netip.Prefix
		for j := i + 1; j < c.after[i]; j = c.after[j] {
			inner = append(inner, c.ranges[j])
		}
		if !b.spend(10 + 4*len(inner)) {
			return nil
		}
		for _, readable := range [...]string{"192.0.2.1", "198.51.100.7", "2001:db8::1"} {
			a := netip.MustParseAddr(readable)
			if r.Bits() == 0 && r.Contains(a) && !slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(a) }) {
				c.free[i] = a
				break
			}
		}
		if !c.free[i].IsValid() {
			c.free[i], _ = freeAddress(r, inner, b)
		}
	}
	return c
}

// compareRanges puts IPv4 first, then sorts by address, an outer range before an inner one.
func compareRanges(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func (c *addressClasses) size() int { return len(c.ranges) }

func (c *addressClasses) value(class int) string { return c.free[class].String() }

func (c *addressClasses) empty(class int) bool { return !c.free[class].IsValid() }

func (c *addressClasses) pass(k *condition, mask []uint64) {
	for i := range k.operands {
		if o := &k.operands[i]; !o.invalid {
			at, _ := slices.BinarySearchFunc(c.ranges, o.network, compareRanges)
			setBits(mask, at, c.after[at])
		}
	}
}

// freeAddress finds an address of r outside of all inner ranges, which lie apart from each other.
func freeAddress(r netip.Prefix, inner []netip.Prefix, b *budget) (netip.Addr, bool) {
	if len(inner) == 0 {
		if next := r.Addr().Next(); r.Contains(next) {
			return next, true // the address after the network's own reads like a host
		}
		return r.Addr(), true
	}
	if inner[0] == r || r.Bits() == r.Addr().BitLen() || !b.spend(4+len(inner)) {
		return netip.Addr{}, false
	}
	for half := range 2 {
		h := halfOf(r, half)
		within := make([]netip.Prefix, 0, len(inner))
		for _, p := range inner {
			if h.Contains(p.Addr()) {
				within = append(within, p)
			}
		}
		if a, ok := freeAddress(h, within, b); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// halfOf is the lower or upper half of a range.
func halfOf(r netip.Prefix, half int) netip.Prefix {
	bytes := r.Addr().AsSlice()
	if half == 1 {
		bytes[r.Bits()/8] |= 1 << (7 - r.Bits()%8)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(a, r.Bits()+1)
}

package policy

import (
	"math/big"
	"slices"
	"strconv"
	"time"
)

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

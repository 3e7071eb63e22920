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
		if version == Version2012 && slices.ContainsFunc(values, func(s string) bool { return strings.Contains(s, "${") }) {
			return familyText
		}
		return familyBoolean
	case ipAddress:
		return familyAddress
	case arnLike:
		return familyARN
	case nullCheck:
		return familyNone
	}
	return familyText
}

// family is the family of a condition that does not compare text.
func (k *condition) family() family { return familyOf(k.comparison, nil, "") }

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

// typedValues lists one value for every class of numbers, dates, addresses or Booleans that the tests can tell apart, and at
// least one of the key's own family.
func typedValues(own family, tests []*condition) []string {
	var out []string
	for _, f := range [...]family{familyNumber, familyDate, familyBoolean, familyAddress} {
		mine := slices.DeleteFunc(slices.Clone(tests), func(k *condition) bool { return k.family() != f })
		if len(mine) == 0 && f != own {
			continue
		}
		switch f {
		case familyNumber:
			out = append(out, numberValues(mine)...)
		case familyDate:
			out = append(out, dateValues(mine)...)
		case familyBoolean:
			out = append(out, "true", "false")
		case familyAddress:
			out = append(out, addressValues(mine)...)
		}
	}
	return out
}

// numberValues: every number that is compared with, one between each two, one below and one above all.
func numberValues(tests []*condition) []string {
	var points []*big.Rat
	for _, k := range tests {
		for i := range k.operands {
			if o := &k.operands[i]; !o.invalid {
				points = append(points, o.number.rat())
			}
		}
	}
	slices.SortFunc(points, (*big.Rat).Cmp)
	points = slices.CompactFunc(points, func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })
	if len(points) == 0 {
		return []string{"1"}
	}
	one := big.NewRat(1, 1)
	var out []*big.Rat
	for i, p := range points {
		out = append(out, p)
		if i+1 == len(points) {
			continue
		}
		next := points[i+1]
		// A whole number reads best.
		whole := new(big.Rat).SetInt(floor(p))
		whole.Add(whole, one)
		if whole.Cmp(next) < 0 {
			out = append(out, whole)
			continue
		}
		middle := new(big.Rat).Add(p, next)
		out = append(out, middle.Quo(middle, big.NewRat(2, 1)))
	}
	below := new(big.Rat).SetInt(floor(points[0]))
	if below.Cmp(points[0]) == 0 {
		below.Sub(below, one)
	}
	above := new(big.Rat).SetInt(floor(points[len(points)-1]))
	out = append(out, below, above.Add(above, one))
	texts := make([]string, len(out))
	for i, r := range out {
		texts[i] = decimal(r)
	}
	return texts
}

func floor(r *big.Rat) *big.Int {
	return new(big.Int).Div(r.Num(), r.Denom())
}

// rat is the number as a fraction.
func (n number) rat() *big.Rat {
	text := n.whole
	if text == "" {
		text = "0"
	}
	if n.fraction != "" {
		text += "." + n.fraction
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return new(big.Rat)
	}
	if n.negative {
		r.Neg(r)
	}
	return r
}

// decimal writes a fraction whose denominator is a product of twos and fives.
func decimal(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return r.FloatString(digits)
}

// dateValues is numberValues for moments.
func dateValues(tests []*condition) []string {
	var points []instant
	for _, k := range tests {
		for i := range k.operands {
			if o := &k.operands[i]; !o.invalid {
				points = append(points, o.instant)
			}
		}
	}
	slices.SortFunc(points, instant.compare)
	points = slices.Compact(points)
	if len(points) == 0 {
		return []string{"2024-01-01T00:00:00Z"}
	}
	const day = 24 * 60 * 60
	var out []string
	for i, p := range points {
		out = append(out, p.text())
		if i+1 == len(points) {
			continue
		}
		next := points[i+1]
		middle := instant{seconds: p.seconds + 1}
		switch {
		case middle.compare(next) < 0:
			if gap := next.seconds - p.seconds; gap > 2*day || gap < 0 {
				middle.seconds = p.seconds + day
			}
		case p.seconds == next.seconds:
			middle = instant{p.seconds, p.nanoseconds + (next.nanoseconds-p.nanoseconds)/2}
		default:
			middle = instant{p.seconds, p.nanoseconds + (1_000_000_000-p.nanoseconds)/2}
			if middle.nanoseconds >= 1_000_000_000 {
				middle = instant{seconds: p.seconds + 1}
			}
		}
		if p.compare(middle) < 0 && middle.compare(next) < 0 {
			out = append(out, middle.text())
		}
	}
	first, last := points[0], points[len(points)-1]
	if below := (instant{seconds: first.seconds - day}); below.seconds < first.seconds {
		out = append(out, below.text())
	}
	if above := (instant{seconds: last.seconds + day}); above.seconds > last.seconds {
		out = append(out, above.text())
	}
	return out
}

// text writes the moment in ISO 8601 when the year has four digits, else as seconds since 1970.
func (t instant) text() string {
	when := time.Unix(t.seconds, int64(t.nanoseconds)).UTC()
	if y := when.Year(); y < 0 || y > 9999 || t.seconds > 1<<40 || t.seconds < -1<<40 {
		return strconv.FormatInt(t.seconds, 10)
	}
	return when.Format("2006-01-02T15:04:05.999999999Z07:00")
}

// addressValues: for every range an address that no smaller range holds, where there is one.
func addressValues(tests []*condition) []string {
	var ranges []netip.Prefix
	for _, k := range tests {
		for i := range k.operands {
			if o := &k.operands[i]; !o.invalid {
				ranges = append(ranges, o.network)
			}
		}
	}
	ranges = append(ranges, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))
	slices.SortFunc(ranges, netip.Prefix.Compare)
	ranges = slices.Compact(ranges)
	var out []string
	for _, r := range ranges {
		inner := slices.DeleteFunc(slices.Clone(ranges), func(p netip.Prefix) bool {
			return p.Bits() <= r.Bits() || !r.Contains(p.Addr())
		})
		for _, readable := range [...]string{"192.0.2.1", "198.51.100.7", "2001:db8::1"} {
			if a := netip.MustParseAddr(readable); r.Contains(a) && !slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(a) }) {
				out = append(out, readable)
			}
		}
		if a, ok := freeAddress(r, inner); ok {
			out = append(out, a.String())
		}
	}
	return out
}

// freeAddress finds an address of r outside of all inner ranges.
func freeAddress(r netip.Prefix, inner []netip.Prefix) (netip.Addr, bool) {
	if len(inner) == 0 {
		if next := r.Addr().Next(); r.Contains(next) {
			return next, true // the address after the network's own reads like a host
		}
		return r.Addr(), true
	}
	if slices.Contains(inner, r) || r.Bits() == r.Addr().BitLen() {
		return netip.Addr{}, false
	}
	for half := range 2 {
		h := halfOf(r, half)
		within := slices.DeleteFunc(slices.Clone(inner), func(p netip.Prefix) bool { return !h.Contains(p.Addr()) })
		if a, ok := freeAddress(h, within); ok {
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

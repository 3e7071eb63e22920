package policy

import (
	"net/netip"
	"slices"
)

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

package policy

import (
	"math/bits"
	"slices"
)

// tallied sorts the bits that may match a request by what they do.
type tallied struct {
	denies, identity, boundary []int32
	direct, named, delegating  []int32 // Allow of the resource documents, by how the caller is named
}

// tally sorts the bits of a group for a caller.
func (c *comparer) tally(present []int32, caller *callerClass) [2]tallied {
	var out [2]tallied
	add := func(list *[]int32, n int32) {
		if *list == nil {
			*list = c.numbers.take(4)[:0]
		}
		*list = append(*list, n)
	}
	for _, n := range present {
		b := &c.words.bits[n]
		named := caller.reaches[b.principal]
		if b.principal == 0 {
			named = reachDirect
		} else if c.words.principals[b.principal].notPrincipal && b.role.deny && c.bounded(sideOf(b.role)) {
			named = reachDirect
		}
		if named == reachNone {
			continue
		}
		t := &out[sideOf(b.role)]
		switch {
		case b.role.deny:
			add(&t.denies, n)
		case b.role.side == identitySide:
			add(&t.identity, n)
		case b.role.side == boundarySide:
			add(&t.boundary, n)
		case named == reachDirect:
			add(&t.direct, n)
		case named == reachRole:
			add(&t.named, n)
		default:
			add(&t.delegating, n)
		}
	}
	return out
}

// bounded says whether callers have a boundary on that side.
func (c *comparer) bounded(at int) bool {
	return c.limited[at] && c.relations[at] != ResourceOnly
}

// grant is one way to be allowed: all of bits match. credit are those that a person would name.
type grant struct {
	bits   []int32
	credit []int32
}

// grants lists the ways in which a side allows, as Compiled.combine has them. The list holds until the next one is asked for.
func (c *comparer) grants(at int, t *tallied) []grant {
	relation, bounded := c.relations[at], c.bounded(at)
	out := c.ways[:0]
	defer func() { c.ways = out[:0] }()
	within := func(bits, credit []int32) {
		if !bounded {
			out = append(out, grant{bits, credit})
			return
		}
		for _, b := range t.boundary {
			out = append(out, grant{append(slices.Clone(bits), b), credit})
		}
	}
	alone := func(list []int32) {
		for i := range list {
			out = append(out, grant{list[i : i+1 : i+1], list[i : i+1 : i+1]})
		}
	}
	switch relation {
	case CrossAccount:
		for _, list := range [][]int32{t.direct, t.named, t.delegating} {
			for _, r := range list {
				for _, i := range t.identity {
					within([]int32{i, r}, []int32{i, r})
				}
			}
		}
	case ResourceOnly:
		alone(t.direct)
		alone(t.named)
		alone(t.delegating)
	case Delegated:
		alone(t.direct)
		for i := range t.named {
			within(t.named[i:i+1:i+1], t.named[i:i+1:i+1])
		}
		for _, i := range t.identity {
			for _, d := range t.delegating {
				within([]int32{i, d}, []int32{i, d})
			}
		}
	default:
		for i := range t.identity {
			within(t.identity[i:i+1:i+1], t.identity[i:i+1:i+1])
		}
		alone(t.direct)
		for i := range t.named {
			within(t.named[i:i+1:i+1], t.named[i:i+1:i+1])
		}
	}
	return out
}

// refusals lists the ways in which a side does not allow, apart from an explicit Deny: in each, none of the bits match.
func (c *comparer) refusals(out [][]int32, at int, t *tallied) [][]int32 {
	relation, bounded := c.relations[at], c.bounded(at)
	none := func(lists ...[]int32) {
		lists = slices.DeleteFunc(lists, func(list []int32) bool { return len(list) == 0 })
		if len(lists) == 1 {
			out = append(out, lists[0])
			return
		}
		out = append(out, slices.Concat(lists...))
	}
	switch relation {
	case CrossAccount:
		none(t.identity)
		none(t.direct, t.named, t.delegating)
		if bounded {
			none(t.boundary)
		}
	case ResourceOnly:
		none(t.direct, t.named, t.delegating)
	case Delegated:
		none(t.direct, t.named, t.identity)
		none(t.direct, t.named, t.delegating)
		if bounded {
			none(t.direct, t.boundary)
		}
	default:
		none(t.identity, t.direct, t.named)
		if bounded {
			none(t.boundary, t.direct)
		}
	}
	return out
}

// present lists the bits of a group's statements. The list holds until the next one is asked for.
func (c *comparer) present(group *actionGroup) []int32 {
	out := c.scratch.present[:0]
	eachBit(group.statements, func(i int) {
		if b := c.bit(i); b >= 0 && !slices.Contains(out, b) {
			out = append(out, b)
		}
	})
	slices.Sort(out)
	c.scratch.present = out
	return out
}

// eachBit calls f with every member of a set.
func eachBit(set []uint64, f func(i int)) {
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// symmetric says that both sides ask the same of a caller, whatever the request.
func (c *comparer) symmetric(t *[2]tallied) bool {
	if c.relations[0] != c.relations[1] || c.bounded(0) != c.bounded(1) {
		return false
	}
	x, y := &t[expectedSide], &t[actualSide]
	for _, lists := range [...][2][]int32{{x.denies, y.denies}, {x.identity, y.identity}, {x.boundary, y.boundary}, {x.direct, y.direct}, {x.named, y.named}, {x.delegating, y.delegating}} {
		if !c.words.sameMeaning(lists[0], lists[1]) {
			return false
		}
	}
	return true
}

// sameMeaning says that two lists of bits ask the same, each in its place.
func (v *vocabulary) sameMeaning(a, b []int32) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	var rooms [2][16]int32
	lists := [2][]int32{v.requirements(rooms[0][:0], a), v.requirements(rooms[1][:0], b)}
	return slices.Equal(lists[0], lists[1])
}

// requirements lists the distinct requirements of bits, sorted.
func (v *vocabulary) requirements(out, bits []int32) []int32 {
	for _, b := range bits {
		out = append(out, v.bits[b].requirement)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

package policy

import (
	"hash/maphash"
	"math/bits"
)

// hashSeed differs from run to run, so that nobody writes policies whose texts collide. Nothing else depends on it.
var hashSeed = maphash.String(maphash.MakeSeed(), "policy")

// mixHash spreads every bit over all of them: the product with an odd number, its halves folded.
func mixHash(h uint64) uint64 {
	high, low := bits.Mul64(h, 0x9e3779b97f4a7c15)
	return high ^ low ^ hashSeed
}

// endHash takes in the last bytes of a text, fewer than eight, and its length.
func endHash[T string | []byte](h uint64, rest T, length int) uint32 {
	word := uint64(length) << 56
	for i := range len(rest) {
		word ^= uint64(rest[i]) << (8 * i)
	}
	h = mixHash(h ^ word)
	return uint32(h ^ h>>32)
}

func hashText[T string | []byte](text T) uint32 {
	h, rest := hashSeed, text
	for ; len(rest) >= 8; rest = rest[8:] {
		h = mixHash(h ^ (uint64(rest[0]) | uint64(rest[1])<<8 | uint64(rest[2])<<16 | uint64(rest[3])<<24 |
			uint64(rest[4])<<32 | uint64(rest[5])<<40 | uint64(rest[6])<<48 | uint64(rest[7])<<56))
	}
	return endHash(h, rest, len(text))
}

// interner numbers texts. It does what a map does, without an allocation for each text.
type interner struct {
	arena   []byte
	entries []internEntry
	table   []int32 // open addressing over entries: place + 1; the length is a power of two
}

type internEntry struct {
	hash       uint32
	start, end int32 // in arena
	number     int32
}

// number finds the number of a text, or gives it n.
func (x *interner) number(key []byte, n int32) (int32, bool) {
	if 2*(len(x.entries)+1) > len(x.table) {
		x.grow()
	}
	hash := hashText(key)
	mask := uint32(len(x.table) - 1)
	at := hash & mask
	for ; x.table[at] != 0; at = (at + 1) & mask {
		if e := &x.entries[x.table[at]-1]; e.hash == hash && string(x.arena[e.start:e.end]) == string(key) {
			return e.number, true
		}
	}
	start := int32(len(x.arena))
	x.arena = append(x.arena, key...)
	x.entries = append(x.entries, internEntry{hash, start, int32(len(x.arena)), n})
	x.table[at] = int32(len(x.entries))
	return n, false
}

// find finds the number of a text; -1 when it has none.
func (x *interner) find(text string) int32 {
	if len(x.table) == 0 {
		return -1
	}
	hash := hashText(text)
	mask := uint32(len(x.table) - 1)
	for at := hash & mask; x.table[at] != 0; at = (at + 1) & mask {
		if e := &x.entries[x.table[at]-1]; e.hash == hash && string(x.arena[e.start:e.end]) == text {
			return e.number
		}
	}
	return -1
}

func (x *interner) grow() {
	x.table = make([]int32, max(64, 2*len(x.table)))
	mask := uint32(len(x.table) - 1)
	for i := range x.entries {
		at := x.entries[i].hash & mask
		for x.table[at] != 0 {
			at = (at + 1) & mask
		}
		x.table[at] = int32(i + 1)
	}
}

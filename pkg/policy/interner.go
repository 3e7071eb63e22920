package policy

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
	hash := hashStart
	for _, c := range key {
		hash = (hash ^ uint32(c)) * hashPrime
	}
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
	hash := hashStart
	for i := 0; i < len(text); i++ {
		hash = (hash ^ uint32(text[i])) * hashPrime
	}
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

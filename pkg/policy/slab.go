package policy

// slab gives out small slices from few allocations. What it gives out stays valid until the slab is emptied.
type slab[T any] struct {
	free  []T
	chunk []T // what free is the end of
	full  int // the room of the chunks before
	next  int // the size of the next chunk
}

// Sizes of chunks.
const (
	firstChunk = 8
	wideChunk  = 256     // chunks that follow one another grow up to here
	keptChunk  = 1 << 13 // an emptied slab keeps no more than this
	keptList   = 1 << 18 // nor an emptied list
)

// take is room for n.
func (s *slab[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	if len(s.free) < n {
		s.full += len(s.chunk)
		s.chunk = make([]T, max(n, s.next, firstChunk))
		s.free = s.chunk
		s.next = min(2*len(s.chunk), wideChunk)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// slabMark is a place in a slab.
type slabMark struct{ full, used int }

func (s *slab[T]) mark() slabMark { return slabMark{s.full, len(s.chunk) - len(s.free)} }

// back takes back what was given out since the mark, as far as it lies in the same chunk.
func (s *slab[T]) back(m slabMark) {
	if m.full == s.full && len(s.chunk) > 0 {
		clear(s.chunk[m.used : len(s.chunk)-len(s.free)])
		s.free = s.chunk[m.used:]
	}
}

// empty takes back what was given out. Several chunks become one, so that the same use next time takes none.
func (s *slab[T]) empty() {
	if s.full > 0 || len(s.chunk) > keptChunk {
		s.next = min(s.full+len(s.chunk), keptChunk)
		s.free, s.chunk, s.full = nil, nil, 0
		return
	}
	clear(s.chunk[:len(s.chunk)-len(s.free)])
	s.free = s.chunk
}

// emptied is a list without its members, with its room unless that is large.
func emptied[T any](list []T) []T {
	if cap(list) > keptList {
		return nil
	}
	clear(list)
	return list[:0]
}

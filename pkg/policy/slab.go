package policy

// slab gives out small slices from few allocations. What it gives out stays valid; nothing is taken back.
type slab[T any] struct {
	free []T
	next int // the size of the next allocation
}

// take is room for n.
func (s *slab[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	if len(s.free) < n {
		s.next = min(max(8, 2*s.next), 256)
		s.free = make([]T, max(n, s.next))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

package inventory

import "sync"

// memo reads each thing once: callers of the same key wait for the first one's answer.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	cells map[K]func() (V, error)
}

func (m *memo[K, V]) get(key K, read func() (V, error)) (V, error) {
	m.mu.Lock()
	cell, ok := m.cells[key]
	if !ok {
		if m.cells == nil {
			m.cells = map[K]func() (V, error){}
		}
		cell = sync.OnceValues(read)
		m.cells[key] = cell
	}
	m.mu.Unlock()
	return cell()
}

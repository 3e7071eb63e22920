package inventory

import "context"

// Held is a request quota that calls are waiting for.
type Held struct {
	Quota     string  // by its name in the configuration, such as "lambda_get_policy"
	PerSecond float64 // calls a second that are taken of it
	Calls     int     // that wait
}

// turn waits for a turn at a quota, and lets it be seen.
func (r *Reader) turn(ctx context.Context, p pool, b *bucket) error {
	if b.free() {
		return nil
	}
	r.waiting(p, 1, float64(b.limiter.Limit()))
	defer r.waiting(p, -1, float64(b.limiter.Limit()))
	return b.wait(ctx)
}

func (r *Reader) waiting(p pool, calls int, perSecond float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == nil {
		r.held = map[pool]Held{}
	}
	r.held[p] = Held{string(p), perSecond, r.held[p].Calls + calls}
}

// Held is the quota that most calls wait for right now; false: none does.
func (r *Reader) Held() (Held, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var most Held
	for _, h := range r.held {
		if h.Calls > most.Calls || h.Calls == most.Calls && h.Quota < most.Quota {
			most = h
		}
	}
	return most, most.Calls > 0
}

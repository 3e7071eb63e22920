package repair

import (
	"fmt"
	"time"
)

// breakerWindow is the rolling time over which changes are counted.
const breakerWindow = 24 * time.Hour

// breakerFloor is how many changes max_change_percent always leaves. At 100 percent only max_changes limits: one function may need
// several changes.
const breakerFloor = 3

// Breaker is the limit on how much one plan, and one day, may change.
type Breaker struct {
	Limit     int    `json:"limit"`
	Planned   int    `json:"planned"`
	Recent    int    `json:"recent"` // made in the last 24 hours by any run
	Functions int    `json:"functions"`
	Tripped   string `json:"tripped,omitempty"` // why nothing is written
}

// newBreaker weighs a plan of some changes.
func newBreaker(o Options, h History, planned int) Breaker {
	b := Breaker{Limit: o.MaxChanges, Planned: planned, Functions: h.Functions}
	if o.MaxChangePercent < 100 {
		b.Limit = min(b.Limit, max(o.MaxChangePercent*h.Functions/100, breakerFloor))
	}
	for _, w := range h.Writes {
		if h.At.Sub(w.At) < breakerWindow {
			b.Recent++
		}
	}
	if planned > 0 && planned+b.Recent > b.Limit {
		b.Tripped = fmt.Sprintf("the breaker is open: %d changes planned and %d made in the last 24 hours, the limit is %d (repair.max_changes %d, %d%% of %d rotation functions)",
			planned, b.Recent, b.Limit, o.MaxChanges, o.MaxChangePercent, h.Functions)
	}
	return b
}

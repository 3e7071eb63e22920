package sweep

import (
	"os"
	"runtime/debug"
)

// How much garbage there may be, in percent of what is in use, before it is collected, and from how much memory on it is collected eagerly. A
// sweep waits for AWS's quotas, so that processor time is cheaper than memory, of which a function in Lambda pays for the most that it ever
// needs. What is in use may be more: the runtime then spends at most half of the time on collecting.
const (
	garbage = 60
	eager   = 90 << 20
)

// Frugal lets the process collect garbage early, unless its environment says when.
func Frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(eager)
	}
}

package sweep

import (
	"os"
	"runtime/debug"
)

// garbage is how much garbage there may be, in percent of what is in use, before it is collected. A sweep waits for AWS's quotas, so that
// processor time is cheaper than memory, of which a function in Lambda pays for the most that it ever needs.
const garbage = 30

// Frugal lets the process collect garbage early, unless its environment says when.
func Frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
}

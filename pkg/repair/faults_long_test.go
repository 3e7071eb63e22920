//go:build long

package repair_test

import (
	"os"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// points are every 13th point of every kind of run, or all of them where the environment wants it: that takes a quarter of an hour.
func points() func(scenario int) int {
	if os.Getenv("ROTATIONGUARD_FAULTS") == "all" {
		return every(1)
	}
	return every(13)
}

// TestLongFaults injects every fault at the calls of every kind of run.
func TestLongFaults(t *testing.T) { faultMatrix(t, points()) }

// TestLongFaultsOfOthers has others change and delete what a run writes to, around its writes.
func TestLongFaultsOfOthers(t *testing.T) { meddleMatrix(t, points()) }

// TestLongFaultsOfLag has reads lag as far behind writes as they do in AWS.
func TestLongFaultsOfLag(t *testing.T) {
	lagMatrix(t, []awstest.Lag{{For: 300 * time.Millisecond}, {For: 2 * time.Second}, {For: 10 * time.Second}, {Reads: 1}, {Reads: 3}})
}

// TestLongCrashes kills a running process at its calls and its journal writes.
func TestLongCrashes(t *testing.T) { crashMatrix(t, points()) }

// TestLongRandomAccounts holds the laws of repair on thousands of random accounts.
func TestLongRandomAccounts(t *testing.T) {
	randomAccounts(t, 2000, func(seed uint64) []repair.Mode { return bothModes[seed%2 : seed%2+1] })
}

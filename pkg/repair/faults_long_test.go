//go:build long

package repair_test

import (
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// TestLongFaults injects every fault at every call of every kind of run.
func TestLongFaults(t *testing.T) { faultMatrix(t, 1) }

// TestLongFaultsOfOthers has others change and delete what a run writes to, around every write.
func TestLongFaultsOfOthers(t *testing.T) { meddleMatrix(t, 1) }

// TestLongFaultsOfLag has reads lag as far behind writes as they do in AWS.
func TestLongFaultsOfLag(t *testing.T) {
	lagMatrix(t, []awstest.Lag{{For: 300 * time.Millisecond}, {For: 2 * time.Second}, {For: 10 * time.Second}, {Reads: 1}, {Reads: 3}})
}

// TestLongCrashes kills a running process at every call and every journal write.
func TestLongCrashes(t *testing.T) { crashMatrix(t, 1) }

// TestLongRandomAccounts holds the laws of repair on thousands of random accounts.
func TestLongRandomAccounts(t *testing.T) {
	randomAccounts(t, 2000, func(uint64) []repair.Mode { return bothModes })
}

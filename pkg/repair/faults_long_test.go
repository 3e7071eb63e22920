//go:build long

package repair_test

import "testing"

// TestLongFaults injects every fault at every call of a repair.
func TestLongFaults(t *testing.T) {
	want, calls := goal(t)
	faultMatrix(t, want, calls, 1)
}

// TestLongRandomAccounts holds the laws of repair on thousands of random accounts.
func TestLongRandomAccounts(t *testing.T) { randomAccounts(t, 2000) }

// TestLongCrashes kills a repairing process at every call and every journal write.
func TestLongCrashes(t *testing.T) { crashMatrix(t, 1) }

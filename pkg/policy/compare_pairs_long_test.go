//go:build long

package policy_test

import "testing"

func TestLongPairsAgainstTheOracle(t *testing.T) {
	t.Parallel()
	holdPairs(t, 1_000_000, 1_010_000, 3000)
}

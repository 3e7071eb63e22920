//go:build long

package policy

import "testing"

func TestLongCompareAgainstBruteForce(t *testing.T) {
	t.Parallel()
	bruteForcePairs(t, 10_000, 110_000)
}

func TestLongCompareResourcePoliciesAgainstBruteForce(t *testing.T) {
	t.Parallel()
	resourcePairs(t, 10_000, 30_000)
}

func TestLongCompareVariablesAgainstBruteForce(t *testing.T) {
	t.Parallel()
	variablePairs(t, 10_000, 20_000)
}

func TestLongCompareIsTheSameForVariants(t *testing.T) {
	t.Parallel()
	variantPairs(t, 10_000, 25_000)
}

func TestLongManagedPolicyPairsAreDecided(t *testing.T) {
	t.Parallel()
	decidePairs(t, 10_000)
}

func TestLongCompareWithFactsAgainstBruteForce(t *testing.T) {
	t.Parallel()
	factPairs(t, 10_000, 13_000)
}

// TestLongEveryStatementThatDiffersIsShown holds it on thousands of random pairs.
func TestLongEveryStatementThatDiffersIsShown(t *testing.T) { shownPairs(t, 300_000, 306_000) }

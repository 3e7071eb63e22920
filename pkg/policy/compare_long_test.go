//go:build long

package policy

import "testing"

func TestLongCompareAgainstBruteForce(t *testing.T) { bruteForcePairs(t, 10_000, 110_000) }

func TestLongCompareResourcePoliciesAgainstBruteForce(t *testing.T) { resourcePairs(t, 10_000, 30_000) }

func TestLongCompareVariablesAgainstBruteForce(t *testing.T) { variablePairs(t, 10_000, 20_000) }

func TestLongCompareIsTheSameForVariants(t *testing.T) { variantPairs(t, 10_000, 25_000) }

func TestLongManagedPolicyPairsAreDecided(t *testing.T) { decidePairs(t, 10_000) }

func TestLongCompareWithFactsAgainstBruteForce(t *testing.T) { factPairs(t, 10_000, 13_000) }

package policy_test

import (
	"math/rand/v2"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// BenchmarkHostilePairs compares inputs that make a careless comparison run away.
func BenchmarkHostilePairs(b *testing.B) {
	for _, bb := range hostilePairs {
		b.Run(bb.name, func(b *testing.B) {
			expected, actual := bb.make(rand.New(rand.NewPCG(1, 2)))
			b.ReportAllocs()
			settled := 0.0
			for b.Loop() {
				if got := policy.Compare(expected, actual, nil); len(got.Indeterminate) == 0 {
					settled = 1
				}
			}
			b.ReportMetric(settled, "settled")
		})
	}
}

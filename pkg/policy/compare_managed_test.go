package policy

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// managedPairs draws pairs of policies. Every tenth has one of the fifty largest, each as often as the others, and every
// hundredth has two of them.
func managedPairs(documents []*Document, n int) [][2]*Document {
	size := func(d *Document) int {
		n := 0
		for i := range d.Statements {
			n += len(d.Statements[i].Actions) + len(d.Statements[i].NotActions)
		}
		return n
	}
	largest := slices.Clone(documents)
	slices.SortStableFunc(largest, func(a, b *Document) int { return size(b) - size(a) })
	largest = largest[:min(50, len(largest))]
	r := rand.New(rand.NewPCG(1, 7))
	out := make([][2]*Document, n)
	for i := range out {
		out[i] = [2]*Document{documents[r.IntN(len(documents))], documents[r.IntN(len(documents))]}
		if i%10 == 0 {
			out[i][i/10%2] = largest[i/10%len(largest)]
		}
		if i%100 == 0 {
			out[i][1-i/10%2] = largest[r.IntN(len(largest))]
		}
	}
	return out
}

func TestManagedPoliciesAreEquivalentToThemselves(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	for _, d := range managedPolicies(t) {
		shuffled := variants[0].rewrite(t, r, d)
		split := variants[1].rewrite(t, r, d)
		for _, other := range []*Document{shuffled, split} {
			if got := Compare(Set{Identity: []*Document{d}}, Set{Identity: []*Document{other}}, nil); got.Verdict() != Equivalent {
				t.Errorf("%s, written in another way, is %v: %+v", d.Name, got.Verdict(), got)
			}
		}
	}
}

func TestManagedPolicyPairsAreDecided(t *testing.T) { decidePairs(t, 1000) }

func decidePairs(t *testing.T, n int) {
	t.Helper()
	verdicts := map[Verdict]int{}
	for _, pair := range managedPairs(managedPolicies(t), n) {
		expected, actual := Set{Identity: pair[:1]}, Set{Identity: pair[1:]}
		got := Compare(expected, actual, nil)
		verdicts[got.Verdict()]++
		if len(got.Indeterminate) > 0 {
			t.Errorf("%s and %s: %v", pair[0].Name, pair[1].Name, got.Indeterminate)
		}
	}
	t.Log(verdicts)
}

// BenchmarkManagedPolicies compares 20,000 pairs of parsed policies, the largest among them. Of each pair the best of three
// times counts: another process may have the processor meanwhile.
func BenchmarkManagedPolicies(b *testing.B) {
	pairs := managedPairs(managedPolicies(b), 20_000)
	b.ReportAllocs()
	for b.Loop() {
		took := make([]time.Duration, len(pairs))
		for i, pair := range pairs {
			took[i] = time.Hour
			for range 3 {
				start := time.Now()
				Compare(Set{Identity: pair[:1]}, Set{Identity: pair[1:]}, nil)
				took[i] = min(took[i], time.Since(start))
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
		b.ReportMetric(float64(took[len(took)-1].Nanoseconds())/1e3, "max-µs")
	}
}

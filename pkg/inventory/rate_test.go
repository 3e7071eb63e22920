package inventory

import (
	"math"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

func TestABucketGoesSlowerWhileItIsThrottledAndRecovers(t *testing.T) {
	for name, own := range map[string]float64{"of a quota": 16, "without a quota": math.Inf(1)} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(own)
			now := time.Now()
			b.throttled(now)
			once := b.limiter.Limit()
			b.throttled(now.Add(slowEach / 2))
			if b.limiter.Limit() != once {
				t.Errorf("calls that were under way when it was throttled slow it again: %v", b.limiter.Limit())
			}
			if once >= rate.Limit(own) {
				t.Errorf("it goes on at %v", once)
			}
			for range 20 {
				now = now.Add(slowEach)
				b.throttled(now)
			}
			if got := b.limiter.Limit(); got < 1 || got > 1.5 {
				t.Errorf("always throttled it goes at %v a second, want 1", got)
			}
			b.quicker(now.Add(steadyFor / 2))
			if got := b.limiter.Limit(); got > 1.1 {
				t.Errorf("it goes faster at once: %v", got)
			}
			for range 40 {
				now = now.Add(steadyFor)
				b.quicker(now)
			}
			if got := b.limiter.Limit(); got != b.own {
				t.Errorf("left alone it goes at %v, want its own %v", got, b.own)
			}
		})
	}
}

func TestRetriesAreAFewOfTheCalls(t *testing.T) {
	r := newRetries()
	now := r.at
	for r.take(now) { // those of the start
	}
	const calls = 1000
	taken := 0
	for range calls {
		r.called()
		if r.take(now) {
			taken++
		}
	}
	if taken < calls/20 || taken > calls/10 {
		t.Errorf("%d retries for %d calls, want a tenth", taken, calls)
	}
	for r.take(now) {
	}
	later, more := now.Add(5*time.Second+time.Second/2), 0
	for r.take(later) {
		more++
	}
	if more < 5 || more > 6 {
		t.Errorf("after five and a half seconds there are %d more", more)
	}
}

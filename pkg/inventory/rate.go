package inventory

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pool is one of AWS's request quotas: calls that draw on the same rate.
type pool string

const (
	poolNone           pool = ""
	poolSecretsList    pool = "secretsmanager_list"
	poolSecretsPolicy  pool = "secretsmanager_resource_policy"
	poolFunctionRead   pool = "lambda_control_plane"
	poolFunctionPolicy pool = "lambda_get_policy"
	poolFunctionGet    pool = "lambda_get_function"
	poolRoles          pool = "iam"
	poolKeys           pool = "kms"
)

// quotas are calls a second for an account and Region. Sources: Secrets Manager User Guide, "AWS Secrets Manager quotas"; Lambda
// Developer Guide, "Lambda quotas" (control-plane requests: GetFunction 100, GetPolicy 15, the rest together 15). For IAM and CloudFormation AWS
// publishes none, and KMS's and DescribeSecret's are beyond what a sweep needs: those are bounded by concurrency and backoff.
var quotas = map[pool]float64{
	poolSecretsList:    100,
	poolSecretsPolicy:  50,
	poolFunctionRead:   15,
	poolFunctionPolicy: 15,
	poolFunctionGet:    100,
}

// pools says which quota a call draws on.
var pools = map[string]pool{
	"secretsmanager:ListSecrets":       poolSecretsList,
	"secretsmanager:GetResourcePolicy": poolSecretsPolicy,
	"lambda:GetFunctionConfiguration":  poolFunctionRead,
	"lambda:ListTags":                  poolFunctionRead,
	"lambda:ListAliases":               poolFunctionRead,
	"lambda:ListVersionsByFunction":    poolFunctionRead,
	"lambda:GetFunction":               poolFunctionGet,
	"lambda:GetAccountSettings":        poolFunctionRead,
	"lambda:ListFunctions":             poolFunctionRead,
	"lambda:GetPolicy":                 poolFunctionPolicy,
}

// poolOf says which quota a call draws on.
func poolOf(call string) pool {
	if p, ok := pools[call]; ok {
		return p
	}
	switch service, _, _ := strings.Cut(call, ":"); service {
	case "iam":
		return poolRoles
	case "kms":
		return poolKeys
	}
	return poolNone
}

// defaultShare of each quota is used, because an account has other users.
const defaultShare = 0.5

// newBuckets makes a token bucket for each quota; share 0 means the default. rates are quotas that differ from AWS's published ones;
// unthrottled lifts all but these.
func newBuckets(share float64, rates map[string]float64, unthrottled bool) map[pool]*bucket {
	if share <= 0 {
		share = defaultShare
	}
	buckets := map[pool]*bucket{}
	add := func(p pool, quota float64) {
		perSecond := quota * min(share, 1)
		buckets[p] = newBucket(perSecond)
	}
	for _, p := range []pool{poolSecretsList, poolSecretsPolicy, poolFunctionRead, poolFunctionPolicy, poolFunctionGet, poolRoles, poolKeys, poolNone} {
		buckets[p] = newBucket(math.Inf(1))
	}
	if !unthrottled {
		for p, quota := range quotas {
			add(p, quota)
		}
	}
	for name, quota := range rates {
		add(pool(name), quota)
	}
	return buckets
}

// burst is how many seconds' worth of calls may go at once. AWS's buckets hold about a second's, and other users draw on them too.
const burst = 0.25

// How a bucket follows what AWS grants: throttled, it halves its rate, at most once in slowEach and not below a sixteenth; left alone for
// steadyFor it takes a quarter more, each time again, until it has its own rate. A bucket without a rate begins at firstRate when it is throttled.
const (
	slowEach  = time.Second
	steadyFor = 3 * time.Second
	firstRate = 20
	lowest    = 1. / 16
)

// bucket is a token bucket that goes slower while AWS throttles: others may use more of the account's quota than is left to them.
type bucket struct {
	limiter *rate.Limiter
	own     rate.Limit

	mu      sync.Mutex
	slowed  time.Time // last
	changed time.Time
}

func newBucket(perSecond float64) *bucket {
	if math.IsInf(perSecond, 1) {
		return &bucket{limiter: rate.NewLimiter(rate.Inf, 1), own: rate.Inf}
	}
	return &bucket{limiter: rate.NewLimiter(rate.Limit(perSecond), int(math.Max(1, perSecond*burst))), own: rate.Limit(perSecond)}
}

// limited says whether there is a rate at all.
func (b *bucket) limited() bool { return b.own != rate.Inf }

// free takes a turn if there is one now.
func (b *bucket) free() bool {
	b.quicker(time.Now())
	return b.limiter.Allow()
}

// wait waits for a turn.
func (b *bucket) wait(ctx context.Context) error {
	b.quicker(time.Now())
	return b.limiter.Wait(ctx)
}

// throttled makes it slower.
func (b *bucket) throttled(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.slowed) < slowEach {
		return
	}
	b.slowed, b.changed = now, now
	if b.limiter.Limit() == rate.Inf {
		b.limiter.SetLimitAt(now, firstRate)
		return
	}
	least := rate.Limit(1)
	if b.limited() {
		least = b.own * lowest
	}
	b.limiter.SetLimitAt(now, max(b.limiter.Limit()/2, least))
}

// quicker lets it go faster again when nothing was throttled for a while.
func (b *bucket) quicker(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.limiter.Limit()
	if at == b.own || now.Sub(b.changed) < steadyFor {
		return
	}
	b.changed = now
	next := at * 5 / 4
	if !b.limited() && next > 10*firstRate || b.limited() && next > b.own {
		next = b.own
	}
	b.limiter.SetLimitAt(now, next)
}

// retries is how many calls a reading may make again: a tenth of its calls, and some at the start. Throttled calls wait for the budget, which
// also grows by one a second; others fail when it is used up, and what they were to read is unknown.
type retries struct {
	mu   sync.Mutex
	left float64
	at   time.Time
}

const (
	retriesPerCall = 0.1
	mostRetries    = 50
)

func newRetries() *retries { return &retries{left: mostRetries, at: time.Now()} }

// called adds the part of a retry that a call is worth.
func (r *retries) called() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = min(r.left+retriesPerCall, mostRetries)
}

// take takes a retry and says whether there was one.
func (r *retries) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = min(r.left+max(now.Sub(r.at).Seconds(), 0), mostRetries)
	r.at = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}

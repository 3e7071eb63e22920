package inventory

import (
	"math"
	"strings"

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
func newBuckets(share float64, rates map[string]float64, unthrottled bool) map[pool]*rate.Limiter {
	if share <= 0 {
		share = defaultShare
	}
	buckets := map[pool]*rate.Limiter{}
	add := func(p pool, quota float64) {
		perSecond := quota * min(share, 1)
		buckets[p] = rate.NewLimiter(rate.Limit(perSecond), int(math.Max(1, perSecond*burst)))
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

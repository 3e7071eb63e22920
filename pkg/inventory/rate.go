package inventory

import (
	"math"

	"golang.org/x/time/rate"
)

// pool is one of AWS's request quotas: calls that draw on the same rate.
type pool string

const (
	poolNone          pool = ""
	poolSecretsList   pool = "secretsmanager list"
	poolSecretsPolicy pool = "secretsmanager resource policy"
	poolFunctionRead  pool = "lambda control plane"
	poolFunctionGet   pool = "lambda GetPolicy"
)

// quotas are calls a second for an account and Region. Sources: Secrets Manager User Guide, "AWS Secrets Manager quotas"; Lambda
// Developer Guide, "Lambda quotas" (control-plane requests: GetPolicy 15, the rest together 15). For IAM and CloudFormation AWS
// publishes none, and KMS's and DescribeSecret's are beyond what a sweep needs: those are bounded by concurrency and backoff.
var quotas = map[pool]float64{
	poolSecretsList:   100,
	poolSecretsPolicy: 50,
	poolFunctionRead:  15,
	poolFunctionGet:   15,
}

// pools says which quota a call draws on.
var pools = map[string]pool{
	"secretsmanager:ListSecrets":       poolSecretsList,
	"secretsmanager:GetResourcePolicy": poolSecretsPolicy,
	"lambda:GetFunctionConfiguration":  poolFunctionRead,
	"lambda:ListTags":                  poolFunctionRead,
	"lambda:ListAliases":               poolFunctionRead,
	"lambda:ListVersionsByFunction":    poolFunctionRead,
	"lambda:GetPolicy":                 poolFunctionGet,
}

// defaultShare of each quota is used, because an account has other users.
const defaultShare = 0.5

// newBuckets makes a token bucket for each quota; share 0 means the default, unthrottled none at all.
func newBuckets(share float64, unthrottled bool) map[pool]*rate.Limiter {
	if unthrottled {
		return nil
	}
	if share <= 0 {
		share = defaultShare
	}
	buckets := map[pool]*rate.Limiter{}
	for p, quota := range quotas {
		perSecond := quota * min(share, 1)
		buckets[p] = rate.NewLimiter(rate.Limit(perSecond), int(math.Max(1, perSecond)))
	}
	return buckets
}

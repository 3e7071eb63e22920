package awstest

import "time"

// Quotas are calls a second by quota group; a group that is not named is not limited.
type Quotas map[string]float64

// DefaultQuotas are AWS's published request quotas for an account and Region: "AWS Secrets Manager quotas", "Lambda quotas"
// (function APIs), "AWS KMS request quotas", and the STS quota of 600 requests a second. IAM's and CloudFormation's are not
// published: they are absent, and may be set by a test under "iam" and "cloudformation".
func DefaultQuotas() Quotas {
	return Quotas{
		"secretsmanager:DescribeSecret": 40_000,
		"secretsmanager:ListSecrets":    100,
		"secretsmanager:ResourcePolicy": 50, // Delete-, Get- and PutResourcePolicy together
		"secretsmanager:RotateSecret":   50, // with CancelRotateSecret
		"secretsmanager:PutSecretValue": 50, // with UpdateSecret
		"secretsmanager:TagResource":    50, // with UntagResource
		"lambda:GetPolicy":              15,
		"lambda:GetFunction":            100,
		"lambda":                        15, // all other control plane calls together
		"kms:DescribeKey":               2000,
		"kms:GetKeyPolicy":              1000,
		"kms:ListGrants":                100,
		"kms:ListAliases":               500,
		"kms:CreateKey":                 5,
		"kms:CreateAlias":               5,
		"kms:CreateGrant":               50,
		"kms:PutKeyPolicy":              15,
		"kms:EnableKey":                 5,
		"kms:DisableKey":                5,
		"kms:ScheduleKeyDeletion":       15,
		"sts":                           600,
	}
}

// quotaGroup names the group that an operation counts in.
func quotaGroup(op *operation) string {
	switch op.service + ":" + op.name {
	case "secretsmanager:GetResourcePolicy", "secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy":
		return "secretsmanager:ResourcePolicy"
	case "secretsmanager:RotateSecret", "secretsmanager:CancelRotateSecret":
		return "secretsmanager:RotateSecret"
	case "secretsmanager:UpdateSecret":
		return "secretsmanager:PutSecretValue"
	case "secretsmanager:TagResource", "secretsmanager:UntagResource":
		return "secretsmanager:TagResource"
	case "lambda:GetPolicy", "lambda:GetFunction":
		return "lambda:" + op.name
	}
	switch op.service {
	case "secretsmanager", "kms":
		return op.service + ":" + op.name
	}
	return op.service
}

// Throttle enforces quotas on this account's calls, each Region on its own; nil ends it. A group's bucket holds one
// second's worth of calls.
func (a *Account) Throttle(q Quotas) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather.quotas = q
	for _, r := range a.state.regions {
		r.buckets = map[string]*bucket{}
	}
}

// Speed multiplies the quotas by n and divides the delays by n; 1 is AWS's own speed.
func (a *Account) Speed(n float64) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather.speed = n
	for _, r := range a.state.regions {
		r.buckets = map[string]*bucket{}
	}
}

type delayed struct {
	match Match
	by    time.Duration
}

// Delay makes the answers to matching calls take so long; only Service and Operation of the match count, and a later Delay
// wins over an earlier one.
func (a *Account) Delay(m Match, by time.Duration) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather.delays = append(a.state.weather.delays, delayed{match: m, by: by})
}

// latencies are how long AWS takes to answer, in round numbers as seen from the same Region.
var latencies = []delayed{
	{Match{Service: "*", Operation: "*"}, 20 * time.Millisecond},
	{Match{Service: "secretsmanager", Operation: "ListSecrets"}, 150 * time.Millisecond},
	{Match{Service: "lambda", Operation: "*"}, 40 * time.Millisecond},
	{Match{Service: "lambda", Operation: "ListFunctions"}, 300 * time.Millisecond},
	{Match{Service: "iam", Operation: "*"}, 60 * time.Millisecond},
	{Match{Service: "iam", Operation: "GetAccountAuthorizationDetails"}, 800 * time.Millisecond},
	{Match{Service: "tag", Operation: "*"}, 200 * time.Millisecond},
}

// DelayAsAWS makes answers take as long as AWS's do, so many times, and for the way to a caller who is far away besides.
func (a *Account) DelayAsAWS(times int, far time.Duration) {
	for _, l := range latencies {
		a.Delay(l.match, time.Duration(times)*l.by+far)
	}
}

func (w *weather) rate() float64 {
	if w.speed <= 0 {
		return 1
	}
	return w.speed
}

// delay is how long the answer takes.
func (w *weather) delay(op *operation) time.Duration {
	for i := len(w.delays) - 1; i >= 0; i-- {
		if d := w.delays[i]; like(d.match.Service, op.service) && like(d.match.Operation, op.name) {
			return time.Duration(float64(d.by) / w.rate())
		}
	}
	return 0
}

// bucket is a token bucket of one quota group in one Region.
type bucket struct {
	tokens float64
	at     time.Time
}

// admit takes a token for the call and says whether there was one. IAM is one service for all Regions.
func (w *weather) admit(x *exchange) bool {
	group := quotaGroup(x.op)
	perSecond, limited := w.quotas[group]
	if !limited {
		return true
	}
	perSecond *= w.rate()
	full := max(perSecond, 1)
	r := x.reg
	if x.op.service == "iam" {
		r = x.acct.in("")
	}
	b, ok := r.buckets[group]
	if !ok {
		b = &bucket{tokens: full, at: x.now}
		r.buckets[group] = b
	}
	if x.now.After(b.at) {
		b.tokens = min(full, b.tokens+perSecond*x.now.Sub(b.at).Seconds())
		b.at = x.now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

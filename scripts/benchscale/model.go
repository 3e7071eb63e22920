package main

import (
	"fmt"
	"math"
	"time"
)

// published are AWS's request quotas a second, under the names that the configuration gives them. Sources: Secrets Manager User Guide,
// "AWS Secrets Manager quotas"; Lambda Developer Guide, "Lambda quotas"; AWS KMS Developer Guide, "Request quotas".
var published = map[string]float64{
	"secretsmanager_list":            100,
	"secretsmanager_resource_policy": 50,
	"lambda_get_policy":              15,
	"lambda_get_function":            100,
	"lambda_control_plane":           15,
}

// fewest are the calls without which this account cannot be judged: each page of a list that has everything, and once each what no list
// has. A function's state is in no list, a function policy and a secret's policy neither.
func (s size) fewest() map[string]int {
	pages := func(n, page int) int { return (n + page - 1) / page }
	functions := min(s.functions, s.rotating)
	calls := map[string]int{
		"secretsmanager:ListSecrets":       pages(s.secrets, 100),
		"secretsmanager:GetResourcePolicy": s.rotating,
		"lambda:GetFunctionConfiguration":  functions,
		"lambda:GetPolicy":                 functions,
		"kms:DescribeKey":                  s.usedKeys(),
		"kms:GetKeyPolicy":                 s.usedKeys(),
	}
	// One by one, or in bulk where that is fewer.
	roles := min(s.roles, functions)
	if bulk, single := 1+pages(s.roles+1, 1000), 4*roles+2; bulk < single {
		calls["iam:GetAccountAuthorizationDetails"] = pages(s.roles+1, 1000)
		calls["iam:GetAccountSummary"] = 1
	} else {
		calls["iam:GetRole"], calls["iam:ListRolePolicies"], calls["iam:GetRolePolicy"], calls["iam:ListAttachedRolePolicies"] = roles, roles, roles, roles
		calls["iam:GetPolicy"], calls["iam:GetPolicyVersion"] = 1, 1
	}
	if bulk := 1 + pages(s.functions, 100); bulk < functions {
		calls["tag:GetResources"] = pages(s.functions, 100)
	} else {
		calls["lambda:ListTags"] = functions
	}
	return calls
}

// usedKeys is how many customer keys the rotating secrets name.
func (s size) usedKeys() int {
	used := map[int]bool{}
	for i := range s.rotating {
		if i%keyEach == 3 {
			used[i%s.keys()] = true
		}
	}
	return len(used)
}

func total(calls map[string]int) int {
	n := 0
	for _, count := range calls {
		n += count
	}
	return n
}

// floor is how long the fewest calls take at so many times AWS's quotas: what its scarcest API takes.
func (s size) floor(times float64) time.Duration {
	calls := s.fewest()
	return max(
		seconds(float64(calls["secretsmanager:ListSecrets"]), published["secretsmanager_list"]*times),
		seconds(float64(calls["secretsmanager:GetResourcePolicy"]), published["secretsmanager_resource_policy"]*times),
		seconds(float64(calls["lambda:GetPolicy"]), published["lambda_get_policy"]*times),
		seconds(float64(calls["lambda:GetFunctionConfiguration"]+calls["lambda:ListTags"]), published["lambda_control_plane"]*times),
	)
}

// line is a least-squares line with how well it fits.
type line struct{ slope, intercept, r2 float64 }

func fit(x, y []float64) line {
	n, sx, sy, sxx, sxy, syy := float64(len(x)), 0., 0., 0., 0., 0.
	for i := range x {
		sx, sy, sxx, sxy, syy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i], syy+y[i]*y[i]
	}
	l := line{slope: (n*sxy - sx*sy) / (n*sxx - sx*sx)}
	l.intercept = (sy - l.slope*sx) / n
	if vy := n*syy - sy*sy; vy > 0 {
		l.r2 = math.Pow(n*sxy-sx*sy, 2) / ((n*sxx - sx*sx) * vy)
	}
	return l
}

func (l line) String(unit string) string {
	return fmt.Sprintf("%.4g %s a secret + %.4g %s, R² = %.4f", l.slope, unit, l.intercept, unit, l.r2)
}

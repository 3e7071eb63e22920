//go:build long

package sweep_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// TestLongPartsMakeFewCallsMore sweeps an account of 20,000 secrets, 6,000 of them rotating, and 2,000 functions at AWS's quotas and latencies on a
// clock of its own: in one part, and cut by the clock into many. However many there are, the report is the same, and the calls are at most 1.05 times
// those of one part.
func TestLongPartsMakeFewCallsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := awstest.NewHandler(awstest.Options{ID: account.ID, Region: account.Region})
		a.KeepCalls(false)
		a.Throttle(awstest.DefaultQuotas())
		a.DelayAsAWS(1, 0)
		fillLarge(a, 20_000, 6_000, 2_000)
		cfg := a.Config()
		cfg.HTTPClient = &http.Client{Transport: direct{a.Handler()}}
		in := func(first, next time.Duration) (string, time.Duration, int, map[string]int) {
			s := newSweeperOf(t, cfg, "mode: report")
			s.Ledger = nil
			a.ResetCalls()
			began := time.Now()
			o, parts := sweepParts(t, s, func(part int) (sweep.Source, time.Duration) {
				within := next
				if part == 0 {
					within = first
				}
				return inventory.New(inventory.NewClients(cfg), inventory.Options{}), within
			}, func(int) {})
			defer func() { _ = o.Close() }()
			return text(t, &o), time.Since(began), parts, a.CallCounts()
		}
		want, took, _, calls := in(time.Hour, time.Hour)
		one := total(calls)
		t.Logf("one part: %s, %d calls", took.Round(time.Second), one)
		listing := 100 * time.Second // secrets and functions are listed before the first group is read
		for _, n := range []int{2, 5, 20} {
			got, together, parts, calls := in(listing+(took-listing)/time.Duration(n), (took-listing)/time.Duration(n))
			ratio := float64(total(calls)) / float64(one)
			t.Logf("%d parts: %s, %d calls, %.3f times those of one part: %s", parts, together.Round(time.Second), total(calls), ratio, countsText(calls))
			if got != want {
				t.Errorf("%d parts are another sweep", parts)
			}
			if parts < n || ratio > 1.05 {
				t.Errorf("%d parts make %.3f times the calls of one", parts, ratio)
			}
		}
	})
}

func total(calls map[string]int) int {
	n := 0
	for _, count := range calls {
		n += count
	}
	return n
}

func countsText(calls map[string]int) string {
	var out []string
	for _, call := range slices.Sorted(maps.Keys(calls)) {
		out = append(out, fmt.Sprintf("%s %d", call, calls[call]))
	}
	return strings.Join(out, ", ")
}

// fillLarge makes secrets of which some rotate, spread over functions with a role each, listed in no order of theirs.
func fillLarge(a *awstest.Account, secrets, rotating, functions int) {
	yes := true
	arns := make([]string, functions)
	for n := range arns {
		arns[n] = account.AddRotation(a, awstest.Function{Name: fmt.Sprintf("rotate-%05d", n), FunctionConfig: awstest.FunctionConfig{Modified: time.Now().AddDate(0, -1, 0)}})
	}
	all := make([]awstest.Secret, secrets)
	for n := range all {
		all[n] = awstest.Secret{ARN: fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:app/%06d-AbCdEf", account.Region, account.ID, n*7919%secrets)}
		if n < rotating {
			all[n].RotationEnabled, all[n].RotationLambdaARN = &yes, arns[n%functions]
		}
	}
	a.AddSecrets(all)
}

package inventory_test

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// TestFaultsCostFewCallsAndNoFact: what a fault strikes is called again, and everything is read in the end.
func TestFaultsCostFewCallsAndNoFact(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for i := range 15 {
		addRotation(a, fmt.Sprintf("rotate-%02d", i), fmt.Sprintf("a-%02d", i), fmt.Sprintf("b-%02d", i))
	}
	sane := read(t, inventory.New(inventory.NewClients(a.Config()), inventory.Options{Unthrottled: true}), rotation.Scope{})
	fewest := sum(a.CallCounts())
	for name, w := range map[string]struct {
		every int
		fault awstest.Fault
	}{
		"throttled":              {20, awstest.Fault{Code: "ThrottlingException"}},
		"5% 5xx":                 {20, awstest.Fault{Status: 500, Code: "InternalFailure"}},
		"1% dropped connections": {100, awstest.Fault{CloseConn: true}},
		"5% served by a proxy":   {20, awstest.Fault{Status: 503, HTML: "<html>busy</html>"}},
		"answered and then lost": {50, awstest.Fault{After: true, CloseConn: true}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Heal()
			a.Fail(awstest.Match{Every: w.every, Count: -1}, w.fault)
			a.ResetCalls()
			got := read(t, inventory.New(inventory.NewClients(a.Config()), inventory.Options{Unthrottled: true}), rotation.Scope{})
			if diff := gocmp.Diff(sane, got, gocmp.Comparer(func(a, b *policy.Document) bool { return (a == nil) == (b == nil) })); diff != "" {
				t.Errorf("what is read differs (-undisturbed +got):\n%s", diff)
			}
			if calls := sum(a.CallCounts()); calls > fewest*12/10 {
				t.Errorf("%d calls, undisturbed %d: more than 1.2 times", calls, fewest)
			}
		})
	}
}

// TestAServiceThatFailsForGoodIsNotHammered: each thing that could not be read is a gap, and the calls stay few.
func TestAServiceThatFailsForGoodIsNotHammered(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	const functions = 200
	for i := range functions {
		addRotation(a, fmt.Sprintf("rotate-%03d", i), fmt.Sprintf("a-%03d", i))
	}
	read(t, reader(a, inventory.Options{}), rotation.Scope{})
	fewest := sum(a.CallCounts())
	a.ResetCalls()
	a.Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Count: -1}, awstest.Fault{Status: 500, Code: "ServiceException"})
	unread := 0
	for _, g := range read(t, reader(a, inventory.Options{}), rotation.Scope{}) {
		for i := range g.Setups {
			if p := &g.Setups[i].Function.Policy; p.Presence == rotation.Unreadable && p.Gap != nil && p.Gap.Call == "lambda:GetPolicy" {
				unread++
			}
		}
	}
	if unread != functions {
		t.Errorf("%d function policies are unknown, want all %d", unread, functions)
	}
	if calls := sum(a.CallCounts()); calls > fewest*12/10+60 {
		t.Errorf("%d calls, undisturbed %d: more than 1.2 times and those of the start", calls, fewest)
	}
}

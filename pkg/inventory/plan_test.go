package inventory_test

import (
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// TestPlannedCallsAreTheCallsOfASweep: of an account with few functions, which is read one by one, and of one with many, which is read in pages.
func TestPlannedCallsAreTheCallsOfASweep(t *testing.T) {
	few := func(a *awstest.Account) {
		addRotation(a, "one", "a", "b")
		addRotation(a, "two", "c")
		a.AddSecret(awstest.Secret{Name: "plain"})
		a.AddSecret(awstest.Secret{ARN: secretARN("keyed"), RotationEnabled: &yes, RotationLambdaARN: string(functionARN("two")), KmsKeyID: a.AddKey(awstest.Key{})})
	}
	for name, fill := range map[string]func(*awstest.Account){"few": few, "many": many} {
		a := awstest.New(t, awstest.Options{})
		fill(a)
		plan, err := inventory.New(inventory.NewClients(a.Config()), inventory.Options{}).PlanCalls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for call := range a.CallCounts() {
			if _, operation, _ := strings.Cut(call, ":"); !strings.HasPrefix(operation, "List") && operation != "GetAccountSettings" && operation != "GetAccountSummary" {
				t.Errorf("%s: planning called %s", name, call)
			}
		}
		r := reader(a, inventory.Options{})
		read(t, r, rotation.Scope{})
		made, planned := r.Calls(), map[string]int{}
		for _, c := range plan.Calls {
			planned[c.Call] = c.Count
			if n := made[c.Call]; n > c.Count || !c.AtMost && n < c.Count*9/10 { // of a function that is gone less is read
				t.Errorf("%s: %s is called %d times, planned were %d, at most: %t", name, c.Call, n, c.Count, c.AtMost)
			}
		}
		for call, n := range made {
			// What only the reading shows: policies that are attached, grants, stacks, functions made a moment ago.
			if planned[call] == 0 && call != "cloudformation:DescribeStacks" && call != "lambda:ListTags" && call != "kms:ListGrants" && call != "secretsmanager:DescribeSecret" {
				t.Errorf("%s: %d calls of %s were not planned", name, n, call)
			}
		}
		if plan.Floor <= 0 || len(plan.Quotas) == 0 || plan.Quotas[0].Seconds != plan.Floor || len(plan.Chosen) != 3 {
			t.Errorf("%s: plan = %+v", name, plan)
		}
	}
}

package inventory_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// many is an account with so many functions that lists are worth reading: with aliases, functions that are gone, one made a moment ago, stacks that
// name a master, roles that are shared, and more secrets than one page has.
func many(a *awstest.Account) {
	const functions = 520
	long := time.Now().AddDate(0, -1, 0)
	stack := a.AddStack(awstest.Stack{Name: "rotation", Parameters: map[string]string{"superuserSecretArn": secretARN("admin")}})
	a.AddSecret(awstest.Secret{ARN: secretARN("admin"), Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`})
	var documents string
	for i := range functions {
		name := fmt.Sprintf("rotate-%03d", i)
		arn := string(functionARN(name))
		if i%10 == 1 {
			arn += ":live"
		}
		documents = roleDocument(arn)
		role := a.AddRole(awstest.Role{Name: fmt.Sprintf("role-%03d", i-i%4), Inline: map[string]string{"rotate": documents}})
		f := awstest.Function{Name: name, FunctionConfig: awstest.FunctionConfig{Role: role, Modified: long}, Tags: map[string]string{"team": "db"}}
		qualifier := ""
		if i%10 == 1 {
			qualifier = "live"
			f.Versions = []awstest.FunctionVersion{{Number: "1", FunctionConfig: f.FunctionConfig}}
			f.Aliases = []awstest.Alias{{Name: "live", Version: "1"}}
		}
		f.Policies = map[string]string{qualifier: `{"Version":"2012-10-17","Statement":[{"Sid":"sm","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},` +
			`"Action":"lambda:InvokeFunction","Resource":"` + arn + `"}]}`}
		switch {
		case i%50 == 7:
			f.Tags["aws:cloudformation:stack-id"] = stack
		case i%50 == 8: // made a moment ago, with no tag
			f.Tags, f.Modified = nil, time.Now()
		case i%50 == 9: // nothing is tagged
			f.Tags = nil
		case i%50 == 10:
			f.State, f.StateReasonCode = "Failed", "InvalidSubnet"
		}
		if i%100 != 42 {
			a.AddFunction(f)
		}
		secret := awstest.Secret{ARN: secretARN(name), RotationEnabled: &yes, RotationLambdaARN: arn}
		if i%7 == 0 {
			secret.Policy = `{"Version":"2012-10-17","Statement":[]}`
		}
		if i%9 == 0 {
			secret.Tags = []awstest.Tag{{Key: "rotationguard:strategy", Value: "single-user"}}
		}
		a.AddSecret(secret)
	}
}

func lists(a *awstest.Account, allowed bool) {
	a.Heal()
	for _, call := range [][2]string{{"lambda", "GetAccountSettings"}, {"tag", "GetResources"}, {"iam", "GetAccountSummary"}} {
		if !allowed {
			a.Fail(awstest.Match{Service: call[0], Operation: call[1], Count: -1}, awstest.Fault{Status: 403, Code: "AccessDeniedException"})
		}
	}
	a.ResetCalls()
}

func TestListsGiveWhatReadingOneByOneGives(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	many(a)
	for _, scope := range []rotation.Scope{{}, {Secrets: []string{secretARN("rotate-005")}}} {
		lists(a, false)
		one := read(t, reader(a, inventory.Options{}), scope)
		alone := a.CallCounts()
		lists(a, true)
		got := read(t, reader(a, inventory.Options{}), scope)
		paged := a.CallCounts()
		if diff := gocmp.Diff(one, got, gocmp.Comparer(func(a, b *policy.Document) bool { return (a == nil) == (b == nil) })); diff != "" {
			t.Fatalf("%+v (-one by one +lists):\n%s", scope, diff)
		}
		if paged["lambda:ListFunctions"] != 11 || alone["lambda:ListFunctions"] != 0 {
			t.Errorf("%+v: ListFunctions was called %d times for 514 functions", scope, paged["lambda:ListFunctions"])
		}
		if scope.All() && (paged["tag:GetResources"] == 0 || paged["lambda:ListTags"] != 10) {
			t.Errorf("%d GetResources, and ListTags was called for %d functions: it is for the ten that were made a moment ago", paged["tag:GetResources"], paged["lambda:ListTags"])
		}
		if !scope.All() && paged["lambda:GetFunctionConfiguration"] > 70 {
			t.Errorf("a selection of one secret read %d configurations: it needs those of aliases, of what is not listed and of one role", paged["lambda:GetFunctionConfiguration"])
		}
		if sum(paged) >= sum(alone) {
			t.Errorf("%+v: %d calls with lists, %d without", scope, sum(paged), sum(alone))
		}
	}
}

func sum(calls map[string]int) int {
	n := 0
	for _, count := range calls {
		n += count
	}
	return n
}

// TestAFunctionThatMovesWhileItIsReadIsUnknown: the functions that it shares its new role with were not read as such.
func TestAFunctionThatMovesWhileItIsReadIsUnknown(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	many(a)
	lists(a, true)
	moved := functionARN("rotate-519")
	other := a.AddRole(awstest.Role{Name: "other"})
	a.Fail(awstest.Match{Service: "lambda", Operation: "ListFunctions", Nth: 11, Count: 1}, awstest.Fault{After: true, Run: func() {
		a.UpdateFunction("rotate-519", func(f *awstest.Function) { f.Role = other })
	}})
	groups := read(t, reader(a, inventory.Options{}), rotation.Scope{After: "function " + string(functionARN("rotate-500"))})
	s := setup(t, groups, moved)
	if s.Function.Presence != rotation.Unreadable || len(s.Function.Gaps) != 1 || s.Function.Gaps[0].Code != "ChangedWhileRead" {
		t.Errorf("function = %+v", s.Function)
	}
	slices.SortFunc(groups, func(a, b rotation.Group) int { return cmp.Compare(a.Key(), b.Key()) })
	if first := groups[0].Key(); first <= "function "+string(functionARN("rotate-500")) {
		t.Errorf("the first group is %s", first)
	}
	if n := a.CallCounts()["lambda:GetFunctionConfiguration"]; n > 90 {
		t.Errorf("going on behind the 500th of 520 functions read %d configurations", n)
	}
}

// TestGoingOnReadsTheRestAhead: two readings of one account, of which the second goes on behind a place, read each thing once between them.
func TestGoingOnReadsTheRestAhead(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	many(a)
	lists(a, true)
	whole := read(t, reader(a, inventory.Options{}), rotation.Scope{InOrder: true})
	wanted := a.CallCounts()
	seen := map[rotation.ARN]bool{}
	half := whole[:len(whole)/2]
	for i := range half {
		for j := range half[i].Setups {
			for _, s := range half[i].Setups[j].Secrets {
				seen[s.ARN] = true
			}
		}
	}
	a.ResetCalls()
	rest := read(t, reader(a, inventory.Options{}), rotation.Scope{InOrder: true, After: half[len(half)-1].Key(), Seen: seen})
	if diff := gocmp.Diff(whole[len(half):], rest); diff != "" {
		t.Errorf("going on reads something else (-whole +rest):\n%s", diff)
	}
	for _, call := range []string{"lambda:GetFunctionConfiguration", "lambda:GetPolicy", "secretsmanager:GetResourcePolicy"} {
		if n := a.CallCounts()[call]; n > wanted[call]*6/10 {
			t.Errorf("the second half makes %d of %d calls of %s", n, wanted[call], call)
		}
	}
}

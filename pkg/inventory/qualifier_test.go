package inventory_test

import (
	"slices"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// withQualifiers is an account whose function is named by an alias and by itself, and has policies elsewhere too.
func withQualifiers(t *testing.T) *awstest.Account {
	t.Helper()
	a := awstest.New(t, awstest.Options{})
	policy := func(q string) string {
		return `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + string(functionARN("f:")) + q + `"}]}`
	}
	a.AddFunction(awstest.Function{
		Name: "f", FunctionConfig: awstest.FunctionConfig{Role: a.AddRole(awstest.Role{Name: "r"})},
		Versions: []awstest.FunctionVersion{{Number: "1"}, {Number: "2"}, {Number: "3"}},
		Aliases:  []awstest.Alias{{Name: "live", Version: "1"}, {Name: "old", Version: "1"}},
		Policies: map[string]string{"live": policy("live"), "old": policy("old"), "2": policy("2")},
	})
	addSecret(a, "a", string(functionARN("f:live")))
	addSecret(a, "b", string(functionARN("f")))
	return a
}

func TestOtherQualifiersAreReadOnlyWhenAskedFor(t *testing.T) {
	a := withQualifiers(t)
	plain := reader(a, inventory.Options{})
	for _, g := range read(t, plain, rotation.Scope{}) {
		for _, s := range g.Setups {
			if len(s.Function.OtherPolicies) > 0 {
				t.Errorf("%s has %d other policies that nobody asked for", s.Function.ARN, len(s.Function.OtherPolicies))
			}
		}
	}
	if calls := plain.Calls(); calls["lambda:ListAliases"]+calls["lambda:ListVersionsByFunction"] > 0 || calls["lambda:GetPolicy"] != 2 {
		t.Errorf("calls %v", calls)
	}
	all := reader(a, inventory.Options{AllQualifiers: true})
	groups := read(t, all, rotation.Scope{})
	for _, arn := range []rotation.ARN{functionARN("f"), functionARN("f:live")} {
		var names []string
		for _, p := range setup(t, groups, arn).Function.OtherPolicies {
			names = append(names, p.Label())
		}
		if want := []string{"function policy at the qualifier 2", "function policy at the qualifier old"}; !slices.Equal(names, want) {
			t.Errorf("%s: other policies %q, want %q", arn, names, want)
		}
	}
	// Two used qualifiers, and once for the function the versions 1 to 3 and the alias that no secret names.
	if calls := all.Calls(); calls["lambda:ListAliases"] != 1 || calls["lambda:ListVersionsByFunction"] != 1 || calls["lambda:GetPolicy"] != 6 {
		t.Errorf("calls %v", calls)
	}
}

func TestQualifiersThatCannotBeListedAreAGap(t *testing.T) {
	a := withQualifiers(t)
	a.Fail(awstest.Match{Operation: "ListVersionsByFunction", Count: -1}, awstest.Fault{Code: "AccessDeniedException"})
	for _, g := range read(t, reader(a, inventory.Options{AllQualifiers: true}), rotation.Scope{}) {
		gaps := inventory.Gaps(g)
		if len(gaps) != 1 || gaps[0].Call != "lambda:ListVersionsByFunction" || gaps[0].Permission != "lambda:ListVersionsByFunction" {
			t.Errorf("gaps %+v", gaps)
		}
	}
}

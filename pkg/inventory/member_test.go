package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const other = "999999999999"

// foreign has a secret whose function, role and key live in another account.
func foreign(t *testing.T) (a, peer *awstest.Account) {
	a = awstest.New(t, awstest.Options{})
	peer = a.Peer(other)
	role := peer.AddRole(awstest.Role{Name: "r", Inline: map[string]string{"rotate": roleDocument("*")}})
	peer.AddFunction(awstest.Function{Name: "theirs", FunctionConfig: awstest.FunctionConfig{Role: role}})
	a.AddSecret(awstest.Secret{
		ARN: secretARN("s"), RotationEnabled: &yes, RotationLambdaARN: "arn:aws:lambda:us-east-1:" + other + ":function:theirs",
		KmsKeyID: peer.AddKey(awstest.Key{}),
	})
	return a, peer
}

func TestFunctionInAnotherAccountIsReadWithAConfiguredRole(t *testing.T) {
	a, peer := foreign(t)
	asked := 0
	r := reader(a, inventory.Options{Member: func(_ context.Context, account string) (inventory.Clients, bool, error) {
		asked++
		return inventory.NewClients(peer.Config()), account == other, nil
	}})
	for range 2 {
		s := setup(t, read(t, r, rotation.Scope{}), "arn:aws:lambda:us-east-1:"+other+":function:theirs")
		if gaps := inventory.Gaps(rotation.Group{Setups: []rotation.Setup{s}}); len(gaps) > 0 {
			t.Errorf("gaps: %+v", gaps)
		}
		if s.Account != account || s.Function.Presence != rotation.Present || s.Role.Presence != rotation.Present || len(s.Keys) != 1 {
			t.Errorf("setup = %+v", s)
		}
		for _, k := range s.Keys {
			if k.Policy.Document == nil {
				t.Errorf("key = %+v", k)
			}
		}
	}
	if asked != 1 {
		t.Errorf("the other account's role was asked for %d times, want 1", asked)
	}
	for _, c := range a.Calls() {
		if c.Service != "secretsmanager" && c.Account != other {
			t.Errorf("%s was asked of account %s", c.Name(), c.Account)
		}
	}
}

func TestFunctionInAnotherAccountWithoutARoleIsAGap(t *testing.T) {
	tests := []struct {
		name   string
		member func(context.Context, string) (inventory.Clients, bool, error)
		code   string
		call   string
	}{
		{"nothing configured", nil, "NoMemberRole", "lambda:GetFunctionConfiguration"},
		{"not for this account", func(context.Context, string) (inventory.Clients, bool, error) { return inventory.Clients{}, false, nil }, "NoMemberRole", "lambda:GetFunctionConfiguration"},
		{"the role cannot be assumed", func(context.Context, string) (inventory.Clients, bool, error) {
			return inventory.Clients{}, false, errors.New("no")
		}, "other", "sts:AssumeRole"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := foreign(t)
			s := setup(t, read(t, reader(a, inventory.Options{Member: tt.member}), rotation.Scope{}), "arn:aws:lambda:us-east-1:"+other+":function:theirs")
			if s.Function.Presence != rotation.Unreadable || len(s.Function.Gaps) != 1 || s.Function.Gaps[0].Code != tt.code || s.Function.Gaps[0].Call != tt.call {
				t.Errorf("function = %+v", s.Function)
			}
		})
	}
}

// TestCredentialsOfAnotherAccountFailAlone: what ends the reading at home is a gap elsewhere.
func TestCredentialsOfAnotherAccountFailAlone(t *testing.T) {
	a, peer := foreign(t)
	addRotation(a, "f", "mine")
	peer.Fail(awstest.Match{Service: "lambda", Count: -1}, awstest.Fault{Code: "ExpiredTokenException", Status: 403})
	r := reader(a, inventory.Options{Member: func(context.Context, string) (inventory.Clients, bool, error) {
		return inventory.NewClients(peer.Config()), true, nil
	}})
	groups := read(t, r, rotation.Scope{})
	if s := setup(t, groups, functionARN("f")); s.Function.Policy.Document == nil {
		t.Errorf("function at home = %+v", s.Function)
	}
	if s := setup(t, groups, "arn:aws:lambda:us-east-1:"+other+":function:theirs"); s.Function.Gaps[0].Code != "ExpiredTokenException" {
		t.Errorf("function elsewhere = %+v", s.Function)
	}
}

func TestQuotaShareIsKept(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for i := range 40 {
		addRotation(a, fmt.Sprintf("f%02d", i), fmt.Sprintf("s%02d", i))
	}
	a.ResetCalls()
	r := inventory.New(inventory.NewClients(a.Config()), inventory.Options{QuotaShare: 1})
	start := time.Now()
	read(t, r, rotation.Scope{})
	// 80 calls of Lambda's control plane at 15 a second, the first 15 of them at once.
	if took := time.Since(start); took < 65*time.Second/15 {
		t.Errorf("80 calls at 15 a second took %s", took)
	}
}

func TestProgressGrowsToItsTotal(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for i := range 5 {
		addRotation(a, fmt.Sprintf("f%d", i), fmt.Sprintf("s%d", i))
	}
	var last []inventory.Progress
	r := reader(a, inventory.Options{Progress: func(p inventory.Progress) {
		if len(last) == 0 || last[len(last)-1].Stage != p.Stage {
			last = append(last, p)
			return
		}
		if p.Done <= last[len(last)-1].Done {
			t.Errorf("progress went from %+v to %+v", last[len(last)-1], p)
		}
		last[len(last)-1] = p
	}})
	read(t, r, rotation.Scope{})
	want := []inventory.Progress{{inventory.StageSecrets, 5, 0}, {inventory.StageFunctions, 5, 5}, {inventory.StageGroups, 5, 5}}
	if fmt.Sprint(last) != fmt.Sprint(want) {
		t.Errorf("progress ended at %v, want %v", last, want)
	}
}

package drift

import (
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// open is a role that may do more than its function needs.
func open(t *testing.T) rotation.Group {
	t.Helper()
	function := rotation.ARN("arn:aws:lambda:eu-central-1:123456789012:function:rotate")
	role := rotation.ARN("arn:aws:iam::123456789012:role/rotate")
	trust := rotation.NewPolicy(rotation.PolicyTrust, "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	inline := rotation.NewPolicy(rotation.PolicyInline, "own", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*"}]}`)
	return rotation.Group{Setups: []rotation.Setup{{
		Account: "123456789012", Region: "eu-central-1", Partition: "aws",
		Function: rotation.Function{ARN: function, Presence: rotation.Present, Role: role},
		Role:     rotation.Role{ARN: role, Presence: rotation.Present, Trust: trust, Identity: []rotation.Policy{inline}},
		Secrets:  []rotation.Secret{{ARN: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf", Name: "a", Kind: rotation.KindLambda, FunctionARN: function}},
	}}}
}

func excesses(judgements []Judgement) (n int) {
	for _, f := range judgements[0].Secrets[0].Findings {
		if f.Kind == KindRole && f.Direction == policy.Excess {
			n++
		}
	}
	return n
}

// TestAProofStandsForItsComparisonAlone: a false proof is believed, so that what a true one names is not compared, and none of another program or of
// other policies is.
func TestAProofStandsForItsComparisonAlone(t *testing.T) {
	group := open(t)
	if n := excesses(Judge(group, Options{})); n == 0 {
		t.Fatal("the role has no excess")
	}
	asked := NewProofs([]byte("p1"), nil)
	if n := excesses(Judge(group, Options{Proofs: asked})); n == 0 || len(asked.Stored()) > 0 {
		t.Fatalf("%d findings of excess, and %d bytes of proofs that there is none", n, len(asked.Stored()))
	}
	lie := func(program string) *Proofs {
		p := NewProofs([]byte(program), nil)
		contract := rotation.NewContract(group.Setups[0], nil)
		setup := &group.Setups[0]
		x := &excess{judges: []*judge{{setup: setup, contract: &contract, opts: &Options{}}}}
		x.first = x.judges[0]
		name, ok := p.name(policy.Set{Identity: contract.Ceiling}, policy.Set{Identity: specialize(setup, x.first.identityDocuments()).documents}, x.facts())
		if !ok {
			t.Fatal("the comparison has no name")
		}
		p.found(name)
		return p
	}
	if n := excesses(Judge(group, Options{Proofs: NewProofs([]byte("p1"), lie("p1").Stored())})); n != 0 {
		t.Errorf("%d findings of what is proven", n)
	}
	if n := excesses(Judge(group, Options{Proofs: NewProofs([]byte("p2"), lie("p1").Stored())})); n == 0 {
		t.Error("another program's proof is believed")
	}
	group.Setups[0].Secrets[0].Tags = map[string]string{"team": "a"}
	if n := excesses(Judge(group, Options{Proofs: NewProofs([]byte("p1"), lie("p1").Stored()[:1])})); n == 0 {
		t.Error("a piece of a proof is believed")
	}
	stale := lie("p1").Stored()
	group.Setups[0].Secrets[0].Tags["team"] = "b"
	if n := excesses(Judge(group, Options{Proofs: NewProofs([]byte("p1"), stale)})); n == 0 {
		t.Error("a proof of the secret with other tags is believed")
	}
}

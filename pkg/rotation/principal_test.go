package rotation

import (
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

func TestBareAccountInFunctionPolicyIsAnAccount(t *testing.T) {
	text := `{"Version":"2012-10-17","Statement":[{"Sid":"say \"Principal\":\"111122223333\"x","Effect":"Allow","Principal":"111122223333","Action":"lambda:InvokeFunction",` +
		`"Resource":"arn:aws:lambda:eu-west-1:111122223333:function:f"}]}`
	if p := NewPolicy(PolicyTrust, "", text); p.Document != nil {
		t.Error("a trust policy with a bare account id parses, though IAM refuses it")
	}
	p := NewPolicy(PolicyFunction, "", text)
	if p.Document == nil {
		t.Fatalf("function policy: %+v", p.Gap)
	}
	if got := p.Document.Statements[0].Principals; len(got) != 1 || got[0].Type != policy.PrincipalAWS || got[0].ID != "111122223333" {
		t.Errorf("principals %v, want the account 111122223333", got)
	}
	if p.Text != text {
		t.Error("the text is not kept byte for byte")
	}
}

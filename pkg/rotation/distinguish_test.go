package rotation

import "testing"

func TestManagedPoliciesOfOneNameAreToldApart(t *testing.T) {
	const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	attached := func(arn ARN) Policy {
		p := NewPolicy(PolicyAttached, arn.RoleName(), text)
		p.ARN = arn
		return p
	}
	policies := []Policy{
		NewPolicy(PolicyInline, "rotate", text), attached("arn:aws:iam::111122223333:policy/rotate"), attached("arn:aws:iam::aws:policy/service-role/Logs"),
		attached("arn:aws:iam::111122223333:policy/team/Logs"),
	}
	Distinguish(policies)
	Distinguish(policies) // what a snapshot holds is told apart already
	want := []string{"inline policy rotate", "managed policy rotate", "managed policy arn:aws:iam::aws:policy/service-role/Logs", "managed policy arn:aws:iam::111122223333:policy/team/Logs"}
	for i := range policies {
		if p := &policies[i]; p.Label() != want[i] || p.Document == nil || p.Document.Name != want[i] {
			t.Errorf("policy %d is called %q, its document %+v, want %q", i, p.Label(), p.Document, want[i])
		}
	}
}

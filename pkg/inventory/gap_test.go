package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// wholeAccount has everything that a sweep can read: a master-user rotation with customer keys, made by a stack, with an inline and
// an attached policy, a boundary, and policies on secret and master.
func wholeAccount(t *testing.T) *awstest.Account {
	a := awstest.New(t, awstest.Options{})
	key := a.AddKey(awstest.Key{ID: "11111111-1111-1111-1111-111111111111", Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:role/nobody"},"Action":"kms:*","Resource":"*"}]}`})
	stack := a.AddStack(awstest.Stack{Name: "rotation", Parameters: map[string]string{
		"superuserSecretArn": secretARN("master"), "password": "canary-parameter", "functionName": "f",
	}})
	managed := a.AddPolicy(awstest.Policy{Name: "attached", Document: roleDocument("*")})
	boundary := a.AddPolicy(awstest.Policy{Name: "edge", Document: roleDocument("*")})
	role := a.AddRole(awstest.Role{Name: "r", Inline: map[string]string{"inline+plus": roleDocument(string(functionARN("f")))}, Attached: []string{managed}, Boundary: boundary, Tags: []awstest.Tag{{Key: "team", Value: "db"}}})
	addFunction(a, "f", role, "")
	a.UpdateFunction("f", func(f *awstest.Function) {
		f.Tags = map[string]string{"aws:cloudformation:stack-id": stack, "aws:cloudformation:stack-name": "rotation"}
	})
	deny := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`
	a.AddSecret(awstest.Secret{ARN: secretARN("s"), RotationEnabled: &yes, RotationLambdaARN: string(functionARN("f")), KmsKeyID: key, Policy: deny})
	a.AddSecret(awstest.Secret{ARN: secretARN("master"), KmsKeyID: "alias/aws/secretsmanager", Policy: deny})
	return a
}

func TestWholeAccountIsRead(t *testing.T) {
	a := wholeAccount(t)
	r := reader(a, inventory.Options{})
	s := setup(t, read(t, r, rotation.Scope{}), functionARN("f"))
	if gaps := inventory.Gaps(rotation.Group{Setups: []rotation.Setup{s}}); len(gaps) > 0 {
		t.Errorf("gaps: %+v", gaps)
	}
	d := s.Secrets[0].Declaration
	if d.Strategy != rotation.MasterUser || d.Master != rotation.ARN(secretARN("master")) || d.MasterSource != rotation.SourceStack {
		t.Errorf("declaration = %+v", d)
	}
	if len(s.Function.Stack) != 1 || s.Function.Stack["superuserSecretArn"] == "" {
		t.Errorf("stack parameters kept: %v", s.Function.Stack)
	}
	m := s.Masters[d.Master]
	if m.ARN != d.Master || m.Policy.Document == nil || m.KMSKeyID == "" {
		t.Errorf("master = %+v", m)
	}
	if k := s.Keys["alias/aws/secretsmanager"]; k.Manager != "AWS" || k.Policy.Presence != rotation.NotRead {
		t.Errorf("AWS managed key = %+v", k)
	}
	if s.Secrets[0].Policy.Document == nil || s.Role.Tags["team"] != "db" || s.Role.Boundary.Document == nil {
		t.Errorf("setup = %+v", s)
	}
	for _, call := range []string{"kms:DescribeKey", "kms:GetKeyPolicy", "cloudformation:DescribeStacks", "secretsmanager:DescribeSecret"} {
		if n := r.Calls()[call]; n != 1 {
			t.Errorf("%s was called %d times, want 1", call, n)
		}
	}
	if k := s.Keys["arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111"]; !k.GrantsRead {
		t.Errorf("the key policy names another role, and the grants were not read: %+v", k)
	}
}

// TestEveryDeniedReadLeavesAGapAndTheRestIsRead fails each call in turn with AWS's denial, and with a code nobody expects.
func TestEveryDeniedReadLeavesAGapAndTheRestIsRead(t *testing.T) {
	tests := []struct {
		service, operation string
		gapOn              func(rotation.Setup) []rotation.Gap
	}{
		{"lambda", "GetFunctionConfiguration", func(s rotation.Setup) []rotation.Gap { return s.Function.Gaps }},
		{"lambda", "GetPolicy", func(s rotation.Setup) []rotation.Gap { return policyGap(s.Function.Policy) }},
		{"lambda", "ListTags", func(s rotation.Setup) []rotation.Gap { return s.Function.Gaps }},
		{"cloudformation", "DescribeStacks", func(s rotation.Setup) []rotation.Gap { return s.Function.Gaps }},
		{"iam", "GetRole", func(s rotation.Setup) []rotation.Gap { return append(policyGap(s.Role.Trust), s.Role.Gaps...) }},
		{"iam", "ListRolePolicies", func(s rotation.Setup) []rotation.Gap { return s.Role.Gaps }},
		{"iam", "GetRolePolicy", func(s rotation.Setup) []rotation.Gap { return policyGap(s.Role.Identity[0]) }},
		{"iam", "ListAttachedRolePolicies", func(s rotation.Setup) []rotation.Gap { return s.Role.Gaps }},
		{"iam", "GetPolicy", func(s rotation.Setup) []rotation.Gap {
			return append(policyGap(s.Role.Identity[1]), policyGap(*s.Role.Boundary)...)
		}},
		{"iam", "GetPolicyVersion", func(s rotation.Setup) []rotation.Gap { return policyGap(s.Role.Identity[1]) }},
		{"kms", "DescribeKey", keyGaps},
		{"kms", "GetKeyPolicy", keyGaps},
		{"kms", "ListGrants", keyGaps},
		{"secretsmanager", "DescribeSecret", func(s rotation.Setup) []rotation.Gap {
			return s.Masters[rotation.ARN(secretARN("master"))].Gaps
		}},
		{"secretsmanager", "GetResourcePolicy", func(s rotation.Setup) []rotation.Gap { return policyGap(s.Secrets[0].Policy) }},
	}
	for _, tt := range tests {
		call := tt.service + ":" + tt.operation
		t.Run(call, func(t *testing.T) {
			for code, permission := range map[string]string{"": call, "KMSAccessDeniedException": "", "ServiceUnavailableException\n": ""} {
				a := wholeAccount(t)
				if code == "" {
					a.Deny(awstest.Match{Service: tt.service, Operation: tt.operation})
				} else {
					a.Fail(awstest.Match{Service: tt.service, Operation: tt.operation, Count: -1}, awstest.Fault{Code: strings.TrimSpace(code), Message: "one\nline\x1b[31m", Status: 400})
				}
				s := setup(t, read(t, reader(a, inventory.Options{}), rotation.Scope{}), functionARN("f"))
				gaps := tt.gapOn(s)
				if len(gaps) == 0 {
					t.Fatalf("%s left no gap on the thing: %+v", code, s)
				}
				g := gaps[0]
				if g.Call != call || g.Code == "" || g.Permission != permission || g.Resource == "" || strings.ContainsAny(g.Message, "\n\x1b") {
					t.Errorf("gap = %+v", g)
				}
				if all := inventory.Gaps(rotation.Group{Setups: []rotation.Setup{s}}); !slices.Contains(all, g) {
					t.Errorf("Gaps = %+v, without %+v", all, g)
				}
				if call != "iam:GetRole" && call != "lambda:GetFunctionConfiguration" && s.Role.Presence != rotation.Present {
					t.Errorf("the role was not read: %+v", s.Role)
				}
				if s.Function.Policy.Document == nil && call != "lambda:GetPolicy" {
					t.Errorf("the function policy was not read: %+v", s.Function)
				}
			}
		})
	}
}

func policyGap(p rotation.Policy) []rotation.Gap {
	if p.Presence != rotation.Unreadable || p.Gap == nil {
		return nil
	}
	return []rotation.Gap{*p.Gap}
}

func keyGaps(s rotation.Setup) []rotation.Gap {
	var gaps []rotation.Gap
	for _, k := range s.Keys {
		gaps = append(append(gaps, k.Gaps...), policyGap(k.Policy)...)
	}
	return gaps
}

func TestUnfinishedListingIsAskedForAgainSecretBySecret(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addFunction(a, "f", a.AddRole(awstest.Role{Name: "r"}), "")
	addSecret(a, "s", "")
	a.Deny(awstest.Match{Service: "secretsmanager", Operation: "DescribeSecret"})
	groups := read(t, reader(a, inventory.Options{}), rotation.Scope{})
	s := groups[0].Setups[0].Secrets[0]
	if len(s.Gaps) != 1 || s.Gaps[0].Permission != "secretsmanager:DescribeSecret" {
		t.Errorf("what rotates the secret is not known, gaps = %+v", s.Gaps)
	}
}

func TestSecretGoneSinceItWasListed(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addSecret(a, "s", "")
	a.Lag(awstest.Lags{ListSecrets: awstest.Lag{Reads: 5}})
	a.RemoveSecret("s")
	if groups := read(t, reader(a, inventory.Options{}), rotation.Scope{}); len(groups) != 0 {
		t.Errorf("groups = %v", outline(groups))
	}
}

func TestHostileThings(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	hostile := "x<script>alert(1)</script>\x1b[2J\n"
	odd := a.AddRole(awstest.Role{Name: "odd", Trust: "%7B not json", Inline: map[string]string{"bad": `{"Version":`, "plus": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get+Object","Resource":"*"}]}`}})
	addFunction(a, "odd", odd, "")
	addFunction(a, "foreign", "arn:aws:iam::999999999999:role/theirs", "")
	addFunction(a, "noarn", "not-an-arn", "")
	for name, f := range map[string]string{
		"1": string(functionARN("odd")), "2": string(functionARN("foreign")), "3": string(functionARN("noarn")),
		"4": "arn:aws:lambda:us-east-1:999999999999:function:theirs", "5": hostile, "6": "arn:aws:s3:::bucket",
	} {
		a.AddSecret(awstest.Secret{ARN: secretARN(name), Name: hostile + name, RotationEnabled: &yes, RotationLambdaARN: f, KmsKeyID: hostile, Tags: []awstest.Tag{{Key: hostile, Value: hostile}}})
	}
	groups := read(t, reader(a, inventory.Options{}), rotation.Scope{})
	s := setup(t, groups, functionARN("odd"))
	if p := s.Role.Trust; p.Presence != rotation.Present || p.Document != nil || p.Gap == nil || p.Gap.Code != "MalformedPolicyDocument" {
		t.Errorf("trust that is not JSON = %+v", p)
	}
	if p := s.Role.Identity[1]; p.Document == nil || p.Document.Statements[0].Actions[0] != "s3:Get+Object" {
		t.Errorf("a plus sign in a document became %q", p.Text)
	}
	for f, code := range map[rotation.ARN]string{functionARN("foreign"): "ForeignRole", functionARN("noarn"): "MalformedArn"} {
		if r := setup(t, groups, f).Role; r.Presence != rotation.Unreadable || len(r.Gaps) != 1 || r.Gaps[0].Code != code {
			t.Errorf("role of %s = %+v", f, r)
		}
	}
	for f, code := range map[rotation.ARN]string{"arn:aws:lambda:us-east-1:999999999999:function:theirs": "NoMemberRole", rotation.ARN(hostile): "MalformedArn", "arn:aws:s3:::bucket": "MalformedArn"} {
		if f := setup(t, groups, f).Function; f.Presence != rotation.Unreadable || f.Gaps[0].Code != code {
			t.Errorf("function = %+v", f)
		}
	}
	for _, g := range groups {
		for _, gap := range inventory.Gaps(g) {
			if strings.ContainsAny(gap.Call+gap.Resource+gap.Message+gap.Code, "\n\x1b") {
				t.Errorf("control characters in %+v", gap)
			}
		}
	}
}

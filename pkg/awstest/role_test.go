package awstest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

func TestRoleAsAWSGivesIt(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	used := time.Date(2026, 5, 1, 2, 3, 4, 0, time.UTC)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"a b":"c+d%"}}}]}`
	boundary := a.AddPolicy(awstest.Policy{Name: "edge", Document: allowAll})
	arn := a.AddRole(awstest.Role{
		Name: "Rotator", Path: "/service-role/", Trust: trust, Boundary: boundary, LastUsed: used, LastUsedRegion: "eu-west-1",
		Inline: map[string]string{"RolePolicy1": "{\n \"a\": \"1+1 ü\"\n}"}, Tags: []awstest.Tag{{Key: "k", Value: "v"}},
		Attached: []string{"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
	})
	r := ok(c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: str("rotator")}))(t).Role
	doc, err := url.PathUnescape(*r.AssumeRolePolicyDocument)
	if err != nil || doc != trust || strings.ContainsAny(*r.AssumeRolePolicyDocument, "{ +\"") {
		t.Errorf("trust policy = %s, %v", *r.AssumeRolePolicyDocument, err)
	}
	if arn != "arn:aws:iam::123456789012:role/service-role/Rotator" || *r.Arn != arn || *r.Path != "/service-role/" || *r.PermissionsBoundary.PermissionsBoundaryArn != boundary ||
		!r.RoleLastUsed.LastUsedDate.Equal(used) || *r.RoleLastUsed.Region != "eu-west-1" || *r.Tags[0].Value != "v" {
		t.Errorf("GetRole = %+v", r)
	}
	p := ok(c.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: str("Rotator"), PolicyName: str("RolePolicy1")}))(t)
	if doc, _ := url.PathUnescape(*p.PolicyDocument); doc != "{\n \"a\": \"1+1 ü\"\n}" {
		t.Errorf("inline document = %q", doc)
	}
	names := ok(c.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: str("Rotator")}))(t)
	attached := ok(c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: str("Rotator")}))(t)
	if fmt.Sprint(names.PolicyNames) != "[RolePolicy1]" || names.IsTruncated || *attached.AttachedPolicies[0].PolicyName != "AWSLambdaBasicExecutionRole" {
		t.Errorf("policies %v, attached %+v", names.PolicyNames, attached.AttachedPolicies)
	}
	managed := ok(c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: attached.AttachedPolicies[0].PolicyArn}))(t).Policy
	version := ok(c.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: managed.Arn, VersionId: managed.DefaultVersionId}))(t).PolicyVersion
	if doc, _ := url.PathUnescape(*version.Document); !strings.Contains(doc, "logs:PutLogEvents") || *managed.AttachmentCount != 1 {
		t.Errorf("managed policy = %+v, %s", managed, doc)
	}
	if tags := ok(c.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: str("Rotator")}))(t).Tags; len(tags) != 1 {
		t.Errorf("tags = %v", tags)
	}
	roles := ok(c.iam.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: str("/service-role/")}))(t).Roles
	if len(roles) != 1 || roles[0].PermissionsBoundary != nil || roles[0].RoleLastUsed != nil {
		t.Errorf("ListRoles = %+v, want no boundary and no last use", roles)
	}
}

func TestWhatIAMDoesNotFind(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	a.AddRole(awstest.Role{Name: "r"})
	none, r, p := str("none"), str("r"), str("p")
	unknown := str("arn:aws:iam::123456789012:policy/none")
	calls := map[string]func() error{
		"GetRole": func() error { _, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: none}); return err },
		"ListRolePolicies": func() error {
			_, err := c.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: none})
			return err
		},
		"ListAttachedRolePolicies": func() error {
			_, err := c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: none})
			return err
		},
		"GetRolePolicy": func() error {
			_, err := c.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: r, PolicyName: p})
			return err
		},
		"DeleteRolePolicy": func() error {
			_, err := c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: r, PolicyName: p})
			return err
		},
		"PutRolePolicy": func() error {
			_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: none, PolicyName: p, PolicyDocument: str(allowAll)})
			return err
		},
		"AttachRolePolicy": func() error {
			_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: r, PolicyArn: unknown})
			return err
		},
		"DetachRolePolicy": func() error {
			_, err := c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: r, PolicyArn: unknown})
			return err
		},
		"GetPolicy": func() error { _, err := c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: unknown}); return err },
		"GetPolicyVersion": func() error {
			_, err := c.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: str("arn:aws:iam::aws:policy/IAMFullAccess"), VersionId: str("v99")})
			return err
		},
		"PutRolePermissionsBoundary": func() error {
			_, err := c.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: r, PermissionsBoundary: unknown})
			return err
		},
		"DeleteRolePermissionsBoundary": func() error {
			_, err := c.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: r})
			return err
		},
		"GetUser":  func() error { _, err := c.iam.GetUser(ctx, &iam.GetUserInput{UserName: none}); return err },
		"GetGroup": func() error { _, err := c.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: none}); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) { wantCode(t, call(), "NoSuchEntity", notFound) })
	}
}

func TestIAMRefusesDocuments(t *testing.T) {
	a, c := start(t)
	a.AddRole(awstest.Role{Name: "r"})
	tests := map[string]string{
		"not JSON":               `{`,
		"no Statement":           `{"Version":"2012-10-17"}`,
		"an empty Statement":     `{"Version":"2012-10-17","Statement":[]}`,
		"an unknown Version":     `{"Version":"2020-01-01","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		"no Effect":              `{"Statement":[{"Action":"s3:*","Resource":"*"}]}`,
		"no Action":              `{"Statement":[{"Effect":"Allow","Resource":"*"}]}`,
		"no Resource":            `{"Statement":[{"Effect":"Allow","Action":"s3:*"}]}`,
		"a Principal":            `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`,
		"a Sid with a hyphen":    `{"Statement":[{"Sid":"a-b","Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		"one Sid twice":          `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"s3:*","Resource":"*"}]}`,
		"an action of no vendor": `{"Statement":[{"Effect":"Allow","Action":"everything","Resource":"*"}]}`,
		"Action and NotAction":   `{"Statement":[{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}]}`,
	}
	for name, doc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: &doc})
			wantCode(t, err, "MalformedPolicyDocument", badRequest)
		})
	}
	withoutVersion := `{"Statement":{"Effect":"Allow","Action":["s3:*"],"Resource":["*"]}}`
	ok(c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: &withoutVersion}))(t)
	if r, _ := a.Role("r"); r.Inline["p"] != withoutVersion {
		t.Errorf("the document was not kept byte for byte: %s", r.Inline["p"])
	}
	_, err := c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("a/b"), PolicyDocument: str(allowAll)})
	wantCode(t, err, "ValidationError", badRequest)
}

func TestIAMQuotas(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	a.AddRole(awstest.Role{Name: "r"})
	sized := func(n int) *string {
		const head, tail = `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"`, `"}]}`
		return str(head + strings.Repeat("a", n-len(head+tail)) + tail + strings.Repeat(" ", 500)) // white space does not count
	}
	put := func(name string, n int) error {
		_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: &name, PolicyDocument: sized(n)})
		return err
	}
	if err := put("a", 10_000); err != nil {
		t.Fatal(err)
	}
	if err := put("b", 240); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put("c", 100), "LimitExceeded", conflict)
	wantCode(t, put("b", 241), "LimitExceeded", conflict)
	if err := put("a", 5_000); err != nil {
		t.Errorf("a smaller document in place of a larger one: %v", err)
	}
	if r, _ := a.Role("r"); len(r.Inline) != 2 {
		t.Errorf("a refused document was kept: %d policies", len(r.Inline))
	}
	_, err := c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str("p"), PolicyDocument: sized(6_145)})
	wantCode(t, err, "LimitExceeded", conflict)
	for i := range 11 {
		arn := *ok(c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str(fmt.Sprint("p", i)), PolicyDocument: sized(6_144)}))(t).Policy.Arn
		_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str("r"), PolicyArn: &arn})
		if i < 10 && err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			wantCode(t, err, "LimitExceeded", conflict)
		}
	}
	arn := str("arn:aws:iam::123456789012:policy/p0")
	for range 4 {
		ok(c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: str(allowAll), SetAsDefault: true}))(t)
	}
	_, err = c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: str(allowAll)})
	wantCode(t, err, "LimitExceeded", conflict)
	if p := ok(c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn}))(t).Policy; *p.DefaultVersionId != "v5" {
		t.Errorf("default version %s, want v5", *p.DefaultVersionId)
	}
	if v := ok(c.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions; len(v) != 5 {
		t.Errorf("%d versions, want 5", len(v))
	}
}

func TestRoleLifeThroughTheSDK(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	created := ok(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("r"), AssumeRolePolicyDocument: &trust, Path: str("/a/"), Tags: []types.Tag{{Key: str("k"), Value: str("v")}}}))(t)
	if *created.Role.Arn != "arn:aws:iam::123456789012:role/a/r" {
		t.Errorf("ARN = %s", *created.Role.Arn)
	}
	_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("R"), AssumeRolePolicyDocument: &trust})
	wantCode(t, err, "EntityAlreadyExists", conflict)
	_, err = c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("q"), AssumeRolePolicyDocument: str(allowAll)})
	wantCode(t, err, "MalformedPolicyDocument", badRequest)
	ok(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: str(allowAll)}))(t)
	ok(c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str("r"), PolicyArn: str("arn:aws:iam::aws:policy/IAMFullAccess")}))(t)
	ok(c.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: str("r"), PermissionsBoundary: str("arn:aws:iam::aws:policy/IAMFullAccess")}))(t)
	ok(c.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: str("r"), PolicyDocument: str(strings.Replace(trust, "Allow", "Deny", 1))}))(t)
	ok(c.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: str("r"), Tags: []types.Tag{{Key: str("K"), Value: str("w")}}}))(t)
	if r, _ := a.Role("r"); !strings.Contains(r.Trust, "Deny") || r.Boundary == "" || len(r.Tags) != 1 || r.Tags[0].Value != "w" {
		t.Errorf("role = %+v", r)
	}
	_, err = c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: str("r")})
	wantCode(t, err, "DeleteConflict", conflict)
	ok(c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: str("r"), PolicyName: str("p")}))(t)
	_, err = c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: str("r")})
	wantCode(t, err, "DeleteConflict", conflict)
	ok(c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: str("r"), PolicyArn: str("arn:aws:iam::aws:policy/IAMFullAccess")}))(t)
	ok(c.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: str("r")}))(t)
	ok(c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: str("r")}))(t)
	if _, there := a.Role("r"); there {
		t.Error("the role outlived its deletion")
	}
	a.AddRole(awstest.Role{Name: "AWSServiceRoleForX", Path: "/aws-service-role/x.amazonaws.com/"})
	_, err = c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("AWSServiceRoleForX"), PolicyName: str("p"), PolicyDocument: str(allowAll)})
	wantCode(t, err, "UnmodifiableEntity", badRequest)
}

func TestAccountAuthorizationDetails(t *testing.T) {
	a, c := start(t)
	for i := range 25 {
		a.AddRole(awstest.Role{Name: fmt.Sprintf("r%02d", i), Inline: map[string]string{"p": allowAll}, Attached: []string{"arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"}})
	}
	a.AddUser(awstest.User{Name: "u", Groups: []string{"g"}, Attached: []string{"arn:aws:iam::aws:policy/SecretsManagerReadWrite"}})
	a.AddGroup(awstest.Group{Name: "g", Inline: map[string]string{"gp": allowAll}})
	a.AddPolicy(awstest.Policy{Name: "mine", Document: allowAll})
	walk := func(in *iam.GetAccountAuthorizationDetailsInput) (users, groups, roles, policies, pages int) {
		for p := iam.NewGetAccountAuthorizationDetailsPaginator(c.iam, in); p.HasMorePages(); pages++ {
			page := ok(p.NextPage(t.Context()))(t)
			users += len(page.UserDetailList)
			groups += len(page.GroupDetailList)
			roles += len(page.RoleDetailList)
			policies += len(page.Policies)
			for _, r := range page.RoleDetailList {
				if doc, err := url.PathUnescape(*r.RolePolicyList[0].PolicyDocument); doc != allowAll || err != nil || len(r.AttachedManagedPolicies) != 1 {
					t.Fatalf("role detail = %+v", r)
				}
			}
			for _, p := range page.Policies {
				if doc, err := url.PathUnescape(*p.PolicyVersionList[0].Document); err != nil || !strings.Contains(doc, "Statement") {
					t.Fatalf("policy detail = %+v", p)
				}
			}
		}
		return users, groups, roles, policies, pages
	}
	if got := fmt.Sprint(walk(&iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(10)})); got != "1 1 25 3 3" {
		t.Errorf("users, groups, roles, policies, pages = %s, want 1 1 25 3 3", got)
	}
	if got := fmt.Sprint(walk(&iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{"Role", "LocalManagedPolicy"}})); got != "0 0 25 1 1" {
		t.Errorf("filtered: %s, want 0 0 25 1 1", got)
	}
	_, err := c.iam.GetAccountAuthorizationDetails(t.Context(), &iam.GetAccountAuthorizationDetailsInput{Marker: str("x")})
	wantCode(t, err, "ValidationError", badRequest)
}

func TestOperatorsAreReadable(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	a.AddUser(awstest.User{Name: "dba", Path: "/staff/", Groups: []string{"ops"}, Inline: map[string]string{"own": allowAll}, Attached: []string{"arn:aws:iam::aws:policy/IAMFullAccess"}})
	a.AddGroup(awstest.Group{Name: "ops", Inline: map[string]string{"team": allowAll}, Attached: []string{"arn:aws:iam::aws:policy/SecretsManagerReadWrite"}})
	u, g := str("dba"), str("ops")
	if got := ok(c.iam.GetUser(ctx, &iam.GetUserInput{UserName: u}))(t).User; *got.Arn != "arn:aws:iam::123456789012:user/staff/dba" {
		t.Errorf("GetUser = %+v", got)
	}
	if got := ok(c.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: u}))(t).PolicyNames; fmt.Sprint(got) != "[own]" {
		t.Errorf("ListUserPolicies = %v", got)
	}
	if got := ok(c.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: u, PolicyName: str("own")}))(t); *got.PolicyDocument == allowAll {
		t.Error("the user's policy is not URL-encoded")
	}
	if got := ok(c.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: u}))(t).AttachedPolicies; len(got) != 1 {
		t.Errorf("ListAttachedUserPolicies = %v", got)
	}
	if got := ok(c.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: u}))(t).Groups; *got[0].GroupName != "ops" {
		t.Errorf("ListGroupsForUser = %v", got)
	}
	if got := ok(c.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: g}))(t); *got.Users[0].UserName != "dba" || *got.Group.Arn != "arn:aws:iam::123456789012:group/ops" {
		t.Errorf("GetGroup = %+v", got)
	}
	if got := ok(c.iam.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: g}))(t).PolicyNames; fmt.Sprint(got) != "[team]" {
		t.Errorf("ListGroupPolicies = %v", got)
	}
	if got := ok(c.iam.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: g, PolicyName: str("team")}))(t); *got.GroupName != "ops" {
		t.Errorf("GetGroupPolicy = %+v", got)
	}
	if got := ok(c.iam.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: g}))(t).AttachedPolicies; *got[0].PolicyName != "SecretsManagerReadWrite" {
		t.Errorf("ListAttachedGroupPolicies = %v", got)
	}
	if got := ok(c.iam.ListPolicies(ctx, &iam.ListPoliciesInput{OnlyAttached: true}))(t).Policies; len(got) != 2 {
		t.Errorf("ListPolicies of those attached = %v", got)
	}
}

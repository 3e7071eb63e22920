package main

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// organization is one on moto: accounts by the unit that they are in.
type organization struct {
	id       string
	units    map[string]string
	accounts map[string]string
}

// newOrganization makes the units prod, prod/eu and sandbox with an account each.
func newOrganization(t *testing.T, cfg aws.Config) organization {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	client := organizations.NewFromConfig(cfg)
	made, err := client.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	must(err)
	roots, err := client.ListRoots(t.Context(), &organizations.ListRootsInput{})
	must(err)
	o := organization{aws.ToString(made.Organization.Id), map[string]string{"": aws.ToString(roots.Roots[0].Id)}, map[string]string{}}
	for _, name := range []string{"prod", "prod/eu", "sandbox"} {
		parent, own, below := strings.Cut(name, "/")
		if !below {
			parent, own = "", name
		}
		unit, err := client.CreateOrganizationalUnit(t.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: aws.String(o.units[parent]), Name: &own})
		must(err)
		o.units[name] = aws.ToString(unit.OrganizationalUnit.Id)
		account, err := client.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: &own, Email: aws.String(own + "@example.com")})
		must(err)
		o.accounts[name] = aws.ToString(account.CreateAccountStatus.AccountId)
		_, err = client.MoveAccount(t.Context(), &organizations.MoveAccountInput{
			AccountId: aws.String(o.accounts[name]), SourceParentId: aws.String(o.units[""]), DestinationParentId: aws.String(o.units[name]),
		})
		must(err)
	}
	return o
}

// TestStackSetGivesEveryAccountOfItsUnitsTheMemberRole makes the synthesized stack set, as CloudFormation would from the template, with the permissions that AWS manages. What
// comes to be in the accounts of the unit and of the unit below it is asked whom it lets in.
func TestStackSetGivesEveryAccountOfItsUnitsTheMemberRole(t *testing.T) {
	m := startOnMoto(t)
	o := newOrganization(t, m.cfg)
	s := repairing()
	s.Member.Role, s.Member.WriterRole = "audit/rotationguard-member", "audit/rotationguard-writer"
	const fleetRole, people = "arn:aws:iam::" + account.ID + ":role/fleet-sweep", "arn:aws:iam::999988887777:role/on-call"
	set := fleetTemplate(t, s, "role_name: audit/rotationguard-member\nexternal_id: example-3f9c\ntrusted_roles: [\""+people+"\"]\norganization: {id: "+o.id+", ous: ["+o.units["prod"]+"]}\n").
		only(t, "AWS::CloudFormation::StackSet")
	m.deployStackSet(t, set, fleetRole)
	for unit, id := range o.accounts {
		theirs := m.cfg.Copy()
		theirs.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(m.cfg), "arn:aws:iam::"+id+":role/OrganizationAccountAccessRole"))
		member, err := iam.NewFromConfig(theirs).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("rotationguard-member")})
		var missing *iamtypes.NoSuchEntityException
		if unit == "sandbox" {
			if !errors.As(err, &missing) {
				t.Errorf("an account outside of the unit has the member role: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", unit, err)
		}
		own := "arn:aws:iam::" + id + ":role/audit/rotationguard-"
		if got := aws.ToString(member.Role.Arn); got != own+"member" {
			t.Errorf("%s: the role is %s", unit, got)
		}
		letsIn(t, unit+"'s member role", aws.ToString(member.Role.AssumeRolePolicyDocument), own+"member", o.id, map[string]bool{fleetRole: true, people: true, own + "member": false})
		writer, err := iam.NewFromConfig(theirs).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("rotationguard-writer")})
		if err != nil {
			t.Fatalf("%s: %v", unit, err)
		}
		if trust, err := url.QueryUnescape(aws.ToString(writer.Role.AssumeRolePolicyDocument)); err != nil || !strings.Contains(trust, own+"member") || strings.Contains(trust, fleetRole) {
			t.Errorf("%s's writer trusts %s, %v", unit, trust, err)
		}
	}
}

// letsIn asks a trust policy who may assume the role, each with all that is asked for, without any one of it, and from another organization.
func letsIn(t *testing.T, what, encoded, role, organization string, want map[string]bool) {
	t.Helper()
	text, err := url.QueryUnescape(encoded)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := policy.Parse(what, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v: %s", what, err, text)
	}
	want["arn:aws:iam::"+account.ID+":role/other"], want["arn:aws:iam::"+account.ID+":role/fleet-sweep-2"] = false, false
	want["arn:aws:iam::999988887777:role/other"] = false
	for who, lets := range want {
		for _, tt := range []struct {
			key, value string
			lets       bool
		}{{"", "", lets}, {"sts:ExternalId", "other", false}, {"sts:ExternalId", "", false}, {"aws:PrincipalOrgID", "o-ffffffffff", false}} {
			for _, action := range []string{"sts:AssumeRole", "sts:TagSession"} {
				context := map[string][]string{"sts:ExternalId": {"example-3f9c"}, "aws:PrincipalOrgID": {organization}, "aws:PrincipalArn": {who}, "aws:TagKeys": sessionTags}
				switch {
				case tt.key != "" && tt.value == "":
					delete(context, tt.key)
				case tt.key != "":
					context[tt.key] = []string{tt.value}
				}
				caller, err := policy.ParseCaller(who)
				if err != nil {
					t.Fatal(err)
				}
				// The caller's own account has allowed it: what the trust policy says is asked.
				set := policy.Set{Relation: policy.CrossAccount, Identity: []*policy.Document{allowAll(t)}, Resource: []*policy.Document{trust}}
				if got := policy.Evaluate(&set, &policy.Request{Caller: caller, Action: action, Resource: role, Context: context}).Outcome == policy.Allowed; got != tt.lets {
					t.Errorf("%s lets %s in by %s: %t, want %t (%s %q)", what, who, action, got, tt.lets, tt.key, tt.value)
				}
			}
		}
	}
}

func allowAll(t *testing.T) *policy.Document {
	t.Helper()
	d, err := policy.Parse("all", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// deployStackSet does with a stack set of a template what CloudFormation does: makes it, and the instances of its group.
func (m *onMoto) deployStackSet(t *testing.T, set map[string]any, fleetRole string) {
	t.Helper()
	text := func(v any) string { return strings.ReplaceAll(plainText(v), "<AWS::Region>", "eu-central-1") }
	in := cloudformation.CreateStackSetInput{
		StackSetName: aws.String(text(set["StackSetName"])), TemplateBody: aws.String(text(set["TemplateBody"])), Description: aws.String(text(set["Description"])),
		PermissionModel: cfntypes.PermissionModels(text(set["PermissionModel"])), CallAs: cfntypes.CallAs(text(set["CallAs"])),
	}
	for _, c := range set["Capabilities"].([]any) {
		in.Capabilities = append(in.Capabilities, cfntypes.Capability(text(c)))
	}
	for _, entry := range set["Parameters"].([]any) {
		p := entry.(map[string]any)
		value := text(p["ParameterValue"])
		if strings.HasPrefix(value, "<SweepRole") {
			value = fleetRole
		}
		in.Parameters = append(in.Parameters, cfntypes.Parameter{ParameterKey: aws.String(text(p["ParameterKey"])), ParameterValue: &value})
	}
	client := cloudformation.NewFromConfig(m.cfg)
	if _, err := client.CreateStackSet(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	for _, entry := range set["StackInstancesGroup"].([]any) {
		var group struct {
			DeploymentTargets struct{ OrganizationalUnitIds []string }
			Regions           []any
		}
		data, err := json.Marshal(entry)
		if err == nil {
			err = json.Unmarshal(data, &group)
		}
		if err != nil {
			t.Fatal(err)
		}
		var regions []string
		for _, r := range group.Regions {
			regions = append(regions, text(r))
		}
		if len(slices.Compact(regions)) != 1 {
			t.Errorf("a role is made in %v: IAM is global", regions)
		}
		if _, err := client.CreateStackInstances(t.Context(), &cloudformation.CreateStackInstancesInput{
			StackSetName: in.StackSetName, DeploymentTargets: &cfntypes.DeploymentTargets{OrganizationalUnitIds: group.DeploymentTargets.OrganizationalUnitIds}, Regions: regions, CallAs: in.CallAs,
		}); err != nil {
			t.Fatal(err)
		}
	}
}

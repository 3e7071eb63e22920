package fleet

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const hub = "123456789012"

var auditing = Fleet{Role: "audit/member", ExternalID: "example"}

func TestOnlyTheConfiguredRoleIsATarget(t *testing.T) {
	good := auditing.Target("aws", "111122223333", "", "eu-west-1")
	tests := []struct {
		name      string
		target    Target
		fleet     Fleet
		partition string
		want      string // part of the error; "" when it is taken
	}{
		{"the member role", good, auditing, "aws", ""},
		{"another role", Target{"111122223333", "eu-west-1", "arn:aws:iam::111122223333:role/admin", ""}, auditing, "aws", "is not the configured member role arn:aws:iam::111122223333:role/audit/member"},
		{"the role without its path", Target{"111122223333", "eu-west-1", "arn:aws:iam::111122223333:role/member", ""}, auditing, "aws", "not the configured member role"},
		{"the role of another account", Target{"111122223333", "eu-west-1", "arn:aws:iam::444455556666:role/audit/member", ""}, auditing, "aws", "not the configured member role"},
		{"the role of another partition", Target{"111122223333", "eu-west-1", "arn:aws-cn:iam::111122223333:role/audit/member", ""}, auditing, "aws", "not the configured member role"},
		{"a longer name", Target{"111122223333", "eu-west-1", good.RoleARN + "-admin", ""}, auditing, "aws", "not the configured member role"},
		{"no role", Target{"111122223333", "eu-west-1", "", ""}, auditing, "aws", "not the configured member role"},
		{"no account", Target{"1111", "eu-west-1", good.RoleARN, ""}, auditing, "aws", "is not 12 digits"},
		{"no Region", Target{"111122223333", "../x", good.RoleARN, ""}, auditing, "aws", "is no Region's name"},
		{"a fleet without a role", Target{"111122223333", "eu-west-1", "arn:aws:iam::111122223333:role/", ""}, Fleet{}, "aws", "no member role is configured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.fleet.Check(tt.target, tt.partition)
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !errors.Is(err, ErrRefused)) {
				t.Errorf("Check = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTargetsFileAndConfigNameOneRole(t *testing.T) {
	parse := func(text string) *config.Targets {
		f, err := config.ParseTargets("t.yaml", []byte(text+"\nregions: [eu-west-1]\ntargets: [{account: \"111122223333\"}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		return &f
	}
	tests := []struct {
		name, text string
		member     config.Member
		want       Fleet
		err        string
	}{
		{"the file alone", "role_name: /audit/member\nexternal_id: example", config.Member{}, auditing, ""},
		{"the config alone", "", config.Member{Role: "audit/member", ExternalID: "example", WriterRole: "/w"}, Fleet{"audit/member", "example", "w"}, ""},
		{"both the same", "role_name: audit/member", config.Member{Role: "/audit/member", ExternalID: "example"}, auditing, ""},
		{"neither", "", config.Member{}, Fleet{}, "t.yaml: role_name: missing"},
		{"another role", "role_name: other", config.Member{Role: "member"}, Fleet{}, "t.yaml:1:1: role_name: other is not the configured member role member"},
		{"another external id", "role_name: member\nexternal_id: other", config.Member{Role: "member", ExternalID: "example"}, Fleet{}, "t.yaml:2:1: external_id: it is not the configured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New(parse(tt.text), tt.member)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("New = %+v, %v, want %+v, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestSessionMayMakeEveryReadOfInventoryAndNoOther compares the session policy with the client interfaces that package inventory reads with.
func TestSessionMayMakeEveryReadOfInventoryAndNoOther(t *testing.T) {
	services := map[string]string{"Secrets": "secretsmanager", "Functions": "lambda", "Tagged": "tag", "Roles": "iam", "Users": "iam", "Keys": "kms", "Stacks": "cloudformation"}
	want := map[string]bool{}
	clients := reflect.TypeFor[inventory.Clients]()
	for i := range clients.NumField() {
		field := clients.Field(i)
		if field.Type.Kind() != reflect.Interface || field.Name == "Credentials" {
			continue
		}
		service, known := services[field.Name]
		if !known {
			t.Fatalf("which service does inventory.Clients.%s call?", field.Name)
		}
		for k := range field.Type.NumMethod() {
			want[service+":"+field.Type.Method(k).Name] = true
		}
	}
	got := map[string]bool{}
	for _, action := range reads {
		got[action] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the session's actions (-inventory +session):\n%s", diff)
	}
}

func TestSessionPolicyFitsAndNamesTheWriterAlone(t *testing.T) {
	writer := "arn:aws-us-gov:iam::111122223333:role/" + strings.Repeat("p", 500) + "/writer"
	for _, mode := range []repair.Mode{repair.ModeReport, repair.ModeRepair, repair.ModeEnforce} {
		text, err := sessionPolicy(mode, writer)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, `"Resource":"`+writer+`","Action":["sts:AssumeRole"]`) != mode.Writes() || strings.Contains(text, "GetSecretValue") || strings.Contains(text, "iam:Put") {
			t.Errorf("mode %s: %s", mode, text)
		}
	}
}

func TestAssumedSessionIsTaggedAndScopedDown(t *testing.T) {
	a := awstest.New(t, awstest.Options{ID: hub, Region: "eu-central-1"})
	peer := a.Peer("111122223333")
	peer.AddRole(awstest.Role{Name: "member", Path: "/audit/", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + hub +
		`:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"example"}}}]}`})
	target := auditing.Target("aws", "111122223333", "", "eu-west-1")
	cfg, err := auditing.Assume(a.Config(), target, "aws", "20261125T060000Z-1a2b3c4d", repair.ModeReport)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secretsmanager.NewFromConfig(cfg).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err != nil {
		t.Fatal(err)
	}
	calls := peer.Calls() // of all accounts
	if len(calls) != 2 || calls[0].Region != "eu-central-1" || calls[1].Region != "eu-west-1" || len(calls[1].SessionPolicy) != 1 {
		t.Fatalf("calls %+v", calls)
	}
	if sent := calls[0].Params; sent["Tags.member.2.Key"] != "rotationguard-run" || sent["Tags.member.2.Value"] != "20261125T060000Z-1a2b3c4d" {
		t.Errorf("AssumeRole was sent %v", sent)
	}
	wrong := Fleet{Role: auditing.Role, ExternalID: "other"}
	if cfg, err = wrong.Assume(a.Config(), target, "aws", "r", repair.ModeReport); err != nil {
		t.Fatal(err)
	}
	_, err = secretsmanager.NewFromConfig(cfg).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if cause := CauseOf(target.RoleARN, err); cause.Code != "AccessDenied" || cause.Permission != "sts:AssumeRole" {
		t.Errorf("another external id: %+v", cause)
	}
	if _, err := auditing.Assume(a.Config(), target, "aws", "r", repair.ModeRepair); !errors.Is(err, ErrRefused) {
		t.Errorf("mode repair without a writer: %v", err)
	}
}

// directory is an organization in memory; every other page holds one entry, and those before them none, which the API reference of Organizations allows.
type directory struct {
	units    map[string][]string // the units below a unit
	accounts map[string][]string // the accounts in a unit
	tags     map[string]map[string]string
	inactive []string
	refuse   string // the account of which nothing can be read
}

func page[T any](all []T, token *string) (one []T, next *string) {
	i := len(aws.ToString(token))
	if i/2 >= len(all) {
		return nil, nil
	}
	if i%2 == 0 || i/2+1 < len(all) {
		next = aws.String(strings.Repeat("x", i+1))
	}
	if i%2 == 0 {
		return nil, next
	}
	return all[i/2 : i/2+1], next
}

func (d *directory) of(ids []string) (all []types.Account) {
	for _, id := range ids {
		a := types.Account{Id: aws.String(id), Arn: aws.String("arn:aws:organizations::" + hub + ":account/o-a1b2c3d4e5/" + id), Name: aws.String("n" + id[11:]), State: types.AccountStateActive}
		if slices.Contains(d.inactive, id) {
			a.State = types.AccountStateSuspended
		}
		all = append(all, a)
	}
	return all
}

func (d *directory) ListAccounts(_ context.Context, in *organizations.ListAccountsInput, _ ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	var all []string
	for _, ids := range d.accounts {
		all = append(all, ids...)
	}
	slices.Sort(all)
	accounts, next := page(d.of(all), in.NextToken)
	return &organizations.ListAccountsOutput{Accounts: accounts, NextToken: next}, nil
}

func (d *directory) ListAccountsForParent(_ context.Context, in *organizations.ListAccountsForParentInput, _ ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error) {
	accounts, next := page(d.of(d.accounts[*in.ParentId]), in.NextToken)
	return &organizations.ListAccountsForParentOutput{Accounts: accounts, NextToken: next}, nil
}

func (d *directory) ListOrganizationalUnitsForParent(_ context.Context, in *organizations.ListOrganizationalUnitsForParentInput, _ ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
	ids, next := page(d.units[*in.ParentId], in.NextToken)
	out := &organizations.ListOrganizationalUnitsForParentOutput{NextToken: next}
	for _, id := range ids {
		out.OrganizationalUnits = append(out.OrganizationalUnits, types.OrganizationalUnit{Id: aws.String(id)})
	}
	return out, nil
}

func (d *directory) ListRoots(context.Context, *organizations.ListRootsInput, ...func(*organizations.Options)) (*organizations.ListRootsOutput, error) {
	return &organizations.ListRootsOutput{Roots: []types.Root{{Id: aws.String("r-ab12")}}}, nil
}

func (d *directory) ListTagsForResource(_ context.Context, in *organizations.ListTagsForResourceInput, _ ...func(*organizations.Options)) (*organizations.ListTagsForResourceOutput, error) {
	out := &organizations.ListTagsForResourceOutput{}
	for key, value := range d.tags[*in.ResourceId] {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	return out, nil
}

func (d *directory) ListRegions(_ context.Context, in *account.ListRegionsInput, _ ...func(*account.Options)) (*account.ListRegionsOutput, error) {
	id := aws.ToString(in.AccountId)
	switch {
	case id == hub:
		return nil, errors.New("AccountId is not to be given for the caller's own account")
	case id != "" && id == d.refuse:
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no trusted access"}
	}
	all := []accounttypes.Region{{RegionName: aws.String("eu-west-1")}}
	if id == "" { // the caller's own
		all = append(all, accounttypes.Region{RegionName: aws.String("af-south-1")})
	}
	regions, next := page(all, in.NextToken)
	return &account.ListRegionsOutput{Regions: regions, NextToken: next}, nil
}

func TestOrganizationsAccountsAreTargets(t *testing.T) {
	d := &directory{
		units: map[string][]string{"r-ab12": {"ou-ab12-11111111", "ou-ab12-22222222"}, "ou-ab12-11111111": {"ou-ab12-33333333"}, "ou-ab12-33333333": {"ou-ab12-11111111"}},
		accounts: map[string][]string{
			"r-ab12": {hub}, "ou-ab12-11111111": {"000000000001", "000000000002", "000000000004"}, "ou-ab12-22222222": {"000000000003"}, "ou-ab12-33333333": {"000000000004", "000000000005"},
		},
		tags:     map[string]map[string]string{"000000000001": {"stage": "production"}, "000000000004": {"stage": "prod", "team": "a"}},
		inactive: []string{"000000000005"},
	}
	tests := []struct {
		name, text string
		refuse     string
		want       []string
		failed     []string
	}{
		{"all, in the Regions that each has opted in to", "id: o-a1b2c3d4e5", "", []string{
			hub + " af-south-1", "000000000001 eu-west-1", "000000000002 eu-west-1", "000000000003 eu-west-1", "000000000004 eu-west-1", hub + " eu-west-1",
		}, nil},
		{"one unit with those below", "{id: o-a1b2c3d4e5, ous: [ou-ab12-11111111]}", "", []string{"000000000001 eu-west-1", "000000000002 eu-west-1", "000000000004 eu-west-1"}, nil},
		{"all but one unit with those below", "{id: o-a1b2c3d4e5, exclude_ous: [ou-ab12-11111111], exclude: [\"" + hub + "\"]}", "", []string{"000000000003 eu-west-1"}, nil},
		{"a unit below one that is left out", "{id: o-a1b2c3d4e5, ous: [ou-ab12-33333333, ou-ab12-22222222], exclude_ous: [ou-ab12-11111111]}", "", []string{"000000000003 eu-west-1"}, nil},
		{"a unit twice, and one below it", "{id: o-a1b2c3d4e5, ous: [ou-ab12-22222222, ou-ab12-11111111, ou-ab12-33333333, ou-ab12-22222222]}", "", []string{
			"000000000001 eu-west-1", "000000000002 eu-west-1", "000000000003 eu-west-1", "000000000004 eu-west-1",
		}, nil},
		{"by tag", "{id: o-a1b2c3d4e5, tags: {stage: prod*}}", "", []string{"000000000001 eu-west-1", "000000000004 eu-west-1"}, nil},
		{"by all tags", "{id: o-a1b2c3d4e5, tags: {stage: prod*, team: \"?\"}}", "", []string{"000000000004 eu-west-1"}, nil},
		{"an account without an answer is a failure", "{id: o-a1b2c3d4e5, ous: [ou-ab12-11111111]}", "000000000002", []string{"000000000001 eu-west-1", "000000000004 eu-west-1"}, []string{"000000000002 account:ListRegions AccessDeniedException"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.text, "id") {
				tt.text = "{" + tt.text + "}"
			}
			file, err := config.ParseTargets("t.yaml", []byte("organization: "+tt.text))
			if err != nil {
				t.Fatal(err)
			}
			d.refuse = tt.refuse
			list, err := auditing.List(t.Context(), Directory{d, d, "arn:aws:iam::" + hub + ":role/x"}, &file)
			if err != nil {
				t.Fatal(err)
			}
			var got, failed []string
			for _, target := range list.Targets {
				got = append(got, target.Account+" "+target.Region)
				if err := auditing.Check(target, "aws"); err != nil {
					t.Error(err)
				}
			}
			for _, f := range list.Failed {
				failed = append(failed, f.Account+" "+f.Cause.Call+" "+f.Cause.Code)
			}
			if !slices.Equal(got, tt.want) || !slices.Equal(failed, tt.failed) {
				t.Errorf("targets %v, failed %v, want %v, %v", got, failed, tt.want, tt.failed)
			}
		})
	}
}

func TestARegionIsSweptWhereItIsOptedInTo(t *testing.T) {
	d := &directory{accounts: map[string][]string{"r-ab12": {hub, "000000000001", "000000000002"}}, refuse: "000000000002"}
	list := func(regions string) List {
		t.Helper()
		file, err := config.ParseTargets("t.yaml", []byte("regions: ["+regions+"]\norganization: {id: o-a1b2c3d4e5}\n"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := auditing.List(t.Context(), Directory{d, d, "arn:aws:iam::" + hub + ":role/x"}, &file)
		if err != nil || len(list.Failed) > 0 {
			t.Fatalf("List: %v, %v", err, list.Failed)
		}
		return list
	}
	got := list("eu-west-1, af-south-1")
	var at []string
	for _, target := range got.Targets {
		at = append(at, target.Account+" "+target.Region)
	}
	// The account that cannot be asked is swept where the file says.
	want := []string{"000000000002 af-south-1", hub + " af-south-1", "000000000001 eu-west-1", "000000000002 eu-west-1", hub + " eu-west-1"}
	if !slices.Equal(at, want) || len(got.Notes) != 1 || got.Notes[0] != "Not opted in to af-south-1, and not swept there: 1 of the organization's accounts." {
		t.Errorf("targets %v, notes %q, want %v", at, got.Notes, want)
	}
	if got := list("eu-west-1, us-east-1"); len(got.Targets) != 6 || len(got.Notes) > 0 { // every account has them: nobody is asked
		t.Errorf("targets %v, notes %q", got.Targets, got.Notes)
	}
}

func TestAnotherOrganizationIsNotListed(t *testing.T) {
	d := &directory{accounts: map[string][]string{"r-ab12": {hub, "000000000001"}}}
	file, err := config.ParseTargets("t.yaml", []byte("organization: {id: o-ffffffffff}\n"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := auditing.List(t.Context(), Directory{d, d, "arn:aws:iam::" + hub + ":role/x"}, &file)
	if err == nil || !strings.Contains(err.Error(), "organization o-ffffffffff: the credentials are of organization o-a1b2c3d4e5") || len(list.Targets) > 0 {
		t.Errorf("List = %v, %v", list.Targets, err)
	}
}

func TestListedTargetsAreOfDifferentAccountsInARow(t *testing.T) {
	file, err := config.ParseTargets("t.yaml", []byte("regions: [eu-west-1, eu-central-1]\ntargets: [{account: \"000000000002\"}, {account: \"000000000001\", name: a, regions: [eu-west-1]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := auditing.List(t.Context(), Directory{Caller: "arn:aws-cn:iam::" + hub + ":user/x"}, &file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{
		auditing.Target("aws-cn", "000000000002", "", "eu-central-1"), auditing.Target("aws-cn", "000000000001", "a", "eu-west-1"), auditing.Target("aws-cn", "000000000002", "", "eu-west-1"),
	}
	if diff := cmp.Diff(want, list.Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestOperatorsAreJudgedInTheirOwnAccount(t *testing.T) {
	all := []rotation.Operator{{Principal: "arn:aws:iam::000000000001:role/a"}, {Principal: "arn:aws:iam::000000000002:role/a"}}
	if got := OperatorsIn(Target{Account: "000000000002"}, all); len(got) != 1 || got[0].Principal != all[1].Principal {
		t.Errorf("OperatorsIn = %v", got)
	}
}

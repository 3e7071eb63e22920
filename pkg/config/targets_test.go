package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestTargetsAreRead(t *testing.T) {
	tests := []struct {
		name, text string
		want       Targets
	}{
		{"a list", `
role_name: audit/rotationguard-member
external_id: example-7f3a
regions: [eu-central-1, eu-west-1]
concurrency: 8
tolerated_failure_percentage: 5
trusted_roles: ["arn:aws:iam::999988887777:role/people/on-call"]
targets:
  - {account: "111122223333", name: payments}
  - {account: "000000000001", regions: [us-east-1]}
`, Targets{
			RoleName: "audit/rotationguard-member", ExternalID: "example-7f3a", Regions: []string{"eu-central-1", "eu-west-1"}, Concurrency: 8, Tolerated: 5, TrustedRoles: []string{"arn:aws:iam::999988887777:role/people/on-call"},
			Targets: []Target{{Account: "111122223333", Name: "payments"}, {Account: "000000000001", Regions: []string{"us-east-1"}}},
		}},
		{"an organization", `
role_name: rotationguard-member
organization:
  id: o-a1b2c3d4e5
  ous: [ou-ab12-34cd56ef]
  exclude_ous: [ou-ab12-99999999]
  tags: {stage: "prod*"}
  exclude: ["444455556666"]
  delegated_administrator: true
`, Targets{RoleName: "rotationguard-member", Tolerated: 10, Organization: Organization{
			ID: "o-a1b2c3d4e5", OUs: []string{"ou-ab12-34cd56ef"}, ExcludeOUs: []string{"ou-ab12-99999999"}, Tags: map[string]string{"stage": "prod*"},
			Exclude: []string{"444455556666"}, DelegatedAdministrator: true,
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTargets("targets.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Targets{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ParseTargets (-want +got):\n%s", diff)
			}
			if got.Listed() != (tt.want.Organization.ID == "") {
				t.Errorf("Listed = %t", got.Listed())
			}
		})
	}
}

// TestTargetsProblemsNameLineAndField holds that the schema refuses what the parser refuses, wherever a schema can say it.
func TestTargetsProblemsNameLineAndField(t *testing.T) {
	schema := compileTargetsSchema(t)
	const one = "targets: [{account: \"111122223333\"}]\n"
	tests := []struct {
		name, text, want string
		beyondSchema     bool
	}{
		{"nothing", "", "t.yaml: targets: no account", true}, // an empty file is no object to a schema
		{"no account", "role_name: a\n", "targets: no account", false},
		{"an empty list", "targets: []\n", "t.yaml:1:1: targets: no account", false},
		{"both", one + "regions: [eu-west-1]\norganization: {id: o-a1b2c3d4e5}\n", "t.yaml:3:1: organization: there are targets too", false},
		{"any role is trusted", "trusted_roles: [\"arn:aws:iam::999988887777:role/*\"]\nregions: [eu-west-1]\n" + one, "t.yaml:1:17: trusted_roles[0]: ", false},
		{"a user is trusted", "trusted_roles: [\"arn:aws:iam::999988887777:user/ana\"]\nregions: [eu-west-1]\n" + one, "t.yaml:1:17: trusted_roles[0]: ", false},
		{"a role is trusted twice", "trusted_roles: [\"arn:aws:iam::999988887777:role/a\", \"arn:aws:iam::999988887777:role/a\"]\nregions: [eu-west-1]\n" + one, "trusted_roles[1]: arn:aws:iam::999988887777:role/a is in the list already", false},
		{"an unknown field", "role: a\nregions: [eu-west-1]\n" + one, "t.yaml:1:1: role: unknown field", false},
		{"an unknown field of a target", "regions: [eu-west-1]\ntargets:\n  - acount: \"111122223333\"\n", "t.yaml:3:5: targets[0].acount: unknown field; did you mean account?", false},
		{"an account that is a number", "regions: [eu-west-1]\ntargets:\n  - account: 111122223333\n", "t.yaml:3:14: targets[0].account: it is text: put it in quotes", false},
		{"an account that is no account", "regions: [eu-west-1]\ntargets: [{account: \"11112222333\"}]\n", "t.yaml:2:12: targets[0].account: \"11112222333\" is not an account's 12 digits", false},
		{"no account in a target", "regions: [eu-west-1]\ntargets: [{name: a}]\n", "targets[0].account: missing", false},
		{"no Region", one, "t.yaml:1:12: targets[0]: no Region", true},
		{"no Region's name", "regions: [frankfurt]\n" + one, "t.yaml:1:11: regions[0]: \"frankfurt\" is not a Region's name", false},
		{"a Region twice", "regions: [eu-west-1, eu-west-1]\n" + one, "t.yaml:1:22: regions[1]: eu-west-1 is in the list already", false},
		{"an account twice", "regions: [eu-west-1]\ntargets: [{account: \"111122223333\"}, {account: \"111122223333\"}]\n", "targets[1].account: 111122223333 is targets[0] already", true},
		{"a role's ARN", "role_name: arn:aws:iam::111122223333:role/a\nregions: [eu-west-1]\n" + one, "t.yaml:1:1: role_name: \"arn:aws:iam::111122223333:role/a\" is not a role's name", false},
		{"an external id", "external_id: a b\nregions: [eu-west-1]\n" + one, "t.yaml:1:1: external_id: \"a b\" is not", false},
		{"concurrency", "concurrency: -1\nregions: [eu-west-1]\n" + one, "t.yaml:1:1: concurrency: -1 is not between", false},
		{"tolerance", "tolerated_failure_percentage: 101\nregions: [eu-west-1]\n" + one, "tolerated_failure_percentage: 101 is not between", false},
		{"an organization without id", "organization: {ous: [ou-ab12-34cd56ef]}\n", "t.yaml:1:1: organization.id: missing", false},
		{"an organization's id", "organization: {id: 123}\n", "t.yaml:1:20: organization.id: it is text", false},
		{"an OU's name", "organization: {id: o-a1b2c3d4e5, ous: [prod]}\n", "t.yaml:1:40: organization.ous[0]: \"prod\" is not the id of an organizational unit", false},
		{"an excluded account", "organization: {id: o-a1b2c3d4e5, exclude: [x]}\n", "organization.exclude[0]: \"x\" is not an account's", false},
		{"a tag's value", "organization: {id: o-a1b2c3d4e5, tags: {prod: true}}\n", "organization.tags.prod: it is text", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseTargets("t.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseTargets = %v, want %q", err, tt.want)
			}
			if tt.beyondSchema {
				return
			}
			if err := schema.Validate(asJSON(t, tt.text)); err == nil {
				t.Error("the schema takes it")
			}
		})
	}
	for name, text := range map[string]string{
		"a list":          "regions: [eu-west-1]\n" + one,
		"an organization": "organization: {id: o-a1b2c3d4e5, ous: [r-ab12], tags: {}}\n",
		"nulls":           "role_name:\nexternal_id:\nregions: [eu-west-1]\nconcurrency:\n" + one,
	} {
		if _, err := ParseTargets("t.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := schema.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: the schema says %v", name, err)
		}
	}
}

func TestTargetsSchemaHasEveryFieldOfTheTypeAndNoOther(t *testing.T) {
	var root schemaNode
	if err := json.Unmarshal(TargetsSchema, &root); err != nil {
		t.Fatal(err)
	}
	compareType(t, root.Defs, reflect.TypeFor[Targets](), root, "")
	if d := root.Properties["tolerated_failure_percentage"].Default; d != float64(DefaultTargets().Tolerated) {
		t.Errorf("the schema's default of tolerated_failure_percentage is %v", d)
	}
}

func compileTargetsSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(TargetsSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("targets.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("targets.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

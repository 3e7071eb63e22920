package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
)

const organizationTargets = `role_name: audit/rotationguard-member
external_id: example-3f9c
regions: [eu-central-1, eu-west-1]
organization: {id: o-a1b2c3d4e5, ous: [r-ab12], exclude: ["111122223333"], delegated_administrator: true}
`

const listedTargets = `role_name: rotationguard-member
external_id: example-3f9c
regions: [eu-central-1]
concurrency: 7
tolerated_failure_percentage: 25
targets: [{account: "111122223333"}, {account: "444455556666"}]
`

// fleetApp is an app with the fleet's stack of settings and a targets file, around binaries that are only a name.
func fleetApp(t *testing.T, s Settings, targets string) (awscdk.App, awscdk.Stack, Fleet) {
	t.Helper()
	folder := t.TempDir()
	s.Fleet, s.Dist = filepath.Join(folder, "targets.yaml"), filepath.Join(folder, "dist")
	if err := os.WriteFile(s.Fleet, []byte(targets), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"targets", "sweep", "digest"} {
		path := filepath.Join(s.Dist, function, s.Architecture)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "bootstrap"), []byte(function), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := newFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	code, err := newFleetPackages(s, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range code {
			p.remove()
		}
	})
	for function, p := range code {
		if text := readFile(t, filepath.Join(p.folder, targetsInPackage)); string(text) != targets {
			t.Errorf("the code of %s has another targets file", function)
		}
	}
	app := newApp(t.TempDir())
	stack, err := newFleetStack(app, "RotationguardFleet", s, f, code)
	if err != nil {
		t.Fatal(err)
	}
	return app, stack, f
}

func fleetTemplate(t *testing.T, s Settings, targets string) template {
	t.Helper()
	app, _, _ := fleetApp(t, s, targets)
	app.Synth(nil)
	return readTemplate(t, filepath.Join(*app.Outdir(), "RotationguardFleet.template.json"))
}

// plainText is a value with its references spelled out: {"Ref": X} as <X>, GetAtt as <X.Y>, joined.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "<" + ref + ">"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return "<" + plainText(get[0]) + "." + plainText(get[1]) + ">"
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var b strings.Builder
			for _, part := range join[1].([]any) {
				b.WriteString(plainText(part))
			}
			return b.String()
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// state is as much of a state as the test looks at.
type state struct {
	Type, Resource, Next, ErrorPath string
	End                             bool
	Parameters                      map[string]any
	MaxConcurrency                  int
	ToleratedFailurePercentage      int
	Retry                           []struct {
		ErrorEquals    []string
		JitterStrategy string
		MaxAttempts    int
		BackoffRate    float64
	}
	Catch         []struct{ Next string }
	ItemReader    struct{ Parameters map[string]string }
	ResultWriter  struct{ Parameters map[string]string }
	ItemProcessor struct {
		ProcessorConfig struct{ Mode, ExecutionType string }
		States          map[string]state
	}
	TimeoutSeconds int
}

func definitionOf(t *testing.T, tm template) map[string]state {
	t.Helper()
	text := plainText(tm.only(t, "AWS::StepFunctions::StateMachine")["DefinitionString"])
	var d struct{ States map[string]state }
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return d.States
}

func TestFleetMachineSweepsEveryTargetAndAlwaysTells(t *testing.T) {
	states := definitionOf(t, fleetTemplate(t, defaultSettings(), listedTargets))
	m := states["Map"]
	if m.MaxConcurrency != 7 || m.ToleratedFailurePercentage != 25 || m.ItemProcessor.ProcessorConfig.Mode != "DISTRIBUTED" || m.ItemProcessor.ProcessorConfig.ExecutionType != "STANDARD" {
		t.Errorf("map %+v", m)
	}
	if m.ItemReader.Parameters["Key.$"] != "$.list.key" || m.ResultWriter.Parameters["Prefix.$"] != "States.Format('evidence/{}', $$.Execution.Name)" {
		t.Errorf("reads %v, writes %v", m.ItemReader.Parameters, m.ResultWriter.Parameters)
	}
	if m.Next != "Digest" || len(m.Catch) != 1 || m.Catch[0].Next != "DigestOfFailed" || states["DigestOfFailed"].Next != "TooManyFailed" || states["TooManyFailed"].Type != "Fail" {
		t.Errorf("after the map: %s, %v, %s", m.Next, m.Catch, states["DigestOfFailed"].Next)
	}
	sweep := m.ItemProcessor.States["Sweep"]
	if len(sweep.Catch) != 1 || sweep.Catch[0].Next != "Note" || m.ItemProcessor.States["Note"].Next != "Failed" || sweep.TimeoutSeconds <= 900 {
		t.Errorf("sweep %+v", sweep)
	}
	for _, r := range sweep.Retry {
		if r.MaxAttempts > 0 && r.JitterStrategy != "FULL" {
			t.Errorf("%v is tried again without jitter", r.ErrorEquals)
		}
		if slices.Contains(r.ErrorEquals, "Unfinished") != (r.MaxAttempts > 0 && r.BackoffRate == 1) {
			t.Errorf("%v waits longer each time by %v", r.ErrorEquals, r.BackoffRate)
		}
		if slices.Contains(r.ErrorEquals, "TargetDenied") && r.MaxAttempts != 0 {
			t.Error("a denied role is tried again")
		}
	}
	if n := definitionOf(t, fleetTemplate(t, defaultSettings(), organizationTargets))["Map"].MaxConcurrency; n != fleetConcurrency {
		t.Errorf("MaxConcurrency %d where the file does not say", n)
	}
}

// allowed are the resources and conditions of the statements of a template's policies with an action.
func allowed(t *testing.T, tm template, action string) (resources []string, conditions []map[string]any) {
	t.Helper()
	for _, r := range tm.Resources {
		if r.Type != "AWS::IAM::Policy" {
			continue
		}
		document := r.Properties["PolicyDocument"].(map[string]any)
		for _, entry := range document["Statement"].([]any) {
			s := entry.(map[string]any)
			if s["Effect"] != "Allow" || !strings.Contains(plainText(s["Action"]), action) {
				continue
			}
			list, ok := s["Resource"].([]any)
			if !ok {
				list = []any{s["Resource"]}
			}
			for _, one := range list {
				resources = append(resources, plainText(one))
			}
			condition, _ := s["Condition"].(map[string]any)
			conditions = append(conditions, condition)
		}
	}
	return resources, conditions
}

// TestFleetMachineMayDoWhatItsMapTakes holds the state machine's role to what AWS documents for a Distributed Map that reads its items from S3 and writes its results
// there, in a bucket with a key of KMS (Step Functions Developer Guide, "IAM policies for using Distributed Map states"), and to no other bucket, key or state machine.
func TestFleetMachineMayDoWhatItsMapTakes(t *testing.T) {
	tm := fleetTemplate(t, defaultSettings(), organizationTargets)
	bucket, key := "<"+tm.named(t, "Reports")+".Arn>", "<"+tm.named(t, "Key")+".Arn>"
	const own = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:"
	want := map[string][]string{
		"states:StartExecution":       {own + "stateMachine:RotationguardFleet-sweep"},
		"states:DescribeExecution":    {own + "execution:RotationguardFleet-sweep/*", own + "execution:RotationguardFleet-sweep:*"},
		"s3:GetObject":                {bucket + "/runs/*/targets.json", bucket + "/evidence/*"},
		"s3:PutObject":                {bucket + "/evidence/*"},
		"s3:ListMultipartUploadParts": {bucket + "/evidence/*"},
		"s3:AbortMultipartUpload":     {bucket + "/evidence/*"},
		"kms:Decrypt":                 {key},
		"kms:Encrypt":                 {key},
		"kms:GenerateDataKey":         {key},
	}
	got := map[string][]string{}
	for id, r := range tm.Resources {
		if r.Type != "AWS::IAM::Policy" || !strings.HasPrefix(id, "FleetRole") {
			continue
		}
		for _, entry := range r.Properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			s := entry.(map[string]any)
			if s["Effect"] != "Allow" {
				continue
			}
			for _, action := range listOf(s["Action"]) {
				for _, resource := range listOf(s["Resource"]) {
					got[plainText(action)] = append(got[plainText(action)], plainText(resource))
				}
			}
		}
	}
	for action, on := range want {
		slices.Sort(on)
		slices.Sort(got[action])
		if !slices.Equal(got[action], on) {
			t.Errorf("%s is allowed on %v, want %v", action, got[action], on)
		}
	}
	// What it writes its results to is where it may write.
	m := definitionOf(t, tm)["Map"]
	if m.ResultWriter.Parameters["Bucket"] != "<"+tm.named(t, "Reports")+">" || !strings.HasPrefix(m.ResultWriter.Parameters["Prefix.$"], "States.Format('evidence/") {
		t.Errorf("it writes to %v", m.ResultWriter.Parameters)
	}
}

// listOf is a list, or one thing as a list.
func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// manyListed is a targets file of so many accounts.
func manyListed(n int) string {
	text, _, _ := strings.Cut(listedTargets, "targets:")
	text += "targets:\n"
	for i := range n {
		text += fmt.Sprintf("  - {account: \"%012d\"}\n", i+1)
	}
	return text
}

func TestFleetAssumesTheMemberRoleAlone(t *testing.T) {
	tests := []struct {
		name, targets string
		want          []string
		organization  string
	}{
		{"an organization's", organizationTargets, []string{"arn:<AWS::Partition>:iam::*:role/audit/rotationguard-member"}, "o-a1b2c3d4e5"},
		{"listed accounts'", listedTargets, []string{"arn:<AWS::Partition>:iam::111122223333:role/rotationguard-member", "arn:<AWS::Partition>:iam::444455556666:role/rotationguard-member"}, "${aws:PrincipalOrgID}"},
		{"more accounts than a policy has room for", manyListed(1000), []string{"arn:<AWS::Partition>:iam::*:role/rotationguard-member"}, "${aws:PrincipalOrgID}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tm := fleetTemplate(t, defaultSettings(), tt.targets)
			got, conditions := allowed(t, tm, "sts:AssumeRole")
			if !slices.Equal(got, tt.want) || len(conditions) != 1 {
				t.Fatalf("may assume %v, want %v", got, tt.want)
			}
			for _, r := range tm.Resources {
				if text := plainText(r.Properties["PolicyDocument"]); len(text) > 10_240 && r.Type == "AWS::IAM::Policy" {
					t.Errorf("a role's policy has %d characters", len(text))
				}
			}
			equals := conditions[0]["StringEquals"].(map[string]any)
			if equals["sts:ExternalId"] != "example-3f9c" || equals["aws:ResourceOrgID"] != tt.organization {
				t.Errorf("conditions %v", conditions[0])
			}
			for _, forbidden := range []string{"GetSecretValue", "iam:Put", "lambda:AddPermission", "lambda:*", "iam:*"} {
				if got, _ := allowed(t, tm, forbidden); len(got) > 0 {
					t.Errorf("%s is allowed on %v", forbidden, got)
				}
			}
		})
	}
}

func TestMembersTrustTheFleetsRoleAlone(t *testing.T) {
	tm := fleetTemplate(t, defaultSettings(), organizationTargets)
	set := tm.only(t, "AWS::CloudFormation::StackSet")
	if set["PermissionModel"] != "SERVICE_MANAGED" || set["CallAs"] != "DELEGATED_ADMIN" || plainText(set["AutoDeployment"]) != `{"Enabled":true,"RetainStacksOnAccountRemoval":false}` {
		t.Errorf("stack set %v, %v, %v", set["PermissionModel"], set["CallAs"], set["AutoDeployment"])
	}
	given := map[string]string{}
	for _, p := range set["Parameters"].([]any) {
		p := p.(map[string]any)
		given[plainText(p["ParameterKey"])] = plainText(p["ParameterValue"])
	}
	if !strings.HasPrefix(given[parameterFleetRole], "<SweepRole") || given[parameterExternalID] != "example-3f9c" || given[parameterOrganization] != "o-a1b2c3d4e5" {
		t.Errorf("parameters %v", given)
	}
	var member template
	body := plainText(set["TemplateBody"])
	// CloudFormation User Guide, "CloudFormation quotas": a template body in a request has at most 51,200 bytes.
	if err := json.Unmarshal([]byte(body), &member); err != nil || len(body) > 51200 {
		t.Fatalf("%d bytes: %v", len(body), err)
	}
	role := member.only(t, "AWS::IAM::Role")
	if role["RoleName"] != "rotationguard-member" || role["Path"] != "/audit/" {
		t.Errorf("the role is called %v%v", role["Path"], role["RoleName"])
	}
	for _, entry := range role["AssumeRolePolicyDocument"].(map[string]any)["Statement"].([]any) {
		s := entry.(map[string]any)
		equals := s["Condition"].(map[string]any)["StringEquals"].(map[string]any)
		if plainText(s["Principal"]) != `{"AWS":{"Ref":"FleetRoleArn"}}` || plainText(equals["sts:ExternalId"]) != "<ExternalId>" || plainText(equals["aws:PrincipalOrgID"]) != "<OrganizationId>" {
			t.Errorf("trust %v", s)
		}
	}
	if got := member.only(t, "AWS::IAM::Policy"); !strings.Contains(plainText(got), `"Effect":"Deny","Resource":"*","Sid":"NoSecretValue"`) {
		t.Error("the member role does not deny secret values")
	}
	if listed := fleetTemplate(t, defaultSettings(), listedTargets); slices.ContainsFunc(slices.Collect(maps.Values(listed.Resources)), func(r resource) bool { return r.Type == "AWS::CloudFormation::StackSet" }) {
		t.Error("listed accounts get a stack set")
	}
}

func TestMembersTrustPeopleWhoAreNamed(t *testing.T) {
	var roles []string
	for i := range 5 {
		roles = append(roles, fmt.Sprintf("arn:aws:iam::99998888777%d:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_OnCall_0123456789abcde%d", i/2, i))
	}
	tm := fleetTemplate(t, defaultSettings(), organizationTargets+"trusted_roles: [\""+strings.Join(roles, "\", \"")+"\"]\n")
	var member template
	if err := json.Unmarshal([]byte(plainText(tm.only(t, "AWS::CloudFormation::StackSet")["TemplateBody"])), &member); err != nil {
		t.Fatal(err)
	}
	trust := member.only(t, "AWS::IAM::Role")["AssumeRolePolicyDocument"]
	// IAM User Guide, "IAM and AWS STS quotas": a role's trust policy has 2,048 characters; the references become a role's ARN, an external id and an organization's id.
	if text := strings.NewReplacer(`{"Ref":"FleetRoleArn"}`, `"`+roles[0]+`"`, `{"Ref":"ExternalId"}`, `"`+strings.Repeat("x", 36)+`"`, `{"Ref":"OrganizationId"}`, `"o-a1b2c3d4e5"`).
		Replace(plainText(trust)); len(text) > 2048 {
		t.Errorf("the trust policy has %d characters: %s", len(text), text)
	}
	people := 0
	for _, entry := range trust.(map[string]any)["Statement"].([]any) {
		s := entry.(map[string]any)
		if s["Sid"] != "TrustPeople" {
			continue
		}
		people++
		condition := s["Condition"].(map[string]any)
		equals := condition["StringEquals"].(map[string]any)
		if got := plainText(condition["ArnEquals"].(map[string]any)["aws:PrincipalArn"]); got != `["`+strings.Join(roles, `","`)+`"]` {
			t.Errorf("trusted are %s", got)
		}
		if got := plainText(s["Principal"]); got != `{"AWS":["arn:aws:iam::999988887770:root","arn:aws:iam::999988887771:root","arn:aws:iam::999988887772:root"]}` {
			t.Errorf("principals %s", got)
		}
		if plainText(equals["sts:ExternalId"]) != "<ExternalId>" || plainText(equals["aws:PrincipalOrgID"]) != "<OrganizationId>" {
			t.Errorf("trust %v", s)
		}
	}
	if people != 1 {
		t.Errorf("%d statements trust people", people)
	}
}

func TestMemberWritesWithItsWriterAlone(t *testing.T) {
	s := repairing()
	s.Member.Role, s.Member.WriterRole = "audit/rotationguard-member", "audit/rotationguard-writer"
	tm := fleetTemplate(t, s, organizationTargets)
	var member template
	if err := json.Unmarshal([]byte(plainText(tm.only(t, "AWS::CloudFormation::StackSet")["TemplateBody"])), &member); err != nil {
		t.Fatal(err)
	}
	writer := member.Resources[member.named(t, "Writer")]
	if writer.Properties["RoleName"] != "rotationguard-writer" || writer.Properties["Path"] != "/audit/" || !strings.Contains(plainText(writer.Properties["AssumeRolePolicyDocument"]), `"Principal":{"AWS":{"Fn::GetAtt":["Member`) {
		t.Errorf("writer %v", writer.Properties)
	}
	if got, _ := allowed(t, member, "sts:AssumeRole"); len(got) != 1 || !strings.HasPrefix(got[0], "<Writer") {
		t.Errorf("the member role may assume %v", got)
	}
}

func TestFleetIsRefusedWithoutWhatItRestsOn(t *testing.T) {
	tests := []struct {
		name, targets string
		change        func(*Settings)
		want          string
	}{
		{"no external id", "role_name: a\nregions: [eu-west-1]\ntargets: [{account: \"111122223333\"}]\n", nil, "external_id: missing"},
		{"no role", "external_id: abc\nregions: [eu-west-1]\ntargets: [{account: \"111122223333\"}]\n", nil, "role_name: missing"},
		{"another role than the config's", listedTargets, func(s *Settings) { s.Member.Role = "other" }, "role_name: rotationguard-member is not the configured member role other"},
		{"an organization without units", "role_name: a\nexternal_id: abc\norganization: {id: o-a1b2c3d4e5}\n", nil, "organization.ous: missing"},
		{"a writing mode without a writer", listedTargets, func(s *Settings) { s.Mode = modeRepair }, "member.writer_role"},
		{"without the CDK", listedTargets, func(s *Settings) { s.SelfContained = true }, "leave selfContained out"},
		{"no such field", "role: a\n", nil, "targets.yaml:1:1: role: unknown field"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := defaultSettings()
			s.Fleet = filepath.Join(t.TempDir(), "targets.yaml")
			if err := os.WriteFile(s.Fleet, []byte(tt.targets), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(&s)
			}
			if _, err := newFleet(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("newFleet = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFleetTemplatesPassCfnLint(t *testing.T) {
	env, err := emulator.Install(t.Context(), "moto")
	if err != nil {
		t.Fatal(err)
	}
	app, _, f := fleetApp(t, defaultSettings(), organizationTargets)
	app.Synth(nil)
	if err := writeMember(defaultSettings(), f, *app.Outdir()); err != nil {
		t.Fatal(err)
	}
	run(t, nil, filepath.Join(env, "bin", "cfn-lint"), "--ignore-checks", "W3005", "--",
		filepath.Join(*app.Outdir(), "RotationguardFleet.template.json"), filepath.Join(*app.Outdir(), memberName+".json"))
}

// acceptedOfFleet are the AWS Solutions findings that stand in the fleet's stack, each with its reason, by what they begin with.
var acceptedOfFleet = []struct{ finding, reason string }{
	{"/Reports/Resource: AwsSolutions-S1", "who reads a report is in CloudTrail where its data events are on; access logs would need a second bucket with the same question"},
	{"/TargetsRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/runs/*]", "a run's name is not known before it starts"},
	{"/TargetsRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::*]", "the organization's accounts are what is asked for; the Deny on secret values is meant for all"},
	{"/SweepRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/runs/*]", "a run's name is not known before it starts"},
	{"/SweepRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/continue/*]", "a run's name is not known before it starts"},
	{"/SweepRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Action::kms:GenerateDataKey*]", "what DynamoDB does with the ledger's key in its caller's name, on that one key"},
	{"/SweepRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Action::kms:ReEncrypt*]", "what DynamoDB does with the ledger's key in its caller's name, on that one key"},
	{"/SweepRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::*:role/audit/rotationguard-member]", "one role's name in any account of the organization, by condition"},
	{"/DigestRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/runs/*]", "a run's name is not known before it starts"},
	{"/DigestRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Action::kms:GenerateDataKey*]", "the CDK's grant to publish to an encrypted topic, and what DynamoDB does with the ledger's key in its caller's name, on that one key"},
	{"/DigestRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Action::kms:ReEncrypt*]", "what DynamoDB does with the ledger's key in its caller's name, on that one key"},
	{"/FleetRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:RotationguardFleet-sweep/*]", "the executions of this one state machine's map runs"},
	{"/FleetRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:RotationguardFleet-sweep:*]", "the executions of this one state machine"},
	{"/FleetRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/runs/*/targets.json]", "a run's name is not known before it starts"},
	{"/FleetRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/evidence/*]", "a map run names its own folder"},
	{"/FleetRole/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::*]", "log delivery and X-Ray have no resources; the Deny on secret values is meant for all"},
}

func TestFleetStackPassesAWSSolutions(t *testing.T) {
	found := map[string]bool{}
	for _, targets := range []string{organizationTargets, listedTargets} {
		_, stack, _ := fleetApp(t, defaultSettings(), targets)
		for _, finding := range awsSolutionsOf(t, stack) {
			known := slices.IndexFunc(acceptedOfFleet, func(a struct{ finding, reason string }) bool {
				return strings.HasPrefix(finding, "/RotationguardFleet"+a.finding)
			})
			if known < 0 {
				t.Error(finding)
				continue
			}
			found[acceptedOfFleet[known].finding] = true
		}
	}
	for _, a := range acceptedOfFleet {
		if !found[a.finding] {
			t.Errorf("%s is accepted and was not found: take it out", a.finding)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The parameters of the member template.
const (
	parameterFleetRole    = "FleetRoleArn"
	parameterExternalID   = "ExternalId"
	parameterOrganization = "OrganizationId"
)

// memberName is the member template's name: it is in the stack set, and written beside the other templates for accounts that no stack set
// reaches, such as the organization's management account.
const memberName = "RotationguardMember"

// newMembers gives the member roles to the organization's accounts: a stack set with service-managed permissions, which also reaches accounts that join
// later. Listed accounts get the same template by whoever administers them.
func (f *fleetStack) newMembers(fleetRole awsiam.IRole) error {
	template, err := memberTemplate(f.settings, f.fleet)
	if err != nil {
		return err
	}
	if f.fleet.Targets.Listed() {
		return nil
	}
	o := f.fleet.Targets.Organization
	targets := &awscdk.CfnStackSet_DeploymentTargetsProperty{OrganizationalUnitIds: jsii.Strings(o.OUs...)}
	if len(o.Exclude) > 0 {
		targets.Accounts, targets.AccountFilterType = jsii.Strings(o.Exclude...), jsii.String("DIFFERENCE")
	}
	caller := "SELF"
	if o.DelegatedAdministrator {
		caller = "DELEGATED_ADMIN"
	}
	parameter := func(name string, value *string) *awscdk.CfnStackSet_ParameterProperty {
		return &awscdk.CfnStackSet_ParameterProperty{ParameterKey: &name, ParameterValue: value}
	}
	awscdk.NewCfnStackSet(f.stack, jsii.String("Members"), &awscdk.CfnStackSetProps{
		StackSetName:    jsii.String(*f.stack.StackName() + "-member"),
		Description:     jsii.String("rotationguard: the role that the fleet's sweep reads an account with"),
		PermissionModel: jsii.String("SERVICE_MANAGED"),
		CallAs:          &caller,
		AutoDeployment:  &awscdk.CfnStackSet_AutoDeploymentProperty{Enabled: jsii.Bool(true), RetainStacksOnAccountRemoval: jsii.Bool(false)},
		Capabilities:    jsii.Strings("CAPABILITY_NAMED_IAM"),
		// IAM is global: one Region is enough.
		StackInstancesGroup: &[]any{&awscdk.CfnStackSet_StackInstancesProperty{DeploymentTargets: targets, Regions: &[]*string{f.stack.Region()}}},
		OperationPreferences: &awscdk.CfnStackSet_OperationPreferencesProperty{
			MaxConcurrentPercentage: jsii.Number(25), FailureTolerancePercentage: jsii.Number(10),
		},
		ManagedExecution: map[string]any{"Active": true},
		TemplateBody:     &template,
		Parameters: &[]any{
			parameter(parameterFleetRole, fleetRole.RoleArn()), parameter(parameterExternalID, &f.fleet.Member.ExternalID), parameter(parameterOrganization, &o.ID),
		},
	})
	return nil
}

// memberTemplate is the template of one account's role, as text.
func memberTemplate(s Settings, f Fleet) (text string, err error) {
	folder, err := os.MkdirTemp("", "rotationguard-member-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the member template: %w", err)
	}
	defer os.RemoveAll(folder)
	app := newApp(folder)
	newMemberStack(app, s, f)
	app.Synth(nil)
	data, err := os.ReadFile(filepath.Join(folder, memberName+".template.json"))
	if err != nil {
		return "", fmt.Errorf("reading the member template: %w", err)
	}
	var template map[string]any
	if err := json.Unmarshal(data, &template); err != nil {
		return "", fmt.Errorf("reading the member template: %w", err)
	}
	compact, err := json.Marshal(template)
	if err != nil {
		return "", fmt.Errorf("writing the member template: %w", err)
	}
	return string(compact), nil
}

// newMemberStack is the member role of one account. Exactly the fleet's role may assume it, with the external id and as a principal of the
// organization; what it may do are the reads of a sweep in every Region, and in a mode that writes to assume the account's writer.
func newMemberStack(app awscdk.App, s Settings, f Fleet) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String(memberName), &awscdk.StackProps{
		Description: jsii.String("rotationguard: the role that a fleet's sweep reads this account with; no secret value"),
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{GenerateBootstrapVersionRule: jsii.Bool(false)}),
	})
	parameter := func(name, pattern, says string) awscdk.CfnParameter {
		return awscdk.NewCfnParameter(stack, &name, &awscdk.CfnParameterProps{AllowedPattern: &pattern, Description: &says})
	}
	fleetRole := parameter(parameterFleetRole, `arn:aws[a-z-]*:iam::[0-9]{12}:role/.+`, "output FleetRoleArn of the fleet's stack")
	external := parameter(parameterExternalID, `[A-Za-z0-9_+=,.@:/-]{2,1000}`, "external_id of targets.yaml")
	organization := parameter(parameterOrganization, `o-[a-z0-9]{10,32}`, "the organization that the fleet's account is in")

	conditions := map[string]any{
		"StringEquals": map[string]any{"sts:ExternalId": external.ValueAsString(), "aws:PrincipalOrgID": organization.ValueAsString()},
	}
	trusted := awsiam.NewPrincipalWithConditions(awsiam.NewArnPrincipal(fleetRole.ValueAsString()), &conditions)
	role := memberRole(stack, "Member", f.Member.Role, "rotationguard reads rotation functions, roles, keys and secrets' settings of this account; no secret value", trusted)
	// The session's tags say of which run it is: they are in CloudTrail.
	role.AssumeRolePolicy().AddStatements(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("TagSessions"), Actions: jsii.Strings("sts:TagSession"), Principals: &[]awsiam.IPrincipal{awsiam.NewArnPrincipal(fleetRole.ValueAsString())},
		Conditions: &map[string]any{
			"StringEquals":              map[string]any{"sts:ExternalId": external.ValueAsString(), "aws:PrincipalOrgID": organization.ValueAsString()},
			"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": sessionTags},
		},
	}))
	if trusted := f.Targets.TrustedRoles; len(trusted) > 0 {
		role.AssumeRolePolicy().AddStatements(trustPeople(trusted, external, organization))
	}
	for _, statement := range reads(stack, "*", s.GetFunction) {
		role.AddToPolicy(statement)
	}
	if s.Mode != modeReport {
		writer := newWriter(stack, s, role)
		name, under := path.Base(f.Member.WriterRole), rolePathOf(f.Member.WriterRole)
		writer.Node().DefaultChild().(awsiam.CfnRole).SetRoleName(&name)
		writer.Node().DefaultChild().(awsiam.CfnRole).SetPath(&under)
	}
	output(stack, "MemberRoleArn", role.RoleArn(), "what the fleet assumes here")
	return stack
}

// trustPeople lets other roles of the organization do what the fleet's may. The accounts are the principals and the roles a condition, because IAM takes no policy that names a role
// which is not there, and one that was made anew would be another (IAM User Guide, "AWS JSON policy elements: Principal").
func trustPeople(roles []string, external, organization awscdk.CfnParameter) awsiam.PolicyStatement {
	var accounts []awsiam.IPrincipal
	var named []string
	for _, role := range roles {
		at := rotation.ARN(role).Parts()
		root := "arn:" + at.Partition + ":iam::" + at.Account + ":root"
		if !slices.Contains(named, root) {
			named, accounts = append(named, root), append(accounts, awsiam.NewArnPrincipal(&root))
		}
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("TrustPeople"), Actions: jsii.Strings("sts:AssumeRole", "sts:TagSession"), Principals: &accounts,
		Conditions: &map[string]any{
			"StringEquals":              map[string]any{"sts:ExternalId": external.ValueAsString(), "aws:PrincipalOrgID": organization.ValueAsString()},
			"ArnEquals":                 map[string]any{"aws:PrincipalArn": roles},
			"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": sessionTags},
		},
	})
}

func memberRole(stack awscdk.Stack, id, name, description string, trusted awsiam.IPrincipal) awsiam.Role {
	return awsiam.NewRole(stack, &id, &awsiam.RoleProps{
		RoleName: jsii.String(path.Base(name)), Path: jsii.String(rolePathOf(name)), Description: &description, AssumedBy: trusted,
		MaxSessionDuration: awscdk.Duration_Hours(jsii.Number(1)), // what a chained session lasts at most anyway
	})
}

// rolePathOf is the path of a role's name, "/" where it has none.
func rolePathOf(name string) string {
	if under := path.Dir(name); under != "." {
		return "/" + under + "/"
	}
	return "/"
}

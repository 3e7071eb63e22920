package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// nobody is the name of what is asked for where the account has nothing of a kind: the answer that it is not there is an answer.
const nobody = "rotationguard-doctor"

// things are what the calls are tried on.
type things struct {
	secret, function, key string
	role                  string // its name
	roleARN               string
	rotates               bool // a secret that rotates was found
}

// probe is one call that reading an account takes.
type probe struct {
	call, resource string
	ask            func(context.Context) error
}

// probes are all the calls of package inventory, on things of the account.
func probes(c *inventory.Clients, on *things) []probe {
	one := aws.Int32(1)
	// Every account may read this one, and it has had more than one version.
	managed := "arn:" + rotation.ARN(on.roleARN).Parts().Partition + ":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	user, group := aws.String(nobody), aws.String(nobody)
	return []probe{
		{"secretsmanager:ListSecrets", "*", func(ctx context.Context) error {
			_, err := c.Secrets.ListSecrets(ctx, &secretsmanager.ListSecretsInput{MaxResults: one})
			return err
		}},
		{"secretsmanager:DescribeSecret", on.secret, func(ctx context.Context) error {
			_, err := c.Secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &on.secret})
			return err
		}},
		{"secretsmanager:GetResourcePolicy", on.secret, func(ctx context.Context) error {
			_, err := c.Secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &on.secret})
			return err
		}},
		{"lambda:GetFunctionConfiguration", on.function, func(ctx context.Context) error {
			_, err := c.Functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &on.function})
			return err
		}},
		{"lambda:GetFunction", on.function, func(ctx context.Context) error {
			_, err := c.Functions.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &on.function})
			return err
		}},
		{"lambda:GetPolicy", on.function, func(ctx context.Context) error {
			_, err := c.Functions.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &on.function})
			return err
		}},
		{"lambda:ListTags", on.function, func(ctx context.Context) error {
			arn := strings.Join(strings.SplitN(on.function, ":", 8)[:7], ":")
			_, err := c.Functions.ListTags(ctx, &lambda.ListTagsInput{Resource: &arn})
			return err
		}},
		{"lambda:ListAliases", on.function, func(ctx context.Context) error {
			_, err := c.Functions.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: &on.function, MaxItems: one})
			return err
		}},
		{"lambda:ListVersionsByFunction", on.function, func(ctx context.Context) error {
			_, err := c.Functions.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: &on.function, MaxItems: one})
			return err
		}},
		{"lambda:GetAccountSettings", "*", func(ctx context.Context) error {
			_, err := c.Functions.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
			return err
		}},
		{"lambda:ListFunctions", "*", func(ctx context.Context) error {
			_, err := c.Functions.ListFunctions(ctx, &lambda.ListFunctionsInput{MaxItems: one})
			return err
		}},
		{"tag:GetResources", "*", func(ctx context.Context) error {
			_, err := c.Tagged.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"lambda:function"}, ResourcesPerPage: one})
			return err
		}},
		{"iam:GetRole", on.roleARN, func(ctx context.Context) error {
			_, err := c.Roles.GetRole(ctx, &iam.GetRoleInput{RoleName: &on.role})
			return err
		}},
		{"iam:ListRolePolicies", on.roleARN, func(ctx context.Context) error {
			_, err := c.Roles.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &on.role})
			return err
		}},
		{"iam:GetRolePolicy", on.roleARN, func(ctx context.Context) error {
			_, err := c.Roles.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &on.role, PolicyName: aws.String(nobody)})
			return err
		}},
		{"iam:ListAttachedRolePolicies", on.roleARN, func(ctx context.Context) error {
			_, err := c.Roles.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &on.role})
			return err
		}},
		{"iam:GetPolicy", managed, func(ctx context.Context) error {
			_, err := c.Roles.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &managed})
			return err
		}},
		{"iam:GetPolicyVersion", managed, func(ctx context.Context) error {
			_, err := c.Roles.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &managed, VersionId: aws.String("v1")})
			return err
		}},
		{"iam:GetAccountSummary", "*", func(ctx context.Context) error {
			_, err := c.Roles.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
			return err
		}},
		{"iam:GetAccountAuthorizationDetails", "*", func(ctx context.Context) error {
			_, err := c.Roles.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{iamtypes.EntityTypeRole}, MaxItems: one})
			return err
		}},
		{"iam:GetUser", "user/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.GetUser(ctx, &iam.GetUserInput{UserName: user})
			return err
		}},
		{"iam:ListUserPolicies", "user/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: user})
			return err
		}},
		{"iam:GetUserPolicy", "user/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: user, PolicyName: aws.String(nobody)})
			return err
		}},
		{"iam:ListAttachedUserPolicies", "user/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: user})
			return err
		}},
		{"iam:ListGroupsForUser", "user/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: user})
			return err
		}},
		{"iam:GetGroup", "group/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.GetGroup(ctx, &iam.GetGroupInput{GroupName: group})
			return err
		}},
		{"iam:ListGroupPolicies", "group/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: group})
			return err
		}},
		{"iam:GetGroupPolicy", "group/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: group, PolicyName: aws.String(nobody)})
			return err
		}},
		{"iam:ListAttachedGroupPolicies", "group/" + nobody, func(ctx context.Context) error {
			_, err := c.Users.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: group})
			return err
		}},
		{"kms:DescribeKey", on.key, func(ctx context.Context) error {
			_, err := c.Keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &on.key})
			return err
		}},
		{"kms:GetKeyPolicy", on.key, func(ctx context.Context) error {
			_, err := c.Keys.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &on.key})
			return err
		}},
		{"kms:ListGrants", on.key, func(ctx context.Context) error {
			_, err := c.Keys.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &on.key, Limit: one})
			return err
		}},
		{"cloudformation:DescribeStacks", "stack/" + nobody, func(ctx context.Context) error {
			_, err := c.Stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(nobody)})
			return err
		}},
	}
}

// optional says why a call is not needed under the configuration, "" where it is.
func (d *doctor) optional(call string) string {
	switch {
	case call == "lambda:GetFunction" && !d.config.GetFunction:
		return "use_get_function"
	case (strings.Contains(call, "User") || strings.Contains(call, "Group") && strings.HasPrefix(call, "iam:")) && len(d.config.Operators) == 0:
		return "operators"
	}
	return ""
}

// answered are the codes by which the services say that a thing is not there: to somebody who may ask for it.
var answered = []string{"ResourceNotFoundException", "NoSuchEntity", "NotFoundException", "ValidationError"}

// ask classes one call's answer.
func (d *doctor) ask(doing string, err error) (health, string) {
	var api smithy.APIError
	var account *inventory.AccountError
	switch {
	case err == nil, errors.As(err, &api) && slices.Contains(answered, api.ErrorCode()):
		return fine, ""
	case errors.As(inventory.Explain(d.cfg, doing, err), &account) && account.Trouble == inventory.TroubleDenied:
		return gap, inventory.DescribeError(err)
	}
	return unknown, inventory.DescribeError(err)
}

// things finds what there is to try calls on.
func (d *doctor) things(ctx context.Context, c *inventory.Clients) *things {
	partition := rotation.ARN(d.id.caller).Parts().Partition
	arn := func(service, region, resource string) string {
		return strings.Join([]string{"arn", partition, service, region, d.id.account, resource}, ":")
	}
	on := &things{
		secret: nobody, function: arn("lambda", d.cfg.Region, "function:"+nobody), role: nobody, roleARN: arn("iam", "", "role/"+nobody),
		key: arn("kms", d.cfg.Region, "key/00000000-0000-0000-0000-000000000000"),
	}
	listed, err := c.Secrets.ListSecrets(ctx, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100)})
	if err != nil {
		return on
	}
	for i := range listed.SecretList {
		s := &listed.SecretList[i]
		if on.secret == nobody {
			on.secret = aws.ToString(s.ARN)
		}
		if key := aws.ToString(s.KmsKeyId); strings.HasPrefix(key, "arn:") && strings.Contains(key, ":key/") {
			on.key = key
		}
		if function := aws.ToString(s.RotationLambdaARN); !on.rotates && strings.Contains(function, ":"+d.id.account+":function:") {
			on.secret, on.function, on.rotates = aws.ToString(s.ARN), function, true
		}
	}
	if !on.rotates {
		return on
	}
	if f, err := c.Functions.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &on.function}); err == nil && aws.ToString(f.Role) != "" {
		on.roleARN, on.role = aws.ToString(f.Role), rotation.ARN(aws.ToString(f.Role)).RoleName()
	}
	return on
}

// reads tries every call that reading the account takes.
func (d *doctor) reads(ctx context.Context) {
	c := inventory.NewClients(d.cfg)
	on := d.things(ctx, &c)
	tried, allowed, left := 0, 0, map[string]bool{}
	for _, p := range probes(&c, on) {
		if why := d.optional(p.call); why != "" {
			left[why] = true
			continue
		}
		tried++
		switch h, says := d.ask(p.call, p.ask(ctx)); h {
		case fine:
			allowed++
		case gap:
			d.lacks(p.call, gap, fmt.Sprintf("allow %s to %s on %s", p.call, d.id.caller, p.resource), "%s", says)
		default:
			d.lacks(p.call, unknown, "ask again; rotationguard sweep names what it cannot read", "%s", says)
		}
		if ctx.Err() != nil {
			return
		}
	}
	d.say("reads", map[bool]health{true: fine, false: gap}[allowed == tried], "%d of %d calls that read the account are allowed", allowed, tried)
	for _, why := range []string{"operators", "use_get_function"} {
		if left[why] {
			d.say("reads", notNeeded, "the calls that the configuration's %s takes: it is not set", why)
		}
	}
	if !on.rotates {
		d.say("secrets", notNeeded, "among the first secrets that are listed none is rotated by a function of this account: calls were tried on what is not there")
	}
}

// writes asks IAM which writes the caller may make; no write is tried. Source: IAM API reference, SimulatePrincipalPolicy.
func (d *doctor) writes(ctx context.Context) {
	if !d.mode.Writes() {
		d.say("writes", notNeeded, "mode %s writes nothing", d.mode)
		return
	}
	c := inventory.NewClients(d.cfg)
	on := d.things(ctx, &c)
	wanted := map[string][]string{
		on.roleARN: {"iam:PutRolePolicy", "iam:DeleteRolePolicy"}, on.function: {"lambda:AddPermission", "lambda:RemovePermission"},
	}
	if d.mode == repair.ModeEnforce {
		wanted[on.roleARN] = append(wanted[on.roleARN], "iam:DetachRolePolicy")
		wanted[on.function] = append(wanted[on.function], "lambda:PutResourcePolicy")
	}
	if writer := d.config.Repair.WriterRole; writer != "" {
		wanted = map[string][]string{writer: {"sts:AssumeRole"}}
	}
	source, err := d.principal(ctx, &c)
	if err != nil {
		d.lacks("writes", unknown, "allow iam:GetRole on your own role", "whose policies the caller has cannot be told: %s", inventory.DescribeError(err))
		return
	}
	if source == "" {
		d.say("writes", fine, "the account's root user may make every write; use a role of its own instead")
		return
	}
	client := iam.NewFromConfig(d.cfg)
	for _, resource := range slices.Sorted(maps.Keys(wanted)) {
		out, err := client.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: wanted[resource], ResourceArns: []string{resource}})
		if err != nil {
			d.lacks("writes", unknown, "allow iam:SimulatePrincipalPolicy on "+source, "whether %s are allowed on %s cannot be asked: %s", strings.Join(wanted[resource], ", "), resource, inventory.DescribeError(err))
			continue
		}
		decided := map[string]iamtypes.PolicyEvaluationDecisionType{}
		for i := range out.EvaluationResults {
			decided[aws.ToString(out.EvaluationResults[i].EvalActionName)] = out.EvaluationResults[i].EvalDecision
		}
		for _, action := range wanted[resource] {
			switch decided[action] {
			case iamtypes.PolicyEvaluationDecisionTypeAllowed:
				d.say(action, fine, "allowed on %s by the caller's policies", resource)
			case "":
				d.lacks(action, unknown, "look at the caller's policies", "IAM gives no answer for %s", resource)
			default:
				d.lacks(action, gap, fmt.Sprintf("allow %s to %s on %s", action, source, resource), "%s on %s", decided[action], resource)
			}
		}
	}
}

// principal is the user or role that the caller's policies are of, "" for the root user. A session's ARN does not hold its role's path.
func (d *doctor) principal(ctx context.Context, c *inventory.Clients) (string, error) {
	p := rotation.ARN(d.id.caller).Parts()
	kind, rest, _ := strings.Cut(p.Resource, "/")
	switch {
	case p.Resource == "root":
		return "", nil
	case kind != "assumed-role":
		return d.id.caller, nil
	}
	name, _, _ := strings.Cut(rest, "/")
	out, err := c.Roles.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Role.Arn), nil
}

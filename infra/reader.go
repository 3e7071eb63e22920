package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// newReader is the role that the function runs with. It may make the read calls of package inventory and nothing
// else; what else it is granted (its log, its topic) is granted where that is made. It never changes what it reads.
func newReader(stack awscdk.Stack, getFunction bool) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{
		Description: jsii.String("rotationguard reads rotation functions, roles, keys and secrets' settings; no secret value"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	for _, s := range reads(stack, *stack.Region(), getFunction) {
		role.AddToPolicy(s)
	}
	return role
}

// reads are the statements that the calls of package inventory take, in a Region of the stack's account; "*" stands for every Region. Aliases
// and versions that no secret names are listed by the command's --all-qualifiers alone, with its caller's rights.
// getFunction adds GetFunction, whose answer holds a URL of the code, and which is not called otherwise.
func reads(stack awscdk.Stack, region string, getFunction bool) []awsiam.PolicyStatement {
	functions := []string{"lambda:GetFunctionConfiguration", "lambda:GetPolicy", "lambda:ListTags"}
	if getFunction {
		functions = append(functions, "lambda:GetFunction")
	}
	in := func(service, resource string) string {
		return "arn:" + *stack.Partition() + ":" + service + ":" + region + ":" + *stack.Account() + ":" + resource
	}
	return []awsiam.PolicyStatement{
		denySecretValues(),
		// ListSecrets has no resource; see "Actions, resources, and condition keys for AWS Secrets Manager".
		statement("ListSecrets", awsiam.Effect_ALLOW, []string{"secretsmanager:ListSecrets"}, []string{"*"}, nil),
		statement("ReadSecretSettings", awsiam.Effect_ALLOW, []string{
			"secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
		}, []string{in("secretsmanager", "secret:*")}, nil),
		statement("ReadFunctions", awsiam.Effect_ALLOW, functions, []string{in("lambda", "function:*")}, nil),
		// None of the three has a resource; see "Actions, resources, and condition keys" for AWS Lambda and for Amazon Resource Group Tagging API.
		statement("ReadFunctionsInPages", awsiam.Effect_ALLOW, []string{"lambda:GetAccountSettings", "lambda:ListFunctions", "tag:GetResources"}, []string{"*"}, nil),
		statement("ReadRoles", awsiam.Effect_ALLOW, []string{
			"iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
		}, []string{*arn(stack, "iam", "role/*")}, nil),
		// Neither call has a resource; see "Actions, resources, and condition keys for AWS Identity and Access Management (IAM)".
		statement("ReadRolesInPages", awsiam.Effect_ALLOW, []string{"iam:GetAccountSummary", "iam:GetAccountAuthorizationDetails"}, []string{"*"}, nil),
		// Who is declared under operators: may be a user or a group.
		statement("ReadUsers", awsiam.Effect_ALLOW, []string{
			"iam:GetUser", "iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser",
		}, []string{*arn(stack, "iam", "user/*")}, nil),
		statement("ReadGroups", awsiam.Effect_ALLOW, []string{
			"iam:GetGroup", "iam:ListGroupPolicies", "iam:GetGroupPolicy", "iam:ListAttachedGroupPolicies",
		}, []string{*arn(stack, "iam", "group/*")}, nil),
		// AWS's managed policies belong to the account "aws".
		statement("ReadManagedPolicies", awsiam.Effect_ALLOW, []string{
			"iam:GetPolicy", "iam:GetPolicyVersion",
		}, []string{*arn(stack, "iam", "policy/*"), "arn:" + *stack.Partition() + ":iam::aws:policy/*"}, nil),
		// A secret's key may be another account's, whose key policy has the last word.
		statement("ReadKeys", awsiam.Effect_ALLOW, []string{
			"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants",
		}, []string{"arn:" + *stack.Partition() + ":kms:" + region + ":*:key/*"}, nil),
		statement("ReadMasterOfStacks", awsiam.Effect_ALLOW, []string{"cloudformation:DescribeStacks"},
			[]string{in("cloudformation", "stack/*")}, nil),
	}
}

// readOtherAccounts lets the function assume the config's member role, in accounts of this account's organization alone.
func readOtherAccounts(stack awscdk.Stack, s Settings, reader awsiam.Role) {
	if s.Member.Role == "" {
		return
	}
	conditions := map[string]any{"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}
	if s.Member.ExternalID != "" {
		conditions["sts:ExternalId"] = s.Member.ExternalID
	}
	reader.AddToPolicy(statement("ReadOtherAccounts", awsiam.Effect_ALLOW, []string{"sts:AssumeRole"},
		[]string{"arn:" + *stack.Partition() + ":iam::*:role/" + strings.TrimPrefix(s.Member.Role, "/")}, map[string]any{"StringEquals": conditions}))
}

// denySecretValues holds whatever else may be attached to a role of ours later.
func denySecretValues() awsiam.PolicyStatement {
	return statement("NoSecretValue", awsiam.Effect_DENY, []string{
		"secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue",
	}, []string{"*"}, nil)
}

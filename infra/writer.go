package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// newWriter is the role that one change is written with. The function assumes it with a session policy that names
// exactly that change's role or function; what it may do at most is repair.roles and repair.functions.
func newWriter(stack awscdk.Stack, s Settings, reader awsiam.Role) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("Writer"), &awsiam.RoleProps{
		Description:        jsii.String("rotationguard repairs the rotation functions and roles that its config names"),
		AssumedBy:          awsiam.NewArnPrincipal(reader.RoleArn()),
		MaxSessionDuration: awscdk.Duration_Hours(jsii.Number(1)),
	})
	roles, functions := writerRoles(stack, s.Roles), writerFunctions(s.Functions)
	iamWrites, lambdaWrites := writes(s.Mode)

	var boundaryCondition map[string]any
	if s.TargetBoundary != "" {
		boundaryCondition = map[string]any{"StringEquals": map[string]any{"iam:PermissionsBoundary": s.TargetBoundary}}
	}
	role.AddToPolicy(statement("WriteRoles", awsiam.Effect_ALLOW, iamWrites, roles, boundaryCondition))
	role.AddToPolicy(statement("WriteFunctions", awsiam.Effect_ALLOW, lambdaWrites, functions, nil))
	role.AddToPolicy(denySecretValues())
	role.AddToPolicy(statement("NotOurOwnRoles", awsiam.Effect_DENY, []string{"iam:*"},
		[]string{*reader.RoleArn(), *role.RoleArn()}, nil))
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("NothingElse"), Effect: awsiam.Effect_DENY,
		NotActions: jsii.Strings(append(iamWrites, lambdaWrites...)...), Resources: jsii.Strings("*"),
	}))
	reader.AddToPolicy(statement("AssumeWriter", awsiam.Effect_ALLOW, []string{"sts:AssumeRole"}, []string{*role.RoleArn()}, nil))
	return role
}

// writes are the calls that a mode may make: repair adds what is ours and removes public statements, enforce also
// tightens what is not ours, and a rollback attaches again what it detached.
func writes(mode string) (iam, lambda []string) {
	iam = []string{"iam:PutRolePolicy", "iam:DeleteRolePolicy"}
	lambda = []string{"lambda:AddPermission", "lambda:RemovePermission"}
	if mode == modeEnforce {
		iam = append(iam, "iam:DetachRolePolicy", "iam:AttachRolePolicy")
		lambda = append(lambda, "lambda:PutResourcePolicy")
	}
	return iam, lambda
}

// writerRoles are the ARNs of repair.roles; a path stands for the roles under it.
func writerRoles(stack awscdk.Stack, given []string) []string {
	arns := make([]string, 0, len(given))
	for _, role := range given {
		if strings.HasPrefix(role, "/") {
			role = *arn(stack, "iam", "role"+role+"*")
		}
		arns = append(arns, role)
	}
	return arns
}

// writerFunctions are the ARNs of repair.functions, each also with its versions and aliases: a function policy
// belongs to a qualifier.
func writerFunctions(given []string) []string {
	arns := make([]string, 0, 2*len(given))
	for _, function := range given {
		arns = append(arns, function)
		if m := functionARN.FindStringSubmatch(function); m != nil && m[2] == "" && !strings.HasSuffix(function, "*") {
			arns = append(arns, function+":*")
		}
	}
	return arns
}

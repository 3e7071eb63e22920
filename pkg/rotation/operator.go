package rotation

import "github.com/rotationguard/rotationguard/pkg/policy"

// Permission is one of the two user permission sets.
type Permission string

// The permission sets.
const (
	Configure Permission = "configure" // full rotation administration
	Trigger   Permission = "trigger"   // only secretsmanager:RotateSecret
)

// OperatorRequired are the actions that a permission set must allow, as requests on the values' secrets, functions and role, without a
// caller. Source: Secrets Manager User Guide, "Permissions for rotation"; RotateSecret, "Required permissions".
func OperatorRequired(may Permission, v Values) []policy.Request {
	var required []policy.Request
	add := func(action, resource string, context map[string][]string) {
		p := ARN(resource).Parts()
		if context == nil {
			context = map[string][]string{}
		}
		context["aws:RequestedRegion"] = []string{p.Region}
		context["aws:SecureTransport"] = []string{"true"}
		context["aws:PrincipalIsAWSService"] = []string{"false"}
		context["aws:ViaAWSService"] = []string{"false"}
		required = append(required, policy.Request{Action: action, Resource: resource, Context: context, Unknown: append([]string{
			"aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:userid", "aws:username", "aws:SourceVpc", "aws:PrincipalTag/*",
			"aws:ResourceTag/*", "secretsmanager:ResourceTag/*", "secretsmanager:resource/Type", "aws:ResourceAccount", "aws:SourceIdentity",
		}, append(endpointKeys, alwaysUnknown...)...)})
	}
	secretContext := func(arn ARN) map[string][]string {
		context := map[string][]string{"secretsmanager:SecretId": {string(arn)}, "secretsmanager:SecretPrimaryRegion": {arn.Parts().Region}}
		if v.Function != "" {
			context[AllowRotationKey] = []string{string(v.Function)}
		}
		return context
	}
	for _, s := range v.Secrets {
		add("secretsmanager:RotateSecret", string(s), secretContext(s))
		if may == Configure {
			add("secretsmanager:CancelRotateSecret", string(s), secretContext(s))
			add("secretsmanager:DescribeSecret", string(s), secretContext(s))
		}
	}
	if may == Configure {
		if v.Function != "" {
			function, _ := v.Function.SplitFunction()
			for _, action := range []string{"AddPermission", "GetPolicy", "InvokeFunction"} {
				add("lambda:"+action, string(function), nil)
			}
		}
		add("iam:PassRole", "arn:"+v.Partition+":iam::"+v.Account+":role/rotation", map[string][]string{"iam:PassedToService": {lambdaPrincipal}})
	}
	return required
}

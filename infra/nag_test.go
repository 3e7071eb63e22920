package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// accepted are the AWS Solutions findings that stand, each with its reason. One that is found no longer fails the test.
var accepted = []struct{ finding, reason string }{
	{"/Reports/Resource: AwsSolutions-S1", "access logs need a second bucket of the operator's own; CloudTrail's data events record the same with the caller's identity"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/runs/*]", "a report's key names its run, account and Region"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Reports65402A0A.Arn>/continue/*]", "what a continuation reads is named by its run"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::*]", "ListSecrets and reading roles in pages have no resource; the Deny on secret values is meant for all"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:*]", "a sweep reads the settings of every rotating secret, and no value"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:lambda:<AWS::Region>:<AWS::AccountId>:function:*]", "any function of the account may be a secret's rotation function; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:role/*]", "any role may be a rotation function's execution role; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/*]", "any policy may be attached to an execution role; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:user/*]", "any user may be a declared operator; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:group/*]", "a declared operator may be in any group; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::aws:policy/*]", "AWS's managed policies may be attached to an execution role; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:kms:<AWS::Region>:*:key/*]", "any key may encrypt a rotating secret, another account's too; the calls only read"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:cloudformation:<AWS::Region>:<AWS::AccountId>:stack/*]", "the stack that made a rotation function names its master secret; the call only reads"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Action::kms:GenerateDataKey*]", "what DynamoDB does with the ledger's key in its caller's name, on that one key"},
	{"/Reader/DefaultPolicy/Resource: AwsSolutions-IAM5[Action::kms:ReEncrypt*]", "what DynamoDB does with the ledger's key in its caller's name, on that one key"},
	{"/SchedulerRoleForTarget-88031b/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<Sweep576358E8.Arn>:*]", "the CDK's grant to invoke names the versions of this one function"},
	// Mode repair: what the operator wrote, which synthesis refuses when it names every role or function.
	{"/Writer/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:aws:iam::111122223333:role/rotation-*]", "repair.roles"},
	{"/Writer/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:role/rotation/*]", "repair.roles"},
	{"/Writer/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:aws:lambda:eu-west-1:111122223333:function:SecretsManager*]", "repair.functions"},
	{"/Writer/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::arn:aws:lambda:eu-west-1:111122223333:function:rotate-db:*]", "repair.functions: a function policy belongs to a version or alias"},
}

func TestStackPassesAWSSolutions(t *testing.T) {
	found := map[string]bool{}
	for _, s := range []Settings{defaultSettings(), repairing()} {
		for _, finding := range awsSolutions(t, s) {
			known := slices.IndexFunc(accepted, func(a struct{ finding, reason string }) bool {
				return strings.HasPrefix(finding, "/Rotationguard"+a.finding+":")
			})
			if known < 0 {
				t.Errorf("mode %s: %s", s.Mode, finding)
				continue
			}
			found[accepted[known].finding] = true
		}
	}
	for _, a := range accepted {
		if !found[a.finding] {
			t.Errorf("%s is accepted and was not found: take it out", a.finding)
		}
	}
}

// awsSolutions are the findings of cdk-nag's AWS Solutions pack, as "PATH: RULE: TEXT".
func awsSolutions(t *testing.T, s Settings) (findings []string) {
	t.Helper()
	_, stack := stackFor(t, s)
	return awsSolutionsOf(t, stack)
}

func awsSolutionsOf(t *testing.T, stack awscdk.Stack) (findings []string) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%v", r)
		}
	}()
	awscdk.Aspects_Of(stack).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	annotations := assertions.Annotations_FromStack(stack)
	all := assertions.Match_AnyValue()
	for _, m := range append(*annotations.FindError(jsii.String("*"), all), *annotations.FindWarning(jsii.String("*"), all)...) {
		if message, ok := m.Entry.Data.(string); ok {
			findings = append(findings, *m.Id+": "+message)
		}
	}
	return findings
}

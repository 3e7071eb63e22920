package fleet

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// reads are the calls that reading an account takes: those of package inventory's clients.
var reads = []string{
	"secretsmanager:ListSecrets", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
	"lambda:GetFunctionConfiguration", "lambda:GetFunction", "lambda:GetPolicy", "lambda:ListTags", "lambda:ListAliases", "lambda:ListVersionsByFunction",
	"lambda:GetAccountSettings", "lambda:ListFunctions", "tag:GetResources",
	"iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:GetPolicy", "iam:GetPolicyVersion",
	"iam:GetAccountSummary", "iam:GetAccountAuthorizationDetails",
	"iam:GetUser", "iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser",
	"iam:GetGroup", "iam:ListGroupPolicies", "iam:GetGroupPolicy", "iam:ListAttachedGroupPolicies",
	"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "cloudformation:DescribeStacks",
}

// maxSessionPolicy is the longest plaintext of a session policy, in characters (STS API reference, AssumeRole, Policy).
const maxSessionPolicy = 2048

// sessionPolicy is all that a session in a target may do, whatever the role holds: the reads, and in a mode that writes assuming the
// account's writer role, which package repair does with a policy that names one change.
func sessionPolicy(mode repair.Mode, writer string) (string, error) {
	type statement struct {
		Effect, Resource string
		Action           []string
	}
	statements := []statement{{"Allow", "*", reads}}
	if mode.Writes() {
		statements = append(statements, statement{"Allow", writer, []string{"sts:AssumeRole"}})
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", statements})
	if err != nil {
		return "", fmt.Errorf("writing the session policy: %w", err)
	}
	if len(text) > maxSessionPolicy {
		return "", fmt.Errorf("the session policy has %d characters, and AWS takes %d", len(text), maxSessionPolicy)
	}
	return string(text), nil
}

// Assume is a configuration of a target: its Region, and a session of the member role there with the run as a tag. The target is checked
// first; its role is assumed with cfg's credentials at the first call.
func (f Fleet) Assume(cfg aws.Config, t Target, partition, run string, mode repair.Mode) (aws.Config, error) {
	if err := f.Check(t, partition); err != nil {
		return aws.Config{}, err
	}
	if mode.Writes() && f.Writer == "" {
		return aws.Config{}, fmt.Errorf("%w: mode %s writes in %s with member.writer_role, and none is configured", ErrRefused, mode, t.Account)
	}
	policy, err := sessionPolicy(mode, f.WriterIn(t))
	if err != nil {
		return aws.Config{}, err
	}
	theirs := inventory.Assumed{
		Role: t.RoleARN, ExternalID: f.ExternalID, Policy: policy,
		Tags: map[string]string{"rotationguard-run": run, "rotationguard-mode": string(mode)},
	}.Config(cfg)
	theirs.Region = t.Region
	return theirs, nil
}

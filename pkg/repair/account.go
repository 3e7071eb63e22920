package repair

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// document is what a change's subject holds at the moment: our inline policy, or the whole function policy.
type document struct{ text, revision string }

// read reads what a change would write to. That there is nothing is the empty document.
func (r *Repairer) read(ctx context.Context, c *Change) (document, error) {
	if c.Call.attachment() {
		return r.readAttachment(ctx, c)
	}
	if c.Call == PutRolePolicy || c.Call == DeleteRolePolicy {
		out, err := r.clients.IAM.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String(c.Subject.RoleName()), PolicyName: aws.String(c.Name)})
		if absent(err) {
			return document{}, nil
		}
		if err != nil {
			return document{}, fmt.Errorf("reading inline policy %s of %s: %w", c.Name, c.Subject, err)
		}
		text, err := decoded(out.PolicyDocument)
		if err != nil {
			return document{}, fmt.Errorf("decoding inline policy %s of %s: %w", c.Name, c.Subject, err)
		}
		return document{text: text}, nil
	}
	out, err := r.clients.Lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: functionName(c.Subject), Qualifier: qualifier(c.Subject)})
	if absent(err) {
		return document{}, nil
	}
	if err != nil {
		return document{}, fmt.Errorf("reading the function policy of %s: %w", c.Subject, err)
	}
	d := document{aws.ToString(out.Policy), aws.ToString(out.RevisionId)}
	if s, err := readStatements(d.text); err == nil && len(s.list) == 0 {
		return document{}, nil
	}
	return d, nil
}

// decoded is a policy document as IAM gives it: URL-encoded after RFC 3986. Source: IAM API, GetRolePolicy and GetPolicyVersion.
func decoded(document *string) (string, error) {
	return url.PathUnescape(aws.ToString(document))
}

// readAttachment tells an attached policy by the document that the change knows of it: the documents of managed policies are not
// repair's to write.
func (r *Repairer) readAttachment(ctx context.Context, c *Change) (document, error) {
	pages := iam.NewListAttachedRolePoliciesPaginator(r.clients.IAM, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(c.Subject.RoleName())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return document{}, fmt.Errorf("listing the policies attached to %s: %w", c.Subject, err)
		}
		for _, p := range page.AttachedPolicies {
			if aws.ToString(p.PolicyArn) == c.Name {
				return document{text: c.Before + c.After}, nil // one of them is empty
			}
		}
	}
	return document{}, nil
}

// otherPolicy says why a managed policy is not the one that was detached any more, or "": attaching it gives the role what it holds now.
func (r *Repairer) otherPolicy(ctx context.Context, c *Change) string {
	arn := aws.String(c.Name)
	policy, err := r.clients.IAM.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		return rotation.OneLine(fmt.Sprintf("reading managed policy %s: %v", c.Name, err))
	}
	version, err := r.clients.IAM.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: policy.Policy.DefaultVersionId})
	if err != nil {
		return rotation.OneLine(fmt.Sprintf("reading managed policy %s: %v", c.Name, err))
	}
	text, err := decoded(version.PolicyVersion.Document)
	if err != nil {
		return rotation.OneLine(fmt.Sprintf("decoding managed policy %s: %v", c.Name, err))
	}
	if !sameJSON(text, c.After) {
		return "the managed policy was changed since it was detached: attach it by hand if what it holds now is meant"
	}
	return ""
}

func functionName(arn rotation.ARN) *string {
	function, _ := arn.SplitFunction()
	return aws.String(string(function))
}

func qualifier(arn rotation.ARN) *string {
	if _, q := arn.SplitFunction(); q != "" {
		return aws.String(q)
	}
	return nil
}

// send makes the change's call.
func (w Writer) send(ctx context.Context, c *Change, revision *string) error {
	var err error
	switch c.Call {
	case PutRolePolicy:
		_, err = w.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: aws.String(c.Subject.RoleName()), PolicyName: aws.String(c.Name), PolicyDocument: aws.String(c.After),
		})
	case DeleteRolePolicy:
		_, err = w.IAM.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String(c.Subject.RoleName()), PolicyName: aws.String(c.Name)})
	case AddPermission:
		statement, _ := wanted(c)
		in, reason := permissionOf(c.Subject, statement)
		if reason != "" {
			return fmt.Errorf("%s %s on %s: the statement cannot be written: %s", c.Call, c.Name, c.Subject, reason)
		}
		in.RevisionId = revision
		_, err = w.Lambda.AddPermission(ctx, in)
	case RemovePermission:
		_, err = w.Lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{
			FunctionName: functionName(c.Subject), Qualifier: qualifier(c.Subject), StatementId: aws.String(c.Name), RevisionId: revision,
		})
	case DetachRolePolicy:
		_, err = w.IAM.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String(c.Subject.RoleName()), PolicyArn: aws.String(c.Name)})
	case AttachRolePolicy:
		_, err = w.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(c.Subject.RoleName()), PolicyArn: aws.String(c.Name)})
	case PutResourcePolicy:
		_, err = w.Lambda.PutResourcePolicy(ctx, &lambda.PutResourcePolicyInput{
			ResourceArn: aws.String(string(c.Subject)), Policy: aws.String(c.After), RevisionId: revision,
		})
	default:
		err = fmt.Errorf("%s is no call that repair makes", c.Call)
	}
	if err != nil {
		return fmt.Errorf("%s %s on %s: %w", c.Call, c.Name, c.Subject, err)
	}
	return nil
}

// unnamed says why no secret of the change names its function any more, or "": one that does is enough. What is taken back needs none.
func (r *Repairer) unnamed(ctx context.Context, c *Change) string {
	if c.Undoes != "" {
		return ""
	}
	for _, secret := range c.Secrets {
		out, err := r.clients.Secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(string(secret))})
		if absent(err) {
			continue
		}
		if err != nil {
			return rotation.OneLine(fmt.Sprintf("reading secret %s again: %v", secret, err))
		}
		if rotation.ARN(aws.ToString(out.RotationLambdaARN)) == c.Function && aws.ToBool(out.RotationEnabled) && out.DeletedDate == nil {
			return ""
		}
	}
	return "no secret that needs the change names the function any more"
}

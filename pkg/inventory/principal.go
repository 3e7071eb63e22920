package inventory

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// principal is one role, user or group, with the three calls that find its policies; their names are those of IAM's API.
type principal struct {
	arn  rotation.ARN
	noun string // Role, User, Group: ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies

	inline   func(context.Context, *string) ([]string, *string, bool, error)
	document func(context.Context, string) (*string, error)
	attached func(context.Context, *string) ([]types.AttachedPolicy, *string, bool, error)
}

func (p *principal) listCall() string     { return "iam:List" + p.noun + "Policies" }
func (p *principal) getCall() string      { return "iam:Get" + p.noun + "Policy" }
func (p *principal) attachedCall() string { return "iam:ListAttached" + p.noun + "Policies" }

// holdings are the identity policies of a principal.
type holdings struct {
	policies []rotation.Policy
	gaps     []rotation.Gap // lists that could not be read
	gone     bool           // the principal was deleted meanwhile
}

// holdings reads a principal's inline and attached policies, each sorted.
func (r *run) holdings(ctx context.Context, s *site, p *principal) (holdings, error) {
	var h holdings
	for _, read := range []func(context.Context, *site, *principal, *holdings) error{r.inline, r.attached} {
		if err := read(ctx, s, p, &h); err != nil || h.gone {
			return h, err
		}
	}
	rotation.Distinguish(h.policies)
	return h, nil
}

func (r *run) inline(ctx context.Context, s *site, p *principal, h *holdings) error {
	names, err := paged(func(marker *string) ([]string, *string, bool, error) { return p.inline(ctx, marker) })
	if err != nil {
		return h.fail(s, p, p.listCall(), err)
	}
	slices.Sort(names)
	for _, name := range names {
		text, err := p.document(ctx, name)
		switch {
		case err != nil && absent(err): // removed since it was listed
		case err != nil:
			g, err := s.gap(p.getCall(), string(p.arn)+" "+name, err)
			if err != nil {
				return err
			}
			h.policies = append(h.policies, unreadable(rotation.PolicyInline, name, &g))
		default:
			h.policies = append(h.policies, rotation.NewPolicy(rotation.PolicyInline, name, decoded(aws.ToString(text))))
		}
	}
	return nil
}

func (r *run) attached(ctx context.Context, s *site, p *principal, h *holdings) error {
	attached, err := paged(func(marker *string) ([]types.AttachedPolicy, *string, bool, error) { return p.attached(ctx, marker) })
	if err != nil {
		return h.fail(s, p, p.attachedCall(), err)
	}
	slices.SortFunc(attached, func(a, b types.AttachedPolicy) int {
		return strings.Compare(aws.ToString(a.PolicyArn), aws.ToString(b.PolicyArn))
	})
	for _, a := range attached {
		policy, err := r.managedPolicy(ctx, s, rotation.ARN(aws.ToString(a.PolicyArn)))
		if err != nil {
			return err
		}
		if policy.Presence != rotation.Absent { // else it was detached and deleted since it was listed
			h.policies = append(h.policies, policy)
		}
	}
	return nil
}

// fail keeps that a list of the principal's policies could not be read.
func (h *holdings) fail(s *site, p *principal, call string, err error) error {
	if absent(err) {
		h.gone = true
		return nil
	}
	g, err := s.gap(call, string(p.arn), err)
	if err == nil {
		h.gaps = append(h.gaps, g)
	}
	return err
}

func rolePrincipal(s *site, arn rotation.ARN) *principal {
	p, name := &principal{arn: arn, noun: "Role"}, aws.String(arn.RoleName())
	p.inline = func(ctx context.Context, marker *string) ([]string, *string, bool, error) {
		out, err := ask(ctx, s, p.listCall(), s.clients.Roles.ListRolePolicies, &iam.ListRolePoliciesInput{RoleName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.PolicyNames, out.Marker, out.IsTruncated, nil
	}
	p.document = func(ctx context.Context, policy string) (*string, error) {
		out, err := ask(ctx, s, p.getCall(), s.clients.Roles.GetRolePolicy, &iam.GetRolePolicyInput{RoleName: name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		return out.PolicyDocument, nil
	}
	p.attached = func(ctx context.Context, marker *string) ([]types.AttachedPolicy, *string, bool, error) {
		out, err := ask(ctx, s, p.attachedCall(), s.clients.Roles.ListAttachedRolePolicies, &iam.ListAttachedRolePoliciesInput{RoleName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.AttachedPolicies, out.Marker, out.IsTruncated, nil
	}
	return p
}

func userPrincipal(s *site, arn rotation.ARN) *principal {
	p, name := &principal{arn: arn, noun: "User"}, aws.String(arn.RoleName())
	p.inline = func(ctx context.Context, marker *string) ([]string, *string, bool, error) {
		out, err := ask(ctx, s, p.listCall(), s.clients.Users.ListUserPolicies, &iam.ListUserPoliciesInput{UserName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.PolicyNames, out.Marker, out.IsTruncated, nil
	}
	p.document = func(ctx context.Context, policy string) (*string, error) {
		out, err := ask(ctx, s, p.getCall(), s.clients.Users.GetUserPolicy, &iam.GetUserPolicyInput{UserName: name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		return out.PolicyDocument, nil
	}
	p.attached = func(ctx context.Context, marker *string) ([]types.AttachedPolicy, *string, bool, error) {
		out, err := ask(ctx, s, p.attachedCall(), s.clients.Users.ListAttachedUserPolicies, &iam.ListAttachedUserPoliciesInput{UserName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.AttachedPolicies, out.Marker, out.IsTruncated, nil
	}
	return p
}

func groupPrincipal(s *site, arn rotation.ARN) *principal {
	p, name := &principal{arn: arn, noun: "Group"}, aws.String(arn.RoleName())
	p.inline = func(ctx context.Context, marker *string) ([]string, *string, bool, error) {
		out, err := ask(ctx, s, p.listCall(), s.clients.Users.ListGroupPolicies, &iam.ListGroupPoliciesInput{GroupName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.PolicyNames, out.Marker, out.IsTruncated, nil
	}
	p.document = func(ctx context.Context, policy string) (*string, error) {
		out, err := ask(ctx, s, p.getCall(), s.clients.Users.GetGroupPolicy, &iam.GetGroupPolicyInput{GroupName: name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		return out.PolicyDocument, nil
	}
	p.attached = func(ctx context.Context, marker *string) ([]types.AttachedPolicy, *string, bool, error) {
		out, err := ask(ctx, s, p.attachedCall(), s.clients.Users.ListAttachedGroupPolicies, &iam.ListAttachedGroupPoliciesInput{GroupName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.AttachedPolicies, out.Marker, out.IsTruncated, nil
	}
	return p
}

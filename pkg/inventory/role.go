package inventory

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// role reads a role with its trust, inline and attached policies and boundary. account is where the role must be: Lambda takes no role of
// another account than the function's.
func (r *run) role(ctx context.Context, arn rotation.ARN, account string) (rotation.Role, error) {
	const call = "iam:GetRole"
	role := rotation.Role{ARN: arn, Presence: rotation.Unreadable}
	refuse := func(code, message string) (rotation.Role, error) {
		role.Gaps = []rotation.Gap{{Call: call, Resource: rotation.OneLine(string(arn)), Code: code, Message: message}}
		return role, nil
	}
	p, err := arn.Parse()
	switch {
	case err != nil || p.Service != "iam" || !strings.HasPrefix(p.Resource, "role/") || arn.RoleName() == "":
		return refuse(codeMalformedARN, "the function's Role is not the ARN of a role")
	case p.Account != account:
		return refuse("ForeignRole", "the role is in account "+p.Account+", what uses it in account "+account+": no service assumes such a role")
	}
	s, gap, err := r.site(ctx, p.Account, call, string(arn))
	if err != nil {
		return role, err
	}
	if gap != nil {
		role.Gaps = []rotation.Gap{*gap}
		return role, nil
	}
	return r.readRole(ctx, s, role)
}

func (r *run) readRole(ctx context.Context, s *site, role rotation.Role) (rotation.Role, error) {
	const call = "iam:GetRole"
	if s == r.home {
		if is, ok := r.bulk.role(role.ARN); ok {
			return r.fromBulk(ctx, s, role, &is)
		}
	}
	name := role.ARN.RoleName()
	out, err := ask(ctx, s, call, s.clients.Roles.GetRole, &iam.GetRoleInput{RoleName: &name})
	switch {
	case err != nil && absent(err):
		role.Presence = rotation.Absent
		return role, nil
	case err != nil:
		g, err := s.gap(call, string(role.ARN), err)
		if err != nil {
			return role, err
		}
		role.Gaps = append(role.Gaps, g)
		role.Trust = unreadable(rotation.PolicyTrust, "", &g)
	case out.Role != nil && !strings.EqualFold(aws.ToString(out.Role.Arn), string(role.ARN)):
		// Another role of the same name, under another path: role names are unique whatever their path, ARNs are not (IAM User Guide,
		// "IAM and AWS STS quotas").
		role.Presence = rotation.Absent
		return role, nil
	case out.Role != nil:
		if err := r.keepRole(ctx, s, &role, out.Role); err != nil {
			return role, err
		}
	}
	h, err := r.holdings(ctx, s, rolePrincipal(s, role.ARN))
	if h.gone {
		return rotation.Role{ARN: role.ARN, Presence: rotation.Absent}, nil
	}
	role.Identity, role.Gaps = h.policies, append(role.Gaps, h.gaps...)
	return role, err
}

func (r *run) keepRole(ctx context.Context, s *site, role *rotation.Role, is *types.Role) error {
	role.Presence, role.ID = rotation.Present, aws.ToString(is.RoleId)
	role.Trust = rotation.NewPolicy(rotation.PolicyTrust, "", decoded(aws.ToString(is.AssumeRolePolicyDocument)))
	role.Tags = iamTags(is.Tags)
	if used := is.RoleLastUsed; used != nil {
		role.LastUsed, role.LastUsedIn = utc(used.LastUsedDate), aws.ToString(used.Region)
	}
	var err error
	role.Boundary, err = r.boundary(ctx, s, is.PermissionsBoundary)
	return err
}

func iamTags(tags []types.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// boundary reads the policy that bounds a role or user; nil where none does.
func (r *run) boundary(ctx context.Context, s *site, b *types.AttachedPermissionsBoundary) (*rotation.Policy, error) {
	if b == nil || aws.ToString(b.PermissionsBoundaryArn) == "" {
		return nil, nil
	}
	p, err := r.managedPolicy(ctx, s, rotation.ARN(*b.PermissionsBoundaryArn))
	if err != nil {
		return nil, err
	}
	return as(p, rotation.PolicyBoundary), nil
}

// decoded undoes the URL encoding of IAM's documents (RFC 3986, IAM API reference, GetRole): a plus sign is a plus sign. What does not
// decode, or is JSON already, is taken as it is.
func decoded(text string) string {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// as is a policy in another place: one managed policy may be attached here and a boundary there.
func as(p rotation.Policy, source rotation.PolicySource) *rotation.Policy {
	p.Source = source
	p.Parse() // the document carries the name of its place
	return &p
}

// managedPolicy reads the default version of a managed policy, once however many roles it is attached to.
func (r *run) managedPolicy(ctx context.Context, s *site, arn rotation.ARN) (rotation.Policy, error) {
	return r.managed.get(arn, func() (rotation.Policy, error) {
		const get, version = "iam:GetPolicy", "iam:GetPolicyVersion"
		name := arn.RoleName() // the last segment, as of a role
		p := rotation.Policy{Source: rotation.PolicyAttached, Name: name, ARN: arn}
		if is, ok := r.bulk.policy(arn); ok && s == r.home {
			p.Presence, p.Revision, p.Text = rotation.Present, is.Version, decoded(is.Document)
			p.Parse()
			return p, nil
		}
		fail := func(call string, err error) (rotation.Policy, error) {
			if absent(err) {
				p.Presence = rotation.Absent
				return p, nil
			}
			g, err := s.gap(call, string(arn), err)
			p.Presence, p.Gap = rotation.Unreadable, &g
			return p, err
		}
		head, err := ask(ctx, s, get, s.clients.Roles.GetPolicy, &iam.GetPolicyInput{PolicyArn: aws.String(string(arn))})
		if err != nil {
			return fail(get, err)
		}
		p.Revision = aws.ToString(head.Policy.DefaultVersionId)
		out, err := ask(ctx, s, version, s.clients.Roles.GetPolicyVersion, &iam.GetPolicyVersionInput{PolicyArn: aws.String(string(arn)), VersionId: &p.Revision})
		if err != nil {
			return fail(version, err)
		}
		p.Presence, p.Text = rotation.Present, decoded(aws.ToString(out.PolicyVersion.Document))
		p.Parse()
		return p, nil
	})
}

// paged collects all pages of an IAM list; a marker that comes twice ends it.
func paged[T any](page func(marker *string) (items []T, next *string, more bool, err error)) ([]T, error) {
	var (
		all    []T
		marker *string
		seen   = map[string]bool{}
	)
	for {
		items, next, more, err := page(marker)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if !more || aws.ToString(next) == "" || seen[*next] {
			return all, nil
		}
		seen[*next], marker = true, next
	}
}

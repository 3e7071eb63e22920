package inventory

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Operators reads the principals that are declared to hold a permission set, in the order given: a role, a group, or a user with the
// policies of its groups. Of declared only Principal and May count. A principal that is not there is Absent, and a Gap names it; what could
// not be read of one is a Gap on it.
func (r *Reader) Operators(ctx context.Context, declared []rotation.Operator) ([]rotation.Operator, error) {
	if len(declared) == 0 {
		return nil, nil
	}
	if err := r.home.begin(ctx); err != nil {
		return nil, err
	}
	run, out := newRun(r), make([]rotation.Operator, len(declared))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, d := range declared {
		g.Go(func() (err error) {
			out[i], err = run.operator(gctx, d.Principal)
			out[i].May = d.May
			return err
		})
	}
	return out, g.Wait()
}

func (r *run) operator(ctx context.Context, arn rotation.ARN) (rotation.Operator, error) {
	o := rotation.Operator{Principal: arn, Presence: rotation.Unreadable}
	noun := principalNoun(arn)
	read := map[string]func(context.Context, *site, *rotation.Operator) error{"Role": r.readRoleOperator, "User": r.readUser, "Group": r.readGroup}[noun]
	if read == nil {
		o.Gaps = []rotation.Gap{{Call: "iam:GetRole", Resource: rotation.OneLine(string(arn)), Code: codeMalformedARN, Message: "the principal is not the ARN of a role, user or group"}}
		return o, nil
	}
	s, gap, err := r.site(ctx, arn.Parts().Account, "iam:Get"+noun, string(arn))
	if err != nil {
		return o, err
	}
	if gap != nil {
		o.Gaps = []rotation.Gap{*gap}
		return o, nil
	}
	err = read(ctx, s, &o)
	return o, err
}

// principalNoun is what IAM's calls name a principal of that ARN: Role, User or Group; empty for anything else.
func principalNoun(arn rotation.ARN) string {
	p := arn.Parts()
	kind, name, _ := strings.Cut(p.Resource, "/")
	if p.Service != "iam" || name == "" {
		return ""
	}
	return map[string]string{"role": "Role", "user": "User", "group": "Group"}[kind]
}

// gone makes the operator absent: there is nobody of that name, or only at another path.
func gone(o *rotation.Operator, call, other string) {
	message := "the operator does not exist"
	if other != "" {
		message += "; there is " + rotation.OneLine(other)
	}
	*o = rotation.Operator{Principal: o.Principal, Presence: rotation.Absent, Gaps: []rotation.Gap{{
		Call: call, Resource: string(o.Principal), Code: "NoSuchEntity", Message: message,
	}}}
}

func (r *run) readRoleOperator(ctx context.Context, s *site, o *rotation.Operator) error {
	role, err := r.readRole(ctx, s, rotation.Role{ARN: o.Principal, Presence: rotation.Unreadable})
	if err != nil {
		return err
	}
	if role.Presence == rotation.Absent {
		gone(o, "iam:GetRole", "")
		return nil
	}
	o.Presence, o.Identity, o.Boundary, o.Tags, o.Gaps = role.Presence, role.Identity, role.Boundary, role.Tags, role.Gaps
	return nil
}

// refused says whether reading the principal itself failed, and keeps why: a Gap, or that it does not exist.
func refused(s *site, o *rotation.Operator, call string, err error) (bool, error) {
	if err == nil {
		return false, nil
	}
	if absent(err) {
		gone(o, call, "")
		return true, nil
	}
	g, err := s.gap(call, string(o.Principal), err)
	if err == nil {
		o.Gaps = append(o.Gaps, g)
	}
	return false, err
}

func (r *run) readUser(ctx context.Context, s *site, o *rotation.Operator) error {
	const call, groups = "iam:GetUser", "iam:ListGroupsForUser"
	name := aws.String(o.Principal.RoleName())
	out, err := ask(ctx, s, call, s.clients.Users.GetUser, &iam.GetUserInput{UserName: name})
	if over, err := refused(s, o, call, err); over || err != nil {
		return err
	}
	if out != nil && out.User != nil {
		if !strings.EqualFold(aws.ToString(out.User.Arn), string(o.Principal)) {
			gone(o, call, aws.ToString(out.User.Arn))
			return nil
		}
		o.Presence = rotation.Present
		o.Tags = iamTags(out.User.Tags)
		if o.Boundary, err = r.boundary(ctx, s, out.User.PermissionsBoundary); err != nil {
			return err
		}
	}
	if over, err := r.hold(ctx, s, o, userPrincipal(s, o.Principal), call); over || err != nil {
		return err
	}
	member, err := paged(func(marker *string) ([]types.Group, *string, bool, error) {
		out, err := ask(ctx, s, groups, s.clients.Users.ListGroupsForUser, &iam.ListGroupsForUserInput{UserName: name, Marker: marker})
		if err != nil {
			return nil, nil, false, err
		}
		return out.Groups, out.Marker, out.IsTruncated, nil
	})
	if over, err := refused(s, o, groups, err); over || err != nil {
		return err
	}
	slices.SortFunc(member, func(a, b types.Group) int { return strings.Compare(aws.ToString(a.Arn), aws.ToString(b.Arn)) })
	for _, group := range member {
		h, err := r.holdings(ctx, s, groupPrincipal(s, rotation.ARN(aws.ToString(group.Arn))))
		if err != nil {
			return err
		}
		for _, p := range h.policies { // named by the group, for the user may have one of the same name
			if p.Source == rotation.PolicyInline {
				p.Name = aws.ToString(group.GroupName) + "/" + p.Name
				p.Parse()
			}
			o.Identity = append(o.Identity, p)
		}
		o.Gaps = append(o.Gaps, h.gaps...)
	}
	o.Identity = once(o.Identity)
	rotation.Distinguish(o.Identity)
	return nil
}

// once drops a managed policy that comes to a user more than one way.
func once(policies []rotation.Policy) []rotation.Policy {
	seen := map[rotation.ARN]bool{}
	return slices.DeleteFunc(policies, func(p rotation.Policy) bool {
		again := p.ARN != "" && seen[p.ARN]
		seen[p.ARN] = true
		return again
	})
}

func (r *run) readGroup(ctx context.Context, s *site, o *rotation.Operator) error {
	const call = "iam:GetGroup"
	out, err := ask(ctx, s, call, s.clients.Users.GetGroup, &iam.GetGroupInput{GroupName: aws.String(o.Principal.RoleName()), MaxItems: aws.Int32(1)})
	if over, err := refused(s, o, call, err); over || err != nil {
		return err
	}
	if out != nil && out.Group != nil {
		if !strings.EqualFold(aws.ToString(out.Group.Arn), string(o.Principal)) {
			gone(o, call, aws.ToString(out.Group.Arn))
			return nil
		}
		o.Presence = rotation.Present
	}
	_, err = r.hold(ctx, s, o, groupPrincipal(s, o.Principal), call)
	return err
}

// hold reads the operator's own policies; over says that it is gone by now.
func (r *run) hold(ctx context.Context, s *site, o *rotation.Operator, p *principal, call string) (over bool, err error) {
	h, err := r.holdings(ctx, s, p)
	if h.gone {
		gone(o, call, "")
		return true, nil
	}
	o.Identity, o.Gaps = append(o.Identity, h.policies...), append(o.Gaps, h.gaps...)
	return false, err
}

// OperatorGaps are all that could not be read of an operator.
func OperatorGaps(o *rotation.Operator) []rotation.Gap {
	gaps := slices.Clone(o.Gaps)
	for p := range operatorPolicies(o) {
		if p.Gap != nil {
			gaps = append(gaps, *p.Gap)
		}
	}
	return gaps
}

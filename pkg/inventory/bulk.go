package inventory

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// What a role costs one by one (GetRole, ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies), and how many entities
// GetAccountAuthorizationDetails is counted on to give in a page: it may give fewer than the 1,000 that are asked for (IAM API reference).
const (
	callsPerRole  = 4
	entitiesAPage = 100
	mostEntities  = 1000
	bulkWorthFrom = 10 // roles: below, asking what the account has costs more than it can save
)

// bulkRoles are roles and managed policies that were read in pages, set aside until each is taken.
type bulkRoles struct {
	store    *spill.Store
	wanted   map[rotation.ARN]rotation.ARN // each is its own value: the string that is kept
	roles    map[rotation.ARN]spill.Ref
	policies map[rotation.ARN]spill.Ref
}

// bulkRole is what is kept of a role in a page.
type bulkRole struct {
	Role     types.Role
	Inline   []types.PolicyDetail
	Attached []types.AttachedPolicy
}

// bulkPolicy is the default version of a managed policy.
type bulkPolicy struct{ Version, Document string }

// readBulk reads the roles in pages of the whole account where that takes fewer calls than one by one. Where it is refused or fails nothing
// is missing: each role is then read on its own, and says itself what cannot be read.
func (r *run) readBulk(ctx context.Context, wanted map[rotation.ARN]rotation.ARN) error {
	pages, err := r.rolePages(ctx, len(wanted))
	if err != nil || pages == 0 {
		return err
	}
	b := &bulkRoles{store: &r.store, wanted: wanted, roles: map[rotation.ARN]spill.Ref{}, policies: map[rotation.ARN]spill.Ref{}}
	var marker *string
	seen := map[string]bool{}
	for {
		page, err := ask(ctx, r.home, "iam:GetAccountAuthorizationDetails", r.home.clients.Roles.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{
			Filter: []types.EntityType{types.EntityTypeRole, types.EntityTypeLocalManagedPolicy, types.EntityTypeAWSManagedPolicy}, MaxItems: aws.Int32(mostEntities), Marker: marker,
		})
		if err != nil {
			return onlyStop(err)
		}
		if err := b.take(page); err != nil {
			return err
		}
		if !page.IsTruncated || aws.ToString(page.Marker) == "" {
			r.bulk, b.wanted = b, nil
			return nil
		}
		if seen[*page.Marker] {
			return nil // a list that never ends: one by one
		}
		seen[*page.Marker], marker = true, page.Marker
	}
}

// rolePages is in how many pages roles are read at most, 0 where they are read one by one.
func (r *run) rolePages(ctx context.Context, roles int) (int, error) {
	if roles < bulkWorthFrom {
		return 0, nil
	}
	summary, err := ask(ctx, r.home, "iam:GetAccountSummary", r.home.clients.Roles.GetAccountSummary, &iam.GetAccountSummaryInput{})
	if err != nil {
		return 0, onlyStop(err)
	}
	entities := int(summary.SummaryMap["Roles"]) + int(summary.SummaryMap["Policies"])
	pages := (entities + entitiesAPage - 1) / entitiesAPage
	if pages >= roles*callsPerRole {
		return 0, nil
	}
	return pages, nil
}

// onlyStop keeps an error that ends the run.
func onlyStop(err error) error {
	if stopped(err) {
		return err
	}
	return nil
}

func (b *bulkRoles) take(page *iam.GetAccountAuthorizationDetailsOutput) error {
	for i := range page.RoleDetailList {
		d := &page.RoleDetailList[i]
		arn := rotation.ARN(aws.ToString(d.Arn))
		arn, ok := b.wanted[arn]
		if !ok {
			continue
		}
		at, err := b.store.Put(bulkRole{types.Role{
			Arn: d.Arn, RoleId: d.RoleId, RoleName: d.RoleName, AssumeRolePolicyDocument: d.AssumeRolePolicyDocument, PermissionsBoundary: d.PermissionsBoundary,
			RoleLastUsed: d.RoleLastUsed, Tags: d.Tags,
		}, d.RolePolicyList, d.AttachedManagedPolicies})
		if err != nil {
			return err
		}
		b.roles[arn] = at
	}
	for i := range page.Policies {
		p := &page.Policies[i]
		for j := range p.PolicyVersionList {
			v := &p.PolicyVersionList[j]
			if aws.ToString(v.VersionId) != aws.ToString(p.DefaultVersionId) || aws.ToString(v.Document) == "" {
				continue
			}
			at, err := b.store.Put(bulkPolicy{aws.ToString(v.VersionId), *v.Document})
			if err != nil {
				return err
			}
			b.policies[rotation.ARN(copied(p.Arn))] = at
		}
	}
	return nil
}

func (b *bulkRoles) role(arn rotation.ARN) (bulkRole, bool) {
	if b == nil {
		return bulkRole{}, false
	}
	at, ok := b.roles[arn]
	var role bulkRole
	return role, ok && b.store.Get(at, &role) == nil
}

func (b *bulkRoles) policy(arn rotation.ARN) (bulkPolicy, bool) {
	if b == nil {
		return bulkPolicy{}, false
	}
	at, ok := b.policies[arn]
	var p bulkPolicy
	return p, ok && b.store.Get(at, &p) == nil
}

// fromBulk is a role as pages gave it, the same as if it had been read on its own.
func (r *run) fromBulk(ctx context.Context, s *site, role rotation.Role, is *bulkRole) (rotation.Role, error) {
	if err := r.keepRole(ctx, s, &role, &is.Role); err != nil {
		return role, err
	}
	slices.SortFunc(is.Inline, func(a, b types.PolicyDetail) int {
		return strings.Compare(aws.ToString(a.PolicyName), aws.ToString(b.PolicyName))
	})
	for _, p := range is.Inline {
		role.Identity = append(role.Identity, rotation.NewPolicy(rotation.PolicyInline, aws.ToString(p.PolicyName), decoded(aws.ToString(p.PolicyDocument))))
	}
	slices.SortFunc(is.Attached, func(a, b types.AttachedPolicy) int {
		return strings.Compare(aws.ToString(a.PolicyArn), aws.ToString(b.PolicyArn))
	})
	for _, a := range is.Attached {
		policy, err := r.managedPolicy(ctx, s, rotation.ARN(aws.ToString(a.PolicyArn)))
		if err != nil {
			return role, err
		}
		if policy.Presence != rotation.Absent {
			role.Identity = append(role.Identity, policy)
		}
	}
	rotation.Distinguish(role.Identity)
	return role, nil
}

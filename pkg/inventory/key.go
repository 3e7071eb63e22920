package inventory

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// awsAlias starts the aliases of AWS managed keys (AWS KMS Developer Guide, "Aliases"): no call is needed to know them.
const awsAlias = "alias/aws/"

// keyARN is the ARN that a secret's KmsKeyId stands for: an id, an alias name, or an ARN of either; of an id or an alias name in the
// secret's own account and Region.
func keyARN(id string, secret rotation.ARN) rotation.ARN {
	if strings.HasPrefix(id, "arn:") {
		return rotation.ARN(id)
	}
	p := secret.Parts()
	if !strings.HasPrefix(id, "alias/") {
		id = "key/" + strings.TrimPrefix(id, "key/")
	}
	return rotation.ARN("arn:" + p.Partition + ":kms:" + p.Region + ":" + p.Account + ":" + id)
}

// keyName is the key behind an alias.
type keyName struct {
	arn rotation.ARN
	gap *rotation.Gap
}

// key reads the key that a secret names, with its policy if it is a customer key. Each key is read once, each alias resolved once.
func (r *run) key(ctx context.Context, id string, secret rotation.ARN) (rotation.Key, error) {
	arn := keyARN(id, secret)
	resource := arn.Parts().Resource
	if strings.HasPrefix(resource, awsAlias) {
		return rotation.Key{ID: id, Presence: rotation.Present, Manager: string(types.KeyManagerTypeAws)}, nil
	}
	if strings.HasPrefix(resource, "alias/") {
		name, err := r.aliases.get(string(arn), func() (keyName, error) {
			key, err := r.describeKey(ctx, arn)
			if err != nil || key.ARN == "" {
				gap := rotation.Gap{}
				if len(key.Gaps) > 0 {
					gap = key.Gaps[0]
				}
				return keyName{gap: &gap}, err
			}
			_, err = r.keys.get(key.ARN, func() (rotation.Key, error) { return key, r.keyPolicy(ctx, &key) })
			return keyName{arn: key.ARN}, err
		})
		if err != nil {
			return rotation.Key{ID: id}, err
		}
		if name.gap != nil {
			return unreadableKey(id, *name.gap), nil
		}
		arn = name.arn
	}
	key, err := r.keys.get(arn, func() (rotation.Key, error) {
		key, err := r.describeKey(ctx, arn)
		if err != nil {
			return key, err
		}
		return key, r.keyPolicy(ctx, &key)
	})
	if err == nil && key.ARN == "" && len(key.Gaps) > 0 {
		return unreadableKey(id, key.Gaps[0]), nil
	}
	key.ID = id
	return key, err
}

// unreadableKey is a key that is not there, or that could not be described.
func unreadableKey(id string, gap rotation.Gap) rotation.Key {
	if isAbsent(gap) {
		return rotation.Key{ID: id, Presence: rotation.Absent}
	}
	return rotation.Key{ID: id, Presence: rotation.Unreadable, Gaps: []rotation.Gap{gap}}
}

// describeKey resolves a key or alias; without an ARN in the answer the gap says why.
func (r *run) describeKey(ctx context.Context, arn rotation.ARN) (rotation.Key, error) {
	const call = "kms:DescribeKey"
	s, gap, err := r.site(ctx, arn.Parts().Account, call, string(arn))
	switch {
	case err != nil:
		return rotation.Key{}, err
	case gap != nil:
		return rotation.Key{Gaps: []rotation.Gap{*gap}}, nil
	}
	out, err := ask(ctx, s, call, s.clients.Keys.DescribeKey, &kms.DescribeKeyInput{KeyId: aws.String(string(arn))}, inKeyRegion(s, arn)...)
	if err != nil {
		g, err := s.gap(call, string(arn), err)
		return rotation.Key{Gaps: []rotation.Gap{g}}, err
	}
	m := out.KeyMetadata
	return rotation.Key{ARN: rotation.ARN(aws.ToString(m.Arn)), Presence: rotation.Present, Manager: string(m.KeyManager), State: string(m.KeyState)}, nil
}

// keyPolicy reads a customer key's policy into it; an AWS managed key counts as none.
func (r *run) keyPolicy(ctx context.Context, key *rotation.Key) error {
	if key.ARN == "" || key.Manager == string(types.KeyManagerTypeAws) {
		return nil
	}
	const call = "kms:GetKeyPolicy"
	s, gap, err := r.site(ctx, key.ARN.Parts().Account, call, string(key.ARN))
	if gap != nil || err != nil {
		key.Policy = unreadable(rotation.PolicyKey, "", gap)
		return err
	}
	out, err := ask(ctx, s, call, s.clients.Keys.GetKeyPolicy, &kms.GetKeyPolicyInput{
		KeyId: aws.String(string(key.ARN)), PolicyName: aws.String("default"), // the only valid name (KMS API reference, GetKeyPolicy)
	}, inKeyRegion(s, key.ARN)...)
	if err != nil {
		g, err := s.gap(call, string(key.ARN), err)
		key.Policy = unreadable(rotation.PolicyKey, "", &g)
		return err
	}
	key.Policy = rotation.NewPolicy(rotation.PolicyKey, "", aws.ToString(out.Policy))
	return nil
}

func inKeyRegion(s *site, arn rotation.ARN) []func(*kms.Options) {
	region := arn.Parts().Region
	if region == "" || region == s.clients.Region {
		return nil
	}
	return []func(*kms.Options){func(o *kms.Options) { o.Region = region }}
}

type grantsOf struct {
	key     rotation.ARN
	grantee string
}

type grantsRead struct {
	grants []rotation.KeyGrant
	gap    *rotation.Gap
}

// readGrants adds to a key the grants that its role, or the role's session in the function, holds.
func (r *run) readGrants(ctx context.Context, key rotation.Key, grantees []string) (rotation.Key, error) {
	key.GrantsRead, key.Grants = true, nil
	key.Gaps = slices.Clone(key.Gaps)
	for _, grantee := range grantees {
		read, err := r.grants.get(grantsOf{key.ARN, grantee}, func() (grantsRead, error) { return r.listGrants(ctx, key.ARN, grantee) })
		if err != nil {
			return key, err
		}
		if read.gap != nil {
			key.GrantsRead = false
			key.Gaps = append(key.Gaps, *read.gap)
			break
		}
		for _, g := range read.grants {
			if g.Grantee == grantee {
				key.Grants = append(key.Grants, g)
			}
		}
	}
	return key, nil
}

func (r *run) listGrants(ctx context.Context, key rotation.ARN, grantee string) (grantsRead, error) {
	const call = "kms:ListGrants"
	s, gap, err := r.site(ctx, key.Parts().Account, call, string(key))
	if gap != nil || err != nil {
		return grantsRead{gap: gap}, err
	}
	entries, err := paged(func(marker *string) ([]types.GrantListEntry, *string, bool, error) {
		out, err := ask(ctx, s, call, s.clients.Keys.ListGrants, &kms.ListGrantsInput{
			KeyId: aws.String(string(key)), GranteePrincipal: &grantee, Marker: marker,
		}, inKeyRegion(s, key)...)
		if err != nil {
			return nil, nil, false, err
		}
		return out.Grants, out.NextMarker, out.Truncated, nil
	})
	if err != nil {
		g, err := s.gap(call, string(key), err)
		return grantsRead{gap: &g}, err
	}
	var read grantsRead
	for _, e := range entries {
		g := rotation.KeyGrant{Grantee: aws.ToString(e.GranteePrincipal)}
		for _, op := range e.Operations {
			g.Operations = append(g.Operations, string(op))
		}
		slices.Sort(g.Operations)
		if c := e.Constraints; c != nil {
			g.ContextEquals, g.ContextSubset = c.EncryptionContextEquals, c.EncryptionContextSubset
		}
		read.grants = append(read.grants, g)
	}
	return read, nil
}

// grantees are the principals under which a role's grants are kept: the role, and its session in the function, which Lambda names after the
// function.
func grantees(role rotation.ARN, function rotation.ARN) []string {
	all := []string{string(role)}
	unqualified, _ := function.SplitFunction()
	if _, name, ok := strings.Cut(unqualified.Parts().Resource, "function:"); ok {
		p := role.Parts()
		all = append(all, "arn:"+p.Partition+":sts::"+p.Account+":assumed-role/"+role.RoleName()+"/"+name)
	}
	return all
}

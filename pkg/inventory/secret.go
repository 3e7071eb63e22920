package inventory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func bySecretARN(a, b rotation.Secret) int { return cmp.Compare(a.ARN, b.ARN) }

func listed(e types.SecretListEntry) rotation.Secret {
	s := rotation.Secret{
		ARN: rotation.ARN(aws.ToString(e.ARN)), Name: aws.ToString(e.Name), FunctionARN: rotation.ARN(aws.ToString(e.RotationLambdaARN)),
		ExternalRole: rotation.ARN(aws.ToString(e.ExternalSecretRotationRoleArn)), OwningService: aws.ToString(e.OwningService),
		Type: aws.ToString(e.Type), PrimaryRegion: aws.ToString(e.PrimaryRegion), KMSKeyID: aws.ToString(e.KmsKeyId),
		Deleting: e.DeletedDate != nil, Tags: secretTags(e.Tags),
		NextRotation: e.NextRotationDate, LastRotated: e.LastRotatedDate, LastChanged: e.LastChangedDate, VersionStages: e.SecretVersionsToStages,
	}
	return classified(s, aws.ToBool(e.RotationEnabled))
}

func described(d *secretsmanager.DescribeSecretOutput) rotation.Secret {
	s := rotation.Secret{
		ARN: rotation.ARN(aws.ToString(d.ARN)), Name: aws.ToString(d.Name), FunctionARN: rotation.ARN(aws.ToString(d.RotationLambdaARN)),
		ExternalRole: rotation.ARN(aws.ToString(d.ExternalSecretRotationRoleArn)), OwningService: aws.ToString(d.OwningService),
		Type: aws.ToString(d.Type), PrimaryRegion: aws.ToString(d.PrimaryRegion), KMSKeyID: aws.ToString(d.KmsKeyId),
		Deleting: d.DeletedDate != nil, Tags: secretTags(d.Tags),
		NextRotation: d.NextRotationDate, LastRotated: d.LastRotatedDate, LastChanged: d.LastChangedDate, VersionStages: d.VersionIdsToStages,
	}
	return classified(s, aws.ToBool(d.RotationEnabled))
}

// classified sets the kind. After CancelRotateSecret the function's ARN stays on the secret: only RotationEnabled says that it
// rotates (Secrets Manager API reference, CancelRotateSecret). A function that is no longer in use is dropped, so that it is not
// read and does not widen a contract.
func classified(s rotation.Secret, enabled bool) rotation.Secret {
	s.NextRotation, s.LastRotated, s.LastChanged = utc(s.NextRotation), utc(s.LastRotated), utc(s.LastChanged)
	switch region := s.ARN.Parts().Region; {
	case s.PrimaryRegion != "" && region != "" && s.PrimaryRegion != region:
		s.Kind = rotation.KindReplica
	case s.OwningService != "":
		s.Kind = rotation.KindManaged
	case !enabled:
		s.Kind = rotation.KindOff
	case s.FunctionARN != "":
		s.Kind = rotation.KindLambda
	case s.ExternalRole != "":
		s.Kind = rotation.KindExternal
	default:
		s.Kind = rotation.KindLambda
	}
	if s.Kind != rotation.KindLambda {
		s.FunctionARN = ""
	}
	if s.Kind == rotation.KindReplica || s.Kind == rotation.KindOff {
		s.NextRotation = nil
	}
	return s
}

// utc is a date in UTC to the second, as a snapshot stores it and reports print it.
func utc(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC().Truncate(time.Second)
	return &u
}

func secretTags(tags []types.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// incomplete says whether the listing leaves open what rotates the secret. ListSecrets may lag some minutes (its API page), and
// there are implementations that leave the function out of it.
func incomplete(s *rotation.Secret) bool {
	return s.Kind == rotation.KindLambda && s.FunctionARN == "" && !s.Deleting
}

func (r *run) where() string {
	if r.account == "" {
		return r.home.clients.Region
	}
	return "account " + r.account + " in " + r.home.clients.Region
}

func isAbsent(g rotation.Gap) bool { return slices.Contains(absentCodes, g.Code) }

// names says whether an id, as a person gives it, is this secret's: its name, its ARN, or its ARN without the six characters at
// the end.
func names(id string, s *rotation.Secret) bool {
	if id == s.Name || id == string(s.ARN) {
		return true
	}
	rest, ok := strings.CutPrefix(string(s.ARN), id+"-")
	return ok && len(rest) == 6 && strings.HasPrefix(id, "arn:")
}

// picks says whether a scope picks a secret. Secrets, tags and functions narrow each other.
func picks(scope rotation.Scope, s *rotation.Secret) bool {
	if len(scope.Secrets) > 0 && !slices.ContainsFunc(scope.Secrets, func(id string) bool { return names(id, s) }) {
		return false
	}
	if len(scope.Functions) > 0 && !slices.Contains(scope.Functions, s.FunctionARN) {
		return false
	}
	for key, want := range scope.Tags {
		if have, ok := s.Tags[key]; !ok || want != "" && have != want {
			return false
		}
	}
	return true
}

// describe reads one secret's metadata; a gap says why it could not be.
func (r *run) describe(ctx context.Context, id string) (rotation.Secret, *rotation.Gap, error) {
	const call = "secretsmanager:DescribeSecret"
	p := rotation.ARN(id).Parts()
	s, gap, err := r.site(ctx, p.Account, call, id)
	if gap != nil || err != nil {
		return rotation.Secret{}, gap, err
	}
	out, err := ask(ctx, s, call, s.clients.Secrets.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: &id}, inSecretsRegion(s, p.Region)...)
	if err != nil {
		g, err := s.gap(call, id, err)
		return rotation.Secret{}, &g, err
	}
	return described(out), nil, nil
}

// inSecretsRegion sends a call to another Region than the site's, if the ARN names one.
func inSecretsRegion(s *site, region string) []func(*secretsmanager.Options) {
	if region == "" || region == s.clients.Region {
		return nil
	}
	return []func(*secretsmanager.Options){func(o *secretsmanager.Options) { o.Region = region }}
}

// secretPolicy reads a secret's default resource policy.
func (r *run) secretPolicy(ctx context.Context, arn rotation.ARN) (rotation.Policy, error) {
	const call = "secretsmanager:GetResourcePolicy"
	p := arn.Parts()
	s, gap, err := r.site(ctx, p.Account, call, string(arn))
	if gap != nil || err != nil {
		return unreadable(rotation.PolicySecret, "", gap), err
	}
	out, err := ask(ctx, s, call, s.clients.Secrets.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: aws.String(string(arn))}, inSecretsRegion(s, p.Region)...)
	if err != nil {
		g, err := s.gap(call, string(arn), err)
		return unreadable(rotation.PolicySecret, "", &g), err
	}
	if aws.ToString(out.ResourcePolicy) == "" {
		return rotation.Policy{Source: rotation.PolicySecret, Presence: rotation.Absent}, nil
	}
	return rotation.NewPolicy(rotation.PolicySecret, "", *out.ResourcePolicy), nil
}

// unreadable is a policy that a gap stands for.
func unreadable(source rotation.PolicySource, name string, gap *rotation.Gap) rotation.Policy {
	return rotation.Policy{Source: source, Name: name, Presence: rotation.Unreadable, Gap: gap}
}

// master reads a declared master's metadata, once. One that is not there has no ARN and the gap that says so.
func (r *run) master(ctx context.Context, declared rotation.ARN) (rotation.Secret, error) {
	return r.masters.get(declared, func() (rotation.Secret, error) {
		s, gap, err := r.describe(ctx, string(declared))
		if gap != nil {
			s = rotation.Secret{Gaps: []rotation.Gap{*gap}}
		}
		return s, err
	})
}

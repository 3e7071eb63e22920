package inventory

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// latest is listed among the versions. It has the policy of the unqualified function, where it has one: AddPermission takes no other.
const latest = "$LATEST"

// otherPolicies reads the function policies at every version and alias, and at the function itself, that no secret names; Name is the
// qualifier. Qualifiers without a policy are left out. A list that could not be read is a gap.
func (r *run) otherPolicies(ctx context.Context, f *rotation.Function) error {
	function, _ := f.ARN.SplitFunction()
	s, gap, err := r.site(ctx, function.Parts().Account, "lambda:ListAliases", string(function))
	if gap != nil || err != nil {
		return err // configuration has that gap already
	}
	others, err := r.others.get(function, func() (qualified, error) { return r.readQualifiers(ctx, s, function) })
	if err != nil {
		return err
	}
	f.OtherPolicies, f.Gaps = others.policies, append(f.Gaps, others.gaps...)
	return nil
}

// qualified are the policies of a function at the qualifiers that rotation does not use.
type qualified struct {
	policies []rotation.Policy
	gaps     []rotation.Gap
}

func (r *run) readQualifiers(ctx context.Context, s *site, function rotation.ARN) (qualified, error) {
	var q qualified
	names := []string{""}
	for _, list := range []struct {
		call string
		read func(context.Context, *site, rotation.ARN) ([]string, error)
	}{{"lambda:ListAliases", aliasesOf}, {"lambda:ListVersionsByFunction", versionsOf}} {
		found, err := list.read(ctx, s, function)
		if err != nil && !absent(err) {
			g, err := s.gap(list.call, string(function), err)
			if err != nil {
				return q, err
			}
			q.gaps = append(q.gaps, g)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	for _, name := range names {
		at := function
		if name != "" {
			at += rotation.ARN(":" + name)
		}
		if name == latest || r.used[at] {
			continue
		}
		p, err := r.functionPolicy(ctx, at)
		if err != nil {
			return q, err
		}
		if p.Presence != rotation.Absent {
			p.Name = name
			p.Parse() // the document carries the qualifier in its name
			q.policies = append(q.policies, p)
		}
	}
	return q, nil
}

// aliasesOf names a function's aliases.
func aliasesOf(ctx context.Context, s *site, function rotation.ARN) ([]string, error) {
	return paged(func(marker *string) ([]string, *string, bool, error) {
		out, err := ask(ctx, s, "lambda:ListAliases", s.clients.Functions.ListAliases,
			&lambda.ListAliasesInput{FunctionName: aws.String(string(function)), Marker: marker}, inLambdaRegion(s, function)...)
		if err != nil {
			return nil, nil, false, err
		}
		var names []string
		for _, a := range out.Aliases {
			names = append(names, aws.ToString(a.Name))
		}
		return names, out.NextMarker, out.NextMarker != nil, nil
	})
}

// versionsOf names a function's versions.
func versionsOf(ctx context.Context, s *site, function rotation.ARN) ([]string, error) {
	return paged(func(marker *string) ([]string, *string, bool, error) {
		out, err := ask(ctx, s, "lambda:ListVersionsByFunction", s.clients.Functions.ListVersionsByFunction,
			&lambda.ListVersionsByFunctionInput{FunctionName: aws.String(string(function)), Marker: marker}, inLambdaRegion(s, function)...)
		if err != nil {
			return nil, nil, false, err
		}
		var names []string
		for _, v := range out.Versions {
			names = append(names, aws.ToString(v.Version))
		}
		return names, out.NextMarker, out.NextMarker != nil, nil
	})
}

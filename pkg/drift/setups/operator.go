package setups

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// readOperator reads operator.json and its policies.
func (l *loader) readOperator() error {
	data, ok := l.members["operator.json"]
	if !ok {
		return nil
	}
	var d struct {
		Principal rotation.ARN
		May       rotation.Permission
		Tags      []tag
	}
	if err := decode(data, &d); err != nil {
		return fmt.Errorf("operator.json: %w", err)
	}
	o := &rotation.Operator{Principal: d.Principal, May: d.May, Presence: rotation.Present, Tags: tags(d.Tags)}
	p := d.Principal.Parts()
	for _, name := range l.names {
		kind, policyName, found := strings.Cut(strings.TrimSuffix(name, ".json"), "/")
		if !found || !strings.HasPrefix(kind, "operator-") {
			continue
		}
		read := func(source rotation.PolicySource, call string) rotation.Policy {
			return l.policy(source, policyName, name, call, policyName)
		}
		switch kind {
		case "operator-inline", "operator-group":
			o.Identity = append(o.Identity, read(rotation.PolicyInline, "iam:GetUserPolicy"))
		case "operator-attached", "operator-boundary":
			arn, err := l.managedMember(name, policyName, p.Partition, p.Account)
			if err != nil {
				return err
			}
			if kind == "operator-attached" {
				attached := read(rotation.PolicyAttached, "iam:GetPolicyVersion")
				attached.ARN = arn
				o.Identity = append(o.Identity, attached)
				continue
			}
			boundary := read(rotation.PolicyBoundary, "iam:GetPolicyVersion")
			boundary.ARN = arn
			o.Boundary = &boundary
		default:
			return fmt.Errorf("unknown member %s", name)
		}
	}
	l.c.Held.Operator = o
	return nil
}

// JudgeOperator judges the setup's operator against what rotates in it; ok is false where it has none.
func (c *Case) JudgeOperator() (j drift.OperatorJudgement, ok bool) {
	if c.Held.Operator == nil {
		return j, false
	}
	var on rotation.Operated
	var secrets []*rotation.Secret
	for i := range c.Group.Setups {
		setup := &c.Group.Setups[i]
		secrets = append(secrets, setup.Checked()...)
		if function, _ := setup.Function.ARN.SplitFunction(); setup.Function.Presence == rotation.Present {
			on.Functions = append(on.Functions, function)
			on.Roles = append(on.Roles, setup.Role.ARN)
		}
	}
	on.Secrets = slices.Values(secrets)
	return drift.JudgeOperator(*c.Held.Operator, on, rotation.Templates{}), true
}

// OperatorText is an operator's judgement in full, as want.txt holds it.
func OperatorText(principal rotation.ARN, may rotation.Permission, verdict drift.Verdict, reason string, findings []*drift.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s may %s: %s\n  %s\n", principal, may, verdict, reason)
	for _, f := range findings {
		writeFinding(&b, f)
	}
	return b.String()
}

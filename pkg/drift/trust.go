package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// trustFindings tells who besides the service that rotates may assume the role.
func trustFindings(j *judge, expected []string) []*Finding {
	trust := &j.setup.Role.Trust
	if trust.Document == nil {
		return nil
	}
	set := policy.Set{Relation: policy.ResourceOnly, Resource: []*policy.Document{trust.Document}}
	var findings []*Finding
	for i := range trust.Document.Statements {
		s := &trust.Document.Statements[i]
		action := assumeAction(s)
		if s.Effect != policy.Allow || action == "" {
			continue
		}
		principals := s.Principals
		if len(s.NotPrincipals) > 0 {
			principals = []policy.Principal{{Type: policy.PrincipalAny, ID: "*"}}
		}
		for _, p := range principals {
			if p.Type == policy.PrincipalService && slices.Contains(expected, p.ID) {
				continue
			}
			if f := trustFinding(j, &set, i, p, action); f != nil {
				findings = append(findings, f)
			}
		}
	}
	return findings
}

// assumeAction is the action by which a statement lets a principal take the role.
func assumeAction(s *policy.Statement) string {
	for _, a := range []string{"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"} {
		if coversAction(s, a) {
			return a
		}
	}
	return ""
}

func trustFinding(j *judge, set *policy.Set, index int, p policy.Principal, action string) *Finding {
	s := &set.Resource[0].Statements[index]
	caller, who := trustCaller(p)
	if p.Type == policy.PrincipalFederated {
		action = federatedAction(s, p)
	}
	caller = narrowed(s, caller, rotation.ARN(caller.ARN).Parts().Account == foreignAccount)
	r := &policy.Request{Caller: caller, Action: action, Resource: string(j.setup.Role.ARN), Context: satisfying(s, caller, j.setup.Account, nil)}
	if policy.Evaluate(set, r).Outcome != policy.Allowed {
		return nil
	}
	ref := policy.StatementRef{Document: set.Resource[0].Name, Index: index, Sid: s.Sid}
	f := &Finding{
		Rule: RuleForeignTrust, Kind: KindTrust, Direction: policy.Excess, Severity: High, Subject: j.setup.Role.ARN, Statement: &ref, Request: r, Witness: newWitness(r, set),
		Explanation: fmt.Sprintf("%s may assume the role, by %s: it then reads and writes the secrets as rotation does", upperFirst(who), refText(ref)),
	}
	f.Fix = &Fix{
		By: ByPerson, Summary: "Remove " + rotation.OneLine(p.ID) + " from the trust policy", Where: "trust policy of " + string(j.setup.Role.ARN),
	}
	if reduced := withoutPrincipal(set.Resource[0], index, p); reduced != "" {
		f.Fix.Command = command("aws", "iam", "update-assume-role-policy", "--role-name", j.setup.Role.ARN.RoleName(), "--policy-document", reduced)
	}
	return f.identify(j.setup.Account, string(p.Type), p.ID)
}

func federatedAction(s *policy.Statement, p policy.Principal) string {
	if strings.Contains(p.ID, ":saml-provider/") && coversAction(s, "sts:AssumeRoleWithSAML") {
		return "sts:AssumeRoleWithSAML"
	}
	if coversAction(s, "sts:AssumeRoleWithWebIdentity") {
		return "sts:AssumeRoleWithWebIdentity"
	}
	return "sts:AssumeRole"
}

// trustCaller is a caller that a principal of the trust policy names.
func trustCaller(p policy.Principal) (policy.Caller, string) {
	switch {
	case p.Type == policy.PrincipalService:
		return policy.Caller{Kind: policy.CallerService, Service: p.ID}, "the service " + rotation.OneLine(p.ID)
	case p.Type == policy.PrincipalAny || p.ID == "*":
		return callerFor(foreignAccount, foreignAccount), "everybody, in any account,"
	case p.Type == policy.PrincipalAWS:
		account := p.ID
		if a := rotation.ARN(p.ID).Parts().Account; a != "" {
			account = a
		}
		if len(account) != 12 {
			return policy.Caller{Kind: policy.CallerRole, ARN: p.ID, Session: p.ID}, rotation.OneLine(p.ID)
		}
		return callerFor(p.ID, account), rotation.OneLine(p.ID)
	default:
		return policy.Caller{Kind: policy.CallerFederated, ARN: p.ID}, "the identity provider " + rotation.OneLine(p.ID)
	}
}

// withoutPrincipal is the trust policy without one principal of one statement; empty when nothing would be left of it.
func withoutPrincipal(d *policy.Document, index int, p policy.Principal) string {
	reduced := *d
	reduced.Statements = slices.Clone(d.Statements)
	s := &reduced.Statements[index]
	if len(s.NotPrincipals) > 0 {
		return ""
	}
	s.Principals = slices.DeleteFunc(slices.Clone(s.Principals), func(o policy.Principal) bool { return o == p })
	if len(s.Principals) == 0 {
		reduced.Statements = slices.Delete(reduced.Statements, index, index+1)
	}
	if len(reduced.Statements) == 0 {
		return ""
	}
	return reduced.String()
}

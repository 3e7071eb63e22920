package drift

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// fix is the one change that ends a missing finding. Each is tried on the evaluator before it is named: what would not be enough is
// not proposed.
func (j *judge) fix(f *Finding, r *rotation.Requirement, a *rotation.Answer) *Fix {
	switch {
	case a.Stopped != "":
		return j.fixKeyState(r)
	case a.Outcome == policy.ExplicitlyDenied:
		return j.fixDeny(r, a)
	case r.Target == rotation.TargetTrust:
		return j.fixTrust(r)
	}
	statement, ok := rotation.Mend(j.setup, r)
	if !ok {
		return &Fix{By: ByPerson, Summary: "Allow " + requestText(&r.Request) + " to " + callerText(&r.Request.Caller)}
	}
	if r.Target == rotation.TargetFunction {
		return j.fixInvoke(r, a, statement)
	}
	with := withIdentity(a.Set, statement)
	decision := allows(with, &r.Request)
	switch {
	case decision.Outcome == policy.Allowed:
		fix := &Fix{
			By: ByRepair, Summary: "Let the execution role " + actionText(r), Where: "inline policy " + j.ownPolicy() + " of " + string(j.setup.Role.ARN),
			Statement: statement.String(),
		}
		j.addTo("role", j.ownInline(), fix, &statement,
			"aws", "iam", "put-role-policy", "--role-name", j.setup.Role.ARN.RoleName(), "--policy-name", j.ownPolicy(), "--policy-document")
		return fix
	case decision.ByBoundary:
		return j.fixBoundary(statement)
	case r.Target == rotation.TargetKey || r.Target == rotation.TargetMasterKey:
		return j.fixKeyPolicy(f, r, a)
	case a.Set.Relation == policy.CrossAccount:
		return j.fixSecretPolicy(r)
	default:
		return &Fix{By: ByPerson, Summary: "Let the execution role " + actionText(r), Statement: statement.String()}
	}
}

func actionText(r *rotation.Requirement) string { return "call " + requestText(&r.Request) }

func (j *judge) ownPolicy() string {
	if j.setup.Function.ARN == "" {
		return rotation.OwnPrefix + j.setup.Region + "-" + j.setup.Role.ARN.RoleName()
	}
	return rotation.OwnPolicyName(j.setup.Function.ARN)
}

// fixInvoke adds the grant at the qualifier that the secret names.
func (j *judge) fixInvoke(r *rotation.Requirement, a *rotation.Answer, statement policy.Statement) *Fix {
	function, qualifier := j.setup.Function.ARN.SplitFunction()
	account := statement.Conditions[0].Values[0]
	words := []string{"aws", "lambda", "add-permission", "--region", j.setup.Region, "--function-name", string(function)}
	where := "function policy of " + string(function)
	if qualifier != "" {
		words = append(words, "--qualifier", qualifier)
		where += " at the qualifier " + qualifier
	}
	words = append(words, "--statement-id", statement.Sid, "--action", "lambda:InvokeFunction",
		"--principal", statement.Principals[0].ID, "--source-account", account)
	fix := &Fix{By: ByRepair, Summary: "Let Secrets Manager invoke the function for the secrets of account " + account, Where: where,
		Statement: statement.String(), Command: command(words...)}
	if allows(withResource(a.Set, statement), &r.Request).Outcome != policy.Allowed {
		fix.By, fix.BlockedBy = ByPerson, "a statement of the function policy"
	}
	return fix
}

// fixTrust adds the service to the trust policy, which rotationguard never writes.
func (j *judge) fixTrust(r *rotation.Requirement) *Fix {
	statement := rotation.MendTrust(r)
	whole := extended(&j.setup.Role.Trust, statement)
	return &Fix{
		By: ByPerson, Summary: "Let " + r.Request.Caller.Service + " assume the role", Where: "trust policy of " + string(j.setup.Role.ARN),
		Statement: statement.String(),
		Command:   command("aws", "iam", "update-assume-role-policy", "--role-name", j.setup.Role.ARN.RoleName(), "--policy-document", whole),
	}
}

// extended is a policy's text with one statement more.
func extended(p *rotation.Policy, statement policy.Statement) string {
	d := policy.Document{Version: policy.Version2012}
	if p != nil && p.Document != nil {
		d = *p.Document
	}
	d.Statements = append(d.Statements[:len(d.Statements):len(d.Statements)], statement)
	return d.String()
}

// fixDeny: no statement that is added can undo a Deny.
func (j *judge) fixDeny(r *rotation.Requirement, a *rotation.Answer) *Fix {
	ref := a.By[0]
	who := "the role " + string(j.setup.Role.ARN)
	if r.Request.Caller.Kind == policy.CallerService {
		who = r.Request.Caller.Service
	}
	fix := &Fix{
		By: ByPerson, Where: j.documentText(r, ref.Document), BlockedBy: "Deny in " + refText(ref),
		Summary: fmt.Sprintf("Narrow %s so that it no longer denies %s to %s", refText(ref), r.Request.Action, who),
	}
	if len(a.By) > 1 {
		fix.Summary += fmt.Sprintf(" (%d statements more deny it)", len(a.By)-1)
	}
	if s := statementAt(&a.Set, ref); s != nil && s.Sid != "" && ref.Document == "function policy" {
		function, qualifier := j.setup.Function.ARN.SplitFunction()
		words := []string{"aws", "lambda", "remove-permission", "--region", j.setup.Region, "--function-name", string(function), "--statement-id", s.Sid}
		if qualifier != "" {
			words = append(words, "--qualifier", qualifier)
		}
		fix.Command = command(words...)
	} else if s != nil {
		// The exact text to put in the statement's place: the same, with the role left out.
		if narrowed, ok := j.exempting(s, r, a); ok {
			fix.Statement = narrowed.String()
			fix.Summary = fmt.Sprintf("Replace %s by one that leaves %s out", refText(ref), who)
		}
	}
	return fix
}

// exempting is a Deny with the role left out by aws:PrincipalArn, when that is enough for the request.
func (j *judge) exempting(s *policy.Statement, r *rotation.Requirement, a *rotation.Answer) (policy.Statement, bool) {
	if r.Request.Caller.Kind != policy.CallerRole || len(s.NotPrincipals) > 0 {
		return *s, false
	}
	narrowed := *s
	narrowed.Conditions = nil
	added := false
	for _, c := range s.Conditions {
		if strings.EqualFold(c.Key, "aws:PrincipalArn") && (strings.EqualFold(c.Operator, "StringNotLike") || strings.EqualFold(c.Operator, "StringNotEquals") ||
			strings.EqualFold(c.Operator, "ArnNotLike") || strings.EqualFold(c.Operator, "ArnNotEquals")) {
			c.Values = append(c.Values[:len(c.Values):len(c.Values)], string(j.setup.Role.ARN))
			added = true
		}
		narrowed.Conditions = append(narrowed.Conditions, c)
	}
	if !added {
		narrowed.Conditions = append(narrowed.Conditions, policy.Condition{Operator: "ArnNotEquals", Key: "aws:PrincipalArn", Values: []string{string(j.setup.Role.ARN)}})
	}
	only := policy.Set{Resource: []*policy.Document{{Version: policy.Version2012, Statements: []policy.Statement{narrowed}}}}
	if len(narrowed.Principals) == 0 {
		only = policy.Set{Identity: only.Resource}
	}
	return narrowed, allows(only, &r.Request).Outcome != policy.ExplicitlyDenied
}

// statementAt finds a statement by its reference.
func statementAt(set *policy.Set, ref policy.StatementRef) *policy.Statement {
	find := func(d *policy.Document) *policy.Statement {
		if d != nil && d.Name == ref.Document && ref.Index < len(d.Statements) && d.Statements[ref.Index].Sid == ref.Sid {
			return &d.Statements[ref.Index]
		}
		return nil
	}
	for _, d := range set.Identity {
		if s := find(d); s != nil {
			return s
		}
	}
	for _, d := range set.Resource {
		if s := find(d); s != nil {
			return s
		}
	}
	return find(set.Boundary)
}

// documentText says which document on which resource.
func (j *judge) documentText(r *rotation.Requirement, document string) string {
	f := Finding{}
	j.placeDocument(&f, r, document)
	return rotation.OneLine(document) + " of " + rotation.OneLine(string(f.Subject))
}

// fixBoundary: the boundary is somebody's decision, so only the statement that it lacks is named.
func (j *judge) fixBoundary(statement policy.Statement) *Fix {
	b := j.setup.Role.Boundary
	statement.Sid = ""
	fix := &Fix{
		By: ByPerson, Summary: "Let the permissions boundary allow " + strings.Join(statement.Actions, ", "), Where: b.Label() + " of " + string(j.setup.Role.ARN),
		Statement: statement.String(), BlockedBy: "boundary " + rotation.OneLine(b.Name),
	}
	if b.ARN != "" && b.Document != nil {
		j.addTo("boundary", b, fix, &statement, "aws", "iam", "create-policy-version", "--policy-arn", string(b.ARN), "--set-as-default", "--policy-document")
	}
	return fix
}

// fixKeyPolicy grants the role in the key policy.
func (j *judge) fixKeyPolicy(f *Finding, r *rotation.Requirement, a *rotation.Answer) *Fix {
	statement := rotation.MendKeyPolicy(j.setup, r)
	fix := &Fix{
		By: ByPerson, Summary: "Let the key policy allow the role " + strings.TrimPrefix(r.Request.Action, "kms:"), Where: "key policy of " + string(r.Subject),
		Statement: statement.String(), BlockedBy: "the key policy",
	}
	if a.Set.Relation == policy.CrossAccount {
		role, _ := rotation.Mend(j.setup, r)
		fix.Summary += "; the role's own policies must allow it too: " + role.String()
		if allows(withResource(a.Set, statement), &r.Request).Outcome == policy.Allowed {
			fix.Summary = "Let the key policy allow the role " + strings.TrimPrefix(r.Request.Action, "kms:")
		}
	}
	if key, ok := j.keyOf(r); ok && key.Policy.Document != nil {
		j.addTo("key "+string(key.ARN), &key.Policy, fix, &statement,
			"aws", "kms", "put-key-policy", "--region", key.ARN.Parts().Region, "--key-id", string(key.ARN), "--policy-name", "default", "--policy")
	}
	return fix
}

func (j *judge) keyOf(r *rotation.Requirement) (rotation.Key, bool) {
	key, ok := j.setup.Keys[r.KeyID]
	if key.ARN == "" {
		key.ARN = r.Subject
	}
	return key, ok
}

// fixSecretPolicy grants the role of another account in the secret's policy.
func (j *judge) fixSecretPolicy(r *rotation.Requirement) *Fix {
	statement := rotation.MendKeyPolicy(j.setup, r)
	statement.Conditions = nil
	fix := &Fix{
		By: ByPerson, Summary: "Let the secret's policy allow the role " + r.Request.Action, Where: "secret policy of " + string(r.Subject),
		Statement: statement.String(), BlockedBy: "the secret policy",
	}
	role, _ := rotation.Mend(j.setup, r)
	fix.Summary += "; where the role's own policies do not allow it yet, add " + role.String() + " there"
	return fix
}

// fixKeyState brings a key back.
func (j *judge) fixKeyState(r *rotation.Requirement) *Fix {
	key, _ := j.keyOf(r)
	id := string(key.ARN)
	if id == "" {
		id = r.KeyID
	}
	fix := &Fix{By: ByPerson, Where: "key " + rotation.OneLine(id)}
	region := rotation.ARN(id).Parts().Region
	if region == "" {
		region = j.setup.Region
	}
	change := command("aws", "secretsmanager", "update-secret", "--region", j.setup.Region, "--secret-id", string(r.Secret), "--kms-key-id", "NEW-KEY-ARN")
	switch key.State {
	case "Disabled":
		fix.Summary, fix.Command = "Enable the key", command("aws", "kms", "enable-key", "--region", region, "--key-id", id)
	case "PendingDeletion":
		fix.Summary = "Cancel the key's deletion and enable it"
		fix.Command = command("aws", "kms", "cancel-key-deletion", "--region", region, "--key-id", id) + " && " + command("aws", "kms", "enable-key", "--region", region, "--key-id", id)
	case "":
		if key.Manager == "AWS" || r.Request.Resource == "" || strings.Contains(r.Request.Resource, ":alias/") {
			fix.Summary, fix.Command = "Encrypt the secret with a customer key that both accounts may use", change
			break
		}
		fix.Summary, fix.Command = "Encrypt the secret with a key that exists", change
	default:
		fix.Summary = "Bring the key back to the state Enabled, which it is not (" + rotation.OneLine(key.State) + ")"
	}
	return fix
}

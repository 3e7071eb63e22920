package drift

import (
	"slices"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// fix is the change that ends an excess of the role: the statement goes, or gives way to one that grants what rotation needs of it.
func (w *weighing) fix() *Fix {
	p := w.source()
	fix := &Fix{By: ByEnforce, Where: rotation.OneLine(w.document.Name) + " of " + string(w.first.setup.Role.ARN)}
	needed := w.neededOf(w.index)
	if p.Source != rotation.PolicyInline {
		return w.fixAttached(fix, p)
	}
	document := policy.Document{Version: w.document.Version, ID: w.document.ID, Statements: slices.Clone(w.document.Statements)}
	role := w.first.setup.Role.ARN.RoleName()
	if len(needed) == 0 {
		fix.Summary = "Remove the statement: rotation needs nothing of it"
		document.Statements = slices.Delete(document.Statements, w.index, w.index+1)
		if len(document.Statements) == 0 {
			fix.Command = command("aws", "iam", "delete-role-policy", "--role-name", role, "--policy-name", p.Name)
			return fix
		}
	} else {
		fix.Summary = "Replace the statement by what rotation needs of it"
		document.Statements = slices.Replace(document.Statements, w.index, w.index+1, needed...)
		if document.Version != policy.Version2012 {
			document.Version = policy.Version2012
		}
		if len(needed) == 1 {
			fix.Statement = needed[0].String()
		} else {
			d := policy.Document{Version: policy.Version2012, Statements: needed}
			fix.Statement = d.String()
		}
	}
	fix.Command = command("aws", "iam", "put-role-policy", "--role-name", role, "--policy-name", p.Name, "--policy-document", document.String())
	return fix
}

// fixAttached: a managed policy is not edited for one role; it is detached, after rotation has its own grant.
func (w *weighing) fixAttached(fix *Fix, p *rotation.Policy) *Fix {
	fix.Command = command("aws", "iam", "detach-role-policy", "--role-name", w.first.setup.Role.ARN.RoleName(), "--policy-arn", string(p.ARN))
	needed := w.neededOf(-1)
	if len(needed) == 0 {
		fix.Summary = "Detach the policy from the role: rotation needs nothing of it"
		return fix
	}
	d := policy.Document{Version: policy.Version2012, Statements: needed}
	fix.Summary = "Grant the role what rotation needs by an inline policy, then detach this one"
	fix.Statement = d.String()
	fix.Command = command("aws", "iam", "put-role-policy", "--role-name", w.first.setup.Role.ARN.RoleName(), "--policy-name", w.first.ownPolicy(), "--policy-document", d.String()) +
		" && " + fix.Command
	return fix
}

// source is the policy that the statement stands in.
func (w *weighing) source() *rotation.Policy {
	for i := range w.first.setup.Role.Identity {
		if p := &w.first.setup.Role.Identity[i]; p.Document == w.document {
			return p
		}
	}
	return &rotation.Policy{Source: rotation.PolicyInline, Name: w.document.Name}
}

// neededOf are the statements that grant what rotation would lose without one statement of the document, or without all of it (-1).
func (w *weighing) neededOf(index int) []policy.Statement {
	var lost []*policy.Statement
	seen := map[string]bool{}
	for _, j := range w.judges {
		for i := range j.contract.Required {
			r := &j.contract.Required[i]
			a := &j.answers[i]
			if a.Outcome != policy.Allowed || r.Target == rotation.TargetFunction || r.Target == rotation.TargetTrust || !grantedBy(a, w.document.Name, index) {
				continue
			}
			if allows(without(a.Set, w.document, index), &r.Request).Outcome == policy.Allowed {
				continue
			}
			if statement, ok := rotation.Mend(j.setup, r); ok && !seen[statement.String()] {
				seen[statement.String()] = true
				lost = append(lost, &statement)
			}
		}
	}
	return joinStatements(lost)
}

// grantedBy says whether a statement, or any of its document, is among those that allow a request.
func grantedBy(a *rotation.Answer, document string, index int) bool {
	return slices.ContainsFunc(a.By, func(ref policy.StatementRef) bool {
		return ref.Document == document && (index < 0 || ref.Index == index)
	})
}

// without is the set without one statement of a document, or without the document (-1).
func without(set policy.Set, document *policy.Document, index int) policy.Set {
	identity := make([]*policy.Document, 0, len(set.Identity))
	for _, d := range set.Identity {
		if d.Name != document.Name {
			identity = append(identity, d)
			continue
		}
		if index >= 0 {
			reduced := *d
			reduced.Statements = slices.Delete(slices.Clone(d.Statements), index, index+1)
			identity = append(identity, &reduced)
		}
	}
	set.Identity = identity
	return set
}

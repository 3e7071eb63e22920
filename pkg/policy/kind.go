package policy

import "fmt"

// Kind is the place that a document comes from.
type Kind string

// The kinds of documents.
const (
	KindIdentity Kind = "identity" // attached to a role, a user or a group, or a permissions boundary
	KindResource Kind = "resource" // a secret's, function's or key's policy
	KindTrust    Kind = "trust"    // a role's trust policy
)

// CheckKind says whether the document suits the place that it comes from; the error is a *ParseError without line and
// column. Parse alone takes a document of any kind.
// Source: IAM User Guide, "Grammar of the IAM JSON policy language", notes; "Access Analyzer policy check reference": missing
// resource, missing principal, unsupported principal, unique Sids required, role trust policy syntax errors.
func (d *Document) CheckKind(kind Kind) error {
	sids := map[string]bool{}
	for i := range d.Statements {
		s := &d.Statements[i]
		if field, message := s.unfit(kind); message != "" {
			return &ParseError{Name: d.Name, Statement: i, Field: field, Message: message}
		}
		if kind == KindResource || s.Sid == "" {
			continue
		}
		if sids[s.Sid] {
			return &ParseError{Name: d.Name, Statement: i, Field: "Sid", Message: fmt.Sprintf("%q names an earlier statement too", s.Sid)}
		}
		sids[s.Sid] = true
	}
	return nil
}

// unfit names the element that the statement lacks or must not have in a document of that kind.
func (s *Statement) unfit(kind Kind) (field, message string) {
	hasResource := len(s.Resources)+len(s.NotResources) > 0
	switch kind {
	case KindIdentity:
		switch {
		case len(s.Principals) > 0:
			return "Principal", "an identity policy names no principal: it speaks of the one that it is attached to"
		case len(s.NotPrincipals) > 0:
			return "NotPrincipal", "an identity policy names no principal: it speaks of the one that it is attached to"
		case !hasResource:
			return "Resource", "a statement of an identity policy needs Resource or NotResource"
		}
	case KindTrust:
		switch {
		case len(s.NotPrincipals) > 0:
			return "NotPrincipal", "a trust policy cannot hold NotPrincipal"
		case len(s.Principals) == 0:
			return "Principal", "a statement of a trust policy needs Principal"
		case hasResource:
			return "Resource", "a trust policy holds no resource: it speaks of the role that it is attached to"
		}
	case KindResource:
		if len(s.Principals)+len(s.NotPrincipals) == 0 {
			return "Principal", "a statement of a resource policy needs Principal or NotPrincipal"
		}
	default:
		return "", fmt.Sprintf("%q is no kind of policy document", string(kind))
	}
	return "", ""
}

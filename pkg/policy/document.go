package policy

// Version is the language version of a policy document. The empty version means the element is absent, which IAM
// reads as 2008-10-17: policy variables are literal text there.
type Version string

// The versions that IAM knows.
const (
	Version2008 Version = "2008-10-17"
	Version2012 Version = "2012-10-17"
)

// Effect says whether a statement allows or denies.
type Effect string

// The two effects. IAM compares them with case.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Document is one parsed policy document. Name is what the reader calls it ("inline policy rotate", "B.json"); it is
// not part of the policy language.
type Document struct {
	Name       string
	Version    Version
	ID         string
	Statements []Statement
}

// Statement is one statement as written: exactly one of Actions and NotActions is set, at most one of Principals and
// NotPrincipals and of Resources and NotResources (an identity policy has no principal, a trust policy no resource).
type Statement struct {
	Sid           string
	Effect        Effect
	Principals    []Principal
	NotPrincipals []Principal
	Actions       []string
	NotActions    []string
	Resources     []string
	NotResources  []string
	Conditions    []Condition
}

// PrincipalType is the member name of a Principal element, or PrincipalAny for the bare "*".
type PrincipalType string

// The principal types of the policy grammar.
const (
	PrincipalAny           PrincipalType = "*"
	PrincipalAWS           PrincipalType = "AWS"
	PrincipalService       PrincipalType = "Service"
	PrincipalFederated     PrincipalType = "Federated"
	PrincipalCanonicalUser PrincipalType = "CanonicalUser"
)

// Principal is one value of a Principal or NotPrincipal element.
type Principal struct {
	Type PrincipalType
	ID   string // "*" for PrincipalAny
}

// Condition is one operator on one key. Operator keeps its set qualifier and IfExists suffix
// ("ForAnyValue:StringLikeIfExists"); Key keeps its spelling though IAM folds its case.
type Condition struct {
	Operator string
	Key      string
	Values   []string
}

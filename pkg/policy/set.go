package policy

// Relation says how the identity side and the resource side of a request combine.
// Source: IAM User Guide, "Policy evaluation logic" and "Cross-account policy evaluation logic"; AWS KMS Developer
// Guide, "Key policies in AWS KMS".
type Relation string

// The relations.
const (
	// SameAccount: an Allow on either side is enough (the zero value). A resource-side Allow for the account root
	// delegates and grants nothing by itself.
	SameAccount Relation = ""
	// CrossAccount: both sides must allow; the resource side may name the account, its root or the principal.
	CrossAccount Relation = "cross-account"
	// Delegated: the resource policy decides alone unless it delegates to the account, and only then the identity side
	// counts (a KMS key policy).
	Delegated Relation = "delegated"
	// ResourceOnly: only the resource policy is looked at (a service invoking a function, a role's trust policy).
	ResourceOnly Relation = "resource-only"
)

// Set is every policy that decides a request of one principal. Boundary nil means that there is no boundary; an empty
// non-nil Boundary allows nothing.
type Set struct {
	Relation Relation
	Identity []*Document
	Boundary *Document
	Resource []*Document
}

// Outcome is what a request gets.
type Outcome string

// The outcomes. Undecided means that a key which cannot be known decides.
const (
	Allowed          Outcome = "allowed"
	ImplicitlyDenied Outcome = "implicitly-denied"
	ExplicitlyDenied Outcome = "explicitly-denied"
	Undecided        Outcome = "undecided"
)

// StatementRef names a statement: the document's name, the statement's zero-based index and its Sid.
type StatementRef struct {
	Document string `json:"document"`
	Index    int    `json:"index"`
	Sid      string `json:"sid,omitempty"`
}

// Decision is the answer to one request with what decided it: the Deny statements of an explicit denial, the Allow
// statements of an allowance, the statements whose conditions could not be decided. ByBoundary is true when the identity
// or resource side allows and the boundary does not. Keys names the unknown condition keys that decide.
type Decision struct {
	Outcome    Outcome
	By         []StatementRef
	ByBoundary bool
	Keys       []string
}

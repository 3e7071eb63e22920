package policy

// CallerKind says what kind of principal makes a request.
type CallerKind string

// The callers that a request can have.
const (
	CallerRole      CallerKind = "role"      // a session of a role: ARN is the role's, Session the assumed-role session's
	CallerUser      CallerKind = "user"      // an IAM user: ARN is the user's
	CallerAccount   CallerKind = "account"   // the account's root user: ARN ends in :root
	CallerService   CallerKind = "service"   // an AWS service: Service is its principal, "secretsmanager.amazonaws.com"
	CallerFederated CallerKind = "federated" // a federated principal: ARN or provider name
	CallerAnonymous CallerKind = "anonymous" // nobody that IAM knows
)

// Caller is the principal that makes a request.
type Caller struct {
	Kind    CallerKind
	ARN     string
	Session string // assumed-role session ARN, when known
	Service string
}

// Request is one concrete request. Context holds the condition keys that it carries, with their values (more than one
// for a multi-valued key); a key that is not there is absent, a state of its own in the condition language. Key names are
// matched without regard to case. Unknown names the keys whose presence or value cannot be known; a trailing "/*"
// covers a family ("aws:ResourceTag/*"). Where such a key decides, the answer is Undecided.
type Request struct {
	Caller   Caller
	Action   string
	Resource string
	Context  map[string][]string
	Unknown  []string
}

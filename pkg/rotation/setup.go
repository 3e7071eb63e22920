package rotation

import (
	"time"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// Presence says whether a thing that something names is there.
type Presence string

// The presences. The zero value means that nobody looked.
const (
	NotRead    Presence = ""
	Present    Presence = "present"
	Absent     Presence = "absent"
	Unreadable Presence = "unreadable" // a Gap says why
)

// Gap is one thing that could not be read: the call, what it was made on, the error code AWS answered with, and the IAM action
// that the caller lacks when the code says so. What a gap covers is unknown, never in sync.
type Gap struct {
	Call       string `json:"call"` // "lambda:GetPolicy"
	Resource   string `json:"resource"`
	Code       string `json:"code"`
	Message    string `json:"message,omitempty"` // one line, control characters removed
	Permission string `json:"permission,omitempty"`
}

// PolicySource says where a policy document hangs.
type PolicySource string

// The places of a policy.
const (
	PolicyInline   PolicySource = "inline"
	PolicyAttached PolicySource = "attached"
	PolicyBoundary PolicySource = "boundary"
	PolicyTrust    PolicySource = "trust"
	PolicyFunction PolicySource = "function"
	PolicySecret   PolicySource = "secret"
	PolicyKey      PolicySource = "key"
)

// Policy is one policy document as the account holds it. Absent: there is none. Present with a nil Document: the text is no
// policy that IAM's grammar admits, and Gap says why.
type Policy struct {
	Source   PolicySource     `json:"source"`
	Name     string           `json:"name,omitempty"` // policy name; of a managed one the last segment of its ARN, or the ARN where two end alike
	ARN      ARN              `json:"arn,omitempty"`  // of a managed policy
	Presence Presence         `json:"presence"`
	Text     string           `json:"text,omitempty"` // the JSON, URL-decoded, byte for byte
	Revision string           `json:"revision,omitempty"`
	Document *policy.Document `json:"-"`
	Gap      *Gap             `json:"gap,omitempty"`
}

// NewPolicy is a present policy with its text parsed; a text that does not parse leaves a Gap with the parser's error.
func NewPolicy(source PolicySource, name, text string) Policy {
	p := Policy{Source: source, Name: name, Presence: Present, Text: text}
	p.Parse()
	return p
}

// Parse reads Text into Document again, as after loading a snapshot.
func (p *Policy) Parse() {
	if p.Presence != Present {
		return
	}
	text := p.Text
	if p.Source == PolicyFunction {
		text = accountPrincipals(text)
	}
	doc, err := policy.Parse(p.Label(), []byte(text))
	if err != nil {
		p.Document, p.Gap = nil, &Gap{Call: "policy.Parse", Resource: p.Label(), Code: "MalformedPolicyDocument", Message: OneLine(err.Error())}
		return
	}
	p.Document, p.Gap = doc, nil
}

// Label is what findings call the document: "inline policy rotate", "function policy".
func (p *Policy) Label() string {
	switch p.Source {
	case PolicyInline:
		return "inline policy " + p.Name
	case PolicyAttached:
		return "managed policy " + p.Name
	case PolicyBoundary:
		return "permissions boundary " + p.Name
	case PolicyTrust:
		return "trust policy"
	case PolicyFunction:
		if p.Name != "" {
			return "function policy at the qualifier " + p.Name
		}
		return "function policy"
	case PolicySecret:
		return "secret policy"
	case PolicyKey:
		return "key policy"
	default:
		return string(p.Source) + " policy"
	}
}

// Distinguish names managed policies of one principal whose ARNs end alike by their whole ARN: AWS's own policies and an account's, or two
// paths, may share a name, and a finding must say which is meant.
func Distinguish(policies []Policy) {
	count := map[string]int{}
	for i := range policies {
		if p := &policies[i]; p.Source == PolicyAttached && p.ARN != "" {
			count[p.ARN.RoleName()]++
		}
	}
	for i := range policies {
		if p := &policies[i]; p.Source == PolicyAttached && count[p.ARN.RoleName()] > 1 && p.Name != string(p.ARN) {
			p.Name = string(p.ARN)
			p.Parse()
		}
	}
}

// Function is a rotation function at the qualifier of a RotationLambdaARN. Environment, code location and the rest of its
// configuration are not kept.
type Function struct {
	ARN              ARN               `json:"arn"` // as the secrets name it, qualifier included
	Presence         Presence          `json:"presence"`
	Role             ARN               `json:"role,omitempty"`
	State            string            `json:"state,omitempty"`
	StateReason      string            `json:"state_reason,omitempty"` // StateReasonCode
	LastUpdateStatus string            `json:"last_update_status,omitempty"`
	LastUpdateReason string            `json:"last_update_reason,omitempty"` // LastUpdateStatusReasonCode
	VPC              string            `json:"vpc,omitempty"`
	Subnets          []string          `json:"subnets,omitempty"`
	SecurityGroups   []string          `json:"security_groups,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	Stack            map[string]string `json:"stack,omitempty"` // superuserSecretArn and masterSecretArn of the stack that made it; no other parameter is kept
	Policy           Policy            `json:"policy"`          // at the qualifier; Revision is its RevisionId
	// OtherPolicies are the policies at qualifiers that rotation does not use (Name is the qualifier, empty for the function
	// itself); read only when all qualifiers are asked for.
	OtherPolicies []Policy `json:"other_policies,omitempty"`
	Gaps          []Gap    `json:"gaps,omitempty"`
}

// Role is an execution role (or an external rotation role) with everything that decides what it may do.
type Role struct {
	ARN        ARN               `json:"arn"`
	ID         string            `json:"id,omitempty"` // AROA…
	Presence   Presence          `json:"presence"`
	Trust      Policy            `json:"trust"`
	Identity   []Policy          `json:"identity,omitempty"` // inline and attached
	Boundary   *Policy           `json:"boundary,omitempty"` // nil: none
	Tags       map[string]string `json:"tags,omitempty"`
	LastUsed   *time.Time        `json:"last_used,omitempty"`
	LastUsedIn string            `json:"last_used_in,omitempty"` // Region
	Gaps       []Gap             `json:"gaps,omitempty"`         // also when not all its policies could be listed
}

// Key is a KMS key as a secret names it.
type Key struct {
	ID         string     `json:"id"`            // as the secret names it
	ARN        ARN        `json:"arn,omitempty"` // the key's own ARN, aliases resolved
	Presence   Presence   `json:"presence"`
	Manager    string     `json:"manager,omitempty"` // AWS or CUSTOMER
	State      string     `json:"state,omitempty"`   // KeyState
	Policy     Policy     `json:"policy"`
	Grants     []KeyGrant `json:"grants,omitempty"`
	GrantsRead bool       `json:"grants_read,omitempty"`
	Gaps       []Gap      `json:"gaps,omitempty"`
}

// KeyGrant is one grant on a key. Source: KMS API reference, GrantListEntry.
type KeyGrant struct {
	Grantee       string            `json:"grantee"`
	Operations    []string          `json:"operations"`
	ContextEquals map[string]string `json:"context_equals,omitempty"`
	ContextSubset map[string]string `json:"context_subset,omitempty"`
}

// Setup is the unit of work: one RotationLambdaARN exactly as stored with all the secrets that name it. For external
// secrets Function is empty and Role is the ExternalSecretRotationRoleArn; for secrets that nothing of ours is checked
// for (managed, replica, off, orphaned without a function) both are empty.
type Setup struct {
	Account   string         `json:"account"` // the secrets'
	Region    string         `json:"region"`
	Partition string         `json:"partition"`
	Function  Function       `json:"function"`
	Role      Role           `json:"role"`
	Secrets   []Secret       `json:"secrets"`           // sorted by ARN
	Masters   map[ARN]Secret `json:"masters,omitempty"` // by the ARN as declared; resolved with DescribeSecret
	Keys      map[string]Key `json:"keys,omitempty"`    // by KMSKeyID as stored, masters' keys too
}

// Group is what is judged together: the setups that run with one role, whose ceiling is the union of their contracts.
type Group struct {
	Setups []Setup  `json:"setups"`
	Listed *Listing `json:"-"`
}

// Listing is what a run knows of the account beyond one setup.
type Listing struct {
	Complete bool  // the whole account was listed in this run
	Secrets  []ARN // every secret seen, sorted
}

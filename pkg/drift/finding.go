package drift

import (
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Verdict is the one answer for a secret; the first that holds in this order.
type Verdict string

// The verdicts, in the order in which they are decided.
const (
	Skipped  Verdict = "skipped"
	Exempt   Verdict = "exempt"
	Orphaned Verdict = "orphaned"
	Broken   Verdict = "broken"
	Unknown  Verdict = "unknown"
	Drifted  Verdict = "drifted"
	InSync   Verdict = "in-sync"
)

// Severity ranks a finding.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Kind says what a finding is about.
type Kind string

// The kinds of finding.
const (
	KindRole           Kind = "execution-role"       // what the role's identity policies grant
	KindFunctionPolicy Kind = "function-policy"      // the resource policy at the qualifier
	KindTrust          Kind = "trust-policy"         // who may assume the role
	KindBoundary       Kind = "permissions-boundary" // a required request stopped by the boundary
	KindSecretPolicy   Kind = "secret-policy"        // the secret's (or the master's) resource policy
	KindKey            Kind = "kms-key"              // key policy, grants or state of a customer key
	KindFunction       Kind = "function"             // the function itself: gone, inactive, failed
	KindSecret         Kind = "secret"               // the secret itself: orphaned, a declaration that cannot be used
	KindOperator       Kind = "operator"             // a declared principal against its permission set
)

// Finding is one difference between the contract and the account.
type Finding struct {
	ID          string               `json:"id"`   // stable over time and order
	Rule        string               `json:"rule"` // stable name of the rule, as docs/rules.md lists it
	Kind        Kind                 `json:"kind"`
	Direction   policy.Direction     `json:"direction"`
	Severity    Severity             `json:"severity"`
	Subject     rotation.ARN         `json:"subject"`            // the role, function, key, secret or principal it is about
	Secret      rotation.ARN         `json:"secret,omitempty"`   // empty when it concerns every secret of the function
	Function    rotation.ARN         `json:"function,omitempty"` // as stored; empty when it concerns every function of the role
	Statement   *policy.StatementRef `json:"statement"`          // the statement that grants, denies or almost grants
	Witness     *Witness             `json:"witness"`
	Explanation string               `json:"explanation"`
	Fix         *Fix                 `json:"fix"`
	Exempt      string               `json:"exempt,omitempty"` // the reason of the exemption that covers it

	Request *policy.Request `json:"-"` // the witness as the evaluator takes it
}

// Witness is a request in the words of a report.
type Witness struct {
	Action    string              `json:"action"`
	Resource  string              `json:"resource"`
	Principal *string             `json:"principal"`
	Context   map[string][]string `json:"context,omitempty"`
}

// Mender says who can end a finding.
type Mender string

// The menders.
const (
	ByRepair  Mender = "repair"  // mode repair may write it
	ByEnforce Mender = "enforce" // mode enforce may write it
	ByPerson  Mender = "person"  // somebody must change what rotationguard never writes
)

// Fix is the one change that ends a finding.
type Fix struct {
	By        Mender `json:"by"`
	Summary   string `json:"summary"`              // one sentence, imperative
	Where     string `json:"where,omitempty"`      // which document on which resource
	Statement string `json:"statement,omitempty"`  // the exact statement to add, JSON
	Command   string `json:"command,omitempty"`    // one AWS CLI command, quoted for a POSIX shell
	BlockedBy string `json:"blocked_by,omitempty"` // "Deny in …", "boundary …": why repair cannot
}

// SecretJudgement is the answer for one secret.
type SecretJudgement struct {
	Secret          rotation.Secret
	Verdict         Verdict
	RotationCanWork *bool  // nil: unknown
	Reason          string // one sentence: why this verdict
	Findings        []*Finding
	Notes           []string // what the reader should know: "judged as single-user", "SourceAccount absent"
	// Decided says that every required request was decided: those without a finding are allowed.
	Decided bool
}

// Judgement is the answer for one setup, with the contract that it was compared with.
type Judgement struct {
	Setup    rotation.Setup
	Contract rotation.Contract
	Secrets  []SecretJudgement // in the order of Setup.Secrets
}

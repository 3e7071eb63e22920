package repair

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Call is one of the API calls that repair may make.
type Call string

// The calls. Nothing else is ever written.
const (
	PutRolePolicy    Call = "iam:PutRolePolicy"
	DeleteRolePolicy Call = "iam:DeleteRolePolicy"
	AddPermission    Call = "lambda:AddPermission"
	RemovePermission Call = "lambda:RemovePermission"

	// Mode enforce only.
	DetachRolePolicy  Call = "iam:DetachRolePolicy"
	PutResourcePolicy Call = "lambda:PutResourcePolicy" // for a statement that RemovePermission cannot name
	// Rolling back only.
	AttachRolePolicy Call = "iam:AttachRolePolicy"
)

// removes says whether the call takes something away.
func (c Call) removes() bool {
	return c == DeleteRolePolicy || c == RemovePermission || c == DetachRolePolicy
}

// onRole says whether the call writes to a role; the others write to a function policy.
func (c Call) onRole() bool {
	return c == PutRolePolicy || c == DeleteRolePolicy || c == DetachRolePolicy || c == AttachRolePolicy
}

// attachment says whether the call attaches or detaches a managed policy; Name is its ARN then.
func (c Call) attachment() bool { return c == DetachRolePolicy || c == AttachRolePolicy }

// in says whether the mode has the call. Attaching is only ever rolling back.
func (c Call) in(m Mode) bool {
	switch c {
	case PutRolePolicy, DeleteRolePolicy, AddPermission, RemovePermission:
		return m.Writes()
	case DetachRolePolicy, PutResourcePolicy:
		return m == ModeEnforce
	default:
		return false
	}
}

// Status says what became of a change.
type Status string

// The statuses.
const (
	Planned Status = "planned" // may be written
	Waiting Status = "waiting" // may be written at NotBefore
	Refused Status = "refused" // was not written; Reason says why
	Done    Status = "done"    // is in place, written by this run or found in place
	Failed  Status = "failed"  // was sent and is not seen to have taken effect
)

// Change is one write, before or after it was made.
type Change struct {
	ID       string         `json:"id"` // stable: the same change has the same id in every run
	Call     Call           `json:"call"`
	Status   Status         `json:"status"`
	Reason   string         `json:"reason,omitempty"`
	Subject  rotation.ARN   `json:"subject"`  // the role, or the function at its qualifier
	Name     string         `json:"name"`     // policy name or Sid
	Function rotation.ARN   `json:"function"` // whose rotation it serves, as stored
	Secrets  []rotation.ARN `json:"secrets"`  // that need it, sorted
	Findings []string       `json:"findings"` // ids of the findings that it ends, sorted
	// Before and After are the policy documents: of a role the inline policy Name, of a function the whole policy at the
	// qualifier. Empty: there is none.
	Before string `json:"before"`
	After  string `json:"after"`
	Diff   string `json:"diff"` // unified, of the documents laid out
	// Narrows says of a PutRolePolicy or PutResourcePolicy that it leaves less than there was: it comes after all additions, as removals do.
	Narrows bool `json:"narrows,omitempty"`
	// Revision is the function policy's RevisionId that Before was read with.
	Revision  string     `json:"revision,omitempty"`
	Proof     Proof      `json:"proof"`
	Rests     []Rest     `json:"rests"`
	NotBefore *time.Time `json:"not_before,omitempty"` // settling ends
	At        *time.Time `json:"at,omitempty"`         // written, or found in place
	// Needs are the ids of additions that must be seen in place before this removal.
	Needs []string `json:"needs,omitempty"`
	// Undo is one AWS CLI command that takes the change back.
	Undo string `json:"undo,omitempty"`
	// Undoes is the id of the change that this one rolls back; Breaks and Opens say what comes of that.
	Undoes string   `json:"undoes,omitempty"`
	Breaks []string `json:"breaks,omitempty"` // requests that rotation needs and would lose
	Opens  []string `json:"opens,omitempty"`  // what it grants again

	unit    *unit          // what it was planned for
	peers   []rotation.ARN // of a change to a role: the judged functions that run with it
	grants  grants         // PutRolePolicy: what our policy gives with it
	clears  bool           // AddPermission: it stands in for a public statement that goes
	unsure  bool           // it failed without an answer: it may have taken effect
	retires bool           // no secret names the function any more: what was written for it goes
}

// Proof is what the policy engine says of a change before it is sent.
type Proof struct {
	Required int    `json:"required"`       // requests that rotation of the unit's secrets needs
	Before   int    `json:"allowed_before"` // of these, allowed as the account stands
	After    int    `json:"allowed_after"`  // of these, allowed with the plan's changes up to this one
	Excess   string `json:"excess"`         // why nothing beyond the contract becomes allowed
	Lost     string `json:"lost"`           // why nothing that is needed is lost
}

// Rest is one thing that a plan rests on, with a hash of its state.
type Rest struct {
	What string `json:"what"`
	Hash string `json:"hash"`
}

// removes says whether the change takes something away: additions of a plan come first.
func (c *Change) removes() bool { return c.Call.removes() || c.Narrows }

// key is the place that a change writes to.
func (c *Change) key() string { return string(c.Call) + "|" + string(c.Subject) + "|" + c.Name }

// identify gives the change its id: where it writes, and for a document that is put as a whole what it leaves there. A statement on a function
// policy is named by its Sid, whatever else the policy holds.
func (c *Change) identify() {
	what := c.key()
	if c.Call.onRole() || c.Call == PutResourcePolicy {
		what += "|" + c.After
	}
	c.ID = "change-" + hash(what)[:16]
}

// hash is the SHA-256 of a text in hexadecimal.
func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Left is what repair does not mend, and why.
type Left struct {
	Function rotation.ARN `json:"function,omitempty"`
	Subject  rotation.ARN `json:"subject"`
	Secret   rotation.ARN `json:"secret,omitempty"`
	What     string       `json:"what"` // the requirement or statement: "GetSecretValue AWSPENDING"
	Reason   string       `json:"reason"`
	Findings []string     `json:"findings,omitempty"`
}

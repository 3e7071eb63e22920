package ledger

import (
	"encoding/json"
	"time"
)

// Phase says which moment of a write an entry records.
type Phase string

// The phases, in order. An intent without an outcome is a write whose fate the next run finds out by reading.
const (
	PhaseIntent  Phase = "intent"  // durable before the write is sent: before-image, after-image, proof
	PhaseOutcome Phase = "outcome" // what came of it
)

// Entry is one line of the journal.
type Entry struct {
	Run     string    `json:"run"`
	Seq     uint64    `json:"seq"`   // grows with every entry of the ledger; set by Append
	Lease   uint64    `json:"lease"` // set by Append
	At      time.Time `json:"at"`
	Phase   Phase     `json:"phase"`
	Change  string    `json:"change"`           // the change's id, equal for the same change in every run
	Undoes  string    `json:"undoes,omitempty"` // the id of the change that it rolls back
	Call    string    `json:"call"`             // "iam:PutRolePolicy"
	Subject string    `json:"subject"`          // the role or function that is written to
	Name    string    `json:"name"`             // policy name or Sid
	Status  string    `json:"status,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	// Unsure says that the call may have taken effect: a failure got no answer, or what the call should do was found done after a conflict.
	Unsure bool `json:"unsure,omitempty"`
	// Detail is the whole change with its documents, for rolling back.
	Detail json.RawMessage `json:"detail,omitempty"`
}

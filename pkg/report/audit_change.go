package report

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// StatusNotKnown is the status of a change that was begun and of which no outcome was stored: whether it took effect, the next run found out by reading.
const StatusNotKnown repair.Status = "not known"

// StatusAnew is the status of a write that AWS refused because somebody else had changed the thing meanwhile: it was planned once more.
const StatusAnew repair.Status = "planned anew"

// AuditChange is one write, or one that was refused after its run had begun to write, as the journal has it.
type AuditChange struct {
	ID       string         `json:"id"`
	Run      string         `json:"run"`
	Number   uint64         `json:"number"` // of its run in the chain; 0: the run did not end, and nothing protects this record
	Command  string         `json:"command"`
	Mode     string         `json:"mode"`
	Caller   string         `json:"caller"`
	Cause    string         `json:"cause"`
	At       time.Time      `json:"at"`    // the intent was stored: right before the write
	Ended    *time.Time     `json:"ended"` // the outcome was
	Call     string         `json:"call"`
	Subject  string         `json:"subject"`
	Name     string         `json:"name"`
	Status   repair.Status  `json:"status"`
	Reason   string         `json:"reason"`
	Undoes   string         `json:"undoes"` // the change that it rolls back
	Function rotation.ARN   `json:"function"`
	Secrets  []rotation.ARN `json:"secrets"`
	Findings []string       `json:"findings"` // that it ends
	Before   string         `json:"before"`   // the whole document as it was
	After    string         `json:"after"`
	Diff     string         `json:"diff"`
	Proof    *repair.Proof  `json:"proof"` // null where the entry holds none
	Problem  string         `json:"problem"`
}

// addChanges puts the journal's entries together: an intent and its outcome are one change.
func (a *Audit) addChanges(in *audited) {
	runs := make(map[string]*ledger.Run, len(in.runs))
	for i := range in.runs {
		runs[in.runs[i].ID] = &in.runs[i]
	}
	type place struct{ run, change string }
	a.Changes = []AuditChange{}
	open := map[place]int{}
	for _, e := range in.journal {
		if !a.within(e.At) {
			continue
		}
		at := place{e.Run, e.Change}
		i, begun := open[at]
		if !begun || e.Phase == ledger.PhaseIntent {
			i = len(a.Changes)
			a.Changes = append(a.Changes, auditChange(&e, runs[e.Run], in.problems))
			open[at] = i
		}
		if e.Phase == ledger.PhaseOutcome {
			ended := e.At
			c := &a.Changes[i]
			c.Status, c.Reason, c.Ended = repair.Status(e.Status), e.Reason, &ended
			if c.Status == repair.Planned {
				c.Status = StatusAnew
			}
			delete(open, at)
		}
	}
}

func auditChange(e *ledger.Entry, run *ledger.Run, problems map[uint64]string) AuditChange {
	c := AuditChange{
		ID: e.Change, Run: e.Run, At: e.At, Call: e.Call, Subject: e.Subject, Name: e.Name, Status: StatusNotKnown, Undoes: e.Undoes,
		Reason: "no outcome was stored", Secrets: []rotation.ARN{}, Findings: []string{},
	}
	switch {
	case run == nil:
		c.Problem = "the ledger has no such run: nothing protects this record"
	default:
		c.Number, c.Command, c.Mode, c.Caller, c.Cause = run.Number, run.Command, run.Mode, run.Caller, run.Cause
		if c.Problem = problems[run.Number]; run.Number == 0 {
			c.Problem = "its run did not end: nothing protects this record"
		}
	}
	if len(e.Detail) == 0 {
		return c
	}
	var detail repair.Change
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		c.Problem = strings.TrimPrefix(c.Problem+"; its detail cannot be read", "; ")
		return c
	}
	c.Function, c.Secrets, c.Findings = detail.Function, orEmpty(detail.Secrets), orEmpty(detail.Findings)
	c.Before, c.After, c.Diff, c.Proof = detail.Before, detail.After, detail.Diff, &detail.Proof
	return c
}

// AuditExemption is one exemption, and between which runs it was in force.
type AuditExemption struct {
	ID       string    `json:"id"`
	Finding  string    `json:"finding"`
	Secret   string    `json:"secret"`
	Function string    `json:"function"`
	Rule     string    `json:"rule"`
	Owner    string    `json:"owner"`
	Reason   string    `json:"reason"`
	Expires  time.Time `json:"expires"`
	Added    time.Time `json:"added"`
	AddedBy  string    `json:"added_by"`
	Config   bool      `json:"config"` // it stands in a configuration
	// First is the first run that went by it, "" where no sealed run in the ledger names it; Ended the first that did not any more, and EndedAt when
	// that run began.
	First   string     `json:"first_run"`
	Ended   string     `json:"ended_run"`
	EndedAt *time.Time `json:"ended"`
	State   string     `json:"state"` // "in force", "expired", "removed"; "added" when no run has gone by it yet
}

// What an exemption's State is.
const (
	exemptInForce = "in force"
	exemptExpired = "expired"
	exemptRemoved = "removed"
	exemptAdded   = "added"
)

// addExemptions follows the exemptions from run to run: a run names those in force where they are others than before.
func (a *Audit) addExemptions(in *audited) {
	all, current := []AuditExemption{}, map[string]int{} // by their hash
	for i := range in.runs {
		r := &in.runs[i]
		if r.Number == 0 || r.Exemptions == nil || !r.Started.Before(a.Until) {
			continue
		}
		held := map[string]int{}
		for k := range r.Exemptions {
			e := auditExemption(&r.Exemptions[k])
			key := e.key()
			at, known := current[key]
			if !known {
				e.First, e.State = r.ID, exemptInForce
				at = len(all)
				all = append(all, e)
			}
			held[key] = at
		}
		for key, at := range current {
			if _, still := held[key]; !still {
				started := r.Started
				all[at].Ended, all[at].EndedAt, all[at].State = r.ID, &started, exemptRemoved
				if !all[at].Expires.After(started) {
					all[at].State = exemptExpired
				}
			}
		}
		current = held
	}
	for i := range in.exemptions {
		e := auditExemption(&in.exemptions[i])
		_, known := current[e.key()]
		if known || !e.Added.Before(a.Until) || slices.ContainsFunc(all, func(x AuditExemption) bool { return x.key() == e.key() }) {
			continue
		}
		if e.State = exemptAdded; !e.Expires.After(a.Until) {
			e.State = exemptExpired
		}
		all = append(all, e)
	}
	for i := range all {
		if e := &all[i]; e.State == exemptInForce && !e.Expires.After(a.Until) {
			e.State = exemptExpired
		}
	}
	a.Exemptions = slices.DeleteFunc(all, func(e AuditExemption) bool {
		return e.EndedAt != nil && !e.EndedAt.After(a.Since) || !e.Expires.After(a.Since)
	})
	slices.SortStableFunc(a.Exemptions, func(a, b AuditExemption) int {
		if c := a.Added.Compare(b.Added); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

func auditExemption(e *ledger.Exemption) AuditExemption {
	return AuditExemption{
		ID: e.ID, Finding: e.Finding, Secret: e.Secret, Function: e.Function, Rule: e.Rule, Owner: e.Owner, Reason: e.Reason, Expires: e.Expires.UTC(),
		Added: e.Added.UTC(), AddedBy: e.AddedBy, Config: e.Config,
	}
}

// key tells exemptions apart: one that is added again with another reason, owner or end is another.
func (e *AuditExemption) key() string {
	return strings.Join([]string{e.ID, e.Owner, e.Reason, rfc3339(e.Expires), rfc3339(e.Added), e.AddedBy}, "\x00")
}

// what is what an exemption takes out.
func (e *AuditExemption) what() string {
	for _, w := range []struct{ kind, value string }{{"finding", e.Finding}, {"secret", e.Secret}, {"function", e.Function}, {"rule", e.Rule}} {
		if w.value != "" {
			return w.kind + " " + w.value
		}
	}
	return "nothing"
}

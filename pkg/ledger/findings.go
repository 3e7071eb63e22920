package ledger

import (
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// FindingRecord is one finding with its history.
type FindingRecord struct {
	Finding    drift.Finding `json:"finding"` // as last seen
	FirstSeen  time.Time     `json:"first_seen"`
	LastSeen   time.Time     `json:"last_seen"`
	Resolved   *time.Time    `json:"resolved,omitempty"`
	Reopened   int           `json:"reopened,omitempty"`
	ReopenedAt *time.Time    `json:"reopened_at,omitempty"`

	// What was told last and when; nothing was told while Told is nil.
	Told         *time.Time     `json:"told,omitempty"`
	ToldSeverity drift.Severity `json:"told_severity,omitempty"`
	ToldResolved bool           `json:"told_resolved,omitempty"`
}

// Since is from when on the finding stands without a break.
func (r FindingRecord) Since() time.Time {
	if r.ReopenedAt != nil {
		return *r.ReopenedAt
	}
	return r.FirstSeen
}

// Sighting is what one run found.
type Sighting struct {
	At       time.Time
	Findings []*drift.Finding
	// Covers says of a stored finding that is not among Findings whether this run would have found it: only then it is
	// resolved. A run that read one function covers that function's findings; what could not be read is not covered.
	Covers func(drift.Finding) bool
	// RemindAfter tells a standing finding again after this time; 0 never.
	RemindAfter time.Duration
}

// TransitionKind says why something should be told.
type TransitionKind string

// The transitions. They are measured against what was told, not against the last run: an alert that could not be sent is
// due again.
const (
	New      TransitionKind = "new"
	Worse    TransitionKind = "worse"
	Reopened TransitionKind = "reopened"
	Resolved TransitionKind = "resolved"
	Reminder TransitionKind = "reminder"
)

// Transition is one thing to tell.
type Transition struct {
	Kind   TransitionKind `json:"kind"`
	Record FindingRecord  `json:"record"`
}

// storeAgain is how old a record's LastSeen may grow before an unchanged finding is stored again.
const storeAgain = time.Hour

// observe applies a sighting to one record, found nil when the finding was not seen. It answers whether to store the record.
func (r FindingRecord) observe(s Sighting, found *drift.Finding) (FindingRecord, bool) {
	switch {
	case found != nil && r.FirstSeen.IsZero():
		return FindingRecord{Finding: *found, FirstSeen: s.At, LastSeen: s.At}, true
	case found != nil:
		changed := r.Resolved != nil || r.Finding.Severity != found.Severity || r.Finding.Explanation != found.Explanation ||
			s.At.Sub(r.LastSeen) >= storeAgain
		if r.Resolved != nil {
			r.Resolved, r.ReopenedAt = nil, &s.At
			r.Reopened++
		}
		r.Finding, r.LastSeen = *found, s.At
		return r, changed
	case r.Resolved == nil && s.Covers != nil && s.Covers(r.Finding):
		r.Resolved = &s.At
		return r, true
	}
	return r, false
}

// transition is what should be told of a record, if anything.
func (r FindingRecord) transition(s Sighting) (TransitionKind, bool) {
	switch {
	case r.Resolved != nil:
		return Resolved, r.Told != nil && !r.ToldResolved
	case r.Told == nil:
		return New, true
	case r.ToldResolved:
		return Reopened, true
	case rank(r.Finding.Severity) < rank(r.ToldSeverity):
		return Worse, true
	}
	return Reminder, s.RemindAfter > 0 && s.At.Sub(*r.Told) >= s.RemindAfter
}

// tell is the record after its state was told.
func (r FindingRecord) tell(at time.Time) FindingRecord {
	r.Told, r.ToldSeverity, r.ToldResolved = &at, r.Finding.Severity, r.Resolved != nil
	return r
}

func rank(s drift.Severity) int {
	return slices.Index([]drift.Severity{drift.Critical, drift.High, drift.Medium, drift.Low, drift.Info}, s)
}

// sight runs a sighting over all stored records: what to store, and what to tell sorted by finding id.
func (s Sighting) sight(stored map[string]FindingRecord) (store []FindingRecord, tell []Transition) {
	found := make(map[string]*drift.Finding, len(s.Findings))
	for _, f := range s.Findings {
		found[f.ID] = f
	}
	visit := func(r FindingRecord, f *drift.Finding) {
		r, changed := r.observe(s, f)
		if changed {
			store = append(store, r)
		}
		if kind, due := r.transition(s); due {
			tell = append(tell, Transition{kind, r})
		}
	}
	for id, f := range found {
		visit(stored[id], f)
	}
	for id, r := range stored {
		if found[id] == nil {
			visit(r, nil)
		}
	}
	slices.SortFunc(tell, func(a, b Transition) int { return strings.Compare(a.Record.Finding.ID, b.Record.Finding.ID) })
	return store, tell
}

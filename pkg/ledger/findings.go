package ledger

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// FindingRecord is one finding with its history.
type FindingRecord struct {
	Finding   drift.Finding `json:"finding"` // as last seen
	FirstSeen time.Time     `json:"first_seen"`
	LastSeen  time.Time     `json:"last_seen"`
	Resolved  *time.Time    `json:"resolved,omitempty"`
	// ResolvedBy names the change of ours that ended it; empty while it stands, and where somebody else ended it.
	ResolvedBy string     `json:"resolved_by,omitempty"`
	Reopened   int        `json:"reopened,omitempty"`
	ReopenedAt *time.Time `json:"reopened_at,omitempty"`
	// Reopenings are the moments of the last FlapTimes reopenings, oldest first.
	Reopenings []time.Time `json:"reopenings,omitempty"`
	// Unexempted is since when no exemption covers it any more.
	Unexempted *time.Time `json:"unexempted,omitempty"`
	// Told is what each channel was told last; of a channel that is not in it nothing was told there.
	Told map[Channel]Told `json:"told_on,omitempty"`
}

// Channel is a way by which news is told. Each is told on its own: what one of them could not take is due there again.
type Channel string

// Told is what a channel was told last of a finding.
type Told struct {
	At       time.Time      `json:"at"`
	Severity drift.Severity `json:"severity"`
	State    State          `json:"state"`
	Thread   string         `json:"thread,omitempty"` // of a chat, where it was told and is continued
}

// State says how a finding stands, as news has it.
type State string

// The states.
const (
	Standing State = "standing"
	Exempt   State = "exempt"   // it stands, and an exemption covers it
	Gone     State = "gone"     // it was resolved, or is no more than a remark
	Flapping State = "flapping" // it comes and goes
)

// A finding flaps when it was reopened FlapTimes within FlapWindow, until it has not changed for StableAfter.
const (
	FlapTimes   = 3
	FlapWindow  = 7 * 24 * time.Hour
	StableAfter = 24 * time.Hour
)

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
	// Mended names the run's change that ended a finding, by the finding's id.
	Mended map[string]string
	// RemindAfter tells a standing finding again after this time; 0 never.
	RemindAfter time.Duration
	// Channels are those that can be told. Without one nothing is news.
	Channels []Channel
}

// TransitionKind says why something should be told.
type TransitionKind string

// The transitions. They are measured against what the channel was told, not against the last run: news that could not be sent is
// due again.
const (
	New        TransitionKind = "new"
	Worse      TransitionKind = "worse"
	Reopened   TransitionKind = "reopened"
	Flaps      TransitionKind = "flapping"       // it was reopened again and again: nothing more of it until it is stable, or the reminder
	Resolved   TransitionKind = "resolved"       // FindingRecord.ResolvedBy says whether by us
	Exempted   TransitionKind = "exempted"       // what was told of is covered by an exemption now
	Unexempted TransitionKind = "exempt-expired" // it stands, and what exempted it has expired or was taken away
	Reminder   TransitionKind = "reminder"
)

// Transition is one thing to tell on one channel.
type Transition struct {
	Kind    TransitionKind `json:"kind"`
	Channel Channel        `json:"channel"`
	Record  FindingRecord  `json:"record"`
	Thread  string         `json:"thread,omitempty"` // where it was told, for Told
}

// state is what is told of the transition.
func (x *Transition) state() State {
	switch x.Kind {
	case Resolved:
		return Gone
	case Exempted:
		return Exempt
	case Flaps:
		return Flapping
	case Reminder:
		return x.Record.Told[x.Channel].State
	case New, Worse, Reopened, Unexempted:
	}
	return Standing
}

// storeAgain is how old a record's LastSeen may grow before an unchanged finding is stored again.
const storeAgain = time.Hour

// observe applies a sighting to one record, found nil when the finding was not seen. It answers whether to store the record.
func (r FindingRecord) observe(s *Sighting, found *drift.Finding) (FindingRecord, bool) {
	switch {
	case found != nil && r.FirstSeen.IsZero():
		return FindingRecord{Finding: *found, FirstSeen: s.At, LastSeen: s.At}, true
	case found != nil:
		changed := r.Resolved != nil || r.Finding.Severity != found.Severity || r.Finding.Explanation != found.Explanation ||
			r.Finding.Exempt != found.Exempt || s.At.Sub(r.LastSeen) >= storeAgain
		if r.Resolved != nil {
			r.Resolved, r.ResolvedBy, r.ReopenedAt = nil, "", &s.At
			r.Reopened++
			r.Reopenings = append(slices.Clone(r.Reopenings[max(0, len(r.Reopenings)-FlapTimes+1):]), s.At)
		}
		switch {
		case found.Exempt != "":
			r.Unexempted = nil
		case r.Finding.Exempt != "":
			r.Unexempted = &s.At
		}
		r.Finding, r.LastSeen = *found, s.At
		return r, changed
	case r.Resolved == nil && s.Covers != nil && s.Covers(r.Finding):
		r.Resolved, r.ResolvedBy = &s.At, s.Mended[r.Finding.ID]
		if r.ResolvedBy != "" {
			r.owe(s.Channels)
		}
		return r, true
	}
	return r, false
}

// owe makes it news on channels that were not told of a finding at all that it was resolved: what we changed is always told.
func (r *FindingRecord) owe(channels []Channel) {
	for _, c := range channels {
		if _, told := r.Told[c]; !told && !r.quiet() {
			r.mark(c, Told{At: r.FirstSeen, Severity: r.Finding.Severity, State: Standing})
		}
	}
}

func (r *FindingRecord) mark(c Channel, t Told) {
	r.Told = maps.Clone(r.Told)
	if r.Told == nil {
		r.Told = map[Channel]Told{}
	}
	r.Told[c] = t
}

// quiet says whether nobody is told of the finding as it was seen.
func (r *FindingRecord) quiet() bool {
	return r.Finding.Severity == drift.Info || r.Finding.Exempt != ""
}

// state is how the finding stands at a moment.
func (r *FindingRecord) state(at time.Time) State {
	switch {
	case r.flaps(at):
		return Flapping
	case r.Resolved != nil || r.Finding.Severity == drift.Info:
		return Gone
	case r.Finding.Exempt != "":
		return Exempt
	}
	return Standing
}

func (r *FindingRecord) flaps(at time.Time) bool {
	if len(r.Reopenings) < FlapTimes || at.Sub(r.Reopenings[len(r.Reopenings)-FlapTimes]) > FlapWindow {
		return false
	}
	changed := r.Reopenings[len(r.Reopenings)-1]
	if r.Resolved != nil {
		changed = *r.Resolved
	}
	return at.Sub(changed) < StableAfter
}

// transition is what should be told of a record on a channel, if anything. seen says whether this run found it.
func (r FindingRecord) transition(s *Sighting, c Channel, seen bool) (TransitionKind, bool) {
	told, known := r.Told[c]
	due := s.RemindAfter > 0 && s.At.Sub(told.At) >= s.RemindAfter && seen
	switch state := r.state(s.At); {
	case !known && r.Resolved == nil && !r.quiet():
		if r.Unexempted != nil {
			return Unexempted, true
		}
		return New, true
	case !known:
		return "", false
	case state == Flapping && told.State != Flapping:
		return Flaps, true
	case state == Flapping:
		return Reminder, due
	case state == Gone:
		return Resolved, told.State != Gone
	case state == Exempt:
		return Exempted, told.State != Exempt
	case told.State == Exempt:
		return Unexempted, true
	case told.State != Standing:
		return Reopened, true
	case rank(r.Finding.Severity) < rank(told.Severity):
		return Worse, true
	}
	return Reminder, due
}

func rank(s drift.Severity) int {
	return slices.Index([]drift.Severity{drift.Critical, drift.High, drift.Medium, drift.Low, drift.Info}, s)
}

// sight runs a sighting over all stored records: what to store, and what to tell sorted by finding id.
func (s *Sighting) sight(stored map[string]FindingRecord) (store []FindingRecord, tell []Transition) {
	found := make(map[string]*drift.Finding, len(s.Findings))
	for _, f := range s.Findings {
		found[f.ID] = f
	}
	visit := func(r FindingRecord, f *drift.Finding) {
		r, changed := r.observe(s, f)
		if changed {
			store = append(store, r)
		}
		for _, c := range s.Channels {
			if kind, due := r.transition(s, c, f != nil); due {
				tell = append(tell, Transition{Kind: kind, Channel: c, Record: r})
			}
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
	slices.SortStableFunc(tell, func(a, b Transition) int { return strings.Compare(a.Record.Finding.ID, b.Record.Finding.ID) })
	return store, tell
}

// tell marks what was told in the records as they are stored now, and answers with those to store.
func tell(stored map[string]FindingRecord, at time.Time, told []Transition) []FindingRecord {
	marked := map[string]FindingRecord{}
	for i := range told {
		x := &told[i]
		id := x.Record.Finding.ID
		r, ok := marked[id]
		if !ok {
			if r, ok = stored[id]; !ok {
				r = x.Record
			}
		}
		r.mark(x.Channel, Told{At: at, Severity: x.Record.Finding.Severity, State: x.state(), Thread: x.Thread})
		marked[id] = r
	}
	return slices.Collect(maps.Values(marked))
}

package alert

import "github.com/rotationguard/rotationguard/pkg/ledger"

// Event says what a message tells of.
type Event string

// The events.
const (
	New              Event = "new"
	Worse            Event = "worse"
	Reopened         Event = "reopened"
	Flapping         Event = "flapping"
	ResolvedByUs     Event = "resolved-by-us"
	ResolvedByOthers Event = "resolved-by-others"
	Exempted         Event = "exempted" // an exemption was added, or covers what was told of before
	ExemptExpired    Event = "exempt-expired"
	Reminder         Event = "reminder"
	Drift            Event = "drift" // all that is worse than in sync, where no ledger knows what is new
)

// eventOf is what a transition is told as.
func eventOf(x *ledger.Transition) Event {
	switch x.Kind {
	case ledger.New:
		return New
	case ledger.Worse:
		return Worse
	case ledger.Reopened:
		return Reopened
	case ledger.Flaps:
		return Flapping
	case ledger.Resolved:
		if x.Record.ResolvedBy != "" {
			return ResolvedByUs
		}
		return ResolvedByOthers
	case ledger.Exempted:
		return Exempted
	case ledger.Unexempted:
		return ExemptExpired
	case ledger.Reminder:
	}
	return Reminder
}

// headline is the event in words, before the number of findings that it is about.
func (e Event) headline() string {
	switch e {
	case New:
		return "New"
	case Worse:
		return "Worse than before"
	case Reopened:
		return "Back again"
	case Flapping:
		return "Comes and goes; nothing more will be said until it is stable or the reminder is due"
	case ResolvedByUs:
		return "Mended by rotationguard"
	case ResolvedByOthers:
		return "Resolved, by somebody else"
	case Exempted:
		return "Exempt from now on"
	case ExemptExpired:
		return "No longer exempt"
	case Reminder:
		return "Still there"
	case Drift:
	}
	return "Drift"
}

// over says whether what the event is about is no longer anybody's work.
func (e Event) over() bool { return e == ResolvedByUs || e == ResolvedByOthers || e == Exempted }

package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// sight is what one run at an hour sees of the finding f; gone is a severity that stands for not seeing it.
type step struct {
	hour     int
	severity drift.Severity
	exempt   string
	want     TransitionKind // "" where nothing is told
}

const gone drift.Severity = ""

// TestWhatIsToldWhen runs a finding's life and holds what is told to it; everything due is told at once.
func TestWhatIsToldWhen(t *testing.T) {
	const remind = 168 * time.Hour
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a standing finding is told once, and then on the reminder", []step{
			{0, drift.High, "", New}, {24, drift.High, "", ""}, {167, drift.High, "", ""}, {168, drift.High, "", Reminder}, {192, drift.High, "", ""}, {336, drift.High, "", Reminder},
		}},
		{"a remark is never told", []step{{0, drift.Info, "", ""}, {1, gone, "", ""}, {2, drift.Info, "", ""}, {400, drift.Info, "", ""}}},
		{"a remark that becomes more is new", []step{{0, drift.Info, "", ""}, {1, drift.Medium, "", New}, {2, drift.Info, "", Resolved}}},
		{"what gets worse is told, what gets better is not", []step{{0, drift.Low, "", New}, {1, drift.High, "", Worse}, {2, drift.Low, "", ""}, {3, drift.High, "", ""}, {4, drift.Critical, "", Worse}}},
		{"resolved closes, reopened opens", []step{{0, drift.High, "", New}, {1, gone, "", Resolved}, {2, gone, "", ""}, {200, drift.High, "", Reopened}, {201, gone, "", Resolved}}},
		{"an exempt finding is not told", []step{{0, drift.High, "known", ""}, {24, drift.High, "known", ""}, {400, drift.High, "known", ""}, {401, gone, "", ""}}},
		{"an exemption that is over is told", []step{{0, drift.High, "known", ""}, {24, drift.High, "", Unexempted}, {25, drift.High, "", ""}, {26, gone, "", Resolved}}},
		{"what was told and is exempt now is told to be", []step{
			{0, drift.High, "", New}, {1, drift.High, "known", Exempted}, {300, drift.High, "known", ""}, {301, drift.High, "", Unexempted}, {302, drift.High, "known", Exempted}, {303, gone, "", Resolved},
		}},
		{"a flapping finding is folded until it has been stable", []step{
			{0, drift.High, "", New}, {1, gone, "", Resolved}, {2, drift.High, "", Reopened}, {3, gone, "", Resolved}, {4, drift.High, "", Reopened}, {5, gone, "", Resolved},
			{6, drift.High, "", Flaps}, {7, gone, "", ""}, {8, drift.High, "", ""}, {9, gone, "", ""}, {10, drift.High, "", ""}, {33, drift.High, "", ""},
			{34, drift.High, "", Reopened}, {35, drift.High, "", ""},
		}},
		{"a flapping finding that stays away is resolved", []step{
			{0, drift.High, "", New}, {1, gone, "", Resolved}, {2, drift.High, "", Reopened}, {3, gone, "", Resolved}, {4, drift.High, "", Reopened}, {5, gone, "", Resolved},
			{6, drift.High, "", Flaps}, {7, gone, "", ""}, {30, gone, "", ""}, {31, gone, "", Resolved},
		}},
		{"a finding that flaps for long is reminded of", []step{
			{0, drift.High, "", New}, {1, gone, "", Resolved}, {2, drift.High, "", Reopened}, {3, gone, "", Resolved}, {4, drift.High, "", Reopened}, {5, gone, "", Resolved},
			{6, drift.High, "", Flaps}, {20, gone, "", ""}, {40, drift.High, "", ""}, {60, gone, "", ""}, {80, drift.High, "", ""}, {100, gone, "", ""}, {120, drift.High, "", ""},
			{140, gone, "", ""}, {160, drift.High, "", ""}, {173, gone, "", ""}, {174, drift.High, "", Reminder}, {175, drift.High, "", ""},
		}},
		{"reopened now and then is no flapping", []step{
			{0, drift.High, "", New}, {1, gone, "", Resolved}, {96, drift.High, "", Reopened}, {97, gone, "", Resolved}, {192, drift.High, "", Reopened}, {193, gone, "", Resolved}, {288, drift.High, "", Reopened},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stored := map[string]FindingRecord{}
			for _, s := range tt.steps {
				at := start.Add(time.Duration(s.hour) * time.Hour)
				sighting := Sighting{At: at, Covers: func(drift.Finding) bool { return true }, RemindAfter: remind, Channels: []Channel{"mail"}}
				if s.severity != gone {
					sighting.Findings = []*drift.Finding{{ID: "f", Severity: s.severity, Exempt: s.exempt}}
				}
				store, due := sighting.sight(stored)
				for _, r := range slices.Concat(store, tell(byFinding(store), at, nil)) {
					stored[r.Finding.ID] = r
				}
				var kind TransitionKind
				if len(due) > 0 {
					kind = due[0].Kind
				}
				if kind != s.want || len(due) > 1 {
					t.Fatalf("hour %d: told %q (%d of them), want %q", s.hour, kind, len(due), s.want)
				}
				for _, r := range tell(stored, at, due) {
					stored[r.Finding.ID] = r
				}
			}
		})
	}
}

func TestAReminderIsOfWhatTheRunFound(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := FindingRecord{Finding: drift.Finding{ID: "f", Severity: drift.High}, FirstSeen: start, LastSeen: start, Told: map[Channel]Told{"mail": {At: start, Severity: drift.High, State: Standing}}}
	s := Sighting{At: start.Add(200 * time.Hour), RemindAfter: time.Hour, Channels: []Channel{"mail"}}
	if _, due := s.sight(byFinding([]FindingRecord{r})); len(due) > 0 {
		t.Errorf("a run that did not look reminds of %+v", due)
	}
}

func TestTellingMarksWhatIsStoredNow(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	then := FindingRecord{Finding: drift.Finding{ID: "f", Severity: drift.High}, FirstSeen: start}
	now := then
	now.Resolved = &start // by another run meanwhile
	marked := tell(byFinding([]FindingRecord{now}), start, []Transition{{Kind: New, Channel: "mail", Record: then}, {Kind: New, Channel: "chat", Record: then, Thread: "f"}})
	if len(marked) != 1 || marked[0].Resolved == nil || len(marked[0].Told) != 2 || marked[0].Told["chat"] != (Told{At: start, Severity: drift.High, State: Standing, Thread: "f"}) {
		t.Errorf("marked %+v", marked)
	}
}

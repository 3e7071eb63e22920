package alert

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// sweep observes an outcome's findings as a sweep does, an hour after the last, and tells the news.
type sweeper struct {
	l    ledger.Ledger
	w    *ways
	hour int
}

func (s *sweeper) tell(t *testing.T, o report.Outcome) (Told, error) {
	t.Helper()
	s.hour++
	o.At = now.Add(time.Duration(s.hour) * time.Hour)
	var findings []*drift.Finding
	for i := range o.Secrets {
		findings = append(findings, o.Secrets[i].Findings...)
	}
	var err error
	if o.News, err = s.l.ObserveFindings(t.Context(), ledger.Sighting{At: o.At, Findings: findings, Covers: func(drift.Finding) bool { return true }, Channels: s.w.Channels()}); err != nil {
		t.Fatal(err)
	}
	exemptions, err := s.l.Exemptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exemptions {
		if slices.ContainsFunc(s.w.Channels(), func(c ledger.Channel) bool { return e.Told[c].IsZero() }) {
			o.Exempted = append(o.Exempted, e)
		}
	}
	return s.w.Tell(t.Context(), s.l, &o, "")
}

func (s *sweeper) sent() []int {
	return []int{len(s.w.topic.messages), len(s.w.chat.messages), len(s.w.bus.put), len(s.w.hub.findings)}
}

func TestNobodyGetsTheSameNewsTwice(t *testing.T) {
	broken := outcome(secret("late", drift.Broken, in(9000*time.Hour), finding("f-1", "late", drift.Critical)))
	synced := outcome(secret("late", drift.InSync, in(9000*time.Hour)))
	s := &sweeper{l: newLedger(t), w: newWays()}
	for _, step := range []struct {
		name string
		o    report.Outcome
		want []int
	}{
		{"new", broken, []int{1, 1, 1, 1}}, {"standing", broken, []int{1, 1, 1, 1}}, {"resolved", synced, []int{2, 2, 2, 2}}, {"quiet", synced, []int{2, 2, 2, 2}}, {"reopened", broken, []int{3, 3, 3, 3}},
	} {
		if _, err := s.tell(t, step.o); err != nil {
			t.Fatal(err)
		}
		if got := s.sent(); !slices.Equal(got, step.want) {
			t.Fatalf("%s: sent %v, want %v", step.name, got, step.want)
		}
	}
	threads := map[string]bool{}
	for _, m := range s.w.chat.messages {
		threads[strings.SplitN(chatText(t, *m.Message), "\n", 2)[0]] = true
	}
	if len(threads) != 1 || !threads["thread f-1"] {
		t.Errorf("threads %v, want the finding's alone", threads)
	}
	var states []string
	for _, f := range s.w.hub.findings {
		states = append(states, *f.Id+" "+string(f.RecordState)+" "+string(f.Compliance.Status))
	}
	if want := []string{"f-1 ACTIVE FAILED", "f-1 ARCHIVED PASSED", "f-1 ACTIVE FAILED"}; !slices.Equal(states, want) {
		t.Errorf("the hub got %v, want %v", states, want)
	}
}

func TestWhatOneWayDoesNotTakeIsKeptForIt(t *testing.T) {
	broken := outcome(secret("late", drift.Broken, in(9000*time.Hour), finding("f-1", "late", drift.Critical)), secret("more", drift.Broken, in(9000*time.Hour), finding("f-2", "more", drift.Critical)))
	s := &sweeper{l: newLedger(t), w: newWays()}
	e := ledger.Exemption{ID: "e-1", Secret: "other", Owner: "ana", Reason: "known", AddedBy: "arn:aws:iam::1:user/ana", Added: now, Expires: now.Add(900 * time.Hour)}
	if err := s.l.PutExemption(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.w.topic.err = errors.New("throttled")
	s.w.chat.err, s.w.chat.after = errors.New("throttled"), 1
	s.w.bus.refuse = func(_, entry int) bool { return entry == 0 }
	s.w.hub.refuse = map[string]bool{"f-2": true}
	told, err := s.tell(t, broken)
	for _, want := range []string{"publishing to " + topicARN, "were not taken: ThrottlingException: slow down", "importing finding f-2 into Security Hub: InvalidInput: no"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if told.Chats != 1 || told.Findings != 1 || len(told.Messages) > 0 {
		t.Errorf("told %+v", told)
	}
	before := s.sent()
	s.w.topic.err, s.w.chat.err, s.w.bus.refuse, s.w.hub.refuse = nil, nil, nil, nil
	if _, err := s.tell(t, broken); err != nil {
		t.Fatal(err)
	}
	after := s.sent()
	// The topic: one message of both, one of the exemption. Chats: the second finding and the exemption. The bus: what it refused. The hub: f-2.
	if want := []int{2, before[1] + 2, 3, 2}; !slices.Equal(after, want) {
		t.Errorf("sent %v, then %v, want %v", before, after, want)
	}
	if _, err := s.tell(t, broken); err != nil || !slices.Equal(s.sent(), after) {
		t.Errorf("sent %v again: %v", s.sent(), err)
	}
}

func TestAnExemptionIsToldOnceAndStaysAway(t *testing.T) {
	s := &sweeper{l: newLedger(t), w: newWays()}
	e := ledger.Exemption{ID: "e-1", Secret: "late", Owner: "ana", Reason: "known", AddedBy: "arn:aws:iam::1:user/ana", Added: now, Expires: now.Add(900 * time.Hour)}
	if err := s.l.PutExemption(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	synced := outcome(secret("late", drift.InSync, in(time.Hour)))
	for range 2 {
		if _, err := s.tell(t, synced); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.sent(); !slices.Equal(got, []int{1, 1, 1, 0}) {
		t.Errorf("sent %v", got)
	}
	if m := s.w.topic.messages[0]; *m.MessageAttributes["event"].StringValue != "exempted" || !strings.Contains(*m.Message, "user/ana") {
		t.Errorf("%s", *m.Message)
	}
	gone := outcome(secret("late", drift.InSync, in(time.Hour)))
	gone.Exempted = []ledger.Exemption{e}
	if err := s.l.DeleteExemption(t.Context(), "e-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.Tell(t.Context(), s.l, &gone, ""); err != nil {
		t.Fatal(err)
	}
	if all, err := s.l.Exemptions(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("an exemption that was taken away is back: %+v, %v", all, err)
	}
}

package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// threads are what was said in chats since, as "thread: event".
func (w *ways) threads(t *testing.T, since int) []string {
	t.Helper()
	var all []string
	for _, m := range w.chat.messages[since:] {
		n := readNotification(t, *m.Message)
		all = append(all, n.Metadata.ThreadID+": "+n.Metadata.EventType)
	}
	return all
}

// synced is an outcome of the same secrets, all in sync.
func synced(o report.Outcome) report.Outcome {
	var all []report.Secret
	for i := range o.Secrets {
		all = append(all, secret(o.Secrets[i].Name, drift.InSync, in(9000*time.Hour)))
	}
	return outcome(all...)
}

func TestWhatIsOverIsSaidWhereItWasTold(t *testing.T) {
	first, later := many(12), many(12)
	for i := range 3 { // three more that come one by one
		name := fmt.Sprintf("single-%d", i)
		later.Secrets = append(later.Secrets, secret(name, drift.Broken, in(9000*time.Hour), finding("s-"+name, name, drift.Critical)))
	}
	s := &sweeper{l: newLedger(t), w: newWays()}
	step := func(o report.Outcome) []string {
		before := len(s.w.chat.messages)
		if _, err := s.tell(t, o); err != nil {
			t.Fatal(err)
		}
		return s.w.threads(t, before)
	}
	opened := step(first)
	if len(opened) != 1 || !strings.HasPrefix(opened[0], "digest-") {
		t.Fatalf("a first sweep opens %v", opened)
	}
	digest, _, _ := strings.Cut(opened[0], ":")
	if got, want := step(later), []string{"s-single-0: new", "s-single-1: new", "s-single-2: new"}; !slices.Equal(got, want) {
		t.Errorf("later %v, want %v", got, want)
	}
	got := step(synced(later))
	slices.Sort(got)
	want := []string{digest + ": resolved-by-others", "s-single-0: resolved-by-others", "s-single-1: resolved-by-others", "s-single-2: resolved-by-others"}
	if !slices.Equal(got, want) {
		t.Errorf("all resolved %v, want %v", got, want)
	}
	back := outcome(first.Secrets[0])
	if got, want := step(back), []string{first.Secrets[0].Findings[0].ID + ": reopened"}; !slices.Equal(got, want) {
		t.Errorf("one is back in %v, want %v", got, want)
	}
	if got, want := step(synced(back)), []string{first.Secrets[0].Findings[0].ID + ": resolved-by-others"}; !slices.Equal(got, want) {
		t.Errorf("it is resolved in %v, want %v", got, want)
	}
}

func TestOneOfADigestIsResolvedInItsThread(t *testing.T) {
	o := many(12)
	s := &sweeper{l: newLedger(t), w: newWays()}
	if _, err := s.tell(t, o); err != nil {
		t.Fatal(err)
	}
	digest := readNotification(t, *s.w.chat.messages[0].Message).Metadata.ThreadID
	rest := o
	rest.Secrets = slices.Clone(o.Secrets)
	rest.Secrets[0] = secret(o.Secrets[0].Name, drift.InSync, in(9000*time.Hour))
	if _, err := s.tell(t, rest); err != nil {
		t.Fatal(err)
	}
	if got, want := s.w.threads(t, 1), []string{digest + ": resolved-by-others"}; !slices.Equal(got, want) {
		t.Errorf("said %v, want %v", got, want)
	}
	ids := map[string]bool{}
	for _, m := range s.w.chat.messages {
		ids[readNotification(t, *m.Message).ID] = true
	}
	if len(ids) != len(s.w.chat.messages) {
		t.Errorf("%d notifications have %d ids", len(s.w.chat.messages), len(ids))
	}
}

// TestWhatBreaksSoonestIsSaidFirst holds the order of messages, and of what one message holds, to when rotation breaks: the ids' order is another one.
func TestWhatBreaksSoonestIsSaidFirst(t *testing.T) {
	o := outcome(
		secret("c", drift.Broken, in(2*time.Hour), finding("f-9", "c", drift.High)), secret("a", drift.Broken, in(90*time.Hour), finding("f-1", "a", drift.Critical)),
		secret("d", drift.Drifted, in(time.Hour), finding("f-0", "d", drift.Critical)), secret("b", drift.Drifted, in(time.Minute), finding("f-2", "b", drift.Low)),
		secret("e", drift.Broken, in(-time.Hour), finding("f-8", "e", drift.Critical)), secret("n", drift.Broken, nil, finding("f-3", "n", drift.Critical)),
	)
	want := []string{"f-8", "f-9", "f-1", "f-3", "f-0", "f-2"}
	for i := range o.Secrets {
		o.Secrets[i].Tags = map[string]string{"team": "team-" + o.Secrets[i].Name}
	}
	w := newWays()
	w.Tags = []string{"team"}
	newsOf(&o, ledger.New, &w.Teller, nil)
	if _, err := w.Tell(t.Context(), newLedger(t), &o, ""); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for i := range w.topic.messages {
		got["topic"] = append(got["topic"], w.alert(t, i).Secrets[0].Findings[0].ID)
	}
	for _, m := range w.chat.messages {
		got["chat"] = append(got["chat"], readNotification(t, *m.Message).Metadata.ThreadID)
	}
	for _, f := range w.hub.findings {
		got["hub"] = append(got["hub"], *f.Id)
	}
	w = newWays()
	if _, err := w.Tell(t.Context(), newLedger(t), &o, ""); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.alert(t, 0).Secrets {
		got["one message"] = append(got["one message"], s.Findings[0].ID)
	}
	for way, ids := range got {
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", way, ids, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("told by %d ways", len(got))
	}
}

// TestRunsAtTheSameTimeTellOnce lets two runs find the same before either has told it.
func TestRunsAtTheSameTimeTellOnce(t *testing.T) {
	o := outcome(secret("late", drift.Broken, in(time.Hour), finding("f-1", "late", drift.Critical)))
	l, w := newLedger(t), newWays()
	observe := func(at time.Time) report.Outcome {
		run := o
		run.At = at
		var err error
		run.News, err = l.ObserveFindings(t.Context(), ledger.Sighting{At: at, Findings: o.Secrets[0].Findings, Channels: w.Channels()})
		if err != nil || len(run.News) == 0 {
			t.Fatalf("no news: %v", err)
		}
		return run
	}
	one, two := observe(now), observe(now.Add(time.Minute))
	for _, run := range []*report.Outcome{&two, &one} {
		if _, err := w.Tell(t.Context(), l, run, ""); err != nil {
			t.Fatal(err)
		}
	}
	if s := (&sweeper{w: w}).sent(); !slices.Equal(s, []int{1, 1, 1, 1}) {
		t.Errorf("sent %v", s)
	}
}

// forgetting is a ledger that cannot say what was told.
type forgetting struct{ ledger.Ledger }

func (forgetting) Findings(context.Context) ([]ledger.FindingRecord, error) {
	return nil, context.DeadlineExceeded
}

func TestALedgerThatCannotBeReadKeepsNobodyFromHearing(t *testing.T) {
	o := outcome(secret("late", drift.Broken, in(time.Hour), finding("f-1", "late", drift.Critical)))
	w := newWays()
	newsOf(&o, ledger.New, &w.Teller, nil)
	if _, err := w.Tell(t.Context(), forgetting{newLedger(t)}, &o, ""); err == nil || len(w.topic.messages) != 1 {
		t.Errorf("%d messages, %v", len(w.topic.messages), err)
	}
}

func TestWithoutALedgerTheTagsRouteTheOneMessage(t *testing.T) {
	o := outcome(secret("a", drift.Broken, in(time.Hour), finding("f-1", "a", drift.Critical)), secret("b", drift.Drifted, in(time.Hour), finding("f-2", "b", drift.High)), secret("c", drift.InSync, nil))
	o.Secrets[0].Tags, o.Secrets[1].Tags, o.Secrets[2].Tags = map[string]string{"team": "pay"}, map[string]string{"team": "ship"}, map[string]string{"team": "calm"}
	w := newWays()
	w.Tags = []string{"team"}
	if _, err := w.Tell(t.Context(), nil, &o, ""); err != nil || len(w.topic.messages) != 1 {
		t.Fatalf("%d messages: %v", len(w.topic.messages), err)
	}
	if team := w.topic.messages[0].MessageAttributes["team"]; aws.ToString(team.DataType) != "String.Array" || aws.ToString(team.StringValue) != `["pay","ship"]` {
		t.Errorf("team is %s %s", aws.ToString(team.DataType), aws.ToString(team.StringValue))
	}
}

// TestTagsWithoutEndStillFit: the longest values that AWS takes, by every tag that a configuration may name, of more secrets than one message can name.
func TestTagsWithoutEndStillFit(t *testing.T) {
	const n = 600
	o := many(n)
	keys := []string{"a", "b", "c", "d", "e"}
	for i := range o.Secrets {
		tags := map[string]string{}
		for _, k := range keys {
			tags[k] = strings.Repeat("ü", 250) + fmt.Sprintf("%06d", i)
		}
		o.Secrets[i].Tags = tags
	}
	for name, l := range map[string]ledger.Ledger{"with a ledger": newLedger(t), "without": nil} {
		w := newWays()
		w.Tags = keys
		o.News = nil
		newsOf(&o, ledger.New, &w.Teller, nil)
		if _, err := w.Tell(t.Context(), l, &o, ""); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, m := range w.topic.messages {
			if size := sizeOfMessage(m); size > maxMessage {
				t.Errorf("%s: message %d has %d bytes", name, i, size)
			}
			for _, s := range w.alert(t, i).Secrets {
				if !strings.Contains(aws.ToString(m.MessageAttributes["e"].StringValue), s.Tags["e"]) {
					t.Fatalf("%s: message %d holds %s without its value", name, i, s.Name)
				}
				seen[s.Name] = true
			}
		}
		if len(seen) != n {
			t.Errorf("%s: %d of %d secrets are told", name, len(seen), n)
		}
	}
}

// sizeOfMessage counts as SNS does: the text and the attributes, names and types included.
func sizeOfMessage(m *sns.PublishInput) int {
	size := len(*m.Message)
	for name, value := range m.MessageAttributes {
		size += len(name) + len(*value.DataType) + len(*value.StringValue)
	}
	return size
}

// TestAPublishThatFailsIsTriedAgain lets a server refuse the first attempts, as SNS does when it is throttled or fails.
func TestAPublishThatFailsIsTriedAgain(t *testing.T) {
	attempts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		attempts++
		if attempts < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`<PublishResponse><PublishResult><MessageId>m-7</MessageId></PublishResult></PublishResponse>`))
	}))
	defer server.Close()
	cfg := aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: aws.AnonymousCredentials{}, Retryer: func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.Backoff = retry.NewExponentialJitterBackoff(time.Millisecond) })
	}}
	o := outcome(secret("late", drift.Broken, in(time.Hour), finding("f-1", "late", drift.Critical)))
	teller := Teller{Topic: NewTopic(cfg, topicARN)}
	told, err := teller.Tell(t.Context(), nil, &o, "")
	if err != nil || attempts != 3 || !slices.Equal(told.Messages, []string{"m-7"}) {
		t.Errorf("told %v after %d attempts: %v", told.Messages, attempts, err)
	}
}

func TestWhatIsNoMoreIsGone(t *testing.T) {
	broken := outcome(secret("late", drift.Broken, in(9000*time.Hour), finding("f-1", "late", drift.Critical)))
	s := &sweeper{l: newLedger(t), w: newWays()}
	for _, o := range []report.Outcome{broken, outcome()} {
		if _, err := s.tell(t, o); err != nil {
			t.Fatal(err)
		}
	}
	if text := *s.w.topic.messages[1].Message; !strings.Contains(text, "GONE  arn:aws:secretsmanager") || strings.Contains(text, "NOT READ") {
		t.Errorf("of a secret that was deleted is said %s", text)
	}
	if title := readNotification(t, *s.w.chat.messages[1].Message).Content.Title; !strings.Contains(title, "GONE `arn:aws:secretsmanager") {
		t.Errorf("in chats it is %q", title)
	}
}

// TestATargetThatIsNotSweptIsAnItem holds what is said of a fleet's target while it is not known and once it is.
func TestATargetThatIsNotSweptIsAnItem(t *testing.T) {
	target := report.Target{Account: "222222222222", Name: "pay", Region: region, Status: report.TargetFailed, Cause: "AccessDenied: no"}
	f := report.NewUnswept(&target)
	worst := drift.Broken
	known := report.Target{Account: "222222222222", Name: "pay", Region: region, Status: report.TargetSwept, Verdict: &worst}
	for _, tt := range []struct {
		kind   ledger.TransitionKind
		target report.Target
		want   drift.Verdict
		said   string
	}{
		{ledger.New, target, drift.Unknown, "UNKNOWN  target pay  (222222222222 eu-west-1)"}, {ledger.Resolved, known, drift.Broken, "BROKEN  target pay  (222222222222 eu-west-1)"},
	} {
		w := newWays()
		o := report.Outcome{At: now, Mode: repair.ModeReport, Targets: []report.Target{tt.target}}
		o.News = []ledger.Transition{{Kind: tt.kind, Channel: w.Channels()[0], Record: ledger.FindingRecord{Finding: *f, FirstSeen: now, LastSeen: now}}}
		if _, err := w.Tell(t.Context(), newLedger(t), &o, ""); err != nil {
			t.Fatal(err)
		}
		a := w.alert(t, 0)
		if len(a.Others) != 1 || a.Others[0].Account != target.Account || *a.Verdict != tt.want || !strings.Contains(*w.topic.messages[0].Message, tt.said) {
			t.Errorf("%s: %s", tt.kind, *w.topic.messages[0].Message)
		}
		text, _ := json.Marshal(a)
		valid(t, compile(t, JSONSchema), string(text))
	}
}

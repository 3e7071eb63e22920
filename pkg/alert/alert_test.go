package alert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// situation is what is told in one place of the documentation and of this test.
type situation struct {
	outcome report.Outcome
	kind    ledger.TransitionKind // "" without a ledger
	change  func(*ledger.FindingRecord)
}

func situations() map[string]situation {
	broken := func() report.Outcome {
		late, open := finding("f-1", "late", drift.Critical), finding("f-2", "open", drift.High)
		open.Explanation, open.Fix.By = "Anybody may invoke the function", drift.ByEnforce
		shared := finding("f-3", "late", drift.Medium)
		shared.Secret, shared.Explanation, shared.Fix = "", "the function may read every secret", nil
		other := secret("other", drift.Drifted, in(90*time.Hour), shared)
		other.FunctionARN = functionARN("late")
		return outcome(
			secret("open", drift.Drifted, in(5*time.Hour), open), secret("late", drift.Broken, in(52*time.Hour+30*time.Minute), late, shared), other,
			secret("gone", drift.Orphaned, nil), secret("past", drift.Broken, in(-72*time.Hour), finding("f-4", "past", drift.Critical)),
			secret("dark", drift.Unknown, in(20*24*time.Hour)), secret("app", drift.InSync, in(30*time.Minute)),
		)
	}
	mended := broken()
	for i := range mended.Secrets {
		if mended.Secrets[i].Name == "late" {
			works := true
			mended.Secrets[i].Verdict, mended.Secrets[i].RotationCanWork, mended.Secrets[i].Reason = drift.InSync, &works, "every request that rotation needs is allowed"
		}
	}
	mended.Mode = repair.ModeRepair
	mended.Changes = []repair.Change{{ID: "change-1", Call: repair.PutRolePolicy, Status: repair.Done, Subject: roleARN("late"), Name: "rotationguard-eu-west-1-rotate-late"}}
	operators := broken()
	operators.Secrets = operators.Secrets[:0]
	operators.Operators = []report.Operator{{Principal: roleARN("dba"), May: rotation.Trigger, Verdict: drift.Drifted, Reason: "may also read secrets", Findings: []*drift.Finding{{
		ID: "f-op", Rule: "operator-excess", Kind: drift.KindOperator, Direction: "excess", Severity: drift.High, Subject: roleARN("dba"), Explanation: "The role may read every secret",
	}}}}
	resolved := func(by string) func(*ledger.FindingRecord) {
		return func(r *ledger.FindingRecord) { r.Resolved, r.ResolvedBy = in(0), by }
	}
	told := func(severity drift.Severity) func(*ledger.FindingRecord) {
		return func(r *ledger.FindingRecord) {
			r.Told = map[ledger.Channel]ledger.Told{}
			for _, c := range newWays().Channels() {
				r.Told[c] = ledger.Told{At: now, Severity: severity}
			}
		}
	}
	reopened := func(r *ledger.FindingRecord) { r.Reopened, r.ReopenedAt = 3, in(0) }
	return map[string]situation{
		"drift": {broken(), "", nil}, "drift-hostile": {hostile(), "", nil}, "drift-operator": {operators, "", nil},
		"new": {broken(), ledger.New, nil}, "worse": {broken(), ledger.Worse, told(drift.Low)}, "reopened": {broken(), ledger.Reopened, reopened}, "flapping": {broken(), ledger.Flaps, reopened},
		"resolved-by-us": {mended, ledger.Resolved, resolved("run r-1: iam:PutRolePolicy rotationguard-eu-west-1-rotate-late")}, "resolved-by-others": {mended, ledger.Resolved, resolved("")},
		"exempted": {broken(), ledger.Exempted, func(r *ledger.FindingRecord) { r.Finding.Exempt = "exempt: moves out in May (ana)" }}, "exempt-expired": {broken(), ledger.Unexempted, nil},
		"reminder": {broken(), ledger.Reminder, nil}, "hostile": {hostile(), ledger.New, nil}, "hostile-resolved": {hostile(), ledger.Resolved, resolved(nasty)},
	}
}

// TestWhatIsTold holds every form of every situation to its schema and to its golden file.
func TestWhatIsTold(t *testing.T) {
	alerts, events, chats := compile(t, JSONSchema), compile(t, EventJSONSchema), compile(t, ChatJSONSchema)
	for name, s := range situations() {
		t.Run(name, func(t *testing.T) {
			w := newWays()
			w.Tags = []string{"team", "none"}
			var l ledger.Ledger
			if s.kind != "" {
				l = newLedger(t)
				newsOf(&s.outcome, s.kind, &w.Teller, s.change)
			}
			if _, err := w.Tell(t.Context(), l, &s.outcome, "s3://reports/r.json"); err != nil {
				t.Fatal(err)
			}
			if len(w.topic.messages) != 1 || len(w.chat.messages) == 0 || len(w.bus.put) == 0 {
				t.Fatalf("%d messages, %d in chats, %d events", len(w.topic.messages), len(w.chat.messages), len(w.bus.put))
			}
			in := w.topic.messages[0]
			var parts struct{ Default, Email, SMS string }
			if err := json.Unmarshal([]byte(*in.Message), &parts); err != nil {
				t.Fatal(err)
			}
			valid(t, alerts, parts.Default)
			inertText(t, "the email", parts.Email)
			inertText(t, "the JSON", parts.Default)
			inertText(t, "the SMS", parts.SMS)
			if len(*in.Subject) >= 100 || strings.ContainsFunc(*in.Subject, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
				t.Errorf("subject %q", *in.Subject)
			}
			if len(in.MessageAttributes) > 10 || aws.ToString(in.MessageStructure) != "json" {
				t.Errorf("%d attributes, structure %q", len(in.MessageAttributes), aws.ToString(in.MessageStructure))
			}
			var text strings.Builder
			fmt.Fprintf(&text, "%s\n\n%s\n", *in.Subject, parts.Email)
			for _, m := range w.chat.messages {
				valid(t, chats, *m.Message)
				inertText(t, "the chat", *m.Message)
				if strings.ContainsAny(*m.Message, "<>[]") && strings.ContainsAny(chatText(t, *m.Message), "<>[]|") {
					t.Errorf("a chat could read markup in %s", *m.Message)
				}
				fmt.Fprintf(&text, "--- chat\n%s\n", chatText(t, *m.Message))
			}
			for _, e := range w.bus.put {
				valid(t, events, *e.Detail)
				inertText(t, "the event", *e.Detail)
				fmt.Fprintf(&text, "--- event %s of %s\n", *e.DetailType, *e.Source)
			}
			for _, f := range w.hub.findings {
				fmt.Fprintf(&text, "--- finding %s %s %s\n", *f.Id, f.RecordState, f.Compliance.Status)
				if f.Workflow != nil || f.Severity != nil || f.Types != nil {
					t.Error("what the customer sets is imported")
				}
			}
			golden(t, name+".txt", []byte(text.String()))
		})
	}
}

func inertText(t *testing.T, what, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%s holds %U", what, r)
		}
	}
}

// chatText is what a channel shows.
func chatText(t *testing.T, message string) string {
	t.Helper()
	n := readNotification(t, message)
	return strings.Join(append([]string{"thread " + n.Metadata.ThreadID, n.Content.Title, n.Content.Description}, n.Content.NextSteps...), "\n")
}

func readNotification(t *testing.T, message string) notification {
	t.Helper()
	var n notification
	if err := json.Unmarshal([]byte(message), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNothingIsToldWhereNothingIsNew(t *testing.T) {
	synced := outcome(secret("app", drift.InSync, in(time.Hour)))
	broken := outcome(secret("late", drift.Broken, in(time.Hour), finding("f-1", "late", drift.Critical)))
	for name, s := range map[string]struct {
		o report.Outcome
		l ledger.Ledger
	}{"in sync without a ledger": {synced, nil}, "standing drift with a ledger": {broken, newLedger(t)}} {
		w := newWays()
		told, err := w.Tell(t.Context(), s.l, &s.o, "")
		if err != nil || len(w.topic.messages)+len(w.chat.messages)+len(w.bus.put)+len(w.hub.findings) > 0 || len(told.Messages)+told.Chats+told.Events+told.Findings > 0 {
			t.Errorf("%s: told %+v, %v", name, told, err)
		}
	}
}

// many is an outcome with n broken secrets, each of its own team.
func many(n int) report.Outcome {
	var all []report.Secret
	for i := range n {
		name := fmt.Sprintf("db-%05d", i)
		s := secret(name, drift.Broken, in(time.Duration(n-i)*time.Hour), finding("f-"+name, name, drift.Critical))
		s.Tags = map[string]string{"team": fmt.Sprintf("team-%05d", i)}
		all = append(all, s)
	}
	return outcome(all...)
}

func TestAFirstSweepIsOneDigest(t *testing.T) {
	o := many(500)
	w := newWays()
	newsOf(&o, ledger.New, &w.Teller, nil)
	told, err := w.Tell(t.Context(), newLedger(t), &o, "s3://reports/r.json")
	if err != nil || len(told.Messages) != 1 || told.Chats != 1 || told.Events != 500 || told.Findings != 500 {
		t.Fatalf("told %d messages, %d chats, %d events, %d findings: %v", len(told.Messages), told.Chats, told.Events, told.Findings, err)
	}
	if w.bus.calls != 50 || w.hub.calls != 5 {
		t.Errorf("%d calls to the bus, %d to the hub", w.bus.calls, w.hub.calls)
	}
	a := w.alert(t, 0)
	if a.Secrets[0].Name != "db-00499" || len(a.Secrets)+a.Omitted < 500 || a.Omitted == 0 {
		t.Errorf("%d secrets from %s on, %d omitted", len(a.Secrets), a.Secrets[0].Name, a.Omitted)
	}
}

// alert is the message for programs.
func (w *ways) alert(t *testing.T, i int) Alert {
	t.Helper()
	var parts struct{ Default string }
	var a Alert
	if err := json.Unmarshal([]byte(*w.topic.messages[i].Message), &parts); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(parts.Default), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhatIsTooLongIsNumberedAndNothingIsLost(t *testing.T) {
	o := many(2000)
	w := newWays()
	w.Tags = []string{"team"}
	told, err := w.Tell(t.Context(), nil, &o, "")
	if err != nil || len(told.Messages) < 3 {
		t.Fatalf("%d messages: %v", len(told.Messages), err)
	}
	schema, seen := compile(t, JSONSchema), map[string]bool{}
	for i, m := range w.topic.messages {
		if size := sizeOfMessage(m); size > maxMessage {
			t.Errorf("message %d has %d bytes", i, size)
		}
		a := w.alert(t, i)
		if a.Part != i+1 || a.Parts != len(told.Messages) || a.Omitted > 0 || !strings.HasPrefix(*m.Subject, fmt.Sprintf("(%d/%d) ", a.Part, a.Parts)) {
			t.Errorf("message %d is part %d of %d, %d omitted, %q", i, a.Part, a.Parts, a.Omitted, *m.Subject)
		}
		text, _ := json.Marshal(a)
		valid(t, schema, string(text))
		for _, s := range a.Secrets {
			seen[s.Name] = true
		}
	}
	if len(seen) != 2000 {
		t.Errorf("%d of 2000 secrets are told", len(seen))
	}
}

func TestOneThingThatIsTooLongSaysWhatItLeavesOut(t *testing.T) {
	var findings []*drift.Finding
	for i := range 2000 {
		findings = append(findings, finding(fmt.Sprintf("f-%d", i), "late", drift.Critical))
	}
	huge := secret("late", drift.Broken, in(time.Hour), findings...)
	endless := secret("endless", drift.Broken, in(2*time.Hour))
	endless.Reason = strings.Repeat("x", 300_000)
	o := outcome(huge, endless)
	w := newWays()
	if _, err := w.Tell(t.Context(), nil, &o, ""); err != nil {
		t.Fatal(err)
	}
	said := 0
	for i := range w.topic.messages {
		if n := len(*w.topic.messages[i].Message); n > maxMessage {
			t.Errorf("a message of %d bytes", n)
		}
		for _, s := range w.alert(t, i).Secrets {
			if s.Name == "late" && len(s.Findings)+s.OmittedFindings != 2000 {
				t.Errorf("%d findings, %d omitted", len(s.Findings), s.OmittedFindings)
			}
			said++
		}
	}
	if said != 2 {
		t.Errorf("%d of 2 secrets", said)
	}
	if n := len(*w.bus.put[0].Detail); n > 256<<10 {
		t.Errorf("an event of %d bytes", n)
	}
}

func TestAnEventThatIsTooLongSaysSo(t *testing.T) {
	f := finding("f-1", "late", drift.Critical)
	f.Explanation = strings.Repeat("x", 300_000)
	o := outcome(secret("late", drift.Broken, in(time.Hour), f))
	w := newWays()
	newsOf(&o, ledger.New, &w.Teller, nil)
	if _, err := w.Tell(t.Context(), newLedger(t), &o, ""); err != nil {
		t.Fatal(err)
	}
	var d detail
	if err := json.Unmarshal([]byte(*w.bus.put[0].Detail), &d); err != nil || !d.Shortened || d.Finding.ID != "f-1" {
		t.Errorf("%v: %+v", err, d)
	}
	valid(t, compile(t, EventJSONSchema), *w.bus.put[0].Detail)
}

func TestAlertsAreRoutedByTags(t *testing.T) {
	o := outcome(secret("a", drift.Broken, in(time.Hour), finding("f-1", "a", drift.Critical)), secret("b", drift.Drifted, in(time.Hour), finding("f-2", "b", drift.High)), secret("c", drift.Broken, in(time.Hour), finding("f-3", "c", drift.Critical)))
	o.Secrets[0].Tags, o.Secrets[1].Tags, o.Secrets[2].Tags = map[string]string{"team": "pay", "cost center": "7"}, map[string]string{"team": "ship"}, nil
	w := newWays()
	w.Tags = []string{"team", "cost center"}
	newsOf(&o, ledger.New, &w.Teller, nil)
	if _, err := w.Tell(t.Context(), newLedger(t), &o, ""); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, m := range w.topic.messages {
		line := w.alert(t, i).Secrets[0].Name
		for _, name := range []string{"event", "verdict", "severity", "account", "region", "team", "cost_center"} {
			if v, ok := m.MessageAttributes[name]; ok {
				line += " " + aws.ToString(v.StringValue)
			} else {
				line += " -"
			}
		}
		got = append(got, line)
	}
	slices.Sort(got)
	want := []string{"a new broken critical 111122223333 eu-west-1 pay 7", "b new drifted high 111122223333 eu-west-1 ship -", "c new broken critical 111122223333 eu-west-1 - -"}
	if !slices.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
}

func TestManyTeamsAreOneMessageThatEachOfThemGets(t *testing.T) {
	o := many(30)
	w := newWays()
	w.Tags = []string{"team"}
	newsOf(&o, ledger.New, &w.Teller, nil)
	if _, err := w.Tell(t.Context(), newLedger(t), &o, ""); err != nil {
		t.Fatal(err)
	}
	team := w.topic.messages[0].MessageAttributes["team"]
	var values []string
	if err := json.Unmarshal([]byte(*team.StringValue), &values); err != nil || len(w.topic.messages) != 1 || *team.DataType != "String.Array" || len(values) != 30 {
		t.Errorf("%d messages, attribute %s %s: %v", len(w.topic.messages), *team.DataType, *team.StringValue, err)
	}
}

func TestAFIFOTopicGetsGroupAndDeduplicationID(t *testing.T) {
	o := outcome(secret("late", drift.Broken, in(time.Hour), finding("f-1", "late", drift.Critical)))
	ids := map[string]bool{}
	for range 2 {
		w := newWays()
		w.Topic.ARN = topicARN + ".fifo"
		if _, err := w.Tell(t.Context(), nil, &o, ""); err != nil {
			t.Fatal(err)
		}
		m := w.topic.messages[0]
		if aws.ToString(m.MessageGroupId) != accountID+"-"+region || len(aws.ToString(m.MessageDeduplicationId)) != 64 {
			t.Errorf("group %q, deduplication %q", aws.ToString(m.MessageGroupId), aws.ToString(m.MessageDeduplicationId))
		}
		ids[*m.MessageDeduplicationId] = true
		if plain := w.chat.messages[0]; plain.MessageGroupId != nil || plain.MessageDeduplicationId != nil {
			t.Error("a standard topic gets a group")
		}
	}
	if len(ids) != 1 {
		t.Error("the same message twice has two deduplication ids")
	}
}

func TestATopicOfAFleetWithFailedTargetsIsTold(t *testing.T) {
	o := report.Outcome{At: now, Mode: repair.ModeReport, Targets: []report.Target{
		{Account: "222222222222", Name: "pay", Region: "eu-west-1", Status: report.TargetFailed, Cause: "AccessDenied: not allowed"}, {Account: "333333333333", Region: "eu-west-1", Status: report.TargetSwept},
	}}
	w := newWays()
	if _, err := w.Tell(t.Context(), nil, &o, "s3://reports/fleet.json"); err != nil || len(w.topic.messages) != 1 {
		t.Fatalf("%d messages: %v", len(w.topic.messages), err)
	}
	m := w.topic.messages[0]
	if *m.Subject != "rotationguard: 1 target not swept in 2 targets in 2 accounts" || !strings.Contains(*m.Message, "222222222222 pay eu-west-1: failed: AccessDenied") {
		t.Errorf("%q: %s", *m.Subject, *m.Message)
	}
	if a := w.alert(t, 0); len(a.Targets) != 1 || *a.Verdict != drift.Unknown {
		t.Errorf("alert %+v", a)
	}
}

func TestAccountTextInAChatActsOnNothingBesideIt(t *testing.T) {
	for text, want := range map[string]string{
		"prod/db": "`prod/db`", "": "", "\u202e\u200b": "", "a`b": "`a'b`", "<!channel> [x](http://e)": "`‹!channel› (x)(http://e)`", "two\nlines": "`two lines`",
		"\u202egnp.exe": "`gnp.exe`", "מפתח/1": "`\u2068מפתח/1\u2069`", "\u2069مفتاح": "`\u2068مفتاح\u2069`",
	} {
		if got := code(text); got != want {
			t.Errorf("code(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestATextThatIsCutLeavesNothingOpen(t *testing.T) {
	text := "see " + code("מפתח מפתח מפתח")
	for limit := 8; limit < len([]rune(text)); limit++ {
		got := clip(text, limit)
		if len([]rune(got)) > limit || strings.Count(got, "`")%2 != 0 || strings.Count(got, isolate) != strings.Count(got, isolated) {
			t.Errorf("clip(%q, %d) = %q", text, limit, got)
		}
	}
}

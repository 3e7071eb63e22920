package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// within is the time that an invocation has in these tests; it is more than a sweep of the demo's account takes.
const within = 2 * time.Minute

func (o outcome) want(t *testing.T, mode repair.Mode, verdicts map[account.Verdict]int) {
	t.Helper()
	if o.failed {
		t.Fatalf("failed with %s: %s", o.kind, o.message)
	}
	if o.answer.Mode != mode || o.answer.Account != account.ID || o.answer.Region != account.Region {
		t.Errorf("mode %s, account %s, Region %s", o.answer.Mode, o.answer.Account, o.answer.Region)
	}
	for v, n := range o.answer.Summary.ByVerdict {
		if want := verdicts[account.Verdict(v)]; n != want {
			t.Errorf("%d secrets are %s, want %d", n, v, want)
		}
	}
}

func (o outcome) wantError(t *testing.T, kind, text string) {
	t.Helper()
	if !o.failed || o.kind != kind || !strings.Contains(o.message, text) || strings.Contains(o.message, "\n") {
		t.Errorf("got %s, want one line of type %s with %q", o.raw, kind, text)
	}
}

func sample(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantTold holds a message to what a program needs to read in it.
func (a *demoAccount) wantTold(t *testing.T, o outcome) {
	t.Helper()
	m := a.all.one(t)
	if o.answer.Message == nil || m.MessageID != *o.answer.Message {
		t.Errorf("the answer names message %v, the queue has %s", o.answer.Message, m.MessageID)
	}
	by := o.answer.Summary.ByVerdict
	if want := fmt.Sprintf("rotationguard: %d broken", by[drift.Broken]); !strings.HasPrefix(m.Subject, want) {
		t.Errorf("subject %q, want %q", m.Subject, want)
	}
	for name, value := range map[string]string{
		"verdict": string(drift.Broken), "severity": string(drift.Critical), "account": account.ID, "region": account.Region,
	} {
		if got := m.MessageAttributes[name]; got.Value != value || got.Type != "String" {
			t.Errorf("attribute %s = %+v, want %q", name, got, value)
		}
	}
	var told alert.Alert
	if err := json.Unmarshal([]byte(m.Message), &told); err != nil {
		t.Fatalf("the message for programs: %v: %s", err, m.Message)
	}
	if want := by[drift.Broken] + by[drift.Orphaned] + by[drift.Unknown] + by[drift.Drifted]; len(told.Secrets) != want {
		t.Errorf("%d secrets are told of, want %d", len(told.Secrets), want)
	}
	if told.Account != account.ID || told.Region != account.Region || told.Mode != o.answer.Mode || *told.Verdict != drift.Broken {
		t.Errorf("alert %+v", told)
	}
	if got := a.broken.one(t); got.MessageID != m.MessageID {
		t.Errorf("the subscription to broken secrets got %s, want %s", got.MessageID, m.MessageID)
	}
	if messages := a.healthy.drain(t); len(messages) > 0 {
		t.Errorf("the subscription to healthy secrets got %+v", messages)
	}
}

// wantNews holds that there is one message of each event and no other, and that the answer names the first.
func (a *demoAccount) wantNews(t *testing.T, o outcome, events ...alert.Event) {
	t.Helper()
	messages := a.all.drain(t)
	a.broken.drain(t)
	a.healthy.drain(t)
	var got []alert.Event
	for _, m := range messages {
		got = append(got, alert.Event(m.MessageAttributes["event"].Value))
	}
	slices.Sort(got)
	if !slices.Equal(got, events) {
		t.Errorf("told %v, want %v", got, events)
	}
	if (o.answer.Message != nil) != (len(events) > 0) {
		t.Errorf("the answer names message %v", o.answer.Message)
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	a := newDemoAccount(t)
	t.Run("mode report", func(t *testing.T) {
		bootstrap(t)
		f := deploy(t, demoConfig(t, "report"), a.environ()...)
		t.Run("a schedule's event sweeps everything and tells once", func(t *testing.T) {
			o := f.invoke(t, sample(t, "event-schedule.json"), within)
			o.want(t, repair.ModeReport, count(beforeRepair))
			a.wantTold(t, o)
		})
		t.Run("a secret by name sweeps its function alone", func(t *testing.T) {
			o := f.invoke(t, `{"mode":"report","secrets":["prod/sessions/db"]}`, within)
			o.want(t, repair.ModeReport, map[account.Verdict]int{account.Broken: 1})
			a.wantTold(t, o)
		})
		t.Run("tags pick secrets", func(t *testing.T) {
			o := f.invoke(t, `{"tags":{"rotation":"legacy"}}`, within)
			o.want(t, repair.ModeReport, map[account.Verdict]int{account.Skipped: 1})
		})
		t.Run("nobody is told of secrets in sync", func(t *testing.T) {
			o := f.invoke(t, `{"secrets":["prod/orders/db"]}`, within)
			o.want(t, repair.ModeReport, map[account.Verdict]int{account.InSync: 1})
			if messages := a.all.drain(t); len(messages) > 0 || o.answer.Message != nil {
				t.Errorf("told %+v", messages)
			}
		})
	})
	t.Run("on ministack", func(t *testing.T) {
		f := deployOnMinistack(t, demoConfig(t, "report"), map[string]string{
			"AWS_ENDPOINT_URL": a.url, "AWS_REGION": account.Region, envTopic: a.topic,
		})
		o := f.invoke(t, "{}")
		o.want(t, repair.ModeReport, count(beforeRepair))
		a.wantTold(t, o)
		f.invoke(t, `{"mode":"repair"}`).wantError(t, badEvent, "mode repair is more than the deployed mode report")
	})
	if t.Failed() {
		return
	}
	t.Run("mode repair", func(t *testing.T) {
		table := a.addTable(t)
		settling := strings.Replace(demoConfig(t, "repair"), "settle: 0s", "settle: 1s", 1)
		environ := a.environ(envWriter+"="+a.addWriter(t), envTable+"="+table)
		f := deploy(t, settling, environ...)
		t.Run("an event may ask for less", func(t *testing.T) {
			o := f.invoke(t, `{"mode":"report","secrets":["prod/sessions/db"]}`, within)
			o.want(t, repair.ModeReport, map[account.Verdict]int{account.Broken: 1})
			a.wantNews(t, o, alert.New)
		})
		t.Run("a role is granted nothing before its secrets have settled", func(t *testing.T) {
			o := f.invoke(t, sample(t, "event-everything.json"), within)
			if o.failed || o.answer.Changes[repair.Done] == 0 || o.answer.Changes[repair.Waiting] == 0 || o.answer.Changes[repair.Failed] > 0 {
				t.Fatalf("answer %s", o.raw)
			}
			a.wantNews(t, o, alert.New, alert.ResolvedByUs)
		})
		f = deploy(t, settling, environ...) // another execution environment: only the table remembers
		t.Run("what repair can mend is mended and told, and what is left is not told again", func(t *testing.T) {
			o := f.invoke(t, "{}", within)
			o.want(t, repair.ModeRepair, count(afterRepair))
			if o.answer.Changes[repair.Done] == 0 || o.answer.Changes[repair.Waiting] > 0 || o.answer.Changes[repair.Failed] > 0 {
				t.Errorf("changes %v", o.answer.Changes)
			}
			a.wantNews(t, o, alert.ResolvedByUs)
		})
		t.Run("a second repair changes nothing and tells nothing", func(t *testing.T) {
			o := f.invoke(t, "{}", within)
			o.want(t, repair.ModeRepair, count(afterRepair))
			if o.answer.Changes[repair.Done] > 0 {
				t.Errorf("changes %v", o.answer.Changes)
			}
			a.wantNews(t, o)
		})
		l := a.remembered(t, table)
		runs, err := l.Runs(t.Context(), 0)
		if err != nil || len(runs) != 4 {
			t.Fatalf("%d runs are remembered (%v), want 4", len(runs), err)
		}
		wrote := 0
		for _, run := range runs {
			entries, err := l.Entries(t.Context(), run.ID)
			if err != nil || !strings.Contains(run.Caller, account.ID) {
				t.Errorf("run %+v: %v", run, err)
			}
			if len(entries) > 0 {
				wrote++
			}
		}
		if wrote != 2 {
			t.Errorf("%d runs have written, want 2", wrote)
		}
	})
}

func TestReportMakesNoWriteCall(t *testing.T) {
	t.Parallel()
	a := newAccountInMemory(t)
	topic := a.AddTopic("rotationguard")
	f := deploy(t, demoConfig(t, "report"), append(a.Environ(), envTopic+"="+topic, envWriter+"=arn:aws:iam::123456789012:role/writer")...)
	o := f.invoke(t, "{}", within)
	if o.failed {
		t.Fatalf("failed with %s: %s", o.kind, o.message)
	}
	for _, c := range a.Writes() {
		if c.Name() != "sns:Publish" {
			t.Errorf("wrote %s %s", c.Name(), c.Resource)
		}
	}
	for name := range a.CallCounts() {
		if strings.Contains(name, "SecretValue") || name == "sts:AssumeRole" {
			t.Errorf("called %s", name)
		}
	}
	messages := a.Messages()
	if len(messages) != 1 {
		t.Fatalf("%d messages, want one", len(messages))
	}
	m := messages[0]
	var forms struct{ Default, Email string }
	if err := json.Unmarshal([]byte(m.Body), &forms); err != nil || m.Structure != "json" || !json.Valid([]byte(forms.Default)) {
		t.Errorf("structure %q, message %s: %v", m.Structure, m.Body, err)
	}
	for _, line := range []string{
		"Account 123456789012, eu-central-1, mode report", "BROKEN  prod/sessions/db", "next rotation: ", "  the next rotation fails: ", "  fix: ",
	} {
		if !strings.Contains(forms.Email, line) {
			t.Errorf("the email does not say %q:\n%s", line, forms.Email)
		}
	}
	if strings.HasPrefix(forms.Email, "{") || m.Attributes["verdict"] != string(drift.Broken) {
		t.Errorf("email %q with attributes %v", forms.Email, m.Attributes)
	}
}

func TestRepairWritesWithTheWriterAlone(t *testing.T) {
	t.Parallel()
	a := newAccountInMemory(t)
	elsewhere := a.In("eu-west-1") // a topic may be another Region's
	topic := elsewhere.AddTopic("rotationguard")
	writer := a.AddRole(writerRole)
	f := deploy(t, demoConfig(t, "repair"), append(a.Environ(), envTopic+"="+topic, envWriter+"="+writer)...)
	o := f.invoke(t, "{}", within)
	if o.failed || o.answer.Changes[repair.Done] == 0 || len(elsewhere.Messages()) != 1 {
		t.Fatalf("%d messages, answer %s", len(elsewhere.Messages()), o.raw)
	}
	writes := 0
	for _, c := range a.Writes() {
		if c.Name() == "sns:Publish" {
			continue
		}
		writes++
		if !strings.Contains(c.Caller, "assumed-role/rotationguard-writer/") || len(c.SessionPolicy) != 1 || !strings.Contains(c.SessionPolicy[0], c.Name()) {
			t.Errorf("%s on %s by %s with the session policies %v", c.Name(), c.Resource, c.Caller, c.SessionPolicy)
		}
	}
	if writes < o.answer.Changes[repair.Done] {
		t.Errorf("%d writes for %d changes", writes, o.answer.Changes[repair.Done])
	}
	log := f.log.String()
	for _, c := range []string{`"status":"done"`, `"before":`, `"undo":`} {
		if !strings.Contains(log, c) {
			t.Errorf("no line of the log has %s", c)
		}
	}
}

// TestSettlingNeverEndsWithoutALastingLedger: a role is granted nothing on the word of a run that remembers nothing.
func TestSettlingNeverEndsWithoutALastingLedger(t *testing.T) {
	t.Parallel()
	a := newAccountInMemory(t)
	writer := a.AddRole(writerRole)
	settling := strings.Replace(demoConfig(t, "repair"), "settle: 0s", "settle: 1s", 1)
	f := deploy(t, settling, append(a.Environ(), envWriter+"="+writer)...)
	for range 2 {
		o := f.invoke(t, "{}", within)
		if o.failed || o.answer.Changes[repair.Waiting] == 0 || !strings.Contains(strings.Join(o.answer.Notes, " "), "No ledger outlives this run") {
			t.Errorf("answer %s", o.raw)
		}
		time.Sleep(time.Second)
	}
	for _, c := range a.Writes() {
		if c.Service == "iam" {
			t.Errorf("wrote %s to %s", c.Name(), c.Resource)
		}
	}
}

// writerRole is what changes are written with.
var writerRole = awstest.Role{
	Name:  "rotationguard-writer",
	Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account.ID + `"},"Action":"sts:AssumeRole"}]}`,
}

func newAccountInMemory(t *testing.T) *awstest.Account {
	t.Helper()
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region})
	if err := account.Fill(a, time.Now()); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOutOfTimeIsSaidBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	a := newAccountInMemory(t)
	topic := a.AddTopic("rotationguard")
	a.Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Count: -1}, awstest.Fault{Hang: true})
	f := deploy(t, demoConfig(t, "report"), append(a.Environ(), envTopic+"="+topic)...)
	f.invoke(t, "{}", 6*time.Second).wantError(t, outOfTime, "secrets of")
	a.Heal()
	if o := f.invoke(t, "{}", within); o.failed {
		t.Errorf("the next event failed with %s: %s", o.kind, o.message)
	}
}

func TestFunctionsOfOtherAccountsAreReadWithTheMemberRole(t *testing.T) {
	t.Parallel()
	const other = "999999999999"
	a := newAccountInMemory(t)
	peer := a.Peer(other)
	peer.AddRole(awstest.Role{Name: "rotationguard", Path: "/audit/", Trust: writerRole.Trust})
	peer.AddFunction(awstest.Function{Name: "theirs", FunctionConfig: awstest.FunctionConfig{Role: peer.AddRole(awstest.Role{Name: "r"})}})
	yes := true
	a.AddSecret(awstest.Secret{
		ARN: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:elsewhere-AbCdEf", RotationEnabled: &yes,
		RotationLambdaARN: "arn:aws:lambda:eu-central-1:" + other + ":function:theirs",
	})
	for config, want := range map[string]drift.Verdict{"member: {role: audit/rotationguard}\n": drift.Broken, "mode: report\n": drift.Unknown} {
		o := deploy(t, config, a.Environ()...).invoke(t, `{"secrets":["elsewhere"]}`, within)
		if o.failed || o.answer.Summary.ByVerdict[want] != 1 {
			t.Errorf("with %s the secret is not %s: %s", config, want, o.raw)
		}
	}
}

func TestWhatWasWrittenIsSaidWhenTimeIsOver(t *testing.T) {
	t.Parallel()
	a := newAccountInMemory(t)
	topic := a.AddTopic("rotationguard")
	writer := a.AddRole(writerRole)
	a.Fail(awstest.Match{Service: "iam", Operation: "PutRolePolicy", Nth: 3, Count: -1}, awstest.Fault{Hang: true})
	f := deploy(t, demoConfig(t, "repair"), append(a.Environ(), envTopic+"="+topic, envWriter+"="+writer)...)
	o := f.invoke(t, "{}", 15*time.Second)
	o.wantError(t, outOfTime, "changes made")
	if strings.Contains(o.message, " 0 of ") || len(a.Messages()) != 1 {
		t.Errorf("%d messages, failure %s", len(a.Messages()), o.message)
	}
	if log := f.log.String(); strings.Count(log, `"status":"done"`) < 2 {
		t.Error("the log does not name the two changes that were made")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a := newAccountInMemory(t)
	f := deploy(t, demoConfig(t, "report"), a.Environ()...)
	for _, tt := range []struct{ name, event, want string }{
		{"garbage", "mode=repair", "not JSON"},
		{"more than the deployed mode", `{"mode":"repair"}`, "mode repair is more than the deployed mode report"},
		{"an unknown field", `{"modus":"report"}`, `unknown field "modus"`},
		{"an oversized event", `{"secrets":["` + strings.Repeat("x", maxEvent) + `"]}`, "larger than 256 KiB"},
		{"an event of CloudTrail", `{"detail-type":"AWS API Call via CloudTrail","source":"aws.lambda","detail":{}}`, "its detail is no record of CloudTrail"},
		{"an event of another service", `{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{}}`, "is not a schedule's event"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.invoke(t, tt.event, within).wantError(t, badEvent, tt.want)
		})
	}
	if calls := a.Calls(); len(calls) > 0 {
		t.Errorf("a refused event made %d calls, first %s", len(calls), calls[0].Name())
	}
	f.invoke(t, `{"secrets":["no/such/secret"]}`, within).wantError(t, sweepFailed, "no/such/secret")
}

func TestBrokenDeployments(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + silent.Addr().String()
	if err := silent.Close(); err != nil {
		t.Fatal(err)
	}
	inMemory := newAccountInMemory(t)
	reader := []string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + nobody}
	for _, tt := range []struct {
		name, config string
		environ      []string
		kind, want   string
	}{
		{"a config with an unknown field", "mod: report\n", reader, badConfig, "rotationguard.yaml:1"},
		{"a config that is not there", "", append([]string{envConfig + "=gone.yaml"}, reader...), badConfig, "gone.yaml"},
		{"a mode that writes without the writer role", "mode: repair\n", reader, badConfig, envWriter},
		{"an endpoint that refuses", "", reader, sweepFailed, nobody},
		{"no credentials", "", reader[:1], sweepFailed, "credentials"},
		{"a ledger without an answer in a mode that writes", "mode: repair\n", slices.Concat(inMemory.Environ(), []string{envTable + "=t", envWriter + "=arn:aws:iam::123456789012:role/w"}), sweepFailed, "ledger table t"},
		{"a ledger without an answer in mode report", "", append(inMemory.Environ(), envTable+"=t"), sweepFailed, "46 secrets of 35 functions were read"},
		{"a topic that is gone", "", append(inMemory.Environ(), envTopic+"=arn:aws:sns:eu-central-1:123456789012:gone"), untold, "Topic does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			deploy(t, tt.config, tt.environ...).invoke(t, "{}", within).wantError(t, tt.kind, tt.want)
		})
	}
}

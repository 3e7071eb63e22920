package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

// itself takes the function's invocations of itself, and gives all other calls to an account in memory.
type itself struct {
	url    string
	mu     sync.Mutex
	events []string
}

func newItself(t *testing.T, a *awstest.Account) *itself {
	t.Helper()
	i := &itself{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, _ := url.PathUnescape(r.URL.EscapedPath())
		if !strings.HasSuffix(path, "/invocations") {
			a.Handler().ServeHTTP(w, r)
			return
		}
		event, _ := io.ReadAll(r.Body)
		if path != "/2015-03-31/functions/rotationguard-sweep/invocations" || r.Header.Get("X-Amz-Invocation-Type") != "Event" {
			t.Errorf("%s was invoked by %q", path, r.Header.Get("X-Amz-Invocation-Type"))
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.events = append(i.events, string(event))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// next takes the event that the function has sent to itself last, "" if there is none.
func (i *itself) next(t *testing.T) string {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.events) > 1 {
		t.Fatalf("the function invoked itself %d times", len(i.events))
	}
	events := i.events
	i.events = nil
	return strings.Join(events, "")
}

// short is the time of an invocation that is to be cut: half of it is for reading.
const short = 12 * time.Second

// hangAt lets the first call to read this function's policy hang until it is given up. Functions are read at the same time, and given in the
// order of their ARNs.
func hangAt(a *awstest.Account, function string) {
	a.Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Resource: "*:function:" + function + "*"}, awstest.Fault{Hang: true})
}

func (s *stores) report(t *testing.T, where string) report.Outcome {
	t.Helper()
	body, err := archive.Open(t.Context(), s.s3(), where, "json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	o, err := report.Read(body)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestTheFunctionContinuesItself: parts end with the report and the alert of one sweep, which a repetition of an event does not double.
func TestTheFunctionContinuesItself(t *testing.T) {
	t.Parallel()
	s, a := newStores(t), newAccountInMemory(t)
	self := newItself(t, a)
	topic := a.AddTopic("rotationguard")
	writer := a.AddRole(writerRole)
	f := deploy(t, demoConfig(t, "repair"), s.environ(a, envTopic+"="+topic, envWriter+"="+writer, "AWS_ENDPOINT_URL_LAMBDA="+self.url)...)
	hanging := []string{"rotate-hr", "rotate-wallet"} // so far behind that the first part does not read it ahead
	event, parts, events := "{}", 0, []string{}
	var last outcome
	for event != "" {
		time := within
		if parts < len(hanging) {
			hangAt(a, hanging[parts])
			time = short
		}
		if last = f.invoke(t, event, time); last.failed {
			t.Fatalf("part %d failed with %s: %s", parts, last.kind, last.message)
		}
		if parts++; parts > maxParts {
			t.Fatal("there is no end")
		}
		if event = self.next(t); event == "" {
			break
		}
		var said continued
		if err := json.Unmarshal([]byte(last.raw), &said); err != nil || said.Account != account.ID || said.Part != parts || !strings.HasSuffix(said.Report, "/"+account.Region+".json") {
			t.Errorf("part %d answers %s (%v)", parts, last.raw, err)
		}
		if len(a.Writes()) > 0 || len(a.Messages()) > 0 {
			t.Errorf("part %d wrote %d times and told %d times", parts, len(a.Writes()), len(a.Messages()))
		}
		events = append(events, event)
	}
	if parts < 3 || last.answer.Report == nil || len(a.Messages()) == 0 {
		t.Fatalf("%d parts, %d messages, answer %s", parts, len(a.Messages()), last.raw)
	}
	if o := s.report(t, *last.answer.Report); len(o.Errors) > 0 || len(o.Secrets) != last.answer.Summary.Secrets || o.Summary().ByVerdict["in-sync"] == 0 {
		t.Errorf("the report has the errors %v and %d secrets", o.Errors, len(o.Secrets))
	}
	runs, err := s.remembered(t, s.table).Runs(t.Context(), 0)
	if err != nil || len(runs) != 1 || !runs[0].Complete {
		t.Errorf("runs %+v, %v", runs, err)
	}
	writes, messages := len(a.Writes()), len(a.Messages())
	for _, again := range events {
		if o := f.invoke(t, again, within); o.failed || !strings.Contains(o.raw, `"ended":true`) {
			t.Errorf("again: %s", o.raw)
		}
	}
	if len(a.Writes()) != writes || len(a.Messages()) != messages || self.next(t) != "" {
		t.Errorf("an event that was given twice wrote or told again")
	}
}

func TestPoisonContinuations(t *testing.T) {
	t.Parallel()
	s, a := newStores(t), newAccountInMemory(t)
	self := newItself(t, a)
	topic := a.AddTopic("rotationguard")
	f := deploy(t, demoConfig(t, "report"), s.environ(a, envTopic+"="+topic, "AWS_ENDPOINT_URL_LAMBDA="+self.url)...)
	hangAt(a, "rotate-hr")
	if o := f.invoke(t, "{}", short); o.failed {
		t.Fatalf("failed with %s: %s", o.kind, o.message)
	}
	good := self.next(t)
	var in struct{ Continue place }
	if err := json.Unmarshal([]byte(good), &in); err != nil || len(in.Continue.Parts) != 1 {
		t.Fatalf("the function sent itself %s (%v)", good, err)
	}
	sum, run := in.Continue.Parts[0], in.Continue.Run
	for _, tt := range []struct{ name, event, kind, want string }{
		{"of another run", strings.ReplaceAll(good, run, "another"), sweepFailed, "part 1 of run another: The specified key does not exist"},
		{"a part that is another", strings.ReplaceAll(good, sum, strings.Repeat("0", 64)), sweepFailed, "not what the sweep has left there"},
		{"a part that is missing", strings.ReplaceAll(good, `"`+sum+`"`, `"`+sum+`","`+sum+`"`), sweepFailed, "part 2 of run "},
		{"more than the deployed mode", strings.ReplaceAll(good, `"report"`, `"repair"`), badEvent, "mode repair is more than"},
		{"no parts", strings.ReplaceAll(good, `"`+sum+`"`, ""), badEvent, "0 parts"},
		{"too many parts", strings.ReplaceAll(good, `"`+sum+`"`, strings.TrimSuffix(strings.Repeat(`"`+sum+`",`, maxParts+1), ",")), badEvent, "13 parts"},
		{"no SHA-256", strings.ReplaceAll(good, sum, "../../x"), badEvent, "parts[0]"},
		{"a run that leads elsewhere", strings.ReplaceAll(good, run, "../x"), badEvent, "run"},
		{"an unknown field", strings.Replace(good, `{"run"`, `{"target":"x","run"`, 1), badEvent, "no place of a sweep"},
		{"a field beside", strings.Replace(good, `{"continue"`, `{"secrets":["a"],"continue"`, 1), badEvent, "no other field"},
		{"null", `{"continue":null}`, badEvent, "run"},
	} {
		told := len(a.Messages())
		f.invoke(t, tt.event, within).wantError(t, tt.kind, tt.want)
		if want := tt.kind == sweepFailed; (len(a.Messages()) > told) != want {
			t.Errorf("%s: told %d times", tt.name, len(a.Messages())-told)
		}
	}
	key := "continue/" + run + "/" + account.ID + "/" + account.Region + "/1"
	if _, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: strings.NewReader("poison")}); err != nil {
		t.Fatal(err)
	}
	f.invoke(t, good, within).wantError(t, sweepFailed, "not what the sweep has left there")
	if event := self.next(t); event != "" {
		t.Errorf("a poisoned sweep goes on with %s", event)
	}
}

// TestAPartThatReadsNothingEnds: there is no loop where the first call already takes too long.
func TestAPartThatReadsNothingEnds(t *testing.T) {
	t.Parallel()
	s, a := newStores(t), newAccountInMemory(t)
	self := newItself(t, a)
	a.Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Count: -1}, awstest.Fault{Hang: true})
	f := deploy(t, demoConfig(t, "report"), s.environ(a, "AWS_ENDPOINT_URL_LAMBDA="+self.url)...)
	f.invoke(t, `{"secrets":["prod/orders/db"]}`, short/2).wantError(t, outOfTime, "nothing could be read")
	if event := self.next(t); event != "" {
		t.Errorf("the function invoked itself with %s", event)
	}
}

// TestATargetGoesOnInAnotherAttempt: the state machine gives the same event again.
func TestATargetGoesOnInAnotherAttempt(t *testing.T) {
	t.Parallel()
	const other = "300000000001"
	s, a := newStores(t), newAccountInMemory(t)
	self := newItself(t, a)
	peer := a.Peer(other)
	if err := fleet.AddMember(t.Context(), peer.Config(), account.ID); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Seed(t.Context(), peer.In("eu-west-1").Config(), other, 1); err != nil {
		t.Fatal(err)
	}
	f := deploy(t, "member: {role: "+fleet.Member+", external_id: "+fleet.ExternalID+"}\n", s.environ(a, "AWS_ENDPOINT_URL_LAMBDA="+self.url)...)
	event := `{"target":{"account":"` + other + `","region":"eu-west-1","role_arn":"arn:aws:iam::` + other + `:role/` + fleet.Member + `"},"run":"first"}`
	hangAt(peer, "rotate-db-1-uninvoke")
	f.invoke(t, event, short).wantError(t, targetUnfinished, "goes on where it stopped")
	key := "runs/first/" + other + "/eu-west-1.json"
	if _, err := s.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key}); err == nil {
		t.Error("an attempt that was cut left a report")
	}
	a.ResetCalls()
	o := f.invoke(t, event, within)
	if o.failed {
		t.Fatalf("failed with %s: %s", o.kind, o.message)
	}
	read := s.report(t, aws.ToString(o.answer.Report))
	for v, n := range read.Summary().ByVerdict {
		if want := fleet.Want(1)[account.Verdict(v)]; n != want {
			t.Errorf("%d secrets are %s, want %d", n, v, want)
		}
	}
	if event := self.next(t); event != "" {
		t.Errorf("the function invoked itself with %s", event)
	}
}

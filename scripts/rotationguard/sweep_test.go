package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// readReport is as much of the JSON report as the tests look at.
type readReport struct {
	Account, Region, Mode string
	Summary               struct {
		Secrets, Functions int
		ByVerdict          map[string]int `json:"by_verdict"`
	}
	Secrets []struct {
		Name, Verdict string
		Findings      []struct{ ID, Severity string }
	}
	Changes []struct{ ID, Call, Status, Reason string }
	Errors  []struct{ Call, Code, Permission string }
	Notes   []string
}

func parseReport(t *testing.T, text string) readReport {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(report.Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("report.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
	var r readReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSweepReportsTheSameTwiceAndChangesNothing(t *testing.T) {
	b := newBench(t)
	first := b.on("sweep", "--output", "json").wants(t, 2)
	second := b.on("sweep", "--output", "json").wants(t, 2)
	if first.stdout != second.stdout {
		t.Error("two sweeps of the same account differ")
	}
	r := parseReport(t, first.stdout)
	if r.Account != account.ID || r.Region != account.Region || r.Mode != "report" || r.Summary.ByVerdict["broken"] == 0 || len(r.Secrets) != r.Summary.Secrets {
		t.Errorf("summary %+v", r.Summary)
	}
	if writes := b.account.Writes(); len(writes) > 0 {
		t.Errorf("report wrote %v", writes)
	}
	if text := b.on("sweep").wants(t, 2).stdout; !strings.HasPrefix(text, "rotationguard  account "+account.ID) || strings.Contains(text, "\x1b") {
		t.Errorf("text begins %.80q", text)
	}
}

func TestSweepRepairsOnceAndSaysHowToGoBack(t *testing.T) {
	b := newBench(t)
	b.writes("lifted.yaml", lifted)
	before := parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout)
	repaired := parseReport(t, b.on("sweep", "--mode", "repair", "--config", "lifted.yaml", "--output", "json").wants(t, 2).stdout)
	writes := len(b.account.Writes())
	if writes == 0 || len(repaired.Changes) != writes {
		t.Fatalf("%d changes reported, %d writes", len(repaired.Changes), writes)
	}
	if was, is := before.Summary.ByVerdict["broken"], repaired.Summary.ByVerdict["broken"]; is >= was {
		t.Errorf("%d broken before, %d after", was, is)
	}
	again := parseReport(t, b.on("sweep", "--mode", "repair", "--config", "lifted.yaml", "--output", "json").wants(t, 2).stdout)
	if n := len(b.account.Writes()) - writes; n > 0 || len(again.Changes) > 0 {
		t.Errorf("a second repair wrote %d times: %+v", n, again.Changes)
	}
	run := strings.Fields(b.on("findings", "--runs").wants(t, 0).stdout)[0]
	shown := b.on("rollback", run, "--config", "lifted.yaml", "--accept-broken").wants(t, 0)
	if !strings.Contains(shown.stdout, "Nothing was written") || len(b.account.Writes()) != writes {
		t.Errorf("showing a rollback wrote, or does not say that it did not:\n%s", shown.stdout)
	}
	b.on("rollback", run, "--config", "lifted.yaml").wants(t, 2)
	b.on("rollback", run, "--config", "lifted.yaml", "--accept-broken", "--yes").wants(t, 0)
	back := parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout)
	for verdict, n := range before.Summary.ByVerdict {
		if back.Summary.ByVerdict[verdict] != n {
			t.Errorf("%s: %d before, %d after repair and rollback", verdict, n, back.Summary.ByVerdict[verdict])
		}
	}
	b.on("rollback", "20200101T000000Z-00000000").refused(t, "has no run 20200101T000000Z-00000000")
}

func TestPlanIsAppliedAsFarAsItsGroundHolds(t *testing.T) {
	b := newBench(t)
	b.writes("rotationguard.yaml", lifted)
	using := "using rotationguard.yaml of this folder"
	b.on("plan", "--output", "json", "--out", "plan.json").wants(t, 2, "written to plan.json", using)
	if writes := b.account.Writes(); len(writes) > 0 {
		t.Fatalf("planning wrote %v", writes)
	}
	info, err := os.Stat("plan.json")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("plan.json: %v, %v; want it readable by its owner only", info.Mode(), err)
	}
	applied := b.on("apply", "plan.json").wants(t, 0, using)
	if !strings.Contains(applied.stdout, "done ") || len(b.account.Writes()) == 0 {
		t.Errorf("applied:\n%s", applied.stdout)
	}
	writes := len(b.account.Writes())
	b.on("apply", "plan.json").wants(t, 2, using)
	if n := len(b.account.Writes()) - writes; n > 0 {
		t.Errorf("applying a plan twice wrote %d times", n)
	}
	if text := b.on("plan").wants(t, 0, using).stdout; !strings.Contains(text, "No changes.") {
		t.Errorf("the plan after applying:\n%s", text)
	}
}

func TestPausedNothingIsWritten(t *testing.T) {
	b := newBench(t)
	b.writes("lifted.yaml", lifted)
	b.on("sweep").wants(t, 2)
	if text := b.on("pause", "--reason", "audit").wants(t, 0).stdout; !strings.HasPrefix(text, "paused since ") {
		t.Errorf("pause says %q", text)
	}
	r := parseReport(t, b.on("sweep", "--mode", "repair", "--config", "lifted.yaml", "--output", "json").wants(t, 2).stdout)
	for _, c := range r.Changes {
		if c.Status != "refused" || !strings.Contains(c.Reason, "pause") {
			t.Errorf("while paused a change is %s: %s", c.Status, c.Reason)
		}
	}
	if len(r.Changes) == 0 || len(b.account.Writes()) > 0 {
		t.Errorf("%d changes, %d writes while paused", len(r.Changes), len(b.account.Writes()))
	}
	b.on("resume").wants(t, 0)
	b.on("sweep", "--mode", "repair", "--config", "lifted.yaml").wants(t, 2)
	if len(b.account.Writes()) == 0 {
		t.Error("nothing is written after resume")
	}
}

func TestFindingsAreRememberedExplainedAndExempt(t *testing.T) {
	b := newBench(t)
	r := parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout)
	list := b.on("findings").wants(t, 0).stdout
	var worst, secret string
	for _, s := range r.Secrets {
		if s.Verdict == "broken" && len(s.Findings) == 1 && s.Findings[0].Severity == "critical" {
			worst, secret = s.Findings[0].ID, s.Name
		}
		for _, f := range s.Findings {
			if !strings.Contains(list, f.ID) {
				t.Errorf("finding %s is not listed", f.ID)
			}
		}
	}
	if worst == "" {
		t.Fatal("no secret is broken by one finding alone")
	}
	explained := b.on("explain", worst[:8]).wants(t, 0).stdout
	for _, want := range []string{worst, "witness", "fix", "since"} {
		if !strings.Contains(explained, want) {
			t.Errorf("the explanation does not say %s:\n%s", want, explained)
		}
	}
	day := func(d int) string { return time.Now().AddDate(0, 0, d).Format(time.DateOnly) }
	b.on("exempt", "add", "--finding", worst, "--owner", "ana", "--reason", "known", "--expires", day(60)).refused(t, "at most 30 days")
	b.on("exempt", "add", "--finding", worst, "--owner", "ana", "--reason", "known").refused(t, "needs an expiry")
	b.on("exempt", "add", "--finding", worst, "--owner", "ana", "--reason", "known", "--expires", "soon").refused(t, `--expires "soon" is not a day`)
	id, _, _ := strings.Cut(b.on("exempt", "add", "--finding", worst, "--owner", "ana", "--reason", "known", "--expires", day(10)).wants(t, 0).stdout, ":")
	if got := verdictOf(parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout), secret); got != "exempt" {
		t.Errorf("%s is %s, want exempt", secret, got)
	}
	if text := b.on("exempt", "list").wants(t, 0).stdout; !strings.Contains(text, id) || !strings.Contains(text, "known (ana)") {
		t.Errorf("the exemptions are %q", text)
	}
	b.on("exempt", "remove", id).wants(t, 0)
	if got := verdictOf(parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout), secret); got != "broken" {
		t.Errorf("%s is %s after the exemption was removed, want broken", secret, got)
	}
	b.on("explain", "nothing").refused(t, `neither the ledger nor the account as it stands has the finding "nothing"`)
}

func verdictOf(r readReport, name string) string {
	for _, s := range r.Secrets {
		if s.Name == name {
			return s.Verdict
		}
	}
	return ""
}

func TestSelectionPicksFunctionsWithAllTheirSecrets(t *testing.T) {
	b := newBench(t)
	r := parseReport(t, b.on("sweep", "--secret", "prod/team-a/db", "--output", "json").wants(t, 0).stdout)
	if r.Summary.Functions != 1 || r.Summary.Secrets < 2 || verdictOf(r, "prod/team-b/db") != "in-sync" {
		t.Errorf("selected %+v", r.Summary)
	}
	b.on("sweep", "--secret", "nobody").refused(t, `no secret "nobody" in `)
	if r := parseReport(t, b.on("sweep", "--tag", "nobody=here", "--output", "json").wants(t, 0).stdout); r.Summary.Secrets != 0 {
		t.Errorf("a tag that nothing has selected %+v", r.Summary)
	}
}

func TestSnapshotIsSweptAsTheAccountIs(t *testing.T) {
	b := newBench(t)
	b.on("snapshot", "save", "account.json").wants(t, 0, "secrets written to account.json")
	live := parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout)
	offline := parseReport(t, b.types("sweep", "--snapshot", "account.json", "--output", "json").wants(t, 2).stdout)
	if len(live.Secrets) != len(offline.Secrets) || live.Account != offline.Account || live.Region != offline.Region {
		t.Errorf("%d secrets of %s live, %d of %s offline", len(live.Secrets), live.Account, len(offline.Secrets), offline.Account)
	}
	for _, s := range live.Secrets {
		if got := verdictOf(offline, s.Name); got != s.Verdict {
			t.Errorf("%s is %s live and %s offline", s.Name, s.Verdict, got)
		}
	}
	b.types("sweep", "--snapshot", "account.json", "--mode", "repair").refused(t, "--mode repair writes to an account, and --snapshot has none")
	b.writes("repair.yaml", "mode: repair\n")
	if r := parseReport(t, b.types("sweep", "--snapshot", "account.json", "--config", "repair.yaml", "--output", "json").wants(t, 2).stdout); r.Mode != "report" {
		t.Errorf("a snapshot was swept in mode %s", r.Mode)
	}
	b.types("sweep", "--snapshot", "gone.json").refused(t, "gone.json: no such file or directory")
	b.writes("broken.json", `{"schema":"rotationguard.snapshot/1","account":5}`)
	b.types("sweep", "--snapshot", "broken.json").refused(t, "broken.json")
	b.on("snapshot", "save", "no/folder/account.json").refused(t, "there is no folder no/folder")
}

func TestReportGoesIntoAFileAtOnceOrNotAtAll(t *testing.T) {
	b := newBench(t)
	b.writes("report.json", "old")
	b.types("sweep", "--out", "report.json", "--endpoint-url", "http://127.0.0.1:1", "--region", account.Region).refused(t, "cannot be reached")
	if text, err := os.ReadFile("report.json"); err != nil || string(text) != "old" {
		t.Errorf("report.json holds %q, %v after a failed sweep", text, err)
	}
	for _, form := range []string{"text", "json", "html", "csv"} {
		got := b.on("sweep", "--output", form, "--out", "report."+form).wants(t, 2, "written to report."+form)
		info, err := os.Stat("report." + form)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 1000 || got.stdout != "" {
			t.Errorf("report.%s: %v, %v; stdout %.40q", form, info, err, got.stdout)
		}
	}
	left, err := filepath.Glob(".rotationguard-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	b.on("sweep", "--out", "no/folder/report.txt").refused(t, "--out no/folder/report.txt: no such file or directory")
	b.on("sweep", "--out", b.folder).refused(t, "it is a folder")
}

func TestThePageHasWhatTheLedgerRemembers(t *testing.T) {
	b := newBench(t)
	b.writes("config.yaml", lifted)
	b.on("sweep", "--mode", "repair", "--config", "config.yaml", "--ledger", "ledger.db").wants(t, 2)
	page := b.on("sweep", "--output", "html", "--ledger", "ledger.db").wants(t, 2).stdout
	for _, want := range []string{`id="timeline"`, "2 runs since ", "sweep, mode repair", "iam:PutRolePolicy", "Stands since"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
}

func TestWhatCannotBeReadIsNamedAndTheSweepGoesOn(t *testing.T) {
	b := newBench(t)
	b.account.Deny(awstest.Match{Service: "lambda", Operation: "GetPolicy"})
	r := parseReport(t, b.on("sweep", "--output", "json").wants(t, 1).stdout)
	if r.Summary.ByVerdict["unknown"] == 0 || len(r.Errors) == 0 {
		t.Fatalf("%+v with %d errors", r.Summary, len(r.Errors))
	}
	for _, e := range r.Errors {
		if e.Call == "lambda:GetPolicy" && e.Permission != "lambda:GetPolicy" {
			t.Errorf("error %+v names no permission", e)
		}
	}
}

func TestBadInputIsOneClearLine(t *testing.T) {
	b := newBench(t)
	b.writes("unknown.yaml", "mode: report\nrepairs: {}\n")
	b.writes("template.yaml", "templates: {single-user: own.json}\n")
	b.writes("own.json", `{"Version":"2012-10-17","Statement":[]}`)
	b.writes("plan.json", "{}")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"an unknown flag", []string{"sweep", "--modes", "x"}, "--modes"},
		{"an unknown mode", []string{"sweep", "--mode", "dry-run"}, `--mode "dry-run": it is report, repair or enforce`},
		{"an unknown output", []string{"sweep", "--output", "yaml"}, `--output "yaml"`},
		{"an argument too much", []string{"sweep", "now"}, `takes no argument, not "now"`},
		{"a Region that is none", []string{"sweep", "--region", "eu-wset-1"}, `there is no Region "eu-wset-1": did you mean eu-west-1?`},
		{"a Region that is an endpoint", []string{"sweep", "--region", "http://eu"}, `there is no Region "http://eu"`},
		{"no Region", []string{"sweep"}, "no Region: give --region"},
		{"a profile that is not there", []string{"sweep", "--region", "eu-west-1", "--profile", "nobody"}, `there is no profile "nobody"`},
		{"an endpoint that is no URL", []string{"sweep", "--region", "eu-west-1", "--endpoint-url", "localhost"}, `--endpoint-url "localhost" is not the URL of an API`},
		{"an endpoint that refuses", []string{"sweep", "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:1"}, "http://127.0.0.1:1 cannot be reached"},
		{"a topic that is none", []string{"sweep", "--alert-topic", "rotationguard"}, `--alert-topic "rotationguard": give the ARN of an SNS topic`},
		{"a snapshot that tells", []string{"sweep", "--alert-topic", "arn:aws:sns:eu-west-1:111122223333:t", "--snapshot", "account.json"}, "--snapshot has none"},
		{"an empty secret", []string{"sweep", "--secret", ""}, "--secret is empty"},
		{"a tag without a key", []string{"sweep", "--tag", "=x"}, `--tag "=x": write KEY=VALUE`},
		{"a tag twice", []string{"sweep", "--tag", "a=1", "--tag", "a=2"}, "--tag a is given twice"},
		{"a config that is not there", []string{"sweep", "--config", "gone.yaml"}, "gone.yaml: no such file or directory"},
		{"a config with an unknown field", []string{"sweep", "--config", "unknown.yaml"}, "unknown.yaml:2:1: repairs: unknown field; did you mean repair?"},
		{"a template that cannot work", []string{"sweep", "--config", "template.yaml"}, "template.yaml:1:13: templates.single-user: "},
		{"a plan that is none", []string{"apply", "plan.json"}, "plan.json: reading the plan"},
		{"no plan", []string{"apply"}, "needs one PLAN"},
		{"a plan's mode", []string{"plan", "--mode", "report"}, `--mode "report"`},
		{"no finding", []string{"explain"}, "needs one FINDING"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { b.types(tt.args...).refused(t, tt.want) })
	}
	if calls := b.account.Calls(); len(calls) > 0 {
		t.Errorf("bad input made calls: %v", calls)
	}
}

func TestCredentialsThatAreMissing(t *testing.T) {
	b := newBench(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	b.on("sweep").refused(t, "an emulator takes any, such as AWS_ACCESS_KEY_ID=test")
	b.types("sweep", "--region", "eu-west-1").refused(t, "no AWS credentials: set AWS_ACCESS_KEY_ID")
}

// TestEndpointThatIsNoAWSAPI: what answers may be anything.
func TestEndpointThatIsNoAWSAPI(t *testing.T) {
	b := newBench(t)
	for name, answer := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html><body>\x1b[31mhello</body></html>"))
		},
		"an error page": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>Bad\nGateway</h1>", http.StatusNotFound)
		},
		"nothing": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			b.types("sweep", "--region", "eu-west-1", "--endpoint-url", server.URL).refused(t, "is not an AWS API")
		})
	}
	t.Run("expired credentials", func(t *testing.T) {
		b.account.Fail(awstest.Match{Count: -1}, awstest.Fault{Code: "ExpiredToken", Message: "The security token included in the request is expired"})
		b.on("sweep").refused(t, "the AWS credentials have expired")
	})
}

// TestLedgerOfAnEmulatorBeginsAnewWithIt: an emulator that was reset has the account's number still and none of its secrets.
func TestLedgerOfAnEmulatorBeginsAnewWithIt(t *testing.T) {
	b := newBench(t)
	b.writes("lifted.yaml", lifted)
	var current http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.ServeHTTP(w, r) }))
	defer server.Close()
	sweep := func(args ...string) typed {
		return b.types(append([]string{"sweep", "--mode", "repair", "--config", "lifted.yaml", "--output", "json", "--endpoint-url", server.URL, "--region", account.Region}, args...)...)
	}
	runs := func() string {
		return b.types("findings", "--runs", "--endpoint-url", server.URL, "--region", account.Region).wants(t, 0).stdout
	}
	current = b.account.Handler()
	sweep().wants(t, 2)
	sweep().wants(t, 2)
	if got := runs(); strings.Count(got, "mode repair") != 1 {
		t.Errorf("want one run that wrote, have\n%s", got)
	}
	other := awstest.NewHandler(awstest.Options{ID: account.ID, Region: account.Region})
	other.AddSecret(awstest.Secret{Name: "another"})
	current = other.Handler()
	sweep().wants(t, 0)
	if got := runs(); !strings.Contains(got, "No run has written anything.") {
		t.Errorf("the ledger of the account before the reset is still used: %q", got)
	}
}

func TestLedgerThatCannotBeUsedStopsWritingOnly(t *testing.T) {
	b := newBench(t)
	b.writes("state", "a file where a folder should be")
	r := parseReport(t, b.on("sweep", "--output", "json").wants(t, 2).stdout)
	if !strings.Contains(strings.Join(r.Notes, "\n"), "Nothing is remembered of this run") {
		t.Errorf("notes %q", r.Notes)
	}
	b.on("sweep", "--mode", "repair").refused(t, "state")
	if writes := b.account.Writes(); len(writes) > 0 {
		t.Errorf("wrote without a ledger: %v", writes)
	}
}

// TestHostileNamesAreInertOnATerminal: what an account names may be chosen by an attacker.
func TestHostileNamesAreInertOnATerminal(t *testing.T) {
	b := newBench(t)
	enabled := true
	const name = "<script>alert(1)</script>\x1b]0;owned\x07\u202egnp.exe\u009b2J=1+1"
	b.account.AddSecret(awstest.Secret{
		Name: name, RotationEnabled: &enabled, RotationLambdaARN: "arn:aws:lambda:" + account.Region + ":" + account.ID + ":function:<b>\x1b[31m", Tags: []awstest.Tag{{Key: "\x1b[2J", Value: name}},
	})
	for _, form := range []string{"text", "json", "html", "csv"} {
		got := b.on("sweep", "--output", form)
		if got.code == 0 || !strings.Contains(got.stdout, "owned") {
			t.Errorf("%s: exit code %d, and the secret is not in it: %s", form, got.code, got.stderr)
		}
		for _, r := range got.stdout + got.stderr {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%s holds %U", form, r)
			}
		}
		if form == "html" && strings.Contains(got.stdout, "<script>alert") {
			t.Error("markup of a name is live in the page")
		}
	}
}

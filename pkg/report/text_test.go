package report

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func asText(t *testing.T, o *Outcome, style Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := o.WriteText(&b, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextOfEverySituation(t *testing.T) {
	for name, o := range situations() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", []byte(asText(t, &o, Style{Width: 80})))
			golden(t, name+".wide.txt", []byte(asText(t, &o, Style{Width: 160})))
		})
	}
}

// TestTextFitsItsWidth: only what must not be broken, such as an ARN or a policy document, may be longer than a line.
func TestTextFitsItsWidth(t *testing.T) {
	for name, o := range situations() {
		if name == "hostile" {
			continue // its change holds a text that a diff would never hold on one line
		}
		for _, columns := range []int{60, 80, 120, 200} {
			for line := range strings.Lines(asText(t, &o, Style{Width: columns})) {
				line = strings.TrimRight(line, "\n")
				if width(line) > columns && len(strings.Fields(line)) > 1 && !unbreakable(line) {
					t.Errorf("%s at %d columns: %d in %q", name, columns, width(line), line)
				}
			}
		}
	}
}

var longWord = regexp.MustCompile(`arn:\S{20,}|'[^']{30,}'|\S{50,}|@@|^\s+[+{}"-]|--policy-name`)

func unbreakable(line string) bool { return longWord.MatchString(line) }

func TestColorsAreOnlyWhereTheyAreAskedFor(t *testing.T) {
	o := situations()["broken"]
	if text := asText(t, &o, Style{Width: 80}); strings.Contains(text, "\x1b") {
		t.Error("plain text holds an escape sequence")
	}
	colored := asText(t, &o, Style{Width: 80, Color: true})
	if !strings.Contains(colored, "\x1b[31m") {
		t.Error("broken is not red")
	}
	if plain := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(colored, ""); plain != asText(t, &o, Style{Width: 80}) {
		t.Error("colors change more than the color")
	}
}

func TestTextIsInert(t *testing.T) {
	o := situations()["hostile"]
	for name, text := range map[string]string{"text": asText(t, &o, Style{Width: 80}), "wide text": asText(t, &o, Style{Width: 200})} {
		for _, r := range text {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("the %s holds %U", name, r)
			}
		}
	}
}

func TestManySecretsInSyncAreCountedNotListed(t *testing.T) {
	o := Outcome{At: now}
	for range inSyncShown + 5 {
		j := judged("app", drift.InSync, in(time.Hour), "")
		o.Add(&j)
	}
	text := asText(t, &o, Style{})
	if got := strings.Count(text, "in-sync   app"); got != inSyncShown {
		t.Errorf("%d secrets in sync are listed, want %d", got, inSyncShown)
	}
	if !strings.Contains(text, "and 5 more in sync") {
		t.Error("the others are not counted")
	}
}

func TestFixesThatAreTheSameAreShownOnce(t *testing.T) {
	first := judged("late", drift.Broken, in(time.Hour), "", denied("f-1", "late", "secretsmanager:GetSecretValue"), denied("f-2", "late", "secretsmanager:PutSecretValue"))
	second := judged("later", drift.Broken, in(2*time.Hour), "", denied("f-1", "late", "secretsmanager:GetSecretValue"))
	o := outcomeOf("", first, second)
	text := asText(t, &o, Style{})
	if got := strings.Count(text, "aws iam put-role-policy"); got != 1 {
		t.Errorf("the command is shown %d times, want once", got)
	}
	for _, want := range []string{"One change ends these 2", "for the same reason secretsmanager:PutSecretValue (f-2)", "the same change as for late"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, text)
		}
	}
}

func TestWhenText(t *testing.T) {
	tests := []struct {
		name string
		next *time.Time
		want string
	}{
		{"no date", nil, "no date"},
		{"past", in(-time.Second), "overdue since 2026-03-01"},
		{"minutes", in(59 * time.Minute), "2026-03-01 in 59 min"},
		{"hours", in(47 * time.Hour), "2026-03-03 in 47 h"},
		{"days", in(48 * time.Hour), "2026-03-03 in 2 days"},
		{"far", in(100 * 24 * time.Hour), "2026-06-09"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := whenText(&Secret{NextRotation: tt.next}, now); got != tt.want || width(got) > 24 {
				t.Errorf("whenText = %q, want %q in 24 columns", got, tt.want)
			}
		})
	}
}

func TestBreakCommandKeepsTheCommand(t *testing.T) {
	command := `aws iam put-role-policy --role-name a --policy-name 'b --c' --policy-document '{"A": "x --y && z"}' && aws lambda add-permission --action x`
	lines := breakCommand(command, 30)
	if len(lines) < 4 {
		t.Fatalf("%q is not broken", lines)
	}
	joined := strings.ReplaceAll(strings.Join(lines, "\n"), " \\\n  ", " ")
	if joined != command {
		t.Errorf("joined again it is\n%s\nwant\n%s", joined, command)
	}
}

func TestShortenKeepsBothEnds(t *testing.T) {
	if got := shorten("prod/very/long/name/db", 12); got != "prod...me/db" || width(got) != 12 {
		t.Errorf("shorten = %q", got)
	}
	if got := shorten("short", 12); got != "short" {
		t.Errorf("shorten = %q", got)
	}
}

func TestCSVIsATableOfInertCells(t *testing.T) {
	for name, o := range situations() {
		var b bytes.Buffer
		if err := o.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != len(o.Secrets)+1 {
			t.Fatalf("%s: %d rows, %v; want %d", name, len(rows), err, len(o.Secrets)+1)
		}
		for _, row := range rows[1:] {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@|%\t\r", rune(cell[0])) {
					t.Errorf("%s: a spreadsheet computes %q", name, cell)
				}
			}
		}
	}
}

func TestFindingsAreListedWorstFirstWithTheirHistory(t *testing.T) {
	resolved := now.Add(time.Hour)
	records := []ledger.FindingRecord{
		{Finding: *info("a"), FirstSeen: now, LastSeen: now},
		{Finding: *denied("f-1", "late", "secretsmanager:GetSecretValue"), FirstSeen: now.Add(-48 * time.Hour), LastSeen: now, Resolved: &resolved},
	}
	var b bytes.Buffer
	if err := WriteFindings(&b, records, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "findings.txt", b.Bytes())
	b.Reset()
	e := NewExplanation(records[1].Finding)
	e.FirstSeen, e.LastSeen, e.Resolved, e.Owner = &records[1].FirstSeen, &records[1].LastSeen, records[1].Resolved, "the stack app made it"
	e.Shown = []drift.Tool{drift.ToolJSON, drift.ToolCLI}
	e.Secret, e.Forecast = records[1].Finding.Secret, forecast
	if err := WriteExplanation(&b, &e, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "finding.txt", b.Bytes())
}

// forecast is a rotation that ends at PutSecretValue.
var forecast = []drift.ForecastStep{
	{Step: rotation.StepInvoke, Calls: []drift.ForecastCall{{Name: "InvokeFunction", Request: "lambda:InvokeFunction on the function", Outcome: policy.Allowed, Reached: true}}},
	{Step: rotation.StepCreate, Calls: []drift.ForecastCall{
		{Name: "GetRandomPassword", Request: "secretsmanager:GetRandomPassword", Outcome: policy.Undecided, Why: "it depends on aws:SourceIp", Reached: true},
		{Name: "PutSecretValue", Request: "secretsmanager:PutSecretValue on the secret", Outcome: policy.ImplicitlyDenied, Why: "secretsmanager:PutSecretValue on the secret is denied: no statement allows it", Reached: true},
	}},
	{Step: rotation.StepSet, Calls: []drift.ForecastCall{{Name: "DescribeSecret", Request: "secretsmanager:DescribeSecret on the secret", Outcome: policy.Allowed}}},
	{Step: rotation.StepFinish, Calls: []drift.ForecastCall{{Name: "UpdateSecretVersionStage", Request: "secretsmanager:UpdateSecretVersionStage on the secret", Outcome: policy.Allowed}}},
}

func TestFailsAt(t *testing.T) {
	latent := []drift.ForecastStep{
		{Step: rotation.StepInvoke, Calls: []drift.ForecastCall{{Request: "ec2:CreateNetworkInterface", Outcome: policy.ImplicitlyDenied, Reached: true}}},
		{Step: rotation.StepFinish, Calls: []drift.ForecastCall{{Request: "secretsmanager:DescribeSecret", Outcome: policy.Allowed, Reached: true}}},
	}
	for name, tt := range map[string]struct {
		steps []drift.ForecastStep
		want  string
	}{
		"no forecast":             {nil, ""},
		"a call that is denied":   {forecast, "createSecret: secretsmanager:PutSecretValue on the secret is denied; setSecret, finishSecret are not reached"},
		"a denial that ends none": {latent, ""},
	} {
		if got := failsAt(tt.steps); got != tt.want {
			t.Errorf("%s: failsAt = %q, want %q", name, got, tt.want)
		}
	}
}

func TestTheSummaryOfAChangeNamesEveryCall(t *testing.T) {
	finding := func(action, summary string) *drift.Finding {
		return &drift.Finding{Severity: drift.Critical, Witness: &drift.Witness{Action: action}, Fix: &drift.Fix{Summary: summary, Command: "aws"}}
	}
	get, put := finding("s:Get", "Let it call s:Get on r at AWSCURRENT"), finding("s:Put", "Let it call s:Put on r")
	for _, tt := range []struct {
		name     string
		findings []*drift.Finding
		want     string
	}{
		{"one is left as it is", []*drift.Finding{get}, "Let it call s:Get on r at AWSCURRENT"},
		{"several calls", []*drift.Finding{get, put, finding("s:Tag", "Let it call s:Tag on r")}, "Let it call s:Get, Put and Tag on r"},
		{"of several services", []*drift.Finding{get, finding("k:Decrypt", "Let it call k:Decrypt on r")}, "Let it call s:Get and k:Decrypt on r"},
		{"named without the service", []*drift.Finding{finding("k:Decrypt", "Let the policy allow Decrypt"), finding("k:Encrypt", "Let the policy allow Encrypt")}, "Let the policy allow Decrypt and Encrypt"},
		{"at two versions", []*drift.Finding{get, finding("s:Get", "Let it call s:Get on r at AWSPENDING")}, "Let it call s:Get on r at AWSCURRENT"},
		{"on several things", []*drift.Finding{put, finding("s:Put", "Let it call s:Put on q"), finding("s:Get", "Let it call s:Get on q")}, "Let it call s:Put on r, and 2 more"},
		{"the same for all", []*drift.Finding{finding("s:Get", "Remove the statement"), finding("s:Put", "Remove the statement")}, "Remove the statement"},
	} {
		groups := groupByFix(tt.findings)
		if len(groups) != 1 || groups[0].summary() != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, groups[0].summary(), tt.want)
		}
	}
}

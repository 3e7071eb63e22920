package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// fleetOutcome is of four targets: one with a broken secret, one in sync, one that could be read in part only, one that denied its role.
func fleetOutcome(keep func(drift.Verdict) bool) *Outcome {
	at := time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)
	no, yes := false, true
	secret := func(account, region, name string, v drift.Verdict) Secret {
		s := Secret{
			ARN: rotation.ARN("arn:aws:secretsmanager:" + region + ":" + account + ":secret:" + name + "-AbCdEf"), Name: name, Kind: rotation.KindLambda,
			FunctionARN: rotation.ARN("arn:aws:lambda:" + region + ":" + account + ":function:rotate"), Strategy: rotation.SingleUser, StrategySource: rotation.SourceDefault, Verdict: v, Reason: "because",
		}
		if s.RotationCanWork = &yes; v == drift.Broken {
			s.RotationCanWork = &no
		}
		return s
	}
	fleet := &Outcome{Mode: repair.ModeReport, At: at}
	fleet.Join("222222222222", "payments", "eu-west-1", &Outcome{Functions: 1, Secrets: []Secret{secret("222222222222", "eu-west-1", "prod/db", drift.Broken)}}, "s3://b/runs/r/222222222222/eu-west-1.json", keep)
	fleet.Join("111111111111", "", "eu-west-1", &Outcome{Functions: 1, Secrets: []Secret{secret("111111111111", "eu-west-1", "prod/db", drift.InSync)}}, "", keep)
	fleet.Join("111111111111", "", "us-east-1", &Outcome{
		Functions: 1, Secrets: []Secret{secret("111111111111", "us-east-1", "a", drift.InSync)},
		Errors: []Error{{Call: "lambda:GetPolicy", Resource: "rotate", Code: "TooManyRequestsException", Message: "Rate exceeded"}},
	}, "", keep)
	fleet.JoinFailed("333333333333", "", "eu-west-1", Error{Call: "sts:AssumeRole", Resource: "arn:aws:iam::333333333333:role/member", Code: "AccessDenied", Message: "not authorized", Permission: "sts:AssumeRole"})
	fleet.Sort()
	return fleet
}

func TestFleetIsNeverBetterThanWhatWasRead(t *testing.T) {
	o := fleetOutcome(nil)
	want := map[string]struct {
		status  TargetStatus
		verdict drift.Verdict
	}{
		"111111111111 eu-west-1":          {TargetSwept, drift.InSync},
		"111111111111 us-east-1":          {TargetIncomplete, drift.Unknown},
		"222222222222 payments eu-west-1": {TargetSwept, drift.Broken},
		"333333333333 eu-west-1":          {TargetFailed, ""},
	}
	for i := range o.Targets {
		target := &o.Targets[i]
		w, ok := want[target.where()]
		verdict := drift.Verdict("")
		if target.Verdict != nil {
			verdict = *target.Verdict
		}
		if !ok || target.Status != w.status || verdict != w.verdict {
			t.Errorf("%s is %s, %q, want %s, %q", target.where(), target.Status, verdict, w.status, w.verdict)
		}
	}
	if len(o.Targets) != len(want) || o.ExitCode() != ExitFailed || o.Account != "" {
		t.Errorf("%d targets, exit code %d, account %q", len(o.Targets), o.ExitCode(), o.Account)
	}
	nothing := &Outcome{}
	nothing.JoinFailed("333333333333", "", "", Error{Call: "account:ListRegions", Resource: "333333333333", Code: "AccessDeniedException"})
	if story := nothing.Story(); story != "0 of 1 target swept. 1 failed: nothing is known of their secrets." {
		t.Errorf("of a fleet without a result is told %q", story)
	}
	nothing.Join("111111111111", "", "eu-west-1", &Outcome{}, "", nil)
	if story := nothing.Story(); !strings.HasSuffix(story, "No secret of the targets that were swept is rotated by a function.") {
		t.Errorf("of a fleet with a target that failed is told %q", story)
	}
	nothing.Targets = nothing.Targets[:1]
	if nothing.ExitCode() != ExitFailed || nothing.HasDrift() || nothing.WorstVerdict() != drift.Unknown {
		t.Errorf("a fleet without a result has exit code %d", nothing.ExitCode())
	}
}

func TestFleetCountsEveryTargetsSecrets(t *testing.T) {
	all, slim := fleetOutcome(nil), fleetOutcome(Drift)
	if len(all.Secrets) != 3 || len(slim.Secrets) != 1 {
		t.Errorf("%d and %d secrets, want 3 and 1", len(all.Secrets), len(slim.Secrets))
	}
	for _, o := range []*Outcome{all, slim} {
		if s := o.Summary(); s.Secrets != 3 || s.Functions != 3 || s.ByVerdict[drift.Broken] != 1 || s.ByVerdict[drift.InSync] != 2 {
			t.Errorf("summary %+v", s)
		}
	}
}

func TestFleetSaysWhoseEverythingIs(t *testing.T) {
	o := &Outcome{Mode: repair.ModeRepair, At: time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)}
	day := func(days int) *time.Time { d := o.At.AddDate(0, 0, days); return &d }
	part := func(region string, next *time.Time, notes ...string) *Outcome {
		return &Outcome{
			Secrets: []Secret{
				{ARN: rotation.ARN("arn:aws:secretsmanager:" + region + ":111111111111:secret:prod/orders/db-AbCdEf"), Name: "prod/orders/db", Verdict: drift.Broken, Reason: "the next rotation fails: lambda:InvokeFunction is denied", NextRotation: next},
				{ARN: rotation.ARN("arn:aws:secretsmanager:" + region + ":111111111111:secret:old-AbCdEf"), Name: "old", Verdict: drift.Skipped, Reason: "it is not rotated"},
			},
			Functions: 1, Notes: notes, Breaker: &repair.Breaker{Tripped: "9 changes are more than 5"},
		}
	}
	o.Join("111111111111", "", "ap-southeast-1", part("ap-southeast-1", day(30), "Run r-1 wrote 3 changes.", "shared"), "", nil)
	o.Join("111111111111", "", "eu-west-1", part("eu-west-1", day(-3), "shared"), "", nil)
	for _, region := range []string{"us-east-1", "us-west-2"} {
		o.JoinFailed("222222222222", "pay", region, Error{Call: "sts:AssumeRole", Resource: "arn:aws:iam::222222222222:role/member", Code: "AccessDenied", Permission: "sts:AssumeRole"})
	}
	o.Sort()
	for width, want := range map[int][]string{
		60: {
			"overdue 2026-11-22  broken    prod/orders/db\n                              111111111111 eu-west-1\n",
		},
		80: {
			"\nNEXT ROTATION       VERDICT   ACCOUNT, REGION              SECRET\n",
			"\noverdue 2026-11-22  broken    111111111111 eu-west-1       prod/orders/db\n",
			"\n2026-12-25 in 30 d  broken    111111111111 ap-southeast-1  prod/orders/db\n",
			"prod/orders/db in 111111111111\neu-west-1 is overdue since 2026-11-22.",
			"\nNothing was written in\n  breaker   111111111111 ap-southeast-1: 9 changes are more than 5;",
			"  2         it is not rotated: old in 111111111111 ap-southeast-1, old in\n            111111111111 eu-west-1\n",
			"  failed    222222222222 pay us-east-1, us-west-2: sts:AssumeRole on\n            arn:aws:iam::222222222222:role/member: AccessDenied (is the role\n            there,",
			"            111111111111 ap-southeast-1 and 1 more target: shared\n", "            111111111111 ap-southeast-1: Run r-1 wrote 3 changes.\n",
		},
		120: {"\noverdue 2026-11-22  broken    111111111111 eu-west-1       prod/orders/db            lambda:InvokeFunction is denied\n"},
		160: {"SECRET                    FUNCTION                   WHY\n"},
	} {
		var b bytes.Buffer
		if err := o.WriteText(&b, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(b.String(), text) {
				t.Errorf("in %d columns there is not %q:\n%s", width, text, b.String())
			}
		}
		if strings.Contains(b.String(), "Could not be read or done") {
			t.Errorf("in %d columns a failed target's cause stands twice:\n%s", width, b.String())
		}
	}
}

func TestFleetInEveryForm(t *testing.T) {
	o := fleetOutcome(nil)
	var text, wide, page, table, machine bytes.Buffer
	for _, err := range []error{
		o.WriteText(&text, Style{}), o.WriteText(&wide, Style{Width: 160}), o.WriteHTML(&page), o.WriteCSV(&table), o.WriteJSON(&machine),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"rotationguard  4 targets in 3 accounts  mode report\n3 of 4 targets swept. 1 failed: nothing is known of their secrets. 1 could be",
		"ACCOUNT, REGION         SECRET", "broken    222222222222 eu-west-1  prod/db", "  account   222222222222 eu-west-1",
		"  failed    333333333333 eu-west-1: sts:AssumeRole on\n            arn:aws:iam::333333333333:role/member: AccessDenied: not authorized",
		"  unknown   111111111111 us-east-1: 1 secret: 1 in-sync; something could not", "  1         with nothing worse than in sync",
		"lambda:GetPolicy on 111111111111 us-east-1 rotate:",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text does not say %q:\n%s", want, text.String())
		}
	}
	if !strings.Contains(wide.String(), "broken    222222222222 eu-west-1  prod/db") {
		t.Errorf("the wide table:\n%s", wide.String())
	}
	for _, want := range []string{"1 of 4 targets failed; of what was read: 1 of 3 rotating secrets cannot rotate", `<small class="soft">222222222222 eu-west-1</small> prod/db`, `<h2 id="targets">`, "AccessDenied: not authorized",
		`">prod/db in 222222222222 eu-west-1</a>`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page.String(), "This statement lets the caller read them") {
		t.Error("the page tells to allow sts:AssumeRole on everything")
	}
	// Whoever has thousands of targets finds first what failed, then what is worse than in sync; the others are folded.
	_, listed, _ := strings.Cut(page.String(), `<h2 id="targets">`)
	last := -1
	for _, want := range []string{">333333333333</span>", ">222222222222</span>", ">us-east-1</td>", "<summary>1 with nothing worse than in sync</summary>", ">111111111111</span> </td><td class=\"id short\">eu-west-1</td>"} {
		at := strings.Index(listed, want)
		if at <= last {
			t.Errorf("%q is at %d of the page's targets, after %d", want, at, last)
		}
		last = at
	}
	if !strings.Contains(table.String(), "\n222222222222,eu-west-1,prod/db,") {
		t.Errorf("the table:\n%s", table.String())
	}
	if !strings.Contains(table.String(), "\n333333333333,eu-west-1,,,target,,,,unknown,unknown,,\"sts:AssumeRole on ") {
		t.Errorf("the table has nothing of the target that failed:\n%s", table.String())
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("report.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(machine.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.MustCompile("report.schema.json").Validate(value); err != nil {
		t.Error(err)
	}
	var said struct {
		Account string
		Targets []Target
		Secrets []struct{ Account, Region, Name string }
	}
	if err := json.Unmarshal(machine.Bytes(), &said); err != nil || len(said.Targets) != 4 || said.Secrets[1].Account != "222222222222" {
		t.Errorf("%+v, %v", said, err)
	}
}

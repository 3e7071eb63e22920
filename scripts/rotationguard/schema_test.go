package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"
)

// schemas are the published ones of what commands print with --output json: the file, and the definition in it. An added mode of a command
// that prints something else is named behind a plus.
var schemas = map[string]string{
	"sweep": "pkg/report/report.schema.json", "apply": "pkg/report/report.schema.json", "rollback": "pkg/report/report.schema.json", "invoke": "pkg/report/report.schema.json",
	"plan": "pkg/repair/plan.schema.json", "report": "pkg/report/audit.schema.json",
	"findings": own + "findings", "findings + runs": own + "runs", "explain": own + "explanation", "policy eval": own + "decision", "policy compare": own + "comparison",
	"doctor": own + "diagnosis", "sweep + plan-calls": own + "calls", "report verify": own + "chain", "template show": own + "template",
}

const own = "scripts/rotationguard/commands.schema.json#/$defs/"

func TestEveryCommandThatPrintsJSONHasASchema(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if flag := c.Flag("output"); flag != nil && strings.Contains(flag.Usage, jsonOutput) {
			if name := strings.TrimPrefix(c.CommandPath(), "rotationguard "); schemas[name] == "" {
				t.Errorf("%s prints JSON and has no schema", name)
			}
		}
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(newRoot())
}

func TestCommandsPrintWhatTheirSchemasSay(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	compiler, published := jsonschema.NewCompiler(), map[string]string{}
	for _, file := range []string{"pkg/report/report.schema.json", "pkg/report/audit.schema.json", "pkg/repair/plan.schema.json", "scripts/rotationguard/commands.schema.json"} {
		text, err := os.Open(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(text)
		if err == nil {
			// By its published address, by which schemas refer to each other.
			published[file] = document.(map[string]any)["$id"].(string)
			err = compiler.AddResource(published[file], document)
		}
		if err := text.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	held := map[string]bool{"invoke": true} // it prints the report that a sweep of the deployed function archived
	compiled := map[string]*jsonschema.Schema{}
	is := func(name string, got typed) {
		t.Helper()
		held[name] = true
		schema := compiled[name]
		if schema == nil {
			var err error
			file, definition, _ := strings.Cut(schemas[name], "#")
			if schema, err = compiler.Compile(published[file] + "#" + definition); err != nil {
				t.Fatal(err)
			}
			compiled[name] = schema
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(got.stdout))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: %v in\n%.2000s", name, err, got.stdout)
		}
	}

	b := newBench(t)
	b.writes("lifted.yaml", lifted)
	const policyText = `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:SourceVpc":"vpc-1"}}}]}`
	b.writes("one.json", policyText)
	b.writes("two.json", strings.ReplaceAll(policyText, "b/*", "*"))
	json := func(args ...string) typed { t.Helper(); return b.on(append(args, "--output", "json")...) }
	alone := func(args ...string) typed { t.Helper(); return b.types(append(args, "--output", "json")...) }

	is("findings", json("findings")) // of an empty ledger
	is("findings + runs", json("findings", "--runs"))
	is("report verify", json("report", "verify"))
	is("sweep + plan-calls", json("sweep", "--plan-calls"))
	is("plan", json("plan", "--config", "lifted.yaml"))
	first := json("sweep")
	is("sweep", first)
	is("findings", json("findings"))
	for _, s := range parseReport(t, first.stdout).Secrets {
		for _, f := range s.Findings {
			is("explain", json("explain", f.ID))
		}
	}
	if got := json("plan", "--config", "lifted.yaml", "--out", "plan.json"); got.code != 2 {
		t.Fatalf("planning exits %d: %s", got.code, got.stderr)
	}
	is("apply", json("apply", "plan.json", "--config", "lifted.yaml"))
	is("sweep", json("sweep"))
	is("findings", json("findings", "--all"))
	runs := json("findings", "--runs")
	is("findings + runs", runs)
	_, id, _ := strings.Cut(runs.stdout, `"id": "`)
	id, _, _ = strings.Cut(id, `"`)
	is("rollback", json("rollback", id))
	is("report", json("report", "--since", "7d"))
	is("report verify", json("report", "verify"))
	is("report verify", json("report", "verify", "--noted", "1:"+strings.Repeat("0", 64)))
	is("doctor", json("doctor"))

	is("template show", alone("template", "show", "--function", "arn:aws:lambda:eu-west-1:111122223333:function:f", "--secret", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:s-AbCdEf"))
	for _, more := range [][]string{{"--context", "aws:SourceVpc=vpc-1"}, {"--context", "aws:SourceVpc=vpc-2"}, {}, {"--unknown", "aws:SourceVpc"}, {"--context", "aws:SourceVpc=vpc-1", "--boundary", "two.json"}} {
		is("policy eval", alone(append([]string{"policy", "eval", "--policy", "one.json", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::b/k"}, more...)...))
	}
	is("policy compare", alone("policy", "compare", "--expected", "one.json", "--actual", "two.json"))
	is("policy compare", alone("policy", "compare", "--expected", "two.json", "--actual", "one.json"))
	is("policy compare", alone("policy", "compare", "--expected", "one.json", "--actual", "one.json"))

	for name := range schemas {
		if !held[name] {
			t.Errorf("nothing that %s prints was held to its schema", name)
		}
	}
}

// TestTheDocumentationNamesEverySchema: a schema that nobody finds is not published.
func TestTheDocumentationNamesEverySchema(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for name, schema := range schemas {
		file, definition, _ := strings.Cut(schema, "#/$defs/")
		command, mode, _ := strings.Cut(name, " + ")
		if mode != "" {
			command += " --" + mode
		}
		if !strings.Contains(string(page), "(../"+file+")") || !strings.Contains(string(page), "`"+command+"`") || !strings.Contains(string(page), "`"+definition+"`") && definition != "" {
			missing = append(missing, command)
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		t.Errorf("docs/formats.md does not name the schema of %v", missing)
	}
}

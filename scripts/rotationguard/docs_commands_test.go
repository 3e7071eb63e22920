package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// shown is one command that a page shows.
type shown struct {
	page string
	line int
	text string
	// named says that a sentence names the command: its arguments may be left out.
	named bool
}

func (s shown) String() string { return fmt.Sprintf("%s:%d: %s", s.page, s.line, s.text) }

// words are the command's words as a shell takes them, up to a comment or a pipe.
func (s shown) words() []string {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0)
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range s.text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ':
			end()
		case (r == '#' || r == '|' || r == '>') && !begun:
			return words
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	return words
}

// pages are the documentation that is shipped, in the order in which it is read.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(names) < 5 {
		t.Fatalf("%d pages: %v", len(names), err)
	}
	all := map[string]string{}
	for _, name := range append(names, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(text)
	}
	return all
}

var (
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	// programs are what commands begin with. What else stands in a block of commands must be known here as well.
	programs = regexp.MustCompile(`^(rotationguard|make|go|aws|infra/node_modules/\.bin/cdk|cdk|scripts/[a-z]+\.sh) `)
	// blocks whose lines are commands, and nothing else
	shell = regexp.MustCompile(`^(sh|bash|shell)$`)
)

// commands are those in a page's blocks, and those that its sentences name.
func commands(t *testing.T, page, text string) []shown {
	t.Helper()
	var all []shown
	label, fenced, went := "", false, ""
	for i, line := range strings.Split(text, "\n") {
		if fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
			fenced, label = !fenced, fence
			continue
		}
		indented := strings.HasPrefix(line, "    ")
		switch {
		case went != "" || fenced || indented:
			command, prompted := strings.CutPrefix(strings.TrimSpace(went+strings.TrimSpace(line)), "$ ")
			went = ""
			if more, ok := strings.CutSuffix(command, `\`); ok && (programs.MatchString(command)) {
				went = more
				continue
			}
			if programs.MatchString(command) && (prompted || label != "text" && label != "console") {
				all = append(all, shown{page, i + 1, command, indented && !prompted && page == "policy.md"})
			} else if shell.MatchString(label) && fenced && command != "" && !strings.HasPrefix(command, "#") {
				t.Errorf("%s:%d: no test knows what %q is", page, i+1, command)
			}
		default:
			for _, m := range inlineCode.FindAllStringSubmatch(line, -1) {
				if programs.MatchString(m[1]) && !strings.Contains(m[1], "…") {
					all = append(all, shown{page, i + 1, m[1], true})
				}
			}
		}
	}
	return all
}

// placeholder is a word for which a reader puts something else, or the id of something that is in the page's example alone.
var placeholder = regexp.MustCompile(`(^|[^A-Za-z0-9_-])([A-Z][A-Z_]+|[A-Z])($|[^A-Za-z0-9_-])|\b[0-9]{8}T[0-9]{6}Z-|change-[0-9a-f]{8}|^[0-9a-f]{16}$|:000000000000:|…`)

// endless are flags with which a command does not end by itself.
var endless = []string{"--watch"}

// TestCommandsOfTheDocumentation runs each command of the documentation against an emulated account that has everything a page speaks of. A command with a
// placeholder is parsed by its own flags. docs/policy.md has a test of its own, which compares what is printed.
func TestCommandsOfTheDocumentation(t *testing.T) {
	p := newReader(t)
	ran, parsed := map[string]bool{}, 0
	for _, page := range slices.Sorted(maps.Keys(p.pages)) {
		for _, c := range commands(t, page, p.pages[page]) {
			words := c.words()
			if words[0] != "rotationguard" {
				continue
			}
			args := words[1:]
			open := slices.ContainsFunc(args, func(a string) bool { return a != "FINDING" && placeholder.MatchString(a) })
			if finding := slices.Index(args, "FINDING"); finding >= 0 {
				args[finding] = p.finding
			}
			if page == "policy.md" || c.named || open || slices.ContainsFunc(endless, func(f string) bool { return slices.Contains(args, f) }) {
				parsed++
				parse(t, c, args)
				continue
			}
			ran[args[0]] = true
			if code, said := p.run(t, args); code == 1 {
				t.Errorf("%s\ndoes not run: %s", c, said)
			}
		}
	}
	for _, command := range []string{"sweep", "config", "plan", "explain"} {
		if !ran[command] {
			t.Errorf("no page shows %q", command)
		}
	}
	if parsed == 0 {
		t.Error("no command was parsed")
	}
}

// parse holds a command to the flags and the number of arguments that it takes.
func parse(t *testing.T, c shown, args []string) {
	t.Helper()
	cmd, rest, err := newRoot().Find(args)
	if err == nil {
		cmd.InitDefaultHelpFlag()
		err = cmd.ParseFlags(rest)
	}
	if help, _ := cmd.Flags().GetBool("help"); err == nil && !help && !c.named {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil || !cmd.HasParent() && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		t.Errorf("%s\nis no command: %v", c, err)
	}
}

// reader is somebody who types what the pages show, in a folder with the files that they speak of.
type reader struct {
	pages   map[string]string
	finding string // that stands in the account
}

func newReader(t *testing.T) *reader {
	t.Helper()
	p := &reader{pages: pages(t)}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	cfg := aws.Config{Region: account.Region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if err := account.Seed(t.Context(), cfg, "rotate-orders", "rotate-shared", "rotate-shipping", "rotate-carts"); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	t.Chdir(folder)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_REGION": account.Region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": filepath.Join(folder, "none"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(folder, "none"), "AWS_EC2_METADATA_DISABLED": "true", "XDG_STATE_HOME": filepath.Join(folder, "state"),
	} {
		t.Setenv(name, value)
	}
	for _, f := range []struct{ from, to string }{
		{"examples/account.json", "examples/account.json"}, {"examples/account.json", "account.json"}, {"examples/rotationguard.yaml", "examples/rotationguard.yaml"},
		{"scripts/demo/rotationguard.yaml", "rotationguard.yaml"},
	} {
		text, err := os.ReadFile(filepath.Join(root, f.from))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(f.to), 0o700)
		}
		if err == nil {
			err = os.WriteFile(f.to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for label, block := range fencedBlocks(p.pages["scale.md"]) {
		if label == "yaml" {
			if err := os.WriteFile("targets.yaml", []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	for _, args := range [][]string{{"sweep", "--output", "json", "--out", "first.json"}, {"plan", "--out", "plan.json"}} {
		if code, said := p.run(t, args); code != 2 {
			t.Fatalf("%v exits %d: %s", args, code, said)
		}
	}
	wantSchema(t, filepath.Join(root, "pkg", "report", "report.schema.json"), "first.json")
	wantSchema(t, filepath.Join(root, "pkg", "repair", "plan.schema.json"), "plan.json")
	text, err := os.ReadFile("first.json")
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Secrets []struct{ Findings []struct{ ID string } }
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Secrets {
		for _, f := range s.Findings {
			p.finding = f.ID
		}
	}
	return p
}

// wantSchema holds what a command wrote to the schema that docs/formats.md names.
func wantSchema(t *testing.T, schema, file string) {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(schema)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	value, err := jsonschema.UnmarshalJSON(written)
	if err == nil {
		err = compiled.Validate(value)
	}
	if err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

func (p *reader) run(t *testing.T, args []string) (code int, said string) {
	t.Helper()
	var stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), io.Discard, &stderr)
	return code, stderr.String()
}

// TestOtherCommandsOfTheDocumentation holds what the pages show of other programs to what those know: make to its targets, go to the folders and tests, the
// AWS command line to the calls and parameters of botocore, on which it is built.
func TestOtherCommandsOfTheDocumentation(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	tests := namesOfTests(t, root)
	var calls []awsCall
	seen := map[string]int{}
	for page, text := range pages(t) {
		for _, c := range commands(t, page, text) {
			words := c.words()
			seen[words[0]]++
			switch words[0] {
			case "make":
				for _, target := range words[1:] {
					if !strings.Contains(target, "=") && !strings.HasPrefix(target, "-") && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`( [^:=]*)?:`).Match(makefile) {
						t.Errorf("%s\nthe Makefile has no target %s", c, target)
					}
				}
			case "go":
				goCommand(t, root, c, words, tests)
			case "aws":
				calls = append(calls, awsCall{c.String(), words})
			case "cdk", "infra/node_modules/.bin/cdk":
				if len(words) < 2 || !slices.Contains([]string{"bootstrap", "deploy", "synth", "diff", "destroy"}, words[1]) {
					t.Errorf("%s\nis no command of the CDK that is known here", c)
				}
			case "rotationguard":
			default:
				if _, err := os.Stat(filepath.Join(root, words[0])); err != nil {
					t.Errorf("%s\n%v", c, err)
				}
			}
		}
	}
	if seen["make"] == 0 || seen["go"] == 0 || len(calls) == 0 {
		t.Errorf("the pages show %v", seen)
	}
	known(t, calls)
}

// goCommand holds the folders to be there, and a pattern of tests to be one of some.
func goCommand(t *testing.T, root string, c shown, words, tests []string) {
	t.Helper()
	for i, w := range words {
		if strings.HasPrefix(w, "./") {
			if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(w, "/..."))); err != nil {
				t.Errorf("%s\n%v", c, err)
			}
		}
		if w == "-run" && i+1 < len(words) {
			pattern, err := regexp.Compile(words[i+1])
			if err != nil || !slices.ContainsFunc(tests, pattern.MatchString) {
				t.Errorf("%s\nno test is called %s: %v", c, words[i+1], err)
			}
		}
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]*|Benchmark[A-Za-z0-9_]*|Fuzz[A-Za-z0-9_]*)\(`)

func namesOfTests(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	for _, folder := range []string{"pkg/*", "scripts/*", "functions/*", "infra"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range testName.FindAllSubmatch(text, -1) {
				names = append(names, string(m[1]))
			}
		}
	}
	return names
}

// awsCall is a command of the AWS command line, and where it stands.
type awsCall struct {
	Where string   `json:"where"`
	Words []string `json:"words"`
}

// known asks botocore's models, which the AWS command line makes its commands of.
func known(t *testing.T, calls []awsCall) {
	t.Helper()
	environment, err := emulator.Install(t.Context(), "moto")
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(environment, "bin", "python"), "-c", awsProgram)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprint(len(calls)); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%v: %s", err, out)
	}
}

// The commands that the AWS command line adds to the services' calls, with the flags that are used of them. Source: AWS CLI Command Reference.
const awsProgram = `
import json, sys
from botocore import xform_name
from botocore.session import Session
session = Session()
everywhere = {"region", "profile", "endpoint-url", "output", "query", "no-cli-pager", "cli-binary-format", "cli-input-json", "no-paginate"}
added = {
    ("s3", "cp"): {"recursive"}, ("s3", "ls"): set(), ("s3", "sync"): {"delete"},
    ("cloudformation", "deploy"): {"stack-name", "template-file", "parameter-overrides", "capabilities", "role-arn"},
    ("logs", "tail"): {"follow", "since"}, ("configure", "sso"): set(), ("sso", "login"): set(),
}
calls = json.load(sys.stdin)
for call in calls:
    service, command, rest = call["words"][1], call["words"][2], call["words"][3:]
    flags = {w[2:].split("=")[0] for w in rest if w.startswith("--")} - everywhere
    if (service, command) in added:
        unknown = flags - added[service, command]
    else:
        model = session.get_service_model(service)
        operations = {xform_name(n, "-"): n for n in model.operation_names}
        if command not in operations:
            print(call["where"], "is no call of", service)
            continue
        shape = model.operation_model(operations[command]).input_shape
        members = {xform_name(m, "-"): s for m, s in (shape.members.items() if shape else [])}
        unknown = {f for f in flags if f not in members and f.removeprefix("no-") not in members}
        for m in shape.required_members if shape else []:
            if xform_name(m, "-") not in flags:
                print(call["where"], "lacks", xform_name(m, "-"))
    if unknown:
        print(call["where"], "has no", sorted(unknown))
print(len(calls))
`

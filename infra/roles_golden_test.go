package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden of our roles' policies anew")

// everyFeature turns on whatever adds a right.
func everyFeature(mode string) Settings {
	return with(func(s *Settings) {
		s.Mode, s.GetFunction, s.SecurityHub, s.Bus, s.Slack = mode, true, true, "rotationguard", "T0123ABCD/C0123ABCD"
		s.Member.Role, s.Member.ExternalID = "/audit/rotationguard", "rg"
		if mode != modeReport {
			s.Roles = []string{"arn:aws:iam::123456789012:role/rotate-*", "arn:aws:iam::123456789012:role/SecretsManager*"}
			s.Functions = []string{"arn:aws:lambda:eu-central-1:123456789012:function:rotate-*", "arn:aws:lambda:eu-central-1:123456789012:function:SecretsManager*"}
		}
	})
}

// deployedNames is what CloudFormation would make of a template's references, in account 123456789012 and eu-central-1.
func deployedNames(t *testing.T, tm template) *strings.Replacer {
	t.Helper()
	in := func(service, resource string) string {
		return "arn:aws:" + service + ":eu-central-1:123456789012:" + resource
	}
	pairs := []string{"<Partition>", "aws", "<Region>", "eu-central-1", "<AccountId>", "123456789012", "<URLSuffix>", "amazonaws.com"}
	for name, arn := range map[string]string{
		"Reader": "arn:aws:iam::123456789012:role/rotationguard-reader", "Writer": "arn:aws:iam::123456789012:role/rotationguard-writer",
		"Sweep": in("lambda", "function:rotationguard-sweep"), "Log": in("logs", "log-group:rotationguard:*"), "Key": in("kms", "key/11111111-2222-3333-4444-555555555555"),
		"Events": in("sqs", "rotationguard-events"), "DeadLetters": in("sqs", "rotationguard-dead"), "Ledger": in("dynamodb", "table/rotationguard-ledger"),
		"Reports": "arn:aws:s3:::rotationguard-reports", "Topic": in("sns", "rotationguard"), "Chat": in("sns", "rotationguard-chat"),
	} {
		for id := range tm.Resources {
			if strings.HasPrefix(id, name) && len(id) == len(name)+8 {
				pairs = append(pairs, "<"+id+".Arn>", arn, "<"+id+">", arn)
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// policyOf is all that a role may do, as one document.
func policyOf(t *testing.T, tm template, role string) map[string]any {
	t.Helper()
	names := deployedNames(t, tm)
	all := func(values []string) []string {
		out := make([]string, len(values))
		for i, v := range values {
			out[i] = names.Replace(v)
		}
		slices.Sort(out)
		return out
	}
	var statements []any
	for _, g := range tm.grants(t, tm.named(t, role)) {
		s := map[string]any{"Sid": g.Sid, "Effect": g.Effect, "Resource": all(g.Resources)}
		if g.Actions != nil {
			s["Action"] = all(g.Actions)
		}
		if g.NotActions != nil {
			s["NotAction"] = all(g.NotActions)
		}
		if g.Sid == "" {
			delete(s, "Sid")
		}
		if g.Condition != nil {
			conditions := map[string]any{}
			for operator, keys := range g.Condition {
				values := map[string]any{}
				for key, value := range keys.(map[string]any) {
					values[key] = all(texts(value))
				}
				conditions[operator] = values
			}
			s["Condition"] = conditions
		}
		statements = append(statements, s)
	}
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// TestRolesAreTheGolden: what our roles may do, with every feature on, changes only where a person has read it. functions/sweep runs under it.
func TestRolesAreTheGolden(t *testing.T) {
	roles := map[string]map[string]any{}
	for mode, names := range map[string][]string{modeReport: {"Reader"}, modeRepair: {"Reader", "Writer"}, modeEnforce: {"Reader", "Writer"}} {
		tm := synth(t, everyFeature(mode))
		roles[mode] = map[string]any{}
		for _, name := range names {
			roles[mode][name] = policyOf(t, tm, name)
		}
	}
	var written bytes.Buffer
	out := json.NewEncoder(&written)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	if err := out.Encode(roles); err != nil {
		t.Fatal(err)
	}
	text := written.Bytes()
	path := filepath.Join("testdata", "roles.json")
	if *update {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(string(text), "<>") {
		t.Errorf("a reference has no name: %s", text)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("our roles' policies (-golden +synthesized), go test ./infra -run Golden -update writes them:\n%s", diff)
	}
}

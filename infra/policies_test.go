package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPoliciesAreTheOnesThatWereReviewed holds every policy that a deployment makes to a file that a person reads when it changes: what each role may
// do and who may assume it, and who may use the key, the topics, the queues and the bucket.
func TestPoliciesAreTheOnesThatWereReviewed(t *testing.T) {
	enforcing := repairing()
	enforcing.Mode, enforcing.TargetBoundary = modeEnforce, "arn:aws:iam::111122223333:policy/edge"
	full := inVPC()
	full.Tracing, full.Slack, full.Bus, full.SecurityHub, full.GetFunction, full.Member.Role, full.Member.ExternalID = true, "T0123ABCD/C0123ABCD", "security", true, true, "audit/reader", "rg"
	for name, s := range map[string]Settings{"report": defaultSettings(), "repair": repairing(), "enforce": enforcing, "options": full} {
		t.Run(name, func(t *testing.T) {
			got := synth(t, s).policies(t)
			file := filepath.Join("testdata", "policies-"+name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(readFile(t, file)), got); diff != "" {
				t.Errorf("the policies are not those of %s; read the difference, then run the test with -update (-want +got):\n%s", file, diff)
			}
		})
	}
}

// policies writes all policies of a template, one statement a line, without the generated ends of names.
func (tm template) policies(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	section := func(title, id string, document any) {
		fmt.Fprintf(&b, "%s %s\n", title, id)
		d, _ := document.(map[string]any)
		statements, ok := d["Statement"].([]any)
		if !ok {
			t.Fatalf("%s %s has no statements: %v", title, id, document)
		}
		for _, s := range statements {
			b.WriteString("  " + oneStatement(t, s.(map[string]any)) + "\n")
		}
		b.WriteString("\n")
	}
	for _, id := range tm.ofType("AWS::IAM::Role") {
		section("trust of", id, tm.Resources[id].Properties["AssumeRolePolicyDocument"])
	}
	for _, id := range tm.ofType("AWS::IAM::Policy") {
		section("policy", id+" of "+strings.Join(texts(tm.Resources[id].Properties["Roles"]), ", "), tm.Resources[id].Properties["PolicyDocument"])
	}
	for _, typ := range []string{"AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"} {
		for _, id := range tm.ofType(typ) {
			section("resource policy", id, tm.Resources[id].Properties["PolicyDocument"])
		}
	}
	for _, id := range tm.ofType("AWS::KMS::Key") {
		section("key policy", id, tm.Resources[id].Properties["KeyPolicy"])
	}
	text := b.String()
	for id := range tm.Resources {
		if len(id) > 8 {
			text = strings.ReplaceAll(text, id, id[:len(id)-8])
		}
	}
	return text
}

// oneStatement writes a statement on a line: effect, who, what, on what, when.
func oneStatement(t *testing.T, s map[string]any) string {
	t.Helper()
	list := func(v any) string {
		all := texts(v)
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	var parts []string
	for _, field := range []string{"Sid", "Effect", "Principal", "Action", "NotAction", "Resource"} {
		v, ok := s[field]
		if !ok {
			continue
		}
		if field == "Principal" {
			v = principals(s)
		}
		parts = append(parts, field+": "+list(v))
	}
	if condition, ok := s["Condition"]; ok {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(plainValues(condition)); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, "Condition: "+strings.TrimSpace(text.String()))
	}
	return strings.Join(parts, " | ")
}

// plainValues writes CloudFormation's functions in a condition as text.
func plainValues(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return texts(v)
	}
	if m["Ref"] != nil || m["Fn::GetAtt"] != nil || m["Fn::Join"] != nil {
		return texts(v)
	}
	out := map[string]any{}
	for key, value := range m {
		out[key] = plainValues(value)
	}
	return out
}

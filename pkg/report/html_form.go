package report

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
)

// pageForm is a fix as one tool writes it.
type pageForm struct {
	Tool  string
	Texts []string
}

// forms writes the statements of a fix for every tool but the AWS CLI, whose command stands by itself. A tool that has no form for
// one of the statements is left out.
func forms(findings []*drift.Finding) []pageForm {
	merged := mergeStatements(findings)
	if len(merged) == 0 {
		return nil
	}
	var all []pageForm
	for _, tool := range drift.Tools() {
		if tool == drift.ToolCLI {
			continue
		}
		form := pageForm{Tool: toolName(tool)}
		for _, f := range merged {
			text := drift.FixIn(tool, f)
			if text == "" && tool == drift.ToolJSON {
				text = strings.Join(layOut(f.Fix.Statement), "\n")
			}
			if text != "" {
				form.Texts = append(form.Texts, strings.Join(inertLines(text), "\n"))
			}
		}
		if len(form.Texts) == len(merged) {
			all = append(all, form)
		}
	}
	return all
}

func toolName(t drift.Tool) string {
	switch t {
	case drift.ToolJSON:
		return "JSON"
	case drift.ToolCLI:
		return "AWS CLI"
	case drift.ToolCDK:
		return "CDK"
	case drift.ToolCloudFormation:
		return "CloudFormation"
	case drift.ToolTerraform:
		return "Terraform"
	}
	return string(t)
}

// mergeStatements are findings with the statements to add, those put together that differ in their action alone.
func mergeStatements(findings []*drift.Finding) []*drift.Finding {
	var merged []*drift.Finding
	at := map[string]int{}
	for _, f := range findings {
		if f.Fix == nil || f.Fix.Statement == "" {
			continue
		}
		rest, actions := splitActions(f.Fix.Statement)
		key := string(f.Kind) + " " + string(f.Subject) + " " + rest
		i, ok := at[key]
		if !ok || f.Direction != policy.Missing || len(actions) == 0 {
			at[key] = len(merged)
			merged = append(merged, f)
			continue
		}
		_, before := splitActions(merged[i].Fix.Statement)
		for _, a := range actions {
			if !slices.Contains(before, a) {
				before = append(before, a)
			}
		}
		fix := *merged[i].Fix
		fix.Statement = joinActions(fix.Statement, before)
		finding := *merged[i]
		finding.Fix = &fix
		merged[i] = &finding
	}
	return merged
}

// splitActions is a statement without its Action, and the actions. There are none where the text is no single statement.
func splitActions(statement string) (rest string, actions []string) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(statement), &members) != nil {
		return statement, nil
	}
	var one string
	switch {
	case json.Unmarshal(members["Action"], &actions) == nil:
	case json.Unmarshal(members["Action"], &one) == nil:
		actions = []string{one}
	default:
		return statement, nil
	}
	delete(members, "Action")
	text, err := json.Marshal(members)
	if err != nil {
		return statement, nil
	}
	return string(text), actions
}

// joinActions is the statement with other actions.
func joinActions(statement string, actions []string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(statement), &members) != nil {
		return statement
	}
	list, err := json.Marshal(actions)
	if err != nil {
		return statement
	}
	members["Action"] = list
	return ordered(members)
}

// statementOrder is how AWS's pages write a statement.
var statementOrder = []string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}

// ordered writes a statement's members as AWS's pages order them, others behind.
func ordered(members map[string]json.RawMessage) string {
	names := slices.DeleteFunc(slices.Clone(statementOrder), func(name string) bool { return members[name] == nil })
	for _, name := range sortedKeys(members) {
		if !slices.Contains(statementOrder, name) {
			names = append(names, name)
		}
	}
	var out strings.Builder
	out.WriteByte('{')
	for i, name := range names {
		key, _ := json.Marshal(name) // of a string it never fails
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(members[name])
	}
	return out.String() + "}"
}

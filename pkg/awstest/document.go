package awstest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// documentKind is what a policy document is for; it decides which elements it must and must not have.
type documentKind string

const (
	identityDocument documentKind = "identity" // of roles, users, groups and managed policies
	trustDocument    documentKind = "trust"    // who may assume a role
	resourceDocument documentKind = "resource" // of secrets, keys and functions
)

// complaint is what AWS says against a document.
type complaint string

func (c complaint) Error() string { return string(c) }

// statement is as much of a policy statement as the checks here need.
type statement struct {
	Sid          string
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       json.RawMessage
	NotAction    json.RawMessage
	Resource     json.RawMessage
	NotResource  json.RawMessage
	Condition    json.RawMessage
}

// parseStatements gives a document's statements; one alone may stand without a list.
func parseStatements(doc string) ([]statement, error) {
	raw, err := rawStatements(doc)
	if err != nil {
		return nil, err
	}
	out := make([]statement, len(raw))
	for i, r := range raw {
		if err := json.Unmarshal(r, &out[i]); err != nil {
			return nil, complaint("Syntax errors in policy.")
		}
	}
	return out, nil
}

func rawStatements(doc string) ([]json.RawMessage, error) {
	var d struct {
		Version   *string
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return nil, complaint("Syntax errors in policy.")
	}
	if d.Version != nil && *d.Version != "2012-10-17" && *d.Version != "2008-10-17" {
		return nil, complaint("The policy must contain a valid version string")
	}
	if len(d.Statement) == 0 || string(d.Statement) == "null" {
		return nil, complaint("Missing required field Statement")
	}
	var list []json.RawMessage
	if d.Statement[0] == '{' {
		return []json.RawMessage{d.Statement}, nil
	}
	if err := json.Unmarshal(d.Statement, &list); err != nil {
		return nil, complaint("Syntax errors in policy.")
	}
	return list, nil
}

var sidText = regexp.MustCompile(`^[0-9A-Za-z]*$`)

// checkDocument refuses what IAM refuses, in IAM's words ("Troubleshoot IAM policies"; the messages are those that its API
// sends). It does not know actions or ARNs.
func checkDocument(doc string, kind documentKind) error {
	statements, err := parseStatements(doc)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		return complaint("Syntax errors in policy.")
	}
	seen := map[string]bool{}
	for _, s := range statements {
		if err := s.check(kind); err != nil {
			return err
		}
		if s.Sid == "" || kind == resourceDocument {
			continue
		}
		if !sidText.MatchString(s.Sid) {
			return complaint("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
		}
		if seen[s.Sid] {
			return complaint("Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.Sid] = true
	}
	return nil
}

func (s statement) check(kind documentKind) error {
	named := s.Principal != nil || s.NotPrincipal != nil
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return complaint("Syntax errors in policy.")
	case s.Action == nil && s.NotAction == nil:
		return complaint("Policy statement must contain actions.")
	case s.Action != nil && s.NotAction != nil, s.Resource != nil && s.NotResource != nil, s.Principal != nil && s.NotPrincipal != nil:
		return complaint("Syntax errors in policy.")
	case kind == identityDocument && named:
		return complaint("Policy document should not specify a principal.")
	case kind == identityDocument && s.Resource == nil && s.NotResource == nil:
		return complaint("Policy statement must contain resources.")
	case kind == trustDocument && (s.Resource != nil || s.NotResource != nil):
		return complaint("Has prohibited field Resource")
	case kind == trustDocument && !named, kind == resourceDocument && !named:
		return complaint("Missing required field Principal")
	}
	for _, raw := range []json.RawMessage{s.Action, s.NotAction, s.Resource, s.NotResource} {
		if raw != nil && stringsOf(raw) == nil {
			return complaint("Syntax errors in policy.")
		}
	}
	for _, action := range append(stringsOf(s.Action), stringsOf(s.NotAction)...) {
		if action != "*" && !strings.Contains(action, ":") {
			return complaint("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
	}
	return nil
}

// stringsOf reads a string or a list of strings; nil when it is neither.
func stringsOf(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	return many
}

// awsPrincipals are the accounts, users and roles that a Principal element names; "*" for everyone.
func awsPrincipals(raw json.RawMessage) []string {
	if all := stringsOf(raw); all != nil {
		return all
	}
	var p struct{ AWS json.RawMessage }
	if json.Unmarshal(raw, &p) != nil || p.AWS == nil {
		return nil
	}
	return stringsOf(p.AWS)
}

// isPublic says whether a statement allows everyone, without any condition.
func isPublic(doc string) bool {
	statements, err := parseStatements(doc)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(statements, func(s statement) bool {
		return s.Effect == "Allow" && s.Condition == nil && slices.Contains(awsPrincipals(s.Principal), "*")
	})
}

// size counts a document's characters as IAM's quotas do: without white space.
func size(doc string) int {
	n := 0
	for _, r := range doc {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

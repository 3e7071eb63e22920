package repair

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rogpeppe/go-internal/diff"
)

// statements is a policy document whose statements keep their bytes.
type statements struct {
	version json.RawMessage
	id      json.RawMessage
	list    []json.RawMessage
}

// readStatements takes a document apart; the empty text is a document without statements.
func readStatements(text string) (statements, error) {
	if text == "" {
		return statements{version: json.RawMessage(`"2012-10-17"`)}, nil
	}
	var doc struct {
		Version   json.RawMessage
		ID        json.RawMessage `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return statements{}, fmt.Errorf("reading a policy's statements: %w", err)
	}
	s := statements{version: doc.Version, id: doc.ID}
	if one := bytes.TrimSpace(doc.Statement); len(one) > 0 && one[0] == '{' {
		s.list = []json.RawMessage{one}
		return s, nil
	}
	if len(doc.Statement) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(doc.Statement, &s.list); err != nil {
		return statements{}, fmt.Errorf("reading a policy's statements: %w", err)
	}
	return s, nil
}

// sids are the statements' Sids, "" for one that has none.
func (s statements) sids() []string {
	out := make([]string, len(s.list))
	for i, raw := range s.list {
		var sid struct{ Sid string }
		if json.Unmarshal(raw, &sid) == nil {
			out[i] = sid.Sid
		}
	}
	return out
}

func (s statements) with(statement json.RawMessage) statements {
	s.list = append(slices.Clone(s.list), statement)
	return s
}

func (s statements) without(sid string) statements {
	var list []json.RawMessage
	for i, have := range s.sids() {
		if have != sid {
			list = append(list, s.list[i])
		}
	}
	s.list = list
	return s
}

// get is the statement with a Sid.
func (s statements) get(sid string) (json.RawMessage, bool) {
	if i := slices.Index(s.sids(), sid); i >= 0 {
		return s.list[i], true
	}
	return nil, false
}

// text is the document again; without statements it is empty: Lambda drops the policy with its last statement.
func (s statements) text() string {
	if len(s.list) == 0 {
		return ""
	}
	var b bytes.Buffer
	b.WriteByte('{')
	field := func(name string, value json.RawMessage) {
		if len(value) > 0 {
			fmt.Fprintf(&b, "%q:%s,", name, value)
		}
	}
	field("Version", s.version)
	field("Id", s.id)
	b.WriteString(`"Statement":[`)
	for i, raw := range s.list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(raw)
	}
	b.WriteString("]}")
	return b.String()
}

// sameJSON says whether two texts are the same JSON value, whatever their layout and the order of members. The empty text is
// only the same as itself.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	return a != "" && b != "" && canonicalJSON(a) == canonicalJSON(b)
}

// sameStatement says whether two statements of function policies say the same: a list of one is its member, the case of condition operators and keys
// does not matter, and Principal "*" and {"AWS":"*"} are one principal. AddPermission writes one form of them. Source: IAM User Guide, "Grammar of the
// IAM JSON policy language", "AWS JSON policy elements: Principal".
func sameStatement(a, b json.RawMessage) bool { return canonicalStatement(a) == canonicalStatement(b) }

func canonicalStatement(raw json.RawMessage) string {
	var s map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&s) != nil {
		return canonicalJSON(string(raw))
	}
	for _, name := range []string{"Action", "NotAction", "Resource", "NotResource"} {
		if v, ok := s[name]; ok {
			s[name] = bare(v)
		}
	}
	if p, ok := s["Principal"].(map[string]any); ok {
		for kind, v := range p {
			p[kind] = bare(v)
		}
		if len(p) == 1 && p["AWS"] == "*" {
			s["Principal"] = "*"
		}
	}
	if c, ok := s["Condition"].(map[string]any); ok {
		s["Condition"] = foldedCondition(c)
	}
	out, err := json.Marshal(s)
	if err != nil {
		return canonicalJSON(string(raw))
	}
	return string(out)
}

// bare is the member of a list of one, and any other value itself.
func bare(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return v
}

// foldedCondition is a condition with its operators and keys in lower case; one that names an operator or a key twice stays as it is.
func foldedCondition(c map[string]any) map[string]any {
	out := map[string]any{}
	for operator, keys := range c {
		named, ok := keys.(map[string]any)
		folded := map[string]any{}
		for key, v := range named {
			folded[strings.ToLower(key)] = bare(v)
		}
		if !ok || len(folded) != len(named) {
			return c
		}
		out[strings.ToLower(operator)] = folded
	}
	if len(out) != len(c) {
		return c
	}
	return out
}

// canonicalJSON is a value in one layout with sorted members; a text that is no JSON stays as it is.
func canonicalJSON(text string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(out)
}

// samePolicy says whether two function policies hold the same statements in any order, whatever their Id. Empty: no policy.
func samePolicy(a, b string) bool {
	sa, erra := readStatements(a)
	sb, errb := readStatements(b)
	if erra != nil || errb != nil {
		return a == b
	}
	return slices.Equal(sa.canonical(), sb.canonical())
}

func (s statements) canonical() []string {
	out := make([]string, len(s.list))
	for i, raw := range s.list {
		out[i] = canonicalStatement(raw)
	}
	slices.Sort(out)
	return out
}

// unified is the difference of two documents laid out, as a unified diff; empty when they do not differ.
func unified(name, before, after string) string {
	return string(diff.Diff("before "+name, layOut(before), "after "+name, layOut(after)))
}

func layOut(text string) []byte {
	if text == "" {
		return nil
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return append([]byte(text), '\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// nonSpace counts what IAM counts of a policy: its characters but white space. Source: IAM User Guide, "IAM and AWS STS
// quotas", character limits.
func nonSpace(text string) int {
	n := 0
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

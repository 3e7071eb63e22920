package policy

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// String is the document as JSON on one line. Parse reads it back to the same document, name aside.
func (d *Document) String() string {
	w := printer{}
	w.document(d)
	return w.b.String()
}

// Indent is the document as JSON on several lines, two spaces a level, ready to be pasted.
func (d *Document) Indent() string {
	w := printer{pretty: true}
	w.document(d)
	return w.b.String()
}

// MarshalJSON is String, or an error where JSON cannot say what the document says: one operator that tests one key twice.
func (d *Document) MarshalJSON() ([]byte, error) {
	for i := range d.Statements {
		conditions := d.Statements[i].Conditions
		for j := range conditions {
			for k := range conditions[:j] {
				if equalFold(conditions[j].Operator, conditions[k].Operator) && equalFold(conditions[j].Key, conditions[k].Key) {
					return nil, fmt.Errorf("%s: statement %d: Condition.%s.%s: the condition key appears twice",
						d.Name, i, conditions[j].Operator, conditions[j].Key)
				}
			}
		}
	}
	return []byte(d.String()), nil
}

// String is the statement as JSON on one line.
func (s *Statement) String() string {
	w := printer{}
	w.statement(s)
	return w.b.String()
}

// printer writes JSON in a fixed order of members.
type printer struct {
	b      strings.Builder
	pretty bool
	depth  int
	filled bool // the innermost object or array has a member already
}

func (w *printer) open(c byte) {
	w.b.WriteByte(c)
	w.depth++
	w.filled = false
}

func (w *printer) close(c byte) {
	w.depth--
	if w.filled {
		w.line()
	}
	w.b.WriteByte(c)
	w.filled = true
}

func (w *printer) line() {
	if w.pretty {
		w.b.WriteByte('\n')
		for range w.depth {
			w.b.WriteString("  ")
		}
	}
}

// next begins a member of an object or an element of an array.
func (w *printer) next() {
	if w.filled {
		w.b.WriteByte(',')
	}
	w.line()
	w.filled = true
}

func (w *printer) name(key string) {
	w.next()
	w.quote(key)
	w.b.WriteByte(':')
	if w.pretty {
		w.b.WriteByte(' ')
	}
}

func (w *printer) member(key, value string) {
	w.name(key)
	w.quote(value)
}

func (w *printer) list(key string, values []string) {
	w.name(key)
	if len(values) == 1 {
		w.quote(values[0])
		return
	}
	w.open('[')
	for _, value := range values {
		w.next()
		w.quote(value)
	}
	w.close(']')
}

func (w *printer) document(d *Document) {
	w.open('{')
	if d.Version != "" {
		w.member("Version", string(d.Version))
	}
	if d.ID != "" {
		w.member("Id", d.ID)
	}
	w.name("Statement")
	w.open('[')
	for i := range d.Statements {
		w.next()
		w.statement(&d.Statements[i])
	}
	w.close(']')
	w.close('}')
}

func (w *printer) statement(s *Statement) {
	w.open('{')
	if s.Sid != "" {
		w.member("Sid", s.Sid)
	}
	w.member("Effect", string(s.Effect))
	w.principals("Principal", s.Principals)
	w.principals("NotPrincipal", s.NotPrincipals)
	for _, list := range [...]struct {
		key    string
		values []string
	}{{"Action", s.Actions}, {"NotAction", s.NotActions}, {"Resource", s.Resources}, {"NotResource", s.NotResources}} {
		if len(list.values) > 0 {
			w.list(list.key, list.values)
		}
	}
	w.conditions(s.Conditions)
	w.close('}')
}

func (w *printer) principals(key string, principals []Principal) {
	if len(principals) == 0 {
		return
	}
	w.name(key)
	for _, p := range principals {
		if p.Type == PrincipalAny {
			w.quote("*")
			return
		}
	}
	w.open('{')
	for i, p := range principals {
		if seenType(principals[:i], p.Type) {
			continue
		}
		var ids []string
		for _, other := range principals[i:] {
			if other.Type == p.Type {
				ids = append(ids, other.ID)
			}
		}
		w.list(string(p.Type), ids)
	}
	w.close('}')
}

func seenType(principals []Principal, t PrincipalType) bool {
	for _, p := range principals {
		if p.Type == t {
			return true
		}
	}
	return false
}

func (w *printer) conditions(conditions []Condition) {
	if len(conditions) == 0 {
		return
	}
	w.name("Condition")
	w.open('{')
	for i, c := range conditions {
		if seenOperator(conditions[:i], c.Operator) {
			continue
		}
		name := c.Operator
		if op, message := readOperator(name); message == "" {
			name = op.String()
		}
		w.name(name)
		w.open('{')
		for _, other := range conditions[i:] {
			if equalFold(other.Operator, c.Operator) {
				w.list(other.Key, other.Values)
			}
		}
		w.close('}')
	}
	w.close('}')
}

func seenOperator(conditions []Condition, operator string) bool {
	for i := range conditions {
		if equalFold(conditions[i].Operator, operator) {
			return true
		}
	}
	return false
}

const hexDigits = "0123456789abcdef"

// quote writes s as a JSON string. Only what JSON forbids is escaped; a byte that is no UTF-8 becomes the replacement
// character.
func (w *printer) quote(s string) {
	w.b.WriteByte('"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				w.b.WriteString(s[start:i])
				w.b.WriteRune(utf8.RuneError)
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		w.b.WriteString(s[start:i])
		switch c {
		case '"', '\\':
			w.b.WriteByte('\\')
			w.b.WriteByte(c)
		case '\n':
			w.b.WriteString(`\n`)
		case '\r':
			w.b.WriteString(`\r`)
		case '\t':
			w.b.WriteString(`\t`)
		default:
			w.b.WriteString(`\u00`)
			w.b.WriteByte(hexDigits[c>>4])
			w.b.WriteByte(hexDigits[c&15])
		}
		i++
		start = i
	}
	w.b.WriteString(s[start:])
	w.b.WriteByte('"')
}

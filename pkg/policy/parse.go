package policy

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxDocumentSize is the largest document that Parse reads, in bytes. IAM's own limits are far lower.
const MaxDocumentSize = 1 << 20

// ParseError says where and why a document is not a policy that IAM takes.
type ParseError struct {
	Name      string // the document's name
	Line      int    // from 1; 0 when the place is not known
	Column    int    // from 1, in characters
	Statement int    // zero-based; -1 when no statement is meant
	Field     string // the element, "Condition.StringLike.aws:SourceArn"; empty when the document as a whole is meant
	Message   string
}

// Error is "NAME:LINE:COLUMN: Statement[N].FIELD: MESSAGE", without what is not known.
func (e *ParseError) Error() string {
	var b strings.Builder
	b.WriteString(e.Name)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	switch {
	case e.Statement >= 0 && e.Field != "":
		fmt.Fprintf(&b, ": Statement[%d].%s", e.Statement, e.Field)
	case e.Statement >= 0:
		fmt.Fprintf(&b, ": Statement[%d]", e.Statement)
	case e.Field != "":
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Message
}

// Parse reads one policy document. It is strict: what IAM refuses or Access Analyzer's policy checks call an error is a
// *ParseError, and so is every duplicate member, every unknown member and everything after the document. Condition
// operators are read without case and spelled as the documentation does; numbers and Booleans among condition values
// become text. Parse takes a document of any kind; CheckKind tells whether it suits the place that it came from.
//
// Nesting is bounded by the grammar: there is no element in which a value may nest.
// Source: IAM User Guide, "Grammar of the IAM JSON policy language" and "Access Analyzer policy check reference".
func Parse(name string, data []byte) (*Document, error) {
	p := parser{name: name, statement: -1}
	switch {
	case len(data) > MaxDocumentSize:
		return nil, &ParseError{Name: name, Statement: -1, Message: fmt.Sprintf("the document has %d bytes, more than %d", len(data), MaxDocumentSize)}
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return nil, &ParseError{Name: name, Line: 1, Column: 1, Statement: -1, Message: "the document begins with a byte order mark"}
	}
	p.text = string(data)
	if !utf8.ValidString(p.text) {
		return nil, p.failAt(invalidAt(p.text), "", "the document is not UTF-8 here")
	}
	d, err := p.document()
	if err != nil {
		return nil, err
	}
	d.Name = name
	return d, nil
}

func invalidAt(s string) int {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(s)
}

// parser reads the grammar straight from the text.
type parser struct {
	name      string
	text      string
	at        int
	statement int
	deferred  []deferredValue
}

// deferredValue is a value whose meaning depends on the document's Version, which may come after it.
type deferredValue struct {
	at, statement int
	field         string
	text          string
	comparison    comparison
	resource      bool
}

func (p *parser) failAt(at int, field, format string, args ...any) *ParseError {
	before := p.text[:min(at, len(p.text))]
	start := strings.LastIndexByte(before, '\n') + 1
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &ParseError{
		Name:      p.name,
		Line:      strings.Count(before, "\n") + 1,
		Column:    utf8.RuneCountInString(before[start:]) + 1,
		Statement: p.statement,
		Field:     field,
		Message:   message,
	}
}

func (p *parser) document() (*Document, *ParseError) {
	p.space()
	if p.at == len(p.text) {
		return nil, p.failAt(p.at, "", "the document is empty")
	}
	if p.text[p.at] != '{' {
		return nil, p.failAt(p.at, "", "a policy document is a JSON object, not %s", p.found())
	}
	d := &Document{}
	start := p.at
	var hasVersion, hasID, hasStatement bool
	err := p.members("", func(key string, at int) (err *ParseError) {
		var seen *bool
		switch key {
		case "Version":
			seen = &hasVersion
		case "Id":
			seen = &hasID
		case "Statement":
			seen = &hasStatement
		default:
			return p.failAt(at, key, "unknown member of a policy document")
		}
		if *seen {
			return p.failAt(at, key, "the member appears twice")
		}
		*seen = true
		value := p.at
		switch key {
		case "Version":
			var version string
			if version, err = p.stringValue(key); err != nil {
				return err
			}
			if d.Version = Version(version); d.Version != Version2008 && d.Version != Version2012 {
				return p.failAt(value, key, `must be "2012-10-17" or "2008-10-17", not %q`, version)
			}
		case "Id":
			d.ID, err = p.stringValue(key)
		default:
			d.Statements, err = p.statements()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.failAt(p.at, "", "data after the end of the document")
	}
	if !hasStatement {
		return nil, p.failAt(start, "Statement", "missing")
	}
	if err := p.checkDeferred(d.Version == Version2012); err != nil {
		return nil, err
	}
	return d, nil
}

func (p *parser) checkDeferred(variables bool) *ParseError {
	for _, v := range p.deferred {
		message := ""
		switch {
		case !v.resource:
			message = valueMessage(v.comparison, v.text, variables)
		case variables:
			message = checkVariables(v.text)
		}
		if message != "" {
			p.statement = v.statement
			return p.failAt(v.at, v.field, "%q: %s", v.text, message)
		}
	}
	return nil
}

func (p *parser) statements() ([]Statement, *ParseError) {
	var statements []Statement
	if p.peek() == '{' {
		p.statement = 0
		s, err := p.statementObject()
		if err != nil {
			return nil, err
		}
		p.statement = -1
		return append(statements, s), nil
	}
	start := p.at
	err := p.elements("Statement", "an object or an array of objects", func(i int) *ParseError {
		p.statement = i
		if p.peek() != '{' {
			return p.failAt(p.at, "", "a statement is a JSON object, not %s", p.found())
		}
		s, err := p.statementObject()
		if err != nil {
			return err
		}
		statements = append(statements, s)
		p.statement = -1
		return nil
	})
	if err == nil && len(statements) == 0 {
		err = p.failAt(start, "Statement", "holds no statement")
	}
	return statements, err
}

// statementElements are the members of a statement, in the order in which they are printed.
var statementElements = [...]string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}

func elementIndex(key string) int {
	for i, element := range statementElements {
		if element == key {
			return i
		}
	}
	return -1
}

func (p *parser) statementObject() (Statement, *ParseError) {
	var s Statement
	var seen [len(statementElements)]bool
	start := p.at
	err := p.members("", func(key string, at int) (err *ParseError) {
		element := elementIndex(key)
		if element < 0 {
			return p.failAt(at, key, "unknown member of a statement")
		}
		if seen[element] {
			return p.failAt(at, key, "the member appears twice")
		}
		seen[element] = true
		value := p.at
		switch key {
		case "Sid":
			s.Sid, err = p.stringValue(key)
		case "Effect":
			var effect string
			if effect, err = p.stringValue(key); err != nil {
				return err
			}
			if s.Effect = Effect(effect); s.Effect != Allow && s.Effect != Deny {
				return p.failAt(value, key, `must be "Allow" or "Deny", not %q`, effect)
			}
		case "Principal":
			s.Principals, err = p.principals(key)
		case "NotPrincipal":
			s.NotPrincipals, err = p.principals(key)
		case "Action":
			s.Actions, err = p.list(key, p.checkAction)
		case "NotAction":
			s.NotActions, err = p.list(key, p.checkAction)
		case "Resource":
			s.Resources, err = p.list(key, p.checkResource)
		case "NotResource":
			s.NotResources, err = p.list(key, p.checkResource)
		default:
			s.Conditions, err = p.conditions()
		}
		return err
	})
	if err != nil {
		return s, err
	}
	has := func(key string) bool { return seen[elementIndex(key)] }
	for _, pair := range [...][2]string{{"Action", "NotAction"}, {"Resource", "NotResource"}, {"Principal", "NotPrincipal"}} {
		if has(pair[0]) && has(pair[1]) {
			return s, p.failAt(start, pair[1], "a statement cannot hold both %s and %s", pair[0], pair[1])
		}
	}
	switch {
	case !has("Effect"):
		return s, p.failAt(start, "Effect", "missing")
	case !has("Action") && !has("NotAction"):
		return s, p.failAt(start, "Action", "a statement needs Action or NotAction")
	}
	return s, nil
}

// list reads a string or an array of strings, at least one.
func (p *parser) list(field string, check func(text string, at int, field string) *ParseError) ([]string, *ParseError) {
	if p.peek() == '"' {
		at := p.at
		text, err := p.stringValue(field)
		if err == nil {
			err = check(text, at, field)
		}
		return []string{text}, err
	}
	start := p.at
	var texts []string
	err := p.elements(field, "a string or an array of strings", func(i int) *ParseError {
		at := p.at
		text, err := p.stringValue(field)
		if err == nil {
			err = check(text, at, field)
		}
		if err != nil {
			err.Field = indexed(field, i)
		}
		texts = append(texts, text)
		return err
	})
	if err == nil && len(texts) == 0 {
		err = p.failAt(start, field, "is empty")
	}
	return texts, err
}

func indexed(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// checkAction: "*", or a service prefix without wildcards, one colon and the name of an action, which may hold wildcards.
// Source: IAM User Guide, "IAM JSON policy elements: Action"; the messages of CreatePolicy.
func (p *parser) checkAction(text string, at int, field string) *ParseError {
	if text == "*" {
		return nil
	}
	service, name, ok := strings.Cut(text, ":")
	switch {
	case !ok:
		return p.failAt(at, field, `%q is neither "*" nor of the form service:Action`, text)
	case strings.Contains(name, ":"):
		return p.failAt(at, field, "%q holds more than one colon", text)
	case service == "" || service != "*" && strings.Trim(service, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != "":
		return p.failAt(at, field, "%q has no service prefix, or one with characters that none has", text)
	case name == "" || strings.ContainsAny(name, " \t\r\n"):
		return p.failAt(at, field, "%q names no action", text)
	}
	return nil
}

// checkResource: "*", an ARN with its six parts, or a pattern that some ARN can match.
// Source: IAM User Guide, "Access Analyzer policy check reference": invalid ARN prefix, missing ARN field.
func (p *parser) checkResource(text string, at int, field string) *ParseError {
	literal := text
	wild := strings.IndexAny(text, "*?")
	if wild >= 0 {
		literal = text[:wild]
	}
	rest, isARN := strings.CutPrefix(literal, "arn:")
	partition, rest, hasService := strings.Cut(rest, ":")
	service, _, closed := strings.Cut(rest, ":")
	switch {
	case text == "":
		return p.failAt(at, field, "is empty")
	case !isARN && !(wild >= 0 && strings.HasPrefix("arn:", literal)):
		return p.failAt(at, field, `%q is neither an ARN nor "*"`, text)
	case isARN && partition == "" && (hasService || wild < 0):
		return p.failAt(at, field, "%q names no partition", text)
	case hasService && service == "" && (closed || wild < 0):
		return p.failAt(at, field, "%q names no service", text)
	case wild < 0 && !hasARNComponents(text):
		return p.failAt(at, field, "%q has fewer than the six parts of an ARN", text)
	}
	if strings.Contains(text, "${") {
		p.deferred = append(p.deferred, deferredValue{at: at, statement: p.statement, field: field, text: text, resource: true})
	}
	return nil
}

var principalTypes = [...]PrincipalType{PrincipalAWS, PrincipalService, PrincipalFederated, PrincipalCanonicalUser}

// principals reads "*" or an object of principal types.
func (p *parser) principals(field string) ([]Principal, *ParseError) {
	start := p.at
	switch p.peek() {
	case '"':
		text, err := p.stringValue(field)
		if err == nil && text != "*" {
			err = p.failAt(start, field, `must be "*" or an object, not %q`, text)
		}
		return []Principal{{Type: PrincipalAny, ID: "*"}}, err
	case '{':
	default:
		return nil, p.failAt(start, field, `must be "*" or an object, not %s`, p.found())
	}
	var principals []Principal
	var seen [len(principalTypes)]bool
	err := p.members(field, func(key string, at int) *ParseError {
		index := -1
		for i, t := range principalTypes {
			if string(t) == key {
				index = i
			}
		}
		field := field + "." + key
		if index < 0 {
			return p.failAt(at, field, "unknown principal type")
		}
		if seen[index] {
			return p.failAt(at, field, "the member appears twice")
		}
		seen[index] = true
		ids, err := p.list(field, func(text string, at int, field string) *ParseError {
			if _, message := newPrincipal(Principal{Type: principalTypes[index], ID: text}); message != "" {
				return p.failAt(at, field, "%q %s", text, message)
			}
			return nil
		})
		for _, id := range ids {
			principals = append(principals, Principal{Type: principalTypes[index], ID: id})
		}
		return err
	})
	if err == nil && len(principals) == 0 {
		err = p.failAt(start, field, "names no principal")
	}
	return principals, err
}

// conditions reads the operators of a statement. Two operators that differ only in case are one operator, and two keys of an
// operator that differ only in case are one key; each may appear once.
// Source: IAM User Guide, "Access Analyzer policy check reference": duplicate keys with different case.
func (p *parser) conditions() ([]Condition, *ParseError) {
	if p.peek() != '{' {
		return nil, p.failAt(p.at, "Condition", "must be an object, not %s", p.found())
	}
	var conditions []Condition
	var seen []operator
	err := p.members("Condition", func(name string, at int) *ParseError {
		op, message := readOperator(name)
		if message != "" {
			return p.failAt(at, "Condition."+name, "%s", message)
		}
		for _, other := range seen {
			if other == op {
				return p.failAt(at, "Condition."+name, "the operator appears twice")
			}
		}
		seen = append(seen, op)
		if p.peek() != '{' {
			return p.failAt(p.at, "Condition."+name, "must be an object, not %s", p.found())
		}
		operatorName := op.String()
		first := len(conditions)
		var keys map[string]bool
		return p.members("Condition."+name, func(key string, at int) *ParseError {
			if key == "" {
				return p.failAt(at, "Condition."+name, "a condition key is empty")
			}
			folded := lowerASCII(key)
			if duplicateKey(conditions[first:], key, folded, &keys) {
				return p.failAt(at, "Condition."+name+"."+key, "the condition key appears twice")
			}
			values, err := p.conditionValues(op, name, key)
			conditions = append(conditions, Condition{Operator: operatorName, Key: key, Values: values})
			return err
		})
	})
	return conditions, err
}

// duplicateKey compares key with those before it; past a few it keeps a set, so that a hostile document costs no more.
func duplicateKey(before []Condition, key, folded string, keys *map[string]bool) bool {
	const few = 8
	if len(before) < few {
		for i := range before {
			if equalFold(before[i].Key, key) {
				return true
			}
		}
		return false
	}
	if *keys == nil {
		*keys = map[string]bool{}
		for i := range before {
			(*keys)[lowerASCII(before[i].Key)] = true
		}
	}
	if (*keys)[folded] {
		return true
	}
	(*keys)[folded] = true
	return false
}

func (p *parser) conditionValues(op operator, name, key string) ([]string, *ParseError) {
	if p.peek() != '[' {
		text, err := p.conditionValue(op, name, key)
		return []string{text}, err
	}
	values := []string{}
	err := p.elements("Condition."+name+"."+key, "", func(i int) *ParseError {
		text, err := p.conditionValue(op, name, key)
		if err != nil {
			err.Field = indexed(err.Field, i)
		}
		values = append(values, text)
		return err
	})
	return values, err
}

// conditionValue reads one value; numbers and Booleans need no quotation marks and become text.
func (p *parser) conditionValue(op operator, name, key string) (string, *ParseError) {
	at := p.at
	var text string
	var err *ParseError
	switch c := p.peek(); {
	case c == '"':
		text, err = p.stringLiteral()
	case c == '-' || '0' <= c && c <= '9':
		text, err = p.numberLiteral()
	case strings.HasPrefix(p.text[at:], "true"):
		text, p.at = "true", at+len("true")
	case strings.HasPrefix(p.text[at:], "false"):
		text, p.at = "false", at+len("false")
	default:
		return "", p.failAt(at, "Condition."+name+"."+key, "must be a string, a number or a Boolean, not %s", p.found())
	}
	if err != nil {
		err.Field = "Condition." + name + "." + key
		return "", err
	}
	if strings.Contains(text, "${") {
		p.deferred = append(p.deferred, deferredValue{
			at: at, statement: p.statement, field: "Condition." + name + "." + key, text: text, comparison: op.comparison,
		})
		return text, nil
	}
	if op.comparison.typed() {
		if message := valueMessage(op.comparison, text, false); message != "" {
			return "", p.failAt(at, "Condition."+name+"."+key, "%q %s", text, message)
		}
	}
	return text, nil
}

// typed says whether an operator's values must be of a form, not just text.
func (c comparison) typed() bool {
	switch c {
	case stringEquals, stringEqualsIgnoreCase, stringLike, arnLike:
		return false
	default:
		return true
	}
}

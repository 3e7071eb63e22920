package policy

import "strings"

// variable is one ${…} of a policy value. escape is set for ${*}, ${?} and ${$}, which stand for the character itself.
// Source: IAM User Guide, "IAM policy elements: Variables and tags".
type variable struct {
	key       string
	fallback  string
	defaulted bool
	escape    string
}

// readVariable reads the variable at the start of s and how many bytes it takes. ok is false when s does not begin with a
// complete one; then the text is literal. The variable ends at the first closing brace after its quotes, so variables do not
// nest.
func readVariable(s string) (v variable, size int, ok bool) {
	if !strings.HasPrefix(s, "${") {
		return variable{}, 0, false
	}
	body := s[2:]
	end := strings.IndexByte(body, '}')
	if end < 0 {
		return variable{}, 0, false
	}
	if comma := strings.Index(body, ", '"); comma >= 0 && comma < end {
		quoted := body[comma+3:]
		if last := strings.Index(quoted, "'}"); last >= 0 {
			return variable{key: body[:comma], fallback: quoted[:last], defaulted: true}, 2 + comma + 3 + last + 2, true
		}
	}
	switch key := body[:end]; key {
	case "*", "?", "$":
		return variable{escape: key}, end + 3, true
	default:
		return variable{key: key}, end + 3, true
	}
}

// checkVariables says what is wrong with the variables in a value, "" when nothing is.
// Source: IAM User Guide, "Access Analyzer policy check reference": missing brace, missing quote, empty variable,
// unsupported space in variable.
func checkVariables(text string) string {
	for i := strings.Index(text, "${"); i >= 0; {
		v, size, ok := readVariable(text[i:])
		switch {
		case !ok:
			return "a policy variable has no closing brace"
		case v.escape != "":
		case v.key == "":
			return "a policy variable is empty"
		case strings.ContainsRune(v.key, '\''), strings.ContainsRune(v.key, ','):
			return `a policy variable's default is written as ${key, 'default'}`
		case strings.ContainsAny(v.key, " \t\r\n"):
			return "a policy variable holds a space"
		}
		rest := i + size
		if i = strings.Index(text[rest:], "${"); i >= 0 {
			i += rest
		}
	}
	return ""
}

// variable is the value that a request gives to a variable: yes with the value, no when it has none, maybe when the key
// cannot be known. A key with several values cannot be a variable.
// Source: IAM User Guide, "IAM policy elements: Variables and tags", the important note in section "Using variables".
func (r *Request) variable(t token) (string, truth) {
	values, presence := r.lookup(t.text, t.text)
	switch {
	case presence == yes && len(values) == 1:
		return values[0], yes
	case presence == maybe:
		return "", maybe
	case presence == no && t.fallback != nil:
		return *t.fallback, yes
	}
	return "", no
}

package policy

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// space skips JSON white space.
func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// found names what stands at the current place.
func (p *parser) found() string {
	rest := p.text[p.at:]
	switch c := p.peek(); {
	case rest == "":
		return "the end of the document"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == '-' || '0' <= c && c <= '9':
		return "a number"
	case strings.HasPrefix(rest, "true"), strings.HasPrefix(rest, "false"):
		return "a Boolean"
	case strings.HasPrefix(rest, "null"):
		return "null"
	}
	return "something that is not JSON"
}

// members reads an object. member is called with the place before each value and reads the value.
func (p *parser) members(field string, member func(key string, at int) *ParseError) *ParseError {
	p.at++
	p.space()
	if p.peek() == '}' {
		p.at++
		return nil
	}
	for {
		at := p.at
		if p.peek() != '"' {
			return p.failAt(at, field, "a member name is expected here, not %s", p.found())
		}
		key, err := p.stringValue(field)
		if err != nil {
			return err
		}
		p.space()
		if p.peek() != ':' {
			return p.failAt(p.at, field, "a colon is expected after %q", key)
		}
		p.at++
		p.space()
		if err := member(key, at); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.at++
			p.space()
		case '}':
			p.at++
			return nil
		default:
			return p.failAt(p.at, field, "a comma or a closing brace is expected here")
		}
	}
}

// elements reads an array. element is called with the place before each value and reads the value.
func (p *parser) elements(field, wanted string, element func(i int) *ParseError) *ParseError {
	if p.peek() != '[' {
		return p.failAt(p.at, field, "must be %s, not %s", wanted, p.found())
	}
	p.at++
	p.space()
	if p.peek() == ']' {
		p.at++
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.at++
			p.space()
		case ']':
			p.at++
			return nil
		default:
			return p.failAt(p.at, field, "a comma or a closing bracket is expected here")
		}
	}
}

// stringValue reads a string where nothing else may stand.
func (p *parser) stringValue(field string) (string, *ParseError) {
	if p.peek() != '"' {
		return "", p.failAt(p.at, field, "must be a string, not %s", p.found())
	}
	text, err := p.stringLiteral()
	if err != nil {
		err.Field = field
	}
	return text, err
}

// stringLiteral reads a JSON string that begins here.
func (p *parser) stringLiteral() (string, *ParseError) {
	start := p.at + 1
	for i := start; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.at = i + 1
			return p.text[start:i], nil
		case c == '\\':
			return p.escapedString(start, i)
		case c < ' ':
			return "", p.failAt(i, "", "a control character stands in a string")
		}
	}
	return "", p.failAt(len(p.text), "", "a string does not end")
}

// escapedString goes on at the first backslash.
func (p *parser) escapedString(start, i int) (string, *ParseError) {
	var b strings.Builder
	b.WriteString(p.text[start:i])
	for i < len(p.text) {
		switch c := p.text[i]; {
		case c == '"':
			p.at = i + 1
			return b.String(), nil
		case c < ' ':
			return "", p.failAt(i, "", "a control character stands in a string")
		case c != '\\':
			b.WriteByte(c)
			i++
			continue
		}
		if i+1 == len(p.text) {
			break
		}
		switch c := p.text[i+1]; c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, size := p.unicodeEscape(i)
			switch {
			case size == 0:
				return "", p.failAt(i, "", "a \\u escape needs four hexadecimal digits")
			case r == utf8.RuneError && size < 0:
				return "", p.failAt(i, "", "a \\u escape is one half of a surrogate pair")
			}
			b.WriteRune(r)
			i += size
			continue
		default:
			return "", p.failAt(i, "", "an unknown escape stands in a string")
		}
		i += 2
	}
	return "", p.failAt(len(p.text), "", "a string does not end")
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair, at i. The size is 0 for bad digits and -1 for half a
// pair.
func (p *parser) unicodeEscape(i int) (rune, int) {
	r, ok := hex4(p.text, i+2)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if strings.HasPrefix(p.text[i+6:], `\u`) {
		if low, ok := hex4(p.text, i+8); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return utf8.RuneError, -1
}

func hex4(s string, at int) (rune, bool) {
	if at+4 > len(s) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[at : at+4]) {
		switch c = lowerByte(c); {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// numberLiteral reads a JSON number that begins here and keeps it as it is written.
func (p *parser) numberLiteral() (string, *ParseError) {
	start, i := p.at, p.at
	digits := func() bool {
		from := i
		for i < len(p.text) && '0' <= p.text[i] && p.text[i] <= '9' {
			i++
		}
		return i > from
	}
	if p.text[i] == '-' {
		i++
	}
	whole := i
	ok := digits() && (p.text[whole] != '0' || i == whole+1)
	if ok && i < len(p.text) && p.text[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(p.text) && lowerByte(p.text[i]) == 'e' {
		i++
		if i < len(p.text) && (p.text[i] == '+' || p.text[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		return "", p.failAt(start, "", "a number is malformed")
	}
	p.at = i
	return p.text[start:i], nil
}

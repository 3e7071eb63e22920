package policy

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// tokenKind says what one piece of a pattern matches.
type tokenKind uint8

const (
	tokenLiteral  tokenKind = iota // exactly text
	tokenStar                      // any run of characters, the empty one too
	tokenOne                       // exactly one character
	tokenVariable                  // the value of the condition key text, else the default
)

// token is one piece of a pattern. within is set on a wildcard that stays inside its ARN segment: it does not match ':'.
type token struct {
	kind     tokenKind
	within   bool
	text     string
	fallback *string // the default of a variable, nil when it has none
}

// written is a variable as a policy has it, where that is literal text after all.
func (t *token) written() string {
	if t.fallback == nil {
		return "${" + t.text + "}"
	}
	return "${" + t.text + ", '" + *t.fallback + "'}"
}

// patternRule says where the wildcards of a pattern may reach.
type patternRule uint8

const (
	// ruleText: wildcards match anything, colons too (String operators, Action).
	ruleText patternRule = iota
	// ruleARN: six components, each compared separately; only the sixth may hold more colons (Arn operators).
	ruleARN
	// ruleResource: the Resource element.
	ruleResource
)

// arnColons is how many colons come before the resource part of an ARN.
const arnColons = 5

// pattern is one compiled value that text is compared with.
type pattern struct {
	tokens   []token
	rule     patternRule
	fold     bool // ASCII letters are compared without case
	variable bool // tokens hold variables that a request must resolve
	never    bool // nothing can match
	shape    patternShape
}

// patternShape is the cheap form that a pattern has, so that the common ones need no walk over tokens.
type patternShape uint8

const (
	shapeGeneral patternShape = iota
	shapeAny                  // "*"
	shapeLiteral              // text
	shapePrefix               // text*
)

// newPattern compiles text. wildcards says whether * and ? stand for more than themselves, variables whether ${…} is
// replaced (only in version 2012-10-17).
func newPattern(text string, rule patternRule, wildcards, variables, fold bool) pattern {
	var m maker
	return m.pattern(text, rule, wildcards, variables, fold)
}

// pattern is newPattern with the tokens among others.
func (m *maker) pattern(text string, rule patternRule, wildcards, variables, fold bool) pattern {
	if fold {
		text = lowerASCII(text)
	}
	p := pattern{rule: rule, fold: fold}
	p.tokens = m.split(text, wildcards, variables)
	if rule == ruleResource {
		p.tokens = resourceVariables(p.tokens)
	}
	for i := range p.tokens {
		if p.tokens[i].kind == tokenVariable {
			p.variable = true
		}
	}
	if !p.variable {
		p.tokens, p.never = settle(p.tokens, rule)
		p.shape = shapeOf(p.tokens)
	}
	return p
}

// split cuts text into tokens. Adjacent literals are one token, and so are adjacent stars.
func (m *maker) split(text string, wildcards, variables bool) []token {
	if !wildcards && !(variables && strings.Contains(text, "${")) {
		tokens := m.tokens.take(1)
		tokens[0] = token{kind: tokenLiteral, text: text}
		return tokens
	}
	n := 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '*', '?', '$':
			n += 2
		}
	}
	tokens := m.tokens.take(min(n, len(text)+1))[:0]
	literal := func(s string) {
		if s == "" {
			return
		}
		if n := len(tokens); n > 0 && tokens[n-1].kind == tokenLiteral {
			tokens[n-1].text += s
			return
		}
		tokens = append(tokens, token{kind: tokenLiteral, text: s})
	}
	start := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case wildcards && (c == '*' || c == '?'):
			literal(text[start:i])
			kind := tokenOne
			if c == '*' {
				kind = tokenStar
			}
			if n := len(tokens); kind == tokenOne || n == 0 || tokens[n-1].kind != tokenStar {
				tokens = append(tokens, token{kind: kind})
			}
			i++
			start = i
		case variables && c == '$':
			v, size, ok := readVariable(text[i:])
			if !ok {
				i++
				continue
			}
			literal(text[start:i])
			if v.escape != "" {
				literal(v.escape)
			} else {
				t := token{kind: tokenVariable, text: v.key}
				if v.defaulted {
					t.fallback = &v.fallback
				}
				tokens = append(tokens, t)
			}
			i += size
			start = i
		default:
			i++
		}
	}
	literal(text[start:])
	return tokens
}

// resourceVariables turns variables before the fifth colon into literal text: IAM replaces them only in the resource part.
// Source: IAM User Guide, "IAM policy elements: Variables and tags", section "Resource element".
func resourceVariables(tokens []token) []token {
	colons := 0
	for i := range tokens {
		switch t := &tokens[i]; {
		case t.kind == tokenLiteral:
			colons += strings.Count(t.text, ":")
		case t.kind == tokenVariable && colons < arnColons:
			*t = token{kind: tokenLiteral, text: t.written()}
		}
	}
	return tokens
}

// settle says for each wildcard how far it reaches, once every variable is literal text. never is true when the rule
// lets nothing match.
//
// ruleARN: "each of the six colon-delimited components of the ARN is checked separately" (IAM User Guide, "Condition
// operators", section ARN), so a wildcard before the fifth colon stays in its component and a pattern with fewer than six
// components matches nothing.
//
// ruleResource: "If the * wildcard is the last character of a resource ARN segment, it can expand to match beyond the colon
// boundaries" (IAM User Guide, "IAM JSON policy elements: Resource"); any other wildcard stays in its segment, except in the
// resource part, which is one segment here. A short ARN without such a star is read as if the missing segments
// were *, as IAM prints it in its own messages. A pattern that does not begin with "arn:" has no segments; its
// wildcards match anything.
func settle(tokens []token, rule patternRule) (settled []token, never bool) {
	switch rule {
	case ruleText:
	case ruleARN:
		colons := 0
		for i := range tokens {
			t := &tokens[i]
			t.within = false
			if t.kind == tokenLiteral {
				colons += strings.Count(t.text, ":")
			} else {
				t.within = colons < arnColons
			}
		}
		return tokens, colons < arnColons
	case ruleResource:
		if len(tokens) == 0 || tokens[0].kind != tokenLiteral || !strings.HasPrefix(tokens[0].text, "arn:") {
			return tokens, false
		}
		colons, crosses := 0, false
		for i := range tokens {
			t := &tokens[i]
			t.within = false
			switch t.kind {
			case tokenLiteral, tokenVariable:
				colons += strings.Count(t.text, ":")
			case tokenOne:
				t.within = colons < arnColons
			case tokenStar:
				last := i+1 == len(tokens) || tokens[i+1].kind == tokenLiteral && tokens[i+1].text[0] == ':'
				t.within = colons < arnColons && !last
				crosses = crosses || last
			}
		}
		if colons < arnColons && !crosses {
			if last := &tokens[len(tokens)-1]; last.kind == tokenLiteral {
				last.text += ":"
			} else {
				tokens = append(tokens, token{kind: tokenLiteral, text: ":"})
			}
			tokens = append(tokens, token{kind: tokenStar})
		}
	}
	return tokens, false
}

func shapeOf(tokens []token) patternShape {
	switch {
	case len(tokens) == 0:
		return shapeGeneral
	case len(tokens) == 1 && tokens[0].kind == tokenStar && !tokens[0].within:
		return shapeAny
	case len(tokens) == 1 && tokens[0].kind == tokenLiteral:
		return shapeLiteral
	case len(tokens) == 2 && tokens[0].kind == tokenLiteral && tokens[1].kind == tokenStar && !tokens[1].within:
		return shapePrefix
	}
	return shapeGeneral
}

// match says whether s matches. r resolves variables; the answer is maybe when one of them cannot be known.
func (p *pattern) match(s string, r *Request) truth {
	if p.variable {
		return p.matchVariables(s, r)
	}
	return truthOf(!p.never && p.matchSettled(s))
}

func (p *pattern) matchSettled(s string) bool {
	if p.rule == ruleARN && !hasARNComponents(s) {
		return false
	}
	switch p.shape {
	case shapeAny:
		return true
	case shapeLiteral:
		text := p.tokens[0].text
		return len(s) == len(text) && hasPrefix(s, text, p.fold)
	case shapePrefix:
		return hasPrefix(s, p.tokens[0].text, p.fold)
	default:
		return matchTokens(p.tokens, s, p.fold)
	}
}

// matchVariables replaces the variables first. A value that is put in is literal text, never a pattern. A variable without
// a value and without a default makes the pattern match nothing.
// Source: IAM User Guide, "Policy variables with no value".
func (p *pattern) matchVariables(s string, r *Request) truth {
	if first := &p.tokens[0]; first.kind == tokenLiteral && !hasPrefix(s, first.text, p.fold) {
		return no // whatever the variables are
	}
	var room [16]token
	tokens := room[:0]
	for _, t := range p.tokens {
		if t.kind == tokenVariable {
			value, known := r.variable(t)
			if known != yes {
				return known
			}
			if value == "" {
				continue
			}
			t = token{kind: tokenLiteral, text: value}
		}
		tokens = append(tokens, t)
	}
	tokens, never := settle(tokens, p.rule)
	if never || p.rule == ruleARN && !hasARNComponents(s) {
		return no
	}
	return truthOf(matchTokens(tokens, s, p.fold))
}

// matchTokens walks s and the tokens together. On a mismatch the latest wildcard takes one character more: first the one
// that stays in its segment, then, when that meets a colon, the latest one that does not. No other backtracking is needed,
// because a later wildcard reaches at least as far as an earlier one could.
func matchTokens(tokens []token, s string, fold bool) bool {
	if last := len(tokens) - 1; last >= 0 && !fold && tokens[last].kind == tokenLiteral && !strings.HasSuffix(s, tokens[last].text) {
		return false
	}
	ti, si := 0, 0
	starT, starS := -1, 0
	segmentT, segmentS := -1, 0
	for {
		if ti == len(tokens) {
			if si == len(s) {
				return true
			}
		} else {
			switch t := &tokens[ti]; t.kind {
			case tokenStar:
				if t.within {
					segmentT, segmentS = ti, si
				} else {
					if ti+1 == len(tokens) {
						return true
					}
					starT, starS, segmentT = ti, si, -1
				}
				ti++
				continue
			case tokenOne:
				if si < len(s) && !(t.within && s[si] == ':') {
					si += runeSize(s[si:])
					ti++
					continue
				}
			default:
				if hasPrefix(s[si:], t.text, fold) {
					si += len(t.text)
					ti++
					continue
				}
			}
		}
		switch {
		case segmentT >= 0 && segmentS < len(s) && s[segmentS] != ':':
			segmentS += runeSize(s[segmentS:])
			ti, si = segmentT+1, segmentS
		case starT >= 0 && starS < len(s):
			starS += runeSize(s[starS:])
			if next := &tokens[starT+1]; next.kind == tokenLiteral && !fold && utf8.RuneStart(next.text[0]) {
				skip := strings.Index(s[starS:], next.text)
				if skip < 0 {
					return false
				}
				starS += skip
			}
			ti, si, segmentT = starT+1, starS, -1
		default:
			return false
		}
	}
}

// runeSize is the length of the first character of s; a byte that is no UTF-8 counts as one character.
func runeSize(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// hasPrefix compares with prefix; fold ignores the case of ASCII letters in s, and then prefix is lower case already
// unless it came out of a variable.
func hasPrefix(s, prefix string, fold bool) bool {
	if len(s) < len(prefix) {
		return false
	}
	if !fold {
		return s[:len(prefix)] == prefix
	}
	for i := 0; i < len(prefix); i++ {
		if lowerByte(s[i]) != lowerByte(prefix[i]) {
			return false
		}
	}
	return true
}

// equalFold compares ASCII letters without case and everything else as it is: IAM folds no other letters.
func equalFold(a, b string) bool {
	return len(a) == len(b) && hasPrefix(a, b, true)
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			var lower strings.Builder
			lower.Grow(len(s))
			lower.WriteString(s[:i])
			for ; i < len(s); i++ {
				lower.WriteByte(lowerByte(s[i]))
			}
			return lower.String()
		}
	}
	return s
}

// lowerName lowers the ASCII letters of a name in place and answers its hash and whether it has a wildcard. It takes eight bytes at
// once: 0x20 is added where a byte below 0x80 is from 'A' to 'Z'.
func lowerName(name []byte) (hash uint32, wild bool) {
	const each, high = 0x0101010101010101, 0x8080808080808080
	h, found := hashSeed, uint64(0)
	rest := name
	for ; len(rest) >= 8; rest = rest[8:] {
		word := binary.LittleEndian.Uint64(rest)
		low := word &^ high
		upper := ((low + (0x80-'A')*each) ^ (low + (0x7f-'Z')*each)) & high &^ word
		word += upper >> 2
		binary.LittleEndian.PutUint64(rest, word)
		// A byte of x that is zero borrows from its high bit.
		star, one := word^'*'*each, word^'?'*each
		found |= (star-each)&^star&high | (one-each)&^one&high
		h = mixHash(h ^ word)
	}
	for i, c := range rest {
		rest[i] = lowerByte(c)
		wild = wild || c == '*' || c == '?'
	}
	return endHash(h, rest, len(name)), wild || found != 0
}

package policy

import (
	"math/big"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// deviation is one rule in which the independent judge differs from the evaluator. docs/judge.md says of each why.
type deviation string

const (
	everyVersion        deviation = "variables-in-every-version"
	negatedVariable     deviation = "variable-without-a-value-under-a-negated-operator"
	notResourceVariable deviation = "variable-without-a-value-in-notresource"
	partialARN          deviation = "partial-arn"
	partialNotResource  deviation = "partial-arn-in-notresource"
	literalType         deviation = "wildcard-in-the-resource-type"
	foldedSegments      deviation = "case-of-arn-segments"
	ifExistsAny         deviation = "ifexists-under-foranyvalue"
	zeroPrefix          deviation = "ipv4-range-of-everything"
	addressText         deviation = "address-without-a-prefix"
	untypedNegated      deviation = "value-of-another-type-under-a-negated-operator"
	invalidARNNegated   deviation = "no-arn-under-a-negated-operator"
	epochMilliseconds   deviation = "epoch-seconds"
	numberPrefix        deviation = "numbers-with-exponents-or-many-digits"
	exactEscapes        deviation = "escapes-under-an-exact-operator"
	unicodeFold         deviation = "letters-beyond-ascii"
	javascriptPattern   deviation = "characters-that-javascript-patterns-miss"
)

var deviations = []deviation{everyVersion, negatedVariable, notResourceVariable, partialARN, partialNotResource, literalType, foldedSegments, ifExistsAny,
	zeroPrefix, addressText, untypedNegated, invalidARNNegated, epochMilliseconds, numberPrefix, exactEscapes, unicodeFold, javascriptPattern}

// slow is a second evaluator, as plain as the documentation: regular expressions, rationals, no compilation. It answers like the
// first without deviations and like the judge with all of them.
type slow struct{ as map[deviation]bool }

func slowWith(as ...deviation) *slow {
	s := &slow{as: map[deviation]bool{}}
	for _, d := range as {
		s.as[d] = true
	}
	return s
}

func (e *slow) evaluate(set *Set, r *Request) Outcome {
	type grant struct{ direct, role, account bool }
	var identity, boundary bool
	var resource grant
	denied := false
	visit := func(documents []*Document, allow func(s *Statement), onResource bool) {
		for _, d := range documents {
			for i := range d.Statements {
				s := &d.Statements[i]
				if !e.applies(d, s, r) {
					continue
				}
				if onResource && !e.principalApplies(s, r, set) {
					continue
				}
				if s.Effect == Deny {
					denied = true
				} else {
					allow(s)
				}
			}
		}
	}
	resourceOnly := set.Relation == ResourceOnly
	if !resourceOnly {
		visit(set.Identity, func(*Statement) { identity = true }, false)
		if set.Boundary != nil {
			visit([]*Document{set.Boundary}, func(*Statement) { boundary = true }, false)
		}
	}
	visit(set.Resource, func(s *Statement) {
		switch strongest(s, r) {
		case reachDirect:
			resource.direct = true
		case reachRole:
			resource.role = true
		default:
			resource.account = true
		}
	}, true)
	if denied {
		return ExplicitlyDenied
	}
	inside := set.Boundary == nil || boundary
	var allowed bool
	switch set.Relation {
	case ResourceOnly:
		allowed = resource.direct || resource.role || resource.account
	case CrossAccount:
		allowed = identity && inside && (resource.direct || resource.role || resource.account)
	case Delegated:
		allowed = resource.direct || inside && (resource.role || resource.account && identity)
	default:
		allowed = resource.direct || inside && (identity || resource.role)
	}
	if allowed {
		return Allowed
	}
	return ImplicitlyDenied
}

// strongest is how the statement names the caller at its strongest.
func strongest(s *Statement, r *Request) reach {
	if len(s.NotPrincipals) > 0 {
		return reachDirect
	}
	best := reachNone
	for _, p := range s.Principals {
		best = max(best, slowPrincipal(p, &r.Caller))
	}
	return best
}

func (e *slow) principalApplies(s *Statement, r *Request, set *Set) bool {
	for _, p := range s.NotPrincipals {
		if slowPrincipal(p, &r.Caller) != reachNone {
			return s.Effect == Deny && set.Boundary != nil && set.Relation != ResourceOnly
		}
	}
	return len(s.NotPrincipals) > 0 || strongest(s, r) != reachNone
}

func slowPrincipal(p Principal, c *Caller) reach {
	id := p.ID
	switch {
	case id == "*":
		return reachDirect
	case p.Type == PrincipalService:
		if c.Kind == CallerService && c.Service == id {
			return reachDirect
		}
	case p.Type != PrincipalAWS || c.Kind == CallerService || c.Kind == CallerAnonymous:
	case strings.Count(id, ":") == 0 || strings.HasSuffix(id, ":root"):
		account := id
		if strings.HasSuffix(id, ":root") {
			account = strings.Split(id, ":")[4]
		}
		if strings.Split(c.ARN, ":")[4] == account {
			return reachAccount
		}
	case id == c.Session:
		return reachDirect
	case id == c.ARN && c.Kind == CallerRole:
		return reachRole
	case id == c.ARN:
		return reachDirect
	}
	return reachNone
}

func (e *slow) applies(d *Document, s *Statement, r *Request) bool {
	variables := d.Version == Version2012 || e.as[everyVersion]
	action := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			return regexp.MustCompile("(?is)^" + globExpression(p, "(?s:.)") + "$").MatchString(r.Action)
		})
	}
	if len(s.NotActions) > 0 && action(s.NotActions) || len(s.Actions) > 0 && !action(s.Actions) {
		return false
	}
	if len(s.Resources) > 0 && !slices.ContainsFunc(s.Resources, func(p string) bool { matches, _ := e.resource(p, r, variables); return matches }) {
		return false
	}
	for _, p := range s.NotResources {
		if matches, invertible := e.resource(p, r, variables); matches || !invertible {
			return false
		}
	}
	for _, c := range s.Conditions {
		if !e.condition(c, r, variables) {
			return false
		}
	}
	return true
}

// globExpression turns a glob into a regular expression; character matches one.
func globExpression(glob, character string) string {
	var b strings.Builder
	for _, c := range glob {
		switch c {
		case '*':
			b.WriteString(character + "*")
		case '?':
			b.WriteString(character)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}

var slowVariable = regexp.MustCompile(`\$\{[^}]*\}`)

// expand replaces the variables in text, putting literal in place of the parts that are no pattern and pattern in place
// of the others. ok is false when a variable has no value.
func (e *slow) expand(text string, r *Request, variables bool, pattern, literal func(string) string) (expanded string, ok bool) {
	if !variables {
		return pattern(text), true
	}
	var b strings.Builder
	ok = true
	last := 0
	for _, at := range slowVariable.FindAllStringIndex(text, -1) {
		b.WriteString(pattern(text[last:at[0]]))
		last = at[1]
		switch body := text[at[0]+2 : at[1]-1]; body {
		case "*", "?", "$":
			b.WriteString(literal(body))
		default:
			key, fallback, defaulted := strings.Cut(body, ", ")
			values, present := slowLookup(r, key)
			switch {
			case present && len(values) == 1:
				b.WriteString(literal(values[0]))
			case !present && defaulted:
				b.WriteString(literal(strings.Trim(fallback, "'")))
			default:
				ok = false
			}
		}
	}
	b.WriteString(pattern(text[last:]))
	return b.String(), ok
}

func slowLookup(r *Request, key string) ([]string, bool) {
	for name, values := range r.Context {
		if strings.EqualFold(name, key) {
			return values, len(values) > 0
		}
	}
	return nil, false
}

// anyCharacter is what ? matches.
func (e *slow) anyCharacter() string {
	if e.as[javascriptPattern] {
		return `[\x{0}-\x{9}\x{b}\x{c}\x{e}-\x{2027}\x{202a}-\x{ffff}]`
	}
	return "(?s:.)"
}

// resource says whether an entry matches the request's resource, and whether NotResource may turn that around.
func (e *slow) resource(entry string, r *Request, variables bool) (matches, invertible bool) {
	if entry == "*" {
		return true, true
	}
	segments := strings.Split(entry, ":")
	partial := len(segments) < 6
	if partial && e.as[partialARN] {
		for len(segments) < 6 {
			segments = append(segments, "*")
		}
	}
	fold := ""
	if e.as[foldedSegments] {
		fold = "(?i)"
	}
	const inSegment = "[^:]"
	var expression strings.Builder
	ok := true
	crosses := false
	for i, segment := range segments {
		if i > 0 {
			expression.WriteString(":")
		}
		switch {
		case i >= 5:
			rest := strings.Join(segments[5:], ":")
			part, known := e.expand(rest, r, variables, func(s string) string { return globExpression(s, e.anyCharacter()) }, regexp.QuoteMeta)
			expression.WriteString(part)
			ok = ok && known
		case strings.HasSuffix(segment, "*") && !e.as[partialARN]:
			crosses = true
			expression.WriteString("(" + fold + globExpression(segment[:len(segment)-1], inSegment) + "(?s:.)*)")
		default:
			expression.WriteString("(" + fold + globExpression(segment, inSegment) + ")")
		}
		if i == 5 {
			break
		}
	}
	if partial && !crosses && !e.as[partialARN] {
		expression.WriteString(":(?s:.)*")
	}
	matches = ok && regexp.MustCompile("^"+expression.String()+"$").MatchString(r.Resource)
	if e.as[literalType] && !partial && r.Resource != "*" {
		rest := strings.Join(segments[5:], ":")
		product := rest[:strings.IndexAny(rest, ":/")+1]
		if value := strings.SplitN(r.Resource, ":", 6); !strings.HasPrefix(value[5], product) {
			matches = false
		}
	}
	invertible = !(e.as[notResourceVariable] && !ok) && !(e.as[partialNotResource] && partial && !matches)
	return matches, invertible
}

func (e *slow) condition(c Condition, r *Request, variables bool) bool {
	operator := strings.ToLower(c.Operator)
	operator, ifExists := strings.CutSuffix(operator, "ifexists")
	operator, forAll := strings.CutPrefix(operator, "forallvalues:")
	operator, forAny := strings.CutPrefix(operator, "foranyvalue:")
	values, present := slowLookup(r, c.Key)
	if operator == "null" {
		return slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, strconv.FormatBool(!present)) })
	}
	negated := strings.Contains(operator, "not")
	if !present {
		if forAny {
			return ifExists && !e.as[ifExistsAny]
		}
		return ifExists || forAll || negated
	}
	holds := func(value string) bool {
		for _, wanted := range c.Values {
			matches, typed := e.compare(strings.Replace(operator, "not", "", 1), wanted, value, r, variables, negated)
			if !typed && negated {
				return false
			}
			if matches {
				return !negated
			}
		}
		return negated
	}
	switch {
	case forAny:
		return slices.ContainsFunc(values, holds)
	case forAll:
		return !slices.ContainsFunc(values, func(v string) bool { return !holds(v) })
	}
	return len(values) == 1 && holds(values[0])
}

// compare says whether a value of the policy matches a value of the request. typed is false where the judge lets a negated
// operator fail, too.
func (e *slow) compare(operator, wanted, value string, r *Request, variables, negated bool) (matches, typed bool) {
	quoted := regexp.QuoteMeta
	switch operator {
	case "stringequals", "stringequalsignorecase", "stringlike":
		if operator != "stringlike" && e.as[exactEscapes] {
			// The dollar of an escape is escaped itself, so that the escape stays as it is written.
			wanted = regexp.MustCompile(`\$(\{[*?$]\})`).ReplaceAllString(wanted, "$${$$}$1")
		}
		pattern := quoted
		if operator == "stringlike" {
			pattern = func(s string) string { return globExpression(s, e.anyCharacter()) }
		}
		if operator == "stringequalsignorecase" {
			lower := lowerASCII
			if e.as[unicodeFold] {
				lower = javascriptUpper
			}
			text, ok := e.expand(wanted, r, variables, func(s string) string { return s }, func(s string) string { return s })
			return ok && lower(text) == lower(value), ok || !e.as[negatedVariable]
		}
		expression, ok := e.expand(wanted, r, variables, pattern, quoted)
		return ok && regexp.MustCompile("^(?:"+expression+")$").MatchString(value), ok || !e.as[negatedVariable]
	case "arnequals", "arnlike":
		want, have := strings.SplitN(wanted, ":", 6), strings.SplitN(value, ":", 6)
		if len(want) < 6 || len(have) < 6 {
			valid := len(want) >= 5 && len(have) >= 5
			return false, valid || !e.as[invalidARNNegated]
		}
		for i := range want {
			if !regexp.MustCompile("^" + globExpression(want[i], "(?s:.)") + "$").MatchString(have[i]) {
				return false, true
			}
		}
		return true, true
	case "binaryequals":
		return wanted == value, true
	case "bool":
		return strings.EqualFold(wanted, value), true
	case "ipaddress":
		return e.address(wanted, value, negated)
	}
	if rest, ok := strings.CutPrefix(operator, "date"); ok {
		a, aOK := e.date(value)
		b, bOK := e.date(wanted)
		return aOK && bOK && ordered(rest, a.Cmp(b)), aOK && bOK || !e.as[untypedNegated]
	}
	a, aOK := e.number(value)
	b, bOK := e.number(wanted)
	return aOK && bOK && ordered(strings.TrimPrefix(operator, "numeric"), a.Cmp(b)), aOK && bOK || !e.as[untypedNegated]
}

func ordered(relation string, order int) bool {
	switch relation {
	case "lessthan":
		return order < 0
	case "lessthanequals":
		return order <= 0
	case "greaterthan":
		return order > 0
	case "greaterthanequals":
		return order >= 0
	}
	return order == 0
}

func (e *slow) date(s string) (*big.Rat, bool) {
	if regexp.MustCompile(`^[0-9]+$`).MatchString(s) {
		n, _ := new(big.Rat).SetString(s)
		if e.as[epochMilliseconds] {
			n.Quo(n, big.NewRat(1000, 1))
		}
		return n, true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return big.NewRat(t.UnixNano(), 1e9), true
		}
	}
	return nil, false
}

func (e *slow) number(s string) (*big.Rat, bool) {
	if e.as[numberPrefix] {
		// parseFloat where there is a point, else parseInt, both of JavaScript.
		digits := regexp.MustCompile(`^[+-]?[0-9]+`)
		if strings.Contains(s, ".") {
			digits = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?`)
		}
		f, err := strconv.ParseFloat(digits.FindString(s), 64)
		return new(big.Rat).SetFloat64(f), err == nil
	}
	if !regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$`).MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func (e *slow) address(wanted, value string, negated bool) (matches, typed bool) {
	address := net.ParseIP(value)
	v4 := func(s string) bool { return !strings.Contains(s, ":") }
	if address == nil {
		return false, !e.as[untypedNegated]
	}
	if !strings.Contains(wanted, "/") {
		if e.as[addressText] {
			// Text is compared; under a negated operator an address of the other family fails.
			return wanted == value, v4(wanted) == v4(value)
		}
		return v4(wanted) == v4(value) && net.ParseIP(wanted).Equal(address), true
	}
	_, network, _ := net.ParseCIDR(wanted)
	if e.as[zeroPrefix] && strings.HasSuffix(wanted, "/0") && v4(wanted) {
		return strings.TrimSuffix(wanted, "/0") == value, true
	}
	if v4(wanted) != v4(value) {
		return false, true
	}
	// net takes an IPv4-mapped address for IPv4, so the bits are compared here.
	a, b := []byte(address.To16()), []byte(network.IP.To16())
	bits, size := network.Mask.Size()
	bits += 128 - size
	for i := range bits {
		if (a[i/8]^b[i/8])>>(7-i%8)&1 == 1 {
			return false, true
		}
	}
	return true, true
}

// javascriptUpper is the folding of a JavaScript pattern with the flag i and without u: by upper case, except into ASCII.
func javascriptUpper(s string) string {
	return strings.Map(func(c rune) rune {
		if upper := unicode.ToUpper(c); c < 128 || upper >= 128 {
			return upper
		}
		return c
	}, s)
}

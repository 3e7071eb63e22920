package policy_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// An oracle decides a pair of sets by trying requests: it makes values out of the patterns that the pair holds, keeps one of those
// that no single test tells apart, and evaluates every combination on both sides. Where there are more than limit, or where
// policy variables tie one value to another, it draws requests instead. It shares nothing with Compare but the evaluator.
type oracle struct {
	*world
	expected, actual *policy.Compiled
	limit            int

	callers   []policy.Caller
	actions   []string
	resources []string
	keys      []oracleKey
	tied      bool
	patterns  map[string][]string // of each key in lower case, and of "resource"
}

// oracleKey is a condition key with what is tried of it. The first choice is absence.
type oracleKey struct {
	name    string
	several bool
	choices [][]string
	tests   []policy.Condition
	tied    bool // a variable has its value, or one of its tests has a variable
	types   map[string]bool
}

// finding is what the oracle knows: for each direction the requests found, one for each set of statements that grants it.
type finding struct {
	missing, excess map[string]policy.Request
	tried           int
	exhaustive      bool
}

func newOracle(w *world, expected, actual policy.Set, limit int) *oracle {
	o := &oracle{world: w, expected: policy.Compile(expected), actual: policy.Compile(actual), limit: limit, patterns: map[string][]string{}}
	var statements []policy.Statement
	principals := false
	for _, set := range []policy.Set{expected, actual} {
		documents := slices.Concat(set.Identity, set.Resource)
		if set.Relation == policy.ResourceOnly {
			documents = set.Resource // the others are not asked, so they do not say how many values a key may have
		} else if set.Boundary != nil {
			documents = append(documents, set.Boundary)
		}
		for _, d := range documents {
			statements = append(statements, d.Statements...)
		}
		principals = principals || len(set.Resource) > 0
	}
	o.callers = []policy.Caller{{}}
	if principals {
		o.callers = worldCallers
	}
	o.readKeys(statements)
	o.readActions(statements)
	o.readResources(statements)
	return o
}

// key finds or makes the key of that name.
func (o *oracle) key(name string) *oracleKey {
	for i := range o.keys {
		if strings.EqualFold(o.keys[i].name, name) {
			return &o.keys[i]
		}
	}
	o.keys = append(o.keys, oracleKey{name: name, types: map[string]bool{}})
	return &o.keys[len(o.keys)-1]
}

// variablesIn lists the condition keys that the variables in s name.
func variablesIn(s string) []string {
	var out []string
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			return out
		}
		s = s[at+2:]
		end := strings.IndexAny(s, ",}")
		if end < 0 {
			return out
		}
		if name := s[:end]; name != "*" && name != "?" && name != "$" {
			out = append(out, name)
		}
	}
}

// bareOperator is the operator in lower case without set qualifier and suffix.
func bareOperator(s string) string {
	s = strings.TrimSuffix(strings.ToLower(s), "ifexists")
	return s[strings.IndexByte(s, ':')+1:]
}

// typeOf is the type of values that an operator compares.
func typeOf(operator string) string {
	bare := strings.ReplaceAll(bareOperator(operator), "not", "")
	for _, prefix := range []string{"string", "numeric", "date", "bool", "ipaddress", "arn", "binary"} {
		if strings.HasPrefix(bare, prefix) {
			return prefix
		}
	}
	return ""
}

func (o *oracle) readKeys(statements []policy.Statement) {
	for _, s := range statements {
		for _, c := range s.Conditions {
			k := o.key(c.Key)
			k.tests = append(k.tests, c)
			if typeOf(c.Operator) == "" {
				continue
			}
			k.types[typeOf(c.Operator)] = true
			k.several = k.several || strings.Contains(c.Operator, ":")
			lower := strings.ToLower(c.Key)
			o.patterns[lower] = append(o.patterns[lower], c.Values...)
			for _, v := range c.Values {
				if names := variablesIn(v); len(names) > 0 {
					o.tied, o.key(c.Key).tied = true, true
					if typeOf(c.Operator) == "bool" {
						o.key(c.Key).types["string"] = true
					}
					for _, name := range names {
						o.key(name).tied = true
					}
				}
			}
		}
		for _, r := range slices.Concat(s.Resources, s.NotResources) {
			for _, name := range variablesIn(r) {
				o.tied, o.key(name).tied = true, true
			}
		}
	}
	for i := range o.keys {
		o.choose(&o.keys[i])
	}
}

var (
	oracleTexts     = []string{"", "a", "b", "A", "ab", "z", "é", "/", "a:b", "*", "?", "aé", "ba"}
	oracleNumbers   = []string{"-2", "-1", "-0.5", "0", "0.05", "0.1", "0.10000000000000001", "0.1000000000000001", "0.5", "1", "1.2", "1.5", "1.7", "2", "3", "10", "11", "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740994", "1e30", "1.0", "1e0"}
	oracleDates     = []string{"1960-01-01T00:00:00Z", "0", "1", "2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.25Z", "2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01Z", "2024-06-01T12:00:00Z", "2024-06-01T12:00:01Z", "1704067200"}
	oracleAddresses = []string{"10.1.2.3", "10.1.2.2", "10.1.2.4", "10.200.0.1", "11.0.0.1", "9.0.0.1", "200.0.0.1", "128.0.0.0", "127.255.255.255", "2001:db8::1", "2001:db8::2", "2001:db9::", "::1", "::ffff:10.1.2.3", "::ffff:10.1.2.4"}
	oracleARNs      = []string{"arn:aws:s3:::a", "arn:aws:iam::111122223333:role/r", "arn:aws-cn:sns:us-east-1:111122223333:z", "arn:aws:s3:us-east-1:1:b", "a:b:c:d:e:f"}
	oracleTruths    = []string{"true", "false", "TRUE", "False"}
)

// choose makes the values that are tried of a key.
func (o *oracle) choose(k *oracleKey) {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(k.types)) {
		values = append(values, map[string][]string{"numeric": oracleNumbers, "date": oracleDates, "ipaddress": oracleAddresses, "bool": oracleTruths, "arn": oracleARNs,
			"binary": {"QQ==", "QUI=", "AAECAw==", "enp6"}}[name]...)
	}
	text := k.types["string"] || len(k.types) == 0
	if text {
		values = append(values, oracleTexts...)
	}
	if text || k.types["arn"] {
		for _, p := range o.patterns[strings.ToLower(k.name)] {
			values = append(values, o.instances(p, nil)...)
		}
		if k.types["arn"] {
			values = append(values, o.recombine(values)...)
		}
		if k.types["string"] {
			for _, v := range slices.Clone(values) {
				values = append(values, strings.ToUpper(v))
			}
		}
	}
	if !text {
		// A key that is tested only as one type carries values of the type.
		values = slices.DeleteFunc(values, func(v string) bool { return k.types["arn"] && len(k.types) == 1 && strings.Count(v, ":") < 5 })
	}
	slices.Sort(values)
	values = slices.Compact(values)
	k.choices = [][]string{nil}
	var singles []string
	seen := map[string]bool{}
	o.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	for _, v := range values {
		if k.tied {
			if len(singles) < 40 {
				singles = append(singles, v)
			}
			continue
		}
		if s := k.signature(v); !seen[s] {
			seen[s] = true
			singles = append(singles, v)
		}
	}
	for i, a := range singles {
		k.choices = append(k.choices, []string{a})
		if !k.several {
			continue
		}
		for j, b := range singles[i+1:] {
			k.choices = append(k.choices, []string{a, b})
			for _, c := range singles[i+j+2:] {
				if len(k.choices) < 400 {
					k.choices = append(k.choices, []string{a, b, c})
				}
			}
		}
	}
}

// signature says for each test of the key whether the value alone passes it.
func (k *oracleKey) signature(value string) string {
	var b strings.Builder
	for _, c := range k.tests {
		set := policy.Set{Identity: []*policy.Document{{Version: policy.Version2012, Statements: []policy.Statement{{Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{"*"}, Conditions: []policy.Condition{c}}}}}}
		r := policy.Request{Action: "s3:GetObject", Resource: "*", Context: map[string][]string{k.name: {value}}}
		if policy.Compile(set).Allows(&r) {
			b.WriteByte('y')
		} else {
			b.WriteByte('n')
		}
	}
	return b.String()
}

func (o *oracle) readActions(statements []policy.Statement) {
	all := []string{"s3:GetObject", "s3:PutObject", "s3:GetBucket", "kms:Decrypt", "ec2:GetObject", "ec2:RunInstances", "kxs:X", "s3:Get", "s3:SetObject", "s3:GetObjects", "s3:GetObjectAcl", "s3:Gt", "s3:ListEtT"}
	for _, s := range statements {
		for _, p := range slices.Concat(s.Actions, s.NotActions) {
			for _, filler := range []string{"", "a", "GetObject", "et"} {
				a := strings.NewReplacer("*", filler, "?", "q").Replace(p)
				if service, name, ok := strings.Cut(a, ":"); ok && service != "" && name != "" {
					all = append(all, a)
				}
			}
		}
	}
	o.actions = distinct(all, func(action string) string {
		return o.elementSignature(statements, func(s policy.Statement) policy.Statement {
			return policy.Statement{Actions: s.Actions, NotActions: s.NotActions, Resources: []string{"*"}}
		}, policy.Request{Action: action, Resource: "*"})
	})
}

// distinct keeps the first value of each signature.
func distinct(values []string, signature func(string) string) []string {
	seen := map[string]bool{}
	var out []string
	for _, v := range values {
		if s := signature(v); !seen[s] {
			seen[s] = true
			out = append(out, v)
		}
	}
	return out
}

// elementSignature says for each statement whether one of its elements takes the request.
func (o *oracle) elementSignature(statements []policy.Statement, only func(policy.Statement) policy.Statement, r policy.Request) string {
	var b strings.Builder
	for _, s := range statements {
		part := only(s)
		part.Effect = policy.Allow
		set := policy.Set{Identity: []*policy.Document{{Statements: []policy.Statement{part}}}}
		if policy.Compile(set).Allows(&r) {
			b.WriteByte('y')
		} else {
			b.WriteByte('n')
		}
	}
	return b.String()
}

// isResource says whether a request may have the resource.
func isResource(s string) bool {
	return s == "*" || strings.HasPrefix(s, "arn:") && strings.Count(s, ":") >= 5
}

func (o *oracle) readResources(statements []policy.Statement) {
	all := []string{"*", "arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:::ab", "arn:aws:s3:::z", "arn:aws:sns:us-east-1:111122223333:a", "arn:aws:sns:us-east-1:111122223333:z:a", "arn:aws-cn:s3:::a",
		"arn:aws:kms:eu-west-1:1:z", "arn:aws:s3:us-east-1:1:b", "arn:aws:s3:::", "arn:::::"}
	variables := false
	for _, s := range statements {
		for _, p := range slices.Concat(s.Resources, s.NotResources) {
			o.patterns["resource"] = append(o.patterns["resource"], p)
			variables = variables || strings.Contains(p, "${")
			for _, v := range o.instances(p, nil) {
				all = append(all, v)
				// A pattern that is short of segments.
				if n := strings.Count(v, ":"); strings.HasPrefix(v, "arn:") && n < 5 {
					all = append(all, v+strings.Repeat(":", 5-n), v+strings.Repeat(":", 5-n)+"z", v+strings.Repeat(":1", 5-n))
				}
			}
		}
	}
	all = append(all, o.recombine(all)...)
	all = slices.DeleteFunc(all, func(s string) bool { return !isResource(s) })
	if variables {
		slices.Sort(all)
		o.resources = slices.Compact(all)
		return
	}
	o.resources = distinct(all, func(resource string) string {
		return o.elementSignature(statements, func(s policy.Statement) policy.Statement {
			return policy.Statement{Actions: []string{"*"}, Resources: s.Resources, NotResources: s.NotResources}
		}, policy.Request{Action: "s3:GetObject", Resource: resource})
	})
}

// recombine makes ARNs out of the segments of others.
func (o *oracle) recombine(arns []string) []string {
	var segments [6][]string
	for _, a := range arns {
		for i, part := range strings.SplitN(a, ":", 6) {
			if !slices.Contains(segments[i], part) && !strings.ContainsAny(part, "*?$") {
				segments[i] = append(segments[i], part)
			}
		}
	}
	var out []string
	for range 250 {
		parts := make([]string, 6)
		for i := range parts {
			if n := len(segments[i]); n > 0 {
				parts[i] = segments[i][o.IntN(n)]
			}
		}
		out = append(out, strings.Join(parts, ":"))
	}
	return out
}

// instances are texts that a pattern may match: each wildcard filled, each variable replaced by what context has for it.
// Without a context the variables are replaced by texts.
func (o *oracle) instances(pattern string, context map[string][]string) []string {
	out := []string{pattern, strings.NewReplacer("*", "", "?", "z").Replace(pattern)}
	count := 12
	if context != nil {
		count = 1
		out = nil
	}
	star := []string{"", "", "a", "b", "z", "ab", "é", "zz", "/", "a:b"}
	one := []string{"a", "b", "z", "é", "/"}
	for range count {
		var b strings.Builder
		same, filler := o.chance(2), star[o.IntN(len(star))]
		values := map[string]string{}
		for rest := pattern; rest != ""; {
			switch {
			case strings.HasPrefix(rest, "${"):
				end := strings.IndexByte(rest, '}')
				if end < 0 {
					b.WriteString(rest)
					rest = ""
					continue
				}
				body := rest[2:end]
				name, fallback, defaulted := strings.Cut(body, ", '")
				value, known := values[strings.ToLower(name)]
				switch {
				case body == "*" || body == "?" || body == "$":
					value = body
				case known:
				case context != nil:
					value = strings.TrimSuffix(fallback, "'")
					for key, have := range context {
						if strings.EqualFold(key, name) && len(have) > 0 {
							value = have[0]
						}
					}
				case defaulted && o.chance(2):
					value = strings.TrimSuffix(fallback, "'")
				default:
					value = oracleTexts[o.IntN(len(oracleTexts))]
				}
				values[strings.ToLower(name)] = value
				b.WriteString(value)
				rest = rest[end+1:]
			case rest[0] == '*':
				if !same {
					filler = star[o.IntN(len(star))]
				}
				b.WriteString(filler)
				rest = rest[1:]
			case rest[0] == '?':
				b.WriteString(one[o.IntN(len(one))])
				rest = rest[1:]
			default:
				b.WriteByte(rest[0])
				rest = rest[1:]
			}
		}
		out = append(out, b.String())
	}
	return out
}

// decide tries the requests.
func (o *oracle) decide() finding {
	f := finding{missing: map[string]policy.Request{}, excess: map[string]policy.Request{}}
	total := len(o.callers) * len(o.actions) * len(o.resources)
	for _, k := range o.keys {
		if total *= len(k.choices); total > o.limit {
			break
		}
	}
	f.exhaustive = !o.tied && total <= o.limit
	if !f.exhaustive {
		for range o.limit {
			o.try(&f, o.draw())
		}
		return f
	}
	choice := make([]int, len(o.keys))
	for {
		context := map[string][]string{}
		for i, c := range choice {
			if c > 0 {
				context[o.keys[i].name] = o.keys[i].choices[c]
			}
		}
		for _, caller := range o.callers {
			for _, action := range o.actions {
				for _, resource := range o.resources {
					o.try(&f, policy.Request{Caller: caller, Action: action, Resource: resource, Context: context})
				}
			}
		}
		i := 0
		for ; i < len(choice); i++ {
			if choice[i]++; choice[i] < len(o.keys[i].choices) {
				break
			}
			choice[i] = 0
		}
		if i == len(choice) {
			return f
		}
	}
}

// draw makes a random request. Half of the values come from patterns with the variables already chosen.
func (o *oracle) draw() policy.Request {
	r := policy.Request{Caller: o.callers[o.IntN(len(o.callers))], Action: o.actions[o.IntN(len(o.actions))], Resource: o.resources[o.IntN(len(o.resources))], Context: map[string][]string{}}
	for i := range o.keys {
		k := &o.keys[i]
		if o.chance(6) {
			continue
		}
		if c := k.choices[o.IntN(len(k.choices))]; c != nil {
			r.Context[k.name] = c
		}
	}
	if !o.tied {
		return r
	}
	for i := range o.keys {
		k := &o.keys[i]
		patterns := o.patterns[strings.ToLower(k.name)]
		if len(r.Context[k.name]) != 1 || len(patterns) == 0 || !k.tied || o.chance(2) {
			continue
		}
		if v := o.instances(patterns[o.IntN(len(patterns))], r.Context)[0]; k.types["string"] && len(k.types) == 1 || k.types["arn"] && len(k.types) == 1 && strings.Count(v, ":") >= 5 {
			r.Context[k.name] = []string{v}
		}
	}
	if patterns := o.patterns["resource"]; len(patterns) > 0 && !o.chance(3) {
		if v := o.instances(patterns[o.IntN(len(patterns))], r.Context)[0]; isResource(v) {
			r.Resource = v
		}
	}
	return r
}

func (o *oracle) try(f *finding, r policy.Request) {
	f.tried++
	x, y := o.expected.Allows(&r), o.actual.Allows(&r)
	if x == y {
		return
	}
	found, by := f.missing, o.expected
	if y {
		found, by = f.excess, o.actual
	}
	var names strings.Builder
	for _, ref := range by.Evaluate(&r).By {
		names.WriteString(ref.Document + string(rune('0'+ref.Index)) + " ")
	}
	if _, known := found[names.String()]; !known {
		found[names.String()] = r
	}
}

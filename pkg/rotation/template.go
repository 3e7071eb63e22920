package rotation

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

//go:embed templates/*.json
var builtin embed.FS

// Form says which generation of the documented templates is meant.
type Form string

// The forms.
const (
	Classic Form = "classic" // Resource "*" where AllowRotationLambdaArn is the function
	Scoped  Form = "scoped"  // the secrets' ARNs, as today's documentation writes it
)

// The names of the templates, each an expected policy document with placeholders.
const (
	TemplateSingleUser       = "single-user"
	TemplateSingleUserScoped = "single-user-scoped"
	TemplateMasterUser       = "master-user"
	TemplateMasterUserScoped = "master-user-scoped"
	TemplateNetwork          = "network"
	TemplateKMS              = "kms"
	TemplateKMSScoped        = "kms-scoped"
	TemplateFunction         = "function-policy"
	TemplateFunctionScoped   = "function-policy-scoped"
	TemplateExternal         = "external"
	TemplateConfigure        = "configure"
	TemplateTrigger          = "trigger"
)

// TemplateNames are the names of all templates, sorted.
func TemplateNames() []string {
	return []string{
		TemplateConfigure, TemplateExternal, TemplateFunction, TemplateFunctionScoped, TemplateKMS, TemplateKMSScoped, TemplateMasterUser,
		TemplateMasterUserScoped, TemplateNetwork, TemplateSingleUser, TemplateSingleUserScoped, TemplateTrigger,
	}
}

// Templates are the expected policy documents. The zero value is the built-in set, after the Secrets Manager User Guide,
// "Lambda rotation function execution role permissions" and "AWS managed policies for Secrets Manager".
type Templates struct {
	own map[string][]byte
}

// Values fill the placeholders of a template.
type Values struct {
	Function  ARN   // <lambda_arn>
	Secrets   []ARN // <secret_arn>
	Masters   []ARN // <master_arn>
	Keys      []ARN // <kms_key_arn>
	Account   string
	Region    string
	Partition string
	VPC       bool // the function has subnets
}

// NewValues takes account, Region and partition from the function's ARN, or from the first secret's where there is no function.
func NewValues(function ARN, secrets []ARN) Values {
	p := function.Parts()
	if function == "" && len(secrets) > 0 {
		p = secrets[0].Parts()
	}
	return Values{Function: function, Secrets: secrets, Account: p.Account, Region: p.Region, Partition: p.Partition}
}

// lookup is the values of a placeholder; ok is false for one that does not exist.
func (v Values) lookup(placeholder string) (values []string, ok bool) {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	all := func(arns []ARN) []string {
		out := make([]string, len(arns))
		for i, a := range arns {
			out[i] = string(a)
		}
		return out
	}
	switch placeholder {
	case "<lambda_arn>":
		return one(string(v.Function)), true
	case "<secret_arn>":
		return all(v.Secrets), true
	case "<master_arn>":
		return all(v.Masters), true
	case "<kms_key_arn>":
		return all(v.Keys), true
	case "<account>":
		return one(v.Account), true
	case "<region>":
		return one(v.Region), true
	case "<partition>":
		return one(v.Partition), true
	}
	return nil, false
}

// Text is a template as written, with its placeholders.
func (t Templates) Text(name string) ([]byte, error) {
	if !slices.Contains(TemplateNames(), name) {
		return nil, fmt.Errorf("unknown template %q: there are %s", OneLine(name), strings.Join(TemplateNames(), ", "))
	}
	if text, ok := t.own[name]; ok {
		return text, nil
	}
	return builtin.ReadFile("templates/" + name + ".json")
}

// With is the set with one template replaced by the operator's own. A template that IAM would reject, that holds an unknown
// placeholder, or that lacks what rotation needs is refused with the reason.
func (t Templates) With(name string, text []byte) (Templates, error) {
	if _, err := t.Text(name); err != nil {
		return t, err
	}
	own := maps.Clone(t.own)
	if own == nil {
		own = map[string][]byte{}
	}
	own[name] = slices.Clone(text)
	changed := Templates{own: own}
	if err := changed.check(name); err != nil {
		return t, fmt.Errorf("template %s: %w", name, err)
	}
	return changed, nil
}

// Render fills a template's placeholders and prints it.
func (t Templates) Render(name string, v Values) ([]byte, error) {
	n, err := t.fill(name, v)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return n.print(), nil
}

// RolePolicy is the whole policy of an execution role: the strategy's template, with the statement for the keys when there are any and
// the one for network interfaces when the function has subnets. A custom rotation needs what a single-user one needs.
func (t Templates) RolePolicy(strategy Strategy, form Form, v Values) ([]byte, error) {
	base, keys := TemplateSingleUser, TemplateKMS
	if strategy == MasterUser {
		base = TemplateMasterUser
	}
	if form == Scoped {
		base, keys = base+"-scoped", TemplateKMSScoped
	}
	names := []string{base}
	if len(v.Keys) > 0 {
		names = append(names, keys)
	}
	if v.VPC {
		names = append(names, TemplateNetwork)
	}
	var whole node
	for i, name := range names {
		n, err := t.fill(name, v)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		if i == 0 {
			whole = n
			continue
		}
		if into, from := whole.member("Statement"), n.member("Statement"); into != nil && from != nil {
			into.items = append(into.list(), from.list()...)
			into.kind, into.members = '[', nil
		}
	}
	return whole.print(), nil
}

// FunctionPolicy is the expected resource policy of a rotation function. The scoped form names the secrets' account.
func (t Templates) FunctionPolicy(form Form, v Values) ([]byte, error) {
	if form == Scoped {
		if len(v.Secrets) > 0 {
			v.Account = v.Secrets[0].Parts().Account
		}
		return t.Render(TemplateFunctionScoped, v)
	}
	return t.Render(TemplateFunction, v)
}

// list is the items of an array, or the one value that stands for a list of one.
func (n *node) list() []node {
	if n.kind == '[' {
		return n.items
	}
	return []node{*n}
}

var placeholderPattern = regexp.MustCompile(`<[^<>]*>`)

// fill parses a template and puts the values into its strings.
func (t Templates) fill(name string, v Values) (node, error) {
	text, err := t.Text(name)
	if err != nil {
		return node{}, err
	}
	n, err := parseOrdered(text)
	if err != nil {
		return node{}, err
	}
	return n.fill(v, "")
}

func (n *node) fill(v Values, path string) (node, error) {
	filled := *n
	switch n.kind {
	case '{':
		filled.members = make([]member, len(n.members))
		for i, m := range n.members {
			if placeholderPattern.MatchString(m.name) {
				return node{}, fmt.Errorf("%s: a member's name cannot be a placeholder: %s", strings.TrimPrefix(path+"."+m.name, "."), m.name)
			}
			value, err := m.value.fill(v, path+"."+m.name)
			if err != nil {
				return node{}, err
			}
			filled.members[i] = member{m.name, value}
		}
	case '[':
		filled.items = nil
		for i, item := range n.items {
			value, err := item.fill(v, fmt.Sprintf("%s[%d]", path, i))
			if err != nil {
				return node{}, err
			}
			if item.kind == '"' {
				filled.items = append(filled.items, value.list()...)
			} else {
				filled.items = append(filled.items, value)
			}
		}
	case '"':
		texts, err := expand(*n.text, v)
		if err != nil {
			return node{}, fmt.Errorf("%s: %w", strings.TrimPrefix(path, "."), err)
		}
		if len(texts) == 1 {
			filled.text = &texts[0]
			break
		}
		filled = node{kind: '['}
		for i := range texts {
			filled.items = append(filled.items, node{kind: '"', text: &texts[i]})
		}
	}
	return filled, nil
}

// several says whether a placeholder may have more than one value.
func several(placeholder string) bool {
	return placeholder == "<secret_arn>" || placeholder == "<master_arn>" || placeholder == "<kms_key_arn>"
}

// expand puts the values into one string: as many strings come out as the placeholders have values.
func expand(s string, v Values) ([]string, error) {
	at := placeholderPattern.FindStringIndex(s)
	if at == nil {
		return []string{s}, nil
	}
	name := s[at[0]:at[1]]
	values, known := v.lookup(name)
	if !known {
		return nil, fmt.Errorf("unknown placeholder %s: there are <lambda_arn>, <secret_arn>, <master_arn>, <kms_key_arn>, <account>, <region>, <partition>", OneLine(name))
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("nothing is given for %s", name)
	}
	if several(name) && slices.ContainsFunc(placeholderPattern.FindAllString(s[at[1]:], -1), several) {
		return nil, fmt.Errorf("%s stands beside another placeholder that may have several values", name)
	}
	rest, err := expand(s[at[1]:], v)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, value := range values {
		for _, tail := range rest {
			out = append(out, s[:at[0]]+value+tail)
		}
	}
	return out, nil
}

// ceiling is what the operator's own templates let the role of a setup hold beyond the built-in ceiling, or nil.
func (t Templates) ceiling(s *Setup) *policy.Document {
	checked := s.Checked()
	if len(t.own) == 0 || len(checked) == 0 {
		return nil
	}
	v := NewValues(s.Function.ARN, nil)
	for _, secret := range checked {
		v.Secrets = append(v.Secrets, secret.ARN)
		if m := secret.Declaration.Master; m != "" && secret.Declaration.Problem == "" {
			v.Masters = append(v.Masters, s.Master(secret).ARN)
		}
		if key, ok := s.CustomerKey(secret); ok && key.ARN != "" {
			v.Keys = append(v.Keys, key.ARN)
		}
	}
	if s.Function.ARN == "" {
		v = Values{Secrets: v.Secrets, Keys: v.Keys, Account: s.Account, Region: s.Region, Partition: s.Partition}
	}
	widened := &policy.Document{Name: "templates", Version: policy.Version2012}
	for _, name := range slices.Sorted(maps.Keys(t.own)) {
		if name == TemplateFunction || name == TemplateFunctionScoped || name == TemplateConfigure || name == TemplateTrigger {
			continue
		}
		filled, err := t.fill(name, v)
		if err != nil {
			continue // a template for masters or keys that this setup does not have
		}
		if document, err := policy.Parse(name, filled.print()); err == nil {
			widened.Statements = append(widened.Statements, document.Statements...)
		}
	}
	return widened
}

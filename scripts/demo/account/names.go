package account

import (
	"fmt"
	"regexp"
	"strings"
)

// names are the ARNs that things got when they were made.
type names struct {
	secrets map[string]string
	keys    map[string]string
}

var placeholder = regexp.MustCompile(`\{[a-z]+(:[^{}"]*)?\}`)

// fill replaces the placeholders of a document. One that names nothing is an error: the account would not be what its story says.
func (n names) fill(r *Rotation, text string) (string, error) {
	var unknown error
	filled := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		kind, name, _ := strings.Cut(strings.Trim(p, "{}"), ":")
		var value string
		switch kind {
		case "account":
			value = ID
		case "region":
			value = Region
		case "function":
			value = r.FunctionARN()
		case "role":
			value = roleARN(name)
		case "secret":
			name, bare := strings.CutSuffix(name, ":name")
			value = n.secrets[name]
			if bare && len(value) > 7 {
				value = value[:len(value)-7]
			}
		case "key":
			value = n.keys[name]
		}
		if value == "" {
			unknown = fmt.Errorf("%s of %s names nothing", p, r.Function)
		}
		return value
	})
	return filled, unknown
}

// FunctionARN is what the rotation's secrets store.
func (r *Rotation) FunctionARN() string {
	arn := "arn:aws:lambda:" + Region + ":" + ID + ":function:" + r.Function
	if r.Alias != "" {
		arn += ":" + r.Alias
	}
	return arn
}

// roleName is the name of the rotation's role.
func (r *Rotation) roleName() string {
	if r.Role.Name != "" {
		return r.Role.Name
	}
	return r.Function + "-role"
}

func roleARN(name string) string { return "arn:aws:iam::" + ID + ":role/" + name }

// inlineDocuments are the role's inline policies, the template where it names none.
func (r *Rotation) inlineDocuments() map[string]string {
	if r.Role.Inline == nil {
		return inline(template())
	}
	return r.Role.Inline
}

// managed are the ARNs of the AWS managed policies: a function has at least its log, a partner's role has none.
func (r *Rotation) managed() []string {
	names := r.Role.Managed
	if names == nil && r.Function != "" {
		names = []string{"AWSLambdaBasicExecutionRole"}
	}
	arns := make([]string, len(names))
	for i, name := range names {
		arns[i] = "arn:aws:iam::aws:policy/service-role/" + name
	}
	return arns
}

func (r *Rotation) trust() string {
	if r.Role.Trust == "" {
		return lambdaTrust
	}
	return r.Role.Trust
}

// grants are the function policy's statements.
func (r *Rotation) grants() []Grant {
	switch {
	case r.Ungrant:
		return nil
	case r.Grants == nil:
		return []Grant{{Sid: "SecretsManager", Principal: "secretsmanager.amazonaws.com", SourceAccount: "{account}"}}
	}
	return r.Grants
}

package repair

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// quote writes a word for a POSIX shell.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// undo is the one AWS CLI command that takes a change back without this program.
func undo(c *Change) string {
	role := func(verb string, more ...string) string {
		return command(append([]string{"aws", "iam", verb, "--role-name", c.Subject.RoleName()}, more...)...)
	}
	function, qualifier := c.Subject.SplitFunction()
	on := func(verb string, more ...string) string {
		words := append([]string{"aws", "lambda", verb, "--region", c.Function.Parts().Region, "--function-name", string(function)}, more...)
		if qualifier != "" {
			words = append(words, "--qualifier", qualifier)
		}
		return command(words...)
	}
	switch c.Call {
	case PutRolePolicy, DeleteRolePolicy:
		if c.Before == "" {
			return role("delete-role-policy", "--policy-name", c.Name)
		}
		return role("put-role-policy", "--policy-name", c.Name, "--policy-document", c.Before)
	case DetachRolePolicy:
		return role("attach-role-policy", "--policy-arn", c.Name)
	case AttachRolePolicy:
		return role("detach-role-policy", "--policy-arn", c.Name)
	case AddPermission:
		return on("remove-permission", "--statement-id", c.Name)
	case RemovePermission:
		if in, ok := removed(c); ok {
			return on("add-permission", permissionWords(in)...)
		}
	case PutResourcePolicy:
	}
	return command("aws", "lambda", "put-resource-policy", "--region", c.Function.Parts().Region, "--resource-arn", string(c.Subject), "--policy", c.Before)
}

// removed is the call that writes a removed statement again; ok is false where AddPermission cannot write it.
func removed(c *Change) (in *lambda.AddPermissionInput, ok bool) {
	before, err := readStatements(c.Before)
	if err != nil {
		return nil, false
	}
	statement, ok := before.get(c.Name)
	if !ok {
		return nil, false
	}
	in, reason := permissionOf(c.Subject, statement)
	return in, reason == ""
}

// permissionWords are an AddPermission call's options as the AWS CLI spells them.
func permissionWords(in *lambda.AddPermissionInput) []string {
	words := []string{"--statement-id", aws.ToString(in.StatementId), "--action", aws.ToString(in.Action), "--principal", aws.ToString(in.Principal)}
	for _, option := range []struct {
		name  string
		value *string
	}{
		{"--source-account", in.SourceAccount}, {"--source-arn", in.SourceArn}, {"--principal-org-id", in.PrincipalOrgID}, {"--event-source-token", in.EventSourceToken},
	} {
		if option.value != nil {
			words = append(words, option.name, *option.value)
		}
	}
	if in.FunctionUrlAuthType != "" {
		words = append(words, "--function-url-auth-type", string(in.FunctionUrlAuthType))
	}
	if aws.ToBool(in.InvokedViaFunctionUrl) {
		words = append(words, "--invoked-via-function-url")
	}
	return words
}

func command(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

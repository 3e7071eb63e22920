package repair

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// permissionOf is the AddPermission call that writes a statement on a function policy; reason says what of the statement the call
// cannot express. Source: Lambda API, AddPermission.
func permissionOf(function rotation.ARN, statement json.RawMessage) (*lambda.AddPermissionInput, string) {
	doc, err := policy.Parse("statement", []byte(`{"Version":"2012-10-17","Statement":[`+string(statement)+`]}`))
	if err != nil {
		return nil, rotation.OneLine(err.Error())
	}
	s := &doc.Statements[0]
	in := &lambda.AddPermissionInput{
		FunctionName: functionName(function), Qualifier: qualifier(function), StatementId: aws.String(s.Sid),
	}
	switch {
	case s.Effect != policy.Allow:
		return nil, "it denies"
	case !validSid(s.Sid) || strings.Contains(s.Sid, "."):
		return nil, "its Sid is not one of [a-zA-Z0-9-_]"
	case len(s.Principals) != 1 || len(s.NotPrincipals) > 0:
		return nil, "it has not just one principal"
	case len(s.Actions) != 1 || len(s.NotActions) > 0:
		return nil, "it has not just one action"
	case len(s.Resources) != 1 || s.Resources[0] != string(function):
		return nil, "its resource is not the function"
	}
	in.Action = aws.String(s.Actions[0])
	switch p := s.Principals[0]; p.Type {
	case policy.PrincipalAny, policy.PrincipalService:
		in.Principal = aws.String(p.ID)
	case policy.PrincipalAWS:
		in.Principal = aws.String(strings.TrimSuffix(p.ID, ":root"))
		if account := rotation.ARN(p.ID).Parts().Account; strings.HasSuffix(p.ID, ":root") {
			in.Principal = aws.String(account)
		}
	default:
		return nil, fmt.Sprintf("a principal of type %s", p.Type)
	}
	for _, c := range s.Conditions {
		if reason := addCondition(in, c); reason != "" {
			return nil, reason
		}
	}
	return in, ""
}

func addCondition(in *lambda.AddPermissionInput, c policy.Condition) string {
	if len(c.Values) != 1 {
		return "a condition with several values"
	}
	value := aws.String(c.Values[0])
	switch strings.ToLower(c.Operator) + " " + strings.ToLower(c.Key) {
	case "stringequals aws:sourceaccount":
		in.SourceAccount = value
	case "arnlike aws:sourcearn":
		in.SourceArn = value
	case "stringequals lambda:functionurlauthtype":
		in.FunctionUrlAuthType = types.FunctionUrlAuthType(c.Values[0])
	case "stringequals aws:principalorgid":
		in.PrincipalOrgID = value
	case "stringequals lambda:eventsourcetoken":
		in.EventSourceToken = value
	case "bool lambda:invokedviafunctionurl":
		if c.Values[0] != "true" {
			return "its condition on " + c.Key
		}
		in.InvokedViaFunctionUrl = aws.Bool(true)
	default:
		return "its condition " + c.Operator + " on " + c.Key
	}
	return ""
}

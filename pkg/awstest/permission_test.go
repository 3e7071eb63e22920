package awstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func grant(sid, principal string) *lambda.AddPermissionInput {
	return &lambda.AddPermissionInput{FunctionName: str("f"), StatementId: &sid, Action: str("lambda:InvokeFunction"), Principal: &principal}
}

func TestAddPermissionWritesStatementsAsLambdaDoes(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	tests := map[string]struct {
		in   func(*lambda.AddPermissionInput)
		want string
	}{
		"a service": {func(in *lambda.AddPermissionInput) {}, `{"Sid":"s","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + functionARN + `"}`},
		"source account and ARN": {func(in *lambda.AddPermissionInput) {
			in.SourceAccount, in.SourceArn = str("123456789012"), str("arn:aws:secretsmanager:us-east-1:123456789012:secret:s-AbCdEf")
		}, `{"Sid":"s","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + functionARN + `","Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},"ArnLike":{"AWS:SourceArn":"arn:aws:secretsmanager:us-east-1:123456789012:secret:s-AbCdEf"}}}`},
		"an account becomes its root": {func(in *lambda.AddPermissionInput) { in.Principal = str("210987654321") }, `{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"lambda:InvokeFunction","Resource":"` + functionARN + `"}`},
		"a role":                      {func(in *lambda.AddPermissionInput) { in.Principal = str("arn:aws:iam::210987654321:role/r") }, `{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:role/r"},"Action":"lambda:InvokeFunction","Resource":"` + functionARN + `"}`},
		"everyone":                    {func(in *lambda.AddPermissionInput) { in.Principal = str("*") }, `{"Sid":"s","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + functionARN + `"}`},
		"everyone of an organization": {func(in *lambda.AddPermissionInput) { in.Principal, in.PrincipalOrgID = str("*"), str("o-a1b2c3d4e5") }, `{"Sid":"s","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + functionARN + `","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}}`},
		"a function URL": {func(in *lambda.AddPermissionInput) {
			in.Principal, in.Action, in.FunctionUrlAuthType = str("*"), str("lambda:InvokeFunctionUrl"), "NONE"
		}, `{"Sid":"s","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl","Resource":"` + functionARN + `","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}}`},
		"invoked through a URL": {func(in *lambda.AddPermissionInput) { in.Principal, in.InvokedViaFunctionUrl = str("*"), aws.Bool(true) }, `{"Sid":"s","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + functionARN + `","Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}`},
		"at a qualifier":        {func(in *lambda.AddPermissionInput) { in.Qualifier = str("live") }, `{"Sid":"s","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + functionARN + `:live"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a.UpdateFunction("f", func(f *awstest.Function) { clear(f.Policies) })
			in := grant("s", "secretsmanager.amazonaws.com")
			tt.in(in)
			added := ok(c.lambda.AddPermission(t.Context(), in))(t)
			got := ok(c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f"), Qualifier: in.Qualifier}))(t)
			if diff := cmp.Diff(value(t, tt.want), value(t, *added.Statement)); diff != "" {
				t.Errorf("statement (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(value(t, `{"Version":"2012-10-17","Id":"default","Statement":[`+tt.want+`]}`), value(t, *got.Policy)); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

// value is JSON as a plain value, for comparing.
func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestPoliciesAreOfTheirQualifier(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	in := grant("s", "secretsmanager.amazonaws.com")
	in.Qualifier = str("live")
	ok(c.lambda.AddPermission(t.Context(), in))(t)
	for _, q := range []string{"", "1"} {
		get := &lambda.GetPolicyInput{FunctionName: str("f")}
		if q != "" {
			get.Qualifier = &q
		}
		_, err := c.lambda.GetPolicy(t.Context(), get)
		wantCode(t, err, "ResourceNotFoundException", notFound)
	}
	ok(c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str(functionARN + ":live")}))(t)
	_, err := c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("none")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	in.Qualifier = str("$LATEST")
	_, err = c.lambda.AddPermission(t.Context(), in)
	wantCode(t, err, "InvalidParameterValueException", badRequest)
	_, err = c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f"), Qualifier: str("$LATEST")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	in.Qualifier = str("dead")
	_, err = c.lambda.AddPermission(t.Context(), in)
	wantCode(t, err, "ResourceNotFoundException", notFound)
}

func TestPermissionConflictsAndRevisions(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	a.AddFunction(versioned())
	early := grant("s", "secretsmanager.amazonaws.com")
	early.RevisionId = str("any")
	_, err := c.lambda.AddPermission(ctx, early)
	wantCode(t, err, "PreconditionFailedException", http.StatusPreconditionFailed)
	ok(c.lambda.AddPermission(ctx, grant("s", "secretsmanager.amazonaws.com")))(t)
	_, err = c.lambda.AddPermission(ctx, grant("s", "events.amazonaws.com"))
	wantCode(t, err, "ResourceConflictException", conflict)
	revision := *ok(c.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: str("f")}))(t).RevisionId
	next := grant("t", "events.amazonaws.com")
	next.RevisionId = &revision
	ok(c.lambda.AddPermission(ctx, next))(t)
	next.StatementId = str("u")
	_, err = c.lambda.AddPermission(ctx, next)
	wantCode(t, err, "PreconditionFailedException", http.StatusPreconditionFailed)
	_, err = c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: str("f"), StatementId: str("t"), RevisionId: &revision})
	wantCode(t, err, "PreconditionFailedException", http.StatusPreconditionFailed)
	_, err = c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: str("f"), StatementId: str("x")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	for _, sid := range []string{"s", "t"} {
		ok(c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: str("f"), StatementId: &sid}))(t)
	}
	_, err = c.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: str("f")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	_, err = c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: str("f"), StatementId: str("s")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
}

func TestAddPermissionRefuses(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	tests := map[string]struct {
		change func(*lambda.AddPermissionInput)
		code   string
	}{
		"a statement id with a space":   {func(in *lambda.AddPermissionInput) { in.StatementId = str("a b") }, "ValidationException"},
		"a statement id that is long":   {func(in *lambda.AddPermissionInput) { in.StatementId = str(strings.Repeat("a", 101)) }, "ValidationException"},
		"another service's action":      {func(in *lambda.AddPermissionInput) { in.Action = str("s3:GetObject") }, "ValidationException"},
		"a source account of 3 digits":  {func(in *lambda.AddPermissionInput) { in.SourceAccount = str("123") }, "ValidationException"},
		"a principal that is no name":   {func(in *lambda.AddPermissionInput) { in.Principal = str("secretsmanager") }, "InvalidParameterValueException"},
		"a function that has no policy": {func(in *lambda.AddPermissionInput) { in.FunctionName = str("g") }, "ResourceNotFoundException"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := grant("s", "secretsmanager.amazonaws.com")
			tt.change(in)
			_, err := c.lambda.AddPermission(t.Context(), in)
			status := badRequest
			if tt.code == "ResourceNotFoundException" {
				status = notFound
			}
			wantCode(t, err, tt.code, status)
		})
	}
}

func TestFunctionPolicyEndsAt20480Bytes(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	for i := range 200 {
		in := grant(fmt.Sprintf("statement-%03d", i), "secretsmanager.amazonaws.com")
		in.SourceArn = str(fmt.Sprintf("arn:aws:secretsmanager:us-east-1:123456789012:secret:a/rather/long/name/of/a/secret/%03d-AbCdEf", i))
		if _, err := c.lambda.AddPermission(t.Context(), in); err != nil {
			wantCode(t, err, "PolicyLengthExceededException", badRequest)
			f, _ := a.Function("f")
			if n := len(f.Policies[""]); n > 20_480 || n < 20_000 {
				t.Errorf("the policy stands at %d bytes", n)
			}
			return
		}
	}
	t.Error("200 long statements fit")
}

func TestResourcePolicyReplacesAndMayDeny(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	a.AddFunction(versioned())
	ok(c.lambda.AddPermission(ctx, grant("old", "secretsmanager.amazonaws.com")))(t)
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"Service":["a.amazonaws.com","b.amazonaws.com"]},"Action":"lambda:*","Resource":"*"}]}`
	_, err := c.lambda.PutResourcePolicy(ctx, &lambda.PutResourcePolicyInput{ResourceArn: str(functionARN), Policy: &doc, RevisionId: str("stale")})
	wantCode(t, err, "PreconditionFailedException", http.StatusPreconditionFailed)
	put := ok(c.lambda.PutResourcePolicy(ctx, &lambda.PutResourcePolicyInput{ResourceArn: str(functionARN), Policy: &doc}))(t)
	got := ok(c.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: str("f")}))(t)
	whole := ok(c.lambda.GetResourcePolicy(ctx, &lambda.GetResourcePolicyInput{ResourceArn: str(functionARN)}))(t)
	if *got.Policy != doc || *whole.Policy != doc || *got.RevisionId != *put.RevisionId {
		t.Errorf("after Put: GetPolicy %s, GetResourcePolicy %s", *got.Policy, *whole.Policy)
	}
	ok(c.lambda.AddPermission(ctx, grant("new", "secretsmanager.amazonaws.com")))(t)
	f, _ := a.Function("f")
	if !strings.Contains(f.Policies[""], `"Deny"`) || !strings.Contains(f.Policies[""], `"new"`) {
		t.Errorf("AddPermission after Put gave %s", f.Policies[""])
	}
	for name, tt := range map[string]struct{ doc, code string }{
		"not JSON":      {"{", "InvalidParameterValueException"},
		"no statement":  {`{"Version":"2012-10-17"}`, "InvalidParameterValueException"},
		"public access": {`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"lambda:InvokeFunction","Resource":"*"}}`, "PublicPolicyException"},
		"too long":      {`{"Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"lambda:InvokeFunction","Resource":"` + strings.Repeat("a", 20_480) + `"}}`, "PolicyLengthExceededException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.lambda.PutResourcePolicy(ctx, &lambda.PutResourcePolicyInput{ResourceArn: str(functionARN), Policy: &tt.doc})
			wantCode(t, err, tt.code, badRequest)
		})
	}
	ok(c.lambda.DeleteResourcePolicy(ctx, &lambda.DeleteResourcePolicyInput{ResourceArn: str(functionARN)}))(t)
	_, err = c.lambda.DeleteResourcePolicy(ctx, &lambda.DeleteResourcePolicyInput{ResourceArn: str(functionARN)})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	_, err = c.lambda.GetResourcePolicy(ctx, &lambda.GetResourcePolicyInput{ResourceArn: str("f")})
	wantCode(t, err, "ValidationException", badRequest)
	ok(c.lambda.PutResourcePolicy(ctx, &lambda.PutResourcePolicyInput{ResourceArn: str(functionARN + ":live"), Policy: &doc}))(t)
	if f, _ := a.Function("f"); f.Policies["live"] != doc || f.Policies[""] != "" {
		t.Errorf("policies = %v", f.Policies)
	}
}

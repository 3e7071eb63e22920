package awstest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func TestFaultsStrikeTheChosenCalls(t *testing.T) {
	tests := map[string]struct {
		match awstest.Match
		want  string // one letter a call: f failed, . went through
	}{
		"the first":                 {awstest.Match{}, "f....."},
		"the third":                 {awstest.Match{Nth: 3}, "..f..."},
		"two from the second":       {awstest.Match{Nth: 2, Count: 2}, ".ff..."},
		"all from the fourth":       {awstest.Match{Nth: 4, Count: -1}, "...fff"},
		"every second, for ever":    {awstest.Match{Every: 2, Count: -1}, "f.f.f."},
		"every third, once":         {awstest.Match{Nth: 2, Every: 3}, ".f...."},
		"of another operation":      {awstest.Match{Operation: "DescribeSecret", Count: -1}, "......"},
		"of a wildcard":             {awstest.Match{Service: "secret*", Operation: "List*", Nth: 6}, ".....f"},
		"in another Region":         {awstest.Match{Region: "eu-west-1", Count: -1}, "......"},
		"with a parameter":          {awstest.Match{Params: map[string]string{"MaxResults": "5"}, Count: -1}, "ffffff"},
		"with another one":          {awstest.Match{Params: map[string]string{"NextToken": "*"}, Count: -1}, "......"},
		"of a resource it has none": {awstest.Match{Resource: "arn:*", Count: -1}, "......"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, c := start(t)
			i := a.Fail(tt.match, awstest.Fault{Code: "InternalServiceError"})
			var got strings.Builder
			for range 6 {
				_, err := c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(5)})
				got.WriteString(map[bool]string{true: ".", false: "f"}[err == nil])
			}
			if got.String() != tt.want || i.Hits() != strings.Count(tt.want, "f") {
				t.Errorf("calls went %s with %d hits, want %s", got.String(), i.Hits(), tt.want)
			}
		})
	}
}

func TestFaultKinds(t *testing.T) {
	put := func(ctx context.Context, c clients) error {
		_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: str(allowAll)})
		return err
	}
	tests := map[string]struct {
		fault   awstest.Fault
		code    string // of the error; empty: any error
		written bool
	}{
		"an error before the effect":       {awstest.Fault{Code: "LimitExceeded"}, "LimitExceeded", false},
		"an error after the effect":        {awstest.Fault{Code: "ServiceFailure", After: true}, "ServiceFailure", true},
		"a status alone":                   {awstest.Fault{Status: 503}, "ServiceUnavailable", false},
		"a closed connection, after":       {awstest.Fault{CloseConn: true, After: true}, "", true},
		"a closed connection, before":      {awstest.Fault{CloseConn: true}, "", false},
		"a page of HTML, before":           {awstest.Fault{HTML: "<html><body>proxy</body></html>", Status: 502}, "", false},
		"a page of HTML, after":            {awstest.Fault{HTML: "<html>", Status: 502, After: true}, "", true},
		"a hang before the effect":         {awstest.Fault{Hang: true}, "", false},
		"a hang after the effect":          {awstest.Fault{Hang: true, After: true}, "", true},
		"latency beyond patience, before":  {awstest.Fault{Latency: time.Minute}, "", false},
		"latency beyond patience, after":   {awstest.Fault{Latency: time.Minute, After: true}, "", true},
		"throttling as the service has it": {awstest.Fault{Code: "Throttling"}, "Throttling", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, c := start(t)
			a.AddRole(awstest.Role{Name: "r"})
			a.Fail(awstest.Match{Operation: "PutRolePolicy"}, tt.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := put(ctx, c)
			if err == nil {
				t.Fatal("the call went through")
			}
			var api smithy.APIError
			if tt.code != "" && (!errors.As(err, &api) || api.ErrorCode() != tt.code) {
				t.Errorf("error = %v, want %s", err, tt.code)
			}
			if r, _ := a.Role("r"); (r.Inline["p"] != "") != tt.written {
				t.Errorf("written = %t, want %t", r.Inline["p"] != "", tt.written)
			}
			if w := a.Writes(); len(w) != 1 || w[0].Effect != tt.written {
				t.Errorf("writes = %+v", w)
			}
			if err := put(t.Context(), c); err != nil {
				t.Errorf("the call after the fault: %v", err)
			}
		})
	}
}

func TestHTMLWithStatus200IsNoAnswer(t *testing.T) {
	a, c := start(t)
	a.AddSecret(awstest.Secret{Name: "s"})
	a.Fail(awstest.Match{Count: -1}, awstest.Fault{HTML: "<html><body>log in</body></html>"})
	if out, err := c.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); err == nil {
		t.Errorf("IAM read %+v from a page", out)
	}
	if out, err := c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err == nil {
		t.Errorf("Secrets Manager read %+v from a page", out)
	}
}

func TestFaultRunsAnotherWriter(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	ok(c.lambda.AddPermission(t.Context(), grant("ours", "secretsmanager.amazonaws.com")))(t)
	revision := ok(c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f")}))(t).RevisionId
	a.Fail(awstest.Match{Operation: "RemovePermission"}, awstest.Fault{Run: func() {
		a.UpdateFunction("f", func(f *awstest.Function) { f.Policies[""] = `{"Version":"2012-10-17","Statement":[]}` })
	}})
	_, err := c.lambda.RemovePermission(t.Context(), &lambda.RemovePermissionInput{FunctionName: str("f"), StatementId: str("ours"), RevisionId: revision})
	wantCode(t, err, "PreconditionFailedException", 412)
}

func TestFaultCodesComeWithTheStatusOfTheirService(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	a.AddSecret(awstest.Secret{Name: "s"})
	fail := func(operation, code string) {
		a.Heal()
		a.Fail(awstest.Match{Operation: operation}, awstest.Fault{Code: code})
	}
	for code, status := range map[string]int{
		"TooManyRequestsException": 429, "ServiceException": 500, "AccessDeniedException": 403, "PreconditionFailedException": 412,
		"ResourceConflictException": 409, "PolicyLengthExceededException": 400, "ResourceNotFoundException": 404,
	} {
		fail("GetPolicy", code)
		_, err := c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f")})
		wantCode(t, err, code, status)
	}
	for code, status := range map[string]int{"ThrottlingException": 400, "InternalServiceError": 500, "AccessDeniedException": 400, "ResourceNotFoundException": 400} {
		fail("DescribeSecret", code)
		_, err := c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("s")})
		wantCode(t, err, code, status)
	}
	for code, status := range map[string]int{"Throttling": 400, "ServiceFailure": 500, "AccessDenied": 403, "NoSuchEntity": 404, "ConcurrentModification": 409} {
		fail("GetRole", code)
		_, err := c.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: str("r")})
		wantCode(t, err, code, status)
	}
}

func TestDenyAndAuthorize(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	arn := a.AddSecret(awstest.Secret{Name: "kept/secret"})
	a.AddSecret(awstest.Secret{Name: "open/secret"})
	a.Deny(awstest.Match{Service: "secretsmanager", Operation: "DescribeSecret", Resource: "arn:aws:secretsmanager:*:secret:kept/*"})
	_, err := c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("kept/secret")})
	wantCode(t, err, "AccessDeniedException", badRequest)
	if !strings.Contains(err.Error(), "is not authorized to perform: secretsmanager:DescribeSecret on resource: "+arn) {
		t.Errorf("error = %v", err)
	}
	ok(c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("open/secret")}))(t)
	var asked []awstest.Request
	a.Authorize(func(r awstest.Request) bool {
		asked = append(asked, r)
		return r.Action != "lambda:GetPolicy"
	})
	role := a.AddRole(awstest.Role{Name: "sweeper"})
	session := newClients(a.ConfigAs(role))
	_, err = session.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f"), Qualifier: str("live")})
	wantCode(t, err, "AccessDeniedException", forbidden)
	ok(session.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if len(asked) != 1 || asked[0].Principal != role || asked[0].Resource != functionARN+":live" || asked[0].Params["Qualifier"] != "live" {
		t.Errorf("asked %+v", asked)
	}
}

func TestLagOfIAM(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := awstest.New(t, awstest.Options{Now: func() time.Time { return now }})
	c := newClients(a.Config())
	a.AddRole(awstest.Role{Name: "r"})
	put := func(name string) {
		ok(c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: &name, PolicyDocument: str(allowAll)}))(t)
	}
	seen := func() string {
		return fmt.Sprint(ok(c.iam.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: str("r")}))(t).PolicyNames)
	}
	a.Lag(awstest.Lags{IAM: awstest.Lag{For: 10 * time.Second}})
	put("one")
	now = now.Add(4 * time.Second)
	put("two")
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "[]"}, {5 * time.Second, "[]"}, {time.Second, "[one]"}, {3 * time.Second, "[one]"}, {time.Second, "[one two]"}} {
		now = now.Add(step.after)
		if got := seen(); got != step.want {
			t.Errorf("after %s: %s, want %s", now.Format(time.TimeOnly), got, step.want)
		}
	}
	a.Lag(awstest.Lags{IAM: awstest.Lag{Reads: 2}})
	put("three")
	if got := seen() + seen() + seen(); got != "[one two][one two][one three two]" {
		t.Errorf("with a lag of two reads: %s", got)
	}
	if r, _ := a.Role("r"); len(r.Inline) != 3 {
		t.Error("the plain value lags too")
	}
	a.AddRole(awstest.Role{Name: "new"})
	_, err := c.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: str("new")})
	wantCode(t, err, "NoSuchEntity", notFound)
	a.RemoveRole("r")
	if got := seen(); got != "[one three two]" {
		t.Errorf("a deleted role shows %s before its lag is over", got)
	}
}

func TestLagOfListsAndFunctionPolicies(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := awstest.New(t, awstest.Options{Now: func() time.Time { return now }})
	c := newClients(a.Config())
	a.AddSecret(awstest.Secret{Name: "old"})
	a.AddFunction(versioned())
	a.Lag(awstest.Lags{ListSecrets: awstest.Lag{For: 5 * time.Minute}, FunctionPolicies: awstest.Lag{Reads: 1}})
	a.AddSecret(awstest.Secret{Name: "new"})
	a.UpdateSecret("old", func(s *awstest.Secret) { s.Description = "changed" })
	list := func() string {
		var out []string
		for _, s := range ok(c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}))(t).SecretList {
			out = append(out, *s.Name+":"+aws.ToString(s.Description))
		}
		return strings.Join(out, " ")
	}
	if got := list(); got != "old:" {
		t.Errorf("at once: %s", got)
	}
	if d := ok(c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("old")}))(t); *d.Description != "changed" {
		t.Error("DescribeSecret is behind")
	}
	now = now.Add(5 * time.Minute)
	if got := list(); got != "old:changed new:" {
		t.Errorf("after five minutes: %s", got)
	}
	ok(c.lambda.AddPermission(t.Context(), grant("s", "secretsmanager.amazonaws.com")))(t)
	_, err := c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	ok(c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f")}))(t)
}

func TestThrottle(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	a := awstest.New(t, awstest.Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	c := newClients(a.Config())
	f := versioned()
	f.Policies = map[string]string{"": allowAll}
	a.AddFunction(f)
	admitted := func(calls int) (n int) {
		for range calls {
			_, err := c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f")})
			if err == nil {
				n++
				continue
			}
			wantCode(t, err, "TooManyRequestsException", 429)
		}
		return n
	}
	a.Throttle(awstest.DefaultQuotas())
	if n := admitted(40); n != 15 {
		t.Errorf("%d GetPolicy calls in one moment, want 15", n)
	}
	if _, err := c.lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: str("f")}); err != nil {
		t.Errorf("another group is not limited by it: %v", err)
	}
	pass(200 * time.Millisecond)
	if n := admitted(40); n != 3 {
		t.Errorf("%d after a fifth of a second, want 3", n)
	}
	a.Speed(20)
	if n := admitted(400); n != 300 {
		t.Errorf("%d at speed 20, want 300", n)
	}
	elsewhere := newClients(a.In("eu-west-1").Config())
	_, err := elsewhere.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
	a.Throttle(awstest.Quotas{"iam": 1, "secretsmanager:ListSecrets": 1, "kms:DescribeKey": 1})
	a.Speed(1)
	ok(c.iam.ListRoles(t.Context(), &iam.ListRolesInput{}))(t)
	_, err = c.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
	wantCode(t, err, "Throttling", badRequest)
	ok(c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}))(t)
	_, err = c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	wantCode(t, err, "ThrottlingException", badRequest)
	a.Throttle(nil)
	if n := admitted(40); n != 40 {
		t.Errorf("%d of 40 after the quotas were lifted", n)
	}
}

func TestDelayIsDividedBySpeed(t *testing.T) {
	a, c := start(t)
	a.Delay(awstest.Match{Service: "secretsmanager"}, time.Second)
	a.Delay(awstest.Match{Service: "secretsmanager", Operation: "ListSecrets"}, 100*time.Millisecond)
	took := func() time.Duration {
		from := time.Now()
		ok(c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}))(t)
		return time.Since(from)
	}
	took() // connects
	if d := took(); d < 100*time.Millisecond || d > 900*time.Millisecond {
		t.Errorf("took %s, want 100ms", d)
	}
	a.Speed(10)
	if d := took(); d < 10*time.Millisecond || d > 95*time.Millisecond {
		t.Errorf("took %s at speed 10, want 10ms", d)
	}
}

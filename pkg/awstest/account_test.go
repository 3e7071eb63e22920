package awstest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"go.uber.org/goleak"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func TestRegionsAndAccountsAreApart(t *testing.T) {
	a, c := start(t)
	a.AddSecret(awstest.Secret{Name: "here"})
	a.In("eu-west-1").AddSecret(awstest.Secret{Name: "there"})
	a.Peer("210987654321").AddSecret(awstest.Secret{Name: "theirs"})
	a.AddRole(awstest.Role{Name: "global"})
	for name, tt := range map[string]struct {
		clients clients
		want    string
	}{
		"home": {c, "[here]"}, "another Region": {newClients(a.In("eu-west-1").Config()), "[there]"},
		"an empty Region": {newClients(a.In("us-west-9").Config()), "[]"}, "another account": {newClients(a.Peer("210987654321").Config()), "[theirs]"},
	} {
		t.Run(name, func(t *testing.T) {
			if names, _ := listAll(t, tt.clients, secretsmanager.ListSecretsInput{}); fmt.Sprint(names) != tt.want {
				t.Errorf("listed %v, want %s", names, tt.want)
			}
		})
	}
	ok(newClients(a.In("eu-west-1").Config()).iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: str("global")}))(t)
	_, err := newClients(a.Peer("210987654321").Config()).iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: str("global")})
	wantCode(t, err, "NoSuchEntity", notFound)
	if ids := a.Accounts(); !slices.Equal(ids, []string{"123456789012", "210987654321"}) {
		t.Errorf("accounts = %v", ids)
	}
}

func TestPartitionsFollowTheRegion(t *testing.T) {
	for region, partition := range map[string]string{"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc"} {
		a := awstest.New(t, awstest.Options{Region: region})
		arn := a.AddSecret(awstest.Secret{Name: "s"})
		if !strings.HasPrefix(arn, "arn:"+partition+":secretsmanager:"+region+":") {
			t.Errorf("%s: %s", region, arn)
		}
		c := newClients(a.Config())
		ok(c.iam.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: str("arn:" + partition + ":iam::aws:policy/SecretsManagerReadWrite")}))(t)
		a.AddFunction(awstest.Function{Name: "f", FunctionConfig: awstest.FunctionConfig{Role: "arn:" + partition + ":iam::123456789012:role/r"}})
		got := ok(c.lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: str("arn:" + partition + ":lambda:" + region + ":123456789012:function:f")}))(t)
		if !strings.HasPrefix(*got.FunctionArn, "arn:"+partition+":lambda:"+region) {
			t.Errorf("function ARN %s", *got.FunctionArn)
		}
	}
}

func TestCallsAreRecorded(t *testing.T) {
	a, c := start(t)
	a.AddRole(awstest.Role{Name: "r"})
	ok(c.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: str("r")}))(t)
	ok(c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: str(allowAll)}))(t)
	_, err := c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("none")})
	wantCode(t, err, "ResourceNotFoundException", badRequest)
	var got []string
	for _, call := range a.Calls() {
		got = append(got, fmt.Sprint(call.Name(), " ", call.Write, " ", call.Resource, " ", call.Status, " ", call.Error))
	}
	want := []string{
		"iam:GetRole false arn:aws:iam::123456789012:role/r 200 ",
		"iam:PutRolePolicy true arn:aws:iam::123456789012:role/r 200 ",
		"secretsmanager:DescribeSecret false arn:aws:secretsmanager:us-east-1:123456789012:secret:none 400 ResourceNotFoundException",
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if w := a.Writes(); len(w) != 1 || w[0].Params["PolicyDocument"] != allowAll || w[0].Caller != "arn:aws:iam::123456789012:user/awstest" {
		t.Errorf("writes = %+v", w)
	}
	a.ResetCalls()
	a.KeepCalls(false)
	ok(c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if len(a.Calls()) != 0 || a.CallCounts()["sts:GetCallerIdentity"] != 1 {
		t.Errorf("counted only: %v, %v", a.Calls(), a.CallCounts())
	}
}

func TestUnsignedAndUnknownCalls(t *testing.T) {
	a, _ := start(t)
	send := func(authorization string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL(), strings.NewReader("Action=Nothing"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for name, tt := range map[string]struct {
		authorization string
		want          int
	}{
		"unsigned":          {"", http.StatusForbidden},
		"not Version 4":     {"Basic abc", http.StatusForbidden},
		"a short scope":     {"AWS4-HMAC-SHA256 Credential=AKIA/us-east-1", http.StatusForbidden},
		"another service":   {"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, Signature=x", http.StatusNotFound},
		"another operation": {"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/iam/aws4_request, Signature=x", http.StatusBadRequest},
	} {
		if got := send(tt.authorization); got != tt.want {
			t.Errorf("%s: status %d, want %d", name, got, tt.want)
		}
	}
	if n := len(a.Calls()); n != 0 {
		t.Errorf("%d calls recorded", n)
	}
}

func TestSameCallsSameAnswers(t *testing.T) {
	run := func() string {
		a := awstest.NewHandler(awstest.Options{})
		f := versioned()
		f.Policies = map[string]string{"": allowAll, "live": allowAll}
		a.AddFunction(f)
		return a.AddSecret(awstest.Secret{Name: "s"}) + fmt.Sprint(a.AddKey(awstest.Key{}), a.AddRole(awstest.Role{Name: "r"}), a.Environ())
	}
	if first, second := run(), run(); first != second {
		t.Errorf("%s\n%s", first, second)
	}
}

func TestHandlerServesElsewhere(t *testing.T) {
	a := awstest.NewHandler(awstest.Options{})
	s := httptest.NewServer(a.Handler())
	defer s.Close()
	cfg := a.Config()
	cfg.BaseEndpoint = aws.String(s.URL)
	ok(newClients(cfg).sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseLetsGo(t *testing.T) {
	before := goleak.IgnoreCurrent()
	a, err := awstest.Start(awstest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.Fail(awstest.Match{}, awstest.Fault{Hang: true})
	done := make(chan error)
	go func() {
		_, err := newClients(a.Config()).sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		done <- err
	}()
	for a.CallCounts()["sts:GetCallerIdentity"] == 0 {
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("a call that hangs was answered by Close")
	}
	goleak.VerifyNone(t, before)
}

func TestManyCallersAtOnce(t *testing.T) {
	a, c := start(t)
	f := versioned()
	a.AddFunction(f)
	a.AddRole(awstest.Role{Name: "r"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				name := fmt.Sprintf("c%d-%d", i, j)
				if _, err := c.lambda.AddPermission(t.Context(), grant(name, "secretsmanager.amazonaws.com")); err != nil {
					t.Error(err)
				}
				if _, err := c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: &name, PolicyDocument: str(allowAll)}); err != nil {
					t.Error(err)
				}
				a.AddSecret(awstest.Secret{Name: name})
				if _, err := c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err != nil {
					t.Error(err)
				}
				a.Calls()
			}
		})
	}
	wg.Wait()
	fn, _ := a.Function("f")
	role, _ := a.Role("r")
	if n := strings.Count(fn.Policies[""], `"Sid"`); n != 80 || len(role.Inline) != 80 || len(a.Secrets()) != 80 {
		t.Errorf("%d statements, %d inline policies, %d secrets, want 80 each", n, len(role.Inline), len(a.Secrets()))
	}
}

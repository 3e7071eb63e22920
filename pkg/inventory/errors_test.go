package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func static(region, endpoint string) aws.Config {
	cfg := aws.Config{Region: region, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
	})}
	if endpoint != "" {
		cfg.BaseEndpoint = &endpoint
	}
	return cfg
}

func answering(t *testing.T, status int, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// refusing is the address of a port that nobody listens on.
func refusing(t *testing.T) string {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestAnAccountThatCannotBeListedIsOneClearLine(t *testing.T) {
	failing := func(code string, status int) aws.Config {
		a := awstest.New(t, awstest.Options{})
		a.Fail(awstest.Match{Service: "secretsmanager", Count: -1}, awstest.Fault{Code: code, Message: "told\nso", Status: status})
		return a.Config()
	}
	broken := static("eu-central-1", "")
	broken.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no EC2 IMDS role found,\n operation error ec2imds: GetMetadata")
	})
	html := "<html><body><h1>It works!</h1></body></html>"
	tests := []struct {
		name    string
		cfg     aws.Config
		trouble inventory.Trouble
		says    string
	}{
		{"nobody listens", static("eu-central-1", refusing(t)), inventory.TroubleRefused, "cannot be reached"},
		{"a web page", static("eu-central-1", answering(t, 200, html)), inventory.TroubleNotAWS, "is not an AWS API"},
		{"a web page with 404", static("eu-central-1", answering(t, 404, html)), inventory.TroubleNotAWS, "is not an AWS API"},
		{"a web page with 403", static("eu-central-1", answering(t, 403, html)), inventory.TroubleNotAWS, "is not an AWS API"},
		{"a proxy's 502", static("eu-central-1", answering(t, 502, html)), inventory.TroubleNotAWS, "is not an AWS API"},
		{"TLS spoken to a plain port", static("eu-central-1", strings.Replace(answering(t, 200, html), "http:", "https:", 1)), inventory.TroubleNotAWS, "is not an AWS API"},
		{"no such host", static("eu-central-1", "http://nowhere.invalid:1"), inventory.TroubleRegion, "check --endpoint-url"},
		{"a Region that the endpoint fails on", static("eu-centrl-1", answering(t, 500, html)), inventory.TroubleRegion, `"eu-centrl-1" is not a known Region`},
		{"a Region that has no host", static("us-esat-1", ""), inventory.TroubleRegion, `"us-esat-1" is not a known Region, and AWS does not serve it`},
		{"no Region", static("", refusing(t)), inventory.TroubleRegion, "no Region"},
		{"not a Region", static("eu central", refusing(t)), inventory.TroubleRegion, "is not the name of a Region"},
		{"no credentials", broken, inventory.TroubleMissing, "no AWS credentials"},
		{"expired token", failing("ExpiredTokenException", 400), inventory.TroubleExpired, "have expired"},
		{"unknown access key", failing("UnrecognizedClientException", 400), inventory.TroubleCredentials, "does not accept these AWS credentials"},
		{"may not list", failing("AccessDeniedException", 400), inventory.TroubleDenied, "listing secrets: the caller may not do that"},
		{"anything else", failing("InvalidRequestException", 400), inventory.TroubleOther, "told so"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := first(t, inventory.New(inventory.NewClients(tt.cfg), inventory.Options{}), rotation.Scope{})
			var account *inventory.AccountError
			if !errors.As(err, &account) || account.Trouble != tt.trouble {
				t.Fatalf("error = %v, want trouble %s", err, tt.trouble)
			}
			line := inventory.DescribeError(fmt.Errorf("sweeping: %w", err))
			if !strings.Contains(line, tt.says) || strings.ContainsAny(line, "\n") || strings.Contains(line, "operation error") || len(line) > 500 {
				t.Errorf("line = %q", line)
			}
		})
	}
}

func TestCredentialsThatExpireOnTheWayEndTheReading(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for i := range 40 {
		addRotation(a, fmt.Sprintf("f%02d", i), fmt.Sprintf("s%02d", i))
	}
	a.Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Nth: 5, Count: -1}, awstest.Fault{Code: "ExpiredToken", Status: 403})
	var last error
	n := 0
	for _, err := range reader(a, inventory.Options{}).Groups(t.Context(), rotation.Scope{}) {
		last = err
		n++
	}
	if line := inventory.DescribeError(last); !strings.Contains(line, "the AWS credentials have expired") || n > 20 {
		t.Errorf("after %d groups: %q", n, line)
	}
}

// TestServiceThatDoesNotAnswerIsGivenUp: every function would wait for it in turn.
func TestServiceThatDoesNotAnswerIsGivenUp(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for i := range 40 {
		addRotation(a, fmt.Sprintf("f%02d", i), fmt.Sprintf("s%02d", i))
	}
	a.Fail(awstest.Match{Service: "iam", Count: -1}, awstest.Fault{HTML: "<html>blocked</html>"})
	r := reader(a, inventory.Options{})
	groups := read(t, r, rotation.Scope{})
	for _, g := range groups {
		role := g.Setups[0].Role
		if role.Presence != rotation.Unreadable || len(role.Gaps) == 0 || role.Gaps[0].Code != string(inventory.TroubleNotAWS) {
			t.Fatalf("role = %+v", role)
		}
		if g.Setups[0].Function.Policy.Document == nil {
			t.Errorf("the function policy was not read: %+v", g.Setups[0].Function)
		}
	}
	if n := a.CallCounts()["iam:GetRole"]; n > 40 {
		t.Errorf("iam:GetRole was sent %d times", n)
	}
}

func TestThrottlingIsWaitedOut(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "f", "s")
	a.Fail(awstest.Match{Operation: "GetPolicy", Service: "lambda", Count: 3}, awstest.Fault{Code: "TooManyRequestsException", Status: 429})
	s := setup(t, read(t, reader(a, inventory.Options{}), rotation.Scope{}), functionARN("f"))
	if s.Function.Policy.Document == nil {
		t.Errorf("function policy = %+v", s.Function.Policy)
	}
}

func TestCancelledReadingEnds(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "f", "s")
	a.Fail(awstest.Match{Service: "iam", Count: -1}, awstest.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	for _, err := range reader(a, inventory.Options{}).Groups(ctx, rotation.Scope{}) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

package awstest_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

// clients are the real SDK clients, without retries so that the first answer is seen.
type clients struct {
	secrets  *secretsmanager.Client
	lambda   *lambda.Client
	iam      *iam.Client
	kms      *kms.Client
	sts      *sts.Client
	sns      *sns.Client
	cloudFmn *cloudformation.Client
}

func newClients(cfg aws.Config) clients {
	cfg.RetryMaxAttempts = 1
	return clients{
		secretsmanager.NewFromConfig(cfg), lambda.NewFromConfig(cfg), iam.NewFromConfig(cfg), kms.NewFromConfig(cfg),
		sts.NewFromConfig(cfg), sns.NewFromConfig(cfg), cloudformation.NewFromConfig(cfg),
	}
}

func start(t *testing.T) (*awstest.Account, clients) {
	t.Helper()
	a := awstest.New(t, awstest.Options{})
	return a, newClients(a.Config())
}

// wantCode fails unless the error has the AWS error code and HTTP status.
func wantCode(t *testing.T, err error, code string, status int) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("error = %v, want %s", err, code)
	}
	if api.ErrorCode() != code {
		t.Fatalf("error = %v, want code %s", err, code)
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() != status {
		t.Fatalf("%s came with status %d, want %d", code, response.HTTPStatusCode(), status)
	}
	if api.ErrorMessage() == "" && code != "UnknownOperationException" {
		t.Errorf("%s came without a message", code)
	}
}

// ok gives the value of a call that must succeed.
func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const (
	badRequest = http.StatusBadRequest
	notFound   = http.StatusNotFound
	conflict   = http.StatusConflict
	forbidden  = http.StatusForbidden
)

var str = aws.String

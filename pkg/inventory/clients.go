package inventory

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// How long a silent endpoint is waited for. AWS answers these calls in well under a second; a call with all its retries ends
// within callTimeout.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 10 * time.Second
	callTimeout   = 30 * time.Second
	maxBackoff    = 5 * time.Second
)

// How often a call is tried: throttling ends by waiting, while a server that fails or is not there mostly stays so.
const (
	throttledAttempts = 8
	throttledRounds   = 4 // each of callTimeout
	failedAttempts    = 4
)

// secretsAPI is what reading secrets takes. GetSecretValue is not in it.
type secretsAPI interface {
	ListSecrets(context.Context, *secretsmanager.ListSecretsInput, ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error)
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetResourcePolicy(context.Context, *secretsmanager.GetResourcePolicyInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetResourcePolicyOutput, error)
}

// lambdaAPI is what reading rotation functions takes.
type lambdaAPI interface {
	GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
	GetFunction(context.Context, *lambda.GetFunctionInput, ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error)
	GetPolicy(context.Context, *lambda.GetPolicyInput, ...func(*lambda.Options)) (*lambda.GetPolicyOutput, error)
	ListTags(context.Context, *lambda.ListTagsInput, ...func(*lambda.Options)) (*lambda.ListTagsOutput, error)
	ListAliases(context.Context, *lambda.ListAliasesInput, ...func(*lambda.Options)) (*lambda.ListAliasesOutput, error)
	ListVersionsByFunction(context.Context, *lambda.ListVersionsByFunctionInput, ...func(*lambda.Options)) (*lambda.ListVersionsByFunctionOutput, error)
	GetAccountSettings(context.Context, *lambda.GetAccountSettingsInput, ...func(*lambda.Options)) (*lambda.GetAccountSettingsOutput, error)
	ListFunctions(context.Context, *lambda.ListFunctionsInput, ...func(*lambda.Options)) (*lambda.ListFunctionsOutput, error)
}

// taggedAPI is what reading the tags of many functions takes.
type taggedAPI interface {
	GetResources(context.Context, *resourcegroupstaggingapi.GetResourcesInput, ...func(*resourcegroupstaggingapi.Options)) (*resourcegroupstaggingapi.GetResourcesOutput, error)
}

// iamAPI is what reading a role takes.
type iamAPI interface {
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	ListRolePolicies(context.Context, *iam.ListRolePoliciesInput, ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error)
	GetRolePolicy(context.Context, *iam.GetRolePolicyInput, ...func(*iam.Options)) (*iam.GetRolePolicyOutput, error)
	ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error)
	GetPolicy(context.Context, *iam.GetPolicyInput, ...func(*iam.Options)) (*iam.GetPolicyOutput, error)
	GetPolicyVersion(context.Context, *iam.GetPolicyVersionInput, ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error)
	GetAccountSummary(context.Context, *iam.GetAccountSummaryInput, ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error)
	GetAccountAuthorizationDetails(context.Context, *iam.GetAccountAuthorizationDetailsInput, ...func(*iam.Options)) (*iam.GetAccountAuthorizationDetailsOutput, error)
}

// usersAPI is what reading a user or a group takes that is declared to hold a permission set.
type usersAPI interface {
	GetUser(context.Context, *iam.GetUserInput, ...func(*iam.Options)) (*iam.GetUserOutput, error)
	ListUserPolicies(context.Context, *iam.ListUserPoliciesInput, ...func(*iam.Options)) (*iam.ListUserPoliciesOutput, error)
	GetUserPolicy(context.Context, *iam.GetUserPolicyInput, ...func(*iam.Options)) (*iam.GetUserPolicyOutput, error)
	ListAttachedUserPolicies(context.Context, *iam.ListAttachedUserPoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedUserPoliciesOutput, error)
	ListGroupsForUser(context.Context, *iam.ListGroupsForUserInput, ...func(*iam.Options)) (*iam.ListGroupsForUserOutput, error)
	GetGroup(context.Context, *iam.GetGroupInput, ...func(*iam.Options)) (*iam.GetGroupOutput, error)
	ListGroupPolicies(context.Context, *iam.ListGroupPoliciesInput, ...func(*iam.Options)) (*iam.ListGroupPoliciesOutput, error)
	GetGroupPolicy(context.Context, *iam.GetGroupPolicyInput, ...func(*iam.Options)) (*iam.GetGroupPolicyOutput, error)
	ListAttachedGroupPolicies(context.Context, *iam.ListAttachedGroupPoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedGroupPoliciesOutput, error)
}

// kmsAPI is what reading a key takes.
type kmsAPI interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	GetKeyPolicy(context.Context, *kms.GetKeyPolicyInput, ...func(*kms.Options)) (*kms.GetKeyPolicyOutput, error)
	ListGrants(context.Context, *kms.ListGrantsInput, ...func(*kms.Options)) (*kms.ListGrantsOutput, error)
}

// stacksAPI is what reading a stack's parameters takes.
type stacksAPI interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

// Clients are the reading clients of one account and Region, and where they point. NewClients makes them.
type Clients struct {
	Secrets   secretsAPI
	Functions lambdaAPI
	Tagged    taggedAPI
	Roles     iamAPI
	Users     usersAPI
	Keys      kmsAPI
	Stacks    stacksAPI

	Credentials aws.CredentialsProvider // asked once before the first call, so that missing credentials are told apart
	Region      string
	Endpoint    string // a custom endpoint URL, empty for AWS's own
}

// NewClients makes the clients of a configuration, with its endpoint URL and timeouts under which a silent endpoint ends in
// bounded time. A configuration's own HTTP client is kept as it is unless it is the SDK's.
func NewClients(cfg aws.Config) Clients {
	cfg = Bounded(cfg)
	return Clients{
		Secrets:     secretsmanager.NewFromConfig(cfg),
		Functions:   lambda.NewFromConfig(cfg),
		Tagged:      resourcegroupstaggingapi.NewFromConfig(cfg),
		Roles:       iam.NewFromConfig(cfg),
		Users:       iam.NewFromConfig(cfg),
		Keys:        newKeys(kms.NewFromConfig(cfg)),
		Stacks:      stacks(cloudformation.NewFromConfig(cfg).DescribeStacks),
		Credentials: cfg.Credentials,
		Region:      cfg.Region,
		Endpoint:    endpoint(cfg),
	}
}

// Bounded is a configuration whose clients give up on a silent endpoint and retry throttling patiently.
func Bounded(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	switch c := cfg.HTTPClient.(type) {
	case nil:
		cfg.HTTPClient = bound(awshttp.NewBuildableClient())
	case *awshttp.BuildableClient:
		cfg.HTTPClient = bound(c)
	}
	if cfg.Retryer == nil {
		cfg.Retryer = func() aws.Retryer {
			return retryer{retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = throttledAttempts, maxBackoff
			})}
		}
	}
	return cfg
}

// retryer is the SDK's, patient with throttling only.
type retryer struct{ *retry.Standard }

// GetRetryToken says whether a call may be made again, and waits for that: however many calls fail, those that are made again stay few, and
// draw on the same quota as all others.
func (r retryer) GetRetryToken(ctx context.Context, failed error) (func(error) error, error) {
	if t := turnOf(ctx); t != nil {
		throttled := isThrottled(failed)
		if throttled {
			t.bucket.throttled(time.Now())
		}
		for !t.retries.take(time.Now()) {
			if !throttled {
				return nil, errNoRetries
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, errNoRetries
			}
		}
		if t.bucket.wait(ctx) != nil {
			return nil, errNoRetries
		}
	}
	return r.Standard.GetRetryToken(ctx, failed)
}

// errNoRetries stands beside the error that is not tried again.
var errNoRetries = errors.New("too many calls have failed to try it again")

func isThrottled(err error) bool {
	_, throttled := retry.DefaultThrottleErrorCodes[code(err)]
	return throttled
}

// RetryDelay ends the attempts with the error at hand when another one is not worth it.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if !isThrottled(err) && attempt >= failedAttempts {
		return 0, err
	}
	return r.Standard.RetryDelay(attempt, err)
}

func bound(c *awshttp.BuildableClient) *awshttp.BuildableClient {
	return c.WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout, t.TLSHandshakeTimeout = headerTimeout, dialTimeout
			t.MaxIdleConnsPerHost = concurrency
		})
}

// endpoint is the custom endpoint that a configuration sends to; the SDK's own variables count when it names none.
func endpoint(cfg aws.Config) string {
	switch {
	case cfg.BaseEndpoint != nil:
		return *cfg.BaseEndpoint
	case os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true":
		return ""
	}
	return os.Getenv("AWS_ENDPOINT_URL")
}

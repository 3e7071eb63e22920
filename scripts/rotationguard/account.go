package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/inventory"
)

// accountFlags say which account and Region is meant, in the AWS CLI's words.
type accountFlags struct {
	region, profile, endpoint string
}

func (f *accountFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.region, "region", "", "the AWS Region (default: AWS_REGION, or your profile's)")
	cmd.Flags().StringVar(&f.profile, "profile", "", "the AWS profile (default: AWS_PROFILE)")
	cmd.Flags().StringVar(&f.endpoint, "endpoint-url", "", "where the AWS APIs are, for an emulator (default: AWS_ENDPOINT_URL)")
}

// identity is who the credentials belong to.
type identity struct{ account, caller string }

// load finds credentials and Region as the SDK does, and checks what can be checked before the first call.
func (f *accountFlags) load(ctx context.Context) (aws.Config, error) {
	if f.endpoint == "" && os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true" {
		f.endpoint = os.Getenv("AWS_ENDPOINT_URL")
	}
	endpoint, err := parseEndpoint(f.endpoint)
	if err != nil {
		return aws.Config{}, err
	}
	if f.region != "" {
		if err := checkRegion(f.region); err != nil {
			return aws.Config{}, err
		}
	}
	// What the SDK has to say comes as an error, once.
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(f.region), awsconfig.WithLogger(logging.Nop{})}
	if endpoint != nil && isLoopback(endpoint) {
		// Beside an emulator there is no instance that could lend its role, and looking for one takes seconds.
		options = append(options, awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	if f.profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(f.profile))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS configuration: %w", profileError(err))
	}
	if err := checkRegion(cfg.Region); err != nil {
		return aws.Config{}, err
	}
	if endpoint != nil {
		cfg.BaseEndpoint = aws.String(f.endpoint)
	}
	if err := haveCredentials(ctx, cfg); err != nil {
		return aws.Config{}, err
	}
	return inventory.Bounded(cfg), nil
}

// caller is the configuration that the flags name, and who calls with it.
func (f *accountFlags) caller(ctx context.Context) (aws.Config, identity, error) {
	cfg, err := f.load(ctx)
	if err != nil {
		return aws.Config{}, identity{}, err
	}
	id, err := whoami(ctx, cfg)
	return cfg, id, err
}

// haveCredentials looks for credentials before they are needed, so that there being none is told apart from AWS refusing them.
func haveCredentials(ctx context.Context, cfg aws.Config) error {
	found, err := cfg.Credentials.Retrieve(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && found.HasKeys():
		return nil
	case emulated(cfg):
		return fmt.Errorf("no AWS credentials for %s: an emulator takes any, such as AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test", *cfg.BaseEndpoint)
	}
	why := ""
	if err != nil {
		// What comes after is which calls the SDK made to find them.
		text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "failed to refresh cached credentials, "), ", operation error")
		why = " (" + text + ")"
	}
	return fmt.Errorf("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with --profile, or run `aws sso login`%s", why)
}

func profileError(err error) error {
	var profile awsconfig.SharedConfigProfileNotExistError
	if errors.As(err, &profile) {
		return fmt.Errorf("there is no profile %q in your AWS configuration", profile.Profile)
	}
	return err
}

var accountNumber = regexp.MustCompile(`^[0-9]{12}$`)

// firstAnswer is how long the first call may take: an endpoint that is silent is to be noticed by whoever waits in front of it.
const firstAnswer = 15 * time.Second

// whoami asks STS who the caller is: the ledger is kept by account.
func whoami(ctx context.Context, cfg aws.Config) (identity, error) {
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return identity{}, inventory.Explain(cfg, "asking who the caller is", err)
	}
	id := identity{aws.ToString(out.Account), aws.ToString(out.Arn)}
	if !accountNumber.MatchString(id.account) {
		// An empty answer with status 200 is no error to the SDK, and must not become an account without secrets.
		return identity{}, fmt.Errorf("asking who the caller is: what answers at %s is not an AWS API: it names no account", cmp.Or(aws.ToString(cfg.BaseEndpoint), "AWS in "+cfg.Region))
	}
	return id, nil
}

func parseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fmt.Errorf("--endpoint-url %q is not the URL of an API, such as http://127.0.0.1:5000", text)
	}
	return u, nil
}

func isLoopback(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// member gives the clients for another account of the organization, by the role that the config names.
func member(cfg aws.Config, c *config.Config, id identity) func(context.Context, string) (inventory.Clients, bool, error) {
	return inventory.Members(cfg, id.caller, c.Member.Role, c.Member.ExternalID)
}

package inventory

import (
	"context"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Members gives Options.Member for a role that has the same name, path included, in every account, and is assumed with a configuration's
// credentials. caller is the ARN of these, whose partition the role's is too; externalID is sent when it is not empty. Without a role it is nil.
func Members(cfg aws.Config, caller, role, externalID string) func(context.Context, string) (Clients, bool, error) {
	if role == "" {
		return nil
	}
	partition := "aws"
	if parts := strings.SplitN(caller, ":", 3); len(parts) == 3 && parts[1] != "" {
		partition = parts[1]
	}
	return func(_ context.Context, account string) (Clients, bool, error) {
		arn := "arn:" + partition + ":iam::" + account + ":role/" + strings.TrimPrefix(role, "/")
		theirs := cfg.Copy()
		theirs.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), arn, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "rotationguard"
			if externalID != "" {
				o.ExternalID = aws.String(externalID)
			}
		}))
		return NewClients(theirs), true, nil
	}
}

// Emulated says whether a configuration's endpoint is on this machine, where no quota of AWS's holds.
func Emulated(cfg aws.Config) bool {
	u, err := url.Parse(endpoint(cfg))
	if err != nil || u.Host == "" {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

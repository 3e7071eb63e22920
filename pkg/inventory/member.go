package inventory

import (
	"context"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// Assumed is how a role is assumed.
type Assumed struct {
	Role       string            // its ARN
	ExternalID string            // sent when it is not empty
	Tags       map[string]string // session tags
	Policy     string            // a session policy: what is not in it the session may not do
}

// Config is a configuration with the session's credentials instead of its own. They are asked for when they are needed, at STS in the
// configuration's own Region: a Region that another account uses need not be one of this account's, while the credentials that a Region's STS
// gives out are good in all (IAM User Guide, "Manage AWS STS in an AWS Region").
func (a Assumed) Config(cfg aws.Config) aws.Config {
	theirs := cfg.Copy()
	theirs.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), a.Role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "rotationguard"
		if a.ExternalID != "" {
			o.ExternalID = aws.String(a.ExternalID)
		}
		for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
			o.Tags = append(o.Tags, types.Tag{Key: aws.String(key), Value: aws.String(a.Tags[key])})
		}
		if a.Policy != "" {
			o.Policy = aws.String(a.Policy)
		}
	}))
	return theirs
}

// RoleIn is the ARN that a role of this name, path included, has in an account.
func RoleIn(partition, account, role string) string {
	return "arn:" + partition + ":iam::" + account + ":role/" + strings.TrimPrefix(role, "/")
}

// PartitionOf is the partition of a caller's ARN; "aws" where it has none.
func PartitionOf(caller string) string {
	if parts := strings.SplitN(caller, ":", 3); len(parts) == 3 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

// Members gives Options.Member for a role that has the same name, path included, in every account, and is assumed with a configuration's
// credentials. caller is the ARN of these, whose partition the role's is too; externalID is sent when it is not empty. Without a role it is nil.
func Members(cfg aws.Config, caller, role, externalID string) func(context.Context, string) (Clients, bool, error) {
	if role == "" {
		return nil
	}
	partition := PartitionOf(caller)
	return func(_ context.Context, account string) (Clients, bool, error) {
		return NewClients(Assumed{Role: RoleIn(partition, account, role), ExternalID: externalID}.Config(cfg)), true, nil
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

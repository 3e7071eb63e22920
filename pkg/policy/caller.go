package policy

import (
	"fmt"
	"strings"
)

// ParseCaller reads a caller as people write one: an ARN of a user, a role, a role session, a federated user, an account's
// root or an identity provider, a 12-digit account id, a canonical user id, a service ("lambda.amazonaws.com"), one of the web identity
// providers that IAM knows by name ("accounts.google.com"), or "*" for an anonymous caller.
// The ARN of a session does not tell its role's path, so ARN stays empty then, and a role is recognised by its name.
func ParseCaller(text string) (Caller, error) {
	if text == "*" {
		return Caller{Kind: CallerAnonymous}, nil
	}
	if isAccountID(text) {
		return Caller{Kind: CallerAccount, ARN: "arn:aws:iam::" + text + ":root"}, nil
	}
	switch text {
	case "accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com":
		// Source: IAM User Guide, "Principal", section "OIDC federated user principals".
		return Caller{Kind: CallerFederated, ARN: text}, nil
	}
	if _, message := newPrincipal(Principal{Type: PrincipalCanonicalUser, ID: text}); message == "" && len(text) == canonicalIDLength {
		return Caller{Kind: CallerAccount, ARN: text}, nil
	}
	if !strings.HasPrefix(text, "arn:") {
		if _, message := newPrincipal(Principal{Type: PrincipalService, ID: text}); message == "" {
			return Caller{Kind: CallerService, Service: text}, nil
		}
		return Caller{}, fmt.Errorf("principal %q is neither an ARN, an account id, a service nor *", text)
	}
	if _, message := newPrincipal(Principal{Type: PrincipalFederated, ID: text}); message == "" {
		return Caller{Kind: CallerFederated, ARN: text}, nil
	}
	test, message := newAWSPrincipal(text)
	if message != "" {
		return Caller{}, fmt.Errorf("principal %q %s", text, message)
	}
	switch {
	case test.form == principalAccount:
		return Caller{Kind: CallerAccount, ARN: text}, nil
	case test.form == principalRole:
		return Caller{Kind: CallerRole, ARN: text}, nil
	case strings.Contains(text, ":assumed-role/"):
		return Caller{Kind: CallerRole, Session: text}, nil
	case strings.Contains(text, ":federated-user/"):
		return Caller{Kind: CallerFederated, ARN: text}, nil
	default:
		return Caller{Kind: CallerUser, ARN: text}, nil
	}
}

// canonicalIDLength is the length of a canonical user id. Source: AWS Account Management Reference Guide, "View AWS account identifiers".
const canonicalIDLength = 64

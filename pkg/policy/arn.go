package policy

import "strings"

// arn is an ARN cut at its first five colons. Whatever follows is the resource part, colons and slashes included.
type arn struct {
	partition, service, region, account, resource string
}

// splitARN cuts s; ok is false when s does not begin with "arn:" or has fewer than six parts.
// Source: IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)".
func splitARN(s string) (a arn, ok bool) {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return arn{}, false
	}
	for _, part := range [...]*string{&a.partition, &a.service, &a.region, &a.account} {
		if *part, rest, ok = strings.Cut(rest, ":"); !ok {
			return arn{}, false
		}
	}
	a.resource = rest
	return a, true
}

// hasARNComponents says whether s has the six components that an Arn operator compares.
func hasARNComponents(s string) bool {
	colons := 0
	for i := 0; i < len(s); i++ {
		if s[i] == ':' {
			if colons++; colons == arnColons {
				return true
			}
		}
	}
	return false
}

// accountOf is the account id in an ARN, "" when there is none.
func accountOf(s string) string {
	a, ok := splitARN(s)
	if !ok {
		return ""
	}
	return a.account
}

// isAccountID says whether s is the 12 digits of an AWS account.
func isAccountID(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

package rotation

import (
	"fmt"
	"strings"
)

// ARN is an Amazon Resource Name as some API returned it.
type ARN string

// Parts are the fields of an ARN: arn:partition:service:region:account:resource.
type Parts struct {
	Partition, Service, Region, Account, Resource string
}

// Parse splits an ARN into its parts. The resource keeps its colons.
func (a ARN) Parse() (Parts, error) {
	fields := strings.SplitN(string(a), ":", 6)
	if len(fields) != 6 || fields[0] != "arn" || fields[1] == "" || fields[2] == "" || fields[5] == "" {
		return Parts{}, fmt.Errorf("%q is not an ARN", string(a))
	}
	return Parts{fields[1], fields[2], fields[3], fields[4], fields[5]}, nil
}

// Parts is Parse for an ARN that is known to be one; of anything else every part is empty.
func (a ARN) Parts() Parts {
	p, _ := a.Parse()
	return p
}

// SplitFunction cuts a Lambda function ARN into the function's own ARN and the qualifier (a version or an alias), which is
// empty for an unqualified ARN. Source: Lambda API reference, the FunctionArn pattern.
func (a ARN) SplitFunction() (function ARN, qualifier string) {
	fields := strings.SplitN(string(a), ":", 8)
	if len(fields) == 8 && fields[2] == "lambda" && fields[5] == "function" {
		return ARN(strings.Join(fields[:7], ":")), fields[7]
	}
	return a, ""
}

// SecretName is the name in a secret's ARN without the six random characters that Secrets Manager appends, and those
// characters. ok is false for anything that is not a complete secret ARN. Source: Secrets Manager User Guide, "Secret ARN".
func (a ARN) SecretName() (name, suffix string, ok bool) {
	p, err := a.Parse()
	rest, found := strings.CutPrefix(p.Resource, "secret:")
	if err != nil || p.Service != "secretsmanager" || !found || len(rest) < 8 || rest[len(rest)-7] != '-' {
		return "", "", false
	}
	suffix = rest[len(rest)-6:]
	for _, c := range suffix {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return "", "", false
		}
	}
	return rest[:len(rest)-7], suffix, true
}

// RoleName is the last segment of a role ARN, which IAM's calls take; the path before it is dropped.
func (a ARN) RoleName() string {
	r := a.Parts().Resource
	return r[strings.LastIndexByte(r, '/')+1:]
}

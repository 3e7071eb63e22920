package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The forms of what is pasted into policies. Sources: Lambda API reference, AddPermission, FunctionName, and GetFunction, Qualifier; KMS
// Developer Guide, "Key ARN"; Secrets Manager API reference, CreateSecret, Name.
var (
	functionARN = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?$`)
	keyARN      = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	secretARN   = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$`)
)

// values are the flags as ARNs. What is no ARN of its kind is refused, because it would be pasted.
func (f *templateFlags) values() (rotation.Values, error) {
	none := rotation.Values{}
	if f.function != "" && !functionARN.MatchString(f.function) {
		return none, fmt.Errorf("--function %q is not the ARN of a function: arn:aws:lambda:REGION:ACCOUNT:function:NAME, with :ALIAS where the secrets name one", f.function)
	}
	secrets, err := secretARNs("secret", f.secrets)
	if err != nil {
		return none, err
	}
	masters, err := secretARNs("master", f.masters)
	if err != nil {
		return none, err
	}
	v := rotation.NewValues(rotation.ARN(f.function), secrets)
	v.Masters, v.VPC = masters, f.vpc
	for _, key := range f.keys {
		switch {
		case strings.Contains(key, ":alias/") || strings.HasPrefix(key, "alias/"):
			return none, fmt.Errorf("--kms-key %q is an alias: a policy's Resource must name the key itself, arn:aws:kms:REGION:ACCOUNT:key/ID", key)
		case !keyARN.MatchString(key):
			return none, fmt.Errorf("--kms-key %q is not the ARN of a key: arn:aws:kms:REGION:ACCOUNT:key/ID", key)
		}
		v.Keys = append(v.Keys, rotation.ARN(key))
	}
	if f.account != "" {
		if !accountNumber.MatchString(f.account) {
			return none, fmt.Errorf("--account %q is not an account: it has 12 digits", f.account)
		}
		for _, s := range secrets {
			if other := s.Parts().Account; other != f.account {
				return none, fmt.Errorf("--account %s is not that of --secret %s", f.account, s)
			}
		}
		v.Account = f.account
	}
	if v.Partition == "" {
		v.Partition = "aws" // with --account alone
	}
	return v, nil
}

func secretARNs(flag string, values []string) ([]rotation.ARN, error) {
	var arns []rotation.ARN
	for _, value := range values {
		if !secretARN.MatchString(value) {
			return nil, fmt.Errorf("--%s %q is not the ARN of a secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX", flag, value)
		}
		arn := rotation.ARN(value)
		if _, _, complete := arn.SecretName(); !complete {
			return nil, fmt.Errorf("--%s %q is not a secret's whole ARN: it ends in a hyphen and six characters that Secrets Manager has added", flag, value)
		}
		arns = append(arns, arn)
	}
	return arns, nil
}

package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// Mend is the smallest statement that makes a required request allowed from the side that rotationguard may write: an identity
// statement for the role, or a statement of the function policy. ok is false for a request that neither can grant (trust, a
// request on something whose ARN cannot stand in a policy). Whether it is enough is a question for the evaluator:
// a Deny, a boundary or a key policy may stand against it.
//
// A statement on a secret names its full ARN and the function as stored, one on a key the service and the secret: re-pointing
// the secret voids both.
func Mend(s *Setup, r *Requirement) (statement policy.Statement, ok bool) {
	statement = policy.Statement{Effect: policy.Allow, Actions: []string{r.Request.Action}, Resources: []string{r.Request.Resource}}
	when := func(operator, key, value string) {
		statement.Conditions = append(statement.Conditions, policy.Condition{Operator: operator, Key: key, Values: []string{value}})
	}
	switch r.Target {
	case TargetSecret:
		if s.Function.ARN != "" {
			when("StringEquals", AllowRotationKey, string(s.secret(r.Secret).FunctionARN))
		}
	case TargetMaster:
	case TargetAccount, TargetNetwork, TargetDatabase:
		statement.Resources = []string{"*"}
		return statement, true
	case TargetKey, TargetMasterKey:
		p := ARN(r.Request.Context["kms:EncryptionContext:SecretARN"][0])
		if via := r.Request.Context["kms:ViaService"]; len(via) == 1 {
			when("StringEquals", "kms:ViaService", via[0])
		}
		when("StringEquals", "kms:EncryptionContext:SecretARN", string(p))
		if ARN(r.Request.Resource).Parts().Service != "kms" || !strings.HasPrefix(ARN(r.Request.Resource).Parts().Resource, "key/") {
			return statement, false
		}
	case TargetFunction:
		statement.Sid = OwnSid(ARN(r.Request.Resource), s.secret(r.Secret).ARN.Parts().Account)
		statement.Principals = []policy.Principal{{Type: policy.PrincipalService, ID: secretsManagerPrincipal}}
		when("StringEquals", "aws:SourceAccount", s.secret(r.Secret).ARN.Parts().Account)
	default:
		return statement, false
	}
	for _, c := range statement.Conditions {
		if strings.ContainsAny(c.Values[0], "*?$") {
			return statement, false
		}
	}
	return statement, plain(ARN(r.Request.Resource))
}

// MendKeyPolicy is the statement of a key policy that grants the role what Mend grants from the role's side.
func MendKeyPolicy(s *Setup, r *Requirement) policy.Statement {
	statement, _ := Mend(s, r)
	statement.Principals = []policy.Principal{{Type: policy.PrincipalAWS, ID: string(s.Role.ARN)}}
	statement.Resources = []string{"*"}
	return statement
}

// MendTrust is the statement of a trust policy that lets the service take the role.
func MendTrust(r *Requirement) policy.Statement {
	return policy.Statement{
		Effect:     policy.Allow,
		Principals: []policy.Principal{{Type: policy.PrincipalService, ID: r.Request.Caller.Service}},
		Actions:    []string{"sts:AssumeRole"},
	}
}

// OwnPrefix begins the name of every policy and statement that rotationguard makes.
const OwnPrefix = "rotationguard-"

// OwnPolicyName is the name of the one inline policy in which the missing role grants of a function go:
// rotationguard-<region>-<function>[-<qualifier>]. A name that would be longer than the 128 characters that IAM allows, or hold
// characters that it does not ($LATEST), ends in a hash of the ARN instead.
func OwnPolicyName(function ARN) string {
	bare, qualifier := function.SplitFunction()
	name := OwnPrefix + bare.Parts().Region + "-" + resourceName(bare)
	if qualifier != "" {
		name += "-" + qualifier
	}
	if len(name) <= 128 && !strings.ContainsAny(name, "$") {
		return name
	}
	name = strings.ReplaceAll(name, "$", "")
	return name[:min(len(name), 111)] + "-" + shortHash(string(function))
}

// OwnSid is the statement id of our grant in a function policy: the same for the same qualifier and account.
func OwnSid(function ARN, account string) string {
	return OwnPrefix + shortHash(string(function)+" "+account)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

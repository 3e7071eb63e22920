package awstest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func tokenOperations() []*operation {
	return []*operation{
		{service: "sts", name: "GetCallerIdentity", run: callerIdentity},
		{service: "sts", name: "AssumeRole", write: false, resource: func(x *exchange) string { return x.form.Get("RoleArn") }, run: assumeRole},
	}
}

func callerIdentity(x *exchange) (any, error) {
	return struct{ Arn, UserId, Account string }{x.who.arn, x.who.userID, x.acct.id}, nil //nolint:revive // the name is AWS's
}

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	anyRoleARN  = regexp.MustCompile(`^arn:[^:]+:iam::(\d{12}):role(/.*/|/)([\w+=,.@-]+)$`)
)

// maxSessionPolicy is the longest plaintext of an inline session policy (STS API reference, AssumeRole).
const maxSessionPolicy = 2_048

// assumeRole gives a session of a role whose trust policy names the caller. A role that does not exist and one that does
// not trust the caller are refused alike.
func assumeRole(x *exchange) (any, error) {
	arn, session := x.form.Get("RoleArn"), x.form.Get("RoleSessionName")
	m := anyRoleARN.FindStringSubmatch(arn)
	if m == nil {
		return nil, bad("ValidationError", "%s is invalid", arn)
	}
	if !sessionName.MatchString(session) {
		return nil, bad("ValidationError", `1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`, session)
	}
	seconds := 3600
	if text := x.form.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 900 || n > 43_200 {
			return nil, bad("ValidationError", "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", text)
		}
		if seconds = n; n > 3600 {
			return nil, bad("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		}
	}
	policies, err := sessionPolicies(x)
	if err != nil {
		return nil, err
	}
	refused := queryProtocol{}.denied(x.who, x.op, arn, "")
	refused.Message = strings.TrimSpace(refused.Message)
	acct := x.srv.accounts[m[1]]
	if acct == nil {
		return nil, refused
	}
	role := acct.iam.roles.current(entityKey(m[3]))
	if role == nil || role.ARN != arn || !trusts(role.Trust, x.who, x.form.Get("ExternalId")) {
		return nil, refused
	}
	who := &identity{account: acct, secret: x.srv.id("", 40), policies: policies, tags: map[string]string{}, source: x.who.arn}
	for _, t := range formTags(x) {
		who.tags[t.Key] = t.Value
	}
	x.srv.becomeSession(who, role.ARN, role.Name, session)
	who.userID = role.ID + ":" + session
	who.expires = x.now.Add(time.Duration(seconds) * time.Second)
	x.srv.identities[who.key] = who

	type credentials struct {
		AccessKeyId, SecretAccessKey, SessionToken string //nolint:revive // the names are AWS's
		Expiration                                 *string
	}
	type assumedUser struct{ AssumedRoleId, Arn string } //nolint:revive // the names are AWS's
	return struct {
		Credentials      credentials
		AssumedRoleUser  assumedUser
		PackedPolicySize int
	}{
		credentials{who.key, who.secret, who.token, stamp(who.expires)},
		assumedUser{who.userID, who.arn},
		len(strings.Join(policies, "")) * 100 / maxSessionPolicy,
	}, nil
}

// sessionPolicies reads the inline session policy and the ARNs of managed ones.
func sessionPolicies(x *exchange) ([]string, error) {
	var out []string
	if doc := x.form.Get("Policy"); doc != "" {
		if len(doc) > maxSessionPolicy {
			return nil, bad("ValidationError", "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxSessionPolicy)
		}
		if err := checkDocument(doc, identityDocument); err != nil {
			return nil, bad("MalformedPolicyDocument", "%v", err)
		}
		out = append(out, doc)
	}
	for i := 1; x.form.Has(fmt.Sprintf("PolicyArns.member.%d.arn", i)); i++ {
		out = append(out, x.form.Get(fmt.Sprintf("PolicyArns.member.%d.arn", i)))
	}
	return out, nil
}

// trusts says whether a trust policy lets the caller in: an Allow that names its account or itself and no Deny that does.
// Of conditions it knows sts:ExternalId and aws:PrincipalArn; any other lets nobody in.
func trusts(doc string, who *identity, externalID string) bool {
	statements, err := parseStatements(doc)
	if err != nil {
		return false
	}
	allowed := false
	for _, s := range statements {
		if !slices.ContainsFunc(stringsOf(s.Action), func(a string) bool { return like(a, "sts:AssumeRole") }) || !who.isAmong(awsPrincipals(s.Principal)) {
			continue
		}
		if !trustCondition(s.Condition, who, externalID) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

func (i *identity) isAmong(principals []string) bool {
	root := i.account.arn("iam", "", "root")
	return slices.ContainsFunc(principals, func(p string) bool {
		return p == "*" || p == i.account.id || p == root || p == i.principal() || p == i.arn
	})
}

func trustCondition(raw json.RawMessage, who *identity, externalID string) bool {
	if raw == nil {
		return true
	}
	var condition map[string]map[string]json.RawMessage
	if json.Unmarshal(raw, &condition) != nil {
		return false
	}
	for operator, keys := range condition {
		for key, values := range keys {
			var have string
			switch strings.ToLower(key) {
			case "sts:externalid":
				have = externalID
			case "aws:principalarn":
				have = who.principal()
			default:
				return false
			}
			if !slices.ContainsFunc(stringsOf(values), func(want string) bool {
				switch operator {
				case "StringEquals", "ArnEquals":
					return have != "" && have == want
				case "StringLike", "ArnLike":
					return have != "" && like(want, have)
				}
				return false
			}) {
				return false
			}
		}
	}
	return true
}

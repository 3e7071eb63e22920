package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

// size is how large an account is, and what its things carry.
type size struct {
	secrets, rotating, functions, roles int
	heavy                               bool // 50 tags of full length on every secret, function and role, descriptions of full length
}

// scaled is the same mixture of things for n secrets.
func (s size) scaled(n int) size {
	part := func(of int) int { return max(1, of*n/s.secrets) }
	return size{secrets: n, rotating: part(s.rotating), functions: part(s.functions), roles: part(s.roles), heavy: s.heavy}
}

// keys is how many customer keys the account has.
func (s size) keys() int { return max(1, min(100, s.rotating/10)) }

const (
	accountID = "123456789012"
	region    = "eu-central-1"
)

// What AWS lets a secret carry at most. Source: Secrets Manager API reference, Tag (a key of 128 characters, a value of 256) and
// CreateSecret (50 tags, a description of 2,048 characters). Functions and roles may carry as many and as long tags: Lambda Developer Guide, "Using
// tags on Lambda functions"; IAM User Guide, "IAM and AWS STS quotas".
const (
	mostTags        = 50
	mostTagKey      = 128
	mostTagValue    = 256
	mostDescription = 2048
)

// What every hundredth function lacks, and every hundredth role has too much of, so that a report has findings to tell; all others are in
// sync.
const (
	keyEach    = 10 // how many rotating secrets there are to one with a customer key
	brokenEach = 100
	openEach   = 100
)

const ownPolicy = `{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"%s"}}},
{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}%s]}`

const keyStatement = `,{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":["%s"],"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.` + region + `.amazonaws.com"}}}`

const openStatement = `,{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*"}`

const invokePolicy = `{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"invoke","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"%s","Condition":{"StringEquals":{"AWS:SourceAccount":"` + accountID + `"}}}]}`

// denyDelete is the policy that the CDK gives to a secret that must not be deleted with its stack.
const denyDelete = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::` + accountID + `:root"},"Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`

// fill makes the account: functions spread over roles, rotating secrets spread over functions, the others without rotation.
func fill(a *awstest.Account, s size) {
	now := time.Now().UTC().Truncate(time.Second)
	keys := make([]string, s.keys())
	for i := range keys {
		keys[i] = a.AddKey(awstest.Key{})
	}
	functions := make([]string, s.functions)
	roleOf := func(i int) string { return fmt.Sprintf("rotation/team-%04d-rotator", i) }
	inline := make([]strings.Builder, s.roles)
	for i := range functions {
		functions[i] = fmt.Sprintf("arn:aws:lambda:%s:%s:function:team-%04d-rotator", region, accountID, i)
		extra := ""
		if used := s.keysOf(i, keys); len(used) > 0 {
			extra = fmt.Sprintf(keyStatement, strings.Join(used, `","`))
		}
		if i%openEach == 1 {
			extra += openStatement
		}
		if b := &inline[i%s.roles]; b.Len() == 0 || s.functions/s.roles < 8 { // more would not fit into a role
			fmt.Fprintf(b, "\x00"+ownPolicy, functions[i], extra)
		}
	}
	for i := range inline {
		role := awstest.Role{Path: "/rotation/", Name: strings.TrimPrefix(roleOf(i), "rotation/"), Inline: map[string]string{},
			Attached: []string{"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}}
		for j, text := range strings.Split(inline[i].String(), "\x00")[1:] {
			role.Inline[fmt.Sprintf("rotate-%d", j)] = text
		}
		if s.heavy {
			role.Tags = fullTags(i)
		}
		a.AddRole(role)
	}
	for i, arn := range functions {
		f := awstest.Function{Name: arn[strings.LastIndexByte(arn, ':')+1:], FunctionConfig: awstest.FunctionConfig{
			Role: "arn:aws:iam::" + accountID + ":role/" + roleOf(i%s.roles), Runtime: "python3.13", Handler: "index.handler", Description: strings.Repeat("d", 256), Modified: now.AddDate(0, -3, 0),
			Environment: map[string]string{"SECRETS_MANAGER_ENDPOINT": "https://secretsmanager." + region + ".amazonaws.com"},
		}, Tags: map[string]string{"team": "payments", "environment": "production"}, Policies: map[string]string{"": fmt.Sprintf(invokePolicy, arn)}}
		if i%brokenEach == 2 {
			f.Policies = nil
		}
		if s.heavy {
			f.Tags = map[string]string{}
			for _, t := range fullTags(i) {
				f.Tags[t.Key] = t.Value
			}
		}
		a.AddFunction(f)
	}
	tags := []awstest.Tag{{Key: "team", Value: "payments"}, {Key: "environment", Value: "production"}}
	description := ""
	if s.heavy {
		description = strings.Repeat("What this secret is for. ", mostDescription/25)
	}
	on := true
	for i := range s.secrets {
		secret := awstest.Secret{
			Name: fmt.Sprintf("team-%04d/database/application-%06d", i%977, i), Description: description, Created: now.AddDate(-1, 0, 0), Changed: now.AddDate(0, 0, -i%30-1),
			Tags: tags, Versions: map[string][]string{fmt.Sprintf("00000000-0000-4000-8000-%012d", i): {"AWSCURRENT"}, fmt.Sprintf("00000000-0000-4000-9000-%012d", i): {"AWSPREVIOUS"}},
		}
		if s.heavy {
			secret.Tags = fullTags(i)
		}
		if i < s.rotating {
			secret.RotationEnabled, secret.RotationLambdaARN, secret.RotationRules = &on, functions[i%s.functions], &awstest.RotationRules{AutomaticallyAfterDays: 30}
			secret.Rotated, secret.NextRotation = secret.Changed, secret.Changed.AddDate(0, 0, 60)
			if i%keyEach == 3 {
				secret.KmsKeyID = keys[i%len(keys)]
			}
			if i%20 == 4 {
				secret.Policy = denyDelete
			}
		}
		a.AddSecret(secret)
	}
}

// keysOf are the customer keys of a function's secrets.
func (s size) keysOf(function int, keys []string) []string {
	var used []string
	for i := function; i < s.rotating; i += s.functions {
		if i%keyEach == 3 && !slices.Contains(used, keys[i%len(keys)]) {
			used = append(used, keys[i%len(keys)])
		}
	}
	return used
}

// fullTags are as many and as long as AWS takes; half of the values differ from secret to secret.
func fullTags(i int) []awstest.Tag {
	tags := make([]awstest.Tag, mostTags)
	for j := range tags {
		key := fmt.Sprintf("organization/cost-allocation/dimension-%02d/", j)
		value := fmt.Sprintf("value-%02d/", j)
		if j%2 == 0 {
			value = fmt.Sprintf("value-%02d-%d/", j, i*7919+j)
		}
		tags[j] = awstest.Tag{Key: key + strings.Repeat("k", mostTagKey-len(key)), Value: value + strings.Repeat("v", mostTagValue-len(value))}
	}
	return tags
}

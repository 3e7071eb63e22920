package account

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The documents of the rotation templates and their generations. Source: Secrets Manager User Guide, "Permissions for rotation", and
// what the CDK, the Serverless Application Repository and SAM write.

const (
	lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	random      = `{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}`
	interfaces  = `{"Effect":"Allow","Action":["ec2:CreateNetworkInterface","ec2:DeleteNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DetachNetworkInterface"],"Resource":"*"}`
)

var four = []string{"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"}

// How documents of the two versions of the language start.
const (
	document2012 = `{"Version":"2012-10-17","Statement":[`
	oldStart     = `{"Statement":[`
)

// document puts statements into a policy document.
func document(statements ...string) string {
	return document2012 + strings.Join(statements, ",") + `]}`
}

// old is a document of the 2008 language, without Version, as the Serverless Application Repository writes it.
func old(statements ...string) string {
	return oldStart + strings.Join(statements, ",") + `]}`
}

// secrets allows Secrets Manager actions on a resource; conditions are key, operator and value in turn.
func secrets(actions []string, resource string, conditions ...string) string {
	full := make([]string, len(actions))
	for i, a := range actions {
		full[i] = "secretsmanager:" + a
	}
	return allow(full, resource, conditions...)
}

func allow(actions []string, resource string, conditions ...string) string {
	list, err := json.Marshal(actions)
	if err != nil {
		panic(err) // a list of strings always marshals
	}
	s := fmt.Sprintf(`{"Effect":"Allow","Action":%s,"Resource":%q`, list, resource)
	if len(conditions) > 0 {
		var parts []string
		for i := 0; i < len(conditions); i += 3 {
			parts = append(parts, fmt.Sprintf(`%q:{%q:%q}`, conditions[i], conditions[i+1], conditions[i+2]))
		}
		s += `,"Condition":{` + strings.Join(parts, ",") + `}`
	}
	return s + `}`
}

// allowed is the condition of the documented template: the secret must name this function.
func allowed(function string) []string {
	return []string{"StringEquals", "secretsmanager:resource/AllowRotationLambdaArn", function}
}

// template is the documented single-user template.
func template(more ...string) string {
	return document(append([]string{secrets(four, "*", allowed("{function}")...), random}, more...)...)
}

// viaSecretsManager grants a key through Secrets Manager.
func viaSecretsManager(actions []string, key string) string {
	return allow(actions, key, "StringEquals", "kms:ViaService", "secretsmanager.{region}.amazonaws.com")
}

// keyPolicy lets one role use a key, and the account administer it; delegating says whether IAM policies count at all.
func keyPolicy(role string, delegating bool) string {
	admin := `{"Sid":"Administer","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::{account}:root"},"Action":["kms:Describe*","kms:Get*","kms:List*","kms:Put*","kms:ScheduleKeyDeletion"],"Resource":"*"}`
	if delegating {
		admin = `{"Sid":"Delegate","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::{account}:root"},"Action":"kms:*","Resource":"*"}`
	}
	return document(admin, `{"Sid":"Use","Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey*","kms:ReEncrypt*"],"Resource":"*",`+
		`"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.{region}.amazonaws.com"}}}`)
}

func inline(doc string) map[string]string { return map[string]string{"rotation": doc} }

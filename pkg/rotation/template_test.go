package rotation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestEveryBuiltInTemplateIsEnough(t *testing.T) {
	for _, name := range rotation.TemplateNames() {
		t.Run(name, func(t *testing.T) {
			text, err := rotation.Templates{}.Text(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (rotation.Templates{}).With(name, text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClassicSingleUserTemplate(t *testing.T) {
	got, err := rotation.Templates{}.RolePolicy(rotation.SingleUser, rotation.Classic, rotation.NewValues(function, nil))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage"
      ],
      "Resource": "*",
      "Condition": {
        "StringEquals": {
          "secretsmanager:resource/AllowRotationLambdaArn": "arn:aws:lambda:eu-west-1:111122223333:function:rotate"
        }
      }
    },
    {
      "Effect": "Allow",
      "Action": "secretsmanager:GetRandomPassword",
      "Resource": "*"
    }
  ]
}
`
	if string(got) != want {
		t.Errorf("RolePolicy =\n%s\nwant\n%s", got, want)
	}
}

func TestRolePolicyAddsKeysAndNetwork(t *testing.T) {
	v := rotation.NewValues(function, []rotation.ARN{secretA, other})
	v.Masters, v.Keys, v.VPC = []rotation.ARN{admin}, []rotation.ARN{"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}, true
	for _, form := range []rotation.Form{rotation.Classic, rotation.Scoped} {
		text, err := rotation.Templates{}.RolePolicy(rotation.MasterUser, form, v)
		if err != nil {
			t.Fatal(err)
		}
		d, err := policy.Parse(string(form), text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if len(d.Statements) != 5 {
			t.Errorf("%s has %d statements, want the secrets, the master, the password, the key and the network", form, len(d.Statements))
		}
		if form == rotation.Scoped {
			if got := d.Statements[0].Resources; len(got) != 2 {
				t.Errorf("scoped names %v, want both secrets", got)
			}
			if got := d.Statements[3].Conditions[0].Values; len(got) != 2 {
				t.Errorf("the key's condition names %v, want both secrets", got)
			}
		}
	}
}

func TestTemplateNeedsItsValues(t *testing.T) {
	tests := []struct {
		name     string
		strategy rotation.Strategy
		form     rotation.Form
		v        rotation.Values
		want     string
	}{
		{"scoped without a secret", rotation.SingleUser, rotation.Scoped, rotation.NewValues(function, nil), "nothing is given for <secret_arn>"},
		{"master-user without a master", rotation.MasterUser, rotation.Classic, rotation.NewValues(function, nil), "nothing is given for <master_arn>"},
		{"without a function", rotation.SingleUser, rotation.Classic, rotation.NewValues("", []rotation.ARN{secretA}), "nothing is given for <lambda_arn>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rotation.Templates{}.RolePolicy(tt.strategy, tt.form, tt.v)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("RolePolicy = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFunctionPolicyForms(t *testing.T) {
	v := rotation.NewValues(function, []rotation.ARN{"arn:aws:secretsmanager:eu-west-1:444455556666:secret:a-AbCdEf"})
	classic, err := rotation.Templates{}.FunctionPolicy(rotation.Classic, v)
	if err != nil {
		t.Fatal(err)
	}
	scoped, err := rotation.Templates{}.FunctionPolicy(rotation.Scoped, v)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(classic), "SourceAccount") {
		t.Errorf("the classic form has a condition:\n%s", classic)
	}
	if !strings.Contains(string(scoped), `"aws:SourceAccount": "444455556666"`) {
		t.Errorf("the scoped form does not name the secret's account:\n%s", scoped)
	}
}

func TestOwnTemplateIsChecked(t *testing.T) {
	builtin := func(name string, replace ...string) string {
		text, err := rotation.Templates{}.Text(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(replace...).Replace(string(text))
	}
	single := rotation.TemplateSingleUser
	tests := []struct {
		name, template, text string
		want                 string // part of the error; empty: taken
	}{
		{"the built-in with one action more", single, builtin(single, `"secretsmanager:DescribeSecret",`, `"secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds",`), ""},
		{"an unknown placeholder", single, builtin(single, "<lambda_arn>", "<function>"), "Statement[0].Condition.StringEquals.secretsmanager:resource/AllowRotationLambdaArn: unknown placeholder <function>"},
		{"a placeholder as a member's name", single, builtin(single, `"StringEquals"`, `"<lambda_arn>"`), "cannot be a placeholder"},
		{"an action less", single, builtin(single, `"secretsmanager:PutSecretValue",`, ""), "it does not allow what rotation needs: secretsmanager:PutSecretValue"},
		{"the password on an ARN", single, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "<secret_arn>"}}`, "secretsmanager:GetRandomPassword on *"},
		{"aws:SourceAccount on the role", single, builtin(single, `"secretsmanager:resource/AllowRotationLambdaArn": "<lambda_arn>"`, `"secretsmanager:resource/AllowRotationLambdaArn": "<lambda_arn>", "aws:SourceAccount": "<account>"`), "it does not allow what rotation needs"},
		{"a master template without the master", rotation.TemplateMasterUser, builtin(single), "secretsmanager:GetSecretValue on arn:aws:secretsmanager"},
		{"not JSON", single, "{", "ends too early"},
		{"text after the document", single, builtin(single) + "{}", "after the document"},
		{"a member twice", single, builtin(single, `"Version": "2012-10-17",`, `"Version": "2012-10-17", "Version": "2012-10-17",`), "comes twice"},
		{"an operator that IAM does not know", single, builtin(single, "StringEquals", "StringSame"), "StringSame"},
		{"a principal in a role's policy", single, builtin(single, `"Resource": "*",`, `"Principal": "*", "Resource": "*",`), "has no Principal"},
		{"a function policy without a principal", rotation.TemplateFunction, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "<lambda_arn>"}}`, "needs a Principal"},
		{"a function policy for another service", rotation.TemplateFunction, builtin(rotation.TemplateFunction, "secretsmanager.amazonaws.com", "events.amazonaws.com"), "lambda:InvokeFunction"},
		{"a template that is too large", single, builtin(single, `"secretsmanager:DescribeSecret",`, `"secretsmanager:DescribeSecret",`+strings.Repeat(`"s3:`+strings.Repeat("x", 60)+`",`, 200)), "a role's inline policies hold 10240"},
		{"an unknown name", "dual-user", builtin(single), `unknown template "dual-user"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rotation.Templates{}.With(tt.template, []byte(tt.text))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("With = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOwnTemplateWidensTheCeiling(t *testing.T) {
	text := `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "<secret_arn>"},
		{"Effect": "Allow", "Action": "secretsmanager:GetRandomPassword", "Resource": "*"}]}`
	templates, err := rotation.Templates{}.With(rotation.TemplateSingleUser, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	setup := worked()
	deletes := policy.Request{Caller: policy.Caller{Kind: policy.CallerRole, ARN: string(setup.Role.ARN)}, Action: "secretsmanager:DeleteSecret", Resource: string(secretA)}
	for _, tt := range []struct {
		name      string
		templates rotation.Templates
		want      policy.Outcome
	}{{"built-in", rotation.Templates{}, policy.ImplicitlyDenied}, {"own", templates, policy.Allowed}} {
		c := tt.templates.NewContract(setup, nil)
		if got := policy.Evaluate(&policy.Set{Identity: c.Ceiling}, &deletes).Outcome; got != tt.want {
			t.Errorf("the ceiling with the %s template answers DeleteSecret with %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestRenderedTemplateIsPrintedAsWritten(t *testing.T) {
	text := `{"Version":"2012-10-17","Id":"a & b","Statement":[{"Sid":"X","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"<lambda_arn>"}]}`
	templates, err := rotation.Templates{}.With(rotation.TemplateFunction, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := templates.FunctionPolicy(rotation.Classic, rotation.NewValues(function, nil))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), `"Id": "a & b"`) {
		t.Errorf("FunctionPolicy =\n%s\nwant the Id as it was written", got)
	}
	if !json.Valid(got) {
		t.Error("FunctionPolicy is no JSON")
	}
}

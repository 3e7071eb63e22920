package inventory_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const (
	fourActions = `"secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"`
	account     = "123456789012"
	home        = "us-east-1"
)

var yes = true

func functionARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:lambda:" + home + ":" + account + ":function:" + name)
}

func secretARN(name string) string {
	return "arn:aws:secretsmanager:" + home + ":" + account + ":secret:" + name + "-AbCdEf"
}

// addRotation puts a function with its role and one secret for each name into the account, in sync.
func addRotation(a *awstest.Account, name string, secrets ...string) {
	role := a.AddRole(awstest.Role{
		Name:   name + "-role",
		Inline: map[string]string{"rotate": roleDocument(string(functionARN(name)))},
	})
	addFunction(a, name, role, "")
	for _, s := range secrets {
		addSecret(a, s, string(functionARN(name)))
	}
}

func roleDocument(function string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + fourActions + `],"Resource":"*",` +
		`"Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"` + function + `"}}},` +
		`{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`
}

// addFunction puts a function with Secrets Manager's permission at the qualifier into the account.
func addFunction(a *awstest.Account, name, role, qualifier string) {
	arn := string(functionARN(name))
	if qualifier != "" {
		arn += ":" + qualifier
	}
	a.AddFunction(awstest.Function{
		Name: name,
		FunctionConfig: awstest.FunctionConfig{
			Role: role, Environment: map[string]string{"PASSWORD": "canary-environment"},
		},
		Location: "https://example.com/canary-code",
		Policies: map[string]string{qualifier: `{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"sm","Effect":"Allow",` +
			`"Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + arn + `"}]}`},
	})
}

func addSecret(a *awstest.Account, name, function string) {
	a.AddSecret(awstest.Secret{ARN: secretARN(name), RotationEnabled: &yes, RotationLambdaARN: function})
}

func reader(a *awstest.Account, o inventory.Options) *inventory.Reader {
	o.Unthrottled = true
	return inventory.New(inventory.NewClients(a.Config()), o)
}

// read collects the groups in scope and fails the test when the account cannot be read.
func read(t *testing.T, r *inventory.Reader, scope rotation.Scope) []rotation.Group {
	t.Helper()
	var groups []rotation.Group
	for g, err := range r.Groups(t.Context(), scope) {
		if err != nil {
			t.Fatalf("reading the account: %v", err)
		}
		groups = append(groups, g)
	}
	return groups
}

// setup finds the setup of a function.
func setup(t *testing.T, groups []rotation.Group, function rotation.ARN) rotation.Setup {
	t.Helper()
	for _, g := range groups {
		for _, s := range g.Setups {
			if s.Function.ARN == function {
				return s
			}
		}
	}
	t.Fatalf("no setup of %s in %s", function, outline(groups))
	return rotation.Setup{}
}

// outline is what the groups are, one line each: functions, and the names of their secrets.
func outline(groups []rotation.Group) []string {
	var lines []string
	for _, g := range groups {
		line := ""
		for _, s := range g.Setups {
			_, name, _ := cutFunction(s.Function.ARN)
			if s.Function.ARN == "" {
				name = s.Role.ARN.RoleName()
			}
			var secrets []string
			for _, secret := range s.Secrets {
				secrets = append(secrets, secret.Name)
			}
			line += fmt.Sprintf("[%s %v]", name, secrets)
		}
		lines = append(lines, line)
	}
	return lines
}

func cutFunction(arn rotation.ARN) (before, name string, ok bool) {
	parts := arn.Parts()
	if len(parts.Resource) < len("function:") {
		return "", "", false
	}
	return "function:", parts.Resource[len("function:"):], true
}

func wantOutline(t *testing.T, groups []rotation.Group, want ...string) {
	t.Helper()
	if got := outline(groups); !slices.Equal(got, want) {
		t.Errorf("groups = %q, want %q", got, want)
	}
}

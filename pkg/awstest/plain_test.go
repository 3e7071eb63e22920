package awstest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func TestPlainValuesComeBackAsTheyWerePut(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := awstest.NewHandler(awstest.Options{ID: "210987654321", Region: "eu-west-1", Now: func() time.Time { return now }})
	if a.ID() != "210987654321" || a.Region() != "eu-west-1" || a.Partition() != "aws" {
		t.Errorf("account %s in %s of %s", a.ID(), a.Region(), a.Partition())
	}
	on := true
	secret := awstest.Secret{
		ARN: "arn:aws:secretsmanager:eu-west-1:210987654321:secret:a/b-AbCdEf", Name: "a/b", RotationEnabled: &on, Created: now, Changed: now,
		RotationRules: &awstest.RotationRules{AutomaticallyAfterDays: 3}, Tags: []awstest.Tag{{Key: "k", Value: "v"}},
		Versions: map[string][]string{"v": {"AWSCURRENT"}}, Policy: allowAll,
	}
	a.AddSecrets([]awstest.Secret{secret})
	got, _ := a.Secret(secret.ARN)
	if diff := cmp.Diff(secret, got); diff != "" {
		t.Errorf("secret (-put +got):\n%s", diff)
	}
	got.Versions["v"][0], got.Tags[0].Value = "changed", "changed"
	if again, _ := a.Secret("a/b"); again.Versions["v"][0] != "AWSCURRENT" || again.Tags[0].Value != "v" {
		t.Error("a value read can change the account")
	}
	role := awstest.Role{
		Name: "r", Path: "/p/", ARN: "arn:aws:iam::210987654321:role/p/r", ID: "AROAX", Trust: allowAll, Inline: map[string]string{"p": allowAll},
		Attached: []string{"arn:aws:iam::aws:policy/IAMFullAccess"}, Created: now,
	}
	a.AddRole(role)
	if diff := cmp.Diff([]awstest.Role{role}, a.Roles()); diff != "" {
		t.Errorf("roles (-put +got):\n%s", diff)
	}
	f := versioned()
	f.Policies = map[string]string{"": allowAll, "live": allowAll}
	a.AddFunction(f)
	if g, _ := a.Function("f"); !cmp.Equal(g.Policies, f.Policies) || g.State != "Inactive" || g.Versions[0].Role != f.Versions[0].Role {
		t.Errorf("function = %+v", g)
	}
	key := a.AddKey(awstest.Key{Aliases: []string{"alias/k"}})
	if k, _ := a.Key("alias/k"); k.ARN != key || k.Manager != "CUSTOMER" || k.State != "Enabled" {
		t.Errorf("key = %+v", k)
	}
	arn := a.AddPolicy(awstest.Policy{Name: "mine", Document: allowAll})
	if p := a.Policies(); len(p) != 1 || p[0].ARN != arn || p[0].Default != "v1" {
		t.Errorf("policies = %+v", p)
	}
	a.AddUser(awstest.User{Name: "u", Groups: []string{"g"}})
	a.AddGroup(awstest.Group{Name: "g", Path: "/t/"})
	u, _ := a.User("U")
	g, _ := a.Group("g")
	if u.ARN != "arn:aws:iam::210987654321:user/u" || g.ARN != "arn:aws:iam::210987654321:group/t/g" {
		t.Errorf("user %s, group %s", u.ARN, g.ARN)
	}
}

func TestUpdatesAndRemovals(t *testing.T) {
	a := awstest.NewHandler(awstest.Options{})
	a.AddSecret(awstest.Secret{Name: "s"})
	a.AddRole(awstest.Role{Name: "r"})
	a.AddKey(awstest.Key{ID: "k"})
	policy := a.AddPolicy(awstest.Policy{Name: "p", Document: allowAll})
	for name, done := range map[string]bool{
		"secret": a.UpdateSecret("s", func(s *awstest.Secret) { s.KmsKeyID = "k" }),
		"role":   a.UpdateRole("R", func(r *awstest.Role) { r.Inline["new"] = allowAll }),
		"key":    a.UpdateKey("k", func(k *awstest.Key) { k.State = "Disabled" }),
		"policy": a.UpdatePolicy(policy, func(p *awstest.Policy) { p.Document = "{}" }),
	} {
		if !done {
			t.Errorf("the %s was not found", name)
		}
	}
	s, _ := a.Secret("s")
	r, _ := a.Role("r")
	k, _ := a.Key("k")
	p, _ := a.Policy(policy)
	if s.KmsKeyID != "k" || r.Inline["new"] == "" || k.State != "Disabled" || p.Document != "{}" {
		t.Errorf("after the updates: %+v, %+v, %+v, %+v", s, r, k, p)
	}
	if !a.RemoveSecret("s") || a.RemoveSecret("s") || !a.RemoveRole("r") || a.RemoveRole("r") {
		t.Error("a thing is removed once")
	}
	nothing := a.UpdateSecret("s", nil) || a.UpdateRole("r", nil) || a.UpdateKey("x", nil) || a.UpdatePolicy("x", nil) || a.UpdateFunction("x", nil)
	if nothing {
		t.Error("something was found that is not there")
	}
}

func TestInjectionsCanBeCountedAndRemoved(t *testing.T) {
	a, c := start(t)
	i := a.Fail(awstest.Match{Service: "iam", Count: -1}, awstest.Fault{Code: "ServiceFailure"})
	list := func() error { _, err := c.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); return err }
	wantCode(t, list(), "ServiceFailure", 500)
	i.Remove()
	if err := list(); err != nil || i.Seen() != 1 || i.Hits() != 1 {
		t.Errorf("after Remove: %v, seen %d, hits %d", err, i.Seen(), i.Hits())
	}
}

func TestOperationsSayWhatWrites(t *testing.T) {
	ops := awstest.NewHandler(awstest.Options{}).Operations()
	for name, write := range map[string]bool{
		"secretsmanager:ListSecrets": false, "secretsmanager:RotateSecret": true, "lambda:AddPermission": true, "lambda:GetResourcePolicy": false,
		"iam:PutRolePolicy": true, "iam:GetAccountAuthorizationDetails": false, "kms:PutKeyPolicy": true, "sts:AssumeRole": false, "sns:Publish": true,
	} {
		if got, there := ops[name]; !there || got != write {
			t.Errorf("%s: served %t, writes %t, want %t", name, there, got, write)
		}
	}
}

func TestEveryServiceRefusesWhatItDoesNotServe(t *testing.T) {
	a, c := start(t)
	_, err := c.lambda.ListLayers(t.Context(), &lambda.ListLayersInput{})
	wantCode(t, err, "UnknownOperationException", notFound)
	_, err = c.secrets.GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "UnknownOperationException" {
		t.Errorf("error = %v", err)
	}
	_, err = c.iam.ListUsers(t.Context(), &iam.ListUsersInput{})
	wantCode(t, err, "InvalidAction", badRequest)
	cfg := a.Config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", "x", "")
	_, err = newClients(cfg).lambda.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	wantCode(t, err, "UnrecognizedClientException", forbidden)
}

func TestSecretsManagerRefusesBadTagsAndFilters(t *testing.T) {
	a, c := start(t)
	a.AddSecret(awstest.Secret{Name: "s", Tags: []awstest.Tag{{Key: "aws:cloudformation:stack-name", Value: "x"}}})
	tag := func(tags ...smtypes.Tag) error {
		_, err := c.secrets.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: str("s"), Tags: tags})
		return err
	}
	wantCode(t, tag(smtypes.Tag{Key: str("aws:x"), Value: str("v")}), "InvalidParameterException", badRequest)
	wantCode(t, tag(smtypes.Tag{Key: str(""), Value: str("v")}), "InvalidParameterException", badRequest)
	var many []smtypes.Tag
	for i := range 51 {
		many = append(many, smtypes.Tag{Key: str(fmt.Sprint("k", i)), Value: str("v")})
	}
	wantCode(t, tag(many...), "InvalidParameterException", badRequest)
	if err := tag(many[:50]...); err != nil {
		t.Errorf("fifty tags beside one of AWS's: %v", err)
	}
	for name, f := range map[string]smtypes.Filter{
		"an unknown key": {Key: "rotation", Values: []string{"x"}}, "no value": {Key: "name", Values: []string{}}, "a value with a star": {Key: "name", Values: []string{"a*"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{Filters: []smtypes.Filter{f}})
			wantCode(t, err, "ValidationException", badRequest)
		})
	}
	_, err := c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{SortBy: "size"})
	wantCode(t, err, "ValidationException", badRequest)
}

func TestANewValueMakesANewVersion(t *testing.T) {
	a, c := start(t)
	first := ok(c.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: str("s"), SecretBinary: []byte("x")}))(t).VersionId
	second := ok(c.secrets.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: str("s"), SecretString: str("y")}))(t).VersionId
	s, _ := a.Secret("s")
	if diff := cmp.Diff(map[string][]string{*second: {"AWSCURRENT"}, *first: {"AWSPREVIOUS"}}, s.Versions); diff != "" {
		t.Error(diff)
	}
}

func TestAFunctionInAVPCKeepsAnEmptyConfigWhenItLeaves(t *testing.T) {
	a, c := start(t)
	a.AddFunction(awstest.Function{Name: "never", FunctionConfig: awstest.FunctionConfig{Role: "arn:aws:iam::123456789012:role/r"}})
	a.AddFunction(awstest.Function{Name: "left", FunctionConfig: awstest.FunctionConfig{Role: "arn:aws:iam::123456789012:role/r", VPC: &awstest.VPC{}}})
	config := func(name string) *types.VpcConfigResponse {
		return ok(c.lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name}))(t).VpcConfig
	}
	if config("never") != nil || config("left") == nil || len(config("left").SubnetIds) != 0 {
		t.Errorf("never: %+v, left: %+v", config("never"), config("left"))
	}
}

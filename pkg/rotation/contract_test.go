package rotation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const role = rotation.ARN("arn:aws:iam::111122223333:role/service/rotate-role")

// worked is a single-user setup that rotates one secret.
func worked() rotation.Setup {
	return rotation.Setup{
		Account: "111122223333", Region: "eu-west-1", Partition: "aws",
		Function: rotation.Function{
			ARN: function, Presence: rotation.Present, Role: role, State: "Active",
			Policy: rotation.NewPolicy(rotation.PolicyFunction, "", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"`+string(function)+`"}}`),
		},
		Role: rotation.Role{
			ARN: role, ID: "AROAEXAMPLE", Presence: rotation.Present, Tags: map[string]string{"team": "orders"},
			Trust: rotation.NewPolicy(rotation.PolicyTrust, "", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`),
			Identity: []rotation.Policy{rotation.NewPolicy(rotation.PolicyInline, "rotation", `{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":"secretsmanager:*Secret*","Resource":"`+string(secretA)+`"},{"Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}`)},
		},
		Secrets: []rotation.Secret{{
			ARN: secretA, Name: "prod/db/app", Kind: rotation.KindLambda, FunctionARN: function, Tags: map[string]string{"env": "prod"},
			Policy: rotation.Policy{Source: rotation.PolicySecret, Presence: rotation.Absent}, Declaration: rotation.Declaration{Strategy: rotation.SingleUser, StrategySource: rotation.SourceDefault},
		}},
	}
}

func names(c rotation.Contract) []string {
	var out []string
	for _, r := range c.Required {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func find(t *testing.T, c rotation.Contract, name string) *rotation.Requirement {
	t.Helper()
	for i := range c.Required {
		if c.Required[i].Name == name {
			return &c.Required[i]
		}
	}
	t.Fatalf("the contract does not require %s: %v", name, names(c))
	return nil
}

func TestRequiredRequests(t *testing.T) {
	single := []string{"AssumeRole", "DescribeSecret", "GetRandomPassword", "GetSecretValue AWSCURRENT", "GetSecretValue AWSPENDING", "InvokeFunction", "PutSecretValue", "UpdateSecretVersionStage"}
	with := func(more ...string) []string {
		all := append(slices.Clone(single), more...)
		slices.Sort(all)
		return all
	}
	tests := []struct {
		name   string
		change func(*rotation.Setup)
		want   []string
	}{
		{"single-user", func(*rotation.Setup) {}, single},
		{"a customer key", func(s *rotation.Setup) { s.Secrets[0].KMSKeyID = "arn:aws:kms:eu-west-1:111122223333:key/1" }, with("Decrypt", "GenerateDataKey")},
		{"the AWS managed key", func(s *rotation.Setup) { s.Secrets[0].KMSKeyID = "alias/aws/secretsmanager" }, single},
		{"a key that turns out to be AWS managed", func(s *rotation.Setup) {
			s.Secrets[0].KMSKeyID = "arn:aws:kms:eu-west-1:111122223333:key/1"
			s.Keys = map[string]rotation.Key{s.Secrets[0].KMSKeyID: {ARN: rotation.ARN(s.Secrets[0].KMSKeyID), Manager: "AWS", Presence: rotation.Present}}
		}, single},
		{"subnets", func(s *rotation.Setup) { s.Function.Subnets = []string{"subnet-1"} }, with("CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces")},
		{"custom", func(s *rotation.Setup) { s.Secrets[0].Declaration.Strategy = rotation.Custom }, slices.DeleteFunc(slices.Clone(single), func(n string) bool { return n == "GetRandomPassword" })},
		{"a master", func(s *rotation.Setup) {
			s.Secrets[0].Declaration = rotation.Declaration{Strategy: rotation.MasterUser, Master: admin}
			s.Masters = map[rotation.ARN]rotation.Secret{admin: {ARN: admin, Name: "prod/db/admin"}}
		}, with("master GetSecretValue")},
		{"a master with a customer key, which is only read", func(s *rotation.Setup) {
			s.Secrets[0].Declaration = rotation.Declaration{Strategy: rotation.MasterUser, Master: admin}
			s.Masters = map[rotation.ARN]rotation.Secret{admin: {ARN: admin, Name: "prod/db/admin", KMSKeyID: "arn:aws:kms:eu-west-1:111122223333:key/1"}}
		}, with("master GetSecretValue", "Decrypt")},
		{"a master of an RDS instance", func(s *rotation.Setup) {
			s.Secrets[0].Declaration = rotation.Declaration{Strategy: rotation.MasterUser, Master: admin}
			s.Masters = map[rotation.ARN]rotation.Secret{admin: {ARN: admin, Name: "rds!db-1", OwningService: "rds"}}
		}, with("master GetSecretValue", "master DescribeSecret", "DescribeDBInstances")},
		{"secrets that nothing rotates", func(s *rotation.Setup) { s.Secrets[0].Kind = rotation.KindOff }, nil},
		{"a secret to be deleted", func(s *rotation.Setup) { s.Secrets[0].Deleting = true }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := worked()
			tt.change(&s)
			if got := names(rotation.NewContract(s, nil)); !slices.Equal(got, tt.want) {
				t.Errorf("required = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestContext holds which keys each call carries, and which of the others cannot be known.
func TestContext(t *testing.T) {
	s := worked()
	s.Function.ARN += ":live"
	s.Secrets[0].FunctionARN += ":live"
	s.Function.Subnets, s.Function.VPC = []string{"subnet-1"}, "vpc-1"
	s.Secrets[0].KMSKeyID = "arn:aws:kms:eu-west-1:111122223333:key/1"
	c := rotation.NewContract(s, nil)
	const absent, unknown = "(absent)", "(unknown)"
	tests := []struct {
		name, key, want string
	}{
		{"GetSecretValue AWSCURRENT", "aws:PrincipalArn", string(role)},
		{"GetSecretValue AWSCURRENT", "aws:PrincipalTag/team", "orders"},
		{"GetSecretValue AWSCURRENT", "aws:userid", "AROAEXAMPLE:rotate"},
		{"GetSecretValue AWSCURRENT", "lambda:SourceFunctionArn", string(function)},
		{"GetSecretValue AWSCURRENT", rotation.AllowRotationKey, string(function) + ":live"},
		{"GetSecretValue AWSCURRENT", "secretsmanager:VersionStage", "AWSCURRENT"},
		{"GetSecretValue AWSCURRENT", "secretsmanager:VersionId", absent},
		{"GetSecretValue AWSPENDING", "secretsmanager:VersionId", unknown},
		{"GetSecretValue AWSCURRENT", "aws:ResourceTag/env", "prod"},
		{"GetSecretValue AWSCURRENT", "aws:SourceVpc", "vpc-1"},
		{"GetSecretValue AWSCURRENT", "aws:SourceVpce", unknown},
		{"GetSecretValue AWSCURRENT", "aws:SourceIp", unknown},
		{"GetSecretValue AWSCURRENT", "aws:SourceAccount", absent},
		{"GetSecretValue AWSCURRENT", "aws:SourceArn", absent},
		{"GetSecretValue AWSCURRENT", "aws:ViaAWSService", "false"},
		{"GetSecretValue AWSCURRENT", "aws:CalledVia", absent},
		{"GetSecretValue AWSCURRENT", "aws:CurrentTime", unknown},
		{"GetSecretValue AWSCURRENT", "aws:PrincipalOrgID", unknown},
		{"GetRandomPassword", rotation.AllowRotationKey, absent},
		{"GetRandomPassword", "secretsmanager:SecretId", absent},
		{"Decrypt", "kms:ViaService", "secretsmanager.eu-west-1.amazonaws.com"},
		{"Decrypt", "kms:EncryptionContext:SecretARN", string(secretA)},
		{"Decrypt", "kms:EncryptionContext:SecretVersionId", unknown},
		{"Decrypt", "kms:CallerAccount", "111122223333"},
		{"Decrypt", "aws:SourceVpc", unknown},
		{"CreateNetworkInterface", "lambda:SourceFunctionArn", absent},
		{"CreateNetworkInterface", "aws:SourceVpc", absent},
		{"InvokeFunction", "aws:SourceAccount", "111122223333"},
		{"InvokeFunction", "aws:SourceArn", string(secretA)},
		{"InvokeFunction", "aws:PrincipalIsAWSService", "true"},
		{"InvokeFunction", "aws:PrincipalServiceName", "secretsmanager.amazonaws.com"},
		{"InvokeFunction", "aws:SourceVpc", absent},
		{"InvokeFunction", "aws:PrincipalArn", absent},
		{"AssumeRole", "aws:SourceArn", string(function)},
		{"AssumeRole", "sts:ExternalId", absent},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.key, func(t *testing.T) {
			r := find(t, c, tt.name).Request
			got := absent
			if v, ok := r.Context[tt.key]; ok {
				got = strings.Join(v, ",")
			} else if v, ok := tagOf(&r, tt.key); ok {
				got = v
			} else if slices.Contains(r.Unknown, tt.key) {
				got = unknown
			}
			if got != tt.want {
				t.Errorf("%s carries %s = %s, want %s", tt.name, tt.key, got, tt.want)
			}
		})
	}
}

// tagOf is the value of a key that is a tag.
func tagOf(r *policy.Request, key string) (string, bool) {
	for _, t := range r.Tags {
		if tag, ok := strings.CutPrefix(key, t.Family); ok {
			value, ok := t.Of[tag]
			return value, ok
		}
	}
	return "", false
}

func TestCallsWithoutSubnetsComeFromNoVPC(t *testing.T) {
	c := rotation.NewContract(worked(), nil)
	r := find(t, c, "DescribeSecret").Request
	for _, key := range []string{"aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp"} {
		if _, ok := r.Context[key]; ok || slices.Contains(r.Unknown, key) {
			t.Errorf("a function without subnets carries %s or may carry it", key)
		}
	}
}

func TestTagsThatWereNotReadAreUnknown(t *testing.T) {
	s := worked()
	s.Role.Gaps = []rotation.Gap{{Call: "iam:ListRoleTags", Code: "AccessDenied"}}
	r := find(t, rotation.NewContract(s, nil), "DescribeSecret").Request
	if !slices.Contains(r.Unknown, "aws:PrincipalTag/*") {
		t.Error("the role's tags were not read and are not unknown")
	}
}

func TestCeiling(t *testing.T) {
	s := worked()
	s.Secrets[0].KMSKeyID = "alias/db"
	key := rotation.ARN("arn:aws:kms:eu-west-1:111122223333:key/1")
	s.Keys = map[string]rotation.Key{"alias/db": {ID: "alias/db", ARN: key, Presence: rotation.Present, Manager: "CUSTOMER"}}
	alone := &rotation.Listing{Secrets: []rotation.ARN{secretA}}
	crowded := &rotation.Listing{Secrets: []rotation.ARN{secretA, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/app-admin-AbCdEf"}}
	tests := []struct {
		name, action, resource string
		listed                 *rotation.Listing
		inside                 bool
	}{
		{"the secret", "secretsmanager:PutSecretValue", string(secretA), alone, true},
		{"another suffix of its name", "secretsmanager:GetSecretValue", string(secretA[:len(secretA)-6]) + "ZZZZZZ", alone, true},
		{"a longer name while nobody has one", "secretsmanager:GetSecretValue", string(secretA[:len(secretA)-6]) + "later-ZZZZZZ", alone, true},
		{"a longer name that another secret has", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/app-admin-AbCdEf", crowded, false},
		{"another secret", "secretsmanager:GetSecretValue", admin, alone, false},
		{"deleting the secret", "secretsmanager:DeleteSecret", string(secretA), alone, false},
		{"the key", "kms:ReEncryptFrom", string(key), alone, true},
		{"giving the key away", "kms:CreateGrant", string(key), alone, false},
		{"another key", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/2", alone, false},
		{"interfaces without a VPC", "ec2:CreateNetworkInterface", "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1", alone, true},
		{"instances", "ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", alone, false},
		{"logs", "logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:x:log-stream:y", alone, true},
		{"what RDS tells", "rds:DescribeDBInstances", "arn:aws:rds:eu-west-1:111122223333:db:x", alone, true},
		{"changing RDS", "rds:ModifyDBInstance", "arn:aws:rds:eu-west-1:111122223333:db:x", alone, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := rotation.NewContract(s, tt.listed)
			r := policy.Request{Caller: policy.Caller{Kind: policy.CallerRole, ARN: string(role)}, Action: tt.action, Resource: tt.resource}
			if got := policy.Evaluate(&policy.Set{Identity: c.Ceiling}, &r).Outcome == policy.Allowed; got != tt.inside {
				t.Errorf("%s on %s inside the ceiling = %t, want %t", tt.action, tt.resource, got, tt.inside)
			}
		})
	}
}

func TestOwnPolicyName(t *testing.T) {
	long := rotation.ARN("arn:aws:lambda:ap-southeast-2:111122223333:function:" + strings.Repeat("f", 64) + ":" + strings.Repeat("q", 128))
	tests := []struct {
		name string
		arn  rotation.ARN
		want string // empty: only the rules of IAM are held
	}{
		{"a function", function, "rotationguard-eu-west-1-rotate"},
		{"an alias", function + ":live", "rotationguard-eu-west-1-rotate-live"},
		{"$LATEST is no name", function + ":$LATEST", ""},
		{"a long name", long, ""},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		got := rotation.OwnPolicyName(tt.arn)
		if tt.want != "" && got != tt.want {
			t.Errorf("%s: OwnPolicyName = %q, want %q", tt.name, got, tt.want)
		}
		if len(got) > 128 || strings.ContainsAny(got, "$:/ ") || seen[got] {
			t.Errorf("%s: OwnPolicyName = %q is no policy name of its own", tt.name, got)
		}
		seen[got] = true
	}
}

func TestMendIsEnoughAndNoMore(t *testing.T) {
	s := worked()
	s.Function.Subnets = []string{"subnet-1"}
	s.Secrets[0].KMSKeyID = "arn:aws:kms:eu-west-1:111122223333:key/1"
	s.Secrets[0].Declaration = rotation.Declaration{Strategy: rotation.MasterUser, Master: admin}
	s.Masters = map[rotation.ARN]rotation.Secret{admin: {ARN: admin, Name: "rds!db-1", OwningService: "rds"}}
	c := rotation.NewContract(s, nil)
	for i := range c.Required {
		r := &c.Required[i]
		statement, ok := rotation.Mend(&s, r)
		if r.Target == rotation.TargetTrust {
			if ok {
				t.Error("Mend grants a trust, which is never written")
			}
			continue
		}
		if !ok {
			t.Errorf("%s: nothing mends it", r.Name)
			continue
		}
		document := []*policy.Document{{Version: policy.Version2012, Statements: []policy.Statement{statement}}}
		set := policy.Set{Identity: document}
		if r.Target == rotation.TargetFunction {
			set = policy.Set{Relation: policy.ResourceOnly, Resource: document}
		}
		if d := policy.Evaluate(&set, &r.Request); d.Outcome != policy.Allowed {
			t.Errorf("%s: %s does not allow it: %v", r.Name, statement.String(), d)
		}
		if d := policy.Evaluate(&policy.Set{Identity: c.Ceiling}, &r.Request); r.Target != rotation.TargetFunction && d.Outcome != policy.Allowed {
			t.Errorf("%s is required and outside the ceiling", r.Name)
		}
	}
}

func TestMendRefusesWhatCannotStandInAPolicy(t *testing.T) {
	s := worked()
	s.Secrets[0].FunctionARN = "arn:aws:lambda:eu-west-1:111122223333:function:*"
	s.Function.ARN = s.Secrets[0].FunctionARN
	c := rotation.NewContract(s, nil)
	if statement, ok := rotation.Mend(&s, find(t, c, "PutSecretValue")); ok {
		t.Errorf("Mend = %s, want none for a function named *", statement.String())
	}
	if statement, ok := rotation.Mend(&s, find(t, c, "InvokeFunction")); ok {
		t.Errorf("Mend = %s, want none for a function named *", statement.String())
	}
}

func TestGrantsDecide(t *testing.T) {
	const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/1"
	root := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}}`
	s := worked()
	s.Secrets[0].KMSKeyID = keyARN
	s.Keys = map[string]rotation.Key{keyARN: {ID: keyARN, ARN: keyARN, Presence: rotation.Present, Manager: "CUSTOMER", Policy: rotation.NewPolicy(rotation.PolicyKey, "", root)}}
	c := rotation.NewContract(s, nil)
	if got := rotation.GrantsDecide(&s, &c); !slices.Equal(got, []string{keyARN}) {
		t.Errorf("GrantsDecide = %v, want the key: neither side allows it", got)
	}
	s.Role.Identity = append(s.Role.Identity, rotation.NewPolicy(rotation.PolicyInline, "kms", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"`+keyARN+`"}}`))
	if got := rotation.GrantsDecide(&s, &c); got != nil {
		t.Errorf("GrantsDecide = %v, want none: the role allows it", got)
	}
	s.Role.Identity[1] = rotation.NewPolicy(rotation.PolicyInline, "kms", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}`)
	if got := rotation.GrantsDecide(&s, &c); got != nil {
		t.Errorf("GrantsDecide = %v, want none: a Deny stands", got)
	}
}

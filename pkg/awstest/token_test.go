package awstest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func trusting(principal, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"` + condition + `}]}`
}

func TestAssumeRoleLeadsIntoTheOtherAccount(t *testing.T) {
	a, c := start(t)
	member := a.Peer("210987654321")
	member.AddSecret(awstest.Secret{Name: "theirs"})
	a.AddSecret(awstest.Secret{Name: "ours"})
	role := member.AddRole(awstest.Role{Name: "rotationguard-member", Trust: trusting("arn:aws:iam::123456789012:root", `,"Condition":{"StringEquals":{"sts:ExternalId":"x-1"}}`)})
	cfg := a.Config()
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(c.sts, role, func(o *stscreds.AssumeRoleOptions) {
		o.ExternalID, o.Policy, o.RoleSessionName = str("x-1"), str(allowAll), "sweep"
	}))
	there := newClients(cfg)
	if names, _ := listAll(t, there, secretsmanager.ListSecretsInput{}); fmt.Sprint(names) != "[theirs]" {
		t.Errorf("the member account lists %v", names)
	}
	who := ok(there.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if *who.Account != "210987654321" || *who.Arn != "arn:aws:sts::210987654321:assumed-role/rotationguard-member/sweep" {
		t.Errorf("caller = %s of %s", *who.Arn, *who.Account)
	}
	calls := a.Calls()
	last := calls[len(calls)-1]
	if len(last.SessionPolicy) != 1 || last.SessionPolicy[0] != allowAll || last.Account != member.ID() {
		t.Errorf("the session's call was recorded as %+v", last)
	}
}

func TestAssumeRoleRefuses(t *testing.T) {
	a, c := start(t)
	member := a.Peer("210987654321")
	needsID := member.AddRole(awstest.Role{Name: "id", Trust: trusting("123456789012", `,"Condition":{"StringEquals":{"sts:ExternalId":"x-1"}}`)})
	foreign := member.AddRole(awstest.Role{Name: "foreign", Trust: trusting("arn:aws:iam::999999999999:root", "")})
	denied := member.AddRole(awstest.Role{Name: "denied", Trust: trusting("*", "")})
	unknown := member.AddRole(awstest.Role{Name: "unknown", Trust: trusting("*", `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)})
	a.Deny(awstest.Match{Service: "sts", Operation: "AssumeRole", Resource: denied})
	tests := map[string]*sts.AssumeRoleInput{
		"without the external id":              {RoleArn: &needsID},
		"with another external id":             {RoleArn: &needsID, ExternalId: str("x-2")},
		"a role that trusts another account":   {RoleArn: &foreign},
		"a role that does not exist":           {RoleArn: str("arn:aws:iam::210987654321:role/none")},
		"an account that does not exist":       {RoleArn: str("arn:aws:iam::999999999999:role/none")},
		"a denial":                             {RoleArn: &denied},
		"a condition that cannot be told here": {RoleArn: &unknown},
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			in.RoleSessionName = str("s1")
			_, err := c.sts.AssumeRole(t.Context(), in)
			wantCode(t, err, "AccessDenied", forbidden)
		})
	}
	_, err := c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &needsID, RoleSessionName: str("s1"), Policy: str("{")})
	wantCode(t, err, "MalformedPolicyDocument", badRequest)
	_, err = c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &needsID, RoleSessionName: str("s1"), DurationSeconds: aws.Int32(7200)})
	wantCode(t, err, "ValidationError", badRequest)
}

func TestCredentialsAreChecked(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := awstest.New(t, awstest.Options{Now: func() time.Time { return now }})
	role := a.AddRole(awstest.Role{Name: "r", Trust: trusting("123456789012", "")})
	out := ok(newClients(a.Config()).sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: str("s1")}))(t).Credentials
	cfg := a.Config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.AccessKeyId, *out.SecretAccessKey, *out.SessionToken)
	session := newClients(cfg)
	ok(session.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	now = now.Add(61 * time.Minute)
	_, err := session.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "ExpiredToken", forbidden)
	_, err = session.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	wantCode(t, err, "ExpiredTokenException", badRequest)
	cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", "x", "")
	stranger := newClients(cfg)
	_, err = stranger.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId", forbidden)
	_, err = stranger.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	wantCode(t, err, "UnrecognizedClientException", badRequest)
	if n := len(a.Calls()); n != 2 {
		t.Errorf("%d calls recorded, want the 2 with good credentials", n)
	}
}

func TestConfigAs(t *testing.T) {
	a, _ := start(t)
	role := a.AddRole(awstest.Role{Name: "dba", Path: "/team/"})
	for principal, want := range map[string]string{
		"arn:aws:iam::123456789012:user/ann": "arn:aws:iam::123456789012:user/ann",
		role:                                 "arn:aws:sts::123456789012:assumed-role/dba/awstest",
	} {
		if who := ok(newClients(a.ConfigAs(principal)).sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t); *who.Arn != want {
			t.Errorf("%s calls as %s, want %s", principal, *who.Arn, want)
		}
	}
}

func TestPublish(t *testing.T) {
	a, c := start(t)
	topic := a.AddTopic("alerts")
	out := ok(c.sns.Publish(t.Context(), &sns.PublishInput{
		TopicArn: &topic, Subject: str("drift"), Message: str(`{"default":"text"}`), MessageStructure: str("json"),
		MessageAttributes: map[string]snstypes.MessageAttributeValue{"verdict": {DataType: str("String"), StringValue: str("broken")}},
	}))(t)
	if m := a.Messages(); len(m) != 1 || m[0].ID != *out.MessageId || m[0].Attributes["verdict"] != "broken" || m[0].Subject != "drift" {
		t.Errorf("messages = %+v", m)
	}
	_, err := c.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: str(topic + "x"), Message: str("m")})
	wantCode(t, err, "NotFound", notFound)
	for name, in := range map[string]sns.PublishInput{
		"no default entry": {Message: str(`{"email":"x"}`), MessageStructure: str("json")},
		"over 256 KiB":     {Message: str(strings.Repeat("a", 262_145))},
	} {
		t.Run(name, func(t *testing.T) {
			in.TopicArn = &topic
			_, err := c.sns.Publish(t.Context(), &in)
			wantCode(t, err, "InvalidParameter", badRequest)
		})
	}
}

func TestDescribeStacks(t *testing.T) {
	a, c := start(t)
	for i := range 120 {
		a.AddStack(awstest.Stack{Name: fmt.Sprint("s", i), Parameters: map[string]string{"masterSecretArn": "arn:m", "functionName": "f"}, Tags: map[string]string{"t": "v"}})
	}
	s := ok(c.cloudFmn.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: str("s7")}))(t).Stacks
	if len(s) != 1 || *s[0].Parameters[1].ParameterValue != "arn:m" || s[0].StackStatus != "CREATE_COMPLETE" || *s[0].Tags[0].Value != "v" {
		t.Errorf("stack = %+v", s)
	}
	n := 0
	for p := cloudformation.NewDescribeStacksPaginator(c.cloudFmn, &cloudformation.DescribeStacksInput{}); p.HasMorePages(); {
		n += len(ok(p.NextPage(t.Context()))(t).Stacks)
	}
	if n != 120 {
		t.Errorf("%d stacks, want 120", n)
	}
	a.RemoveStack("s7")
	_, err := c.cloudFmn.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: str("s7")})
	wantCode(t, err, "ValidationError", badRequest)
}

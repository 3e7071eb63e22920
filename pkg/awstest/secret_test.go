package awstest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

// listAll pages through ListSecrets and gives the names, and how many pages were empty.
func listAll(t *testing.T, c clients, in secretsmanager.ListSecretsInput) (names []string, empty int) {
	t.Helper()
	for p := secretsmanager.NewListSecretsPaginator(c.secrets, &in); p.HasMorePages(); {
		page := ok(p.NextPage(t.Context()))(t)
		if len(page.SecretList) == 0 {
			empty++
		}
		for _, s := range page.SecretList {
			names = append(names, *s.Name)
		}
	}
	return names, empty
}

func TestListSecretsPages(t *testing.T) {
	a, c := start(t)
	var want []string
	for i := range 250 {
		name := fmt.Sprintf("db/%03d", i)
		want = append(want, name)
		a.AddSecret(awstest.Secret{Name: name})
	}
	got, _ := listAll(t, c, secretsmanager.ListSecretsInput{})
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("listed %d secrets, want 250 in the order of their making", len(got))
	}
	if n := a.CallCounts()["secretsmanager:ListSecrets"]; n != 3 {
		t.Errorf("250 secrets took %d pages, want 3 of at most 100", n)
	}
	got, _ = listAll(t, c, secretsmanager.ListSecretsInput{MaxResults: aws.Int32(7)})
	if len(got) != 250 {
		t.Errorf("pages of 7 gave %d secrets, want 250", len(got))
	}
	a.EmptyPages(3)
	got, empty := listAll(t, c, secretsmanager.ListSecretsInput{MaxResults: aws.Int32(50)})
	if len(got) != 250 || empty == 0 {
		t.Errorf("with empty pages: %d secrets, %d empty pages, want 250 and some", len(got), empty)
	}
}

func TestListSecretsTokenIsOfItsOwnRequest(t *testing.T) {
	a, c := start(t)
	for i := range 3 {
		a.AddSecret(awstest.Secret{Name: fmt.Sprint("s", i)})
	}
	first := ok(c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(1)}))(t)
	for name, token := range map[string]string{"malformed": "garbage", "of nothing": "YWJj"} {
		_, err := c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: &token})
		t.Run(name, func(t *testing.T) { wantCode(t, err, "InvalidNextTokenException", badRequest) })
	}
	_, err := newClients(a.In("eu-west-1").Config()).secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: first.NextToken})
	wantCode(t, err, "InvalidNextTokenException", badRequest)
	if _, err = c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: first.NextToken}); err != nil {
		t.Error(err)
	}
	_, err = c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)})
	wantCode(t, err, "ValidationException", badRequest)
}

func TestListSecretsFilters(t *testing.T) {
	a, c := start(t)
	a.AddSecret(awstest.Secret{Name: "prod/a", Description: "The Billing database", Tags: []awstest.Tag{{Key: "team", Value: "pay"}}})
	a.AddSecret(awstest.Secret{Name: "dev/b", OwningService: "rds", Tags: []awstest.Tag{{Key: "team", Value: "web"}}})
	a.AddSecret(awstest.Secret{Name: "gone", Deleted: time.Now().Add(time.Hour)})
	tests := map[string]struct {
		key    types.FilterNameStringType
		values []string
		want   string
	}{
		"name is a prefix in its case":     {"name", []string{"prod"}, "prod/a"},
		"name in another case is not":      {"name", []string{"PROD"}, ""},
		"description begins a word":        {"description", []string{"billing"}, "prod/a"},
		"a negated value":                  {"name", []string{"!prod"}, "dev/b"},
		"one of several values":            {"tag-value", []string{"pay", "web"}, "prod/a dev/b"},
		"owning service":                   {"owning-service", []string{"rds"}, "dev/b"},
		"all looks everywhere, any case":   {"all", []string{"BILLING"}, "prod/a"},
		"deleted ones are not listed ever": {"name", []string{"gone"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := listAll(t, c, secretsmanager.ListSecretsInput{Filters: []types.Filter{{Key: tt.key, Values: tt.values}}})
			if strings.Join(got, " ") != tt.want {
				t.Errorf("listed %v, want %s", got, tt.want)
			}
		})
	}
	got, _ := listAll(t, c, secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true), SortBy: types.SortByTypeName, SortOrder: "desc"})
	if strings.Join(got, " ") != "prod/a gone dev/b" {
		t.Errorf("with planned deletion, by name, descending: %v", got)
	}
}

func TestSecretFieldsAsAWSGivesThem(t *testing.T) {
	a, c := start(t)
	next := time.Date(2026, 12, 24, 23, 59, 59, 0, time.UTC)
	on := true
	arn := a.AddSecret(awstest.Secret{
		Name: "ext", Type: "SalesforceClientSecret", OwningService: "", PrimaryRegion: "us-east-1", KmsKeyID: "alias/k",
		RotationEnabled: &on, RotationLambdaARN: "arn:aws:lambda:us-east-1:123456789012:function:f:live",
		RotationRules:                 &awstest.RotationRules{AutomaticallyAfterDays: 30, Duration: "3h"},
		ExternalSecretRotationRoleArn: "arn:aws:iam::123456789012:role/ext", NextRotation: next,
		ExternalSecretRotationMetadata: []awstest.Tag{{Key: "k", Value: "v"}},
		Versions:                       map[string][]string{"v1": {"AWSCURRENT"}},
		Replication:                    []awstest.Replica{{Region: "eu-west-1", Status: "InSync"}},
	})
	d := ok(c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn}))(t)
	if *d.Type != "SalesforceClientSecret" || *d.ExternalSecretRotationRoleArn == "" || *d.RotationLambdaARN != "arn:aws:lambda:us-east-1:123456789012:function:f:live" ||
		!d.NextRotationDate.Equal(next) || *d.RotationRules.AutomaticallyAfterDays != 30 || *d.PrimaryRegion != "us-east-1" || len(d.ReplicationStatus) != 1 ||
		d.VersionIdsToStages["v1"][0] != "AWSCURRENT" || d.OwningService != nil || d.DeletedDate != nil || *d.ExternalSecretRotationMetadata[0].Value != "v" {
		t.Errorf("DescribeSecret = %+v", d)
	}
	e := ok(c.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}))(t).SecretList[0]
	if !e.NextRotationDate.Equal(next) || !*e.RotationEnabled || e.SecretVersionsToStages["v1"][0] != "AWSCURRENT" || *e.KmsKeyId != "alias/k" {
		t.Errorf("ListSecrets = %+v", e)
	}
	a.AddSecret(awstest.Secret{Name: "plain"})
	p := ok(c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("plain")}))(t)
	if p.RotationEnabled != nil || p.RotationRules != nil {
		t.Errorf("rotation of a secret that never had it = %v, want absent", p.RotationEnabled)
	}
}

func TestSecretIDs(t *testing.T) {
	a, c := start(t)
	full := a.AddSecret(awstest.Secret{Name: "app/db"})
	a.AddSecret(awstest.Secret{Name: "trap-secret"})
	partial := full[:len(full)-7]
	trap := strings.Replace(partial, "app/db", "trap-secret", 1)
	for name, id := range map[string]string{"full ARN": full, "name": "app/db", "partial ARN": partial} {
		t.Run(name, func(t *testing.T) {
			if d := ok(c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id}))(t); *d.ARN != full {
				t.Errorf("%s led to %s", id, *d.ARN)
			}
		})
	}
	for name, id := range map[string]string{
		"a partial ARN that ends like a suffix is taken as complete": trap,
		"another suffix": partial + "-ZyXwVu",
		"another Region": strings.Replace(full, "us-east-1", "us-west-2", 1),
		"unknown name":   "nope",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
			wantCode(t, err, "ResourceNotFoundException", badRequest)
		})
	}
	_, err := c.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str(strings.Replace(full, "123456789012", "210987654321", 1))})
	wantCode(t, err, "AccessDeniedException", badRequest)
}

func TestSecretLifeThroughTheSDK(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	created := ok(c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: str("s"), SecretString: str("canary-value"), Tags: []types.Tag{{Key: str("a"), Value: str("1")}}}))(t)
	if created.VersionId == nil || !strings.Contains(*created.ARN, ":secret:s-") {
		t.Fatalf("CreateSecret = %+v", created)
	}
	_, err := c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: str("s")})
	wantCode(t, err, "ResourceExistsException", badRequest)
	for _, call := range a.Calls() {
		if strings.Contains(fmt.Sprint(call), "canary-value") {
			t.Errorf("a secret value was kept: %v", call)
		}
	}
	_, err = c.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: str("s")})
	wantCode(t, err, "InvalidRequestException", badRequest)
	_, err = c.secrets.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: str("s")})
	wantCode(t, err, "InvalidRequestException", badRequest)
	function := "arn:aws:lambda:us-east-1:123456789012:function:rotator:7"
	ok(c.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: str("s"), RotationLambdaARN: &function, RotateImmediately: aws.Bool(false), RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(10)}}))(t)
	d := ok(c.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: str("s")}))(t)
	if *d.RotationLambdaARN != function || !*d.RotationEnabled || d.NextRotationDate.Before(time.Now().AddDate(0, 0, 9)) {
		t.Errorf("after RotateSecret: %+v", d)
	}
	ok(c.secrets.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: str("s")}))(t)
	d = ok(c.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: str("s")}))(t)
	if *d.RotationEnabled || *d.RotationLambdaARN != function || d.NextRotationDate != nil {
		t.Errorf("after CancelRotateSecret: %+v, want it off and the function still named", d)
	}
	a.UpdateSecret("s", func(s *awstest.Secret) { s.Versions["v9"] = []string{"AWSPENDING"} })
	_, err = c.secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: str("s")})
	wantCode(t, err, "InvalidRequestException", badRequest)
	ok(c.secrets.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: str("s"), Tags: []types.Tag{{Key: str("a"), Value: str("2")}, {Key: str("b"), Value: str("3")}}}))(t)
	ok(c.secrets.UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: str("s"), TagKeys: []string{"b"}}))(t)
	ok(c.secrets.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: str("s"), KmsKeyId: str("alias/new")}))(t)
	if s, _ := a.Secret("s"); s.KmsKeyID != "alias/new" || len(s.Tags) != 1 || s.Tags[0].Value != "2" {
		t.Errorf("after tagging and updating: %+v", s)
	}
	ok(c.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: str("s")}))(t)
	_, err = c.secrets.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: str("s")})
	wantCode(t, err, "InvalidRequestException", badRequest)
	_, err = c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: str("s")})
	wantCode(t, err, "InvalidRequestException", badRequest)
	ok(c.secrets.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: str("s")}))(t)
	ok(c.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: str("s"), ForceDeleteWithoutRecovery: aws.Bool(true)}))(t)
	_, err = c.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: str("s")})
	wantCode(t, err, "ResourceNotFoundException", badRequest)
	again := ok(c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: str("s")}))(t)
	if *again.ARN == *created.ARN {
		t.Error("a secret made again kept its random suffix")
	}
}

func TestSecretPolicy(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	a.AddSecret(awstest.Secret{Name: "s"})
	if p := ok(c.secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: str("s")}))(t); p.ResourcePolicy != nil || *p.Name != "s" {
		t.Errorf("policy of a secret without one = %+v", p)
	}
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:DescribeSecret","Resource":"*"}]}`
	ok(c.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: str("s"), ResourcePolicy: &doc}))(t)
	if p := ok(c.secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: str("s")}))(t); *p.ResourcePolicy != doc {
		t.Errorf("policy = %s", *p.ResourcePolicy)
	}
	_, err := c.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: str("s"), ResourcePolicy: &doc, BlockPublicPolicy: aws.Bool(true)})
	wantCode(t, err, "PublicPolicyException", badRequest)
	_, err = c.secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: str("s"), ResourcePolicy: str("{")})
	wantCode(t, err, "MalformedPolicyDocumentException", badRequest)
	ok(c.secrets.DeleteResourcePolicy(ctx, &secretsmanager.DeleteResourcePolicyInput{SecretId: str("s")}))(t)
	if s, _ := a.Secret("s"); s.Policy != "" {
		t.Errorf("policy after deletion = %s", s.Policy)
	}
}

func TestSecretValuesAreRefused(t *testing.T) {
	a, c := start(t)
	a.AddSecret(awstest.Secret{Name: "s"})
	_, err := c.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: str("s")})
	wantCode(t, err, "AccessDeniedException", badRequest)
	_, err = c.secrets.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"s"}})
	wantCode(t, err, "AccessDeniedException", badRequest)
	if n := a.CallCounts(); n["secretsmanager:GetSecretValue"] != 1 || n["secretsmanager:BatchGetSecretValue"] != 1 {
		t.Errorf("the attempts were not recorded: %v", n)
	}
}

func TestReplicas(t *testing.T) {
	a, c := start(t)
	out := ok(c.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: str("s"), AddReplicaRegions: []types.ReplicaRegionType{{Region: str("eu-west-1")}}}))(t)
	if len(out.ReplicationStatus) != 1 {
		t.Fatalf("CreateSecret = %+v", out)
	}
	there := newClients(a.In("eu-west-1").Config())
	d := ok(there.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: str("s")}))(t)
	if *d.PrimaryRegion != "us-east-1" || !strings.Contains(*d.ARN, ":eu-west-1:") || (*d.ARN)[len(*d.ARN)-6:] != (*out.ARN)[len(*out.ARN)-6:] {
		t.Errorf("replica = %+v", d)
	}
	_, err := there.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: str("s"), RotationLambdaARN: str("arn:aws:lambda:eu-west-1:123456789012:function:f")})
	wantCode(t, err, "InvalidRequestException", badRequest)
}

func TestNextRotation(t *testing.T) {
	now := time.Date(2026, 3, 10, 9, 30, 0, 0, time.UTC) // a Tuesday
	a := awstest.New(t, awstest.Options{Now: func() time.Time { return now }})
	c := newClients(a.Config())
	tests := map[string]struct {
		rules types.RotationRulesType
		want  string
	}{
		"days end with the day":                {types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}, "2026-04-09T23:59:59Z"},
		"a window ends with its duration":      {types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1), Duration: str("3h")}, "2026-03-11T03:00:00Z"},
		"rate in hours":                        {types.RotationRulesType{ScheduleExpression: str("rate(4 hours)")}, "2026-03-10T13:00:00Z"},
		"cron on the first of the month":       {types.RotationRulesType{ScheduleExpression: str("cron(0 8 1 * ? *)"), Duration: str("2h")}, "2026-04-01T10:00:00Z"},
		"cron on the last day of the month":    {types.RotationRulesType{ScheduleExpression: str("cron(0 8 L * ? *)"), Duration: str("1h")}, "2026-03-31T09:00:00Z"},
		"cron on the second Friday":            {types.RotationRulesType{ScheduleExpression: str("cron(0 8 ? * 6#2 *)"), Duration: str("1h")}, "2026-03-13T09:00:00Z"},
		"cron on the last Saturday":            {types.RotationRulesType{ScheduleExpression: str("cron(0 8 ? * SATL *)"), Duration: str("1h")}, "2026-03-28T09:00:00Z"},
		"cron at the next of the named hours":  {types.RotationRulesType{ScheduleExpression: str("cron(0 /4 * * ? *)"), Duration: str("1h")}, "2026-03-10T13:00:00Z"},
		"cron over a range of months and days": {types.RotationRulesType{ScheduleExpression: str("cron(0 0 ? 6-8 MON-WED *)"), Duration: str("1h")}, "2026-06-01T01:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			id := a.AddSecret(awstest.Secret{Name: strings.ReplaceAll(name, " ", "-")})
			ok(c.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &id, RotationLambdaARN: str("arn:aws:lambda:us-east-1:123456789012:function:f"), RotationRules: &tt.rules}))(t)
			if s, _ := a.Secret(id); s.NextRotation.Format(time.RFC3339) != tt.want {
				t.Errorf("next rotation %s, want %s", s.NextRotation.Format(time.RFC3339), tt.want)
			}
		})
	}
	for name, rules := range map[string]types.RotationRulesType{
		"both ways of saying when": {AutomaticallyAfterDays: aws.Int64(3), ScheduleExpression: str("rate(4 days)")},
		"too often":                {ScheduleExpression: str("rate(1 hour)")},
		"no cron":                  {ScheduleExpression: str("cron(0 8)")},
		"too rare":                 {AutomaticallyAfterDays: aws.Int64(1001)},
	} {
		t.Run(name, func(t *testing.T) {
			id := a.AddSecret(awstest.Secret{Name: strings.ReplaceAll(name, " ", "-")})
			_, err := c.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &id, RotationLambdaARN: str("arn:aws:lambda:us-east-1:123456789012:function:f"), RotationRules: &rules})
			wantCode(t, err, "InvalidParameterException", badRequest)
		})
	}
}

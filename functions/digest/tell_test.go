package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// digested is a deployment on moto: bucket, table, a topic with a queue.
type digested struct {
	handler *handler
	environ map[string]string
	cfg     aws.Config
	bucket  *s3.Client
	queue   *sqs.Client
	url     string
	runs    int
}

func newDigested(t *testing.T) *digested {
	t.Helper()
	server := emulator.For(t)(emulator.StartMoto(t.Context()))
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := &digested{bucket: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), queue: sqs.NewFromConfig(cfg)}
	_, err := d.bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("reports"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
	must(err)
	topic, err := sns.NewFromConfig(cfg).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	must(err)
	queue, err := d.queue.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("told")})
	must(err)
	d.url = *queue.QueueUrl
	_, err = sns.NewFromConfig(cfg).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:eu-west-1:123456789012:told"), Attributes: map[string]string{"RawMessageDelivery": "true"}})
	must(err)
	file := filepath.Join(t.TempDir(), "rotationguard.yaml")
	must(os.WriteFile(file, []byte("alerts: {tags: [team]}\n"), 0o600))
	d.cfg, d.environ = cfg, map[string]string{envBucket: "reports", envTopic: *topic.TopicArn, envConfig: file}
	_, err = dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("ledger"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(ledger.PartitionKey), AttributeType: "S"}, {AttributeName: aws.String(ledger.SortKey), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(ledger.PartitionKey), KeyType: "HASH"}, {AttributeName: aws.String(ledger.SortKey), KeyType: "RANGE"}},
	})
	must(err)
	return d
}

// deploy makes the function, with the table to remember in or without one.
func (d *digested) deploy(table string) {
	d.environ[envTable] = table
	d.handler = newHandler(func(name string) string { return d.environ[name] }, d.cfg, nil)
}

// run stores the reports of a run, one for each target that has one, lets them be gathered, and answers with what was told: event and findings.
func (d *digested) run(t *testing.T, targets []string, reports map[string]report.Outcome) []string {
	t.Helper()
	d.runs++
	name := fmt.Sprintf("run-%d", d.runs)
	put := func(key, text string) {
		if _, err := d.bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("reports"), Key: aws.String("runs/" + name + "/" + key), Body: strings.NewReader(text)}); err != nil {
			t.Fatal(err)
		}
	}
	var list []fleet.Target
	for _, account := range targets {
		list = append(list, fleet.Target{Account: account, Region: "eu-west-1", Name: "n" + account[:1]})
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	put(fleet.ListName, string(text))
	put(fleet.UnlistedName, "{}")
	for account, o := range reports {
		var b strings.Builder
		if err := o.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		put(account+"/eu-west-1.json", b.String())
	}
	if _, err := d.handler.Invoke(t.Context(), []byte(`{"run":"`+name+`"}`)); err != nil {
		t.Fatal(err)
	}
	var told []string
	for {
		out, err := d.queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &d.url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			slices.Sort(told)
			return told
		}
		for _, m := range out.Messages {
			var a alert.Alert
			if err := json.Unmarshal([]byte(*m.Body), &a); err != nil {
				t.Fatal(err)
			}
			for _, list := range [][]alert.Item{a.Secrets, a.Others} {
				for _, i := range list {
					for _, f := range i.Findings {
						told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", a.Event, f.Rule, i.Account, i.Tags["team"])))
					}
				}
			}
			if _, err := d.queue.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &d.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// swept is the report of a target with one secret that has a verdict, and a finding where that is drift.
func swept(account string, verdict drift.Verdict) report.Outcome {
	arn := rotation.ARN("arn:aws:secretsmanager:eu-west-1:" + account + ":secret:db-AbCdEf")
	s := report.Secret{ARN: arn, Name: "db", Verdict: verdict, Tags: map[string]string{"team": "t" + account[:1]}, FunctionARN: rotation.ARN("arn:aws:lambda:eu-west-1:" + account + ":function:f")}
	if report.Drift(verdict) || verdict == drift.Exempt {
		s.Findings = []*drift.Finding{{ID: "f-" + account, Rule: "invoke-grant", Kind: drift.KindFunctionPolicy, Direction: "missing", Severity: drift.Critical, Secret: arn, Function: s.FunctionARN, Subject: s.FunctionARN, Explanation: "no statement lets Secrets Manager invoke it"}}
	}
	if verdict == drift.Exempt {
		s.Reason = "exempt: moves out in May"
	}
	return report.Outcome{Account: account, Region: "eu-west-1", Mode: repair.ModeReport, Functions: 1, Secrets: []report.Secret{s}}
}

func TestAFleetIsToldWhatIsNew(t *testing.T) {
	const a, b = "111111111111", "222222222222"
	d := newDigested(t)
	d.deploy("ledger")
	both := []string{a, b}
	mended := swept(a, drift.InSync)
	mended.Changes = []repair.Change{{ID: "c-1", Call: repair.AddPermission, Name: "Grant", Status: repair.Done, Findings: []string{"f-" + a}}}
	for _, step := range []struct {
		name    string
		reports map[string]report.Outcome
		want    []string
	}{
		{"the first", map[string]report.Outcome{a: swept(a, drift.Broken)}, []string{"new invoke-grant 111111111111 t1", "new unswept 222222222222"}},
		{"the same", map[string]report.Outcome{a: swept(a, drift.Broken)}, nil},
		{"the failed target is swept", map[string]report.Outcome{a: swept(a, drift.Broken), b: swept(b, drift.Broken)}, []string{"new invoke-grant 222222222222 t2", "resolved-by-others unswept 222222222222"}},
		{"one is mended by its run, the other is exempt", map[string]report.Outcome{a: mended, b: swept(b, drift.Exempt)}, []string{"exempted invoke-grant 222222222222 t2", "resolved-by-us invoke-grant 111111111111 t1"}},
		{"nothing happens", map[string]report.Outcome{a: swept(a, drift.InSync), b: swept(b, drift.Exempt)}, nil},
		{"all fails: nothing is resolved", nil, []string{"new unswept 111111111111", "reopened unswept 222222222222"}},
		{"and is there again", map[string]report.Outcome{a: swept(a, drift.InSync), b: swept(b, drift.InSync)}, []string{
			"resolved-by-others invoke-grant 222222222222 t2", "resolved-by-others unswept 111111111111", "resolved-by-others unswept 222222222222",
		}},
	} {
		if got := d.run(t, both, step.reports); !slices.Equal(got, step.want) {
			t.Fatalf("%s: told %q, want %q", step.name, got, step.want)
		}
	}
	// Without a table, and where it cannot be used, every sweep with drift is told.
	for _, table := range []string{"", "gone"} {
		d.deploy(table)
		for range 2 {
			if got, want := d.run(t, []string{a}, map[string]report.Outcome{a: swept(a, drift.Broken)}), []string{"drift invoke-grant 111111111111 t1"}; !slices.Equal(got, want) {
				t.Errorf("with the table %q: told %q, want %q", table, got, want)
			}
		}
		if got := d.run(t, []string{a}, map[string]report.Outcome{a: swept(a, drift.InSync)}); got != nil {
			t.Errorf("with the table %q: a fleet in sync is told %q", table, got)
		}
	}
}

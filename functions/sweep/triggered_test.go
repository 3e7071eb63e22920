package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// stores are a table for the ledger and a bucket for reports on moto, for an account that is in memory.
type stores struct {
	demoAccount
	table, bucket string
}

func newStores(t *testing.T) *stores {
	t.Helper()
	m := emulator.For(t)(emulator.StartMoto(t.Context()))
	s := &stores{bucket: "rotationguard-reports", demoAccount: demoAccount{url: m.URL, cfg: aws.Config{
		Region: account.Region, BaseEndpoint: &m.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}}
	s.table = s.addTable(t)
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &s.bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(account.Region)},
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stores) s3() *s3.Client {
	return s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

// environ is what the function gets: the account's endpoint, and moto's for what is stored.
func (s *stores) environ(a *awstest.Account, more ...string) []string {
	return slices.Concat(a.Environ(), []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + s.url, "AWS_ENDPOINT_URL_S3=" + s.url, envTable + "=" + s.table, envBucket + "=" + s.bucket,
	}, more)
}

// event is a call on a function as CloudTrail records it.
func event(name, function, caller string) string {
	return fmt.Sprintf(`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.lambda","account":%q,"region":%q,"detail":{
		"eventSource":"lambda.amazonaws.com","eventName":%q,"awsRegion":%q,"recipientAccountId":%q,"readOnly":false,
		"userIdentity":{"arn":%q},"requestParameters":{"functionName":%q}}}`, account.ID, account.Region, name, account.Region, account.ID, caller, function)
}

// queued is the batch of a queue with messages.
func queued(t *testing.T, bodies ...string) string {
	t.Helper()
	type record struct {
		MessageID   string `json:"messageId"`
		Body        string `json:"body"`
		EventSource string `json:"eventSource"`
	}
	var records []record
	for i, b := range bodies {
		records = append(records, record{fmt.Sprintf("message-%d", i), b, "aws:sqs"})
	}
	text, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEventsSweepWhatTheyConcern: after a first sweep an event leads to one function's reads, is mended, and is not listed for.
func TestEventsSweepWhatTheyConcern(t *testing.T) {
	t.Parallel()
	s, a := newStores(t), newAccountInMemory(t)
	writer := a.AddRole(writerRole)
	f := deploy(t, demoConfig(t, "repair"), s.environ(a, envWriter+"="+writer)...)
	first := f.invoke(t, "{}", within)
	if first.failed || first.answer.Report == nil {
		t.Fatalf("the first sweep: %s", first.raw)
	}
	t.Run("the report is where the answer says", func(t *testing.T) {
		for _, form := range []string{"json", "html"} {
			body, err := archive.Open(t.Context(), s.s3(), *first.answer.Report, form)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			_ = body.Close()
			if err != nil || form == "html" && !bytes.Contains(text, []byte(`id="timeline"`)) {
				t.Errorf("%s of %d bytes, %v: the page has no timeline", form, len(text), err)
			}
		}
	})

	arn := func(function string) string {
		return "arn:aws:lambda:" + account.Region + ":" + account.ID + ":function:" + function
	}
	damage := func(function string) {
		a.UpdateFunction(function, func(f *awstest.Function) { f.Policies = nil })
		a.ResetCalls()
	}
	mended := func(t *testing.T, function, secret string) {
		t.Helper()
		now, _ := a.Function(function)
		if len(now.Policies) == 0 || a.CallCounts()["lambda:AddPermission"] != 1 {
			t.Error("the function's policy was not mended by one call")
		}
		for _, c := range a.Calls() {
			if slices.Contains([]string{"ListSecrets", "ListFunctions"}, c.Operation) {
				t.Errorf("called %s", c.Name())
			}
			if c.Service == "lambda" && !strings.Contains(c.Resource, function) || c.Service == "secretsmanager" && !strings.Contains(c.Resource, secret) {
				t.Errorf("called %s on %s", c.Name(), c.Resource)
			}
		}
	}
	t.Run("an event mends what it concerns", func(t *testing.T) {
		damage("rotate-orders")
		o := f.invoke(t, event("RemovePermission20150331v2", arn("rotate-orders"), ""), within)
		if o.failed || o.answer.Summary.Functions != 1 || o.answer.Changes[repair.Done] != 1 {
			t.Fatalf("answer %s", o.raw)
		}
		mended(t, "rotate-orders", "prod/orders/db")
	})
	t.Run("a burst is one sweep, and poison is a failure of its own", func(t *testing.T) {
		damage("rotate-crm")
		bodies := []string{"poison"}
		for range 200 {
			bodies = append(bodies, event("UpdateFunctionConfiguration20150331v2", arn("rotate-crm"), ""))
		}
		o := f.invoke(t, queued(t, bodies...), within)
		if want := `{"batchItemFailures":[{"itemIdentifier":"message-0"}]}`; o.raw != want {
			t.Fatalf("answer %s, want %s", o.raw, want)
		}
		mended(t, "rotate-crm", "prod/crm/db")
	})
	t.Run("what concerns nothing reads nothing", func(t *testing.T) {
		a.ResetCalls()
		for _, e := range []string{
			event("AddPermission20150331v2", "web", ""), event("AddPermission20150331v2", arn("rotate-orders"), "arn:aws:sts::"+account.ID+":assumed-role/rotationguard-writer/run"),
		} {
			if o := f.invoke(t, e, within); o.failed || o.answer.Summary.Secrets != 0 || o.answer.Report != nil {
				t.Errorf("answer %s", o.raw)
			}
			if o := f.invoke(t, queued(t, e), within); o.raw != `{"batchItemFailures":[]}` {
				t.Errorf("answer %s", o.raw)
			}
		}
		if calls := a.Calls(); len(calls) > 0 {
			t.Errorf("%d calls, the first %s", len(calls), calls[0].Name())
		}
	})
	t.Run("a failed sweep leaves all messages in the queue", func(t *testing.T) {
		a.Fail(awstest.Match{Service: "secretsmanager", Operation: "DescribeSecret", Count: -1}, awstest.Fault{Hang: true})
		defer a.Heal()
		f.invoke(t, queued(t, event("AddPermission20150331v2", arn("rotate-orders"), ""), "poison"), 6*time.Second).wantError(t, outOfTime, "0 secrets")
	})
	t.Run("without a table an event sweeps the account", func(t *testing.T) {
		o := deploy(t, demoConfig(t, "report"), a.Environ()...).invoke(t, event("AddPermission20150331v2", arn("rotate-orders"), ""), within)
		if o.failed || o.answer.Summary.Functions < 2 || o.answer.Report != nil {
			t.Errorf("answer %s", o.raw)
		}
	})
}

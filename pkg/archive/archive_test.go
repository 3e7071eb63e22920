package archive

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const bucket = "reports"

func newBucket(t *testing.T) *s3.Client {
	t.Helper()
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	client := s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: &s.URL, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintEuWest1},
	}); err != nil {
		t.Fatal(err)
	}
	return client
}

func outcomeAt(at time.Time, name string) *report.Outcome {
	arn := rotation.ARN("arn:aws:secretsmanager:eu-west-1:123456789012:secret:" + name + "-AbCdEf")
	return &report.Outcome{
		Account: "123456789012", Region: "eu-west-1", Mode: repair.ModeReport, At: at,
		Secrets: []report.Secret{{ARN: arn, Name: name, Kind: rotation.KindOff, Verdict: drift.Skipped, Reason: "rotation is not enabled"}},
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	client := newBucket(t)
	at := time.Date(2026, 11, 25, 6, 0, 0, 1, time.UTC)
	read := func(where, form string) string {
		t.Helper()
		body, err := Open(t.Context(), client, where, form)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = body.Close() }()
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	put := func(o *report.Outcome) string {
		t.Helper()
		where, err := Put(t.Context(), client, bucket, "run-1", o)
		if err != nil {
			t.Fatal(err)
		}
		return where
	}

	first := outcomeAt(at, "first")
	where := put(first)
	if want := "s3://reports/runs/run-1/123456789012/eu-west-1.json"; where != want {
		t.Errorf("the report is in %s, want %s", where, want)
	}
	var want bytes.Buffer
	if err := first.WriteJSON(&want); err != nil {
		t.Fatal(err)
	}
	if got := read(where, "json"); got != want.String() {
		t.Errorf("kept %s", got)
	}
	if got := read(where, "html"); !strings.HasPrefix(got, "<!") || !strings.Contains(got, "first") {
		t.Errorf("the page begins with %.80q", got)
	}
	for form, kind := range map[string]string{"json": "application/json", "html": "text/html; charset=utf-8"} {
		key := strings.TrimSuffix(strings.TrimPrefix(where, "s3://reports/"), "json") + form
		out, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key})
		if err != nil || aws.ToString(out.ContentType) != kind {
			t.Errorf("the content type of %s is %q, want %q (%v)", form, aws.ToString(out.ContentType), kind, err)
		}
	}

	put(outcomeAt(at, "again")) // a repetition
	if got := read(where, "json"); got != want.String() {
		t.Errorf("a repetition of the same moment replaced the report: %s", got)
	}
	put(outcomeAt(at.Add(-time.Minute), "late"))
	if got := read(where, "json"); got != want.String() {
		t.Errorf("an older outcome replaced a later one: %s", got)
	}
	put(outcomeAt(at.Add(time.Minute), "second"))
	if got := read(where, "json"); !strings.Contains(got, `"second"`) {
		t.Errorf("a later attempt of the run is not kept: %s", got)
	}
}

func TestKey(t *testing.T) {
	for _, tt := range []struct {
		name, run, account, region string
		good                       bool
	}{
		{"a run", "20261125T060000Z-0a1b2c3d", "123456789012", "eu-central-1", true},
		{"an execution's name", "arn:aws:states:x", "123456789012", "us-gov-west-1", true},
		{"a folder", "../other", "123456789012", "eu-west-1", false},
		{"dots", "a..b", "123456789012", "eu-west-1", false},
		{"no run", "", "123456789012", "eu-west-1", false},
		{"no account", "r", "", "eu-west-1", false},
		{"no Region", "r", "123456789012", "eu", false},
		{"a path for a Region", "r", "123456789012", "eu-west-1/x", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := Key(tt.run, tt.account, tt.region)
			if (err == nil) != tt.good || tt.good != strings.HasPrefix(key, "runs/"+tt.run+"/") {
				t.Errorf("Key = %q, %v", key, err)
			}
		})
	}
}

func TestOpenRefusesWhatIsNoReportsPlace(t *testing.T) {
	for _, where := range []string{"", "s3://", "s3://bucket", "s3:///runs/x.json", "https://bucket/x.json", "s3://bucket/x.html"} {
		if _, err := Open(t.Context(), nil, where, "json"); err == nil {
			t.Errorf("%q was opened", where)
		}
	}
}

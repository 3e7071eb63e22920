package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/fleet"
)

const listed = "role_name: member\nexternal_id: example\nregions: [eu-west-1, eu-central-1]\ntargets: [{account: \"000000000001\", name: a}, {account: \"000000000002\"}]\n"

func newTestHandler(t *testing.T, cfg aws.Config, targets, bucket string) *handler {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "targets.yaml"), []byte(targets), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := map[string]string{"LAMBDA_TASK_ROOT": root, envTargets: "targets.yaml", envBucket: bucket}
	return newHandler(func(name string) string { return environ[name] }, cfg, nil)
}

// TestListIsWhatTheMapReads runs on moto: what is written is what a map state reads its items from.
func TestListIsWhatTheMapReads(t *testing.T) {
	m := emulator.For(t)(emulator.StartMoto(t.Context()))
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &m.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: http.DefaultClient}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	bucket := "reports"
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	h := newTestHandler(t, cfg, listed, bucket)
	event, err := os.ReadFile("event.json")
	if err != nil {
		t.Fatal(err)
	}
	var first answer
	for range 2 { // an attempt after a failed one writes the same
		out, err := h.Invoke(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &first); err != nil || first.Targets != 4 || first.Failed != 0 || first.Bucket != bucket {
			t.Fatalf("%s, %v", out, err)
		}
	}
	read := func(key string) []byte {
		out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		data, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var items []json.RawMessage
	if err := json.Unmarshal(read(first.Key), &items); err != nil || len(items) != 4 {
		t.Fatalf("%d items: %v", len(items), err)
	}
	f := fleet.Fleet{Role: "member", ExternalID: "example"}
	for _, item := range items {
		target, err := fleet.ParseTarget(item)
		if err == nil {
			err = f.Check(target, "aws")
		}
		if err != nil {
			t.Errorf("%s: %v", item, err)
		}
	}
	if text := read(strings.TrimSuffix(first.Key, fleet.ListName) + fleet.UnlistedName); !bytes.Contains(text, []byte(`"failed":null`)) {
		t.Errorf("beside the list: %s", text)
	}
}

func TestTargetsSaysWhatIsWrongInOneLine(t *testing.T) {
	for _, tt := range []struct{ targets, bucket, event, want string }{
		{"targets: []\n", "b", `{"run":"r"}`, "targets.yaml:1:1: targets: no account"},
		{listed, "", `{"run":"r"}`, envBucket + " is not set"},
		{listed, "b", `{}`, "is of letters, digits and"},
		{listed, "b", `[]`, "event: it is"},
		{strings.Replace(listed, "role_name: member\n", "", 1), "b", `{"run":"r"}`, "role_name: missing"},
	} {
		h := newTestHandler(t, aws.Config{Region: "eu-west-1"}, tt.targets, tt.bucket)
		if _, err := h.Invoke(t.Context(), []byte(tt.event)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gives %v, want %q", tt.event, err, tt.want)
		}
	}
}

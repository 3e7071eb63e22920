package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// objects is a bucket in memory, whose pages hold two keys.
type objects map[string]string

func (o objects) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	data, err := io.ReadAll(in.Body)
	o[*in.Key] = string(data)
	return &s3.PutObjectOutput{}, err
}

func (o objects) HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	return nil, &types.NotFound{}
}

func (o objects) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	text, ok := o[*in.Key]
	if !ok {
		return nil, &types.NoSuchKey{}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(text))}, nil
}

func (o objects) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out := &s3.ListObjectsV2Output{}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !strings.HasPrefix(key, *in.Prefix) || key <= aws.ToString(in.ContinuationToken) {
			continue
		}
		if len(out.Contents) == 2 {
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), out.Contents[1].Key
			break
		}
		out.Contents = append(out.Contents, types.Object{Key: aws.String(key)})
	}
	return out, nil
}

func reportOf(t *testing.T, account, region string, verdicts ...drift.Verdict) string {
	t.Helper()
	o := report.Outcome{Account: account, Region: region, Mode: "report", Functions: len(verdicts)}
	for i, v := range verdicts {
		name := string(v) + string(rune('a'+i))
		o.Secrets = append(o.Secrets, report.Secret{ARN: rotation.ARN("arn:aws:secretsmanager:" + region + ":" + account + ":secret:" + name + "-AbCdEf"), Name: name, Verdict: v})
	}
	var b bytes.Buffer
	if err := o.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGatherTellsWhatIsThereFromWhatIsNot(t *testing.T) {
	const folder = "runs/r/"
	target := func(account string) fleet.Target { return fleet.Target{Account: account, Region: "eu-west-1"} }
	const swept, silent, noted, corrupt, foreign, in = "000000000001", "000000000002", "000000000003", "000000000004", "000000000005", "/eu-west-1.json"
	const empty, late, two = "000000000010", "000000000011", "000000000012"
	list, err := json.Marshal([]fleet.Target{target(swept), target(silent), target(noted), target(corrupt), target(foreign), target(empty), target(late), target(two), target(swept)}) // one of them twice
	if err != nil {
		t.Fatal(err)
	}
	bucket := objects{
		folder + fleet.ListName:     string(list),
		folder + fleet.UnlistedName: `{"failed":[{"account":"000000000006","cause":{"call":"account:ListRegions","resource":"000000000006","code":"AccessDeniedException","message":"no"}}],"notes":["2 are not active"]}`,
		folder + swept + in:         reportOf(t, swept, "eu-west-1", drift.Broken, drift.InSync, drift.InSync),
		folder + corrupt + in:       `{"schema":`,
		folder + foreign + in:       reportOf(t, swept, "eu-west-1", drift.InSync),
		folder + empty + in:         "",
		folder + late + in:          strings.Replace(reportOf(t, late, "eu-west-1", drift.InSync), `"account": "`+late, `"account": "`+swept, 1),
		folder + two + in:           reportOf(t, two, "eu-west-1", drift.InSync) + reportOf(t, two, "eu-west-1"),
		// What is beside a report is none.
		folder + silent + "/eu-west-1.html":     "<html>",
		folder + silent + "/eu-west-1.json.bak": reportOf(t, silent, "eu-west-1", drift.InSync),
		folder + silent + "/us-east-1.json":     reportOf(t, silent, "eu-west-1", drift.InSync),
		"runs/r2/" + silent + in:                reportOf(t, silent, "eu-west-1", drift.InSync),
		// A target that is not in the list does not count.
		folder + "000000000009" + in: reportOf(t, "000000000009", "eu-west-1", drift.Broken),
	}
	failedTarget := target(noted)
	if err := note(t.Context(), bucket, "b", "r", &failedTarget, &failure{Error: "Sandbox.Timedout", Cause: `{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 900.00 seconds"}`}); err != nil {
		t.Fatal(err)
	}
	o, _, err := gather(t.Context(), bucket, "b", "r", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o.Sort()
	want := map[string]string{
		swept: "", silent: "NoReport: no report was written", noted: "Sandbox.Timedout: Task timed out after 900.00 seconds", corrupt: "reading a report: unexpected EOF",
		foreign: "NotItsReport: it is a report of 000000000001 eu-west-1", empty: "reading a report: EOF", late: "NotItsReport: it is a report of 000000000001", two: "there is more behind it",
		"000000000006": "account:ListRegions on 000000000006: AccessDeniedException: no",
	}
	if len(o.Targets) != len(want) || len(o.Errors) != 8 || o.ExitCode() != report.ExitFailed {
		t.Errorf("%d targets, errors %v", len(o.Targets), o.Errors)
	}
	for i := range o.Targets {
		target := &o.Targets[i]
		if (target.Status == report.TargetFailed) != (want[target.Account] != "") || !strings.Contains(target.Cause, want[target.Account]) {
			t.Errorf("%s is %s: %s, want %q", target.Account, target.Status, target.Cause, want[target.Account])
		}
	}
	if s := o.Summary(); s.Secrets != 3 || s.ByVerdict[drift.Broken] != 1 || s.ByVerdict[drift.InSync] != 2 || len(o.Secrets) != 1 || len(o.Notes) != 2 || !strings.HasPrefix(o.Notes[1], "2 reports in s3://b/runs/r/ are of no target") {
		t.Errorf("summary %+v, %d secrets in full, notes %v", s, len(o.Secrets), o.Notes)
	}
	delete(bucket, folder+fleet.UnlistedName)
	if _, _, err := gather(t.Context(), bucket, "b", "r", time.Now()); err == nil {
		t.Error("a run without a list of what failed before is gathered")
	}
}

func TestSampleEventIsOne(t *testing.T) {
	data, err := os.ReadFile("event.json")
	if err != nil {
		t.Fatal(err)
	}
	var e event
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Run == "" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestDigestSaysWhatIsWrongInOneLine(t *testing.T) {
	environ := map[string]string{}
	for _, tt := range []struct{ bucket, event, want string }{
		{"", `{"run":"r"}`, envBucket + " is not set"},
		{"b", `[]`, "event: it is"},
		{"b", `{"run":"../r"}`, "is of letters, digits and"},
	} {
		environ[envBucket] = tt.bucket
		h := newHandler(func(name string) string { return environ[name] }, aws.Config{Region: "eu-west-1"}, nil)
		if _, err := h.Invoke(t.Context(), []byte(tt.event)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gives %v, want %q", tt.event, err, tt.want)
		}
	}
}

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

const reports = "rotationguard-reports"

// newMinistack is an emulator that runs functions, with a bucket for reports.
func newMinistack(t *testing.T) (string, aws.Config) {
	t.Helper()
	s := emulator.For(t)(emulator.StartMinistack(t.Context()))
	cfg := aws.Config{Region: account.Region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if _, err := bucketOn(cfg).CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(reports), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(account.Region)},
	}); err != nil {
		t.Fatal(err)
	}
	return s.URL, cfg
}

func bucketOn(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

// deployed makes the real function on ministack: it sweeps what is there too.
func deployed(t *testing.T, url string, cfg aws.Config) string {
	t.Helper()
	folder := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags=-s -w -buildid=", "-o", filepath.Join(folder, "bootstrap"),
		"github.com/rotationguard/rotationguard/functions/sweep")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the function: %v: %s", err, out)
	}
	binary, err := os.ReadFile(filepath.Join(folder, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err == nil {
		_, err = w.Write(binary)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	role, err := iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("reader"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`)})
	if err != nil {
		t.Fatal(err)
	}
	name := "rotationguard-sweep"
	if _, err := lambda.NewFromConfig(cfg).CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Role: role.Role.Arn, Timeout: aws.Int32(120), MemorySize: aws.Int32(512),
		Code: &types.FunctionCode{ZipFile: b.Bytes()}, Environment: &types.Environment{Variables: map[string]string{
			"AWS_ENDPOINT_URL": url, "AWS_REGION": account.Region, "ROTATIONGUARD_REPORTS_BUCKET": reports,
		}},
	}); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestInvokePrintsWhatTheDeployedFunctionFinds lets the real function run.
func TestInvokePrintsWhatTheDeployedFunctionFinds(t *testing.T) {
	url, cfg := newMinistack(t)
	name := deployed(t, url, cfg)
	b := newBench(t)
	invoke := func(args ...string) typed {
		return b.types(append([]string{"invoke", "--endpoint-url", url, "--region", account.Region}, args...)...)
	}
	invoke().refused(t, "stack Rotationguard in eu-central-1: there is no such stack: name the function with --function")
	got := invoke("--function", name, "--output", "json").wants(t, 0, name+" sweeps")
	var said struct {
		Schema, Account, Region string
		Mode                    repair.Mode
	}
	if err := json.Unmarshal([]byte(got.stdout), &said); err != nil || said.Schema != report.SchemaName || said.Account != "000000000000" || said.Mode != repair.ModeReport {
		t.Errorf("stdout %s (%v)", got.stdout, err)
	}
	got = invoke("--function", name, "--mode", "repair").wants(t, 1, "failed with BadEvent: event: mode repair is more than the deployed mode report")
	if got.stdout != "" {
		t.Errorf("stdout %q", got.stdout)
	}
	invoke("--function", name, "--secret", "prod/none").wants(t, 1, "failed with SweepFailed", "prod/none")
	invoke("--function", "other").wants(t, 1, "other")
}

// TestInvokeWaitsForASweepThatIsContinued answers as the function does whose sweep goes on in another invocation.
func TestInvokeWaitsForASweepThatIsContinued(t *testing.T) {
	url, cfg := newMinistack(t)
	b := newBench(t)
	answers := map[string]string{
		"cut":    `{"account":"123456789012","region":"eu-central-1","mode":"report","run":"r","part":1,"continues":"s3://` + reports + `/runs/r/123456789012/eu-central-1.json"}`,
		"kept":   `{"account":"123456789012","region":"eu-central-1","mode":"report","verdict":"broken","summary":{"secrets":1},"report":"s3://` + reports + `/runs/r/123456789012/eu-central-1.json"}`,
		"lost":   `{"account":"123456789012","region":"eu-central-1","mode":"report","report":"s3://` + reports + `/runs/gone/123456789012/eu-central-1.json"}`,
		"unkept": `{"account":"123456789012","region":"eu-central-1","mode":"report","summary":{"secrets":7},"report":null}`,
		"other":  `"hello"`,
	}
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, _ := io.ReadAll(r.Body)
		asked = append(asked, string(event))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answers[strings.Split(r.URL.Path, "/")[3]])
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", server.URL)
	invoke := func(args ...string) typed {
		return b.types(append([]string{"invoke", "--endpoint-url", url, "--region", account.Region, "--function"}, args...)...)
	}
	swept := &report.Outcome{Account: account.ID, Region: account.Region, Mode: repair.ModeReport, At: time.Now(), Functions: 1, Secrets: []report.Secret{{
		ARN: rotation.ARN("arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf"), Name: "a", Kind: rotation.KindLambda, Verdict: drift.Broken, Reason: "the next rotation fails",
	}}}
	kept := make(chan error, 1)
	go func() {
		time.Sleep(reportEvery / 2)
		_, err := archive.Put(t.Context(), bucketOn(cfg), reports, "r", swept)
		kept <- err
	}()
	got := invoke("cut", "--output", "csv").wants(t, 2, "goes on in another invocation")
	if err := <-kept; err != nil || !strings.Contains(got.stdout, "broken") {
		t.Errorf("stdout %s (%v)", got.stdout, err)
	}
	if got := invoke("kept", "--secret", "a", "--tag", "k=v", "--mode", "report").wants(t, 2, "sweeps"); !strings.Contains(got.stdout, "1 broken") {
		t.Errorf("stdout %s", got.stdout)
	}
	if want := `{"mode":"report","secrets":["a"],"tags":{"k":"v"}}`; asked[1] != want || asked[0] != "{}" {
		t.Errorf("asked for %q, want {} and %s", asked, want)
	}
	invoke("lost").wants(t, 1, "runs/gone/123456789012/eu-central-1.json: there is no such report")
	invoke("unkept").wants(t, 1, "has swept 7 secrets", "deploy it with a bucket")
	invoke("other").wants(t, 1, "not the function of rotationguard")
	for i, args := range [][]string{{"kept", "--mode", "fix"}, {"kept", "--output", "yaml"}, {"kept", "--secret", " "}} {
		if got := invoke(args...); got.code != 1 || len(asked) != 5 {
			t.Error(fmt.Sprint("bad flags ", i), got)
		}
	}
}

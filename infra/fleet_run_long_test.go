//go:build long

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// deployStack deploys the fleet's template by change set, with its assets where the CDK's bootstrap has them, and subscribes a queue to its topic.
func (r *running) deployStack(t *testing.T, targets string) {
	t.Helper()
	folder := r.assemble(t, targets)
	r.upload(t, folder)
	client, name, change := cloudformation.NewFromConfig(r.cfg), aws.String("RotationguardFleet"), aws.String("first")
	// As much of the CDK's bootstrap as the template asks for.
	if _, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("CDKToolkit"), TemplateBody: aws.String(
		`{"Resources":{"Version":{"Type":"AWS::SSM::Parameter","Properties":{"Type":"String","Name":"/cdk-bootstrap/hnb659fds/version","Value":"30"}}}}`)}); err != nil {
		t.Fatal(err)
	}
	if err := cloudformation.NewStackCreateCompleteWaiter(client, func(o *cloudformation.StackCreateCompleteWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).
		Wait(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("CDKToolkit")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	template := string(readFile(t, filepath.Join(folder, *name+".template.json")))
	if _, err := client.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{
		StackName: name, ChangeSetName: change, ChangeSetType: cfntypes.ChangeSetTypeCreate, TemplateBody: &template, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
	}); err != nil {
		t.Fatal(err)
	}
	if err := cloudformation.NewChangeSetCreateCompleteWaiter(client, func(o *cloudformation.ChangeSetCreateCompleteWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).
		Wait(t.Context(), &cloudformation.DescribeChangeSetInput{StackName: name, ChangeSetName: change}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{StackName: name, ChangeSetName: change}); err != nil {
		t.Fatal(err)
	}
	if err := cloudformation.NewStackCreateCompleteWaiter(client, func(o *cloudformation.StackCreateCompleteWaiterOptions) { o.MinDelay = 200 * time.Millisecond }).
		Wait(t.Context(), &cloudformation.DescribeStacksInput{StackName: name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	out, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: name})
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	r.machine, r.bucket = outputs["StateMachineArn"], outputs["ReportsBucket"]
	queue, err := sqs.NewFromConfig(r.cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("told")})
	if err != nil {
		t.Fatal(err)
	}
	r.queue = aws.ToString(queue.QueueUrl)
	if _, err := sns.NewFromConfig(r.cfg).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(outputs["TopicArn"]), Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:" + r.cfg.Region + ":" + ministackAccount + ":told"), Attributes: map[string]string{"RawMessageDelivery": "true"}}); err != nil {
		t.Fatal(err)
	}
}

// assemble writes the app with the fleet's stack, around the binaries of "make build".
func (r *running) assemble(t *testing.T, targets string) string {
	t.Helper()
	folder := t.TempDir()
	s := defaultSettings()
	s.Architecture, s.Dist, s.Fleet = runtime.GOARCH, filepath.Join("..", "dist"), filepath.Join(folder, "targets.yaml")
	if err := os.WriteFile(s.Fleet, []byte(targets), 0o600); err != nil {
		t.Fatal(err)
	}
	app := newApp(filepath.Join(folder, "out"))
	if err := addFleet(app, s); err != nil {
		t.Fatal(err)
	}
	app.Synth(nil)
	return *app.Outdir()
}

// upload puts the stack's assets where its template looks for them.
func (r *running) upload(t *testing.T, folder string) {
	t.Helper()
	var manifest struct {
		Files map[string]struct {
			Source       struct{ Path, Packaging string }
			Destinations map[string]struct{ BucketName, ObjectKey string }
		}
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(folder, "RotationguardFleet.assets.json")), &manifest); err != nil {
		t.Fatal(err)
	}
	own := strings.NewReplacer("${AWS::AccountId}", ministackAccount, "${AWS::Region}", r.cfg.Region, "${AWS::Partition}", "aws")
	made := map[string]bool{}
	for _, file := range manifest.Files {
		if file.Source.Packaging != "zip" {
			continue // the template itself
		}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		if err := z.AddFS(os.DirFS(filepath.Join(folder, file.Source.Path))); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		for _, to := range file.Destinations {
			bucket := own.Replace(to.BucketName)
			if !made[bucket] {
				made[bucket] = true
				if _, err := r.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
					LocationConstraint: s3types.BucketLocationConstraint(r.cfg.Region),
				}}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(to.ObjectKey), Body: bytes.NewReader(b.Bytes())}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLongFleetRuns deploys the synthesized fleet by change set and runs its state machine over 22 accounts in two Regions each, with drift in most. One account lets nobody in,
// one throttles its functions' policies for good, one never answers; the digest is exact about these and all others. Then all answer, and what is told is that.
func TestLongFleetRuns(t *testing.T) {
	const accounts, denying, throttling, silent = 22, 4, 9, 15
	regions := []string{"eu-central-1", "eu-west-1"}
	r, targets := newRunning(t, accounts, regions)
	r.deployStack(t, targets)
	cfg := r.hub.Peer(fleetAccount(denying)).Config()
	cfg.BaseEndpoint = &r.accounts
	if _, err := iam.NewFromConfig(cfg).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("rotationguard-member")}); err != nil {
		t.Fatal(err)
	}
	r.hub.Peer(fleetAccount(throttling)).Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Count: -1}, awstest.Fault{Code: "TooManyRequestsException", Status: http.StatusTooManyRequests})
	r.hub.Peer(fleetAccount(silent)).Fail(awstest.Match{Service: "secretsmanager", Operation: "ListSecrets", Count: -1}, awstest.Fault{Hang: true})
	started := time.Now()
	if out := r.run(t, "all"); out.Status != sfntypes.ExecutionStatusSucceeded {
		t.Fatalf("the execution is %s: %s %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	calls := 0
	for _, n := range r.hub.CallCounts() {
		calls += n
	}
	t.Logf("%d targets in %v, %d calls of the accounts' APIs", accounts*len(regions), time.Since(started), calls)
	o := r.report(t, "all")
	wantExactly(t, &o, accounts, regions, map[string]expected{
		fleetAccount(denying):    {report.TargetFailed, "sts:AssumeRole"},
		fleetAccount(throttling): {report.TargetIncomplete, ""},
		fleetAccount(silent):     {report.TargetFailed, "listing secrets: "},
	})
	if told := strings.Join(r.told(t), "\n"); !strings.Contains(told, `"event":"new"`) || strings.Contains(told, "resolved") {
		t.Errorf("told: %.2000s", told)
	}
	for _, heal := range []int{throttling, silent} {
		r.hub.Peer(fleetAccount(heal)).Heal()
	}
	if out := r.run(t, "healed"); out.Status != sfntypes.ExecutionStatusSucceeded {
		t.Fatalf("the execution is %s: %s %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	o = r.report(t, "healed")
	wantExactly(t, &o, accounts, regions, map[string]expected{fleetAccount(denying): {report.TargetFailed, "sts:AssumeRole"}})
	told := strings.Join(r.told(t), "\n")
	for account, resolved := range map[int]bool{throttling: true, silent: true, denying: false} {
		for _, region := range regions {
			if subject := fleetAccount(account) + " " + region; strings.Contains(told, subject) != resolved {
				t.Errorf("told of %s: %t, want %t: %.3000s", subject, !resolved, resolved, told)
			}
		}
	}
}

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

// running is a fleet whose state machine and functions run on ministack, and whose accounts are in memory.
type running struct {
	hub      *awstest.Account
	cfg      aws.Config // of ministack
	accounts string     // where the accounts are, and before them ministack for what it has of a deployment
	bucket   string
	queue    string
	machine  string
}

// signed is whose a request is and which service it is for. Source: IAM User Guide, "Create a signed AWS API request", the credential scope.
var signed = regexp.MustCompile(`Credential=([A-Z0-9]+)/[0-9]+/[^/]*/([a-z0-9-]+)/`)

// ofDeployment are the services that the functions of a deployed fleet use of their own account.
var ofDeployment = []string{"s3", "sns", "dynamodb"}

// accountsServer serves the accounts in memory, and passes on what the functions ask of their own deployment. ministack gives a function credentials of its own making, which
// no other server knows: these are the hub's here.
func (r *running) accountsServer(t *testing.T) string {
	t.Helper()
	own := ""
	for _, variable := range r.hub.Environ() {
		if key, ok := strings.CutPrefix(variable, "AWS_ACCESS_KEY_ID="); ok {
			own = key
		}
	}
	deployment := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		target, err := url.Parse(aws.ToString(r.cfg.BaseEndpoint))
		if err != nil {
			t.Error(err)
			return
		}
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		by := signed.FindStringSubmatch(request.Header.Get("Authorization"))
		if by != nil && slices.Contains(ofDeployment, by[2]) {
			deployment.ServeHTTP(w, request)
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		first := httptest.NewRecorder()
		r.hub.Handler().ServeHTTP(first, request)
		if text := first.Body.String(); by != nil && (strings.Contains(text, "InvalidClientTokenId") || strings.Contains(text, "UnrecognizedClientException")) {
			request.Body = io.NopCloser(bytes.NewReader(body))
			request.Header.Set("Authorization", strings.Replace(request.Header.Get("Authorization"), "Credential="+by[1]+"/", "Credential="+own+"/", 1))
			request.Header.Del("X-Amz-Security-Token")
			first = httptest.NewRecorder()
			r.hub.Handler().ServeHTTP(first, request)
		}
		maps.Copy(w.Header(), first.Header())
		w.WriteHeader(first.Code)
		_, _ = w.Write(first.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// number is which of the demo's accounts a target is: the n-th account, in its first or second Region.
func number(accountID, region string) int {
	n := 0
	for _, c := range accountID[9:] {
		n = 10*n + int(c-'0')
	}
	n *= 2
	if region == "eu-west-1" {
		n++
	}
	return n
}

func fleetAccount(n int) string { return fmt.Sprintf("300000000%03d", n) }

// runFleet makes a fleet of so many accounts, as the synthesized template has it. What a template would make beside the state machine is made
// by hand: the functions from what "make build" wrote, the bucket, the topic with a queue.
func runFleet(t *testing.T, accounts int, regions []string, timeout int32) *running {
	t.Helper()
	r, file := newRunning(t, accounts, regions)
	r.deploy(t, file, timeout)
	return r
}

// newRunning makes the accounts, starts ministack, and gives the targets file.
func newRunning(t *testing.T, accounts int, regions []string) (r *running, file string) {
	t.Helper()
	r = &running{hub: awstest.NewHandler(awstest.Options{ID: account.ID, Region: regions[0]}), bucket: "rotationguard-reports"}
	t.Cleanup(func() {
		if err := r.hub.Close(); err != nil {
			t.Error(err)
		}
	})
	r.accounts = r.accountsServer(t)
	file = "role_name: " + fleet.Member + "\nexternal_id: " + fleet.ExternalID + "\nregions: [" + strings.Join(regions, ", ") + "]\nconcurrency: 8\ntolerated_failure_percentage: 50\ntargets:\n"
	for n := range accounts {
		id := fleetAccount(n)
		file += fmt.Sprintf("  - {account: %q, name: member-%d}\n", id, n)
		cfg := r.hub.Peer(id).Config()
		cfg.BaseEndpoint = &r.accounts
		if err := fleet.AddMember(t.Context(), cfg, account.ID); err != nil {
			t.Fatal(err)
		}
		for _, cfg.Region = range regions {
			if err := fleet.Seed(t.Context(), cfg, id, number(id, cfg.Region)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := emulator.StartMinistack(t.Context(), "SFN_WAIT_SCALE=0.02", "AWS_ENDPOINT_URL="+r.accounts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log := s.Log()
			t.Logf("the end of ministack's log:\n%s", log[max(0, len(log)-6000):])
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	r.cfg = aws.Config{Region: regions[0], BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	return r, file
}

func (r *running) s3() *s3.Client {
	return s3.NewFromConfig(r.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func (r *running) deploy(t *testing.T, file string, timeout int32) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &r.bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraint(r.cfg.Region),
	}})
	must(err)
	topic, err := sns.NewFromConfig(r.cfg).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("rotationguard")})
	must(err)
	queue, err := sqs.NewFromConfig(r.cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("told")})
	must(err)
	r.queue = aws.ToString(queue.QueueUrl)
	_, err = sns.NewFromConfig(r.cfg).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:" + r.cfg.Region + ":" + ministackAccount + ":told")})
	must(err)
	role, err := iam.NewFromConfig(r.cfg).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("rotationguard-fleet"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","states.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`)})
	must(err)

	tm := fleetTemplate(t, defaultSettings(), file)
	definition := plainText(tm.only(t, "AWS::StepFunctions::StateMachine")["DefinitionString"])
	definition = strings.ReplaceAll(strings.ReplaceAll(definition, "<AWS::Partition>", "aws"), "<"+tm.named(t, "Reports")+">", r.bucket)
	for _, name := range []string{"targets", "sweep", "digest"} {
		environ := map[string]string{
			"AWS_ENDPOINT_URL": r.accounts, "ROTATIONGUARD_REPORTS_BUCKET": r.bucket, "ROTATIONGUARD_TARGETS": targetsInPackage,
		}
		if name == "digest" {
			environ["ROTATIONGUARD_TOPIC_ARN"] = aws.ToString(topic.TopicArn)
		}
		made, err := lambda.NewFromConfig(r.cfg).CreateFunction(t.Context(), &lambda.CreateFunctionInput{
			FunctionName: aws.String("fleet-" + name), Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Role: role.Role.Arn,
			Code: &lambdatypes.FunctionCode{ZipFile: zipped(t, name, file)}, Environment: &lambdatypes.Environment{Variables: environ},
			Timeout: aws.Int32(timeout), MemorySize: aws.Int32(512),
		})
		must(err)
		definition = strings.ReplaceAll(definition, "<"+tm.named(t, strings.ToUpper(name[:1])+name[1:])+".Arn>", aws.ToString(made.FunctionArn))
	}
	if strings.Contains(definition, "<") {
		t.Fatalf("a reference of the definition has no counterpart here: %s", definition)
	}
	machine, err := sfn.NewFromConfig(r.cfg).CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: aws.String("fleet"), Definition: &definition, RoleArn: role.Role.Arn})
	must(err)
	r.machine = aws.ToString(machine.StateMachineArn)
}

// ministackAccount is ministack's default account.
const ministackAccount = "000000000000"

// zipped is a function's code: what "make build" wrote and the targets file.
func zipped(t *testing.T, function, targets string) []byte {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("..", "dist", function, runtime.GOARCH, "bootstrap"))
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{{"bootstrap", 0o755, binary}, {targetsInPackage, 0o644, []byte(targets)}} {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		header.SetMode(f.mode)
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write(f.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// run runs the state machine to its end.
func (r *running) run(t *testing.T, name string) *sfn.DescribeExecutionOutput {
	t.Helper()
	client := sfn.NewFromConfig(r.cfg)
	started, err := client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &r.machine, Name: &name, Input: aws.String("{}")})
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(4 * time.Minute); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		out, err := client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: started.ExecutionArn})
		if err != nil {
			t.Fatal(err)
		}
		if out.Status != sfntypes.ExecutionStatusRunning {
			return out
		}
	}
	t.Fatal("the execution does not end")
	return nil
}

// report reads the merged report of a run.
func (r *running) report(t *testing.T, run string) report.Outcome {
	t.Helper()
	out, err := r.s3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: &r.bucket, Key: aws.String("runs/" + run + "/fleet.json")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	o, err := report.Read(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &r.bucket, Key: aws.String("runs/" + run + "/fleet.html")}); err != nil {
		t.Errorf("the page of the run: %v", err)
	}
	return o
}

// told are the messages about the fleet, which are taken.
func (r *running) told(t *testing.T) (messages []string) {
	t.Helper()
	client := sqs.NewFromConfig(r.cfg)
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &r.queue, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return messages
		}
		for _, m := range out.Messages {
			messages = append(messages, aws.ToString(m.Body))
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &r.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// expected is what a target is to be in the digest: what the demo's data say, or a status with part of its cause.
type expected struct {
	status report.TargetStatus
	cause  string
}

// wantExactly holds a digest to what each account holds, in every number.
func wantExactly(t *testing.T, o *report.Outcome, accounts int, regions []string, but map[string]expected) {
	t.Helper()
	if len(o.Targets) != accounts*len(regions) {
		t.Errorf("%d targets, want %d", len(o.Targets), accounts*len(regions))
	}
	sum := map[account.Verdict]int{}
	for i := range o.Targets {
		target := &o.Targets[i]
		want, ok := but[target.Account]
		if !ok {
			want = expected{status: report.TargetSwept}
		}
		if target.Status != want.status || !strings.Contains(target.Cause, want.cause) {
			t.Errorf("%s %s is %s (%s), want %s (%s)", target.Account, target.Region, target.Status, target.Cause, want.status, want.cause)
			continue
		}
		got := map[account.Verdict]int{}
		for v, n := range target.Summary.ByVerdict {
			if n > 0 {
				got[account.Verdict(v)] = n
			}
		}
		switch want.status {
		case report.TargetSwept:
			if w := fleet.Want(number(target.Account, target.Region)); !maps.Equal(got, w) {
				t.Errorf("%s %s has %v, want %v", target.Account, target.Region, got, w)
			}
			if target.Report == nil {
				t.Errorf("%s %s says not where its report is", target.Account, target.Region)
			}
		case report.TargetFailed:
			if len(got) > 0 || target.Verdict != nil {
				t.Errorf("%s %s failed and has %v", target.Account, target.Region, got)
			}
		case report.TargetIncomplete:
			if got[account.InSync] > 0 || target.Verdict == nil {
				t.Errorf("%s %s could be read in part and has %v", target.Account, target.Region, got)
			}
		}
		for v, n := range got {
			sum[v] += n
		}
	}
	for v, n := range o.Summary().ByVerdict {
		if n != sum[account.Verdict(v)] {
			t.Errorf("%d secrets are %s, the targets have %d", n, v, sum[account.Verdict(v)])
		}
	}
	worse := 0
	for v, n := range sum {
		if v != account.InSync && v != account.Skipped {
			worse += n
		}
	}
	if len(o.Secrets) != worse {
		t.Errorf("%d secrets are in the report in full, want %d", len(o.Secrets), worse)
	}
	if !slices.IsSortedFunc(o.Targets, func(a, b report.Target) int {
		return strings.Compare(a.Account+a.Region, b.Account+b.Region)
	}) {
		t.Error("the targets are not sorted")
	}
}

// TestFleetRuns runs the synthesized state machine with the built functions: three accounts, one of which lets nobody in; then with a sweep
// function that leaves nothing behind.
func TestFleetRuns(t *testing.T) {
	regions := []string{"eu-central-1"}
	r := runFleet(t, 3, regions, 60)
	cfg := r.hub.Peer(fleetAccount(1)).Config()
	cfg.BaseEndpoint = &r.accounts
	if _, err := iam.NewFromConfig(cfg).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("rotationguard-member")}); err != nil {
		t.Fatal(err)
	}
	if out := r.run(t, "first"); out.Status != sfntypes.ExecutionStatusSucceeded || !strings.Contains(aws.ToString(out.Output), `"failed": 1`) {
		t.Fatalf("the execution is %s: %s %s %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause), aws.ToString(out.Output))
	}
	o := r.report(t, "first")
	wantExactly(t, &o, 3, regions, map[string]expected{fleetAccount(1): {report.TargetFailed, "sts:AssumeRole"}})
	if messages := r.told(t); len(messages) != 1 {
		t.Errorf("%d messages, want one", len(messages))
	}

	// A sweep that cannot leave its report has failed, and more than the tolerated share have.
	if _, err := lambda.NewFromConfig(r.cfg).UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("fleet-sweep"), Environment: &lambdatypes.Environment{Variables: map[string]string{
			"AWS_ENDPOINT_URL": r.accounts, "ROTATIONGUARD_TARGETS": targetsInPackage,
		}},
	}); err != nil {
		t.Fatal(err)
	}
	if out := r.run(t, "second"); out.Status != sfntypes.ExecutionStatusFailed || aws.ToString(out.Error) != "States.ExceedToleratedFailureThreshold" {
		t.Errorf("the execution is %s: %s %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	o = r.report(t, "second")
	wantExactly(t, &o, 3, regions, map[string]expected{
		fleetAccount(0): {report.TargetFailed, "ReportFailed"}, fleetAccount(1): {report.TargetFailed, "TargetDenied"}, fleetAccount(2): {report.TargetFailed, "ROTATIONGUARD_REPORTS_BUCKET"},
	})
	if messages := r.told(t); len(messages) != 1 {
		t.Errorf("%d messages of the second run, want one", len(messages))
	}
	if _, err := r.s3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: &r.bucket, Key: aws.String("runs/second/" + fleetAccount(0) + "/eu-central-1.failed.json")}); err != nil {
		t.Errorf("what the state machine notes: %v", err)
	}
}

// onMoto is moto with a state machine of the fleet's definition, whose functions all are one that answers what it is told to.
type onMoto struct {
	url     string
	cfg     aws.Config
	machine *string
}

// motoBucket is where the definition's bucket is on moto.
const motoBucket = "rotationguard-reports"

// post gives moto's own API a value.
func (m *onMoto) post(t *testing.T, path string, value any) {
	t.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+"/moto-api/"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s: %s", path, answer.Status)
	}
}

// create makes a state machine.
func (m *onMoto) create(t *testing.T, name, definition string) (*sfn.CreateStateMachineOutput, error) {
	t.Helper()
	return sfn.NewFromConfig(m.cfg).CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: &name, Definition: &definition, RoleArn: aws.String("arn:aws:iam::" + account.ID + ":role/fleet"),
	})
}

// motoDefinition is the fleet's, in which every function is "f".
func motoDefinition(t *testing.T) string {
	t.Helper()
	text := plainText(fleetTemplate(t, defaultSettings(), organizationTargets).only(t, "AWS::StepFunctions::StateMachine")["DefinitionString"])
	text = strings.NewReplacer("<AWS::Partition>", "aws", "<AWS::AccountId>", account.ID, "<AWS::Region>", "eu-central-1").Replace(text)
	text = regexp.MustCompile(`<\w+\.Arn>`).ReplaceAllString(text, "arn:aws:lambda:eu-central-1:"+account.ID+":function:f")
	text = regexp.MustCompile(`<\w+>`).ReplaceAllString(text, motoBucket)
	return strings.Replace(text, `"ToleratedFailurePercentage":10`, `"ToleratedFailurePercentage":10.0`, 1) // moto's grammar wants a fraction there
}

func startOnMoto(t *testing.T) *onMoto {
	t.Helper()
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	m := &onMoto{url: s.URL, cfg: aws.Config{Region: "eu-central-1", BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}}
	m.post(t, "config", map[string]any{"stepfunctions": map[string]any{"execute_state_machine": true}, "lambda": map[string]any{"use_docker": false}})
	return m
}

// TestFleetDefinitionIsTakenByMoto gives the definition, which ministack takes without looking at ResultWriter, to a second parser of the Amazon States
// Language; the same parser refuses one with a ResultWriter that is none.
func TestFleetDefinitionIsTakenByMoto(t *testing.T) {
	m, text := startOnMoto(t), motoDefinition(t)
	made, err := m.create(t, "fleet", text)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(text, `"ResultWriter":{`, `"ResultWriter":{"Buckets":1,`, 1)
	if _, err := m.create(t, "broken", broken); err == nil || broken == text {
		t.Error("a ResultWriter that is none is taken")
	}
	m.machine = made.StateMachineArn
	m.writesResults(t)
}

// writesResults runs the machine: its map reads its items from the object that List names, and its ResultWriter leaves the manifest of the map run as an object in the
// folder that the run's name makes. (Which executions there were moto leaves out of it.)
func (m *onMoto) writesResults(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	role, err := iam.NewFromConfig(m.cfg).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("f"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	must(err)
	code, err := account.EmptyPackage()
	must(err)
	_, err = lambda.NewFromConfig(m.cfg).CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Role: role.Role.Arn, Code: &lambdatypes.FunctionCode{ZipFile: code},
	})
	must(err)
	bucket := s3.NewFromConfig(m.cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(motoBucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"}})
	must(err)
	targets := `[{"account":"111122223333","region":"eu-central-1","role_arn":"a"},{"account":"444455556666","region":"eu-central-1","role_arn":"b"}]`
	_, err = bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(motoBucket), Key: aws.String("runs/first/targets.json"), Body: strings.NewReader(targets)})
	must(err)
	swept := `{"verdict":"in-sync","summary":{},"report":"s3://b/k"}`
	m.post(t, "static/lambda-simple/response", map[string]any{"region": "eu-central-1", "account_id": account.ID, "results": []string{
		`{"run":"first","key":"runs/first/targets.json","targets":2,"failed":0}`, swept, swept, `{"report":"s3://b/runs/first/fleet.json"}`,
	}})
	client := sfn.NewFromConfig(m.cfg)
	started, err := client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: m.machine, Name: aws.String("first"), Input: aws.String("{}")})
	must(err)
	var out *sfn.DescribeExecutionOutput
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		out, err = client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: started.ExecutionArn})
		must(err)
		if out.Status != sfntypes.ExecutionStatusRunning {
			break
		}
	}
	if out.Status != sfntypes.ExecutionStatusSucceeded || !strings.Contains(aws.ToString(out.Output), "runs/first/fleet.json") {
		t.Fatalf("the execution is %s: %s %s %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause), aws.ToString(out.Output))
	}
	list, err := bucket.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(motoBucket), Prefix: aws.String("evidence/")})
	must(err)
	if len(list.Contents) != 1 || !regexp.MustCompile(`^evidence/first/[^/]+/manifest\.json$`).MatchString(aws.ToString(list.Contents[0].Key)) {
		t.Fatalf("%d objects of evidence: %+v", len(list.Contents), list.Contents)
	}
	object, err := bucket.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(motoBucket), Key: list.Contents[0].Key})
	must(err)
	defer object.Body.Close()
	var manifest struct {
		DestinationBucket, MapRunArn string
	}
	must(json.NewDecoder(object.Body).Decode(&manifest))
	if manifest.DestinationBucket != motoBucket || !strings.Contains(manifest.MapRunArn, ":mapRun:fleet/Targets:") {
		t.Errorf("manifest %+v", manifest)
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/deployed"
)

// release is what "make template" writes for the demo's config in a mode, with the binary of "make build".
func release(t *testing.T, mode string, context map[string]any) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "rotationguard.yaml")
	text := string(readFile(t, "../scripts/demo/rotationguard.yaml")) + "\nmode: " + mode + "\narchitecture: " + runtime.GOARCH + "\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	app := newApp(t.TempDir())
	for name, v := range map[string]any{"selfContained": true, "config": config, "dist": "../dist"} {
		app.Node().SetContext(&name, v)
	}
	for name, v := range context {
		app.Node().SetContext(&name, v)
	}
	if err := assemble(app); err != nil {
		t.Fatal(err)
	}
	return *app.Outdir()
}

// proof is the demo's account on ministack, where stacks are deployed.
type proof struct {
	*deployed.Ministack
	stack *deployed.Stack
	inbox *deployed.Inbox
}

func newProof(t *testing.T) *proof {
	t.Helper()
	m, err := deployed.Start(t.Context(), "AUTH=true") // what the stack runs is allowed what its roles' policies allow, and no more
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log := m.Log()
			t.Logf("the end of ministack's log:\n%s", log[max(0, len(log)-6000):])
		}
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := account.Seed(t.Context(), m.Config()); err != nil {
		t.Fatal(err)
	}
	return &proof{Ministack: m}
}

// deploy makes or updates the stack.
func (p *proof) deploy(t *testing.T, folder string) {
	t.Helper()
	stack, err := p.Deploy(t.Context(), "rotationguard", folder)
	if err == nil && p.inbox == nil {
		p.inbox, err = stack.Listen(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	p.stack = stack
}

// sweep runs the deployed function as "aws lambda invoke" does.
func (p *proof) sweep(t *testing.T, payload string) (answer struct{ Mode, Verdict, Report string }) {
	t.Helper()
	out, err := p.stack.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return answer
}

// forbid denies the function's role an action.
func (p *proof) forbid(t *testing.T, action string) {
	t.Helper()
	function, err := lambda.NewFromConfig(p.Config()).GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(p.stack.Outputs["FunctionName"])})
	if err != nil {
		t.Fatal(err)
	}
	role := aws.ToString(function.Role)
	if _, err := iam.NewFromConfig(p.Config()).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String(role[strings.LastIndex(role, "/")+1:]), PolicyName: aws.String("Forbidden"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`),
	}); err != nil {
		t.Fatal(err)
	}
}

// await waits for what a deployed stack does by itself.
func await(t *testing.T, what string, within time.Duration, done func() bool) {
	t.Helper()
	for until := time.Now().Add(within); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: not after %v", what, within)
		}
	}
}

// told takes messages until one holds text.
func (p *proof) told(t *testing.T, text string, within time.Duration) {
	t.Helper()
	await(t, "an alert with "+text, within, func() bool {
		messages, err := p.inbox.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			t.Logf("told: %.300s", m)
		}
		return slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, text) })
	})
}

// runs are the runs that the ledger knows, the latest first.
func (p *proof) runs(t *testing.T) []ledger.Run {
	t.Helper()
	table, err := ledger.OpenTable(t.Context(), dynamodb.NewFromConfig(p.Config()), p.stack.Outputs["LedgerTable"], account.ID+"/"+account.Region)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := table.Runs(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// report reads the full report from where an answer says it is.
func (p *proof) report(t *testing.T, where string) report.Outcome {
	t.Helper()
	key, ok := strings.CutPrefix(where, "s3://"+p.stack.Outputs["ReportsBucket"]+"/")
	if !ok {
		t.Fatalf("the report is at %q, not in the stack's bucket", where)
	}
	out, err := s3.NewFromConfig(p.Config(), func(o *s3.Options) { o.UsePathStyle = true }).GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(p.stack.Outputs["ReportsBucket"]), Key: &key,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	o, err := report.Read(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// granted says whether a function's policy lets Secrets Manager invoke it.
func (p *proof) granted(t *testing.T, function string) bool {
	t.Helper()
	granted, err := p.Granted(t.Context(), function)
	if err != nil {
		t.Fatal(err)
	}
	return granted
}

// ungrant takes from Secrets Manager what lets it invoke a function, and sends the event of that as the stack's rule does.
func (p *proof) ungrant(t *testing.T, function string) {
	t.Helper()
	if !p.granted(t, function) {
		t.Fatalf("%s cannot be invoked before anything is removed", function)
	}
	event, err := p.Ungrant(t.Context(), function)
	if err != nil {
		t.Fatal(err)
	}
	if p.granted(t, function) {
		t.Fatal("the grant is still there")
	}
	p.matches(t, event)
	p.send(t, event)
}

// matches holds that the deployed rule of Lambda's calls, as EventBridge has it, matches an event.
func (p *proof) matches(t *testing.T, event string) {
	t.Helper()
	client := eventbridge.NewFromConfig(p.Config())
	rules, err := client.ListRules(t.Context(), &eventbridge.ListRulesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules.Rules {
		if pattern := aws.ToString(rule.EventPattern); strings.Contains(pattern, "aws.lambda") {
			out, err := client.TestEventPattern(t.Context(), &eventbridge.TestEventPatternInput{Event: &event, EventPattern: &pattern})
			if err != nil || !out.Result {
				t.Errorf("the rule %s does not match (%v): %s", aws.ToString(rule.Name), err, event)
			}
			return
		}
	}
	t.Error("no deployed rule matches Lambda's calls")
}

// send puts a message on the stack's queue.
func (p *proof) send(t *testing.T, body string) {
	t.Helper()
	if err := p.stack.Send(t.Context(), body); err != nil {
		t.Fatal(err)
	}
}

// waiting is how many messages a queue holds, in flight or not.
func (p *proof) waiting(t *testing.T, output string) string {
	t.Helper()
	out, err := sqs.NewFromConfig(p.Config()).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(p.stack.Outputs[output]), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// inSyncFunction is a function of the demo's account with which nothing is wrong.
const inSyncFunction = "rotate-orders"

// TestDeployedStackMendsWhatAnEventConcerns deploys the synthesized template in mode repair: the first sweep tells and mends, and what is broken
// afterwards is mended as soon as its event is in the queue.
func TestDeployedStackMendsWhatAnEventConcerns(t *testing.T) {
	p := newProof(t)
	p.deploy(t, release(t, modeRepair, nil))
	answer := p.sweep(t, "{}")
	p.told(t, `"schema":"rotationguard.alert/1"`, 10*time.Second)
	full := p.report(t, answer.Report)
	if len(full.Secrets) == 0 || len(full.Changes) == 0 || full.Mode != "repair" {
		t.Errorf("the report has %d secrets and %d changes in mode %s", len(full.Secrets), len(full.Changes), full.Mode)
	}
	if runs := p.runs(t); len(runs) != 1 || !runs[0].Complete || runs[0].Mode != modeRepair || runs[0].Journal == "" {
		t.Errorf("the ledger knows the runs %+v, want one in mode repair that listed the account and changed something", runs)
	}
	p.ungrant(t, inSyncFunction)
	await(t, "the grant is back", time.Minute, func() bool { return p.granted(t, inSyncFunction) })
	await(t, "the run of the event is remembered", time.Minute, func() bool {
		return slices.ContainsFunc(p.runs(t), func(r ledger.Run) bool { return !r.Complete && r.Ended != nil && r.Journal != "" })
	})
	await(t, "the event is taken from the queue", time.Minute, func() bool { return p.waiting(t, "EventsQueueUrl") == "0+0" })
	p.forbid(t, "secretsmanager:ListSecrets")
	if out, err := p.stack.Invoke(t.Context(), "{}"); err == nil || !strings.Contains(err.Error(), "secretsmanager:ListSecrets") {
		t.Errorf("without ListSecrets a sweep answers %s, %v: the emulator enforces nothing", out, err)
	}
}

package alert

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// onMoto is a configuration for moto's account.
func onMoto(t *testing.T) aws.Config {
	t.Helper()
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	return aws.Config{Region: region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// queue makes a queue and gives its URL and ARN.
func queue(t *testing.T, cfg aws.Config, name string, fifo bool) (url, arn string) {
	t.Helper()
	in := &sqs.CreateQueueInput{QueueName: &name}
	if fifo {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	client := sqs.NewFromConfig(cfg)
	out, err := client.CreateQueue(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: out.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, attributes.Attributes["QueueArn"]
}

// drain takes the bodies that are in a queue.
func drain(t *testing.T, cfg aws.Config, url string) []string {
	t.Helper()
	var bodies []string
	client := sqs.NewFromConfig(cfg)
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOnMoto tells by every way on an emulator that others wrote, and looks at what arrives where.
func TestOnMoto(t *testing.T) {
	cfg := onMoto(t)
	topics := sns.NewFromConfig(cfg)
	newTopic := func(name string, attributes map[string]string) string {
		out, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		return *out.TopicArn
	}
	topic, chat, ordered := newTopic("alerts", nil), newTopic("chat", nil), newTopic("ordered.fifo", map[string]string{"FifoTopic": "true"})
	queues := map[string]string{}
	subscribe := func(name, topic, filter string) {
		url, arn := queue(t, cfg, name, strings.HasSuffix(name, ".fifo"))
		queues[name] = url
		in := &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: map[string]string{"RawMessageDelivery": "true"}}
		if filter != "" {
			in.Attributes["FilterPolicy"] = filter
		}
		if _, err := topics.Subscribe(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	// The filter policies of docs/alerts.md among them.
	for name, filter := range map[string]string{
		"all": "", "on-call": `{"event": ["new", "worse", "reopened"], "verdict": ["broken", "orphaned"]}`, "ended": `{"event": [{"prefix": "resolved"}, "exempted"]}`,
		"payments": `{"team": ["payments"], "severity": ["critical", "high"]}`, "shipping": `{"team": ["shipping"]}`, "elsewhere": `{"account": ["999999999999"]}`,
		"here": `{"account": ["` + accountID + `"], "region": ["` + region + `"]}`,
	} {
		subscribe(name, topic, filter)
	}
	subscribe("chats", chat, "")
	subscribe("ordered.fifo", ordered, "")

	bus := "security"
	events := eventbridge.NewFromConfig(cfg)
	if _, err := events.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &bus}); err != nil {
		t.Fatal(err)
	}
	url, arn := queue(t, cfg, "critical-events", false)
	queues["critical-events"] = url
	pattern := `{"source": ["rotationguard"], "detail-type": ["Rotation Finding New"], "detail": {"finding": {"severity": ["critical"]}, "secret": {"rotation_can_work": [false]}}}`
	if _, err := events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("critical"), EventBusName: &bus, EventPattern: &pattern}); err != nil {
		t.Fatal(err)
	}
	if _, err := events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("critical"), EventBusName: &bus, Targets: []ebtypes.Target{{Id: aws.String("q"), Arn: &arn}}}); err != nil {
		t.Fatal(err)
	}
	hub := securityhub.NewFromConfig(cfg)
	if _, err := hub.EnableSecurityHub(t.Context(), &securityhub.EnableSecurityHubInput{}); err != nil {
		t.Fatal(err)
	}

	teller := Teller{Topic: NewTopic(cfg, topic), Chat: NewTopic(cfg, chat), Bus: NewBus(cfg, bus), Hub: NewHub(cfg), Tags: []string{"team"}}
	pay, ship := secret("pay", drift.Broken, in(50*time.Hour), finding("f-pay", "pay", drift.Critical)), secret("ship", drift.Drifted, in(50*time.Hour), finding("f-ship", "ship", drift.Medium))
	pay.Tags, ship.Tags = map[string]string{"team": "payments"}, map[string]string{"team": "shipping"}
	s := &sweeper{l: newLedger(t), w: &ways{Teller: teller}}
	first, err := s.tell(t, outcome(pay, ship))
	if err != nil || len(first.Messages) != 2 || first.Chats != 2 || first.Events != 2 || first.Findings != 2 {
		t.Fatalf("told %+v: %v", first, err)
	}
	mended := secret("pay", drift.InSync, in(50*time.Hour))
	mended.Tags = pay.Tags
	if _, err := s.tell(t, outcome(mended, ship)); err != nil {
		t.Fatal(err)
	}
	orderly := Teller{Topic: NewTopic(cfg, ordered)}
	o := outcome(pay, ship)
	if _, err := orderly.Tell(t.Context(), nil, &o, ""); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string][]string{
		"all": {"new f-pay", "new f-ship", "resolved-by-others f-pay"}, "on-call": {"new f-pay"}, "ended": {"resolved-by-others f-pay"}, "payments": {"new f-pay", "resolved-by-others f-pay"},
		"shipping": {"new f-ship"}, "elsewhere": nil, "here": {"new f-pay", "new f-ship", "resolved-by-others f-pay"}, "ordered.fifo": {"drift f-pay f-ship"},
	} {
		var got []string
		for _, body := range drain(t, cfg, queues[name]) {
			var a Alert
			if err := json.Unmarshal([]byte(body), &a); err != nil {
				t.Fatalf("%s: %v in %s", name, err, body)
			}
			line := string(a.Event)
			for _, item := range a.Secrets {
				for _, f := range item.Findings {
					line += " " + f.ID
				}
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s got %q, want %q", name, got, want)
		}
	}
	var threads []string
	for _, body := range drain(t, cfg, queues["chats"]) {
		var n notification
		if err := json.Unmarshal([]byte(body), &n); err != nil {
			t.Fatal(err)
		}
		threads = append(threads, n.Metadata.ThreadID+" "+n.Metadata.EventType)
	}
	slices.Sort(threads)
	if want := []string{"f-pay new", "f-pay resolved-by-others", "f-ship new"}; !slices.Equal(threads, want) {
		t.Errorf("chats got %q, want %q", threads, want)
	}
	bodies := drain(t, cfg, queues["critical-events"])
	if len(bodies) != 1 || !strings.Contains(bodies[0], `"f-pay"`) {
		t.Errorf("the rule for critical events let through %d: %v", len(bodies), bodies)
	}
	if got := imports(t, hub); !slices.Equal(got, []string{"f-pay ARCHIVED PASSED", "f-ship ACTIVE FAILED"}) {
		t.Errorf("Security Hub has %q", got)
	}
	inHundreds(t, cfg)
}

// inHundreds imports more findings than a call takes, twice: the second time none of them is another finding, and all that has changed is their state.
func inHundreds(t *testing.T, cfg aws.Config) {
	t.Helper()
	hub := securityhub.NewFromConfig(cfg)
	calls := 0
	s := &sweeper{l: newLedger(t), w: &ways{Teller: Teller{Hub: &Hub{func(ctx context.Context, in *securityhub.BatchImportFindingsInput, options ...func(*securityhub.Options)) (*securityhub.BatchImportFindingsOutput, error) {
		calls++
		return hub.BatchImportFindings(ctx, in, options...)
	}}}}}
	before, o := len(imports(t, hub)), many(120)
	for _, step := range []struct {
		o     report.Outcome
		state string
	}{{o, " ACTIVE FAILED"}, {synced(o), " ARCHIVED PASSED"}} {
		calls = 0
		if told, err := s.tell(t, step.o); err != nil || told.Findings != 120 || calls != 2 {
			t.Fatalf("%d findings in %d calls: %v", told.Findings, calls, err)
		}
		all, n := imports(t, hub), 0
		for _, line := range all {
			if strings.HasPrefix(line, "f-db-") && strings.HasSuffix(line, step.state) {
				n++
			}
		}
		if n != 120 || len(all) != before+120 {
			t.Errorf("Security Hub has %d findings, %d of them%s; want %d and 120", len(all), n, step.state, before+120)
		}
	}
}

// imports are the findings that Security Hub has, none of which has what is the customer's.
func imports(t *testing.T, hub *securityhub.Client) []string {
	t.Helper()
	var all []string
	pages := securityhub.NewGetFindingsPaginator(hub, &securityhub.GetFindingsInput{MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.Findings {
			all = append(all, *f.Id+" "+string(f.RecordState)+" "+string(f.Compliance.Status))
			if f.Workflow != nil || f.Note != nil {
				t.Errorf("%s has a workflow or a note", *f.Id)
			}
		}
	}
	slices.Sort(all)
	return all
}

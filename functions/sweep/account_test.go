package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// demoAccount is the demo's account on moto, with a topic and queues that are subscribed to it.
type demoAccount struct {
	url     string
	cfg     aws.Config
	topic   string
	all     queue // every message
	broken  queue // messages of the verdict broken, by a filter policy
	healthy queue // messages of the verdict in-sync, by a filter policy
}

type queue struct {
	client *sqs.Client
	url    string
}

// newDemoAccount starts moto and seeds it.
func newDemoAccount(t *testing.T) *demoAccount {
	t.Helper()
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	a := &demoAccount{url: s.URL, cfg: aws.Config{
		Region: account.Region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}
	if err := account.Seed(t.Context(), a.cfg); err != nil {
		t.Fatal(err)
	}
	client := sns.NewFromConfig(a.cfg)
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("rotationguard")})
	if err != nil {
		t.Fatal(err)
	}
	a.topic = aws.ToString(topic.TopicArn)
	a.all = a.subscribe(t, "all", "")
	a.broken = a.subscribe(t, "broken", `{"verdict":["broken"]}`)
	a.healthy = a.subscribe(t, "healthy", `{"verdict":["in-sync"]}`)
	return a
}

func (a *demoAccount) subscribe(t *testing.T, name, filter string) queue {
	t.Helper()
	client := sqs.NewFromConfig(a.cfg)
	q, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	in := &sns.SubscribeInput{TopicArn: &a.topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + account.Region + ":" + account.ID + ":" + name)}
	if filter != "" {
		in.Attributes = map[string]string{"FilterPolicy": filter}
	}
	if _, err := sns.NewFromConfig(a.cfg).Subscribe(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return queue{client, aws.ToString(q.QueueUrl)}
}

// addWriter makes the role that changes are written with.
func (a *demoAccount) addWriter(t *testing.T) string {
	t.Helper()
	out, err := iam.NewFromConfig(a.cfg).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("rotationguard-writer"), AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account.ID + `"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Role.Arn)
}

// addTable makes the ledger's table as infra does, and gives its name.
func (a *demoAccount) addTable(t testing.TB) string {
	t.Helper()
	const name = "rotationguard-ledger"
	text := types.ScalarAttributeTypeS
	if _, err := dynamodb.NewFromConfig(a.cfg).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(ledger.PartitionKey), AttributeType: text}, {AttributeName: aws.String(ledger.SortKey), AttributeType: text},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(ledger.PartitionKey), KeyType: types.KeyTypeHash}, {AttributeName: aws.String(ledger.SortKey), KeyType: types.KeyTypeRange},
		},
	}); err != nil {
		t.Fatal(err)
	}
	return name
}

// remembered is the ledger in the table.
func (a *demoAccount) remembered(t *testing.T, table string) *ledger.Table {
	t.Helper()
	l, err := ledger.OpenTable(t.Context(), dynamodb.NewFromConfig(a.cfg), table, account.ID+"/"+account.Region)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// environ is what Lambda and infra give the function.
func (a *demoAccount) environ(more ...string) []string {
	return append([]string{
		"AWS_REGION=" + account.Region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=test",
		"AWS_ENDPOINT_URL=" + a.url, envTopic + "=" + a.topic,
	}, more...)
}

// message is one message as SNS puts it into a queue.
type message struct {
	Subject, Message, MessageID, TopicArn string
	MessageAttributes                     map[string]struct{ Type, Value string }
}

// drain takes what is in the queue.
func (q queue) drain(t *testing.T) []message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var messages []message
	for {
		out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return messages
		}
		for _, m := range out.Messages {
			var said message
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &said); err != nil {
				t.Fatalf("%s: %v", aws.ToString(m.Body), err)
			}
			messages = append(messages, said)
			if _, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// one is the queue's only message.
func (q queue) one(t *testing.T) message {
	t.Helper()
	messages := q.drain(t)
	if len(messages) != 1 {
		t.Fatalf("%d messages, want one: %+v", len(messages), messages)
	}
	return messages[0]
}

// demoConfig is the demo's configuration in a mode: breaker and settling time are lifted.
func demoConfig(t *testing.T, mode string) string {
	t.Helper()
	text, err := os.ReadFile("../../scripts/demo/rotationguard.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "\nmode:") {
		t.Fatal("the demo's configuration names a mode")
	}
	return "mode: " + mode + "\n" + string(text)
}

// count counts secrets by what the account's data say of them before or after a repair, as moto holds them.
func count(verdict func(account.Secret) account.Verdict) map[account.Verdict]int {
	counted := map[account.Verdict]int{}
	for _, s := range account.Masters() {
		counted[verdict(s)]++
	}
	for _, r := range account.Rotations() {
		if r.Held == account.Everywhere {
			for _, s := range r.Secrets {
				counted[verdict(s)]++
			}
		}
	}
	return counted
}

func beforeRepair(s account.Secret) account.Verdict { return s.Before }
func afterRepair(s account.Secret) account.Verdict  { return s.After }

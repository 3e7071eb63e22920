package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// topic keeps what is published.
type topic struct {
	messages []*sns.PublishInput
	err      error
}

func (p *topic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if p.err != nil {
		return nil, p.err
	}
	p.messages = append(p.messages, in)
	return &sns.PublishOutput{MessageId: aws.String("m-1")}, nil
}

const topicARN = "arn:aws:sns:eu-west-1:111122223333:rotationguard"

func TestPublishTellsOfDriftOnly(t *testing.T) {
	for name, want := range map[string]int{"in-sync": 0, "empty": 0, "broken": 1, "unknown": 1, "repaired": 1, "hostile": 1} {
		t.Run(name, func(t *testing.T) {
			o := situations()[name]
			p := &topic{}
			id, err := Publish(t.Context(), p, topicARN, &o, "")
			if err != nil || len(p.messages) != want || (id != "") != (want == 1) {
				t.Errorf("Publish = %q, %v and %d messages, want %d", id, err, len(p.messages), want)
			}
		})
	}
}

func TestMessageHasTextForPeopleAndJSONForMachines(t *testing.T) {
	schema := compile(t, AlertJSONSchema)
	for name, o := range situations() {
		if !o.HasDrift() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := &topic{}
			if _, err := Publish(t.Context(), p, topicARN, &o, "s3://reports/r.json"); err != nil {
				t.Fatal(err)
			}
			in := p.messages[0]
			if aws.ToString(in.MessageStructure) != "json" || aws.ToString(in.TopicArn) != topicARN {
				t.Errorf("structure %q to %q", aws.ToString(in.MessageStructure), aws.ToString(in.TopicArn))
			}
			var parts map[string]string
			if err := json.Unmarshal([]byte(*in.Message), &parts); err != nil {
				t.Fatal(err)
			}
			machine, err := jsonschema.UnmarshalJSON(strings.NewReader(parts["default"]))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(machine); err != nil {
				t.Error(err)
			}
			var alert Alert
			if err := json.Unmarshal([]byte(parts["default"]), &alert); err != nil {
				t.Fatalf("%v in %s", err, parts["default"])
			}
			if alert.Schema != AlertSchema || alert.Account != o.Account || len(alert.Secrets) != len(o.WithVerdict(Drift)) || aws.ToString(alert.Report) != "s3://reports/r.json" {
				t.Errorf("alert %+v", alert)
			}
			for _, r := range parts["email"] + parts["sms"] {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Errorf("the text holds %U", r)
				}
			}
			golden(t, name+".email.txt", []byte(aws.ToString(in.Subject)+"\n\n"+parts["email"]))
			for attribute, want := range map[string]string{
				"event": "drift", "verdict": string(o.WorstVerdict()), "severity": string(o.WorstSeverity()), "account": accountID, "region": region,
			} {
				if got := in.MessageAttributes[attribute]; aws.ToString(got.StringValue) != want || aws.ToString(got.DataType) != "String" {
					t.Errorf("attribute %s = %q, want %q", attribute, aws.ToString(got.StringValue), want)
				}
			}
		})
	}
}

func TestSubjectIsWhatSNSTakes(t *testing.T) {
	o := situations()["hostile"]
	o.Account, o.Region = strings.Repeat(nasty, 3), nasty
	for name, o := range map[string]Outcome{"hostile": o, "broken": situations()["broken"]} {
		alert := NewAlert(&o, "")
		subject := alert.Subject()
		if len(subject) == 0 || len(subject) >= 100 {
			t.Errorf("%s: a subject of %d characters", name, len(subject))
		}
		for _, r := range subject {
			if r < 0x20 || r > 0x7e {
				t.Errorf("%s: the subject holds %U", name, r)
			}
		}
	}
}

func TestMessageFitsAndCountsWhatDoesNot(t *testing.T) {
	o := Outcome{Account: accountID, Region: region, Mode: repair.ModeReport, At: now}
	const secrets = 1500
	for i := range secrets {
		name := fmt.Sprintf("app-%04d", i)
		j := judged(name, drift.Broken, in(time.Duration(i)*time.Hour), "the next rotation fails", denied("f-"+name, name, "secretsmanager:GetSecretValue"))
		o.Add(&j)
	}
	alert := NewAlert(&o, "")
	message, err := alert.Message(now)
	if err != nil {
		t.Fatal(err)
	}
	if len(message) > maxMessage-reserved || len(message) < (maxMessage-reserved)*9/10 {
		t.Errorf("a message of %d bytes, at most %d fit", len(message), maxMessage-reserved)
	}
	var parts map[string]string
	if err := json.Unmarshal([]byte(message), &parts); err != nil {
		t.Fatal(err)
	}
	var told Alert
	if err := json.Unmarshal([]byte(parts["default"]), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Secrets)+told.Omitted != secrets || told.Omitted == 0 || told.Secrets[0].Name != "app-0000" {
		t.Errorf("%d told, %d omitted, first %s", len(told.Secrets), told.Omitted, told.Secrets[0].Name)
	}
	if want := fmt.Sprintf("And %d more", told.Omitted); !strings.Contains(parts["email"], want) {
		t.Errorf("the email does not say %q", want)
	}
	o.Changes = make([]repair.Change, 5000)
	for i := range o.Changes {
		o.Changes[i] = repair.Change{ID: strings.Repeat("c", 80), Subject: roleARN("r")}
	}
	alert = NewAlert(&o, "")
	if message, err = alert.Message(now); err != nil || len(message) > maxMessage-reserved {
		t.Errorf("with many changes: %d bytes, %v", len(message), err)
	}
}

func TestFIFOTopicGetsGroupAndDeduplication(t *testing.T) {
	o := situations()["broken"]
	p := &topic{}
	if _, err := Publish(t.Context(), p, topicARN+".fifo", &o, ""); err != nil {
		t.Fatal(err)
	}
	if in := p.messages[0]; aws.ToString(in.MessageGroupId) != accountID+"-"+region || aws.ToString(in.MessageDeduplicationId) == "" {
		t.Errorf("group %q, deduplication %q", aws.ToString(in.MessageGroupId), aws.ToString(in.MessageDeduplicationId))
	}
}

func TestPublishNamesTheTopicInItsError(t *testing.T) {
	o := situations()["broken"]
	_, err := Publish(t.Context(), &topic{err: errors.New("no")}, topicARN, &o, "")
	if err == nil || !strings.Contains(err.Error(), topicARN) {
		t.Errorf("error %v", err)
	}
}

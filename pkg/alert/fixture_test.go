package alert

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	hubtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// now is the moment of every sweep here.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	accountID = "111122223333"
	region    = "eu-west-1"
	topicARN  = "arn:aws:sns:eu-west-1:111122223333:rotationguard"
)

// nasty is what an attacker may call a secret, a tag or a role.
const nasty = "=cmd|' /C calc'!A0 <script>alert(1)</script> \x1b[31mred\x1b]0;title\x07 \u009b31m \u202edesrever\u2066 a\u0000b\r\nc\td </details>\"'`${x}` [a](javascript:alert(1)) <!channel> \u200bzero\u2028line\U000e0041tag"

func secretARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:secretsmanager:" + region + ":" + accountID + ":secret:" + name + "-AbCdEf")
}

func functionARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:lambda:" + region + ":" + accountID + ":function:rotate-" + name)
}

func roleARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:iam::" + accountID + ":role/rotate-" + name)
}

func in(d time.Duration) *time.Time {
	t := now.Add(d)
	return &t
}

// secret is one secret of an outcome.
func secret(name string, verdict drift.Verdict, next *time.Time, findings ...*drift.Finding) report.Secret {
	works := verdict != drift.Broken && verdict != drift.Orphaned
	s := report.Secret{
		ARN: secretARN(name), Name: name, Kind: rotation.KindLambda, FunctionARN: functionARN(name), RoleARN: roleARN(name), Tags: map[string]string{"team": "pay", "stage": "prod"},
		Verdict: verdict, RotationCanWork: &works, NextRotation: next, Reason: "the reason for " + string(verdict), Findings: findings,
	}
	if verdict == drift.Unknown {
		s.RotationCanWork = nil
	}
	return s
}

func finding(id, name string, severity drift.Severity) *drift.Finding {
	role := string(roleARN(name))
	return &drift.Finding{
		ID: id, Rule: "secret-access", Kind: drift.KindRole, Direction: policy.Missing, Severity: severity, Subject: roleARN(name), Secret: secretARN(name), Function: functionARN(name),
		Statement:   &policy.StatementRef{Document: "inline policy rotate", Index: 1, Sid: "Secret"},
		Witness:     &drift.Witness{Action: "secretsmanager:GetSecretValue", Resource: string(secretARN(name)), Principal: &role, Context: map[string][]string{"aws:SecureTransport": {"true"}}},
		Explanation: "secretsmanager:GetSecretValue is denied to the role rotate-" + name,
		Fix: &drift.Fix{
			By: drift.ByRepair, Summary: "Let the execution role call secretsmanager:GetSecretValue", Where: "inline policy rotationguard of " + role,
			Statement: `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}`, Command: "aws iam put-role-policy --role-name rotate-" + name,
		},
	}
}

func outcome(secrets ...report.Secret) report.Outcome {
	o := report.Outcome{Account: accountID, Region: region, Mode: repair.ModeReport, At: now, Secrets: secrets, Functions: len(secrets)}
	o.Sort()
	return o
}

// hostile is an outcome in which everything that others may write is nasty.
func hostile() report.Outcome {
	f := finding("f-9", "late", drift.Critical)
	f.Explanation, f.Subject, f.Secret, f.Function = nasty, nasty, nasty, nasty
	f.Witness = &drift.Witness{Action: nasty, Resource: nasty, Principal: &f.Explanation, Context: map[string][]string{nasty: {nasty}}}
	f.Fix = &drift.Fix{By: drift.ByPerson, Summary: nasty, Where: nasty, Statement: nasty, Command: nasty, BlockedBy: nasty}
	s := secret("late", drift.Broken, in(-time.Hour), f)
	s.Name, s.ARN, s.FunctionARN, s.RoleARN, s.Reason, s.Tags = nasty, nasty, nasty, nasty, nasty, map[string]string{"team": nasty, nasty: nasty}
	o := outcome(s)
	o.Changes = []repair.Change{{ID: "change-1", Call: repair.AddPermission, Status: repair.Failed, Reason: nasty, Name: nasty, Subject: nasty}}
	o.Operators = []report.Operator{{Principal: nasty, May: rotation.Trigger, Verdict: drift.Drifted, Reason: nasty}}
	o.Notes, o.Errors = []string{nasty}, []report.Error{{Call: "lambda:GetPolicy", Resource: nasty, Message: nasty}}
	return o
}

// newsOf makes every finding of an outcome news of a kind on the channels of a teller.
func newsOf(o *report.Outcome, kind ledger.TransitionKind, t *Teller, change func(*ledger.FindingRecord)) {
	seen := map[string]bool{}
	for i := range o.Secrets {
		for _, f := range o.Secrets[i].Findings {
			if seen[f.ID] {
				continue
			}
			seen[f.ID] = true
			for _, c := range t.Channels() {
				r := ledger.FindingRecord{Finding: *f, FirstSeen: now.Add(-48 * time.Hour), LastSeen: now}
				if change != nil {
					change(&r)
				}
				o.News = append(o.News, ledger.Transition{Kind: kind, Channel: c, Record: r})
			}
		}
	}
}

// posts is a topic that keeps what is published; it fails while err is set, after the first few.
type posts struct {
	messages []*sns.PublishInput
	err      error
	after    int
}

func (p *posts) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if p.err != nil && len(p.messages) >= p.after {
		return nil, p.err
	}
	p.messages = append(p.messages, in)
	return &sns.PublishOutput{MessageId: aws.String("m-1")}, nil
}

// busAPI keeps what is put; refuse says of an entry whether it is not taken.
type busAPI struct {
	calls  int
	put    []ebtypes.PutEventsRequestEntry
	refuse func(call, entry int) bool
}

func (b *busAPI) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.calls++
	out := &eventbridge.PutEventsOutput{}
	if len(in.Entries) > 10 {
		return nil, errors.New("ValidationException: more than 10 entries")
	}
	for i, e := range in.Entries {
		if b.refuse != nil && b.refuse(b.calls, i) {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, ebtypes.PutEventsResultEntry{ErrorCode: aws.String("ThrottlingException"), ErrorMessage: aws.String("slow down")})
			continue
		}
		b.put = append(b.put, e)
		out.Entries = append(out.Entries, ebtypes.PutEventsResultEntry{EventId: aws.String("e")})
	}
	return out, nil
}

// hubAPI keeps what is imported; it refuses the findings of refuse.
type hubAPI struct {
	calls    int
	findings []hubtypes.AwsSecurityFinding
	refuse   map[string]bool
}

func (h *hubAPI) BatchImportFindings(_ context.Context, in *securityhub.BatchImportFindingsInput, _ ...func(*securityhub.Options)) (*securityhub.BatchImportFindingsOutput, error) {
	h.calls++
	if len(in.Findings) > 100 {
		return nil, errors.New("InvalidInputException: more than 100 findings")
	}
	out := &securityhub.BatchImportFindingsOutput{}
	for _, f := range in.Findings {
		if h.refuse[*f.Id] {
			out.FailedFindings = append(out.FailedFindings, hubtypes.ImportFindingsError{Id: f.Id, ErrorCode: aws.String("InvalidInput"), ErrorMessage: aws.String("no")})
			continue
		}
		h.findings = append(h.findings, f)
	}
	return out, nil
}

// ways is a teller with all its ways, and what is sent by them.
type ways struct {
	Teller
	topic, chat *posts
	bus         *busAPI
	hub         *hubAPI
}

func newWays() *ways {
	w := &ways{topic: &posts{}, chat: &posts{}, bus: &busAPI{}, hub: &hubAPI{}}
	w.Teller = Teller{
		Topic: &Topic{ARN: topicARN, send: w.topic.Publish}, Chat: &Topic{ARN: topicARN + "-chat", send: w.chat.Publish},
		Bus: &Bus{Name: "security", putEvents: w.bus.PutEvents}, Hub: &Hub{w.hub.BatchImportFindings},
	}
	return w
}

func newLedger(t *testing.T) ledger.Ledger {
	t.Helper()
	l, err := ledger.OpenFile(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("schema.json")
}

func valid(t *testing.T, schema *jsonschema.Schema, text string) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%v in %s", err, text)
	}
}

// golden compares with a file that -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update rewrites it:\n%s", path, diff)
	}
}

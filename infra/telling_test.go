package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/google/go-cmp/cmp"
)

func TestReportsAreKeptAsEvidence(t *testing.T) {
	tests := []struct {
		name       string
		settings   Settings
		typ        string
		properties map[string]any
	}{
		{"encrypted, versioned, closed to the public, forgotten after 400 days", defaultSettings(), "AWS::S3::Bucket", map[string]any{
			"BucketEncryption": map[string]any{"ServerSideEncryptionConfiguration": []any{map[string]any{
				"BucketKeyEnabled":              true,
				"ServerSideEncryptionByDefault": map[string]any{"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": assertions.Match_AnyValue()},
			}}},
			"VersioningConfiguration": map[string]any{"Status": "Enabled"},
			"PublicAccessBlockConfiguration": map[string]any{
				"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
			},
			"OwnershipControls": map[string]any{"Rules": []any{map[string]any{"ObjectOwnership": "BucketOwnerEnforced"}}},
			"LifecycleConfiguration": map[string]any{"Rules": []any{
				assertions.Match_ObjectLike(&map[string]any{"Id": "Forget", "ExpirationInDays": 400, "Prefix": assertions.Match_Absent()}),
				assertions.Match_ObjectLike(&map[string]any{"Id": "ForgetContinuations", "ExpirationInDays": 1, "Prefix": "continue/"}),
			}},
			"BucketName": assertions.Match_Absent(),
		}},
		{"without TLS, and under TLS older than 1.2, nothing is read or written", defaultSettings(), "AWS::S3::BucketPolicy", map[string]any{
			"PolicyDocument": map[string]any{"Statement": assertions.Match_ArrayWith(&[]any{
				assertions.Match_ObjectLike(&map[string]any{"Effect": "Deny", "Action": "s3:*", "Principal": map[string]any{"AWS": "*"},
					"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}}),
				assertions.Match_ObjectLike(&map[string]any{"Effect": "Deny", "Action": "s3:*", "Principal": map[string]any{"AWS": "*"},
					"Condition": map[string]any{"NumericLessThan": map[string]any{"s3:TlsVersion": 1.2}}}),
			})},
		}},
		{"under a given name", with(func(s *Settings) { s.BucketName = "my-reports" }), "AWS::S3::Bucket", map[string]any{"BucketName": "my-reports"}},
		{"the function knows the bucket", defaultSettings(), "AWS::Lambda::Function", map[string]any{
			"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_REPORTS_BUCKET": map[string]any{"Ref": assertions.Match_AnyValue()}}},
		}},
		{"in a given bucket", with(func(s *Settings) { s.Bucket = "arn:aws:s3:::theirs" }), "AWS::Lambda::Function", map[string]any{
			"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_REPORTS_BUCKET": "theirs"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { has(t, tt.settings, tt.typ, tt.properties) })
	}
	tm := synth(t, defaultSettings())
	if got := tm.Resources[tm.named(t, "Reports")].DeletionPolicy; got != "Retain" {
		t.Errorf("the bucket's deletion policy is %s, want Retain", got)
	}
	if got := synth(t, with(func(s *Settings) { s.Bucket = "arn:aws:s3:::theirs" })).ofType("AWS::S3::Bucket"); got != nil {
		t.Errorf("beside a given bucket %v is made", got)
	}
}

// sids are the reader's grants by their Sid.
func (tm template) sids(t *testing.T) map[string]grant {
	t.Helper()
	found := map[string]grant{}
	for _, g := range tm.grants(t, tm.named(t, "Reader")) {
		if _, twice := found[g.Sid]; twice && g.Sid != "" {
			t.Errorf("two statements are called %s", g.Sid)
		}
		found[g.Sid] = g
	}
	return found
}

func TestKeyIsUsedThroughItsServicesAlone(t *testing.T) {
	tm := synth(t, defaultSettings())
	for sid, service := range map[string]string{"RememberEncrypted": "dynamodb", "KeepReportsEncrypted": "s3", "TellEncrypted": "sns"} {
		g, ok := tm.sids(t)[sid]
		equals, _ := g.Condition["StringEquals"].(map[string]any)
		if via := texts(equals["kms:ViaService"]); !ok || len(via) != 1 || via[0] != service+".<Region>.<URLSuffix>" {
			t.Errorf("%s: the key may be used via %v, want %s", sid, equals, service)
		}
	}
	for _, g := range tm.grants(t, tm.named(t, "Reader")) {
		for _, action := range g.Actions {
			if strings.HasPrefix(action, "kms:") && action != "kms:DescribeKey" && action != "kms:GetKeyPolicy" && action != "kms:ListGrants" && g.Condition == nil {
				t.Errorf("%s is allowed without a service", action)
			}
		}
	}
}

func TestTellsByTheWaysThatAreAskedFor(t *testing.T) {
	const topicARN, busOfOthers = "arn:aws:sns:eu-west-1:111122223333:chat", "arn:aws:events:eu-west-1:444455556666:event-bus/security"
	quiet := synth(t, defaultSettings())
	for _, sid := range []string{"TellBus", "TellSecurityHub"} {
		if g, ok := quiet.sids(t)[sid]; ok {
			t.Errorf("without being asked for, the reader may %v", g.Actions)
		}
	}
	tests := []struct {
		name, sid string
		settings  Settings
		want      grant
	}{
		{"a bus of this account by name, under our own source", "TellBus", with(func(s *Settings) { s.Bus = "security" }), grant{
			Actions: []string{"events:PutEvents"}, Resources: []string{"arn:<Partition>:events:<Region>:<AccountId>:event-bus/security"},
			Condition: map[string]any{"StringEquals": map[string]any{"events:source": "rotationguard"}},
		}},
		{"another account's bus by ARN", "TellBus", with(func(s *Settings) { s.Bus = busOfOthers }), grant{
			Actions: []string{"events:PutEvents"}, Resources: []string{busOfOthers},
			Condition: map[string]any{"StringEquals": map[string]any{"events:source": "rotationguard"}},
		}},
		{"Security Hub, as the account's own product", "TellSecurityHub", with(func(s *Settings) { s.SecurityHub = true }), grant{
			Actions: []string{"securityhub:BatchImportFindings"}, Resources: []string{"arn:<Partition>:securityhub:<Region>:<AccountId>:product/<AccountId>/default"},
		}},
		{"a given topic for chats", "Tell", with(func(s *Settings) { s.ChatTopic = topicARN }), grant{
			Actions: []string{"sns:Publish"}, Resources: []string{"<" + quiet.named(t, "Topic") + ">", topicARN},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := synth(t, tt.settings).sids(t)[tt.sid]
			tt.want.Sid, tt.want.Effect = tt.sid, "Allow"
			slices.Sort(got.Resources)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the reader's right (-want +got):\n%s", diff)
			}
		})
	}
	has(t, with(func(s *Settings) { s.Bus = busOfOthers }), "AWS::Lambda::Function", map[string]any{
		"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_EVENT_BUS": busOfOthers}},
	})
	has(t, with(func(s *Settings) { s.ChatTopic = topicARN }), "AWS::Lambda::Function", map[string]any{
		"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_CHAT_TOPIC_ARN": topicARN}},
	})
}

func TestSlackChannelIsToldAndMayDoNothing(t *testing.T) {
	s := with(func(s *Settings) { s.Slack = "T0123ABCD/C0123ABCD" })
	has(t, s, "AWS::Chatbot::SlackChannelConfiguration", map[string]any{
		"ConfigurationName": "rotationguard-C0123ABCD", "SlackWorkspaceId": "T0123ABCD", "SlackChannelId": "C0123ABCD",
		"SnsTopicArns":      []any{map[string]any{"Ref": assertions.Match_StringLikeRegexp(text("^Chat"))}},
		"GuardrailPolicies": []any{map[string]any{"Fn::Join": []any{"", []any{"arn:", map[string]any{"Ref": "AWS::Partition"}, ":iam::aws:policy/AWSDenyAll"}}}},
	})
	tm := synth(t, s)
	role := tm.Resources[tm.named(t, "SlackConfigurationRole")].Properties
	if role["ManagedPolicyArns"] != nil || role["Policies"] != nil {
		t.Errorf("the channel's role has policies: %v", role)
	}
	for _, id := range tm.ofType("AWS::IAM::Policy") {
		if strings.HasPrefix(id, "Slack") {
			t.Errorf("the channel's role has the policy %s", id)
		}
	}
}

func text(s string) *string { return &s }

func TestTellingNobodyIsRefused(t *testing.T) {
	const fifoTopic = "arn:aws:sns:eu-west-1:111122223333:drift.fifo"
	tests := []struct {
		name     string
		settings Settings
		want     string // "" is taken
	}{
		{"an address on a FIFO topic", with(func(s *Settings) { s.Topic, s.Subscriptions = fifoTopic, []string{"a@b.example"} }), "a@b.example"},
		{"an URL on a FIFO topic", with(func(s *Settings) { s.Topic, s.Subscriptions = fifoTopic, []string{"https://b.example"} }), "https://b.example"},
		{"a queue on a FIFO topic", with(func(s *Settings) {
			s.Topic, s.Subscriptions = fifoTopic, []string{"arn:aws:sqs:eu-west-1:111122223333:drift.fifo"}
		}), ""},
		{"chats on a FIFO topic", with(func(s *Settings) { s.ChatTopic = fifoTopic }), "chatTopic"},
		{"a topic for chats by name", with(func(s *Settings) { s.ChatTopic = "chat" }), "chatTopic"},
		{"a channel without its workspace", with(func(s *Settings) { s.Slack = "C0123ABCD" }), "slack"},
		{"a bus with a space", with(func(s *Settings) { s.Bus = "my bus" }), "bus"},
		{"a bus that is another thing's ARN", with(func(s *Settings) { s.Bus = fifoTopic }), "bus"},
		{"a bucket by name", with(func(s *Settings) { s.Bucket = "reports" }), "bucket"},
		{"a new bucket with a name in capitals", with(func(s *Settings) { s.BucketName = "Reports" }), "bucketName"},
		{"a bucket that is there and a new one", with(func(s *Settings) { s.Bucket, s.BucketName = "arn:aws:s3:::reports", "reports" }), "bucketName"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.settings.validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("validate = %v, want an error about %q", err, tt.want)
			}
		})
	}
}

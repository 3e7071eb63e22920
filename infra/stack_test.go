package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// has asserts that the stack of settings has a resource with these properties. The CDK's assertions panic.
func has(t *testing.T, s Settings, typ string, properties map[string]any) {
	t.Helper()
	_, stack := stackFor(t, s)
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%v", r)
		}
	}()
	assertions.Template_FromStack(stack, nil).HasResourceProperties(&typ, properties)
}

func with(change func(*Settings)) Settings {
	s := defaultSettings()
	change(&s)
	return s
}

func repairing() Settings {
	return with(func(s *Settings) {
		s.Mode = modeRepair
		s.Roles = []string{"arn:aws:iam::111122223333:role/rotation-*", "/rotation/"}
		s.Functions = []string{"arn:aws:lambda:eu-west-1:111122223333:function:rotate-db", "arn:aws:lambda:eu-west-1:111122223333:function:SecretsManager*"}
	})
}

var ofThisAccount = []any{
	map[string]any{"Name": "Account", "Value": map[string]any{"Ref": "AWS::AccountId"}}, map[string]any{"Name": "Region", "Value": map[string]any{"Ref": "AWS::Region"}},
}

func TestStackHasWhatASweepNeeds(t *testing.T) {
	tests := []struct {
		name       string
		settings   Settings
		typ        string
		properties map[string]any
	}{
		{"the schedule starts a full sweep within a flexible window, retries, and keeps what failed", defaultSettings(), "AWS::Scheduler::Schedule", map[string]any{
			"ScheduleExpression": "rate(6 hours)",
			"FlexibleTimeWindow": map[string]any{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30},
			"Target": map[string]any{
				"Input":            "{}",
				"RetryPolicy":      map[string]any{"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
				"DeadLetterConfig": map[string]any{"Arn": assertions.Match_AnyValue()},
			},
		}},
		{"a window of 0 starts on the minute", with(func(s *Settings) { s.Window = 0 }), "AWS::Scheduler::Schedule", map[string]any{
			"FlexibleTimeWindow": map[string]any{"Mode": "OFF"},
		}},
		{"the function is a Go binary on arm64", defaultSettings(), "AWS::Lambda::Function", map[string]any{
			"Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": []any{"arm64"}, "Timeout": 900, "MemorySize": 512,
		}},
		{"the memory is what was asked for", with(func(s *Settings) { s.Memory = 1024 }), "AWS::Lambda::Function", map[string]any{"MemorySize": 1024}},
		{"the function finds the config in its package", with(func(s *Settings) { s.Config = "rotationguard.yaml" }), "AWS::Lambda::Function", map[string]any{
			"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_CONFIG": "rotationguard.yaml"}},
		}},
		{"a failed run is tried once more and then told to the dead letters", defaultSettings(), "AWS::Lambda::EventInvokeConfig", map[string]any{
			"MaximumRetryAttempts": 1, "DestinationConfig": map[string]any{"OnFailure": map[string]any{"Destination": assertions.Match_AnyValue()}},
		}},
		{"the log has an end", defaultSettings(), "AWS::Logs::LogGroup", map[string]any{"RetentionInDays": 90}},
		{"the topic is encrypted with a customer key", defaultSettings(), "AWS::SNS::Topic", map[string]any{
			"KmsMasterKeyId": map[string]any{"Fn::GetAtt": assertions.Match_AnyValue()},
		}},
		{"the key rotates", defaultSettings(), "AWS::KMS::Key", map[string]any{"EnableKeyRotation": true}},
		{"a given key encrypts the topic", with(func(s *Settings) { s.Key = "arn:aws:kms:eu-west-1:111122223333:key/1234" }), "AWS::SNS::Topic", map[string]any{
			"KmsMasterKeyId": "arn:aws:kms:eu-west-1:111122223333:key/1234",
		}},
		{"the ledger is keyed as package ledger keys it, forgets by its own expiry, is encrypted, and can be restored to any second", defaultSettings(), "AWS::DynamoDB::Table", map[string]any{
			"KeySchema": []any{
				map[string]any{"AttributeName": ledger.PartitionKey, "KeyType": "HASH"}, map[string]any{"AttributeName": ledger.SortKey, "KeyType": "RANGE"},
			},
			"TimeToLiveSpecification":          map[string]any{"AttributeName": ledger.ExpiryAttribute, "Enabled": true},
			"SSESpecification":                 map[string]any{"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": assertions.Match_AnyValue()},
			"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": true},
			"BillingMode":                      "PAY_PER_REQUEST",
			"TableName":                        assertions.Match_Absent(),
		}},
		{"the config names the ledger's table", with(func(s *Settings) { s.Ledger = "rotationguard" }), "AWS::DynamoDB::Table", map[string]any{"TableName": "rotationguard"}},
		{"the function knows its ledger", defaultSettings(), "AWS::Lambda::Function", map[string]any{
			"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_LEDGER_TABLE": map[string]any{"Ref": assertions.Match_AnyValue()}}},
		}},
		{"a given table is remembered in", with(func(s *Settings) { s.Table = "arn:aws:dynamodb:eu-west-1:111122223333:table/shared" }), "AWS::Lambda::Function", map[string]any{
			"Environment": map[string]any{"Variables": map[string]any{"ROTATIONGUARD_LEDGER_TABLE": "shared"}},
		}},
		{"an address is subscribed", with(func(s *Settings) { s.Subscriptions = []string{"oncall@example.com"} }), "AWS::SNS::Subscription", map[string]any{
			"Protocol": "email", "Endpoint": "oncall@example.com",
		}},
		{"a queue is subscribed", with(func(s *Settings) { s.Subscriptions = []string{"arn:aws:sqs:eu-west-1:111122223333:drift"} }), "AWS::SNS::Subscription", map[string]any{
			"Protocol": "sqs", "Endpoint": "arn:aws:sqs:eu-west-1:111122223333:drift",
		}},
		{"our roles carry the given boundary", with(func(s *Settings) { s.Boundary = "arn:aws:iam::111122223333:policy/edge" }), "AWS::IAM::Role", map[string]any{
			"PermissionsBoundary": "arn:aws:iam::111122223333:policy/edge",
		}},
		{"silence is an alarm: no sweep that succeeded in two periods of the schedule", defaultSettings(), "AWS::CloudWatch::Alarm", map[string]any{
			"Namespace": "rotationguard", "MetricName": "Sweeps", "Statistic": "Sum", "Threshold": 1, "ComparisonOperator": "LessThanThreshold", "Period": 21600,
			"EvaluationPeriods": 2, "TreatMissingData": "breaching", "Dimensions": ofThisAccount, "AlarmActions": assertions.Match_AnyValue(),
		}},
		{"broken rotation is an alarm until a sweep of the whole account says otherwise", defaultSettings(), "AWS::CloudWatch::Alarm", map[string]any{
			"Namespace": "rotationguard", "MetricName": "Broken", "Statistic": "Maximum", "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "ignore",
			"Dimensions": ofThisAccount, "AlarmActions": assertions.Match_AnyValue(), "OKActions": assertions.Match_AnyValue(),
		}},
		{"a failed sweep is an alarm", defaultSettings(), "AWS::CloudWatch::Alarm", map[string]any{
			"MetricName": "Errors", "Threshold": 0, "AlarmActions": assertions.Match_AnyValue(),
		}},
		{"a throttled sweep is an alarm", defaultSettings(), "AWS::CloudWatch::Alarm", map[string]any{"MetricName": "Throttles", "Threshold": 0}},
		{"a dead letter is an alarm", defaultSettings(), "AWS::CloudWatch::Alarm", map[string]any{"MetricName": "ApproximateNumberOfMessagesVisible", "Threshold": 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { has(t, tt.settings, tt.typ, tt.properties) })
	}
}

func TestLedgerOutlivesTheStack(t *testing.T) {
	tm := synth(t, defaultSettings())
	if got := tm.Resources[tm.named(t, "Ledger")].DeletionPolicy; got != "Retain" {
		t.Errorf("the ledger's deletion policy is %s, want Retain", got)
	}
}

func TestTopicTakesOnlyThisAccountOverTLS(t *testing.T) {
	tm := synth(t, defaultSettings())
	document := tm.only(t, "AWS::SNS::TopicPolicy")["PolicyDocument"].(map[string]any)
	plain := false
	for _, s := range document["Statement"].([]any) {
		s := s.(map[string]any)
		principal := strings.Join(texts(principals(s)), " ")
		switch {
		case s["Effect"] == "Deny":
			plain = plain || reflect.DeepEqual(s["Condition"], map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}) && principal == "*"
		case principal == "arn:<Partition>:iam::<AccountId>:root":
		case principal == "cloudwatch.amazonaws.com":
			want := map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": map[string]any{"Ref": "AWS::AccountId"}}}
			if !reflect.DeepEqual(s["Condition"], want) {
				t.Errorf("CloudWatch publishes under %v, want %v", s["Condition"], want)
			}
		default:
			t.Errorf("%s may use the topic", principal)
		}
	}
	if !plain {
		t.Error("the topic takes messages without TLS")
	}
}

func principals(statement map[string]any) any {
	switch p := statement["Principal"].(type) {
	case map[string]any:
		var all []any
		for _, v := range p {
			all = append(all, v)
		}
		return all
	default:
		return p
	}
}

func TestArchitectureIsTheOnlyDifferenceBetweenArchitectures(t *testing.T) {
	arm := synth(t, defaultSettings())
	amd := synth(t, with(func(s *Settings) { s.Architecture = "amd64" }))
	id := arm.named(t, "Sweep")
	if got := amd.Resources[id].Properties["Architectures"]; !reflect.DeepEqual(got, []any{"x86_64"}) {
		t.Fatalf("Architectures = %v, want x86_64", got)
	}
	amd.Resources[id].Properties["Architectures"] = arm.Resources[id].Properties["Architectures"]
	if !reflect.DeepEqual(arm, amd) {
		t.Error("the templates differ in more than the architecture")
	}
}

func TestSelfContainedTemplateDiffersOnlyInWhereTheCodeIs(t *testing.T) {
	asset, alone := synth(t, defaultSettings()), synth(t, with(func(s *Settings) { s.SelfContained = true }))
	if got := slices.Sorted(maps.Keys(alone.Parameters)); !slices.Equal(got, []string{"CodeBucket", "CodeKey"}) || alone.Rules != nil {
		t.Errorf("it asks for %v under rules %v, want the code's bucket and key alone", got, alone.Rules)
	}
	id := asset.named(t, "Sweep")
	asset.Resources[id].Properties["Code"] = alone.Resources[id].Properties["Code"]
	if diff := cmp.Diff(asset.Resources, alone.Resources); diff != "" {
		t.Errorf("the resources differ:\n%s", diff)
	}
}

func TestRepairAddsTheWriterAndNothingElse(t *testing.T) {
	report, repair := synth(t, defaultSettings()), synth(t, repairing())
	var added, changed []string
	for id, r := range repair.Resources {
		if before, there := report.Resources[id]; !there {
			added = append(added, r.Type+" "+id[:6])
		} else if !reflect.DeepEqual(before, r) {
			changed = append(changed, id[:6])
		}
	}
	for id := range report.Resources {
		if _, there := repair.Resources[id]; !there {
			t.Errorf("%s is gone in mode repair", id)
		}
	}
	slices.Sort(added)
	slices.Sort(changed)
	if want := []string{"AWS::IAM::Policy Writer", "AWS::IAM::Role Writer"}; !slices.Equal(added, want) {
		t.Errorf("added %v, want %v", added, want)
	}
	// The reader may assume the writer, and the function knows whom.
	if want := []string{"Reader", "Sweep5"}; !slices.Equal(changed, want) {
		t.Errorf("changed %v, want %v", changed, want)
	}
}

func TestSynthesisIsTheSameTwice(t *testing.T) {
	if a, b := synth(t, repairing()), synth(t, repairing()); !reflect.DeepEqual(a, b) {
		t.Error("two syntheses of the same settings differ")
	}
}

func TestAlarmWaitsForTwoRunsAsFarAsAnAlarmLooksBack(t *testing.T) {
	tests := []struct {
		expression string
		minutes    float64
		periods    int
	}{
		{"rate(1 minute)", 1, 2}, {"rate(6 hours)", 360, 2}, {"rate(1 day)", 1440, 2}, {"rate(36 hours)", 1440, 3}, {"rate(2 days)", 1440, 4}, {"rate(7 days)", 1440, 7},
		{"rate(99999999999999999999 days)", 1440, 7}, {"rate(0 minutes)", 1, 2},
		{"cron(0 6 * * ? *)", 1440, 2}, {"cron(0 6 ? * MON *)", 1440, 7}, {"cron(0 6 1 * ? *)", 1440, 7}, {"cron(0 6 * 3 ? *)", 1440, 7},
	}
	for _, tt := range tests {
		period, periods := silence(tt.expression)
		if period.Minutes() != tt.minutes || periods != tt.periods {
			t.Errorf("silence(%s) = %d × %v minutes, want %d × %v", tt.expression, periods, period.Minutes(), tt.periods, tt.minutes)
		}
		// CloudWatch API reference, PutMetricAlarm.
		if total := period * time.Duration(periods); total > week || period < time.Hour && total > day {
			t.Errorf("silence(%s) looks back %v, more than an alarm does", tt.expression, total)
		}
	}
}

func TestContextIsReadAsTextNumberAndList(t *testing.T) {
	node := func(context map[string]any) (Settings, error) {
		app := newApp(t.TempDir())
		for name, v := range context {
			app.Node().SetContext(jsii.String(name), v)
		}
		s := defaultSettings()
		return s, s.fromContext(app.Node())
	}
	s, err := node(map[string]any{"schedule": "rate(1 day)", "window": "15", "logDays": 30, "memory": "1024", "subscriptions": "a@b.example, https://c.example/d"})
	want := with(func(s *Settings) {
		s.Schedule, s.Window, s.LogDays, s.Memory, s.Subscriptions = "rate(1 day)", 15, 30, 1024, []string{"a@b.example", "https://c.example/d"}
	})
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("settings = %+v, %v, want %+v", s, err, want)
	}
	if s, err := node(map[string]any{"subscriptions": []string{"a@b.example"}}); err != nil || !slices.Equal(s.Subscriptions, []string{"a@b.example"}) {
		t.Errorf("subscriptions = %v, %v, want one address", s.Subscriptions, err)
	}
	for _, given := range []any{"team=payments, stage=live", map[string]any{"team": "payments", "stage": "live"}, []string{"team=payments", "stage=live"}} {
		if s, err := node(map[string]any{"tags": given}); err != nil || !reflect.DeepEqual(s.Tags, map[string]string{"team": "payments", "stage": "live"}) {
			t.Errorf("tags of %v = %v, %v", given, s.Tags, err)
		}
	}
	for name, v := range map[string]any{"tags": "payments", "tracing": "often", "window": "soon", "logDays": 1.5, "schedule": 6, "subscriptions": 4} {
		if _, err := node(map[string]any{name: v}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("context %s = %v: error %v, want one that names it", name, v, err)
		}
	}
}

func TestConfigDecidesWhatIsDeployed(t *testing.T) {
	read := func(text string) (Settings, error) {
		name := filepath.Join(t.TempDir(), "mine.yaml")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		app := newApp(t.TempDir())
		app.Node().SetContext(jsii.String("config"), name)
		s, err := settingsFrom(app.Node())
		s.Config = ""
		return s, err
	}
	got, err := read("architecture: amd64\nmode: repair\nledger: {table: rotationguard}\nmember: {role: audit/rg}\nrepair:\n  roles: [/rotation/]\n  functions: [\"arn:aws:lambda:eu-west-1:111122223333:function:rotate-*\"]\n")
	want := with(func(s *Settings) {
		s.Mode, s.Architecture, s.Ledger, s.Member.Role = modeRepair, "amd64", "rotationguard", "audit/rg"
		s.Roles, s.Functions = []string{"/rotation/"}, []string{"arn:aws:lambda:eu-west-1:111122223333:function:rotate-*"}
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("settings = %+v, %v, want %+v", got, err, want)
	}
	for text, wrong := range map[string]string{
		"mode: repair\n":              "repair.roles",
		"mood: report\n":              "mood",
		"architecture: riscv\n":       "architecture",
		"templates: {a: ../b.json}\n": "templates",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("config %q: error %v, want one that names %s", text, err, wrong)
		}
	}
}

func TestSettingsThatDeployAnotherThingAreRefused(t *testing.T) {
	repair := func(change func(*Settings)) Settings {
		s := repairing()
		change(&s)
		return s
	}
	tests := []struct {
		name     string
		settings Settings
		want     string
	}{
		{"an unknown mode", with(func(s *Settings) { s.Mode = "fix" }), "mode"},
		{"an unknown architecture", with(func(s *Settings) { s.Architecture = "riscv" }), "architecture"},
		{"a schedule that is none", with(func(s *Settings) { s.Schedule = "hourly" }), "schedule"},
		{"a window over a day", with(func(s *Settings) { s.Window = 2000 }), "window"},
		{"more memory than Lambda has", with(func(s *Settings) { s.Memory = 20000 }), "memory"},
		{"days that CloudWatch Logs does not know", with(func(s *Settings) { s.LogDays = 91 }), "logDays"},
		{"a topic by name", with(func(s *Settings) { s.Topic = "drift" }), "topic"},
		{"a table by name", with(func(s *Settings) { s.Table = "shared" }), "table"},
		{"a subscription over plain http", with(func(s *Settings) { s.Subscriptions = []string{"http://c.example"} }), "subscriptions"},
		{"a template outside of the config's folder", with(func(s *Settings) { s.Templates = []string{"../expected.json"} }), "templates"},
		{"repair without roles", repair(func(s *Settings) { s.Roles = nil }), "repair.roles"},
		{"repair without functions", repair(func(s *Settings) { s.Functions = nil }), "repair.functions"},
		{"enforce without roles", repair(func(s *Settings) { s.Mode, s.Roles = modeEnforce, nil }), "repair.roles"},
		{"every role", repair(func(s *Settings) { s.Roles = []string{"*"} }), "repair.roles"},
		{"every role by ARN", repair(func(s *Settings) { s.Roles = []string{"arn:aws:iam::111122223333:role/*"} }), "repair.roles"},
		{"every role by path", repair(func(s *Settings) { s.Roles = []string{"/*/"} }), "repair.roles"},
		{"roles of any account", repair(func(s *Settings) { s.Roles = []string{"arn:aws:iam::*:role/rotation"} }), "repair.roles"},
		{"the root path, which is every role", repair(func(s *Settings) { s.Roles = []string{"/"} }), "repair.roles"},
		{"every function", repair(func(s *Settings) { s.Functions = []string{"*"} }), "repair.functions"},
		{"every function by ARN", repair(func(s *Settings) { s.Functions = []string{"arn:aws:lambda:eu-west-1:111122223333:function:*"} }), "repair.functions"},
		{"functions of any Region", repair(func(s *Settings) { s.Functions = []string{"arn:aws:lambda:*:111122223333:function:rotate"} }), "repair.functions"},
		{"a boundary by name", repair(func(s *Settings) { s.TargetBoundary = "edge" }), "repair.target_boundary"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.settings.validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("validate = %v, want an error about %s", err, tt.want)
			}
		})
	}
}

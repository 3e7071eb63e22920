package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/report"
)

func inVPC() Settings {
	return with(func(s *Settings) {
		s.VPC, s.Subnets, s.SecurityGroups = "vpc-0123456789abcdef0", []string{"subnet-0123456789abcdef0", "subnet-0123456789abcdef1"}, []string{"sg-0123456789abcdef0"}
	})
}

func TestFunctionRunsInAGivenNetwork(t *testing.T) {
	s := inVPC()
	has(t, s, "AWS::Lambda::Function", map[string]any{"VpcConfig": map[string]any{
		"SubnetIds": []any{"subnet-0123456789abcdef0", "subnet-0123456789abcdef1"}, "SecurityGroupIds": []any{"sg-0123456789abcdef0"},
	}})
	tm := synth(t, s)
	allowed, denied := tm.sids(t)["NetworkInterfaces"], tm.sids(t)["NoNetworkForCode"]
	for _, action := range allowed.Actions {
		if !slices.Contains(denied.Actions, action) {
			t.Errorf("the function's code may %s", action)
		}
	}
	want := map[string]any{"ArnEquals": map[string]any{"lambda:SourceFunctionArn": map[string]any{"Fn::GetAtt": []any{tm.named(t, "Sweep"), "Arn"}}}}
	if len(allowed.Actions) == 0 || !cmp.Equal(want, denied.Condition) {
		t.Errorf("Lambda may %v, the code not under %v", allowed.Actions, denied.Condition)
	}
	if _, ok := synth(t, defaultSettings()).sids(t)["NetworkInterfaces"]; ok {
		t.Error("without a network the function may make network interfaces")
	}
}

func TestXRayFollowsTheFunctionWhenAsked(t *testing.T) {
	has(t, with(func(s *Settings) { s.Tracing = true }), "AWS::Lambda::Function", map[string]any{"TracingConfig": map[string]any{"Mode": "Active"}})
	has(t, defaultSettings(), "AWS::Lambda::Function", map[string]any{"TracingConfig": assertions.Match_Absent()})
}

func TestTagsAreOnEverythingThatTakesThem(t *testing.T) {
	s := with(func(s *Settings) { s.Tags = map[string]string{"team": "payments"} })
	app, _ := stackFor(t, s)
	tag(app, s)
	app.Synth(nil)
	tm := readTemplate(t, filepath.Join(*app.Outdir(), "Rotationguard.template.json"))
	want := any([]any{map[string]any{"Key": "team", "Value": "payments"}})
	for _, name := range []string{"Sweep", "Reader", "Ledger", "Reports", "Topic", "Events", "DeadLetters", "Key", "Log"} {
		if got := tm.Resources[tm.named(t, name)].Properties["Tags"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s has tags %v", name, got)
		}
	}
}

func TestQualifierIsThatOfTheOperatorsBootstrap(t *testing.T) {
	app, _ := stackFor(t, with(func(s *Settings) { s.Qualifier = "mine" }))
	app.Synth(nil)
	assets := string(readFile(t, filepath.Join(*app.Outdir(), "Rotationguard.assets.json")))
	if !strings.Contains(assets, "cdk-mine-assets-") || strings.Contains(assets, "hnb659fds") {
		t.Errorf("assets are not published with the qualifier: %s", assets)
	}
	if tm := synth(t, with(func(s *Settings) { s.Qualifier = "mine" })); !strings.Contains(string(encoded(t, tm.Parameters)), "/cdk-bootstrap/mine/version") {
		t.Errorf("the template asks for another bootstrap: %v", tm.Parameters)
	}
}

func TestDataGoesWithTheStackOnlyWhenToldSo(t *testing.T) {
	for policy, s := range map[string]Settings{"Retain": defaultSettings(), "Delete": with(func(s *Settings) { s.DestroyData = true })} {
		tm := synth(t, s)
		for _, name := range []string{"Ledger", "Reports", "Key"} {
			if got := tm.Resources[tm.named(t, name)].DeletionPolicy; got != policy {
				t.Errorf("destroyData %t: %s is left to %s, want %s", s.DestroyData, name, got, policy)
			}
		}
		if got := len(tm.ofType("Custom::S3AutoDeleteObjects")); (got == 1) != s.DestroyData {
			t.Errorf("destroyData %t: %d resources empty the bucket", s.DestroyData, got)
		}
	}
}

// TestFleetsStackTakesTheSameOptions holds what a stack of its own could leave out.
func TestFleetsStackTakesTheSameOptions(t *testing.T) {
	for policy, s := range map[string]Settings{"Retain": defaultSettings(), "Delete": with(func(s *Settings) { s.DestroyData, s.Qualifier = true, "mine" })} {
		tm := fleetTemplate(t, s, listedTargets)
		for _, name := range []string{"Ledger", "Reports", "Key"} {
			if got := tm.Resources[tm.named(t, name)].DeletionPolicy; got != policy {
				t.Errorf("destroyData %t: the fleet's %s is left to %s, want %s", s.DestroyData, name, got, policy)
			}
		}
		if mine := strings.Contains(string(encoded(t, tm.Parameters)), "/cdk-bootstrap/mine/version"); mine != (s.Qualifier == "mine") {
			t.Errorf("qualifier %q: the fleet's template asks for the bootstrap of %v", s.Qualifier, tm.Parameters)
		}
	}
}

func TestDashboardShowsWhatSweepsMeasure(t *testing.T) {
	if alert.Namespace != metricNamespace {
		t.Errorf("alarms read namespace %s, sweeps write %s", metricNamespace, alert.Namespace)
	}
	all := make([]string, 0, len(report.Verdicts))
	for _, v := range report.Verdicts {
		all = append(all, string(v))
	}
	if !slices.Equal(verdicts, all) {
		t.Errorf("the dashboard shows %v, reports have %v", verdicts, all)
	}
	var written strings.Builder
	if err := (alert.Measures{Outcome: &report.Outcome{Account: "111122223333", Region: "eu-west-1"}, Complete: true}).WriteMetrics(&written); err != nil {
		t.Fatal(err)
	}
	body := strings.Join(texts(synth(t, defaultSettings()).only(t, "AWS::CloudWatch::Dashboard")["DashboardBody"]), "")
	if !json.Valid([]byte(body)) {
		t.Fatalf("the dashboard is no JSON: %s", body)
	}
	for _, name := range []string{"Secrets", "Broken", "Sweeps", "Failures", "Changes", "SweepSeconds", "Calls", "Throttles"} {
		if !strings.Contains(body, `"rotationguard","`+name+`","Account","<AccountId>","Region","<Region>"`) {
			t.Errorf("the dashboard does not show %s", name)
		}
		if !strings.Contains(written.String(), `"Name":"`+name+`"`) {
			t.Errorf("no sweep writes %s", name)
		}
	}
}

func TestOptionsThatDeployAnotherThingAreRefused(t *testing.T) {
	tests := []struct {
		name     string
		settings Settings
		want     string
	}{
		{"a VPC without subnets", with(func(s *Settings) { s.VPC = "vpc-0123456789abcdef0" }), "vpc"},
		{"subnets without a VPC", with(func(s *Settings) { s.Subnets = []string{"subnet-0123456789abcdef0"} }), "vpc"},
		{"a subnet by name", func() Settings { s := inVPC(); s.Subnets = []string{"private"}; return s }(), "subnets"},
		{"a security group by name", func() Settings { s := inVPC(); s.SecurityGroups = []string{"private"}; return s }(), "securityGroups"},
		{"a qualifier that is too long", with(func(s *Settings) { s.Qualifier = "elevenchars" }), "qualifier"},
		{"a Region by its name for people", with(func(s *Settings) { s.Region = "Ireland" }), "region"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.settings.validate(); err == nil || !strings.Contains(err.Error(), "context "+tt.want) {
				t.Errorf("validate = %v, want an error about %s", err, tt.want)
			}
		})
	}
}

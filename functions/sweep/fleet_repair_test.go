package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

// TestAFleetRepairsEachTargetByItself sends five targets of a fleet in mode repair to the built function: one is repaired, one is paused, in one the writer role lets nobody
// in, one needs more changes than its breaker lets through, and in one there is nothing to repair. What one target is refused holds up no other.
func TestAFleetRepairsEachTargetByItself(t *testing.T) {
	t.Parallel()
	const mended, paused, locked, tripped, sound, region = "300000000001", "300000000002", "300000000003", "300000000004", "300000000005", "eu-west-1"
	const writer = "audit/rotationguard-writer"
	a := newAccountInMemory(t)
	for id, n := range map[string]int{mended: 1, paused: 1, locked: 1, tripped: 2, sound: 0} {
		peer := a.Peer(id)
		if err := fleet.AddMember(t.Context(), peer.Config(), account.ID); err != nil {
			t.Fatal(err)
		}
		if err := fleet.Seed(t.Context(), peer.In(region).Config(), id, n); err != nil {
			t.Fatal(err)
		}
		trusted := "arn:aws:iam::" + id + ":role/" + fleet.Member
		if id == locked {
			trusted = "arn:aws:iam::" + id + ":role/rotate-db-0-sound-" + region
		}
		peer.AddRole(awstest.Role{Name: "rotationguard-writer", Path: "/audit/", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + trusted + `"},"Action":"sts:AssumeRole"}]}`})
	}
	for _, name := range []string{"rotate-db-0-sound", "rotate-db-2-sound"} {
		if _, err := lambda.NewFromConfig(a.Peer(tripped).In(region).Config()).RemovePermission(t.Context(), &lambda.RemovePermissionInput{FunctionName: &name, StatementId: aws.String("secretsmanager")}); err != nil {
			t.Fatal(err)
		}
	}
	hub := emulator.For(t)(emulator.StartMoto(t.Context()))
	own := &demoAccount{url: hub.URL, cfg: aws.Config{Region: account.Region, BaseEndpoint: &hub.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}}
	table, bucket := own.addTable(t), "reports"
	cfg := own.cfg.Copy()
	cfg.Region, cfg.HTTPClient = "us-east-1", http.DefaultClient
	if _, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	remembered := func(id string) *ledger.Table {
		l, err := ledger.OpenTable(t.Context(), dynamodb.NewFromConfig(own.cfg), table, id+"/"+region)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if err := remembered(paused).Pause(t.Context(), ledger.Pause{By: "arn:aws:iam::" + account.ID + ":role/on-call", Reason: "incident", At: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	f := deploy(t, `mode: repair
member: {role: `+fleet.Member+`, external_id: `+fleet.ExternalID+`, writer_role: `+writer+`}
repair: {functions: ["arn:aws:lambda:*:*:function:rotate-*"], roles: ["arn:aws:iam::*:role/rotate-*"], max_changes: 2, settle: 0s}
`, append(a.Environ(), envBucket+"="+bucket, envTable+"="+table, "AWS_ENDPOINT_URL_S3="+hub.URL, "AWS_ENDPOINT_URL_DYNAMODB="+hub.URL)...)
	for _, tt := range []struct {
		id     string
		broken int    // secrets, afterwards
		done   int    // changes
		said   string // of each other change
	}{
		{mended, 0, 1, ""},
		{paused, 1, 0, "paused by arn:aws:iam::" + account.ID + ":role/on-call (incident)"},
		{locked, 1, 0, "assuming the writer role arn:aws:iam::" + locked + ":role/" + writer},
		{tripped, 2, 0, "3 changes planned and 0 made in the last 24 hours, the limit is 2"},
		{sound, 0, 0, ""},
	} {
		before := len(writesOf(a, tt.id))
		o := f.invoke(t, `{"target":{"account":"`+tt.id+`","region":"`+region+`","role_arn":"arn:aws:iam::`+tt.id+`:role/`+fleet.Member+`"},"run":"first"}`, within)
		if o.failed {
			t.Errorf("%s failed: %s", tt.id, o.message)
			continue
		}
		key := "runs/first/" + tt.id + "/" + region + ".json"
		kept, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		read, err := report.Read(kept.Body)
		_ = kept.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for i := range read.Changes {
			switch c := &read.Changes[i]; {
			case c.Status == repair.Done:
				done++
			case tt.said == "" || c.Status != repair.Refused || !strings.Contains(c.Reason, tt.said):
				t.Errorf("%s: %s is %s: %s, want %q", tt.id, c.Call, c.Status, c.Reason, tt.said)
			}
		}
		if got := read.Summary().ByVerdict[drift.Broken]; got != tt.broken || done != tt.done || len(read.Errors) > 0 {
			t.Errorf("%s: %d broken and %d changes done, want %d and %d; errors %v", tt.id, got, done, tt.broken, tt.done, read.Errors)
		}
		wrote := writesOf(a, tt.id)[before:]
		for _, c := range wrote {
			if !strings.Contains(c.Caller, "assumed-role/rotationguard-writer/") || len(c.SessionPolicy) != 1 || !strings.Contains(c.SessionPolicy[0], c.Resource) {
				t.Errorf("%s of %s is by %s with %s", c.Name(), c.Resource, c.Caller, c.SessionPolicy)
			}
		}
		entries, err := remembered(tt.id).EntriesSince(t.Context(), time.Now().Add(-time.Hour))
		if err != nil || len(wrote) != tt.done || (len(entries) > 0) != (tt.done > 0) {
			t.Errorf("%s: %d writes and %d entries in its journal, want %d; %v", tt.id, len(wrote), len(entries), tt.done, err)
		}
	}
	if err := remembered(paused).Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	event := `{"target":{"account":"` + paused + `","region":"` + region + `","role_arn":"arn:aws:iam::` + paused + `:role/` + fleet.Member + `"},"run":"second"}`
	if o := f.invoke(t, event, within); o.failed || o.answer.Summary.ByVerdict[drift.Broken] != 0 {
		t.Errorf("after it was resumed: %s", o.raw)
	}
}

// writesOf are the writes in an account.
func writesOf(a *awstest.Account, id string) (writes []awstest.Call) {
	for _, c := range a.Calls() { // of all accounts
		if c.Account == id && c.Write && c.Service != "sts" {
			writes = append(writes, c)
		}
	}
	return writes
}

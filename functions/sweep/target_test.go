package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

func TestTargetEvents(t *testing.T) {
	const target = `"target":{"account":"111122223333","region":"eu-west-1","role_arn":"arn:aws:iam::111122223333:role/member"}`
	tests := []struct {
		name, event string
		item        bool
		want        string // part of the error
	}{
		{"the sample", sample(t, "event-target.json"), true, ""},
		{"without a run it is one by hand", `{` + target + `}`, true, ""},
		{"a lower mode", `{` + target + `,"run":"r","mode":"report"}`, true, ""},
		{"another event", `{"secrets":["a"]}`, false, ""},
		{"no event", `[]`, false, ""},
		{"a field that no item has", `{` + target + `,"secrets":["a"]}`, true, `unknown field "secrets"`},
		{"a field that no target has", `{"target":{"account":"111122223333","arn":"x"}}`, true, `unknown field "arn"`},
		{"a target that is none", `{"target":"111122223333"}`, true, "target refused"},
		{"a run that leads elsewhere", `{` + target + `,"run":"../x"}`, true, `run "../x"`},
		{"a run that is no text", `{` + target + `,"run":7}`, true, "run is a number"},
		{"an account that is none", `{"target":{"account":"1","region":"eu-west-1","role_arn":"x"},"run":"r"}`, true, `account "1"`},
		{"a mode that is none", `{` + target + `,"mode":"write"}`, true, `unknown mode "write"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, ok, err := parseItem([]byte(tt.event))
			if ok != tt.item || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parseItem = %t, %v, want %t, %q", ok, err, tt.item, tt.want)
			}
			if ok && err == nil && (i.run == "" || i.target.Account == "") {
				t.Errorf("item %+v", i)
			}
		})
	}
}

// TestTargetIsSweptWithTheMemberRoleAlone sends targets to the built function: the member role's, which leaves its report where the digest looks
// for it, and others, which start nothing.
func TestTargetIsSweptWithTheMemberRoleAlone(t *testing.T) {
	t.Parallel()
	const other = "300000000001"
	a := newAccountInMemory(t)
	peer := a.Peer(other)
	if err := fleet.AddMember(t.Context(), peer.Config(), account.ID); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Seed(t.Context(), peer.In("eu-west-1").Config(), other, 1); err != nil {
		t.Fatal(err)
	}
	m := emulator.For(t)(emulator.StartMoto(t.Context()))
	cfg := a.Config()
	cfg.BaseEndpoint, cfg.HTTPClient, cfg.Region = &m.URL, http.DefaultClient, "us-east-1"
	bucket := "reports"
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	f := deploy(t, "member: {role: "+fleet.Member+", external_id: "+fleet.ExternalID+"}\n", append(a.Environ(), envBucket+"="+bucket, "AWS_ENDPOINT_URL_S3="+m.URL)...)
	event := func(role string) string {
		return `{"target":{"account":"` + other + `","region":"eu-west-1","role_arn":"` + role + `"},"run":"first"}`
	}
	for _, role := range []string{"arn:aws:iam::" + other + ":role/admin", "arn:aws:iam::" + account.ID + ":role/" + fleet.Member, ""} {
		f.invoke(t, event(role), within).wantError(t, badEvent, "is not the configured member role arn:aws:iam::"+other+":role/"+fleet.Member)
	}
	f.invoke(t, strings.Replace(event("arn:aws:iam::"+other+":role/"+fleet.Member), `"run"`, `"mode":"repair","run"`, 1), within).wantError(t, badEvent, "mode repair is more than the deployed mode report")
	if n := a.CallCounts()["sts:AssumeRole"]; n != 0 {
		t.Fatalf("%d roles were assumed for targets that were refused", n)
	}
	o := f.invoke(t, event("arn:aws:iam::"+other+":role/"+fleet.Member), within)
	if o.failed || o.answer.Account != other || o.answer.Report == nil || *o.answer.Report != "s3://reports/runs/first/"+other+"/eu-west-1.json" {
		t.Fatalf("answer %s", o.raw)
	}
	key := "runs/first/" + other + "/eu-west-1.json"
	kept, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Body.Close()
	read, err := report.Read(kept.Body)
	if err != nil {
		t.Fatal(err)
	}
	for v, n := range read.Summary().ByVerdict {
		if want := fleet.Want(1)[account.Verdict(v)]; n != want {
			t.Errorf("%d secrets are %s, want %d", n, v, want)
		}
	}
	o = f.invoke(t, strings.ReplaceAll(event("arn:aws:iam::"+other+":role/"+fleet.Member), other, "300000000002"), within)
	o.wantError(t, targetDenied, "300000000002")
	key = "runs/first/300000000002/eu-west-1.json"
	if kept, err = client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	defer kept.Body.Close()
	if read, err = report.Read(kept.Body); err != nil || len(read.Errors) != 1 || read.Errors[0].Call != "sts:AssumeRole" || read.Errors[0].Code != "AccessDenied" {
		t.Errorf("a denied target leaves %+v, %v", read.Errors, err)
	}
}

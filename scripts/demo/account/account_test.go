package account_test

import (
	"iter"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// rules are what examples/rotationguard.yaml says.
func rules() rotation.Rules {
	const master = "arn:aws:secretsmanager:" + account.Region + ":" + account.ID + ":secret:demo/postgres/master"
	return rotation.Rules{
		Rotations: []rotation.Rule{
			{Match: rotation.Match{Name: "prod/hr/*"}, Strategy: "master-user", Master: master},
		},
		Exclude: []rotation.Exclusion{{Match: rotation.Match{Tag: map[string]string{"rotation": "legacy"}}, Reason: "moves out in May"}},
	}
}

func TestAccountHasEveryKindOfTrouble(t *testing.T) {
	functions, seen := 0, map[account.Verdict]int{}
	names := map[string]bool{}
	for _, r := range account.Rotations() {
		if r.Function != "" {
			functions++
		}
		if r.Story == "" || len(r.Secrets) == 0 {
			t.Errorf("%s has no story or no secret", r.Function)
		}
		for _, s := range r.Secrets {
			if names[s.Name] {
				t.Errorf("two secrets are called %s", s.Name)
			}
			names[s.Name] = true
			seen[s.Before]++
		}
	}
	if functions < 25 {
		t.Errorf("%d rotation setups, want at least 25", functions)
	}
	for _, v := range []account.Verdict{account.InSync, account.Drifted, account.Broken, account.Orphaned, account.Skipped} {
		if seen[v] == 0 {
			t.Errorf("no secret is %s", v)
		}
	}
}

func TestVerdictsInMemory(t *testing.T) {
	now := time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region, Now: func() time.Time { return now }})
	if err := account.Fill(a, now); err != nil {
		t.Fatal(err)
	}
	r := inventory.New(inventory.NewClients(a.Config()), inventory.Options{Rules: rules(), Unthrottled: true})
	wantVerdicts(t, r.Groups(t.Context(), rotation.Scope{}), func(account.Rotation) bool { return true })
	if w := a.Writes(); len(w) > 0 {
		t.Errorf("reading wrote %v", w)
	}
}

func TestVerdictsOnMoto(t *testing.T) {
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	cfg := motoConfig(s.URL)
	if err := account.Seed(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	r := inventory.New(inventory.NewClients(cfg), inventory.Options{Rules: rules(), Unthrottled: true})
	wantVerdicts(t, r.Groups(t.Context(), rotation.Scope{}), func(r account.Rotation) bool { return r.Held == account.Everywhere })
	calls := r.Calls()
	t.Logf("calls: %v", calls)
}

func motoConfig(url string) aws.Config {
	return aws.Config{Region: account.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", "")}
}

func wantVerdicts(t *testing.T, groups iter.Seq2[rotation.Group, error], held func(account.Rotation) bool) {
	t.Helper()
	got := map[string]drift.SecretJudgement{}
	for g, err := range groups {
		if err != nil {
			t.Fatal(err)
		}
		for _, gap := range inventory.Gaps(g) {
			t.Errorf("gap: %+v", gap)
		}
		for _, j := range drift.Judge(g, drift.Options{}) {
			for _, s := range j.Secrets {
				got[s.Secret.Name] = s
			}
		}
	}
	want := map[string]account.Secret{}
	for _, r := range account.Rotations() {
		if held(r) {
			for _, s := range r.Secrets {
				want[s.Name] = s
			}
		}
	}
	for _, s := range account.Masters() {
		want[s.Name] = s
	}
	for name, s := range want {
		g, ok := got[name]
		if !ok {
			t.Errorf("%s was not read", name)
			continue
		}
		before := string(s.Before)
		if g.Secret.Excluded == "" && s.Tags["rotation"] == "legacy" {
			before = string(drift.InSync) // nothing is wrong with it; the configuration leaves it out
		}
		if string(g.Verdict) != before {
			t.Errorf("%s is %s (%s), want %s", name, g.Verdict, g.Reason, before)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s was read and is not of the account", name)
		}
	}
}

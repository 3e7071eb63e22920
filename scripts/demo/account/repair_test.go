package account_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

func TestRepairInMemory(t *testing.T) {
	now := time.Now()
	a := awstest.New(t, awstest.Options{ID: account.ID, Region: account.Region})
	if err := account.Fill(a, now); err != nil {
		t.Fatal(err)
	}
	repairAccount(t, a.Config(), func(r account.Rotation) bool { return true })
	before := len(a.Writes())
	repairAccount(t, a.Config(), func(r account.Rotation) bool { return true })
	if again := len(a.Writes()) - before; again > 0 {
		t.Errorf("a second repair wrote %d times: %v", again, a.Writes()[before:])
	}
}

func TestRepairOnMoto(t *testing.T) {
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	cfg := motoConfig(s.URL)
	if err := account.Seed(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	repairAccount(t, cfg, func(r account.Rotation) bool { return r.Held == account.Everywhere })
}

// repairAccount carries an account through repair and compares what is then read with what the account's data say of it.
func repairAccount(t *testing.T, cfg aws.Config, held func(account.Rotation) bool) {
	t.Helper()
	ctx := t.Context()
	l, err := ledger.OpenFile(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	judge := func() (all []drift.Judgement) {
		r := inventory.New(inventory.NewClients(cfg), inventory.Options{Rules: rules(), Unthrottled: true})
		for g, err := range r.Groups(ctx, rotation.Scope{}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, drift.Judge(g, drift.Options{})...)
		}
		return all
	}
	judgements := judge()
	history, err := repair.Remember(ctx, l, judgements, true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	options := repair.Options{Mode: repair.ModeRepair, MaxChanges: 1000, MaxChangePercent: 100}
	changes, err := repair.New(repair.NewClients(cfg), l, options).Apply(ctx, repair.NewPlan(judgements, options, history))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		t.Logf("%s %s %s: %s", c.Status, c.Call, c.Subject, c.Reason)
	}
	got := map[string]drift.SecretJudgement{}
	for _, j := range judge() {
		for _, s := range j.Secrets {
			got[s.Secret.Name] = s
		}
	}
	for _, r := range account.Rotations() {
		for _, s := range r.Secrets {
			if g := got[s.Name]; held(r) && string(g.Verdict) != string(s.After) {
				t.Errorf("%s is %s after the repair (%s), want %s", s.Name, g.Verdict, g.Reason, s.After)
			}
		}
	}
}

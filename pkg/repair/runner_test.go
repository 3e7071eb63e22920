package repair_test

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// runner is one run's line from reading to writing, in the test's process or in a child's.
type runner struct {
	cfg     aws.Config
	rules   rotation.Rules
	opts    repair.Options
	now     time.Time
	visible time.Duration
	undo    string // the run to roll back; empty: a sweep of the whole account

	exemptions []drift.Exemption
}

func (r *runner) read(ctx context.Context, scope rotation.Scope) ([]drift.Judgement, error) {
	reader := inventory.New(inventory.NewClients(r.cfg), inventory.Options{Unthrottled: true, Rules: r.rules})
	var out []drift.Judgement
	for g, err := range reader.Groups(ctx, scope) {
		if err != nil {
			return nil, err
		}
		out = append(out, drift.Judge(g, drift.Options{Exemptions: r.exemptions})...)
	}
	return out, nil
}

// plan reads, remembers and plans, as a sweep or a rollback does.
func (r *runner) plan(ctx context.Context, l ledger.Ledger) (repair.Plan, error) {
	if r.undo != "" {
		return r.rollback(ctx, l, repair.Undoing{AcceptBroken: true})
	}
	judgements, err := r.read(ctx, rotation.Scope{})
	if err != nil {
		return repair.Plan{}, err
	}
	s := ledger.Sighting{At: r.now, Covers: func(drift.Finding) bool { return true }}
	for _, j := range judgements {
		for _, secret := range j.Secrets {
			s.Findings = append(s.Findings, secret.Findings...)
		}
	}
	if _, err := l.ObserveFindings(ctx, s); err != nil {
		return repair.Plan{}, err
	}
	history, err := repair.Remember(ctx, l, judgements, true, r.now)
	if err != nil {
		return repair.Plan{}, err
	}
	clients := repair.NewClients(r.cfg)
	if history.Orphans, err = repair.ReadOrphans(ctx, clients, l, judgements, accountID, region); err != nil {
		return repair.Plan{}, err
	}
	if r.opts.Mode == repair.ModeEnforce {
		if history.RoleUsers, err = repair.ReadRoleUsers(ctx, clients.Lambda); err != nil {
			return repair.Plan{}, err
		}
	}
	return repair.NewPlan(judgements, r.opts, history), nil
}

// rollback plans taking back the run that undo names.
func (r *runner) rollback(ctx context.Context, l ledger.Ledger, u repair.Undoing) (repair.Plan, error) {
	entries, err := l.Entries(ctx, r.undo)
	if err != nil {
		return repair.Plan{}, err
	}
	scope, err := repair.RunScope(entries)
	if err != nil {
		return repair.Plan{}, err
	}
	judgements, err := r.read(ctx, scope)
	if err != nil {
		return repair.Plan{}, err
	}
	history, err := repair.Remember(ctx, l, judgements, false, r.now)
	if err != nil {
		return repair.Plan{}, err
	}
	return repair.NewRollback(entries, judgements, u, r.opts, history)
}

func (r *runner) repairer(l ledger.Ledger) *repair.Repairer {
	writer := repair.New(repair.NewClients(r.cfg), l, r.opts)
	writer.Now = func() time.Time { return r.now }
	writer.Visible = r.visible
	writer.Reread = r.read
	return writer
}

package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Settings are a config in the words of the packages that act on it.
type Settings struct {
	Reading     inventory.Options   // what the config says about it; the account, and who else's, are the caller's to add
	Operators   []rotation.Operator // declared, not yet read
	Judging     drift.Options
	Repair      repair.Options
	RemindAfter time.Duration

	exemptions []ledger.Exemption // the config's that hold
}

// NewSettings reads a config at a moment; exemptions that have expired by then exempt nothing. A template that could not work is
// an error that names its field.
func NewSettings(c *config.Config, at time.Time) (Settings, error) {
	mode, err := repair.ParseMode(c.Mode)
	if err != nil {
		return Settings{}, c.ProblemAt("mode", err)
	}
	s := Settings{
		Reading:     inventory.Options{Rules: rules(c), QuotaShare: c.QuotaShare, Rates: c.Rates, UseGetFunction: c.GetFunction},
		RemindAfter: c.Alerts.RemindAfter,
		Repair: repair.Options{
			Mode: mode, Functions: c.Repair.Functions, Roles: c.Repair.Roles,
			TargetBoundary: rotation.ARN(c.Repair.TargetBoundary), WriterRole: rotation.ARN(c.Repair.WriterRole),
			MaxChanges: c.Repair.MaxChanges, MaxChangePercent: c.Repair.MaxChangePercent,
			Settle: c.Repair.Settle, EnforceAfter: c.Repair.EnforceAfter, TrustTags: c.Repair.TrustTags,
			EditOwned: c.Repair.EditOwned, AddSourceAccount: c.Repair.AddSourceAccount, Keep: c.Repair.Keep,
		},
	}
	if err := s.Reading.Rules.Validate(); err != nil {
		return Settings{}, c.ProblemAt("rotations", err)
	}
	for _, o := range c.Operators {
		s.Operators = append(s.Operators, rotation.Operator{Principal: rotation.ARN(o.Principal), May: rotation.Permission(o.May)})
	}
	names := make([]string, 0, len(c.Templates))
	for name := range c.Templates {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if s.Judging.Templates, err = s.Judging.Templates.With(name, c.Templates[name].Text); err != nil {
			return Settings{}, c.ProblemAt("templates."+name, err)
		}
	}
	for i, e := range c.Exemptions {
		if e.Expires.After(at) {
			// Without a ledger nobody knows since when it stands: its end says how long it may cover what is critical.
			s.exemptions = append(s.exemptions, ledger.Exemption{ID: configExemption(e), Finding: e.Finding, Secret: e.Secret, Function: e.Function,
				Rule: e.Rule, Owner: e.Owner, Reason: e.Reason, Expires: e.Expires, Config: true, Added: e.Expires.Add(-ledger.CriticalExemption)})
			s.exempt(s.exemptions[len(s.exemptions)-1], fmt.Sprintf("exemptions[%d]", i), at)
		}
	}
	return s, nil
}

// exempt adds an exemption in the judges' words.
func (s *Settings) exempt(e ledger.Exemption, id string, at time.Time) {
	s.Judging.Exemptions = append(s.Judging.Exemptions, drift.Exemption{ID: id, Finding: e.Finding, Secret: e.Secret, Function: e.Function,
		Rule: e.Rule, Owner: e.Owner, Reason: e.Reason, NotCritical: at.Before(e.Added) || !e.HoldsForCritical(at)})
}

// configExemption is the id of a config's exemption in the ledger: one that is changed is another one.
func configExemption(e config.Exemption) string {
	return "config-" + report.ShortHash(e.Finding, e.Secret, e.Function, e.Rule, e.Owner, e.Reason, e.Expires.UTC().Format(time.RFC3339))
}

// WithLedger adds the ledger's exemptions that hold at a moment. The ledger also learns of the config's, so that it is known since when
// they stand and nobody slips one in unseen; caller is whose run read them.
func (s Settings) WithLedger(ctx context.Context, l ledger.Ledger, caller string, at time.Time) (Settings, error) {
	stored, err := l.Exemptions(ctx)
	if err != nil {
		return s, fmt.Errorf("reading the exemptions: %w", err)
	}
	s.Judging.Exemptions = nil
	for i, e := range s.exemptions {
		if known := slices.IndexFunc(stored, func(x ledger.Exemption) bool { return x.ID == e.ID }); known >= 0 {
			e = stored[known]
		} else {
			e.Added, e.AddedBy = at.UTC(), caller
			if err := l.PutExemption(ctx, e); err != nil {
				return s, fmt.Errorf("remembering the exemptions: %w", err)
			}
		}
		s.exempt(e, fmt.Sprintf("exemptions[%d]", i), at)
	}
	for _, e := range stored {
		if e.Holds(at) && !e.Config {
			s.exempt(e, e.ID, at)
		}
	}
	return s, nil
}

func rules(c *config.Config) rotation.Rules {
	var r rotation.Rules
	for i, entry := range c.Rotations {
		rule := rotation.Rule{Where: fmt.Sprintf("rotations[%d]", i), Match: match(entry.Match), Strategy: entry.Strategy, Master: entry.MasterSecret}
		for _, a := range entry.Allow {
			rule.Allow = append(rule.Allow, rotation.Grant{Actions: a.Actions, Resources: a.Resources, Conditions: a.Conditions})
		}
		r.Rotations = append(r.Rotations, rule)
	}
	for _, e := range c.Exclude {
		r.Exclude = append(r.Exclude, rotation.Exclusion{Match: match(e.Match), Reason: e.Reason})
	}
	return r
}

func match(m config.Match) rotation.Match {
	return rotation.Match{Name: m.Name, ARN: m.ARN, Tag: m.Tag}
}

package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// exemptionNews is how long every report says that an exemption was added.
const exemptionNews = 7 * 24 * time.Hour

// exempted lets the outcome say which exemptions were added lately, by whom, and which of them subscribers do not know of yet.
func (s *Sweeper) exempted(ctx context.Context, outcome *report.Outcome) error {
	if s.Forgetful {
		return nil // every exemption would be new
	}
	all, err := s.Ledger.Exemptions(ctx)
	if err != nil {
		return fmt.Errorf("reading the exemptions: %w", err)
	}
	for _, e := range all {
		if !e.Holds(s.now()) {
			continue
		}
		if slices.ContainsFunc(s.Channels, func(c ledger.Channel) bool { return e.Told[c].IsZero() }) {
			outcome.Exempted = append(outcome.Exempted, e)
		}
		if s.now().Sub(e.Added) < exemptionNews {
			outcome.Notes = append(outcome.Notes, exemptionSentence(e))
		}
	}
	return nil
}

func exemptionSentence(e ledger.Exemption) string {
	where := "the ledger"
	if e.Config {
		where = "the configuration"
	}
	what := ""
	for _, p := range []struct{ kind, name string }{{"finding", e.Finding}, {"secret", e.Secret}, {"function", e.Function}, {"rule", e.Rule}} {
		if p.name != "" {
			what += " " + p.kind + " " + p.name
		}
	}
	return rotation.OneLine(fmt.Sprintf("New exemption in %s, %s:%s, until %s, for %s: %s. Added at %s by %s.", where, e.ID, what,
		e.Expires.UTC().Format(time.RFC3339), e.Owner, e.Reason, e.Added.UTC().Format(time.RFC3339), e.AddedBy))
}

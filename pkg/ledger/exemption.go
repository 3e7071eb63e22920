package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// Exemption takes findings out of verdicts and repair until it expires. Exactly one of Finding, Secret, Function and Rule
// says which.
type Exemption struct {
	ID       string    `json:"id"`
	Finding  string    `json:"finding,omitempty"`
	Secret   string    `json:"secret,omitempty"`   // ARN or glob
	Function string    `json:"function,omitempty"` // ARN or glob
	Rule     string    `json:"rule,omitempty"`
	Owner    string    `json:"owner"`
	Reason   string    `json:"reason"`
	Expires  time.Time `json:"expires"`
	Added    time.Time `json:"added"`
	AddedBy  string    `json:"added_by"` // the caller's ARN
	// Config: it stands in a configuration, which a run of AddedBy was the first to read, and holds only while it does.
	Config bool `json:"config,omitempty"`
	// Told is when each channel was told that it was added.
	Told map[Channel]time.Time `json:"told_on,omitempty"`
}

// CriticalExemption is the longest time for which a critical finding may be exempt.
const CriticalExemption = 30 * 24 * time.Hour

// Validate says what an exemption lacks. severity is that of the worst finding it covers, empty when not known.
func (e Exemption) Validate(now time.Time, severity drift.Severity) error {
	picks := 0
	for _, p := range []string{e.Finding, e.Secret, e.Function, e.Rule} {
		if p != "" {
			picks++
		}
	}
	switch {
	case picks != 1:
		return errors.New("an exemption names exactly one of finding, secret, function and rule")
	case e.Owner == "":
		return errors.New("an exemption needs an owner")
	case e.Reason == "":
		return errors.New("an exemption needs a reason")
	case e.Expires.IsZero():
		return errors.New("an exemption needs an expiry")
	case !e.Expires.After(now):
		return fmt.Errorf("the exemption's expiry %s is past", e.Expires.UTC().Format(time.RFC3339))
	case severity == drift.Critical && e.Expires.Sub(now) > CriticalExemption:
		return errors.New("a critical finding can be exempt for at most 30 days")
	}
	return nil
}

// HoldsForCritical says whether the exemption is in force for critical findings too. They are exempt for CriticalExemption from when it was
// added, however far away its end is, and whatever it covered then.
func (e Exemption) HoldsForCritical(now time.Time) bool {
	return e.Holds(now) && now.Before(e.Added.Add(CriticalExemption))
}

// Holds says whether the exemption is in force.
func (e Exemption) Holds(now time.Time) bool { return now.Before(e.Expires) }

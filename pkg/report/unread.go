package report

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// NewUnread is the finding that a secret or principal cannot be judged.
func NewUnread(account string, kind drift.Kind, subject, function rotation.ARN, reason string) *drift.Finding {
	id := sha256.Sum256([]byte(strings.Join([]string{account, string(subject), RuleUnread}, "\x00")))
	f := &drift.Finding{
		ID: hex.EncodeToString(id[:8]), Rule: RuleUnread, Kind: kind, Severity: drift.Medium, Direction: policy.Missing, Subject: subject, Function: function, Explanation: reason,
	}
	if kind == drift.KindSecret {
		f.Secret = subject
	}
	return f
}

// RuleUnswept is the rule of the finding that a target of a fleet was not swept as a whole, and KindTarget its kind: the ledger has it as it has what is
// unread.
const (
	RuleUnswept            = "unswept"
	KindTarget  drift.Kind = "target"
)

// NewUnswept is the finding that a target was not swept as a whole. Its subject is the account and Region.
func NewUnswept(t *Target) *drift.Finding {
	subject := strings.TrimSpace(t.Account + " " + t.Region)
	id := sha256.Sum256([]byte(strings.Join([]string{t.Account, t.Region, RuleUnswept}, "\x00")))
	severity := drift.High
	if t.Status == TargetIncomplete {
		severity = drift.Medium
	}
	return &drift.Finding{
		ID: hex.EncodeToString(id[:8]), Rule: RuleUnswept, Kind: KindTarget, Severity: severity, Direction: policy.Missing, Subject: rotation.ARN(subject), Explanation: t.Line(),
	}
}

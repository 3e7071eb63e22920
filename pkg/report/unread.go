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

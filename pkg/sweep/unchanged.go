package sweep

import (
	"bytes"
	"context"

	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// marking is a source that knows marks: proofs that something of the account need not be read again.
type marking interface {
	Recall(marks []byte)
	Marks() []byte
}

// recall gives the source the ledger's marks, and answers with what keeps those that hold after a reading of the whole account. Who may write
// goes by what was read in this run alone.
func (s *Sweeper) recall(ctx context.Context, scope rotation.Scope) (keep func(context.Context, *report.Outcome)) {
	source, ok := s.Source.(marking)
	if !ok || s.Ledger == nil || s.Forgetful || s.Continue != nil || !scope.All() || s.Repair.Mode.Writes() {
		if ok {
			source.Recall(nil)
		}
		return func(context.Context, *report.Outcome) {}
	}
	stored, err := s.Ledger.Marks(ctx)
	if err != nil {
		stored = nil // everything is read
	}
	source.Recall(stored)
	return func(ctx context.Context, outcome *report.Outcome) {
		marks := source.Marks()
		if bytes.Equal(marks, stored) {
			return
		}
		if err := s.Ledger.PutMarks(ctx, marks); err != nil {
			outcome.Errors = append(outcome.Errors, report.Error{Resource: "ledger", Message: rotation.OneLine("remembering what is unchanged: " + err.Error())})
		}
	}
}

package sweep

import (
	"bytes"
	"context"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// marking is a source that knows marks: proofs that something of the account need not be read again.
type marking interface {
	Recall(marks []byte)
	Marks() []byte
}

// recall gives the source and the comparison what the ledger knows to be unchanged, and answers with what keeps as much of it as holds after a
// reading of the whole account. Who may write goes by what was read and compared in this run alone.
func (s *Sweeper) recall(ctx context.Context, scope rotation.Scope) (keep func(context.Context, *report.Outcome)) {
	s.Judging.Proofs = nil
	source, reads := s.Source.(marking)
	if reads {
		source.Recall(nil)
	}
	if s.Ledger == nil || s.Forgetful || !scope.All() || s.Repair.Mode.Writes() {
		return func(context.Context, *report.Outcome) {}
	}
	var keeps []func(context.Context, *report.Outcome)
	if reads && s.Continue == nil {
		stored := s.marks(ctx, ledger.MarksRead)
		source.Recall(stored)
		keeps = append(keeps, func(ctx context.Context, outcome *report.Outcome) {
			s.putMarks(ctx, outcome, ledger.MarksRead, stored, source.Marks())
		})
	}
	if id := program(); id != nil {
		stored := s.marks(ctx, ledger.MarksCompared)
		proofs := drift.NewProofs(id, stored)
		s.Judging.Proofs = proofs
		keeps = append(keeps, func(ctx context.Context, outcome *report.Outcome) {
			s.putMarks(ctx, outcome, ledger.MarksCompared, stored, proofs.Stored())
		})
	}
	return func(ctx context.Context, outcome *report.Outcome) {
		for _, keep := range keeps {
			keep(ctx, outcome)
		}
	}
}

// marks are the stored ones; none where they cannot be read: then everything is read and compared.
func (s *Sweeper) marks(ctx context.Context, kind ledger.MarkKind) []byte {
	stored, err := s.Ledger.Marks(ctx, kind)
	if err != nil {
		return nil
	}
	return stored
}

func (s *Sweeper) putMarks(ctx context.Context, outcome *report.Outcome, kind ledger.MarkKind, stored, marks []byte) {
	if bytes.Equal(marks, stored) {
		return
	}
	if err := s.Ledger.PutMarks(ctx, kind, marks); err != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: "ledger", Message: rotation.OneLine("remembering what is unchanged: " + err.Error())})
	}
}

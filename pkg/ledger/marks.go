package ledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	bolt "go.etcd.io/bbolt"
)

// MarkKind is what marks are about.
type MarkKind string

// The kinds: what package inventory need not read again, and what package drift need not compare again, as long as it is unchanged.
const (
	MarksRead     MarkKind = "marks"
	MarksCompared MarkKind = "proofs"
)

// MarkSize is how many bytes one mark has: a ledger may store marks in several pieces, and cuts them between two.
const MarkSize = 24

// marksAtOnce is how many bytes of marks one item holds. An item of DynamoDB is at most 400 KB (DynamoDB Developer Guide, "Constraints"), and
// a byte takes four thirds of one there.
const marksAtOnce = 8192 * MarkSize

// Marks implements Ledger.
func (f *File) Marks(_ context.Context, kind MarkKind) ([]byte, error) {
	var marks []byte
	err := f.view(func(tx *bolt.Tx) error {
		marks = append(marks, tx.Bucket(bucketMeta).Get([]byte(kind))...)
		return nil
	})
	return marks, err
}

// PutMarks implements Ledger.
func (f *File) PutMarks(_ context.Context, kind MarkKind, marks []byte) error {
	return f.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put([]byte(kind), marks)
	})
}

// Marks implements Ledger.
func (t *Table) Marks(ctx context.Context, kind MarkKind) ([]byte, error) {
	pieces, err := allOf[[]byte](ctx, t, string(kind)+"#")
	var marks []byte
	for _, p := range pieces {
		marks = append(marks, p...)
	}
	return marks, err
}

// PutMarks implements Ledger. Pieces of two runs that write at once may mix: each mark holds for itself.
func (t *Table) PutMarks(ctx context.Context, kind MarkKind, marks []byte) error {
	var old int
	if err := t.query(ctx, string(kind)+"#", true, func(item) (bool, error) { old++; return true, nil }); err != nil {
		return err
	}
	n := 0
	for ; len(marks) > 0; n++ {
		piece := marks[:min(len(marks), marksAtOnce)]
		if err := t.put(ctx, marksItem(kind, n), piece, nil, nil); err != nil {
			return err
		}
		marks = marks[len(piece):]
	}
	var gone []types.WriteRequest
	for ; n < old; n++ {
		gone = append(gone, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: t.key(marksItem(kind, n))}})
	}
	return t.write(ctx, gone)
}

func marksItem(kind MarkKind, n int) string { return fmt.Sprintf("%s#%04d", kind, n) }

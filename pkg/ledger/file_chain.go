package ledger

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// PutRun implements Ledger. It also drops what is older than Retention.
func (f *File) PutRun(_ context.Context, r Run) error {
	return f.update(func(tx *bolt.Tx) error {
		if err := put(tx, bucketRuns, []byte(r.ID), r); err != nil {
			return err
		}
		return prune(tx, r.Started.Add(-Retention))
	})
}

// SealRun implements Ledger. It also drops what is older than Retention. What a transaction writes is in memory until it ends: of a run that changes
// many verdicts, they are stored before it, where nobody finds them without it, and what each secret's verdict is, after it.
func (f *File) SealRun(_ context.Context, r Run) (Run, error) {
	parts, err := f.putParts(&r)
	if err != nil {
		return r, err
	}
	err = f.update(func(tx *bolt.Tx) error {
		head, err := headIn(tx)
		if err != nil {
			return err
		}
		var next Head
		if r, next, err = seal(r, head); err != nil {
			return err
		}
		s := stored{Run: r, Parts: parts}
		if parts > 0 {
			s.Changed = nil
		} else if err := putVerdicts(tx, &r, r.Changed); err != nil {
			return err
		}
		if err := put(tx, bucketRuns, []byte(r.ID), s); err != nil {
			return err
		}
		if err := put(tx, bucketMeta, keyHead, next); err != nil {
			return err
		}
		return prune(tx, r.Started.Add(-Retention))
	})
	if err != nil || parts == 0 {
		return r, err
	}
	for chunk := range slices.Chunk(r.Changed, atOnce) {
		if err := f.update(func(tx *bolt.Tx) error { return putVerdicts(tx, &r, chunk) }); err != nil {
			return r, err
		}
	}
	return r, nil
}

// putParts stores the changed verdicts of a run that has too many for one value, and answers with how many parts that makes.
func (f *File) putParts(r *Run) (parts int, err error) {
	if len(r.Changed) <= partSize {
		return 0, nil
	}
	for changed := range slices.Chunk(r.Changed, atOnce) {
		err := f.update(func(tx *bolt.Tx) error {
			for part := range slices.Chunk(changed, partSize) {
				if err := put(tx, bucketParts, partKey(r, parts), part); err != nil {
					return err
				}
				parts++
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return parts, nil
}

func partKey(r *Run, number int) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(r.Started.Unix())) //nolint:gosec // runs are of after 1970
	key = append(key, r.ID...)
	return binary.BigEndian.AppendUint32(key, uint32(number)) //nolint:gosec // there are few parts
}

func putVerdicts(tx *bolt.Tx, r *Run, changed []VerdictChange) error {
	for _, v := range records(r.Started, changed) {
		if err := put(tx, bucketVerdicts, []byte(v.Secret), v); err != nil {
			return err
		}
	}
	return nil
}

func headIn(tx *bolt.Tx) (Head, error) {
	var h Head
	if data := tx.Bucket(bucketMeta).Get(keyHead); data != nil {
		if err := json.Unmarshal(data, &h); err != nil {
			return h, fmt.Errorf("%w: head of the chain: %w", ErrCorrupt, err)
		}
	}
	return h, nil
}

// Head implements Ledger.
func (f *File) Head(context.Context) (Head, error) {
	var h Head
	err := f.view(func(tx *bolt.Tx) error {
		var err error
		h, err = headIn(tx)
		return err
	})
	return h, err
}

// Verdicts implements Ledger.
func (f *File) Verdicts(context.Context) ([]VerdictRecord, error) {
	return all[VerdictRecord](f, bucketVerdicts)
}

// prune deletes the runs that started, and the journal entries that were stored, before a moment.
func prune(tx *bolt.Tx, before time.Time) error {
	c := tx.Bucket(bucketRuns).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var r Run
		if err := json.Unmarshal(v, &r); err != nil {
			return fmt.Errorf("%w: run %q: %w", ErrCorrupt, k, err)
		}
		if r.Started.Before(before) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	c = tx.Bucket(bucketParts).Cursor()
	for k, _ := c.First(); k != nil && binary.BigEndian.Uint64(k) < uint64(before.Unix()); k, _ = c.First() { //nolint:gosec // as it was stored
		if err := c.Delete(); err != nil {
			return err
		}
	}
	c = tx.Bucket(bucketJournal).Cursor()
	for k, v := c.First(); k != nil; k, v = c.First() {
		var e Entry
		if err := json.Unmarshal(v, &e); err != nil {
			return fmt.Errorf("%w: journal entry %x: %w", ErrCorrupt, k, err)
		}
		if !e.At.Before(before) {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// Runs implements Ledger.
func (f *File) Runs(ctx context.Context, limit int) ([]Run, error) {
	return f.RunsSince(ctx, time.Time{}, limit)
}

// RunsSince implements Ledger.
func (f *File) RunsSince(_ context.Context, since time.Time, limit int) ([]Run, error) {
	var runs []Run
	err := f.view(func(tx *bolt.Tx) error {
		parts := map[string]int{}
		err := each(tx, bucketRuns, nil, func(_ []byte, s stored) bool {
			if !s.Started.Before(since) {
				runs, parts[s.ID] = append(runs, s.Run), s.Parts
			}
			return true
		})
		if err != nil {
			return err
		}
		runs = newest(runs, limit)
		for i := range runs {
			for n := range parts[runs[i].ID] {
				var changed []VerdictChange
				if err := json.Unmarshal(tx.Bucket(bucketParts).Get(partKey(&runs[i], n)), &changed); err != nil {
					return fmt.Errorf("%w: part %d of run %q: %w", ErrCorrupt, n, runs[i].ID, err)
				}
				runs[i].Changed = append(runs[i].Changed, changed...)
			}
		}
		return nil
	})
	return runs, err
}

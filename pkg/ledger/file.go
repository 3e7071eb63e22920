package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The buckets of the file. Keys are ids; the journal's are its sequence numbers, big-endian, so that they sort by age.
var (
	bucketMeta       = []byte("meta")
	bucketSecrets    = []byte("secrets")
	bucketFunctions  = []byte("functions")
	bucketFindings   = []byte("findings")
	bucketRuns       = []byte("runs")
	bucketJournal    = []byte("journal")
	bucketExemptions = []byte("exemptions")
	bucketVerdicts   = []byte("verdicts")
	bucketParts      = []byte("parts") // changed verdicts of runs that have many; a key is the run's start in seconds, big-endian, its id and a number

	keySchema = []byte("schema")
	keyPause  = []byte("pause")
	keyLease  = []byte("lease")
	keyHead   = []byte("head")
)

// Retention is how long runs and journal entries are kept.
const Retention = 400 * 24 * time.Hour

// skew is by how much the clocks of two writers of one journal may differ.
const skew = time.Hour

// patience is how long a call waits for another process that is using the file. Every call opens and closes it, so that a
// person can pause a run that is going on.
const patience = 5 * time.Second

// File is a ledger in one file of an embedded database, readable by its owner only. The lease is a lock of the operating
// system on a second file beside it: it dies with its process.
type File struct {
	path string

	mu    sync.Mutex
	lease *os.File // the lock file while this process holds the lease
}

// OpenFile opens the ledger at path and makes it, and the folder it is in, when there is none. A file that is damaged, of a
// newer schema or in use is an error. A ledger that cannot be written but read opens: its writing calls fail.
func OpenFile(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening ledger: %w", err)
	}
	f := &File{path: path}
	info, err := os.Stat(path)
	if err == nil && info.Size() > 0 && f.view(func(*bolt.Tx) error { return nil }) == nil {
		return f, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = f.make()
	} else {
		err = f.update(create)
	}
	if info != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		err = f.view(func(*bolt.Tx) error { return nil })
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// make puts a new ledger in its place once the whole of it is on the disk: one that a full disk cut short would be a damaged one ever after.
// Where another process was quicker, that one's stays.
func (f *File) make() (err error) {
	begun, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+"-*") // mode 0600
	if err != nil {
		return f.explain(err)
	}
	defer func() { err = errors.Join(err, os.Remove(begun.Name())) }()
	if err := begun.Close(); err != nil {
		return f.explain(err)
	}
	fresh := &File{path: begun.Name()}
	if err := fresh.update(create); err != nil {
		return f.explain(errors.Unwrap(err))
	}
	if err := os.Link(begun.Name(), f.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return f.explain(err)
	}
	return nil
}

// create makes what a new ledger has.
func create(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketSecrets, bucketFunctions, bucketFindings, bucketRuns, bucketJournal, bucketExemptions, bucketVerdicts, bucketParts} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	if meta.Get(keySchema) == nil || older(tx) {
		return meta.Put(keySchema, []byte(strconv.Itoa(Schema)))
	}
	return nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Close frees the lease if this process holds it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closeLease()
}

func (f *File) closeLease() error {
	if f.lease == nil {
		return nil
	}
	err := f.lease.Close()
	f.lease = nil
	return err
}

func (f *File) update(do func(*bolt.Tx) error) error { return f.transact(false, do) }
func (f *File) view(do func(*bolt.Tx) error) error   { return f.transact(true, do) }

// transact opens the file, runs one transaction and closes it. The database panics, or the memory it maps faults, where a
// file is damaged inside: both become errors here.
func (f *File) transact(readOnly bool, do func(*bolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ledger %s: %w: %v", f.path, ErrCorrupt, r)
		}
	}()
	db, err := bolt.Open(f.path, 0o600, &bolt.Options{Timeout: patience, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return f.explain(opening(err))
	}
	defer func() {
		if cerr := db.Close(); err == nil && cerr != nil {
			err = f.explain(cerr)
		}
	}()
	run := db.Update
	if readOnly {
		run = db.View
	}
	return f.explain(run(func(tx *bolt.Tx) error {
		if err := checkSchema(tx); err != nil {
			return err
		}
		if tx.Writable() && tx.Bucket(bucketMeta) != nil && older(tx) {
			if err := create(tx); err != nil {
				return err
			}
		}
		return do(tx)
	}))
}

// older says whether a program of an earlier schema made the file. Then it may lack buckets, which are made before something is written.
func older(tx *bolt.Tx) bool {
	schema, err := strconv.Atoi(string(tx.Bucket(bucketMeta).Get(keySchema)))
	return err == nil && schema < Schema
}

func checkSchema(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || meta.Get(keySchema) == nil {
		if tx.Writable() {
			return nil // about to be made
		}
		return fmt.Errorf("%w: it has no schema", ErrCorrupt)
	}
	schema, err := strconv.Atoi(string(meta.Get(keySchema)))
	if err != nil {
		return fmt.Errorf("%w: its schema is %q", ErrCorrupt, meta.Get(keySchema))
	}
	if schema > Schema {
		return fmt.Errorf("%w: it has schema %d, this program knows %d", ErrSchema, schema, Schema)
	}
	return nil
}

// opening is an error of opening the file: what neither the operating system nor the lock says, the file's content does.
func opening(err error) error {
	var path *fs.PathError
	var errno syscall.Errno
	if errors.Is(err, bolterrors.ErrTimeout) || errors.As(err, &path) || errors.As(err, &errno) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// explain names the file and turns the database's errors into ours.
func (f *File) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrBusy
	case errors.Is(err, bolterrors.ErrBucketNotFound):
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("ledger %s: %w", f.path, err)
}

// fill is how much of a page is used when it is split. Keys mostly come in order, and what is half empty is mapped into memory with the rest.
const fill = 0.9

// put stores a value as JSON.
func put(tx *bolt.Tx, bucket []byte, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	b := tx.Bucket(bucket)
	if b == nil {
		return bolterrors.ErrBucketNotFound
	}
	b.FillPercent = fill
	return b.Put(key, data)
}

// each decodes the values of a bucket in the order of the keys, from a key on (nil: from the first), until visit has enough.
func each[T any](tx *bolt.Tx, bucket, from []byte, visit func(key []byte, value T) bool) error {
	b := tx.Bucket(bucket)
	if b == nil {
		if older(tx) {
			return nil
		}
		return bolterrors.ErrBucketNotFound
	}
	c := b.Cursor()
	k, v := c.First()
	if from != nil {
		k, v = c.Seek(from)
	}
	for ; k != nil; k, v = c.Next() {
		var value T
		if err := json.Unmarshal(v, &value); err != nil {
			return fmt.Errorf("%w: %s %q: %w", ErrCorrupt, bucket, k, err)
		}
		if !visit(k, value) {
			return nil
		}
	}
	return nil
}

// all collects a bucket, some values at a time: what a transaction has read stays in memory, mapped, until it ends.
func all[T any](f *File, bucket []byte) ([]T, error) {
	var (
		values []T
		next   []byte
	)
	for more := true; more; {
		more = false
		err := f.view(func(tx *bolt.Tx) error {
			n := 0
			return each(tx, bucket, next, func(key []byte, v T) bool {
				if n++; n > atOnce {
					next, more = bytes.Clone(key), true
					return false
				}
				values = append(values, v)
				return true
			})
		})
		if err != nil {
			return values, err
		}
	}
	return values, nil
}

// ObserveSecrets implements Ledger.
func (f *File) ObserveSecrets(_ context.Context, at time.Time, seen []Naming, complete bool) ([]SecretRecord, error) {
	stored, err := all[SecretRecord](f, bucketSecrets)
	if err != nil {
		return nil, err
	}
	records, store, forget := observeSecrets(stored, at.UTC(), seen, complete)
	if len(store) == 0 && len(forget) == 0 {
		return records, nil
	}
	// What a transaction writes is in memory until it ends, and a large account's index is large. One that is half written is written again.
	for ; len(store) > atOnce; store = store[atOnce:] {
		if err := f.putSecrets(store[:atOnce], nil); err != nil {
			return nil, err
		}
	}
	return records, f.putSecrets(store, forget)
}

// atOnce is how many records one transaction writes.
const atOnce = 2000

func (f *File) putSecrets(store []SecretRecord, forget []string) error {
	return f.update(func(tx *bolt.Tx) error {
		for _, r := range store {
			if err := put(tx, bucketSecrets, []byte(r.Secret), r); err != nil {
				return err
			}
		}
		for _, secret := range forget {
			if err := tx.Bucket(bucketSecrets).Delete([]byte(secret)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Secrets implements Ledger.
func (f *File) Secrets(context.Context) ([]SecretRecord, error) {
	return all[SecretRecord](f, bucketSecrets)
}

// ObserveFunctions implements Ledger.
func (f *File) ObserveFunctions(ctx context.Context, seen []FunctionRecord, complete bool) error {
	stored, err := f.Functions(ctx)
	if err != nil {
		return err
	}
	store, forget := observeFunctions(stored, seen, complete)
	if len(store) == 0 && len(forget) == 0 {
		return nil
	}
	return f.update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketFunctions)
		if err != nil {
			return err
		}
		for _, r := range store {
			if err := put(tx, bucketFunctions, []byte(r.Function), r); err != nil {
				return err
			}
		}
		for _, function := range forget {
			if err := b.Delete([]byte(function)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Functions implements Ledger. A file of before functions were remembered has none.
func (f *File) Functions(context.Context) ([]FunctionRecord, error) {
	return all[FunctionRecord](f, bucketFunctions)
}

// ObserveFindings implements Ledger.
func (f *File) ObserveFindings(_ context.Context, s Sighting) ([]Transition, error) {
	s.At = s.At.UTC()
	records, err := all[FindingRecord](f, bucketFindings)
	if err != nil {
		return nil, err
	}
	store, tell := s.sight(byFinding(records))
	return tell, f.putFindings(store)
}

func (f *File) putFindings(records []FindingRecord) error {
	for some := range slices.Chunk(records, atOnce) { // what one transaction writes is in memory at once
		err := f.update(func(tx *bolt.Tx) error {
			for i := range some {
				if err := put(tx, bucketFindings, []byte(some[i].Finding.ID), some[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Told implements Ledger.
func (f *File) Told(_ context.Context, at time.Time, told []Transition) error {
	records, err := all[FindingRecord](f, bucketFindings)
	if err != nil {
		return err
	}
	return f.putFindings(tell(byFinding(records), at.UTC(), told))
}

// Findings implements Ledger.
func (f *File) Findings(context.Context) ([]FindingRecord, error) {
	return all[FindingRecord](f, bucketFindings)
}

// Pause implements Ledger.
func (f *File) Pause(_ context.Context, p Pause) error {
	return f.update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketMeta).Get(keyPause) != nil {
			return nil
		}
		return put(tx, bucketMeta, keyPause, p)
	})
}

// Resume implements Ledger.
func (f *File) Resume(context.Context) error {
	return f.update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyPause) })
}

// Paused implements Ledger.
func (f *File) Paused(context.Context) (*Pause, error) {
	var pause *Pause
	err := f.view(func(tx *bolt.Tx) error {
		if data := tx.Bucket(bucketMeta).Get(keyPause); data != nil {
			pause = new(Pause)
			if err := json.Unmarshal(data, pause); err != nil {
				return fmt.Errorf("%w: pause: %w", ErrCorrupt, err)
			}
		}
		return nil
	})
	return pause, err
}

// Acquire implements Ledger.
func (f *File) Acquire(_ context.Context, holder string, at time.Time, ttl time.Duration) (Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lease != nil {
		return Lease{}, fmt.Errorf("ledger %s: %w", f.path, ErrHeld)
	}
	lock, err := os.OpenFile(f.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return Lease{}, f.explain(err)
	}
	free, err := tryLock(lock)
	if err != nil {
		return Lease{}, errors.Join(f.explain(err), lock.Close())
	}
	if !free {
		if err := lock.Close(); err != nil {
			return Lease{}, f.explain(err)
		}
		if l, ok := f.storedLease(); ok {
			return Lease{}, fmt.Errorf("ledger %s: %w: %s", f.path, ErrHeld, l.Holder)
		}
		return Lease{}, fmt.Errorf("ledger %s: %w", f.path, ErrHeld)
	}
	var l Lease
	err = f.update(func(tx *bolt.Tx) error {
		old, err := leaseIn(tx)
		if err != nil {
			return err
		}
		l = Lease{Number: old.Number + 1, Holder: holder, Until: at.Add(ttl).UTC()}
		return put(tx, bucketMeta, keyLease, l)
	})
	if err != nil {
		return Lease{}, errors.Join(err, lock.Close())
	}
	f.lease = lock
	return l, nil
}

func leaseIn(tx *bolt.Tx) (Lease, error) {
	var l Lease
	if data := tx.Bucket(bucketMeta).Get(keyLease); data != nil {
		if err := json.Unmarshal(data, &l); err != nil {
			return l, fmt.Errorf("%w: lease: %w", ErrCorrupt, err)
		}
	}
	return l, nil
}

func (f *File) storedLease() (Lease, bool) {
	var l Lease
	err := f.view(func(tx *bolt.Tx) error {
		var err error
		l, err = leaseIn(tx)
		return err
	})
	return l, err == nil && l.Number > 0
}

// Renew implements Ledger.
func (f *File) Renew(_ context.Context, l Lease, at time.Time, ttl time.Duration) (Lease, error) {
	err := f.update(func(tx *bolt.Tx) error {
		if err := f.holds(tx, l); err != nil {
			return err
		}
		l.Until = at.Add(ttl).UTC()
		return put(tx, bucketMeta, keyLease, l)
	})
	return l, err
}

// holds is the condition of every entry: the lock is this process's and the counter is still the lease's.
func (f *File) holds(tx *bolt.Tx, l Lease) error {
	f.mu.Lock()
	held := f.lease != nil
	f.mu.Unlock()
	stored, err := leaseIn(tx)
	if err != nil {
		return err
	}
	if !held || stored.Number != l.Number {
		return ErrLost
	}
	return nil
}

// Release implements Ledger.
func (f *File) Release(_ context.Context, l Lease) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stored, ok := f.storedLease(); ok && stored.Number != l.Number {
		return nil
	}
	return f.closeLease()
}

// Append implements Ledger.
func (f *File) Append(_ context.Context, l Lease, e Entry) (Entry, error) {
	err := f.update(func(tx *bolt.Tx) error {
		if err := f.holds(tx, l); err != nil {
			return err
		}
		seq, err := tx.Bucket(bucketJournal).NextSequence()
		if err != nil {
			return err
		}
		e.Seq, e.Lease, e.At = seq, l.Number, e.At.UTC()
		return put(tx, bucketJournal, binary.BigEndian.AppendUint64(nil, seq), e)
	})
	return e, err
}

// Entries implements Ledger.
func (f *File) Entries(_ context.Context, run string) ([]Entry, error) {
	entries, err := all[Entry](f, bucketJournal)
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Run != run }), err
}

// EntriesSince implements Ledger.
func (f *File) EntriesSince(_ context.Context, since time.Time) ([]Entry, error) {
	var entries []Entry
	err := f.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketJournal).Cursor()
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			var e Entry
			if err := json.Unmarshal(v, &e); err != nil {
				return fmt.Errorf("%w: journal entry %x: %w", ErrCorrupt, k, err)
			}
			if e.At.Before(since.Add(-skew)) {
				break
			}
			if !e.At.Before(since) {
				entries = append(entries, e)
			}
		}
		return nil
	})
	slices.Reverse(entries)
	return entries, err
}

// PutExemption implements Ledger.
func (f *File) PutExemption(_ context.Context, e Exemption) error {
	return f.update(func(tx *bolt.Tx) error { return put(tx, bucketExemptions, []byte(e.ID), e) })
}

// DeleteExemption implements Ledger.
func (f *File) DeleteExemption(_ context.Context, id string) error {
	return f.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketExemptions)
		if id == "" || b.Get([]byte(id)) == nil {
			return fmt.Errorf("exemption %q: %w", id, ErrNotFound)
		}
		return b.Delete([]byte(id))
	})
}

// Exemptions implements Ledger.
func (f *File) Exemptions(context.Context) ([]Exemption, error) {
	return all[Exemption](f, bucketExemptions)
}

package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// Schema is the version of what is stored. A ledger with a higher one is refused: an older program must not write into it.
// Schema 2 has the chain of runs and the last verdicts, schema 3 those of large runs in parts; an older ledger is taken along.
const Schema = 3

// Ledger is what is remembered between runs. Every method is safe for several processes at once.
type Ledger interface {
	// ObserveSecrets remembers which secret names which function and key, and answers with the records of the secrets seen.
	// complete says that the whole account was listed: what was not seen is then forgotten.
	ObserveSecrets(ctx context.Context, at time.Time, seen []Naming, complete bool) ([]SecretRecord, error)
	// Secrets are all the records, sorted by secret.
	Secrets(ctx context.Context) ([]SecretRecord, error)

	// ObserveFunctions remembers what rotation functions rest on. complete says that the whole account was listed: what was not seen
	// is then forgotten.
	ObserveFunctions(ctx context.Context, seen []FunctionRecord, complete bool) error
	// Functions are all the records, sorted by function.
	Functions(ctx context.Context) ([]FunctionRecord, error)

	// ObserveFindings remembers findings and answers with what should be told: see Transition.
	ObserveFindings(ctx context.Context, s Sighting) ([]Transition, error)
	// Told marks transitions as told, so that they are not told again.
	Told(ctx context.Context, at time.Time, told []Transition) error
	// Findings are all the records, sorted by finding id.
	Findings(ctx context.Context) ([]FindingRecord, error)

	// Marks are what PutMarks was given last of their kind, none while nothing was.
	Marks(ctx context.Context, kind MarkKind) ([]byte, error)
	// PutMarks replaces the marks of a kind.
	PutMarks(ctx context.Context, kind MarkKind, marks []byte) error

	// PutRun stores a run under its id, replacing what was there.
	PutRun(ctx context.Context, r Run) error
	// Runs are the runs, newest first; limit 0 means all.
	Runs(ctx context.Context, limit int) ([]Run, error)
	// RunsSince are those of Runs that were started at that moment or later. Runs before it are not read where their ids begin with their time.
	RunsSince(ctx context.Context, since time.Time, limit int) ([]Run, error)

	// SealRun stores a run that has ended at the end of the chain of runs, with its verdicts, and answers with it as it was stored.
	SealRun(ctx context.Context, r Run) (Run, error)
	// Head is the end of the chain; its number is 0 while there is none.
	Head(ctx context.Context) (Head, error)
	// Verdicts are the secrets' verdicts as the last sealed run left them, sorted by secret.
	Verdicts(ctx context.Context) ([]VerdictRecord, error)

	// Acquire takes the lease of the one writer until at+ttl, or answers ErrHeld. A lease whose time is over is taken over:
	// its holder's next Append is refused.
	Acquire(ctx context.Context, holder string, at time.Time, ttl time.Duration) (Lease, error)
	// Renew moves the lease's end; ErrLost when somebody else has it.
	Renew(ctx context.Context, l Lease, at time.Time, ttl time.Duration) (Lease, error)
	// Release ends the lease. Releasing one that is lost is no error.
	Release(ctx context.Context, l Lease) error
	// Append stores a journal entry durably on condition that the lease is still the holder's (ErrLost otherwise).
	Append(ctx context.Context, l Lease, e Entry) (Entry, error)
	// Entries are a run's journal entries in the order in which they were stored.
	Entries(ctx context.Context, run string) ([]Entry, error)
	// EntriesSince are all entries stored at or after a moment, oldest first.
	EntriesSince(ctx context.Context, since time.Time) ([]Entry, error)

	// Pause stops all writing until Resume. Pausing what is paused keeps the first pause.
	Pause(ctx context.Context, p Pause) error
	// Resume ends a pause; without one it does nothing.
	Resume(ctx context.Context) error
	// Paused is the pause that holds, or nil.
	Paused(ctx context.Context) (*Pause, error)

	// PutExemption adds an exemption or replaces the one with its id.
	PutExemption(ctx context.Context, e Exemption) error
	// DeleteExemption removes one; ErrNotFound when there is none with that id.
	DeleteExemption(ctx context.Context, id string) error
	// Exemptions are all of them, expired ones too, sorted by id.
	Exemptions(ctx context.Context) ([]Exemption, error)

	// Close frees what the ledger holds, the lease included.
	Close() error
}

// What a caller decides by.
var (
	ErrHeld     = errors.New("another run holds the lease")
	ErrLost     = errors.New("the lease is lost")
	ErrNotFound = errors.New("not found")
	// ErrSchema: the ledger was written by a newer program.
	ErrSchema = errors.New("written by a newer rotationguard")
	// ErrCorrupt: what is stored cannot be read.
	ErrCorrupt = errors.New("the ledger is damaged")
	// ErrBusy: another process is using the file for longer than one waits.
	ErrBusy = errors.New("in use by another process")
)

// Run is one sweep, apply or rollback. Its hash is that of its JSON: a field that is added must be left out of the JSON of runs without it.
type Run struct {
	ID       string     `json:"id"`
	Mode     string     `json:"mode"`
	Command  string     `json:"command"` // "sweep", "apply", "rollback RUN"
	Caller   string     `json:"caller,omitempty"`
	Started  time.Time  `json:"started"`
	Ended    *time.Time `json:"ended,omitempty"`
	Complete bool       `json:"complete"` // the whole account was listed
	Summary  string     `json:"summary,omitempty"`

	Cause    string                `json:"cause,omitempty"`    // what made it run, where that was an event
	Verdicts map[drift.Verdict]int `json:"verdicts,omitempty"` // how many of the secrets that it saw have each verdict
	Changed  []VerdictChange       `json:"changed,omitempty"`
	Journal  string                `json:"journal,omitempty"` // HashEntries of its journal entries
	// Exemptions are those in force; null: the same as in the run before.
	Exemptions []Exemption `json:"exemptions"`

	// Its place in the chain, from SealRun; Number is 0 of a run that has not ended.
	Number          uint64     `json:"number,omitempty"`
	Previous        string     `json:"previous,omitempty"`
	PreviousStarted *time.Time `json:"previous_started,omitempty"`
	Hash            string     `json:"hash,omitempty"`
}

// Pause says who stopped all writing and why.
type Pause struct {
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Lease is the right to write, good until Until. Number grows with every lease that is taken; a journal entry carries it.
type Lease struct {
	Number uint64    `json:"number"`
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	bolt "go.etcd.io/bbolt"
)

func TestFileConforms(t *testing.T) {
	conform(t, func(t *testing.T) func() ledger.Ledger {
		path := filepath.Join(t.TempDir(), "state", "ledger.db")
		return func() ledger.Ledger { return openFile(t, path) }
	})
}

func openFile(t *testing.T, path string) *ledger.File {
	t.Helper()
	l, err := ledger.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestFileTakesRunsThatEndAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	raceForTheEnd(t, func() ledger.Ledger { return openFile(t, path) })
}

// TestFileOfAnEarlierSchemaIsTakenAlong: what it holds stays, and what is new since can be stored.
func TestFileOfAnEarlierSchemaIsTakenAlong(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "l.db")
	l := openFile(t, path)
	old := ledger.Run{ID: "old", Command: "sweep", Started: noon}
	ok(t, l.PutRun(ctx, old))
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("1")), tx.DeleteBucket([]byte("verdicts")), tx.DeleteBucket([]byte("functions")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	l = openFile(t, path)
	if v, err := l.Verdicts(ctx); err != nil || len(v) > 0 {
		t.Errorf("before anything is written: %v, %v", v, err)
	}
	must[ledger.Run](t)(l.SealRun(ctx, ledger.Run{ID: "new", Started: noon.Add(time.Hour), Changed: []ledger.VerdictChange{{Secret: "s", Is: drift.InSync}}}))
	runs := must[[]ledger.Run](t)(openFile(t, path).Runs(ctx, 0))
	if len(runs) != 2 || runs[1].ID != "old" {
		t.Fatalf("runs = %+v", runs)
	}
	chain := must[ledger.Chain](t)(ledger.Verify(runs, must[ledger.Head](t)(l.Head(ctx)), nil, noon))
	if chain.Runs != 1 || len(chain.Problems) > 0 {
		t.Errorf("chain = %+v", chain)
	}
	if v, err := l.Verdicts(ctx); err != nil || len(v) != 1 {
		t.Errorf("verdicts = %v, %v", v, err)
	}
}

func TestFileIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	openFile(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode = %o, want 600", got)
	}
}

// filled is a ledger with some pages of content.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "l.db")
	l := openFile(t, path)
	var seen []ledger.Naming
	for i := range 2000 {
		seen = append(seen, ledger.Naming{Secret: strings.Repeat("s", i%50+1) + time.Duration(i).String(), Function: "f"})
	}
	if _, err := l.ObserveSecrets(t.Context(), noon, seen, false); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileThatCannotBeUsedIsOneClearLine(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, path string)
		want   error
		text   string
	}{
		{"text in place of a database is damage", func(t *testing.T, path string) {
			write(t, path, []byte(strings.Repeat("not a database\n", 2000)))
		}, ledger.ErrCorrupt, ""},
		{"a file cut short is damage", func(t *testing.T, path string) {
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
		}, ledger.ErrCorrupt, ""},
		{"pages overwritten with noise are damage", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 2 * os.Getpagesize(); i < len(data); i++ {
				data[i] = byte(i * 7)
			}
			write(t, path, data)
		}, ledger.ErrCorrupt, ""},
		{"a newer schema is refused", func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("99")) })
			if err != nil {
				t.Fatal(err)
			}
		}, ledger.ErrSchema, "99"},
		{"a folder in its place is an error", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil, "is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filled(t)
			tt.damage(t, path)
			l, err := ledger.OpenFile(path)
			if err == nil {
				_, err = l.Secrets(t.Context())
			}
			if err == nil {
				t.Fatal("no error")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if msg := err.Error(); strings.Contains(msg, "\n") || !strings.Contains(msg, path) || !strings.Contains(msg, tt.text) {
				t.Errorf("error %q: not one line, or without the path or %q", msg, tt.text)
			}
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFileUnderAFileIsAnError(t *testing.T) {
	blocker := filepath.Join(t.TempDir(), "file")
	write(t, blocker, nil)
	if _, err := ledger.OpenFile(filepath.Join(blocker, "l.db")); err == nil || !strings.Contains(err.Error(), "opening ledger") {
		t.Errorf("error = %v", err)
	}
}

func TestFileInUseIsBusy(t *testing.T) {
	t.Parallel()
	path := filled(t)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := ledger.OpenFile(path); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("error = %v, want ErrBusy", err)
	}
}

func TestFileLeaseDiesWithItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	l := openFile(t, path)
	if _, err := l.Acquire(t.Context(), "me", noon, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openFile(t, path).Acquire(t.Context(), "them", noon, time.Minute); err != nil {
		t.Errorf("after its holder went, long before its time is over: %v", err)
	}
}

func TestFileLeaseNeedsNothingOfTheLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	write(t, path+".lock", []byte("cut short by a full disk"))
	l := openFile(t, path)
	lease, err := l.Acquire(t.Context(), "me", noon, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openFile(t, path).Acquire(t.Context(), "them", noon, time.Minute); !errors.Is(err, ledger.ErrHeld) || !strings.Contains(err.Error(), "me") {
		t.Errorf("a second holder: %v, want ErrHeld by me", err)
	}
	if err := l.Release(t.Context(), lease); err != nil {
		t.Error(err)
	}
}

func TestFileDropsWhatIsOld(t *testing.T) {
	ctx, l := t.Context(), openFile(t, filepath.Join(t.TempDir(), "l.db"))
	lease, err := l.Acquire(ctx, "me", noon, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i, days := range []int{0, 100, 450} {
		at := noon.Add(time.Duration(days) * 24 * time.Hour)
		if _, err := l.Append(ctx, lease, ledger.Entry{Run: "r", At: at}); err != nil {
			t.Fatal(err)
		}
		if err := l.PutRun(ctx, ledger.Run{ID: string(rune('a' + i)), Started: at}); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := l.Runs(ctx, 0)
	if err != nil || len(runs) != 2 {
		t.Errorf("%d runs (%v), want the 2 of the last 400 days", len(runs), err)
	}
	large := ledger.Run{ID: "large", Started: noon}
	for i := range 1000 {
		large.Changed = append(large.Changed, ledger.VerdictChange{Secret: strconv.Itoa(i), Is: drift.InSync})
	}
	for i, days := range []int{0, 390, 450} { // the last drops the first
		large.ID, large.Started = string(rune('x'+i)), noon.Add(time.Duration(days)*24*time.Hour)
		must[ledger.Run](t)(l.SealRun(ctx, large))
	}
	for _, r := range must[[]ledger.Run](t)(l.Runs(ctx, 0)) {
		if large := r.ID >= "x"; r.ID == "x" || large && len(r.Changed) != 1000 {
			t.Errorf("run %s has %d changed verdicts", r.ID, len(r.Changed))
		}
	}
	entries, err := l.Entries(ctx, "r")
	if err != nil || len(entries) != 2 {
		t.Errorf("%d entries (%v), want the 2 of the last 400 days", len(entries), err)
	}
}

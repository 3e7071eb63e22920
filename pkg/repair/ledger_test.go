package repair_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

var errDisk = errors.New("no space left on device")

// failing is a ledger of which one call that repair makes fails.
type failing struct {
	ledger.Ledger
	acquire, paused bool
	appendAfter     int // entries that are stored before the disk is full; -1: never full
	entries         int
}

func (f *failing) Acquire(ctx context.Context, holder string, at time.Time, ttl time.Duration) (ledger.Lease, error) {
	if f.acquire {
		return ledger.Lease{}, errDisk
	}
	return f.Ledger.Acquire(ctx, holder, at, ttl)
}

func (f *failing) Paused(ctx context.Context) (*ledger.Pause, error) {
	if f.paused {
		return nil, errDisk
	}
	return f.Ledger.Paused(ctx)
}

func (f *failing) Append(ctx context.Context, l ledger.Lease, e ledger.Entry) (ledger.Entry, error) {
	if f.appendAfter >= 0 && f.entries >= f.appendAfter {
		return e, errDisk
	}
	f.entries++
	return f.Ledger.Append(ctx, l, e)
}

func TestWithoutItsJournalNothingIsWritten(t *testing.T) {
	tests := []struct {
		name   string
		ledger failing
		writes int
	}{
		{"the lease cannot be taken", failing{acquire: true, appendAfter: -1}, 0},
		{"the pause cannot be read", failing{paused: true, appendAfter: -1}, 0},
		{"no entry can be stored", failing{appendAfter: 0}, 0},
		{"the disk is full after one change", failing{appendAfter: 2}, 1},
		{"the first outcome cannot be stored", failing{appendAfter: 1}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.add(broken("x"))
			b.add(uninvocable("y"))
			b.withLedger(t, func(l ledger.Ledger) {
				plan := b.planWith(t, l)
				tt.ledger.Ledger = l
				changes, err := b.repairer(&tt.ledger).Apply(t.Context(), plan)
				if !errors.Is(err, errDisk) {
					t.Errorf("error = %v, want the disk's", err)
				}
				if len(changes) != len(plan.Changes) {
					t.Errorf("%d changes are told of %d", len(changes), len(plan.Changes))
				}
				for _, c := range changes {
					if c.Status == repair.Planned || c.Status == repair.Refused && c.Reason == "" {
						t.Errorf("%s %s is %s: %q", c.Call, c.Name, c.Status, c.Reason)
					}
				}
			})
			if w := b.Writes(); len(w) != tt.writes {
				t.Errorf("%d writes, want %d: %v", len(w), tt.writes, w)
			}
		})
	}
	t.Run("there is no ledger at all", func(t *testing.T) {
		b := newBench(t)
		b.add(broken("x"))
		if _, err := repair.New(repair.NewClients(b.Config()), nil, b.opts).Apply(t.Context(), b.plan(t)); err == nil || len(b.Writes()) > 0 {
			t.Errorf("error = %v, writes = %v", err, b.Writes())
		}
	})
}

func TestWhatWasWrittenIsToldWhenTimeRunsOut(t *testing.T) {
	b := newBench(t)
	b.add(broken("x"))
	b.add(uninvocable("y"))
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		b.Fail(awstest.Match{Operation: "PutRolePolicy"}, awstest.Fault{After: true, Run: cancel, Latency: time.Millisecond})
		changes, err := b.repairer(l).Apply(ctx, plan)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v", err)
		}
		want := []string{"done iam:PutRolePolicy x-role", "refused lambda:AddPermission x", "refused lambda:AddPermission y"}
		if got := summary(changes); !slices.Equal(got, want) {
			t.Errorf("changes = %v, want %v", got, want)
		}
		entries, err := l.EntriesSince(t.Context(), time.Time{})
		if err != nil || len(entries) != 2 || entries[1].Status != string(repair.Done) {
			t.Errorf("journal = %+v, %v", entries, err)
		}
		if _, err := l.Acquire(t.Context(), "next", b.now, time.Minute); err != nil {
			t.Errorf("the lease was not given back: %v", err)
		}
	})
}

func TestADiskThatIsFullStopsWritingToAWS(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	var writes []int
	for _, most := range []uint64{0, 64 << 10, 160 << 10, 192 << 10, 4 << 20} {
		t.Run(fmt.Sprint(most, " bytes"), func(t *testing.T) {
			b := newBench(t)
			b.addMixed()
			tr := b.watch(t)
			b.plan(t) // the ledger knows the account already
			b.ResetCalls()
			err := b.start(t, job{Full: true, Most: most}).Wait()
			if tr.step(); len(tr.lost) > 0 {
				t.Errorf("lost: %v", tr.lost)
			}
			if most == 0 && (err == nil || len(b.Writes()) > 0) {
				t.Errorf("on a full disk: %v, writes %v", err, b.Writes())
			}
			b.accounted(t)
			writes = append(writes, len(b.Writes()))

			// Once there is room again, the next run ends the work.
			b.now = b.now.Add(10 * time.Minute)
			b.run(t)
			b.ResetCalls()
			b.now = b.now.Add(10 * time.Minute)
			if b.run(t); len(b.Writes()) > 0 {
				t.Errorf("the account does not come to rest: %v", b.Writes())
			}
			b.settled(t)
		})
	}
	// Some of these disks were full before the first write, some in the middle of the run, and one never.
	if all := writes[len(writes)-1]; writes[0] != 0 || all < 10 || !slices.ContainsFunc(writes, func(n int) bool { return n > 0 && n < all }) {
		t.Errorf("writes made on disks that are ever larger: %v", writes)
	}
}

func TestALedgerThatCannotBeUsedStopsWritingToAWS(t *testing.T) {
	tests := []struct {
		name string
		harm func(t *testing.T, path string)
	}{
		{"it is damaged", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range data {
				if i > 64 {
					data[i] ^= 0x5a
				}
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"it is cut off", func(t *testing.T, path string) {
			if err := os.Truncate(path, 100); err != nil {
				t.Fatal(err)
			}
		}},
		{"it is a folder", func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.addMixed()
			b.withLedger(t, func(l ledger.Ledger) {
				plan := b.planWith(t, l)
				tt.harm(t, b.path) // while the run has it open
				b.ResetCalls()
				if _, err := b.repairer(l).Apply(t.Context(), plan); err == nil {
					t.Error("the run did not notice")
				}
			})
			if len(b.Writes()) > 0 {
				t.Errorf("writes = %v", b.Writes())
			}
		})
	}
}

package repair_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// disk is a small file system of its own, mounted while the test runs; nil where this process may not mount one.
func disk(t *testing.T, kilobytes int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0700", kilobytes))
	if errors.Is(err, syscall.EPERM) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// fillUp leaves so many bytes free on the disk of a folder.
func fillUp(t *testing.T, folder string, free int64) (filler string) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		t.Fatal(err)
	}
	filler = filepath.Join(folder, "filler")
	if err := os.WriteFile(filler, make([]byte, max(0, int64(s.Bavail)*s.Bsize-free)), 0o600); err != nil { //nolint:gosec // a disk of megabytes
		t.Fatal(err)
	}
	return filler
}

// applied applies a plan that was made before a disk was harmed.
func (b *bench) applied(t *testing.T, harm func()) ([]repair.Change, error) {
	t.Helper()
	var changes []repair.Change
	var err error
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		harm()
		b.ResetCalls()
		changes, err = b.repairer(l).Apply(t.Context(), plan)
	})
	for _, c := range changes {
		if c.Status == repair.Planned || c.Status != repair.Done && c.Reason == "" {
			t.Errorf("%s %s is %s: %q", c.Call, c.Name, c.Status, c.Reason)
		}
	}
	return changes, err
}

// TestAFullDisk fills a real file system: what is written to AWS on it has its journal entry, and the work goes on when there is room.
func TestAFullDisk(t *testing.T) {
	const size = 2048
	stopped, some := 0, 0
	for _, free := range []int64{0, 4 << 10, 16 << 10, 48 << 10, 64 << 10, 96 << 10, 128 << 10} {
		folder := disk(t, size)
		if folder == "" {
			return // TestADiskThatIsFullStopsWritingToAWS limits the size of files instead
		}
		t.Run(fmt.Sprint(free, " bytes free"), func(t *testing.T) {
			b := newBench(t)
			b.path = filepath.Join(folder, "ledger.db")
			b.addMixed()
			tr := b.watch(t)
			filler := ""
			_, err := b.applied(t, func() { filler = fillUp(t, folder, free) })
			if free == 0 && (err == nil || len(b.Writes()) > 0) {
				t.Errorf("on a full disk: %v, writes %v", err, b.Writes())
			}
			if err != nil {
				stopped++
				if n := len(b.Writes()); n > 0 {
					some++
				}
			}
			b.accounted(t)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			b.now = b.now.Add(10 * time.Minute)
			b.runWatched(t, tr)
			if len(tr.lost) > 0 {
				t.Errorf("lost: %v", tr.lost)
			}
			b.settled(t)
		})
	}
	if stopped == 0 || some == 0 {
		t.Errorf("%d runs were stopped by a full disk, %d of them after their first write", stopped, some)
	}
}

// TestALedgerBegunOnAFullDisk: what had no room is not there half afterwards.
func TestALedgerBegunOnAFullDisk(t *testing.T) {
	for _, free := range []int64{0, 4 << 10, 8 << 10, 12 << 10, 20 << 10} {
		folder := disk(t, 1024)
		if folder == "" {
			return
		}
		path := filepath.Join(folder, "ledger.db")
		filler := fillUp(t, folder, free)
		if l, err := ledger.OpenFile(path); err == nil {
			t.Errorf("%d bytes free are enough: %v", free, l.Close())
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d bytes free: %v", free, err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.OpenFile(path)
		if err != nil {
			t.Errorf("there is room again after %d bytes: %v", free, err)
			continue
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
			t.Errorf("%v and %v are left", left, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAReadOnlyDisk makes the ledger's file system, or where this process may not mount one the ledger's folder and file, read-only.
func TestAReadOnlyDisk(t *testing.T) {
	b := newBench(t)
	folder := disk(t, 4096)
	lock, unlock := func() error { return syscall.Mount("", folder, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") },
		func() error { return syscall.Mount("", folder, "", syscall.MS_REMOUNT, "") }
	if folder == "" {
		if os.Geteuid() == 0 {
			return // permissions bind everybody but root
		}
		folder = t.TempDir()
		file := filepath.Join(folder, "ledger.db")
		lock, unlock = func() error { return errors.Join(os.Chmod(file, 0o400), os.Chmod(folder, 0o500)) },
			func() error { return errors.Join(os.Chmod(folder, 0o700), os.Chmod(file, 0o600)) } //nolint:gosec // a folder of the test's
	}
	b.path = filepath.Join(folder, "ledger.db")
	b.addMixed()
	_, err := b.applied(t, func() {
		if err := lock(); err != nil {
			t.Fatal(err)
		}
	})
	if err == nil || len(b.Writes()) > 0 {
		t.Errorf("on a read-only disk: %v, writes %v", err, b.Writes())
	}
	// A run that finds it so when it begins writes nothing either.
	l, err := ledger.OpenFile(b.path)
	if err != nil {
		t.Fatalf("a ledger that can be read: %v", err)
	}
	if _, err := b.repairer(l).Apply(t.Context(), b.planWith(t, l)); !errors.Is(err, syscall.EROFS) && !errors.Is(err, os.ErrPermission) || len(b.Writes()) > 0 {
		t.Errorf("a run that finds the disk read-only: %v, writes %v", err, b.Writes())
	}
	if err := errors.Join(l.Close(), unlock()); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(10 * time.Minute)
	b.run(t)
	b.settled(t)
}

//go:build unix

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the operating system's lock on a file, which ends with the process that holds it, or says that another has it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

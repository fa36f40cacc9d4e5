//go:build unix

package agent

import (
	"errors"
	"os"
	"syscall"
)

// lockFolder takes the lock, which ends with this process at the latest.
func lockFolder(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errJournalOpen
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

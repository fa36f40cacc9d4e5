//go:build !unix

package vault

import (
	"errors"
	"io/fs"
	"os"
)

// tryLock takes the lock. A killed process leaves it behind, and it is removed
// by hand.
func tryLock(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	_ = f.Close()
	return func() { _ = os.Remove(path) }, nil
}

package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// FileKey keeps the key in a file, base64 on one line, mode 0600. It is made
// at the first start, with its folder; a file that the group or others may
// read is refused.
//
// A rotation writes the new key to path.next, has the store's keyset sealed
// under it, and then gives it the name: whenever it is killed, one of the two
// files opens the keyset.
func FileKey(path string) KeyProvider { return fileKey{path: path} }

type fileKey struct{ path string }

var _ rotator = fileKey{}

func (k fileKey) Name() string { return "the key file " + k.path }

// next is the key of a rotation that is not finished.
func (k fileKey) next() fileKey { return fileKey{path: k.path + ".next"} }

func (k fileKey) KEK(_ context.Context, first bool) (KEK, error) {
	// The next one first: should it get its name between the two reads, both are
	// the key that counts.
	next, err := k.next().load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err := k.read()
	if errors.Is(err, fs.ErrNotExist) && first {
		if err := k.create(); err != nil {
			return nil, domain.Errorf(domain.CodeInvalid, "%s cannot be made: %v", k.Name(), reason(err)).
				WithFix("make the folder writable, or give the key in SLUICE_KEY_ENCRYPTION_KEY").WithCause(err)
		}
		text, err = k.read()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, domain.Errorf(domain.CodeInvalid, "%s is missing, and this home's secrets cannot be opened without it", k.Name()).
			WithFix("put the file back; no new key is made, since every stored secret would be lost").WithCause(err)
	}
	if err != nil {
		return nil, err
	}
	kek, err := k.parse(text)
	if err != nil {
		return nil, err
	}
	return &fileKEK{keys: []KEK{kek, next}}, nil
}

func (k fileKey) parse(text string) (KEK, error) {
	kek, err := newLocalKEK(text)
	if err != nil {
		return nil, domain.Errorf(domain.CodeInvalid, "%s does not hold a key: expected 32 bytes in base64 on one line", k.Name()).
			WithFix("put back the file that this home was made with")
	}
	return kek, nil
}

// load gives the key in the file alone; fs.ErrNotExist when there is none.
func (k fileKey) load() (KEK, error) {
	text, err := k.read()
	if err != nil {
		return nil, err
	}
	return k.parse(text)
}

// fileKEK is the key of the file and, during a rotation, the next one. It seals
// with the one that opened last: that is the one that the keyset is under.
type fileKEK struct {
	keys []KEK // nil where there is none
	mu   sync.Mutex
	last int
}

func (k *fileKEK) EncryptWithContext(ctx context.Context, plaintext, ad []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[k.last].EncryptWithContext(ctx, plaintext, ad)
}

func (k *fileKEK) DecryptWithContext(ctx context.Context, ciphertext, ad []byte) (plaintext []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, key := range k.keys {
		if key == nil {
			continue
		}
		if plaintext, err = key.DecryptWithContext(ctx, ciphertext, ad); err == nil {
			k.last = i
			return plaintext, nil
		}
	}
	return nil, err
}

// rotation begins a rotation: nobody else rotates this file until release. What
// an interrupted one left is used on: its key is nobody's yet, or the store's.
func (k fileKey) rotation(ctx context.Context) (rotation, error) {
	release, err := lockFile(ctx, k.path+".lock")
	if err != nil {
		return rotation{}, domain.Errorf(domain.CodeUnavailable, "%s cannot be locked for its rotation: %v", k.Name(), reason(err)).
			WithFix("run as the user who owns the home, and one rotation at a time").WithCause(err)
	}
	if err := k.next().create(); err != nil {
		release()
		return rotation{}, domain.Errorf(domain.CodeInvalid, "%s cannot be made: %v", k.next().Name(), reason(err)).
			WithFix("make the folder writable").WithCause(err)
	}
	return k.holding(release)
}

// holding gives the rotation of the key that lies there.
func (k fileKey) holding(release func()) (rotation, error) {
	kek, err := k.next().load()
	if err != nil {
		release()
		return rotation{}, err
	}
	return rotation{kek: kek, commit: k.promote, release: release}, nil
}

// pending takes up a rotation that was killed; nil when there is none.
func (k fileKey) pending(ctx context.Context) (*rotation, error) {
	there := func() bool { _, err := os.Lstat(k.next().path); return err == nil }
	if !there() {
		return nil, nil
	}
	release, err := lockFile(ctx, k.path+".lock")
	if err != nil {
		return nil, err
	}
	if !there() { // another process finished it
		release()
		return nil, nil
	}
	r, err := k.holding(release)
	return &r, err
}

// promote gives the next key its name. The store's keyset must be under it.
func (k fileKey) promote() error {
	if err := os.Rename(k.next().path, k.path); err != nil {
		return fmt.Errorf("putting the new key in place: %w", err)
	}
	return syncDir(filepath.Dir(k.path))
}

const (
	lockTime  = 10 * time.Second
	lockPause = 20 * time.Millisecond
)

// errLocked says that another process has the lock.
var errLocked = errors.New("another rotation is running")

// lockFile takes the lock or waits for it a little.
func lockFile(ctx context.Context, path string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	tick := time.NewTicker(lockPause)
	defer tick.Stop()
	for {
		release, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

// read gives the text of the file after checking, on the open file, that only
// its owner may read it.
func (k fileKey) read() (string, error) {
	f, err := os.Open(k.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return "", domain.Errorf(domain.CodeInvalid, "%s cannot be read: %v", k.Name(), reason(err)).
			WithFix("run as the user who owns the home").WithCause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("reading the mode of %s: %w", k.Name(), err)
	}
	if !info.Mode().IsRegular() {
		return "", domain.Errorf(domain.CodeInvalid, "%s is not a regular file", k.Name())
	}
	// Windows has no such bits; there the folder's access list decides.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return "", domain.Errorf(domain.CodeInvalid, "%s may be read or written by others (mode %04o): expected 0600", k.Name(), mode).
			WithFix("chmod 600 %s", k.path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", k.Name(), err)
	}
	return string(text), nil
}

// create makes the file if it is not there. The key is written whole to a file
// of its own first and then linked to its name, which fails if the name is
// taken: a second process never sees half a key and never replaces one.
func (k fileKey) create() error {
	dir := filepath.Dir(k.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // never fails
	text := base64.StdEncoding.AppendEncode(nil, key[:])
	text = append(text, '\n')

	tmp := fmt.Sprintf("%s.%s.tmp", k.path, rand.Text())
	if err := writeNew(tmp, text); err != nil {
		return err
	}
	defer os.Remove(tmp)
	err := os.Link(tmp, k.path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// No hard links on this file system.
		err = writeNew(k.path, text)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes the new name survive a power cut: the keyset must never be in
// the store while its key is not on disk.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// reason is err without the path that the message already names.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

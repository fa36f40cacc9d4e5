package vault

import (
	"bytes"
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
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// keySize is the length of a key-encryption key in bytes (AES-256).
const keySize = 32

// KEK seals and opens the keyset. Its methods are Tink's AEADWithContext, so
// that a remote key (a transit engine, a KMS) fits as well as a local one.
type KEK interface {
	EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) ([]byte, error)
	DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) ([]byte, error)
}

// KeyProvider knows where a home's key-encryption key is kept.
type KeyProvider interface {
	// KEK gives the key. Only when first is set, that is when the home has no
	// keyset yet, may it make one. It must be ready for two processes that ask
	// with first at the same time, and give both the same key.
	KEK(ctx context.Context, first bool) (KEK, error)
	// Name says where the key comes from, for messages: "the key file /x/y".
	Name() string
}

// FileKey keeps the key in a file, base64 on one line, mode 0600. It is made
// at the first start, with its folder; a file that the group or others may
// read is refused.
func FileKey(path string) KeyProvider { return fileKey{path: path} }

// EnvKey takes the key itself: 32 bytes in base64 (standard or URL alphabet,
// padded or not), as SLUICE_KEY_ENCRYPTION_KEY holds it.
func EnvKey(value string) KeyProvider { return envKey{value: value} }

type envKey struct{ value string }

func (k envKey) Name() string { return "the configured key-encryption key" }

func (k envKey) KEK(context.Context, bool) (KEK, error) {
	kek, err := newLocalKEK(k.value)
	if err != nil {
		return nil, domain.Invalid("key_encryption_key", "%s is not a key: expected 32 bytes in base64", k.Name()).
			WithFix("make one with: openssl rand -base64 32")
	}
	return kek, nil
}

type fileKey struct{ path string }

func (k fileKey) Name() string { return "the key file " + k.path }

func (k fileKey) KEK(_ context.Context, first bool) (KEK, error) {
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
	kek, err := newLocalKEK(text)
	if err != nil {
		return nil, domain.Errorf(domain.CodeInvalid, "%s does not hold a key: expected 32 bytes in base64 on one line", k.Name()).
			WithFix("put back the file that this home was made with")
	}
	return kek, nil
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

// localKEK is a key in memory.
type localKEK struct{ aead *subtle.AESGCM }

var _ KEK = localKEK{}

func newLocalKEK(text string) (KEK, error) {
	key, err := decodeKey(text)
	if err != nil {
		return nil, err
	}
	gcm, err := subtle.NewAESGCM(key)
	clear(key)
	if err != nil {
		return nil, err
	}
	return localKEK{aead: gcm}, nil
}

func decodeKey(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text))
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(key) != keySize {
		return nil, errors.New("not 32 bytes in base64")
	}
	if bytes.Count(key, key[:1]) == keySize {
		return nil, errors.New("all bytes are alike")
	}
	return key, nil
}

func (k localKEK) EncryptWithContext(_ context.Context, plaintext, associatedData []byte) ([]byte, error) {
	return k.aead.Encrypt(plaintext, associatedData)
}

func (k localKEK) DecryptWithContext(_ context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	return k.aead.Decrypt(ciphertext, associatedData)
}

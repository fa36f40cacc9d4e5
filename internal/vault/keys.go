package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/sluice-run/sluice/internal/domain"
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

// EnvKey takes the key itself: 32 bytes in base64 (standard or URL alphabet,
// padded or not), as SLUICE_KEY_ENCRYPTION_KEY holds it.
func EnvKey(value string) KeyProvider {
	return envKey{value: value, name: "the configured key-encryption key"}
}

// NamedEnvKey is EnvKey for the key in another variable.
func NamedEnvKey(variable, value string) KeyProvider {
	return envKey{value: value, name: "the key in " + variable}
}

type envKey struct{ value, name string }

func (k envKey) Name() string { return k.name }

func (k envKey) KEK(context.Context, bool) (KEK, error) {
	kek, err := newLocalKEK(k.value)
	if err != nil {
		return nil, domain.Invalid("key_encryption_key", "%s is not a key: expected 32 bytes in base64", k.Name()).
			WithFix("make one with: openssl rand -base64 32")
	}
	return kek, nil
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

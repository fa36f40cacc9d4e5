package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// MaxSecret is the longest plaintext that Seal takes, in bytes.
const MaxSecret = 1 << 20

// keysetAD binds a sealed keyset to its use, so that no other blob sealed by
// the same KEK can be put in its place.
var keysetAD = []byte("sluice/vault/keyset/v1")

// secretAD opens the associated data of every secret.
const secretAD = "sluice/vault/secret/v1"

// Options says where the keyset lies and what opens it. Every field is needed.
type Options struct {
	// Keys gives the key-encryption key.
	Keys KeyProvider
	// Load gives the sealed keyset of the home, or nil when it has none yet.
	Load func(ctx context.Context) ([]byte, error)
	// Save keeps sealed if the home has no keyset yet, and in both cases gives
	// what the store holds now. It must decide atomically: of two processes
	// that start together, both must get the same answer.
	Save func(ctx context.Context, sealed []byte) (stored []byte, err error)
}

// Vault seals and opens secrets. It is safe for concurrent use.
type Vault struct {
	aead tink.AEAD
}

// Ref says what a secret is. It is authenticated with the secret and not kept
// in it. AccountID may be empty for a secret of the project itself.
type Ref struct {
	ProjectID string
	AccountID string
	Field     string
}

// Open loads the home's keyset, or makes it at the first start. When there is
// a keyset but its key is missing or wrong, the error says which key was tried
// and what to do, and nothing is changed.
func Open(ctx context.Context, opts Options) (*Vault, error) {
	if opts.Keys == nil || opts.Load == nil || opts.Save == nil {
		return nil, errors.New("vault: Options needs Keys, Load and Save")
	}
	sealed, err := opts.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the sealed keyset: %w", err)
	}
	first := len(sealed) == 0
	kek, err := opts.Keys.KEK(ctx, first)
	if err != nil {
		return nil, err
	}
	if first {
		fresh, err := newSealedKeyset(ctx, kek)
		if err != nil {
			return nil, err
		}
		if sealed, err = opts.Save(ctx, fresh); err != nil {
			return nil, fmt.Errorf("saving the sealed keyset: %w", err)
		}
	}
	return open(ctx, opts.Keys, kek, sealed)
}

func open(ctx context.Context, keys KeyProvider, kek KEK, sealed []byte) (*Vault, error) {
	handle, err := keyset.ReadWithContext(ctx, keyset.NewBinaryReader(bytes.NewReader(sealed)), kek, keysetAD)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, wrongKey(keys, err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("using the keyset: %w", err)
	}
	return &Vault{aead: primitive}, nil
}

func newSealedKeyset(ctx context.Context, kek KEK) ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making a keyset: %w", err)
	}
	var buf bytes.Buffer
	if err := handle.WriteWithContext(ctx, keyset.NewBinaryWriter(&buf), kek, keysetAD); err != nil {
		return nil, fmt.Errorf("sealing the keyset: %w", err)
	}
	return buf.Bytes(), nil
}

// Seal encrypts plaintext for ref. Sealing twice gives different bytes.
func (v *Vault) Seal(ctx context.Context, ref Ref, plaintext []byte) ([]byte, error) {
	if err := check(ctx, ref); err != nil {
		return nil, err
	}
	if len(plaintext) > MaxSecret {
		return nil, domain.Errorf(domain.CodeTooLarge, "a secret may have at most %d bytes; this one has %d", MaxSecret, len(plaintext))
	}
	sealed, err := v.aead.Encrypt(plaintext, ref.associatedData())
	if err != nil {
		return nil, domain.Internal("sealing a secret", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made for the same ref. Anything else, one bit
// changed or another project's ref included, is an error of CodeInternal that
// says only that the secret does not open.
func (v *Vault) Open(ctx context.Context, ref Ref, sealed []byte) ([]byte, error) {
	if err := check(ctx, ref); err != nil {
		return nil, err
	}
	plaintext, err := v.aead.Decrypt(sealed, ref.associatedData())
	if err != nil {
		return nil, domain.Errorf(domain.CodeInternal, "a stored secret does not open").
			WithFix("connect the account again; if this happens for every account, the database and the home do not belong together").
			WithCause(fmt.Errorf("opening %s of account %q: %w", ref.Field, ref.AccountID, err))
	}
	return plaintext, nil
}

func check(ctx context.Context, ref Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ref.ProjectID == "" || ref.Field == "" {
		return domain.Internal("addressing a secret", errors.New("vault: Ref needs ProjectID and Field"))
	}
	return nil
}

// associatedData spells ref so that no two refs are spelled alike: each part
// follows its own length.
func (r Ref) associatedData() []byte {
	ad := make([]byte, 0, len(secretAD)+12+len(r.ProjectID)+len(r.AccountID)+len(r.Field))
	ad = append(ad, secretAD...)
	for _, part := range [...]string{r.ProjectID, r.AccountID, r.Field} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(part)))
		ad = append(ad, part...)
	}
	return ad
}

func wrongKey(keys KeyProvider, cause error) error {
	return domain.Errorf(domain.CodeInvalid, "%s does not open this home's secrets: it is the wrong key, or the stored keyset is damaged", keys.Name()).
		WithFix("put back the key-encryption key that this home was made with; no new key is made, since every stored secret would be lost").
		WithCause(cause)
}

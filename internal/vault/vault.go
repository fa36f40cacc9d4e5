package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/sluice-run/sluice/internal/domain"
)

// MaxSecret is the longest plaintext that Seal takes, in bytes.
const MaxSecret = 1 << 20

// keysetAD binds a sealed keyset to its use, so that no other blob sealed by
// the same KEK can be put in its place.
var keysetAD = []byte("sluice/vault/keyset/v1")

// secretAD opens the associated data of every secret.
const secretAD = "sluice/vault/secret/v1"

// Options says where the keyset lies and what opens it. Keys, Load and Save are
// needed.
type Options struct {
	// Keys gives the key-encryption key.
	Keys KeyProvider
	// Load gives the sealed keyset of the home, or nil when it has none yet.
	Load func(ctx context.Context) ([]byte, error)
	// Save keeps sealed if the home has no keyset yet, and in both cases gives
	// what the store holds now. It must decide atomically: of two processes
	// that start together, both must get the same answer.
	Save func(ctx context.Context, sealed []byte) (stored []byte, err error)
	// Swap puts sealed in the place of was, if that is what the store holds.
	// Without it nothing can be rotated.
	Swap func(ctx context.Context, was, sealed []byte) (bool, error)
	// Used hears of every secret of an account that is opened. It must be quick
	// and safe for concurrent use. Optional.
	Used func(ref Ref)
	// Warn hears of what went wrong where nobody could be told. Optional.
	Warn func(ctx context.Context, what string, err error)
	// Now is time.Now when nil.
	Now func() time.Time
}

// Vault seals and opens secrets. It is safe for concurrent use.
type Vault struct {
	opts Options
	ring atomic.Pointer[ring]
	// checked is when the ring was last compared with the store.
	checked atomic.Pointer[time.Time]

	turn chan struct{} // holds a token while the keyset is read again
	// failed is what could not be opened, and when: another try waits a little.
	failed   []byte
	failedAt time.Time
	failure  error
}

const (
	// fresh is how old the keyset may be when something is sealed: after that a
	// rotation in another process is known.
	fresh = time.Second
	// retryAfter is how long a keyset that did not open is not tried again.
	retryAfter = time.Second
)

// ConfigRef is the ref of a secret of an auth config. Rotation relies on it.
func ConfigRef(projectID, configID, field string) Ref {
	return Ref{ProjectID: projectID, AccountID: configID, Field: field}
}

// Ref says what a secret is. It is authenticated with the secret and not kept
// in it. AccountID is an auth config's id for the config's own secrets, and empty
// for what is in no table.
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
	if opts.Now == nil {
		opts.Now = time.Now
	}
	v := &Vault{opts: opts, turn: make(chan struct{}, 1)}
	sealed, err := opts.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the sealed keyset: %w", err)
	}
	if len(sealed) == 0 {
		if err := v.first(ctx); err != nil {
			return nil, err
		}
	}
	if err := v.Refresh(ctx); err != nil {
		return nil, err
	}
	return v, settle(ctx, v)
}

// first makes the home's keyset, unless another process did meanwhile.
func (v *Vault) first(ctx context.Context) error {
	kek, err := v.opts.Keys.KEK(ctx, true)
	if err != nil {
		return err
	}
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("making a keyset: %w", err)
	}
	rec := record{}
	rec.note(idsOf(handle)[0]).Created = v.now()
	r, err := sealRing(ctx, v.opts.Keys, kek, handle, rec)
	if err != nil {
		return err
	}
	if _, err = v.opts.Save(ctx, r.raw); err != nil {
		return fmt.Errorf("saving the sealed keyset: %w", err)
	}
	return nil
}

func (v *Vault) now() time.Time { return v.opts.Now().UTC().Truncate(time.Microsecond) }

// Refresh reads the keyset again if the store's is another one than that in
// use. It costs one read by key where nothing changed. When the new one does not
// open, the old one stays in use.
func (v *Vault) Refresh(ctx context.Context) error {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-v.turn }()
	at := v.now()
	var err error
	for range 3 { // a key file may be exchanged between two reads
		var raw []byte
		if raw, err = v.opts.Load(ctx); err != nil {
			return fmt.Errorf("loading the sealed keyset: %w", err)
		}
		if r := v.ring.Load(); r != nil && bytes.Equal(r.raw, raw) {
			v.checked.Store(&at)
			return nil
		}
		if v.failure != nil && bytes.Equal(raw, v.failed) && at.Before(v.failedAt.Add(retryAfter)) {
			return v.failure
		}
		var r *ring
		if r, err = v.unseal(ctx, raw); err == nil {
			v.ring.Store(r)
			v.checked.Store(&at)
			v.failure = nil
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		v.failed, v.failedAt = raw, at
	}
	v.failure = err
	return err
}

// unseal opens a stored keyset with the provider's key of this moment. A process
// that runs already may use what a move to another provider left for it.
func (v *Vault) unseal(ctx context.Context, raw []byte) (*ring, error) {
	r, err := v.unsealNow(ctx, raw)
	if err == nil || v.ring.Load() == nil {
		return r, err
	}
	kek, kerr := v.opts.Keys.KEK(ctx, false)
	if kerr != nil {
		return nil, err
	}
	if old, berr := openBefore(ctx, v.opts.Keys, kek, raw); berr == nil {
		return old, nil
	}
	return nil, err
}

func (v *Vault) unsealNow(ctx context.Context, raw []byte) (*ring, error) {
	kek, err := v.opts.Keys.KEK(ctx, false)
	if err != nil {
		return nil, v.elsewhere(raw, err)
	}
	return openRing(ctx, v.opts.Keys, kek, raw)
}

// elsewhere adds to the error of a provider that the store names another one.
func (v *Vault) elsewhere(raw []byte, err error) error {
	rec, perr := parseRecord(raw)
	var ours *domain.Error
	if perr != nil || rec.Provider == "" || rec.Provider == v.opts.Keys.Name() || !errors.As(err, &ours) {
		return err
	}
	return ours.WithFix("this home's keys were last sealed by %s: set key_provider (SLUICE_KEY_PROVIDER) to that one", rec.Provider)
}

// Seal encrypts plaintext for ref under the newest key. Sealing twice gives
// different bytes.
func (v *Vault) Seal(ctx context.Context, ref Ref, plaintext []byte) ([]byte, error) {
	if err := check(ctx, ref); err != nil {
		return nil, err
	}
	if len(plaintext) > MaxSecret {
		return nil, domain.Errorf(domain.CodeTooLarge, "a secret may have at most %d bytes; this one has %d", MaxSecret, len(plaintext))
	}
	if v.now().Sub(*v.checked.Load()) >= fresh {
		if err := v.Refresh(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			v.warn(ctx, "the vault's keyset could not be read again; the keys known so far are used", err)
		}
	}
	sealed, err := v.ring.Load().aead.Encrypt(plaintext, ref.associatedData())
	if err != nil {
		return nil, domain.Internal("sealing a secret", err)
	}
	return sealed, nil
}

func (v *Vault) warn(ctx context.Context, what string, err error) {
	if v.opts.Warn != nil {
		v.opts.Warn(ctx, what, err)
	}
}

// Open decrypts what Seal made for the same ref, in this or another process. A
// key that is not known yet is looked for in the store. Anything else, one bit
// changed or another project's ref included, is an error of CodeInternal that
// says only that the secret does not open. The bytes are the caller's: clear
// them after use.
func (v *Vault) Open(ctx context.Context, ref Ref, sealed []byte) ([]byte, error) {
	plaintext, err := v.open(ctx, ref, sealed)
	if err == nil && v.opts.Used != nil && ref.AccountID != "" {
		v.opts.Used(ref)
	}
	return plaintext, err
}

func (v *Vault) open(ctx context.Context, ref Ref, sealed []byte) ([]byte, error) {
	if err := check(ctx, ref); err != nil {
		return nil, err
	}
	r := v.ring.Load()
	if id, ok := KeyID(sealed); ok && !r.enabled[id] {
		if err := v.Refresh(ctx); err != nil {
			return nil, unopened(ref, fmt.Errorf("looking for its key %d: %w", id, err))
		}
		if r = v.ring.Load(); !r.enabled[id] {
			return nil, unopened(ref, fmt.Errorf("its key %d is not in the keyset", id))
		}
	}
	plaintext, err := r.aead.Decrypt(sealed, ref.associatedData())
	if err != nil {
		return nil, unopened(ref, err)
	}
	return plaintext, nil
}

func unopened(ref Ref, cause error) error {
	return domain.Errorf(domain.CodeInternal, "a stored secret does not open").
		WithFix("connect the account again; if this happens for every account, the database and the home do not belong together").
		WithCause(fmt.Errorf("opening %s of account %q: %w", ref.Field, ref.AccountID, cause))
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

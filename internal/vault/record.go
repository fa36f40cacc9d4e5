package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sluice-run/sluice/internal/domain"
)

// record is what the store holds. Only Keyset is sealed; the rest helps people
// and the schedule of retiring keys, and opens nothing.
type record struct {
	Version  int       `json:"v"`
	Provider string    `json:"provider"` // whose key sealed it, as the provider calls itself
	Notes    []keyNote `json:"keys"`
	Keyset   []byte    `json:"keyset"` // Tink's EncryptedKeyset
	// Before is for processes that run with the provider from before a move: they
	// may have yet to meet a key that was made shortly before it.
	Before *before `json:"before,omitempty"`
}

// before is the keyset as another provider's key sealed it.
type before struct {
	Provider string    `json:"provider"`
	Keyset   []byte    `json:"keyset"`
	Until    time.Time `json:"until"` // then it is dropped
}

// beforeTime is many times as long as a running process takes to read the keyset
// again.
const beforeTime = 15 * time.Minute

// keyNote is what is known of one key besides the key.
type keyNote struct {
	ID       uint32    `json:"id"`
	Created  time.Time `json:"created,omitzero"`
	Until    time.Time `json:"until,omitzero"`    // kept at least so long once it is not primary
	Disabled time.Time `json:"disabled,omitzero"` // since when
}

const recordVersion = 1

// parseRecord reads what the store holds; homes from before rotation hold
// Tink's bytes alone.
func parseRecord(raw []byte) (*record, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return &record{Version: recordVersion, Keyset: raw}, nil
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("reading the stored keyset: %w", err)
	}
	if r.Version > recordVersion {
		return nil, domain.Errorf(domain.CodeUnsupported, "the stored keyset was written by a newer Sluice").
			WithFix("Run the newer program.")
	}
	return &r, nil
}

func (r *record) encode() ([]byte, error) {
	r.Version = recordVersion
	return json.Marshal(r)
}

// note gives the note of a key, making it if need be.
func (r *record) note(id uint32) *keyNote {
	for i := range r.Notes {
		if r.Notes[i].ID == id {
			return &r.Notes[i]
		}
	}
	r.Notes = append(r.Notes, keyNote{ID: id})
	return &r.Notes[len(r.Notes)-1]
}

func (r *record) forget(id uint32) {
	r.Notes = slices.DeleteFunc(r.Notes, func(n keyNote) bool { return n.ID == id })
}

// ring is one version of the keyset, open.
type ring struct {
	raw     []byte // as stored
	rec     *record
	handle  *keyset.Handle
	aead    tink.AEAD
	primary uint32
	enabled map[uint32]bool // false: there, but disabled
}

// openRing unseals raw with the provider's key.
func openRing(ctx context.Context, keys KeyProvider, kek KEK, raw []byte) (*ring, error) {
	rec, err := parseRecord(raw)
	if err != nil {
		var ours *domain.Error
		if errors.As(err, &ours) {
			return nil, err
		}
		return nil, damaged(err)
	}
	return openRecord(ctx, keys, kek, raw, rec, rec.Keyset)
}

// openBefore is openRing for a process that was running with the provider from
// before a move.
func openBefore(ctx context.Context, keys KeyProvider, kek KEK, raw []byte) (*ring, error) {
	rec, err := parseRecord(raw)
	if err != nil || rec.Before == nil || rec.Before.Provider != keys.Name() {
		return nil, errNoBefore
	}
	return openRecord(ctx, keys, kek, raw, rec, rec.Before.Keyset)
}

var errNoBefore = errors.New("vault: no keyset of this provider")

func openRecord(ctx context.Context, keys KeyProvider, kek KEK, raw []byte, rec *record, sealed []byte) (*ring, error) {
	heard := &listener{KEK: kek}
	handle, err := keyset.ReadWithContext(ctx, keyset.NewBinaryReader(bytes.NewReader(sealed)), heard, keysetAD)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var ours *domain.Error
		if errors.As(heard.err, &ours) && (rec.Provider == "" || rec.Provider == keys.Name()) {
			return nil, heard.err // it says better what was wrong
		}
		return nil, wrongKey(keys, rec.Provider, err)
	}
	return newRing(raw, rec, handle)
}

func newRing(raw []byte, rec *record, handle *keyset.Handle) (*ring, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("using the keyset: %w", err)
	}
	r := &ring{raw: raw, rec: rec, handle: handle, aead: primitive, enabled: map[uint32]bool{}}
	for i := range handle.Len() {
		e, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("using the keyset: %w", err)
		}
		r.enabled[e.KeyID()] = e.KeyStatus() == keyset.Enabled
		if e.IsPrimary() {
			r.primary = e.KeyID()
		}
	}
	return r, nil
}

// sealRing seals a keyset under kek and proves that it opens again: a key that
// gives back something else would cost every secret.
func sealRing(ctx context.Context, keys KeyProvider, kek KEK, handle *keyset.Handle, rec record) (*ring, error) {
	heard := &listener{KEK: kek}
	var buf bytes.Buffer
	if err := handle.WriteWithContext(ctx, keyset.NewBinaryWriter(&buf), heard, keysetAD); err != nil {
		if heard.err != nil {
			return nil, heard.err
		}
		return nil, fmt.Errorf("sealing the keyset: %w", err)
	}
	rec.Keyset, rec.Provider, rec.Notes = buf.Bytes(), keys.Name(), slices.Clone(rec.Notes)
	raw, err := rec.encode()
	if err != nil {
		return nil, err
	}
	r, err := openRing(ctx, keys, kek, raw)
	if err != nil {
		return nil, fmt.Errorf("%s sealed the keyset and does not open it again, so nothing was changed: %w", keys.Name(), err)
	}
	if !slices.Equal(idsOf(r.handle), idsOf(handle)) {
		return nil, domain.Errorf(domain.CodeInvalid, "%s gave back something else than it was given, so nothing was changed", keys.Name())
	}
	return r, nil
}

func idsOf(h *keyset.Handle) []uint32 {
	var ids []uint32
	for _, k := range h.KeysetInfo().GetKeyInfo() {
		ids = append(ids, k.GetKeyId())
	}
	return ids
}

// listener keeps the error of the key itself, which Tink reduces to text.
type listener struct {
	KEK
	err error
}

func (l *listener) DecryptWithContext(ctx context.Context, ciphertext, ad []byte) ([]byte, error) {
	var out []byte
	out, l.err = l.KEK.DecryptWithContext(ctx, ciphertext, ad)
	return out, l.err
}

func (l *listener) EncryptWithContext(ctx context.Context, plaintext, ad []byte) ([]byte, error) {
	var out []byte
	out, l.err = l.KEK.EncryptWithContext(ctx, plaintext, ad)
	return out, l.err
}

// Sealed bytes begin with Tink's mark: a 1 and the id of the key.
const markSize = 5

// KeyID gives the id of the key that sealed a secret; false for what the vault
// did not seal.
func KeyID(sealed []byte) (uint32, bool) {
	if len(sealed) < markSize || sealed[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:markSize]), true
}

// Mark gives the first bytes of everything that the key seals.
func Mark(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{1}, id) }

func damaged(cause error) error {
	return domain.Errorf(domain.CodeInvalid, "the stored keyset is damaged, and this home's secrets cannot be opened without it").
		WithFix("put the database back from a backup; no new keyset is made, since every stored secret would be lost").
		WithCause(cause)
}

func wrongKey(keys KeyProvider, sealedBy string, cause error) error {
	if sealedBy != "" && sealedBy != keys.Name() {
		return domain.Errorf(domain.CodeInvalid, "%s does not open this home's secrets: their keys were last sealed by %s", keys.Name(), sealedBy).
			WithFix("set key_provider (SLUICE_KEY_PROVIDER) to that one; no new key is made, since every stored secret would be lost").
			WithCause(cause)
	}
	return domain.Errorf(domain.CodeInvalid, "%s does not open this home's secrets: it is the wrong key, or the stored keyset is damaged", keys.Name()).
		WithFix("put back the key-encryption key that this home was made with; no new key is made, since every stored secret would be lost").
		WithCause(cause)
}

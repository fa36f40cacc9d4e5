package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	// maxKeys bounds the keyset: more rotations than this may not be under way.
	maxKeys = 16
	// editTries bounds how often a change of the keyset that lost to another
	// process is repeated.
	editTries = 8
	// reSealBatch is how many secrets one transaction seals anew.
	reSealBatch = 50
	// InFlight is how long a key stays disabled before it is removed: longer than
	// any request may take that sealed with it and has yet to store.
	InFlight = 3 * time.Minute
)

// Item is one stored secret.
type Item struct {
	Ref    Ref
	Sealed []byte
}

// Change puts Sealed in the place of Item.
type Change struct {
	Item
	New []byte
}

// Shelf is where the sealed secrets lie, for rotation.
type Shelf interface {
	// Stale gives up to limit secrets that do not begin with mark, in an order
	// that does not change, behind the given one.
	Stale(ctx context.Context, mark []byte, after Ref, limit int) ([]Item, error)
	// Count says how many secrets begin with mark.
	Count(ctx context.Context, mark []byte) (int, error)
	// Swap makes the changes in one transaction, but for those whose secret is
	// another one by now, and says how many it made.
	Swap(ctx context.Context, changes []Change) (int, error)
	// SwapKeysetIfUnused is Options.Swap in one transaction with finding that no
	// secret begins with mark.
	SwapKeysetIfUnused(ctx context.Context, mark, was, sealed []byte) (swapped bool, err error)
}

// KeyState is one key of the keyset as people see it.
type KeyState struct {
	ID      uint32    `json:"id"`
	State   string    `json:"state"` // primary, old, disabled
	Created time.Time `json:"created_at,omitzero"`
	// Until is when an old key may go at the earliest; it goes once nothing is
	// sealed with it.
	Until    time.Time `json:"until,omitzero"`
	Disabled time.Time `json:"disabled_at,omitzero"`
}

// Keys lists the keyset, the primary key first.
func (v *Vault) Keys() []KeyState {
	r := v.ring.Load()
	var out []KeyState
	for id, enabled := range r.enabled {
		k := KeyState{ID: id, State: "old"}
		for _, n := range r.rec.Notes {
			if n.ID == id {
				k.Created, k.Until, k.Disabled = n.Created, n.Until, n.Disabled
			}
		}
		switch {
		case id == r.primary:
			k.State, k.Until = "primary", time.Time{}
		case !enabled:
			k.State = "disabled"
		}
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b KeyState) int {
		if (a.State == "primary") != (b.State == "primary") {
			if a.State == "primary" {
				return -1
			}
			return 1
		}
		return b.Created.Compare(a.Created)
	})
	return out
}

// Primary is the id of the key that seals.
func (v *Vault) Primary() uint32 { return v.ring.Load().primary }

// SealedBy names whose key seals the keyset.
func (v *Vault) SealedBy() string {
	if p := v.ring.Load().rec.Provider; p != "" {
		return p
	}
	return v.opts.Keys.Name()
}

// Rotate makes a new key that seals everything from now on, and gives its id.
// Old keys go on opening; they stay for at least keep, for what was sealed and
// is not stored. Other processes find the new key when they next seal, or meet
// something that it sealed.
func (v *Vault) Rotate(ctx context.Context, keep time.Duration) (uint32, error) {
	var id uint32
	err := v.edit(ctx, v.opts.Swap, func(m *keyset.Manager, r *ring, rec *record) error {
		if len(r.enabled) >= maxKeys {
			return domain.Errorf(domain.CodeConflict, "the keyset holds %d keys already, since secrets are still sealed with old ones", len(r.enabled)).
				WithFix("finish the rotations first: sluice vault rotate --finish")
		}
		var err error
		if id, err = m.Add(aead.AES256GCMKeyTemplate()); err != nil {
			return fmt.Errorf("making a key: %w", err)
		}
		now := v.now()
		rec.note(id).Created = now
		for old := range r.enabled {
			if n := rec.note(old); n.Until.IsZero() {
				n.Until = now.Add(keep)
			}
		}
		return m.SetPrimary(id)
	})
	return id, err
}

// errNoChange ends an edit that has nothing to do.
var errNoChange = errors.New("vault: nothing to change")

// edit changes the keyset, as it is in the store, by compare and swap.
func (v *Vault) edit(ctx context.Context, swap func(ctx context.Context, was, sealed []byte) (bool, error),
	change func(m *keyset.Manager, r *ring, rec *record) error,
) error {
	if swap == nil {
		return errors.New("vault: rotating needs Options.Swap")
	}
	for range editTries {
		// The key-encryption key of this moment, with which the keyset of this
		// moment is sealed.
		raw, err := v.opts.Load(ctx)
		if err != nil {
			return fmt.Errorf("loading the sealed keyset: %w", err)
		}
		kek, err := v.opts.Keys.KEK(ctx, false)
		if err != nil {
			return v.elsewhere(raw, err)
		}
		r, err := openRing(ctx, v.opts.Keys, kek, raw)
		if err != nil {
			return err
		}
		rec := *r.rec
		rec.Notes = slices.Clone(rec.Notes)
		m := keyset.NewManagerFromHandle(r.handle)
		if err := change(m, r, &rec); err != nil {
			if errors.Is(err, errNoChange) {
				return nil
			}
			return err
		}
		handle, err := m.Handle()
		if err != nil {
			return fmt.Errorf("changing the keyset: %w", err)
		}
		fresh, err := sealRing(ctx, v.opts.Keys, kek, handle, rec)
		if err != nil {
			return err
		}
		swapped, err := swap(ctx, raw, fresh.raw)
		if err != nil {
			return fmt.Errorf("storing the keyset: %w", err)
		}
		if swapped {
			return v.Refresh(ctx)
		}
	}
	return domain.Errorf(domain.CodeConflict, "other processes change the keyset at the same time").WithFix("try again")
}

// Progress says how far re-sealing is.
type Progress struct {
	Done  int `json:"resealed"`   // under the newest key now
	Newer int `json:"newer"`      // changed by a call meanwhile, which won
	Bad   int `json:"unreadable"` // do not open with any key
	// BadRefs names the first of those.
	BadRefs []Ref `json:"unreadable_secrets,omitempty"`
}

const maxBadRefs = 20

// Reseal seals every secret anew that is not under the newest key. It may be
// killed and run again, and run in several processes: a secret that changes
// meanwhile is left as it has become.
func (v *Vault) Reseal(ctx context.Context, shelf Shelf, report func(Progress)) (Progress, error) {
	if err := v.Refresh(ctx); err != nil {
		return Progress{}, err
	}
	if err := v.enableUsed(ctx, shelf); err != nil {
		return Progress{}, err
	}
	var p Progress
	mark := Mark(v.Primary())
	var after Ref
	for {
		items, err := shelf.Stale(ctx, mark, after, reSealBatch)
		if err != nil {
			return p, fmt.Errorf("reading the secrets to seal anew: %w", err)
		}
		if len(items) == 0 {
			return p, nil
		}
		after = items[len(items)-1].Ref
		changes, err := v.reseal(ctx, items, &p)
		if err != nil {
			return p, err
		}
		swapped, err := shelf.Swap(ctx, changes)
		if err != nil {
			return p, fmt.Errorf("storing secrets sealed anew: %w", err)
		}
		p.Done += swapped
		p.Newer += len(changes) - swapped
		if report != nil {
			report(p)
		}
	}
}

// reseal seals items under the newest key, outside any transaction.
func (v *Vault) reseal(ctx context.Context, items []Item, p *Progress) ([]Change, error) {
	changes := make([]Change, 0, len(items))
	for _, item := range items {
		plain, err := v.open(ctx, item.Ref, item.Sealed)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			p.Bad++
			if len(p.BadRefs) < maxBadRefs {
				p.BadRefs = append(p.BadRefs, item.Ref)
			}
			continue
		}
		sealed, err := v.Seal(ctx, item.Ref, plain)
		clear(plain)
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{Item: item, New: sealed})
	}
	return changes, nil
}

// enableUsed brings back a disabled key under which something was stored late.
func (v *Vault) enableUsed(ctx context.Context, shelf Shelf) error {
	for id, enabled := range v.ring.Load().enabled {
		if enabled {
			continue
		}
		n, err := shelf.Count(ctx, Mark(id))
		if err != nil {
			return fmt.Errorf("counting secrets: %w", err)
		}
		if n == 0 {
			continue
		}
		err = v.edit(ctx, v.opts.Swap, func(m *keyset.Manager, r *ring, rec *record) error {
			if on, there := r.enabled[id]; !there || on {
				return errNoChange
			}
			rec.note(id).Disabled = time.Time{}
			return m.Enable(id)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Retire takes old keys out of use whose time is over and with which nothing is
// sealed: first they are disabled, and removed when nothing came up for InFlight.
func (v *Vault) Retire(ctx context.Context, shelf Shelf) error {
	if err := v.Refresh(ctx); err != nil {
		return err
	}
	for _, k := range v.Keys() {
		if k.State == "primary" || v.now().Before(k.Until) || (k.State == "disabled" && v.now().Before(k.Disabled.Add(InFlight))) {
			continue
		}
		mark := Mark(k.ID)
		if n, err := shelf.Count(ctx, mark); err != nil || n > 0 {
			if err != nil {
				return fmt.Errorf("counting secrets: %w", err)
			}
			continue
		}
		swap := func(ctx context.Context, was, sealed []byte) (bool, error) {
			swapped, err := shelf.SwapKeysetIfUnused(ctx, mark, was, sealed)
			if errors.Is(err, ErrUsed) {
				return true, nil // used again: another time
			}
			return swapped, err
		}
		err := v.edit(ctx, swap, func(m *keyset.Manager, r *ring, rec *record) error {
			enabled, there := r.enabled[k.ID]
			switch {
			case !there || k.ID == r.primary || enabled != (k.State == "old"):
				return errNoChange
			case enabled:
				rec.note(k.ID).Disabled = v.now()
				return m.Disable(k.ID)
			}
			rec.forget(k.ID)
			return m.Delete(k.ID)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrUsed is what SwapKeysetIfUnused fails with when a secret is under the key.
var ErrUsed = errors.New("vault: something is sealed with the key")

// Tidy finishes what rotations left: it seals anew what came up under old keys
// and retires those whose time is over. It is cheap when there is nothing to do.
func (v *Vault) Tidy(ctx context.Context, shelf Shelf) error {
	if err := v.Refresh(ctx); err != nil {
		return err
	}
	r := v.ring.Load()
	if r.rec.Provider != "" && r.rec.Provider != v.opts.Keys.Name() {
		return nil // moved: for processes that start with the new provider
	}
	if r.rec.Before != nil && !v.now().Before(r.rec.Before.Until) {
		err := v.edit(ctx, v.opts.Swap, func(_ *keyset.Manager, _ *ring, rec *record) error {
			rec.Before = nil
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(r.enabled) == 1 {
		return nil
	}
	if _, err := v.Reseal(ctx, shelf, nil); err != nil {
		return err
	}
	return v.Retire(ctx, shelf)
}

package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-run/sluice/internal/domain"
)

// rotation is a new key-encryption key that is about to take over.
type rotation struct {
	kek KEK
	// commit makes it the provider's key, once the keyset is under it.
	commit  func() error
	release func()
}

// rotator is a KeyProvider that makes its next key itself.
type rotator interface {
	rotation(ctx context.Context) (rotation, error)
	// pending takes up a rotation that was killed; nil when there is none.
	pending(ctx context.Context) (*rotation, error)
}

// Rewrapper is a KeyProvider behind which the key changes by itself: sealing the
// keyset once more puts it under the newest version.
type Rewrapper interface{ Rewraps() bool }

// Rewrap seals the keyset under a new key-encryption key: that of another
// provider, or, when to is nil, a new one of the same provider. Keys and secrets
// stay as they are, and running processes keep what they have open. Killed at
// any moment, it leaves a home that opens.
func (v *Vault) Rewrap(ctx context.Context, to KeyProvider) error {
	if v.opts.Swap == nil {
		return errors.New("vault: rotating needs Options.Swap")
	}
	if to != nil && to.Name() == v.opts.Keys.Name() {
		to = nil
	}
	if to != nil {
		kek, err := to.KEK(ctx, true)
		if err != nil {
			return err
		}
		return v.swapUnder(ctx, to, kek)
	}
	switch keys := v.opts.Keys.(type) {
	case rotator:
		next, err := keys.rotation(ctx)
		if err != nil {
			return err
		}
		defer next.release()
		if err := v.swapUnder(ctx, v.opts.Keys, next.kek); err != nil {
			return err
		}
		if err := next.commit(); err != nil {
			return err
		}
		return v.Refresh(ctx)
	case Rewrapper:
		kek, err := v.opts.Keys.KEK(ctx, false)
		if err != nil {
			return err
		}
		return v.swapUnder(ctx, v.opts.Keys, kek)
	}
	return domain.Invalid("to", "%s cannot be changed from here: say where the new one is", v.opts.Keys.Name()).
		WithFix("sluice vault rotate --key-encryption-key --to env:NAME, with the new key in the variable NAME; or --to file")
}

// swapUnder seals the stored keyset under kek.
func (v *Vault) swapUnder(ctx context.Context, to KeyProvider, kek KEK) error {
	for range editTries {
		raw, err := v.opts.Load(ctx)
		if err != nil {
			return fmt.Errorf("loading the sealed keyset: %w", err)
		}
		r, err := v.unsealNow(ctx, raw)
		if err != nil {
			if _, moved := openRing(ctx, to, kek, raw); moved == nil {
				return nil // an earlier run came so far
			}
			return err
		}
		rec := *r.rec
		if rec.Before = nil; to.Name() != v.opts.Keys.Name() {
			rec.Before = &before{Provider: v.opts.Keys.Name(), Keyset: r.rec.Keyset, Until: v.now().Add(beforeTime)}
		}
		fresh, err := sealRing(ctx, to, kek, r.handle, rec)
		if err != nil {
			return err
		}
		swapped, err := v.opts.Swap(ctx, raw, fresh.raw)
		if err != nil {
			return fmt.Errorf("storing the keyset: %w", err)
		}
		if swapped {
			// Known without the provider, which may be another one's by now.
			v.ring.Store(fresh)
			return nil
		}
	}
	return domain.Errorf(domain.CodeConflict, "other processes change the keyset at the same time").WithFix("try again")
}

// settle finishes a rotation of the key-encryption key that was killed between
// the store's swap and the file's.
func settle(ctx context.Context, v *Vault) error {
	keys, ok := v.opts.Keys.(rotator)
	if !ok {
		return nil
	}
	next, err := keys.pending(ctx)
	if err != nil || next == nil {
		// It opens as it is: who may not write here need not finish it.
		return nil // the next start tries again
	}
	defer next.release()
	raw, err := v.opts.Load(ctx)
	if err != nil {
		return fmt.Errorf("loading the sealed keyset: %w", err)
	}
	if _, err := openRing(ctx, v.opts.Keys, next.kek, raw); err != nil {
		return nil // the rotation had not come so far: the old key counts
	}
	return next.commit()
}

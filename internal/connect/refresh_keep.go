package connect

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const (
	// keepTries is how often tokens that were got are tried to be kept: they are
	// worth more than anything else here. With keepPause it is more than a minute, in
	// which a database may move to another machine.
	keepTries = 40
	keepPause = 2 * time.Second
	// expiringFailures is how many failures in a row are worth an event, when the
	// access token ends within expiringSoon.
	expiringFailures = 3
	expiringSoon     = 10 * time.Minute
)

// keep puts fresh tokens in the place of those that they were got for. When the
// account has others meanwhile, those are kept: both are good, and others use
// them already.
func (s *Service) keep(ctx context.Context, a *domain.ConnectedAccount, got obtained) (*domain.ConnectedAccount, error) {
	secrets := tokenSecrets(got.token, got.used)
	var last error
	for try := range keepTries {
		if try > 0 {
			pause(ctx, min(firstPoll<<min(try, 16), keepPause))
		}
		now, err := s.opts.Store.Account(ctx, a.ProjectID, a.ID)
		if domain.CodeOf(err) == domain.CodeNotFound {
			return nil, notFound(err, a.ID)
		}
		if err != nil {
			last = err
			continue
		}
		if now.Status != domain.AccountActive && now.Status != domain.AccountExpired {
			// Somebody ended the connection meanwhile; its tokens must not come back.
			return nil, domain.Errorf(domain.CodeConflict, "account %s is %s", a.ID, now.Status)
		}
		if now.Generation != a.Generation {
			other, err := s.open(ctx, &now, secretRefresh, secretPrevious)
			if err != nil {
				last = err
				continue
			}
			if now.RefreshedAt.After(a.RefreshedAt) || got.used != "" && got.used != other[secretRefresh] && got.used != other[secretPrevious] {
				return &now, nil
			}
		}
		next := now
		next.Status, next.StatusReason, next.UpdatedAt = domain.AccountActive, "", s.now()
		next.Grant = s.grant(got.token, now.Grant)
		sealed, err := s.seal(ctx, &next, secrets)
		if err != nil {
			last = err
			continue
		}
		swapped, err := s.swap(ctx, &next, func(tx store.Tx) error {
			if err := putSecrets(ctx, tx, &next, sealed); err != nil {
				return err
			}
			return s.tellOnce(ctx, tx, &next, domain.AccountEventRecovered, "")
		})
		if swapped {
			return &next, nil
		}
		last = err
	}
	if last == nil {
		last = domain.Errorf(domain.CodeConflict, "account %s changes all the time", a.ID)
	}
	return nil, fmt.Errorf("keeping new tokens: %w", last)
}

// swap stores the account's state and grant if its generation is still the one
// that next was made from, and does more in the same transaction. next gets the
// new generation.
func (s *Service) swap(ctx context.Context, next *domain.ConnectedAccount, more func(tx store.Tx) error) (bool, error) {
	swapped := false
	err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		// SwapGrant replaces the status, which may have changed without the grant.
		now, err := tx.Account(ctx, next.ProjectID, next.ID)
		if err != nil {
			return err
		}
		if swapped = now.Status == domain.AccountActive || now.Status == domain.AccountExpired; !swapped {
			return nil
		}
		if swapped, err = tx.SwapGrant(ctx, next.ProjectID, *next); err != nil || !swapped {
			return err
		}
		return more(tx)
	})
	if err != nil || !swapped {
		return false, err
	}
	next.Generation++
	return true, nil
}

// fail notes that the tokens were not renewed this time. The account stays
// ACTIVE; while its access token lives, calls go on with it.
func (s *Service) fail(ctx context.Context, a *domain.ConnectedAccount, failure error, why cause) (*domain.ConnectedAccount, error) {
	next := *a
	next.Failures++
	next.UpdatedAt = s.now()
	next.StatusReason = reasonOf(failure, a)
	wait := max(backoff(a, next.Failures, lasting(failure)), retryAfter(failure))
	next.RefreshAt = next.UpdatedAt.Add(wait).Truncate(time.Microsecond)
	swapped, err := s.swap(ctx, &next, func(tx store.Tx) error {
		if next.Status != domain.AccountActive || next.Failures < expiringFailures ||
			next.ExpiresAt.IsZero() || next.ExpiresAt.Sub(next.UpdatedAt) > expiringSoon {
			return nil
		}
		return s.tellOnce(ctx, tx, &next, domain.AccountEventExpiring, next.StatusReason)
	})
	if err != nil {
		return nil, err
	}
	if !swapped { // another was faster, perhaps luckier
		now, err := s.opts.Store.Account(ctx, a.ProjectID, a.ID)
		if err != nil {
			return nil, notFound(err, a.ID)
		}
		if now.RefreshedAt.After(a.RefreshedAt) && now.Usable() {
			return &now, nil
		}
		next = now
	}
	switch {
	case next.Status == domain.AccountExpired:
		return nil, unusableAccount(next.Toolkit, &next)
	case (why == causeDue || why == causeEnded) && !s.ended(&next):
		return &next, nil
	case domain.CodeOf(failure) == domain.CodeUnsupported:
		return nil, failure
	}
	return nil, s.notRenewed(&next, reasonOf(failure, a)).WithCause(failure)
}

// endGrant ends an account whose grant is dead.
func (s *Service) endGrant(ctx context.Context, a *domain.ConnectedAccount, reason string) (*domain.ConnectedAccount, error) {
	next := *a
	next.Status, next.StatusReason, next.UpdatedAt = domain.AccountExpired, reason, s.now()
	next.RefreshAt, next.Failures = time.Time{}, a.Failures+1
	swapped, err := s.swap(ctx, &next, func(tx store.Tx) error {
		return s.tellOnce(ctx, tx, &next, domain.AccountEventExpired, reason)
	})
	if err != nil {
		return nil, err
	}
	if swapped {
		return nil, unusableAccount(next.Toolkit, &next)
	}
	now, err := s.opts.Store.Account(ctx, a.ProjectID, a.ID)
	if err != nil {
		return nil, notFound(err, a.ID)
	}
	if now.RefreshedAt.After(a.RefreshedAt) && now.Usable() {
		return &now, nil // another has tokens after all
	}
	return nil, s.notRenewed(&now, reason)
}

// announce says that the account ends with its access token, which nothing can
// renew, and has it looked at again at that time.
func (s *Service) announce(ctx context.Context, a *domain.ConnectedAccount, reason string) (*domain.ConnectedAccount, error) {
	next := *a
	next.RefreshAt, next.UpdatedAt = a.ExpiresAt, s.now()
	_, err := s.swap(ctx, &next, func(tx store.Tx) error {
		return s.tellOnce(ctx, tx, &next, domain.AccountEventExpiring, reason)
	})
	return &next, err
}

// pause waits a moment, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

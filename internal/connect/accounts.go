package connect

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Account gives one account of the project. An unfinished connection past its
// time is shown EXPIRED.
func (s *Service) Account(ctx context.Context, projectID, id string) (*domain.ConnectedAccount, error) {
	a, err := s.opts.Store.Account(ctx, projectID, id)
	if err != nil {
		return nil, notFound(err, id)
	}
	return s.shown(&a), nil
}

// Accounts lists accounts and says how many there are in all.
func (s *Service) Accounts(ctx context.Context, projectID string, f store.AccountFilter, page store.Page) ([]domain.ConnectedAccount, int, error) {
	if slices.Contains(f.Statuses, domain.AccountInitiated) || slices.Contains(f.Statuses, domain.AccountExpired) {
		if err := s.expire(ctx, projectID, f); err != nil {
			return nil, 0, err
		}
	}
	list, total, err := s.opts.Store.ListAccounts(ctx, projectID, f, page)
	if err != nil {
		return nil, 0, err
	}
	for i := range list {
		list[i] = *s.shown(&list[i])
	}
	return list, total, nil
}

// Delete removes an account and its secrets.
func (s *Service) Delete(ctx context.Context, projectID, id string) error {
	return notFoundOrNil(s.opts.Store.DeleteAccount(ctx, projectID, id), id)
}

func notFoundOrNil(err error, id string) error {
	if err == nil {
		return nil
	}
	return notFound(err, id)
}

// shown gives the account as it is at this moment: an INITIATED one whose link
// has run out is EXPIRED, whether or not the store says so already.
func (s *Service) shown(a *domain.ConnectedAccount) *domain.ConnectedAccount {
	if !s.overdue(a) {
		return a
	}
	c := *a
	c.Status = domain.AccountExpired
	c.StatusReason = "the connection was not finished within " + inWords(s.opts.LinkTTL)
	c.UpdatedAt = a.CreatedAt.Add(s.opts.LinkTTL)
	return &c
}

func (s *Service) overdue(a *domain.ConnectedAccount) bool {
	return a.Status == domain.AccountInitiated && !s.now().Before(a.CreatedAt.Add(s.opts.LinkTTL))
}

// expire stores what shown shows, so that a list by status counts right.
func (s *Service) expire(ctx context.Context, projectID string, f store.AccountFilter) error {
	f.Statuses, f.OrderByUpdated, f.Ascending = []domain.AccountStatus{domain.AccountInitiated}, false, true
	for {
		list, _, err := s.opts.Store.ListAccounts(ctx, projectID, f, store.Page{Limit: 200})
		if err != nil {
			return err
		}
		due := 0
		for due < len(list) && s.overdue(&list[due]) { // oldest first
			due++
		}
		if due == 0 {
			return nil
		}
		err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			for i := range list[:due] {
				a, err := tx.Account(ctx, projectID, list[i].ID)
				if err != nil || !s.overdue(&a) {
					if domain.CodeOf(err) == domain.CodeNotFound || err == nil {
						continue
					}
					return err
				}
				if err := tx.UpdateAccount(ctx, projectID, *s.shown(&a)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || due < len(list) {
			return err
		}
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

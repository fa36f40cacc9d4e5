package connect

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// tellOnce keeps an event of the account in the transaction that changes its
// state, unless the account's last event says as much. Good news is none where
// there was no bad.
func (s *Service) tellOnce(ctx context.Context, tx store.Tx, a *domain.ConnectedAccount, what domain.AccountEventType, reason string) error {
	last, _, err := tx.ListAccountEvents(ctx, a.ProjectID, store.AccountEventFilter{AccountID: a.ID}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	before := domain.AccountEventRecovered
	if len(last) > 0 {
		before = last[0].Type
	}
	if before == what {
		return nil
	}
	e := domain.AccountEvent{
		ID: domain.NewID(domain.PrefixEvent), ProjectID: a.ProjectID, AccountID: a.ID, UserID: a.UserID, Toolkit: a.Toolkit,
		Type: what, Reason: reason, At: s.now(),
	}
	if err := tx.AddAccountEvent(ctx, e); err != nil {
		return err
	}
	if s.opts.OnEvent == nil {
		return nil
	}
	return s.opts.OnEvent(ctx, tx, e)
}

// Events gives what became of the project's accounts, newest first, and how many
// events there are in all.
func (s *Service) Events(ctx context.Context, projectID string, f store.AccountEventFilter, page store.Page) ([]domain.AccountEvent, int, error) {
	return s.opts.Store.ListAccountEvents(ctx, projectID, f, page)
}

package sqlstore

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const eventColumns = `project_id, id, account_id, user_id, toolkit, type, reason, at`

// AddAccountEvent implements store.AccountEvents.
func (s *queries) AddAccountEvent(ctx context.Context, e domain.AccountEvent) error {
	n := noun{name: "event", id: e.ID, owner: "connected account", clash: "there is an event with this id already"}
	_, err := s.exec(ctx, n, `INSERT INTO account_events (`+eventColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ProjectID, e.ID, e.AccountID, e.UserID, e.Toolkit, string(e.Type), plain(e.Reason), micros(e.At))
	return err
}

// ListAccountEvents implements store.AccountEvents.
func (s *queries) ListAccountEvents(ctx context.Context, projectID string, ef store.AccountEventFilter, page store.Page) ([]domain.AccountEvent, int, error) {
	f := newFilter(projectID)
	f.is("account_id", ef.AccountID)
	in(f, "type", ef.Types)
	return paged(ctx, s, noun{name: "event"}, scanEvent, eventColumns, "account_events", f, "at DESC, id DESC", page)
}

func scanEvent(r row) (e domain.AccountEvent, err error) {
	var at int64
	err = r.Scan(&e.ProjectID, &e.ID, &e.AccountID, &e.UserID, &e.Toolkit, &e.Type, &e.Reason, &at)
	e.At = fromMicros(at)
	return e, err
}

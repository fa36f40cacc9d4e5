package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const publishedColumns = `project_id, id, type, source, dedupe_key, user_id, trigger_slug, account_id, auth_config_id, payload,
	occurred_at, created_at, seq`

// AddEvent implements store.Events.
func (s *queries) AddEvent(ctx context.Context, e domain.Event) (bool, error) {
	n := noun{name: "event", id: e.ID, owner: "project", clash: "there is an event with this id already"}
	touched, err := s.exec(ctx, n, `INSERT INTO events (`+publishedColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
		ON CONFLICT (project_id, source, dedupe_key) DO NOTHING`,
		e.ProjectID, e.ID, string(e.Type), e.Source, e.Key, e.UserID, e.Trigger, e.AccountID, e.AuthConfigID,
		string(e.Payload), micros(e.OccurredAt), micros(e.CreatedAt))
	return touched == 1, err
}

// Event implements store.Events.
func (s *queries) Event(ctx context.Context, projectID, id string) (domain.Event, error) {
	return one(ctx, s, noun{name: "event", id: id}, scanPublished,
		`SELECT `+publishedColumns+` FROM events WHERE project_id = ? AND id = ?`, projectID, id)
}

// ListEvents implements store.Events.
func (s *queries) ListEvents(ctx context.Context, projectID string, ef store.EventFilter, page store.Page) ([]domain.Event, int, error) {
	f := newFilter(projectID)
	in(f, "type", ef.Types)
	f.is("source", ef.Source)
	f.is("user_id", ef.UserID)
	f.is("trigger_slug", ef.Trigger)
	if !ef.From.IsZero() {
		f.where.WriteString(" AND created_at >= ?")
		f.args = append(f.args, micros(ef.From))
	}
	if !ef.To.IsZero() {
		f.where.WriteString(" AND created_at < ?")
		f.args = append(f.args, micros(ef.To))
	}
	order := "created_at DESC, id DESC"
	if ef.OldestFirst {
		order = "created_at, id"
	}
	return paged(ctx, s, noun{name: "event"}, scanPublished, publishedColumns, "events", f, order, page)
}

// DropEvents implements store.Events; deliveries go by cascade.
func (s *queries) DropEvents(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.exec(ctx, noun{name: "event"},
		`DELETE FROM events WHERE (project_id, id) IN
			(SELECT project_id, id FROM events WHERE created_at < ? ORDER BY created_at LIMIT ?)`, micros(before), limit)
	return int(n), err
}

func scanPublished(r row) (e domain.Event, err error) {
	var payload string
	var occurred, created int64
	err = r.Scan(&e.ProjectID, &e.ID, &e.Type, &e.Source, &e.Key, &e.UserID, &e.Trigger, &e.AccountID, &e.AuthConfigID,
		&payload, &occurred, &created, &e.Seq)
	e.Payload, e.OccurredAt, e.CreatedAt = json.RawMessage(payload), fromMicros(occurred), fromMicros(created)
	return e, err
}

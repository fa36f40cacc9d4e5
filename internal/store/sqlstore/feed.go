package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

var headNoun = noun{name: "order of events", owner: "project"}

// UnplacedEvents implements store.EventFeed.
func (s *queries) UnplacedEvents(ctx context.Context, limit int) ([]string, error) {
	limit, _ = window(store.Page{Limit: limit})
	return list(ctx, s, headNoun, scanText, `SELECT DISTINCT project_id FROM events WHERE seq = 0 LIMIT ?`, limit)
}

// PlaceEvents implements store.EventFeed. Who comes second waits for the head, and
// on PostgreSQL begins anew: no place is given twice.
func (s *queries) PlaceEvents(ctx context.Context, projectID string, limit int) (int, error) {
	limit, _ = window(store.Page{Limit: limit})
	_, err := s.exec(ctx, headNoun, `INSERT INTO event_heads (project_id, seq) VALUES (?, 0)
		ON CONFLICT (project_id) DO UPDATE SET seq = event_heads.seq`, projectID)
	if err != nil {
		return 0, err
	}
	head, err := one(ctx, s, headNoun, scanLong, `SELECT seq FROM event_heads WHERE project_id = ?`, projectID)
	if err != nil {
		return 0, err
	}
	n, err := s.exec(ctx, headNoun, `UPDATE events SET seq = placed.place FROM (
			SELECT id, CAST(? AS BIGINT) + row_number() OVER (ORDER BY created_at, id) AS place FROM (
				SELECT id, created_at FROM events WHERE project_id = ? AND seq = 0 ORDER BY created_at, id LIMIT ?
			) AS oldest
		) AS placed WHERE events.project_id = ? AND events.id = placed.id`, head, projectID, limit, projectID)
	if err != nil || n == 0 {
		return 0, err
	}
	return int(n), s.change(ctx, headNoun, `UPDATE event_heads SET seq = ? WHERE project_id = ?`, head+n, projectID)
}

// EventHeads implements store.EventFeed.
func (s *queries) EventHeads(ctx context.Context, projectIDs []string) (map[string]int64, error) {
	heads := make(map[string]int64, len(projectIDs))
	if len(projectIDs) == 0 {
		return heads, nil
	}
	args := make([]any, 0, len(projectIDs))
	for _, id := range projectIDs {
		args = append(args, id)
	}
	err := s.each(ctx, headNoun, func(r row) error {
		var id string
		var seq int64
		if err := r.Scan(&id, &seq); err != nil {
			return err
		}
		heads[id] = seq
		return nil
	}, `SELECT project_id, seq FROM event_heads WHERE project_id IN (`+marks(len(args))+`)`, args)
	return heads, err
}

// EventsAfter implements store.EventFeed.
func (s *queries) EventsAfter(ctx context.Context, projectID string, ff store.FeedFilter, after, upto int64, limit int) ([]domain.Event, error) {
	limit, _ = window(store.Page{Limit: limit})
	f := newFilter(projectID)
	f.where.WriteString(" AND seq > 0 AND seq > ? AND seq <= ?") // the first is what the index is for
	f.args = append(f.args, after, upto)
	in(f, "type", ff.Types)
	in(f, "trigger_slug", ff.Triggers)
	in(f, "source", ff.Sources)
	in(f, "user_id", ff.UserIDs)
	in(f, "account_id", ff.AccountIDs)
	f.args = append(f.args, limit)
	return list(ctx, s, noun{name: "event"}, scanPublished,
		`SELECT `+publishedColumns+` FROM events`+f.where.String()+` ORDER BY seq LIMIT ?`, f.args...)
}

var projectSecretNoun = noun{name: "secret", owner: "project"}

// KeepProjectSecret implements store.ProjectSecrets.
func (s *queries) KeepProjectSecret(ctx context.Context, projectID, field string, sealed []byte) ([]byte, error) {
	now := micros(time.Now())
	_, err := s.exec(ctx, projectSecretNoun, `INSERT INTO project_secrets (project_id, field, sealed, created_at, sealed_at)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (project_id, field) DO NOTHING`, projectID, field, sealed, now, now)
	if err != nil {
		return nil, err
	}
	return s.ProjectSecret(ctx, projectID, field)
}

// ProjectSecret implements store.ProjectSecrets.
func (s *queries) ProjectSecret(ctx context.Context, projectID, field string) ([]byte, error) {
	return one(ctx, s, projectSecretNoun, scanBytes,
		`SELECT sealed FROM project_secrets WHERE project_id = ? AND field = ?`, projectID, field)
}

func scanText(r row) (text string, err error) {
	err = r.Scan(&text)
	return text, err
}

func scanLong(r row) (n int64, err error) {
	err = r.Scan(&n)
	return n, err
}

func scanBytes(r row) (b []byte, err error) {
	err = r.Scan(&b)
	return b, err
}

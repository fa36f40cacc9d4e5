package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const deliveryColumns = `project_id, id, event_id, event_type, webhook_id, state, attempts, replays, next_at, claimed_until,
	event_at, began_at, ended_at, last_status, last_error`

func deliveryNoun(id string) noun {
	return noun{
		name: "delivery", id: id, owner: "event or webhook subscription",
		clash: "there is a delivery with this id already",
	}
}

// AddDelivery implements store.Deliveries.
func (s *queries) AddDelivery(ctx context.Context, d domain.Delivery) (bool, error) {
	touched, err := s.exec(ctx, deliveryNoun(d.ID),
		`INSERT INTO deliveries (`+deliveryColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (project_id, event_id, webhook_id) DO NOTHING`,
		d.ProjectID, d.ID, d.EventID, string(d.EventType), d.WebhookID, string(d.State), d.Attempts, d.Replays, micros(d.NextAt),
		micros(d.ClaimedUntil), micros(d.EventAt), micros(d.BeganAt), micros(d.EndedAt), d.LastStatus, plain(d.LastError))
	return touched == 1, err
}

// Delivery implements store.Deliveries.
func (s *queries) Delivery(ctx context.Context, projectID, id string) (domain.Delivery, error) {
	return one(ctx, s, deliveryNoun(id), scanDelivery,
		`SELECT `+deliveryColumns+` FROM deliveries WHERE project_id = ? AND id = ?`, projectID, id)
}

// UpdateDelivery implements store.Deliveries.
func (s *queries) UpdateDelivery(ctx context.Context, projectID string, d domain.Delivery) error {
	return s.change(ctx, deliveryNoun(d.ID),
		`UPDATE deliveries SET state = ?, attempts = ?, replays = ?, next_at = ?, claimed_until = ?, began_at = ?,
			ended_at = ?, last_status = ?, last_error = ? WHERE project_id = ? AND id = ?`,
		string(d.State), d.Attempts, d.Replays, micros(d.NextAt), micros(d.ClaimedUntil), micros(d.BeganAt),
		micros(d.EndedAt), d.LastStatus, plain(d.LastError), projectID, d.ID)
}

// ListDeliveries implements store.Deliveries.
func (s *queries) ListDeliveries(ctx context.Context, projectID string, df store.DeliveryFilter, page store.Page) ([]domain.Delivery, int, error) {
	f := newFilter(projectID)
	f.is("webhook_id", df.WebhookID)
	f.is("event_id", df.EventID)
	in(f, "state", df.States)
	in(f, "event_type", df.Types)
	return paged(ctx, s, deliveryNoun(""), scanDelivery, deliveryColumns, "deliveries", f, "event_at DESC, id DESC", page)
}

// The states are part of the texts, or the partial indexes would not do.
const (
	sqlOpenDeliveries = `SELECT ` + deliveryColumns + ` FROM deliveries
		WHERE project_id = ? AND webhook_id = ? AND state IN ('waiting', 'parked') ORDER BY event_at, id LIMIT ?`
	sqlLostDeliveries = `SELECT ` + deliveryColumns + ` FROM deliveries
		WHERE claimed_until > 0 AND claimed_until <= ? ORDER BY claimed_until LIMIT ?`
)

// OpenDeliveries implements store.Deliveries.
func (s *queries) OpenDeliveries(ctx context.Context, projectID, webhookID string, limit int) ([]domain.Delivery, error) {
	return list(ctx, s, deliveryNoun(""), scanDelivery, sqlOpenDeliveries, projectID, webhookID, limit)
}

// ParkedDeliveries implements store.Deliveries.
func (s *queries) ParkedDeliveries(ctx context.Context, projectID, webhookID string, limit int) ([]domain.Delivery, error) {
	return list(ctx, s, deliveryNoun(""), scanDelivery, `SELECT `+deliveryColumns+` FROM deliveries
		WHERE project_id = ? AND webhook_id = ? AND state IN ('waiting', 'parked') AND state = 'parked'
		ORDER BY event_at, id LIMIT ?`, projectID, webhookID, limit)
}

// ClaimedDelivery implements store.Deliveries.
func (s *queries) ClaimedDelivery(ctx context.Context, projectID, webhookID string, now time.Time) (bool, error) {
	n, err := one(ctx, s, deliveryNoun(""), scanInt, `SELECT count(*) FROM deliveries
		WHERE project_id = ? AND webhook_id = ? AND state IN ('waiting', 'parked') AND claimed_until > ?`,
		projectID, webhookID, micros(now))
	return n > 0, err
}

// LostDeliveries implements store.Deliveries.
func (s *queries) LostDeliveries(ctx context.Context, now time.Time, limit int) ([]domain.Delivery, error) {
	return list(ctx, s, deliveryNoun(""), scanDelivery, sqlLostDeliveries, micros(now), limit)
}

// OverdueDeliveries implements store.Deliveries.
func (s *queries) OverdueDeliveries(ctx context.Context, before time.Time, limit int) ([]domain.Delivery, error) {
	return list(ctx, s, deliveryNoun(""), scanDelivery, `SELECT `+deliveryColumns+` FROM deliveries
		WHERE state = 'waiting' AND next_at < ? AND claimed_until = 0 ORDER BY next_at LIMIT ?`, micros(before), limit)
}

// EndDeliveries implements store.Deliveries.
func (s *queries) EndDeliveries(ctx context.Context, projectID, webhookID, reason string, at time.Time) error {
	_, err := s.exec(ctx, deliveryNoun(""),
		`UPDATE deliveries SET state = 'dead', last_error = ?, ended_at = ?, claimed_until = 0
		WHERE project_id = ? AND webhook_id = ? AND state IN ('waiting', 'parked')`,
		plain(reason), micros(at), projectID, webhookID)
	return err
}

// EndParked implements store.Deliveries.
func (s *queries) EndParked(ctx context.Context, before time.Time, reason string, at time.Time) (int, error) {
	n, err := s.exec(ctx, deliveryNoun(""),
		`UPDATE deliveries SET state = 'dead', last_error = ?, ended_at = ? WHERE state = 'parked' AND began_at < ?`,
		plain(reason), micros(at), micros(before))
	return int(n), err
}

func scanDelivery(r row) (d domain.Delivery, err error) {
	var next, claimed, event, began, ended int64
	err = r.Scan(&d.ProjectID, &d.ID, &d.EventID, &d.EventType, &d.WebhookID, &d.State, &d.Attempts, &d.Replays, &next,
		&claimed, &event, &began, &ended, &d.LastStatus, &d.LastError)
	d.NextAt, d.ClaimedUntil, d.EventAt = fromMicros(next), fromMicros(claimed), fromMicros(event)
	d.BeganAt, d.EndedAt = fromMicros(began), fromMicros(ended)
	return d, err
}

const attemptColumns = `project_id, delivery_id, number, at, duration, status, error, excerpt`

// AddAttempt implements store.Deliveries.
func (s *queries) AddAttempt(ctx context.Context, a domain.Attempt) error {
	n := noun{name: "attempt", owner: "delivery", clash: "there is an attempt with this number already"}
	_, err := s.exec(ctx, n, `INSERT INTO delivery_attempts (`+attemptColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ProjectID, a.DeliveryID, a.Number, micros(a.At), a.Duration.Microseconds(), a.Status, plain(a.Error), plain(a.Excerpt))
	return err
}

// ListAttempts implements store.Deliveries.
func (s *queries) ListAttempts(ctx context.Context, projectID, deliveryID string) ([]domain.Attempt, error) {
	return list(ctx, s, noun{name: "attempt"}, func(r row) (a domain.Attempt, err error) {
		var at, took int64
		err = r.Scan(&a.ProjectID, &a.DeliveryID, &a.Number, &at, &took, &a.Status, &a.Error, &a.Excerpt)
		a.At, a.Duration = fromMicros(at), time.Duration(took)*time.Microsecond
		return a, err
	}, `SELECT `+attemptColumns+` FROM delivery_attempts WHERE project_id = ? AND delivery_id = ? ORDER BY number DESC LIMIT 100`,
		projectID, deliveryID)
}

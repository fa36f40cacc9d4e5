package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const webhookColumns = `project_id, id, url, version, events, ordered, state, reason, failures, failing_since, probe_at,
	previous_until, created_at, updated_at`

func webhookNoun(id string) noun {
	return noun{
		name: "webhook subscription", id: id, owner: "project",
		clash: "the project has a webhook subscription already",
	}
}

// CreateWebhook implements store.Webhooks.
func (s *queries) CreateWebhook(ctx context.Context, w domain.Webhook) error {
	n := webhookNoun(w.ID)
	events, err := encode(w.Events)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	_, err = s.exec(ctx, n, `INSERT INTO webhooks (`+webhookColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		w.ProjectID, w.ID, w.URL, w.Version, events, flag(w.Ordered), string(w.State), plain(w.Reason), w.Failures,
		micros(w.FailingSince), micros(w.ProbeAt), micros(w.PreviousUntil), micros(w.CreatedAt), micros(w.UpdatedAt))
	return err
}

// Webhook implements store.Webhooks.
func (s *queries) Webhook(ctx context.Context, projectID, id string) (domain.Webhook, error) {
	return one(ctx, s, webhookNoun(id), scanWebhook,
		`SELECT `+webhookColumns+` FROM webhooks WHERE project_id = ? AND id = ?`, projectID, id)
}

// ListWebhooks implements store.Webhooks.
func (s *queries) ListWebhooks(ctx context.Context, projectID string) ([]domain.Webhook, error) {
	return list(ctx, s, webhookNoun(""), scanWebhook,
		`SELECT `+webhookColumns+` FROM webhooks WHERE project_id = ? ORDER BY created_at, id`, projectID)
}

// UpdateWebhook implements store.Webhooks.
func (s *queries) UpdateWebhook(ctx context.Context, projectID string, w domain.Webhook) error {
	n := webhookNoun(w.ID)
	events, err := encode(w.Events)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	return s.change(ctx, n,
		`UPDATE webhooks SET url = ?, version = ?, events = ?, ordered = ?, state = ?, reason = ?, failures = ?,
			failing_since = ?, probe_at = ?, previous_until = ?, updated_at = ? WHERE project_id = ? AND id = ?`,
		w.URL, w.Version, events, flag(w.Ordered), string(w.State), plain(w.Reason), w.Failures,
		micros(w.FailingSince), micros(w.ProbeAt), micros(w.PreviousUntil), micros(w.UpdatedAt), projectID, w.ID)
}

// DeleteWebhook implements store.Webhooks; the rest goes by cascade.
func (s *queries) DeleteWebhook(ctx context.Context, projectID, id string) error {
	return s.change(ctx, webhookNoun(id), `DELETE FROM webhooks WHERE project_id = ? AND id = ?`, projectID, id)
}

// DueWebhooks implements store.Webhooks.
func (s *queries) DueWebhooks(ctx context.Context, now time.Time, limit int) ([]domain.Webhook, error) {
	return list(ctx, s, webhookNoun(""), scanWebhook,
		`SELECT `+webhookColumns+` FROM webhooks WHERE state = 'paused' AND probe_at <= ? ORDER BY probe_at LIMIT ?`,
		micros(now), limit)
}

var webhookSecretNoun = noun{name: "secret", owner: "webhook subscription"}

// PutWebhookSecret implements store.Webhooks.
func (s *queries) PutWebhookSecret(ctx context.Context, projectID, webhookID, field string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	now := micros(time.Now())
	_, err := s.exec(ctx, webhookSecretNoun,
		`INSERT INTO webhook_secrets (project_id, webhook_id, field, sealed, created_at, sealed_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (project_id, webhook_id, field) DO UPDATE SET sealed = excluded.sealed, sealed_at = excluded.sealed_at`,
		projectID, webhookID, field, sealed, now, now)
	return err
}

// WebhookSecrets implements store.Webhooks. A subscription without any has an empty
// map.
func (s *queries) WebhookSecrets(ctx context.Context, projectID, webhookID string) (map[string][]byte, error) {
	return s.sealed(ctx, webhookSecretNoun,
		`SELECT field, sealed FROM webhook_secrets WHERE project_id = ? AND webhook_id = ?`, projectID, webhookID)
}

func scanWebhook(r row) (w domain.Webhook, err error) {
	var events string
	var ordered int
	var since, probe, previous, created, updated int64
	err = r.Scan(&w.ProjectID, &w.ID, &w.URL, &w.Version, &events, &ordered, &w.State, &w.Reason, &w.Failures,
		&since, &probe, &previous, &created, &updated)
	if err != nil {
		return w, err
	}
	w.Ordered, w.FailingSince, w.ProbeAt = ordered != 0, fromMicros(since), fromMicros(probe)
	w.PreviousUntil, w.CreatedAt, w.UpdatedAt = fromMicros(previous), fromMicros(created), fromMicros(updated)
	if err := json.Unmarshal([]byte(events), &w.Events); err != nil {
		return w, fmt.Errorf("decoding: %w", err)
	}
	return w, nil
}

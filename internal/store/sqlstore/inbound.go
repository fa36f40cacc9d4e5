package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const endpointColumns = `project_id, id, toolkit, client_id, previous_until, received_at, last_error, created_at, updated_at`

func endpointNoun(id string) noun {
	return noun{
		name: "webhook endpoint", id: id, owner: "project",
		clash: "the project has a webhook endpoint of this toolkit and client already",
	}
}

// CreateEndpoint implements store.Endpoints.
func (s *queries) CreateEndpoint(ctx context.Context, e domain.WebhookEndpoint) error {
	_, err := s.exec(ctx, endpointNoun(e.ID),
		`INSERT INTO webhook_endpoints (`+endpointColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ProjectID, e.ID, e.Toolkit, e.ClientID, micros(e.PreviousUntil), micros(e.ReceivedAt), plain(e.LastError),
		micros(e.CreatedAt), micros(e.UpdatedAt))
	return err
}

// Endpoint implements store.Endpoints.
func (s *queries) Endpoint(ctx context.Context, projectID, id string) (domain.WebhookEndpoint, error) {
	return one(ctx, s, endpointNoun(id), scanEndpoint,
		`SELECT `+endpointColumns+` FROM webhook_endpoints WHERE project_id = ? AND id = ?`, projectID, id)
}

// EndpointByID implements store.Endpoints.
func (s *queries) EndpointByID(ctx context.Context, id string) (domain.WebhookEndpoint, error) {
	return one(ctx, s, endpointNoun(""), scanEndpoint, `SELECT `+endpointColumns+` FROM webhook_endpoints WHERE id = ?`, id)
}

// FindEndpoint implements store.Endpoints.
func (s *queries) FindEndpoint(ctx context.Context, projectID, toolkit, clientID string) (domain.WebhookEndpoint, error) {
	return one(ctx, s, endpointNoun(""), scanEndpoint,
		`SELECT `+endpointColumns+` FROM webhook_endpoints WHERE project_id = ? AND toolkit = ? AND client_id = ?`,
		projectID, toolkit, clientID)
}

// ListEndpoints implements store.Endpoints.
func (s *queries) ListEndpoints(ctx context.Context, projectID, toolkit string) ([]domain.WebhookEndpoint, error) {
	f := newFilter(projectID)
	f.is("toolkit", toolkit)
	return list(ctx, s, endpointNoun(""), scanEndpoint,
		`SELECT `+endpointColumns+` FROM webhook_endpoints`+f.where.String()+` ORDER BY created_at, id LIMIT 1000`, f.args...)
}

// UpdateEndpoint implements store.Endpoints.
func (s *queries) UpdateEndpoint(ctx context.Context, projectID string, e domain.WebhookEndpoint) error {
	return s.change(ctx, endpointNoun(e.ID),
		`UPDATE webhook_endpoints SET previous_until = ?, updated_at = ? WHERE project_id = ? AND id = ?`,
		micros(e.PreviousUntil), micros(e.UpdatedAt), projectID, e.ID)
}

// NoteReceived implements store.Endpoints.
func (s *queries) NoteReceived(ctx context.Context, projectID, id string, at time.Time) error {
	_, err := s.exec(ctx, endpointNoun(id),
		`UPDATE webhook_endpoints SET received_at = ? WHERE project_id = ? AND id = ? AND received_at < ?`,
		micros(at), projectID, id, micros(at))
	return err
}

// NoteOutcome implements store.Endpoints.
func (s *queries) NoteOutcome(ctx context.Context, projectID, id, problem string) error {
	_, err := s.exec(ctx, endpointNoun(id),
		`UPDATE webhook_endpoints SET last_error = ? WHERE project_id = ? AND id = ? AND last_error <> ?`,
		plain(problem), projectID, id, plain(problem))
	return err
}

// DeleteEndpoint implements store.Endpoints; the rest goes by cascade.
func (s *queries) DeleteEndpoint(ctx context.Context, projectID, id string) error {
	return s.change(ctx, endpointNoun(id), `DELETE FROM webhook_endpoints WHERE project_id = ? AND id = ?`, projectID, id)
}

var endpointSecretNoun = noun{name: "secret", owner: "webhook endpoint"}

// PutEndpointSecret implements store.Endpoints.
func (s *queries) PutEndpointSecret(ctx context.Context, projectID, endpointID, field string, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	now := micros(time.Now())
	_, err := s.exec(ctx, endpointSecretNoun,
		`INSERT INTO endpoint_secrets (project_id, endpoint_id, field, sealed, created_at, sealed_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (project_id, endpoint_id, field) DO UPDATE SET sealed = excluded.sealed, sealed_at = excluded.sealed_at`,
		projectID, endpointID, field, sealed, now, now)
	return err
}

// EndpointSecrets implements store.Endpoints. An endpoint without any has an empty
// map.
func (s *queries) EndpointSecrets(ctx context.Context, projectID, endpointID string) (map[string][]byte, error) {
	return s.sealed(ctx, endpointSecretNoun,
		`SELECT field, sealed FROM endpoint_secrets WHERE project_id = ? AND endpoint_id = ?`, projectID, endpointID)
}

func scanEndpoint(r row) (e domain.WebhookEndpoint, err error) {
	var previous, received, created, updated int64
	err = r.Scan(&e.ProjectID, &e.ID, &e.Toolkit, &e.ClientID, &previous, &received, &e.LastError, &created, &updated)
	e.PreviousUntil, e.ReceivedAt = fromMicros(previous), fromMicros(received)
	e.CreatedAt, e.UpdatedAt = fromMicros(created), fromMicros(updated)
	return e, err
}

func inboundNoun(id string) noun {
	return noun{name: "received webhook", id: id, owner: "webhook endpoint", clash: "there is a received webhook with this id already"}
}

// AddInbound implements store.Inbounds.
func (s *queries) AddInbound(ctx context.Context, w domain.InboundWebhook) error {
	n := inboundNoun(w.ID)
	header, err := encode(w.Header)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	polls, err := encodeList(w.Polls)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	if w.Body == nil {
		w.Body = []byte{}
	}
	_, err = s.exec(ctx, n,
		`INSERT INTO inbound_webhooks (project_id, id, endpoint_id, at, header, polls, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		w.ProjectID, w.ID, w.EndpointID, micros(w.At), plain(header), polls, w.Body)
	return err
}

// Inbound implements store.Inbounds.
func (s *queries) Inbound(ctx context.Context, projectID, id string) (domain.InboundWebhook, error) {
	return one(ctx, s, inboundNoun(id), func(r row) (w domain.InboundWebhook, err error) {
		var at int64
		var header, polls string
		if err := r.Scan(&w.ProjectID, &w.ID, &w.EndpointID, &at, &header, &polls, &w.Body); err != nil {
			return w, err
		}
		w.At = fromMicros(at)
		if err := json.Unmarshal([]byte(header), &w.Header); err != nil {
			return w, fmt.Errorf("decoding: %w", err)
		}
		w.Polls, err = decodeList(polls)
		return w, err
	}, `SELECT project_id, id, endpoint_id, at, header, polls, body FROM inbound_webhooks WHERE project_id = ? AND id = ?`, projectID, id)
}

// CountInbound implements store.Inbounds.
func (s *queries) CountInbound(ctx context.Context, projectID, endpointID string) (int, error) {
	return one(ctx, s, inboundNoun(""), scanInt,
		`SELECT count(*) FROM inbound_webhooks WHERE project_id = ? AND endpoint_id = ?`, projectID, endpointID)
}

// UpdateInbound implements store.Inbounds.
func (s *queries) UpdateInbound(ctx context.Context, projectID, id string, polls []string) error {
	n := inboundNoun(id)
	text, err := encodeList(polls)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	return s.change(ctx, n, `UPDATE inbound_webhooks SET polls = ? WHERE project_id = ? AND id = ?`, text, projectID, id)
}

// DropInbound implements store.Inbounds.
func (s *queries) DropInbound(ctx context.Context, projectID, id string) error {
	_, err := s.exec(ctx, inboundNoun(id), `DELETE FROM inbound_webhooks WHERE project_id = ? AND id = ?`, projectID, id)
	return err
}

// DropInbounds implements store.Inbounds.
func (s *queries) DropInbounds(ctx context.Context, before time.Time, limit int) (int, error) {
	touched, err := s.exec(ctx, inboundNoun(""),
		`DELETE FROM inbound_webhooks WHERE (project_id, id) IN
			(SELECT project_id, id FROM inbound_webhooks WHERE at < ? ORDER BY at LIMIT ?)`, micros(before), limit)
	return int(touched), err
}

// LivePolls implements store.Inbounds.
func (s *queries) LivePolls(ctx context.Context, projectID string, pf store.PollFilter, limit int) ([]string, error) {
	if len(pf.Triggers) == 0 {
		return nil, nil
	}
	f := newFilter(projectID)
	f.is("toolkit", pf.Toolkit)
	in(f, "trigger_slug", pf.Triggers)
	if len(pf.AuthConfigIDs) > 0 {
		f.where.WriteString(` AND account_id IN (SELECT a.id FROM accounts a WHERE a.project_id = ? AND a.auth_config_id IN (` +
			marks(len(pf.AuthConfigIDs)) + `))`)
		f.args = append(f.args, projectID)
		for _, id := range pf.AuthConfigIDs {
			f.args = append(f.args, id)
		}
	}
	return list(ctx, s, pollNoun(""), func(r row) (id string, err error) { return id, r.Scan(&id) },
		`SELECT id FROM trigger_polls`+f.where.String()+` AND next_at > 0 ORDER BY created_at, id LIMIT ?`, append(f.args, limit)...)
}

var boundsNoun = noun{name: "bounds of triggers", owner: "project"}

// TriggerBounds implements store.TriggerSettings.
func (s *queries) TriggerBounds(ctx context.Context, projectID string) (domain.TriggerBounds, error) {
	b, err := one(ctx, s, boundsNoun, func(r row) (b domain.TriggerBounds, err error) {
		var least, most int64
		err = r.Scan(&least, &most)
		b.Min, b.Max = time.Duration(least)*time.Microsecond, time.Duration(most)*time.Microsecond
		return b, err
	}, `SELECT min_interval, max_interval FROM trigger_bounds WHERE project_id = ?`, projectID)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return domain.TriggerBounds{}, nil
	}
	return b, err
}

// PutTriggerBounds implements store.TriggerSettings.
func (s *queries) PutTriggerBounds(ctx context.Context, projectID string, b domain.TriggerBounds) error {
	_, err := s.exec(ctx, boundsNoun,
		`INSERT INTO trigger_bounds (project_id, min_interval, max_interval) VALUES (?, ?, ?)
		ON CONFLICT (project_id) DO UPDATE SET min_interval = excluded.min_interval, max_interval = excluded.max_interval`,
		projectID, b.Min.Microseconds(), b.Max.Microseconds())
	return err
}

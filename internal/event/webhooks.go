package event

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/internal/webhook"
)

const (
	// DefaultOverlap is how long the secret before the current one stays good, and
	// MaxOverlap the longest that can be asked for.
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 7 * 24 * time.Hour

	secretPrefix  = "whsec_"
	fieldSecret   = "secret"
	fieldPrevious = "previous"
	maxURL        = 2048
)

// NewWebhook is a subscription to be.
type NewWebhook struct {
	URL     string
	Version string // V1, V2 or V3; V3 when empty
	Events  []string
	Ordered bool
}

// WebhookChange changes what is not nil.
type WebhookChange struct {
	// URL also wakes a subscription that is paused or disabled.
	URL     *string
	Version *string
	Events  *[]string
	Ordered *bool
}

// CreateWebhook subscribes the project. The secret is given this once.
func (s *Service) CreateWebhook(ctx context.Context, projectID string, in NewWebhook) (domain.Webhook, string, error) {
	now := s.now()
	w := domain.Webhook{
		ID: domain.NewID(domain.PrefixWebhook), ProjectID: projectID, Version: string(webhook.V3), Ordered: in.Ordered,
		State: domain.WebhookActive, CreatedAt: now, UpdatedAt: now,
	}
	change := WebhookChange{URL: &in.URL, Events: &in.Events}
	if in.Version != "" {
		change.Version = &in.Version
	}
	if err := s.apply(&w, change); err != nil {
		return w, "", err
	}
	secret, sealed, err := s.newSecret(ctx, &w)
	if err != nil {
		return w, "", err
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if there, err := tx.ListWebhooks(ctx, projectID); err != nil || len(there) > 0 {
			if err == nil {
				err = domain.Errorf(domain.CodeConflict, "the project has a webhook subscription already: %s", there[0].ID).
					WithFix("Change that one (PATCH), or delete it first: a project has one.")
			}
			return err
		}
		if err := tx.CreateWebhook(ctx, w); err != nil {
			return err
		}
		return tx.PutWebhookSecret(ctx, projectID, w.ID, fieldSecret, sealed)
	})
	return w, secret, err
}

// Webhooks gives the project's subscriptions: one, or none.
func (s *Service) Webhooks(ctx context.Context, projectID string) ([]domain.Webhook, error) {
	return s.opts.Store.ListWebhooks(ctx, projectID)
}

// Webhook gives a subscription.
func (s *Service) Webhook(ctx context.Context, projectID, id string) (domain.Webhook, error) {
	return s.opts.Store.Webhook(ctx, projectID, id)
}

// UpdateWebhook changes a subscription. What waits goes by the new address and in
// the new version.
func (s *Service) UpdateWebhook(ctx context.Context, projectID, id string, c WebhookChange) (w domain.Webhook, err error) {
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if w, err = tx.Webhook(ctx, projectID, id); err != nil {
			return err
		}
		if err := s.apply(&w, c); err != nil {
			return err
		}
		w.UpdatedAt = s.now()
		if c.URL != nil && w.State != domain.WebhookActive {
			return s.resume(ctx, tx, &w)
		}
		if err := tx.UpdateWebhook(ctx, projectID, w); err != nil {
			return err
		}
		// Who no longer wants order is sent all that waited for its turn.
		if c.Ordered != nil && !w.Ordered && w.State == domain.WebhookActive {
			return s.enqueue(ctx, tx, wakeKind.Job(wakeArgs{ProjectID: projectID, WebhookID: id}))
		}
		return nil
	})
	return w, err
}

// DeleteWebhook ends a subscription; what was not delivered is dropped.
func (s *Service) DeleteWebhook(ctx context.Context, projectID, id string) error {
	return s.opts.Store.DeleteWebhook(ctx, projectID, id)
}

// RotateSecret gives the subscription a new secret. For the overlap messages are
// signed with both; one from an earlier rotation ends at once.
func (s *Service) RotateSecret(ctx context.Context, projectID, id string, overlap time.Duration) (secret string, until time.Time, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return "", until, domain.Invalid("overlap_seconds", "overlap_seconds: expected 0 to %d", int(MaxOverlap.Seconds()))
	}
	w, err := s.opts.Store.Webhook(ctx, projectID, id)
	if err != nil {
		return "", until, err
	}
	secret, sealed, err := s.newSecret(ctx, &w)
	if err != nil {
		return "", until, err
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		w, err := tx.Webhook(ctx, projectID, id)
		if err != nil {
			return err
		}
		all, err := tx.WebhookSecrets(ctx, projectID, id)
		if err != nil {
			return err
		}
		// It is sealed for its field, so it is opened and sealed again.
		old, err := s.opts.Vault.Open(ctx, secretRef(&w, fieldSecret), all[fieldSecret])
		if err != nil {
			return err
		}
		before, err := s.opts.Vault.Seal(ctx, secretRef(&w, fieldPrevious), old)
		if err != nil {
			return err
		}
		w.UpdatedAt = s.now()
		w.PreviousUntil, until = time.Time{}, w.UpdatedAt.Add(overlap)
		if overlap > 0 {
			w.PreviousUntil = until
		}
		if err := tx.UpdateWebhook(ctx, projectID, w); err != nil {
			return err
		}
		if err := tx.PutWebhookSecret(ctx, projectID, id, fieldPrevious, before); err != nil {
			return err
		}
		return tx.PutWebhookSecret(ctx, projectID, id, fieldSecret, sealed)
	})
	return secret, until, err
}

func secretRef(w *domain.Webhook, field string) vault.Ref {
	return vault.Ref{ProjectID: w.ProjectID, AccountID: w.ID, Field: field}
}

func (s *Service) newSecret(ctx context.Context, w *domain.Webhook) (secret string, sealed []byte, err error) {
	secret = domain.NewSecret(secretPrefix)
	sealed, err = s.opts.Vault.Seal(ctx, secretRef(w, fieldSecret), []byte(secret))
	return secret, sealed, err
}

// apply puts a change into w after checking all of it.
func (s *Service) apply(w *domain.Webhook, c WebhookChange) error {
	if c.URL != nil {
		u, err := s.checkURL(*c.URL)
		if err != nil {
			return err
		}
		w.URL = u
	}
	if c.Version != nil {
		v, err := webhook.ParseVersion(*c.Version)
		if err != nil {
			return domain.Invalid("version", "version: expected V1, V2 or V3")
		}
		w.Version = string(v)
	}
	if c.Events != nil {
		w.Events = w.Events[:0:0]
		for _, name := range *c.Events {
			t := domain.EventType(strings.TrimSpace(name))
			if !slices.Contains(w.Events, t) {
				w.Events = append(w.Events, t)
			}
		}
		if len(w.Events) == 0 {
			return domain.Invalid("enabled_events", "enabled_events: expected at least one type of event").
				WithFix("GET /api/v3.1/webhook_subscriptions/event_types lists the types.")
		}
	}
	if c.Ordered != nil {
		w.Ordered = *c.Ordered
	}
	for _, name := range w.Events {
		t, known := typeOf(name)
		if !known {
			return domain.Invalid("enabled_events", "enabled_events: there is no type of event %.80q", string(name)).
				WithFix("GET /api/v3.1/webhook_subscriptions/event_types lists the types.")
		}
		if !t.in(w.Version) {
			return domain.Invalid("enabled_events", "enabled_events: %s cannot be sent in version %s", name, w.Version).
				WithFix("Ask for version V3, or leave the type out.")
		}
	}
	return nil
}

// checkURL judges the address that events are to be posted to.
func (s *Service) checkURL(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || len(text) > maxURL || u.Host == "" || u.Opaque != "" {
		return "", domain.Invalid("webhook_url", "webhook_url: expected an address such as https://app.example.com/hooks, of up to %d characters", maxURL)
	}
	u.Fragment, u.RawFragment = "", ""
	if err := s.opts.HTTP.Check(u); err != nil {
		known := domain.AsError(err)
		e := domain.Invalid("webhook_url", "webhook_url: %s", known.Message)
		e.Fix = known.Fix
		return "", e
	}
	return u.String(), nil
}

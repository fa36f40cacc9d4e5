package app

import (
	"context"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/api"
	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/realtime"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/webhook"
)

// accountEvents are the types under which the application hears of what became of
// accounts.
var accountEvents = map[domain.AccountEventType]domain.EventType{
	domain.AccountEventExpiring:  domain.EventAccountExpiring,
	domain.AccountEventExpired:   domain.EventAccountExpired,
	domain.AccountEventRecovered: domain.EventAccountRecovered,
	domain.AccountEventRevoked:   domain.EventAccountRevoked,
}

// publishAccountEvents gives the hook of connect's that publishes, in the
// transaction of the change, what became of an account.
func publishAccountEvents(events *event.Service, cat *catalog.Catalog) func(context.Context, store.Tx, domain.AccountEvent) error {
	return func(ctx context.Context, tx store.Tx, e domain.AccountEvent) error {
		account, err := tx.Account(ctx, e.ProjectID, e.AccountID)
		if err != nil {
			return err
		}
		config, err := tx.AuthConfig(ctx, e.ProjectID, account.AuthConfigID)
		if err != nil {
			return err
		}
		payload, err := api.AccountEvent(ctx, cat, &account, &config, time.Now(), e.Reason)
		if err != nil {
			return err
		}
		_, _, err = events.Publish(ctx, tx, domain.Event{
			ID: e.ID, ProjectID: e.ProjectID, Type: accountEvents[e.Type], Source: e.AccountID, Key: e.ID, UserID: e.UserID,
			AccountID: e.AccountID, AuthConfigID: account.AuthConfigID, Payload: payload, OccurredAt: e.At,
		})
		return err
	}
}

// detail finds what an event does not say of its trigger. What is gone by now is
// left empty.
func (r rooms) detail(ctx context.Context, e *domain.Event) realtime.Detail {
	var d realtime.Detail
	if t, err := r.cat.Trigger(ctx, e.ProjectID, e.Trigger, ""); err == nil {
		d.Toolkit = t.Toolkit.Slug
	}
	if t, err := r.triggers.Instance(ctx, e.ProjectID, e.Source); err == nil {
		d.Toolkit, d.Config = t.Toolkit, t.Config
	}
	if a, err := r.conn.Account(ctx, e.ProjectID, e.AccountID); err == nil {
		d.Active = a.Status == domain.AccountActive && !a.Disabled
	}
	return d
}

// SignMessage gives the headers of an event's message of version V3 that is posted
// by hand, as a webhook subscription with the secret would be sent it.
func SignMessage(secret, id string, at time.Time, body []byte) (http.Header, error) {
	return webhook.Sign(webhook.Message{ID: id, At: at, Version: webhook.V3, Body: body}, secret)
}

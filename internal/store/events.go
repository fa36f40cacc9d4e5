package store

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// EventFilter narrows a list of events; empty fields do not.
type EventFilter struct {
	Types    []domain.EventType
	Source   string
	UserID   string
	Trigger  string
	From, To time.Time // of CreatedAt: From is in, To is not
	// OldestFirst turns the order round.
	OldestFirst bool
}

// Events keeps what applications are told of.
type Events interface {
	// AddEvent keeps the event; it reports false, and keeps nothing, when the
	// source has one with the key already.
	AddEvent(ctx context.Context, e domain.Event) (bool, error)
	Event(ctx context.Context, projectID, id string) (domain.Event, error)
	// ListEvents gives events, newest first, and how many there are in all.
	ListEvents(ctx context.Context, projectID string, f EventFilter, page Page) ([]domain.Event, int, error)
	// DropEvents removes up to limit events of all projects that were kept before
	// the given time, the oldest first, with their deliveries, and says how many.
	DropEvents(ctx context.Context, before time.Time, limit int) (int, error)
}

// FeedFilter narrows what is read of a project's events; empty fields do not.
type FeedFilter struct {
	Types                                  []domain.EventType
	Triggers, Sources, UserIDs, AccountIDs []string
}

// EventFeed orders the events of a project, so that whoever has read up to a
// place has missed nothing before it. An event gets its place after it was
// committed: places given before could be seen in another order.
type EventFeed interface {
	// UnplacedEvents gives projects that have events without a place.
	UnplacedEvents(ctx context.Context, limit int) ([]string, error)
	// PlaceEvents gives up to limit events of the project their places, the oldest
	// first, and says how many. It must be called in a transaction of its own.
	PlaceEvents(ctx context.Context, projectID string, limit int) (int, error)
	// EventHeads gives the last place of each project that has one.
	EventHeads(ctx context.Context, projectIDs []string) (map[string]int64, error)
	// EventsAfter gives events whose place is behind after and not behind upto, in
	// their order.
	EventsAfter(ctx context.Context, projectID string, f FeedFilter, after, upto int64, limit int) ([]domain.Event, error)
}

// ProjectSecrets keeps sealed values of a project's own.
type ProjectSecrets interface {
	// KeepProjectSecret keeps the value unless the project has one in the field
	// already, and gives what it has now.
	KeepProjectSecret(ctx context.Context, projectID, field string, sealed []byte) ([]byte, error)
	// ProjectSecret gives the sealed value.
	ProjectSecret(ctx context.Context, projectID, field string) ([]byte, error)
}

// Webhooks keeps projects' subscriptions.
type Webhooks interface {
	// CreateWebhook fails with CodeConflict when the project has one already.
	CreateWebhook(ctx context.Context, w domain.Webhook) error
	Webhook(ctx context.Context, projectID, id string) (domain.Webhook, error)
	// ListWebhooks gives the project's subscriptions: one, or none.
	ListWebhooks(ctx context.Context, projectID string) ([]domain.Webhook, error)
	// UpdateWebhook replaces all but id and created time.
	UpdateWebhook(ctx context.Context, projectID string, w domain.Webhook) error
	// DeleteWebhook removes the subscription with its secrets and deliveries.
	DeleteWebhook(ctx context.Context, projectID, id string) error
	// DueWebhooks gives paused subscriptions of all projects whose ProbeAt has come.
	DueWebhooks(ctx context.Context, now time.Time, limit int) ([]domain.Webhook, error)
	// PutWebhookSecret keeps a sealed value of the subscription.
	PutWebhookSecret(ctx context.Context, projectID, webhookID, field string, sealed []byte) error
	// WebhookSecrets gives the sealed values by field.
	WebhookSecrets(ctx context.Context, projectID, webhookID string) (map[string][]byte, error)
}

// DeliveryFilter narrows a list of deliveries; empty fields do not.
type DeliveryFilter struct {
	WebhookID, EventID string
	States             []domain.DeliveryState
	Types              []domain.EventType
}

// Deliveries keeps events on their way to subscriptions.
type Deliveries interface {
	// AddDelivery keeps the delivery; it reports false, and keeps nothing, when
	// the subscription has one of the event already.
	AddDelivery(ctx context.Context, d domain.Delivery) (bool, error)
	Delivery(ctx context.Context, projectID, id string) (domain.Delivery, error)
	// UpdateDelivery replaces state, attempts, replays, times but EventAt, and what
	// the last attempt gave.
	UpdateDelivery(ctx context.Context, projectID string, d domain.Delivery) error
	// ListDeliveries gives deliveries, the newest event first, and how many there
	// are in all.
	ListDeliveries(ctx context.Context, projectID string, f DeliveryFilter, page Page) ([]domain.Delivery, int, error)
	// OpenDeliveries gives those of the subscription that wait or are parked, the
	// oldest event first.
	OpenDeliveries(ctx context.Context, projectID, webhookID string, limit int) ([]domain.Delivery, error)
	// ParkedDeliveries is OpenDeliveries for the parked ones alone.
	ParkedDeliveries(ctx context.Context, projectID, webhookID string, limit int) ([]domain.Delivery, error)
	// ClaimedDelivery says whether an attempt of the subscription is going on.
	ClaimedDelivery(ctx context.Context, projectID, webhookID string, now time.Time) (bool, error)
	// LostDeliveries gives deliveries of all projects of which an attempt was begun
	// that should have ended by now.
	LostDeliveries(ctx context.Context, now time.Time, limit int) ([]domain.Delivery, error)
	// OverdueDeliveries gives deliveries of all projects that wait and whose next
	// attempt was before the given time, unless one was begun.
	OverdueDeliveries(ctx context.Context, before time.Time, limit int) ([]domain.Delivery, error)
	// EndDeliveries gives up whatever of the subscription waits or is parked.
	EndDeliveries(ctx context.Context, projectID, webhookID, reason string, at time.Time) error
	// EndParked gives up parked deliveries of all projects that began before the
	// given time, and says how many.
	EndParked(ctx context.Context, before time.Time, reason string, at time.Time) (int, error)
	AddAttempt(ctx context.Context, a domain.Attempt) error
	// ListAttempts gives the attempts of a delivery, the newest first, at most 100.
	ListAttempts(ctx context.Context, projectID, deliveryID string) ([]domain.Attempt, error)
}

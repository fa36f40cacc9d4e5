package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/webhook"
)

func (s *server) webhookRoutes() {
	const at, tag = "/webhook_subscriptions", "webhook subscriptions"
	handle(s, operation{
		id: "createWebhookSubscription", method: http.MethodPost, path: at, tag: tag, status: http.StatusCreated,
		summary: "Subscribe to events; a project has one subscription. The secret is told this once",
	}, s.createWebhook)
	handle(s, operation{
		id: "listWebhookSubscriptions", method: http.MethodGet, path: at, tag: tag, summary: "List the subscription", query: paged(),
	}, s.listWebhooks)
	handle(s, operation{
		id: "listWebhookEventTypes", method: http.MethodGet, path: at + "/event_types", tag: tag,
		summary: "List the types of events that can be subscribed to",
	}, s.listEventTypes)
	handle(s, operation{
		id: "getWebhookSubscription", method: http.MethodGet, path: at + "/{id}", tag: tag, summary: "Get the subscription",
	}, s.getWebhook)
	handle(s, operation{
		id: "updateWebhookSubscription", method: http.MethodPatch, path: at + "/{id}", tag: tag,
		summary: "Change the subscription; what is not named stays. An address, the same one too, wakes one that is paused or disabled",
	}, s.updateWebhook)
	handle(s, operation{
		id: "deleteWebhookSubscription", method: http.MethodDelete, path: at + "/{id}", tag: tag,
		summary: "End the subscription; what was not delivered is dropped",
	}, s.deleteWebhook)
	handle(s, operation{
		id: "rotateWebhookSecret", method: http.MethodPost, path: at + "/{id}/rotate_secret", tag: tag,
		summary: "Give the subscription a new secret; for a time messages are signed with both",
	}, s.rotateWebhookSecret)
}

// IDPath is the id in a path, embedded in an operation's input.
type IDPath struct {
	ID string `path:"id"`
}

// hiddenSecret stands where the contract wants a secret that was told already.
const hiddenSecret = "********"

type webhookOut struct {
	ID            string              `json:"id"`
	URL           string              `json:"webhook_url"`
	Version       string              `json:"version" enum:"V1,V2,V3"`
	EnabledEvents []domain.EventType  `json:"enabled_events"`
	Secret        string              `json:"secret" doc:"Told when it is made, by create and by rotate_secret; masked everywhere else"`
	Ordered       bool                `json:"ordered" doc:"Events go one after the other; one that fails holds up those behind it"`
	Status        domain.WebhookState `json:"status" enum:"active,paused,disabled"`
	StatusReason  *string             `json:"status_reason"`
	FailingSince  *string             `json:"failing_since"`
	CreatedAt     string              `json:"created_at"`
	UpdatedAt     string              `json:"updated_at"`
}

func webhookWire(w *domain.Webhook, secret string) webhookOut {
	return webhookOut{
		ID: w.ID, URL: w.URL, Version: w.Version, EnabledEvents: w.Events, Secret: secret, Ordered: w.Ordered,
		Status: w.State, StatusReason: optional(w.Reason), FailingSince: wireTimeOrNull(w.FailingSince),
		CreatedAt: wireTime(w.CreatedAt), UpdatedAt: wireTime(w.UpdatedAt),
	}
}

// wireTimeOrNull is wireTime, or null for the zero time.
func wireTimeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := wireTime(t)
	return &text
}

type createWebhookIn struct {
	Body struct {
		URL           string   `json:"webhook_url" minLength:"1" maxLength:"2048" doc:"https address that events are posted to"`
		EnabledEvents []string `json:"enabled_events" maxItems:"50"`
		Version       string   `json:"version,omitempty" doc:"V1, V2 or V3: the shape of what is posted; V3 unless said otherwise"`
		Ordered       bool     `json:"ordered,omitempty"`
	}
}

func (s *server) createWebhook(ctx context.Context, in *createWebhookIn) (webhookOut, error) {
	b := &in.Body
	w, secret, err := s.Events.CreateWebhook(ctx, callerOf(ctx).principal.ProjectID, event.NewWebhook{
		URL: b.URL, Version: b.Version, Events: b.EnabledEvents, Ordered: b.Ordered,
	})
	if err != nil {
		return webhookOut{}, err
	}
	return webhookWire(&w, secret), nil
}

func (s *server) listWebhooks(ctx context.Context, in *listQuery) (page[webhookOut], error) {
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return page[webhookOut]{}, err
	}
	all, err := s.Events.Webhooks(ctx, callerOf(ctx).principal.ProjectID)
	if err != nil {
		return page[webhookOut]{}, err
	}
	return cut(w, all, func(h domain.Webhook) webhookOut { return webhookWire(&h, hiddenSecret) }), nil
}

func (s *server) getWebhook(ctx context.Context, in *IDPath) (webhookOut, error) {
	w, err := s.Events.Webhook(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return webhookOut{}, err
	}
	return webhookWire(&w, hiddenSecret), nil
}

type updateWebhookIn struct {
	IDPath
	Body struct {
		URL           *string   `json:"webhook_url,omitempty" maxLength:"2048"`
		EnabledEvents *[]string `json:"enabled_events,omitempty" maxItems:"50"`
		Version       *string   `json:"version,omitempty"`
		Ordered       *bool     `json:"ordered,omitempty"`
	}
}

func (s *server) updateWebhook(ctx context.Context, in *updateWebhookIn) (webhookOut, error) {
	b := &in.Body
	w, err := s.Events.UpdateWebhook(ctx, callerOf(ctx).principal.ProjectID, in.ID, event.WebhookChange{
		URL: b.URL, Version: b.Version, Events: b.EnabledEvents, Ordered: b.Ordered,
	})
	if err != nil {
		return webhookOut{}, err
	}
	return webhookWire(&w, hiddenSecret), nil
}

type deletedOut struct {
	Success bool `json:"success"`
}

func (s *server) deleteWebhook(ctx context.Context, in *IDPath) (deletedOut, error) {
	if err := s.Events.DeleteWebhook(ctx, callerOf(ctx).principal.ProjectID, in.ID); err != nil {
		return deletedOut{}, err
	}
	return deletedOut{Success: true}, nil
}

type rotateWebhookIn struct {
	IDPath
	Body *overlapIn
}

type overlapIn struct {
	Overlap *int `json:"overlap_seconds,omitempty" doc:"For how long the secret of before stays good as well: a day unless said otherwise, at most seven"`
}

// within gives what was asked for, or a negative time where that is out of bounds.
func (in *overlapIn) within(usual, most time.Duration) time.Duration {
	if in == nil || in.Overlap == nil {
		return usual
	}
	// Checked before it is multiplied, which could turn round.
	n := *in.Overlap
	if n < 0 || n > int(most.Seconds()) {
		n = -1
	}
	return time.Duration(n) * time.Second
}

type rotatedWebhook struct {
	ID            string  `json:"id"`
	Secret        string  `json:"secret"`
	PreviousUntil *string `json:"previous_secret_valid_until"`
}

func (s *server) rotateWebhookSecret(ctx context.Context, in *rotateWebhookIn) (rotatedWebhook, error) {
	overlap := in.Body.within(event.DefaultOverlap, event.MaxOverlap)
	secret, until, err := s.Events.RotateSecret(ctx, callerOf(ctx).principal.ProjectID, in.ID, overlap)
	if err != nil {
		return rotatedWebhook{}, err
	}
	out := rotatedWebhook{ID: in.ID, Secret: secret}
	if overlap > 0 {
		out.PreviousUntil = wireTimeOrNull(until)
	}
	return out, nil
}

type eventTypeOut struct {
	Type        domain.EventType  `json:"event_type"`
	Description string            `json:"description"`
	Versions    []webhook.Version `json:"supported_versions"`
}

type eventTypesOut struct {
	Items []eventTypeOut `json:"items"`
}

func (s *server) listEventTypes(context.Context, *struct{}) (eventTypesOut, error) {
	var out eventTypesOut
	for _, t := range event.Types() {
		out.Items = append(out.Items, eventTypeOut{Type: t.Name, Description: t.Description, Versions: t.Versions})
	}
	return out, nil
}

// eventsTag is the tag of what became of events: ours, the contract has no such
// operations.
const eventsTag = "events"

func (s *server) eventRoutes() {
	const events, deliveries = ownPrefix + "/events", ownPrefix + "/deliveries"
	handle(s, operation{
		id: "listEvents", method: http.MethodGet, path: events, tag: eventsTag, summary: "List events, newest first",
		query: paged(
			param{"types", huma.TypeArray, "Only of these types"},
			param{"source", huma.TypeString, "Only of this trigger instance, connected account or webhook subscription"},
			param{"user_id", huma.TypeString, "Only of this user"},
			param{"trigger_slug", huma.TypeString, "Only of this trigger"},
			param{"from", huma.TypeString, "Not before this time (RFC 3339)"},
			param{"to", huma.TypeString, "Before this time"},
		),
	}, s.listEvents)
	handle(s, operation{
		id: "getEvent", method: http.MethodGet, path: events + "/{id}", tag: eventsTag,
		summary: "Get an event with its payload, by its id or that of its message or log",
	}, s.getEvent)
	handle(s, operation{
		id: "replayEvent", method: http.MethodPost, path: events + "/{id}/replay", tag: eventsTag,
		summary: "Deliver an event again, with the id of before",
	}, s.replayEvent)
	handle(s, operation{
		id: "replayEvents", method: http.MethodPost, path: events + "/replay", tag: eventsTag,
		summary: "Deliver the events of a time again, in the background", status: http.StatusAccepted,
	}, s.replayEvents)
	handle(s, operation{
		id: "listDeliveries", method: http.MethodGet, path: deliveries, tag: eventsTag,
		summary: "List deliveries, the newest event first; status=dead gives the dead letters",
		query: paged(
			param{"status", huma.TypeArray, "Only waiting, parked, delivered or dead"},
			param{"types", huma.TypeArray, "Only of these types of events"},
			param{"event_id", huma.TypeString, "Only of this event"},
		),
	}, s.listDeliveries)
	handle(s, operation{
		id: "getDelivery", method: http.MethodGet, path: deliveries + "/{id}", tag: eventsTag,
		summary: "Get a delivery with its attempts, the newest first",
	}, s.getDelivery)
}

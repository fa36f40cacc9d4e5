package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Webhook is the project's subscription to events.
type Webhook struct {
	ID      string   `json:"id"`
	URL     string   `json:"webhook_url"`
	Version string   `json:"version"`
	Events  []string `json:"enabled_events"`
	// Secret is told by CreateWebhook and RotateWebhookSecret alone; elsewhere it is
	// masked.
	Secret       string `json:"secret"`
	Ordered      bool   `json:"ordered"`
	Status       string `json:"status"` // active, paused or disabled
	StatusReason string `json:"status_reason"`
	FailingSince string `json:"failing_since"`
	CreatedAt    string `json:"created_at"`
	UpdatedAt    string `json:"updated_at"`
}

// WebhookChange makes or changes a subscription: what is nil is left out.
type WebhookChange struct {
	URL     *string   `json:"webhook_url,omitempty"`
	Version *string   `json:"version,omitempty"`
	Events  *[]string `json:"enabled_events,omitempty"`
	Ordered *bool     `json:"ordered,omitempty"`
}

const webhooks = "/webhook_subscriptions"

// Webhooks gives the project's subscriptions: one, or none.
func (c *Client) Webhooks(ctx context.Context) iter.Seq2[Webhook, error] {
	return pages[Webhook](ctx, c, webhooks, url.Values{})
}

// CreateWebhook subscribes the project; the answer holds the secret. A project has
// one subscription: with another it fails with status 409.
func (c *Client) CreateWebhook(ctx context.Context, w WebhookChange) (*Webhook, error) {
	var out Webhook
	if err := c.do(ctx, http.MethodPost, webhooks, nil, w, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Webhook gives one subscription; its secret is masked.
func (c *Client) Webhook(ctx context.Context, id string) (*Webhook, error) {
	var out Webhook
	if err := c.do(ctx, http.MethodGet, webhooks+"/"+url.PathEscape(id), nil, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// EventType is a type of events that can be subscribed to.
type EventType struct {
	Type        string   `json:"event_type"`
	Description string   `json:"description"`
	Versions    []string `json:"supported_versions"` // of messages that tell of it
}

// EventTypes gives the types of events that can be subscribed to.
func (c *Client) EventTypes(ctx context.Context) ([]EventType, error) {
	var out struct {
		Items []EventType `json:"items"`
	}
	err := c.do(ctx, http.MethodGet, webhooks+"/event_types", nil, nil, &out)
	return out.Items, err
}

// UpdateWebhook changes a subscription. A URL, the same one too, wakes one that is
// paused or disabled.
func (c *Client) UpdateWebhook(ctx context.Context, id string, w WebhookChange) (*Webhook, error) {
	var out Webhook
	if err := c.do(ctx, http.MethodPatch, webhooks+"/"+url.PathEscape(id), nil, w, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// DeleteWebhook ends a subscription; what was not delivered is dropped.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, webhooks+"/"+url.PathEscape(id), nil, nil, nil)
}

// RotateWebhookSecret gives the subscription a new secret. For the overlap messages
// are signed with both; a negative overlap means the router's choice, a day.
func (c *Client) RotateWebhookSecret(ctx context.Context, id string, overlap time.Duration) (secret, previousUntil string, err error) {
	in := map[string]int{}
	if overlap >= 0 {
		in["overlap_seconds"] = int(overlap / time.Second)
	}
	var out struct {
		Secret string `json:"secret"`
		Until  string `json:"previous_secret_valid_until"`
	}
	err = c.do(ctx, http.MethodPost, webhooks+"/"+url.PathEscape(id)+"/rotate_secret", nil, in, &out)
	return out.Secret, out.Until, err
}

// Event is something that the application was told of.
type Event struct {
	ID         string          `json:"id"`
	MessageID  string          `json:"message_id"`
	Type       string          `json:"type"`
	Source     string          `json:"source"`
	UserID     string          `json:"user_id"`
	Trigger    string          `json:"trigger_slug"`
	AccountID  string          `json:"connected_account_id"`
	OccurredAt string          `json:"occurred_at"`
	CreatedAt  string          `json:"created_at"`
	Test       bool            `json:"test"`              // made up by TryTrigger: nothing happened
	Payload    json.RawMessage `json:"payload,omitempty"` // of Event and Listen, not of Events
	// Message is what a webhook subscription of version V3 is sent; of Listen, when
	// asked for.
	Message json.RawMessage `json:"message,omitempty"`
	// Cursor is the event's place in the stream that Listen gave it from; see
	// ListenQuery.After.
	Cursor string `json:"-"`
}

// EventQuery narrows a list of events; empty fields do not.
type EventQuery struct {
	Types                   []string
	Source, UserID, Trigger string
	From, To                time.Time
}

// Events lists events, newest first.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	return pages[Event](ctx, c, "/sluice/events", values(map[string]string{
		"source": q.Source, "user_id": q.UserID, "trigger_slug": q.Trigger, "from": moment(q.From), "to": moment(q.To),
	}, map[string][]string{"types": q.Types}))
}

// Event gives an event with its payload, by its id or that of its message.
func (c *Client) Event(ctx context.Context, id string) (*Event, error) {
	var e Event
	if err := c.do(ctx, http.MethodGet, "/sluice/events/"+url.PathEscape(id), nil, nil, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// ReplayEvent has an event delivered again, with its id of before.
func (c *Client) ReplayEvent(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/sluice/events/"+url.PathEscape(id)+"/replay", nil, nil, nil)
}

// Replay says which events are to be delivered again.
type Replay struct {
	From    time.Time
	To      time.Time // zero: now
	Types   []string
	Trigger string // slug of a type
	Source  string // a trigger, connected account or webhook subscription
	UserID  string
	Failed  bool // leave out what was delivered
}

// ReplayEvents has events delivered again in the background, and gives how many the
// range has.
func (c *Client) ReplayEvents(ctx context.Context, r Replay) (int, error) {
	in := map[string]any{"from": moment(r.From), "failed": r.Failed}
	for key, text := range map[string]string{"to": moment(r.To), "trigger_slug": r.Trigger, "source": r.Source, "user_id": r.UserID} {
		if text != "" {
			in[key] = text
		}
	}
	if len(r.Types) > 0 {
		in["types"] = r.Types
	}
	var out struct {
		Events int `json:"events"`
	}
	err := c.do(ctx, http.MethodPost, "/sluice/events/replay", nil, in, &out)
	return out.Events, err
}

// Delivery is an event on its way to the subscription.
type Delivery struct {
	ID            string    `json:"id"`
	EventID       string    `json:"event_id"`
	MessageID     string    `json:"message_id"`
	EventType     string    `json:"event_type"`
	Status        string    `json:"status"` // waiting, parked, delivered or dead
	Attempts      int       `json:"attempts"`
	Replays       int       `json:"replays"`
	NextAttemptAt string    `json:"next_attempt_at"`
	CreatedAt     string    `json:"created_at"`
	EndedAt       string    `json:"ended_at"`
	LastStatus    int       `json:"last_response_status"`
	LastError     string    `json:"last_error"`
	Log           []Attempt `json:"attempt_log,omitempty"` // of Delivery, not of Deliveries
}

// Attempt is one try to deliver.
type Attempt struct {
	Number     int     `json:"number"`
	At         string  `json:"at"`
	DurationMS float64 `json:"duration_ms"`
	Status     int     `json:"response_status"`
	Error      string  `json:"error"`
	Excerpt    string  `json:"response_excerpt"`
}

// DeliveryQuery narrows a list of deliveries; empty fields do not.
type DeliveryQuery struct {
	States  []string // waiting, parked, delivered or dead
	Types   []string // of event
	EventID string
}

// Deliveries lists deliveries, the newest event first.
func (c *Client) Deliveries(ctx context.Context, q DeliveryQuery) iter.Seq2[Delivery, error] {
	return pages[Delivery](ctx, c, "/sluice/deliveries", values(map[string]string{"event_id": q.EventID},
		map[string][]string{"status": q.States, "types": q.Types}))
}

// Delivery gives a delivery with its attempts, the newest first.
func (c *Client) Delivery(ctx context.Context, id string) (*Delivery, error) {
	var d Delivery
	if err := c.do(ctx, http.MethodGet, "/sluice/deliveries/"+url.PathEscape(id), nil, nil, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

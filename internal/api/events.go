package api

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/store"
)

type eventOut struct {
	ID           string           `json:"id" doc:"Stays the same however often the event is delivered"`
	MessageID    string           `json:"message_id" doc:"The webhook-id under which it is delivered"`
	Type         domain.EventType `json:"type"`
	Source       string           `json:"source" doc:"The trigger instance, connected account or webhook subscription that it comes from"`
	UserID       *string          `json:"user_id"`
	TriggerSlug  *string          `json:"trigger_slug"`
	AccountID    *string          `json:"connected_account_id"`
	AuthConfigID *string          `json:"auth_config_id"`
	OccurredAt   string           `json:"occurred_at"`
	CreatedAt    string           `json:"created_at"`
	Test         bool             `json:"test,omitempty" doc:"Made up by a test of a trigger: nothing happened"`
	Payload      json.RawMessage  `json:"payload,omitempty" doc:"Left out of lists"`
	Message      json.RawMessage  `json:"message,omitempty" doc:"What a webhook subscription of version V3 is sent; only in streams, when asked for"`
}

func eventWire(e *domain.Event) eventOut {
	return eventOut{
		ID: e.ID, MessageID: event.MessageID(e.ID), Type: e.Type, Source: e.Source, UserID: optional(e.UserID),
		TriggerSlug: optional(e.Trigger), AccountID: optional(e.AccountID), AuthConfigID: optional(e.AuthConfigID),
		OccurredAt: wireTime(e.OccurredAt), CreatedAt: wireTime(e.CreatedAt), Test: e.Test(),
	}
}

func (s *server) listEvents(ctx context.Context, in *listQuery) (page[eventOut], error) {
	var none page[eventOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	types, err := typesOf(in.list("types"))
	if err != nil {
		return none, err
	}
	f := store.EventFilter{Types: types, Source: in.text("source"), UserID: in.text("user_id"), Trigger: in.text("trigger_slug")}
	if f.From, err = timeOf("from", in.text("from")); err != nil {
		return none, err
	}
	if f.To, err = timeOf("to", in.text("to")); err != nil {
		return none, err
	}
	list, total, err := s.Events.Events(ctx, callerOf(ctx).principal.ProjectID, f, w.store())
	if err != nil {
		return none, err
	}
	items := make([]eventOut, 0, len(list))
	for i := range list {
		items = append(items, eventWire(&list[i]))
	}
	return pageOf(w, items, total), nil
}

// typesOf reads the names of types.
func typesOf(names []string) ([]domain.EventType, error) {
	var out []domain.EventType
	for _, name := range names {
		if !slices.ContainsFunc(event.Types(), func(t event.Type) bool { return string(t.Name) == name }) {
			return nil, domain.Invalid("types", "types: there is no type of event %.80q", name).
				WithFix("GET /api/v3.1/webhook_subscriptions/event_types lists the types.")
		}
		out = append(out, domain.EventType(name))
	}
	return out, nil
}

// timeOf reads a time; none is the zero time.
func timeOf(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, domain.Invalid(field, "%s: expected a time such as 2026-11-22T10:00:00Z", field)
	}
	return t, nil
}

func (s *server) getEvent(ctx context.Context, in *IDPath) (eventOut, error) {
	e, err := s.Events.Event(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return eventOut{}, err
	}
	out := eventWire(&e)
	out.Payload = e.Payload
	return out, nil
}

type replayedOut struct {
	Events int `json:"events" doc:"How many are delivered again, where the subscription is for them"`
}

type replayEventIn struct {
	IDPath
	Body *struct{}
}

func (s *server) replayEvent(ctx context.Context, in *replayEventIn) (replayedOut, error) {
	n, err := s.Events.Replay(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	return replayedOut{Events: n}, err
}

type replayEventsIn struct {
	Body struct {
		From    string   `json:"from" minLength:"1" doc:"Events kept at or after this time (RFC 3339)"`
		To      string   `json:"to,omitempty" doc:"and before this one; now unless said otherwise"`
		Types   []string `json:"types,omitempty" maxItems:"50"`
		Trigger string   `json:"trigger_slug,omitempty"`
		Source  string   `json:"source,omitempty" doc:"Only of this trigger instance, connected account or webhook subscription"`
		UserID  string   `json:"user_id,omitempty"`
		Failed  bool     `json:"failed,omitempty" doc:"Leave out what was delivered"`
	}
}

func (s *server) replayEvents(ctx context.Context, in *replayEventsIn) (replayedOut, error) {
	b := &in.Body
	r := event.Range{Trigger: strings.ToUpper(b.Trigger), Source: b.Source, UserID: b.UserID, Failed: b.Failed}
	var err error
	if r.From, err = timeOf("from", b.From); err != nil {
		return replayedOut{}, err
	}
	if r.To, err = timeOf("to", b.To); err != nil {
		return replayedOut{}, err
	}
	if r.Types, err = typesOf(b.Types); err != nil {
		return replayedOut{}, err
	}
	n, err := s.Events.ReplayRange(ctx, callerOf(ctx).principal.ProjectID, r)
	return replayedOut{Events: n}, err
}

type deliveryOut struct {
	ID             string               `json:"id"`
	EventID        string               `json:"event_id"`
	MessageID      string               `json:"message_id"`
	EventType      domain.EventType     `json:"event_type"`
	SubscriptionID string               `json:"webhook_subscription_id"`
	Status         domain.DeliveryState `json:"status" enum:"waiting,parked,delivered,dead"`
	Attempts       int                  `json:"attempts"`
	Replays        int                  `json:"replays"`
	NextAttemptAt  *string              `json:"next_attempt_at"`
	CreatedAt      string               `json:"created_at"`
	EndedAt        *string              `json:"ended_at"`
	LastStatus     *int                 `json:"last_response_status"`
	LastError      *string              `json:"last_error"`
	Log            []attemptOut         `json:"attempt_log,omitempty" doc:"The newest 100; left out of lists"`
}

type attemptOut struct {
	Number     int     `json:"number"`
	At         string  `json:"at"`
	DurationMS float64 `json:"duration_ms"`
	Status     *int    `json:"response_status" doc:"null when there was no answer"`
	Error      *string `json:"error"`
	Excerpt    *string `json:"response_excerpt" doc:"The beginning of the answer, without what looks like a secret"`
}

func statusWire(status int) *int {
	if status == 0 {
		return nil
	}
	return &status
}

func deliveryWire(d *domain.Delivery) deliveryOut {
	out := deliveryOut{
		ID: d.ID, EventID: d.EventID, MessageID: event.MessageID(d.EventID), EventType: d.EventType, SubscriptionID: d.WebhookID,
		Status: d.State, Attempts: d.Attempts, Replays: d.Replays, CreatedAt: wireTime(d.EventAt), EndedAt: wireTimeOrNull(d.EndedAt),
		LastStatus: statusWire(d.LastStatus), LastError: optional(d.LastError),
	}
	if d.State == domain.DeliveryWaiting {
		out.NextAttemptAt = wireTimeOrNull(d.NextAt)
	}
	return out
}

var deliveryStates = []string{
	string(domain.DeliveryWaiting), string(domain.DeliveryParked), string(domain.DeliveryDelivered), string(domain.DeliveryDead),
}

func (s *server) listDeliveries(ctx context.Context, in *listQuery) (page[deliveryOut], error) {
	var none page[deliveryOut]
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return none, err
	}
	f := store.DeliveryFilter{EventID: in.text("event_id")}
	for _, state := range in.list("status") {
		if !slices.Contains(deliveryStates, state) {
			return none, domain.Invalid("status", "status: expected any of %s", strings.Join(deliveryStates, ", "))
		}
		f.States = append(f.States, domain.DeliveryState(state))
	}
	if f.Types, err = typesOf(in.list("types")); err != nil {
		return none, err
	}
	list, total, err := s.Events.Deliveries(ctx, callerOf(ctx).principal.ProjectID, f, w.store())
	if err != nil {
		return none, err
	}
	items := make([]deliveryOut, 0, len(list))
	for i := range list {
		items = append(items, deliveryWire(&list[i]))
	}
	return pageOf(w, items, total), nil
}

func (s *server) getDelivery(ctx context.Context, in *IDPath) (deliveryOut, error) {
	d, attempts, err := s.Events.Delivery(ctx, callerOf(ctx).principal.ProjectID, in.ID)
	if err != nil {
		return deliveryOut{}, err
	}
	out := deliveryWire(&d)
	for _, a := range attempts {
		out.Log = append(out.Log, attemptOut{
			Number: a.Number, At: wireTime(a.At), DurationMS: float64(a.Duration.Microseconds()) / 1000,
			Status: statusWire(a.Status), Error: optional(a.Error), Excerpt: optional(a.Excerpt),
		})
	}
	return out, nil
}

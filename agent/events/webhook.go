package events

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/internal/webhook"
)

// WebhookOptions configure a [Webhook]. Secrets are required.
type WebhookOptions struct {
	// Secrets of the webhook subscription, as they were given, with their whsec_: the
	// current one, and while it is replaced the one before.
	Secrets []string
	// Accept says which events are taken; others are answered 2xx and dropped.
	// Default: those of triggers.
	Accept func(e agent.TriggerEvent) bool
	// Wait bounds how long a message waits until its event is taken [10 s]: keep it
	// below the 15 s after which a router tries again.
	Wait time.Duration
	// Now tells the time [time.Now].
	Now func() time.Time
}

// maxWebhook bounds the body of a message.
const maxWebhook = 1 << 20

// Webhook is the endpoint of a webhook subscription, in any version: an
// [http.Handler] that takes messages and an [agent.EventSource] that gives their
// events. A message is answered 2xx once its event is in the journal; 401 when its
// signature does not fit; 503, for the router to try again, when nobody takes
// events or they could not be taken in time.
type Webhook struct {
	opts WebhookOptions
	in   chan arrival
}

// arrival is an event on its way into a journal.
type arrival struct {
	event agent.TriggerEvent
	taken chan bool // with room for the answer
}

// NewWebhook makes an endpoint. It fails without a secret, and with more than two.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	if n := len(o.Secrets); n == 0 || n > webhook.MaxSecrets {
		return nil, fmt.Errorf("events: expected 1 to %d webhook secrets, got %d", webhook.MaxSecrets, n)
	}
	for _, s := range o.Secrets {
		if s == "" {
			return nil, errors.New("events: a webhook secret is empty")
		}
	}
	if o.Accept == nil {
		o.Accept = func(e agent.TriggerEvent) bool { return e.Type == TriggerMessage }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Wait = cmp.Or(o.Wait, 10*time.Second)
	return &Webhook{opts: o, in: make(chan arrival)}, nil
}

// ServeHTTP takes a message.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "webhooks are posted", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if err != nil {
		http.Error(w, "the message is not whole, or larger than 1 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	m, err := webhook.Verify(r.Header, body, h.opts.Now(), h.opts.Secrets...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	e, err := received(&m)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !h.opts.Accept(e) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !h.hand(r.Context(), e) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the event cannot be taken now", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// hand brings the event to who takes events, and says whether it was taken.
func (h *Webhook) hand(ctx context.Context, e agent.TriggerEvent) bool {
	ctx, cancel := context.WithTimeout(ctx, h.opts.Wait)
	defer cancel()
	a := arrival{event: e, taken: make(chan bool, 1)}
	select {
	case h.in <- a:
	case <-ctx.Done():
		return false
	}
	select {
	case taken := <-a.taken:
		return taken
	case <-ctx.Done():
		return false
	}
}

// Events implements [agent.EventSource]. Messages have no places: what was not taken
// is told again by the router.
func (h *Webhook) Events(ctx context.Context, _ string) iter.Seq2[agent.TriggerEvent, error] {
	return func(yield func(agent.TriggerEvent, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case a := <-h.in:
				taken := yield(a.event, nil)
				a.taken <- taken
				if !taken {
					return
				}
			}
		}
	}
}

// message is the body of a message: of version V3, V2 or V1.
type message struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
	Test      bool            `json:"test"`
	Metadata  struct {
		Trigger   string `json:"trigger_slug"`
		Instance  string `json:"trigger_id"`
		AccountID string `json:"connected_account_id"`
		UserID    string `json:"user_id"`
		Test      bool   `json:"test"`
	} `json:"metadata"`

	Trigger   string          `json:"trigger_name"`
	Instance  string          `json:"trigger_id"`
	AccountID string          `json:"connection_id"`
	Payload   json.RawMessage `json:"payload"`
}

// received makes an event of a message that is verified.
func received(m *webhook.Message) (agent.TriggerEvent, error) {
	var b message
	if err := json.Unmarshal(m.Body, &b); err != nil {
		return agent.TriggerEvent{}, fmt.Errorf("the body of the webhook is not what version %s has", m.Version)
	}
	e := agent.TriggerEvent{ID: eventID(m.ID), Type: TriggerMessage, OccurredAt: m.At}
	switch m.Version {
	case webhook.V1:
		e.Trigger, e.Instance, e.AccountID, e.Test, e.Payload = b.Trigger, b.Instance, b.AccountID, b.Test, b.Payload
	case webhook.V2:
		// The ids are among the payload, under the newer names.
		var ids struct {
			Instance  string `json:"trigger_nano_id"`
			AccountID string `json:"connection_nano_id"`
			UserID    string `json:"user_id"`
		}
		_ = json.Unmarshal(b.Data, &ids) // what is not there stays empty
		e.Trigger, e.Test, e.Payload = strings.ToUpper(b.Type), b.Test, b.Data
		e.Instance, e.AccountID, e.UserID = ids.Instance, ids.AccountID, ids.UserID
	default:
		e.Type, e.Test, e.Payload = b.Type, b.Metadata.Test, b.Data
		e.Trigger, e.Instance, e.AccountID, e.UserID = b.Metadata.Trigger, b.Metadata.Instance, b.Metadata.AccountID, b.Metadata.UserID
	}
	if !b.Timestamp.IsZero() {
		e.OccurredAt = b.Timestamp
	}
	var said struct {
		At time.Time `json:"occurred_at"`
	}
	if json.Unmarshal(e.Payload, &said) == nil && !said.At.IsZero() {
		e.OccurredAt = said.At
	}
	return e, nil
}

// eventID gives the id of the event that a message tells: msg_X is evt_X.
func eventID(messageID string) string {
	if rest, ok := strings.CutPrefix(messageID, "msg_"); ok {
		return "evt_" + rest
	}
	return messageID
}

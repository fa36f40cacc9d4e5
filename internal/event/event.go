package event

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/internal/webhook"
)

// Store is what the service keeps things in.
type Store interface {
	store.Events
	store.EventFeed
	store.Webhooks
	store.Deliveries
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

// Vault seals the secrets of subscriptions.
type Vault interface {
	Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, ref vault.Ref, sealed []byte) ([]byte, error)
}

// HTTP gives the guarded way out.
type HTTP interface {
	For(o httpx.CallOptions) *http.Client
	Check(u *url.URL) error
}

// Queue takes jobs in the transaction of the change that asks for them.
type Queue interface {
	Enqueue(ctx context.Context, tx store.Tx, j jobs.Job) error
}

// Options configures a Service. Store, Vault and HTTP are required; the zero
// values of the others mean the defaults in brackets.
type Options struct {
	Store  Store
	Vault  Vault
	HTTP   HTTP
	Logger *slog.Logger // [none]
	// Timeout bounds one attempt [15 s], at most 30 s.
	Timeout time.Duration
	// Claim is when an attempt is taken for that of a dead process [1 min]; longer
	// than Timeout.
	Claim time.Duration
	// Overdue is when a delivery that waits for its job is given another [2 min]: its
	// job may be with a process that died before it claimed an attempt.
	Overdue time.Duration
	// Window is how long a delivery is tried [24 h].
	Window time.Duration
	// PauseAfter is how long an endpoint may do nothing but fail before it is paused
	// [1 h], ProbeEvery how often it is tried then [5 min].
	PauseAfter, ProbeEvery time.Duration
	// PerWebhook bounds the attempts that this process makes at one endpoint at a
	// time [8].
	PerWebhook int
	Now        func() time.Time // [time.Now]
}

// The bounds of what is kept and sent.
const (
	// MaxPayload bounds the payload of an event in bytes.
	MaxPayload = 256 << 10

	maxTimeout     = 30 * time.Second
	defaultClaim   = time.Minute
	defaultOverdue = 2 * time.Minute
	pauseFailures  = 5   // fewer than these do not pause
	maxText        = 512 // of ids and keys
)

// Service publishes and delivers.
type Service struct {
	opts  Options
	log   *slog.Logger
	queue Queue
	slots slots

	mu   sync.Mutex
	last time.Time // of the event kept last
}

// New makes a Service. Before anything is published it must be given its queue.
func New(o Options) *Service {
	o.Timeout = min(cmp.Or(o.Timeout, 15*time.Second), maxTimeout)
	o.Claim = max(cmp.Or(o.Claim, defaultClaim), o.Timeout+time.Second)
	o.Overdue = cmp.Or(o.Overdue, defaultOverdue)
	o.Window = cmp.Or(o.Window, 24*time.Hour)
	o.PauseAfter = cmp.Or(o.PauseAfter, time.Hour)
	o.ProbeEvery = cmp.Or(o.ProbeEvery, 5*time.Minute)
	o.PerWebhook = cmp.Or(o.PerWebhook, 8)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{opts: o, log: o.Logger, slots: slots{most: o.PerWebhook, taken: map[string]int{}}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Use gives the service its queue, which is made with the service's own Works.
func (s *Service) Use(q Queue) { s.queue = q }

func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// stamp gives the time, later than any that it gave before: the order of events.
func (s *Service) stamp() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !now.After(s.last) {
		now = s.last.Add(time.Microsecond)
	}
	s.last = now
	return now
}

// Type is a kind of event that can be subscribed to.
type Type struct {
	Name        domain.EventType
	Description string
	Versions    []webhook.Version
}

// Types gives all types.
func Types() []Type {
	v3 := []webhook.Version{webhook.V3}
	return []Type{
		{domain.EventTriggerMessage, "A trigger fired", []webhook.Version{webhook.V1, webhook.V2, webhook.V3}},
		{domain.EventTriggerDisabled, "A trigger failed for long and was disabled", v3},
		{domain.EventAccountExpired, "A connected account is EXPIRED: its user must connect again", v3},
		{domain.EventAccountExpiring, "A connected account ends soon: its tokens cannot be renewed, or have not been for some time", v3},
		{domain.EventAccountRecovered, "A connected account that was expiring or expired is good again", v3},
		{domain.EventAccountRevoked, "A connected account was revoked", v3},
		{domain.EventWebhookPaused, "The webhook subscription failed for long and was paused; delivered when it works again", v3},
		{domain.EventWebhookDisabled, "The webhook subscription answered 410 Gone and was disabled", v3},
	}
}

// typeOf finds a type.
func typeOf(name domain.EventType) (Type, bool) {
	all := Types()
	i := slices.IndexFunc(all, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return all[i], true
}

// in says whether the type can be posted in the version.
func (t Type) in(version string) bool { return slices.Contains(t.Versions, webhook.Version(version)) }

// Publish keeps an event in tx, the transaction of what it tells of, and has it
// delivered once that commits. The event needs ProjectID, Type, Source, Key and a
// Payload that is an object; ID, OccurredAt and CreatedAt are given here where they
// are empty. It reports false, and does nothing, when the source has an event with
// the key already. tx may be repeated.
func (s *Service) Publish(ctx context.Context, tx store.Tx, e domain.Event) (domain.Event, bool, error) {
	if err := checkEvent(&e); err != nil {
		return e, false, err
	}
	e.CreatedAt = s.stamp()
	if e.ID == "" {
		e.ID = domain.NewID(domain.PrefixEvent)
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = e.CreatedAt
	}
	e.OccurredAt = e.OccurredAt.UTC().Truncate(time.Microsecond)
	added, err := tx.AddEvent(ctx, e)
	if err != nil || !added {
		return e, false, err
	}
	hooks, err := tx.ListWebhooks(ctx, e.ProjectID)
	if err != nil {
		return e, false, err
	}
	for i := range hooks {
		w := &hooks[i]
		if w.State == domain.WebhookDisabled || !wants(w, e.Type) {
			continue
		}
		if err := s.send(ctx, tx, w, &e, e.CreatedAt); err != nil {
			return e, false, err
		}
	}
	return e, true, nil
}

// wants says whether the subscription is for events of the type.
func wants(w *domain.Webhook, name domain.EventType) bool {
	t, known := typeOf(name)
	return known && t.in(w.Version) && slices.Contains(w.Events, name)
}

// checkEvent finds what a publisher did wrong.
func checkEvent(e *domain.Event) error {
	if _, known := typeOf(e.Type); !known {
		return domain.Internal("publishing an event", errors.New("event: no such type: "+string(e.Type)))
	}
	for _, text := range []string{e.ProjectID, e.Source, e.Key} {
		if text == "" || len(text) > maxText {
			return domain.Internal("publishing an event", errors.New("event: it needs a project, a source and a key"))
		}
	}
	if len(e.Payload) > MaxPayload {
		return domain.Errorf(domain.CodeTooLarge, "the payload of an event has %d bytes; at most %d are kept", len(e.Payload), MaxPayload)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Payload); err != nil || compact.Len() == 0 || compact.Bytes()[0] != '{' {
		return domain.Internal("publishing an event", errors.New("event: the payload is not a JSON object"))
	}
	e.Payload = compact.Bytes()
	return nil
}

// Events gives the project's events, newest first, and how many there are in all.
func (s *Service) Events(ctx context.Context, projectID string, f store.EventFilter, page store.Page) ([]domain.Event, int, error) {
	return s.opts.Store.ListEvents(ctx, projectID, f, page)
}

// Event gives an event by its id, in any of the forms in which it is met: evt_…,
// msg_… of a delivery, log_… in its body.
func (s *Service) Event(ctx context.Context, projectID, id string) (domain.Event, error) {
	return s.opts.Store.Event(ctx, projectID, eventID(id))
}

// Deliveries gives the project's deliveries, the newest event first, and how many
// there are in all. EventID may be in any form that Event takes.
func (s *Service) Deliveries(ctx context.Context, projectID string, f store.DeliveryFilter, page store.Page) ([]domain.Delivery, int, error) {
	f.EventID = eventID(f.EventID)
	return s.opts.Store.ListDeliveries(ctx, projectID, f, page)
}

// Delivery gives a delivery with its attempts, the newest first.
func (s *Service) Delivery(ctx context.Context, projectID, id string) (domain.Delivery, []domain.Attempt, error) {
	d, err := s.opts.Store.Delivery(ctx, projectID, id)
	if err != nil {
		return d, nil, err
	}
	attempts, err := s.opts.Store.ListAttempts(ctx, projectID, id)
	return d, attempts, err
}

// Prune removes events that were kept before the given time, with their deliveries,
// and says how many.
func (s *Service) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.opts.Store.DropEvents(ctx, before, limit)
}

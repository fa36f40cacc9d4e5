package domain

import (
	"encoding/json"
	"strings"
	"time"
)

// EventType says what an event is about, as the wire spells it (contract §5.2).
type EventType string

// The types. Those that the contract does not know begin with composio. as well:
// the official clients take nothing else for an event.
const (
	EventTriggerMessage   EventType = "composio.trigger.message"
	EventTriggerDisabled  EventType = "composio.trigger.disabled"
	EventAccountExpired   EventType = "composio.connected_account.expired"
	EventAccountExpiring  EventType = "composio.connected_account.expiring"
	EventAccountRecovered EventType = "composio.connected_account.recovered"
	EventAccountRevoked   EventType = "composio.connected_account.revoked"
	EventWebhookPaused    EventType = "composio.webhook_subscription.paused"
	EventWebhookDisabled  EventType = "composio.webhook_subscription.disabled"
)

// Event is something that a project's application hears of.
type Event struct {
	ID        string // evt_…; the same however often it is delivered
	ProjectID string
	Type      EventType
	// Source is the id of what it comes from: a trigger instance, a connected
	// account, a webhook subscription.
	Source string
	// Key tells the events of a source apart: of two with the same key the second
	// is no event.
	Key          string
	UserID       string // the application's own id of its user; optional
	Trigger      string // slug of the trigger type; optional
	AccountID    string // optional, as is AuthConfigID
	AuthConfigID string
	Payload      json.RawMessage // an object; what it may hold depends on the type
	OccurredAt   time.Time
	CreatedAt    time.Time // when it was kept: events are delivered in this order
	// Seq is its place among the project's events in streams, from 1; 0 until it
	// has one.
	Seq int64
}

// testKey begins the keys of events that a test made up: toolkit.TestKey, which no
// trigger gives.
const testKey = "test:"

// TestEventKey gives the key of a made-up event with the id.
func TestEventKey(id string) string { return testKey + id }

// Test says whether the event was made up by a test: nothing happened.
func (e *Event) Test() bool {
	return e.Type == EventTriggerMessage && strings.HasPrefix(e.Key, testKey)
}

// WebhookState says whether a subscription is delivered to.
type WebhookState string

// The states.
const (
	WebhookActive   WebhookState = "active"
	WebhookPaused   WebhookState = "paused"   // it failed for long; it is tried now and then
	WebhookDisabled WebhookState = "disabled" // it answered 410 Gone; it waits for its project
)

// Webhook is a project's subscription to events at an address of its own. Its
// secrets are sealed in the vault.
type Webhook struct {
	ID        string
	ProjectID string
	URL       string
	Version   string // V1, V2 or V3: the shape of what is posted
	Events    []EventType
	// Ordered has one event delivered after the other; one that fails holds up
	// those behind it.
	Ordered bool
	State   WebhookState
	Reason  string // for a person, when it is not active
	// Failures counts attempts that failed since the last one that did not, and
	// FailingSince is when the first of them did.
	Failures     int
	FailingSince time.Time
	// ProbeAt is when a paused one is tried again.
	ProbeAt time.Time
	// PreviousUntil is how long messages are signed with the secret before the
	// current one as well; zero when there is none.
	PreviousUntil time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// DeliveryState is where a delivery is on its way.
type DeliveryState string

// The states.
const (
	DeliveryWaiting   DeliveryState = "waiting"   // a job will try it at NextAt
	DeliveryParked    DeliveryState = "parked"    // no job: it waits for its endpoint, or for its turn
	DeliveryDelivered DeliveryState = "delivered" // the endpoint took it
	DeliveryDead      DeliveryState = "dead"      // given up; it can be replayed
)

// Delivery is an event on its way to a webhook subscription.
type Delivery struct {
	ID        string // dlv_…
	ProjectID string
	EventID   string
	EventType EventType
	WebhookID string
	State     DeliveryState
	Attempts  int
	Replays   int
	NextAt    time.Time // of the next attempt, when it waits
	// ClaimedUntil is when an attempt that was begun is taken for that of a dead
	// process; zero when none was begun.
	ClaimedUntil time.Time
	// EventAt is the event's CreatedAt.
	EventAt time.Time
	// BeganAt begins the time for which it is tried: its making, or its replay.
	BeganAt    time.Time
	EndedAt    time.Time // zero until delivered or dead
	LastStatus int       // of the last attempt's answer; 0 when there was none
	LastError  string    // why the last attempt failed, or why it was given up
}

// Attempt is one try to deliver.
type Attempt struct {
	ProjectID  string
	DeliveryID string
	Number     int // from 1
	At         time.Time
	Duration   time.Duration
	Status     int    // of the answer; 0 when there was none
	Error      string // why it failed; empty when it did not
	Excerpt    string // the beginning of the answer's body, without what looks like a secret
}

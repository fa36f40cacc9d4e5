package toolkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// What one poll may give and keep.
const (
	// MaxCursor is how large the state of a trigger may be, in bytes of JSON.
	MaxCursor = 512 << 10
	// MaxEvents is how many events one poll may give.
	MaxEvents = 5000
	// MaxEventKey is how long the key of an event may be.
	MaxEventKey = 200
	// TestKey begins the keys of events that a test made up; a poll gives none.
	TestKey = "test:"
)

// Trigger watches for one kind of event. Make it with Poll and BindTriggers.
type Trigger struct {
	Slug        string // upper case, prefixed by the toolkit: "CONFLUENCE_PAGE_CREATED_TRIGGER"
	Name        string // "New Page Created"
	Description string // what it reports, what it does not
	TriggerAbout
	// Config and Payload are JSON Schemas in the form of a tool's Input.
	Config  json.RawMessage
	Payload json.RawMessage
	// Example is a payload as an application receives it.
	Example json.RawMessage

	validate func(json.RawMessage) (json.RawMessage, error)
	check    func(ctx context.Context, call *Call, config json.RawMessage) (json.RawMessage, error)
	poll     func(ctx context.Context, call *Call, config, cursor json.RawMessage) (*Polled, error)
	receive  func(ctx context.Context, call *Call, config json.RawMessage, in Inbound) ([]RawEvent, error)
	watch    func(config json.RawMessage) (string, error)
	sample   func(config json.RawMessage, at time.Time) (json.RawMessage, error)
}

// TriggerAbout is what a router must know of a trigger beyond its functions.
type TriggerAbout struct {
	Scopes Scopes
	// Keywords are words of users that neither name nor description has.
	Keywords []string
	// Blind are sentences that say what happens in the application without an
	// event: two likes that cancel out between polls, a page created and purged.
	Blind []string
	// Endpoints name the upstream calls, as in About.
	Endpoints []string
	// Interval is how long to wait between polls unless somebody says otherwise;
	// MinInterval is the shortest that makes sense.
	Interval, MinInterval time.Duration
	// IdleRequests and IdlePoints are what a poll costs that finds nothing new:
	// requests, and points of the application's quota. IdleMore says what they
	// depend on, where they are not fixed.
	IdleRequests, IdlePoints int
	IdleMore                 string
}

// Event is something that happened.
type Event[P any] struct {
	// Key names what happened, whoever noticed it: the same change found by a
	// poll, by a poll that is repeated from the same cursor, or told by a webhook
	// has the same key. It is made of ids and versions, never of the time of a poll.
	Key string
	// OccurredAt is when it happened by the application's clock; where the
	// application does not say, when it was noticed.
	OccurredAt time.Time
	Payload    P
}

// RawEvent is an Event with its payload as JSON.
type RawEvent struct {
	Key        string
	OccurredAt time.Time
	Payload    json.RawMessage
}

// Polled is the outcome of a poll: events, the oldest first, and the cursor to
// give to the next one. Events and cursor belong together: commit both or
// neither. Where More is set the poll ended at its own bounds and should be
// followed by another one at once.
type Polled struct {
	Events []RawEvent
	Cursor json.RawMessage
	More   bool
	// Missed are changes that the application counted and that no event tells of: of
	// what Blind says, the part that a poll can know.
	Missed int
}

// Step is what a poll function gives. Cursor is kept for the next poll.
type Step[Cur, P any] struct {
	Events []Event[P]
	Cursor Cur
	More   bool
	Missed int // see Polled
}

// Inbound is a webhook that arrived for a trigger. Whether its sender is who it
// should be has been checked; what it says has not.
type Inbound struct {
	Header http.Header
	Body   []byte
}

// Poller is the work of a trigger: Cfg is its configuration, a struct like the
// input of a tool; Cur its state between polls, any type that JSON keeps; P the
// payload of its events, a struct.
type Poller[C, Cfg, Cur, P any] struct {
	// Poll looks for what happened since the poll that gave cur. At the first
	// poll cur is nil: it notes what there is, and gives no events. A poll reads a
	// bounded part of what happened and keeps its place in the cursor. When it
	// fails the cursor of before stays valid.
	Poll func(ctx context.Context, c C, cfg Cfg, cur *Cur) (Step[Cur, P], error)
	// Check tests a configuration against the application when a trigger is made
	// (the page is there, the query can be read), and gives the one to keep, with
	// names turned into ids. Optional.
	Check func(ctx context.Context, c C, cfg Cfg) (Cfg, error)
	// Receive turns a webhook of the application into the events that a poll
	// would give, with the same keys. A webhook that says nothing to this trigger
	// gives none. Optional.
	Receive func(ctx context.Context, c C, cfg Cfg, in Inbound) ([]Event[P], error)
	// Watch says what is watched, for configurations that differ in words only.
	// Optional: by default it is the whole configuration.
	Watch func(cfg Cfg) string
	// Example is a payload for the documentation.
	Example P
	// Sample makes of the example, a copy of its own, the payload that a
	// configuration could get at a time: it happened where the configuration
	// watches. It asks nobody. Optional: by default it is the example.
	Sample func(cfg Cfg, example P, at time.Time) P
	// Version is that of Cur's form, from 1 (0 counts as 1). When it is raised,
	// Upgrade turns the state of an earlier version into the present form;
	// without it an earlier state is read as it is.
	Version int
	Upgrade func(version int, state json.RawMessage) (Cur, error)
}

// TriggerOp is a trigger that still needs the client that its functions take;
// BindTriggers supplies it.
type TriggerOp[C any] struct {
	trigger Trigger
	schemas func() triggerSchemas
	check   func(ctx context.Context, c C, config json.RawMessage) (json.RawMessage, error)
	poll    func(ctx context.Context, c C, config, cursor json.RawMessage) (*Polled, error)
	receive func(ctx context.Context, c C, config json.RawMessage, in Inbound) ([]RawEvent, error)
}

type triggerSchemas struct {
	config, payload json.RawMessage
	validate        func(json.RawMessage) (json.RawMessage, error)
}

// Poll makes a trigger that asks the application at intervals.
func Poll[C, Cfg, Cur, P any](slug, name, description string, about TriggerAbout, p Poller[C, Cfg, Cur, P]) TriggerOp[C] {
	if p.Poll == nil {
		panic("toolkit: " + slug + " has no poll function")
	}
	t := Trigger{Slug: slug, Name: name, Description: description, TriggerAbout: about, watch: watchKey(slug, p.Watch)}
	op := TriggerOp[C]{
		trigger: t,
		schemas: sync.OnceValue(func() triggerSchemas {
			s := triggerSchemas{config: reflectInput[Cfg](About{}), payload: reflectOutput[P](About{})}
			var err error
			if s.validate, err = compile(s.config, true); err != nil {
				panic("toolkit: " + slug + ": " + err.Error())
			}
			return s
		}),
		check: func(ctx context.Context, c C, config json.RawMessage) (json.RawMessage, error) {
			cfg, err := decodeConfig[Cfg](config)
			if err == nil && p.Check != nil {
				cfg, err = p.Check(ctx, c, cfg)
			}
			if err != nil {
				return nil, err
			}
			return canonical(cfg)
		},
		poll: func(ctx context.Context, c C, config, cursor json.RawMessage) (*Polled, error) {
			return pollOnce(ctx, slug, c, p, config, cursor)
		},
	}
	example, err := json.Marshal(p.Example)
	if err != nil {
		panic("toolkit: " + slug + ": the example: " + err.Error())
	}
	op.trigger.Example = example
	op.trigger.sample = func(config json.RawMessage, at time.Time) (json.RawMessage, error) {
		return sampleOf(slug, p, example, config, at)
	}
	if p.Receive != nil {
		op.receive = func(ctx context.Context, c C, config json.RawMessage, in Inbound) ([]RawEvent, error) {
			cfg, err := decodeConfig[Cfg](config)
			if err != nil {
				return nil, err
			}
			events, err := p.Receive(ctx, c, cfg, in)
			if err != nil {
				return nil, err
			}
			return rawEvents(slug, events)
		}
	}
	return op
}

// BindTriggers turns operations into triggers: newClient makes the client of one
// poll. It panics like Bind.
func BindTriggers[C any](newClient func(*Call) (C, error), ops ...TriggerOp[C]) []Trigger {
	out := make([]Trigger, 0, len(ops))
	for _, op := range ops {
		t, s := op.trigger, op.schemas()
		t.Config, t.Payload, t.validate = s.config, s.payload, s.validate
		t.check = func(ctx context.Context, call *Call, config json.RawMessage) (json.RawMessage, error) {
			c, err := newClient(call)
			if err != nil {
				return nil, err
			}
			return op.check(ctx, c, config)
		}
		t.poll = func(ctx context.Context, call *Call, config, cursor json.RawMessage) (*Polled, error) {
			c, err := newClient(call)
			if err != nil {
				return nil, err
			}
			return op.poll(ctx, c, config, cursor)
		}
		if op.receive != nil {
			t.receive = func(ctx context.Context, call *Call, config json.RawMessage, in Inbound) ([]RawEvent, error) {
				c, err := newClient(call)
				if err != nil {
					return nil, err
				}
				return op.receive(ctx, c, config, in)
			}
		}
		out = append(out, t)
	}
	return out
}

// Validate checks a configuration against the schema and fills in defaults, as
// Tool.Validate does with arguments.
func (t *Trigger) Validate(config json.RawMessage) (json.RawMessage, error) {
	return t.validate(config)
}

// Check tests a configuration that Validate gave against the application, and
// gives the one to keep. A failure is an *Error that names the field.
func (t *Trigger) Check(ctx context.Context, call *Call, config json.RawMessage) (json.RawMessage, error) {
	return t.check(ctx, call, config)
}

// WatchKey says what a configuration that Check gave watches: instances with
// one key and one account see the same events and can share a poll.
func (t *Trigger) WatchKey(config json.RawMessage) (string, error) { return t.watch(config) }

// Poll looks for events since the poll that gave cursor; an empty cursor is the
// first poll. On failure the cursor stays as it was; the error is an *Error
// where the application's answer explains it.
func (t *Trigger) Poll(ctx context.Context, call *Call, config, cursor json.RawMessage) (*Polled, error) {
	return t.poll(ctx, call, config, cursor)
}

// Sample gives a payload for a test: the example, as a configuration that Check gave
// could get it at the time. Nothing happened, and nobody is asked. Without a
// configuration it is the example at that time.
func (t *Trigger) Sample(config json.RawMessage, at time.Time) (json.RawMessage, error) {
	return t.sample(config, at)
}

// Receives says whether webhooks of the application can feed the trigger.
func (t *Trigger) Receives() bool { return t.receive != nil }

// Receive turns a webhook into events. It gives none where Receives is false.
func (t *Trigger) Receive(ctx context.Context, call *Call, config json.RawMessage, in Inbound) ([]RawEvent, error) {
	if t.receive == nil {
		return nil, nil
	}
	return t.receive(ctx, call, config, in)
}

// sampleOf shapes a copy of the example.
func sampleOf[C, Cfg, Cur, P any](slug string, p Poller[C, Cfg, Cur, P], example, config json.RawMessage, at time.Time) (json.RawMessage, error) {
	cfg, err := decodeConfig[Cfg](config)
	if err != nil || p.Sample == nil {
		return example, err
	}
	var own P
	if err := json.Unmarshal(example, &own); err != nil {
		return nil, fmt.Errorf("toolkit: %s: reading the example: %w", slug, err)
	}
	payload, err := json.Marshal(p.Sample(cfg, own, at.UTC()))
	if err != nil {
		return nil, fmt.Errorf("toolkit: %s: marshal payload: %w", slug, err)
	}
	return payload, nil
}

// envelope is a cursor as it is kept.
type envelope struct {
	Version int             `json:"v"`
	State   json.RawMessage `json:"state"`
}

func pollOnce[C, Cfg, Cur, P any](ctx context.Context, slug string, c C, p Poller[C, Cfg, Cur, P], config, cursor json.RawMessage) (*Polled, error) {
	cfg, err := decodeConfig[Cfg](config)
	if err != nil {
		return nil, err
	}
	var cur *Cur
	if len(bytes.TrimSpace(cursor)) > 0 && !bytes.Equal(bytes.TrimSpace(cursor), []byte("null")) {
		if cur, err = openCursor(slug, p, cursor); err != nil {
			return nil, err
		}
	}
	step, err := p.Poll(ctx, c, cfg, cur)
	if err != nil {
		return nil, err
	}
	events, err := rawEvents(slug, step.Events)
	if err != nil {
		return nil, err
	}
	state, err := json.Marshal(step.Cursor)
	if err != nil {
		return nil, fmt.Errorf("toolkit: %s: the cursor: %w", slug, err)
	}
	next, err := json.Marshal(envelope{Version: max(p.Version, 1), State: state})
	if err != nil {
		return nil, fmt.Errorf("toolkit: %s: the cursor: %w", slug, err)
	}
	if len(next) > MaxCursor {
		return nil, &Error{
			Kind: KindTooLarge, Message: fmt.Sprintf("%s would have to remember %d KB between polls; %d KB are allowed.", slug, len(next)>>10, MaxCursor>>10),
			Fix: "Watch less with one trigger: a smaller space, a label or a query that finds fewer.",
		}
	}
	return &Polled{Events: events, Cursor: next, More: step.More, Missed: step.Missed}, nil
}

// openCursor reads a state, of this version or an earlier one.
func openCursor[C, Cfg, Cur, P any](slug string, p Poller[C, Cfg, Cur, P], cursor json.RawMessage) (*Cur, error) {
	if len(cursor) > MaxCursor {
		return nil, fmt.Errorf("toolkit: %s: the cursor has %d bytes", slug, len(cursor))
	}
	var e envelope
	if err := json.Unmarshal(cursor, &e); err != nil || e.Version < 1 || len(e.State) == 0 {
		return nil, fmt.Errorf("toolkit: %s: the cursor is not one: %w", slug, errors.Join(err, errors.New("expected v and state")))
	}
	now := max(p.Version, 1)
	if e.Version > now {
		return nil, fmt.Errorf("toolkit: %s: the cursor is of version %d, and this program knows up to %d", slug, e.Version, now)
	}
	if e.Version < now && p.Upgrade != nil {
		cur, err := p.Upgrade(e.Version, e.State)
		if err != nil {
			return nil, fmt.Errorf("toolkit: %s: upgrading the cursor: %w", slug, err)
		}
		return &cur, nil
	}
	cur := new(Cur)
	if err := json.Unmarshal(e.State, cur); err != nil {
		return nil, fmt.Errorf("toolkit: %s: reading the cursor: %w", slug, err)
	}
	return cur, nil
}

func decodeConfig[Cfg any](config json.RawMessage) (Cfg, error) {
	var cfg Cfg
	if len(config) == 0 {
		return cfg, nil
	}
	if err := json.Unmarshal(config, &cfg); err != nil {
		return cfg, unfit(err)
	}
	return cfg, nil
}

// canonical writes a value with its keys in order, so that equals look equal.
func canonical(v any) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("toolkit: marshal configuration: %w", err)
	}
	var doc any
	if err := decodeNumbers(data, &doc); err != nil {
		return nil, fmt.Errorf("toolkit: marshal configuration: %w", err)
	}
	return json.Marshal(doc)
}

func watchKey[Cfg any](slug string, watch func(Cfg) string) func(json.RawMessage) (string, error) {
	return func(config json.RawMessage) (string, error) {
		cfg, err := decodeConfig[Cfg](config)
		if err != nil {
			return "", err
		}
		if watch != nil {
			return slug + " " + watch(cfg), nil
		}
		text, err := canonical(cfg)
		return slug + " " + string(text), err
	}
}

// rawEvents marshals events and holds them to what is promised of them.
func rawEvents[P any](slug string, events []Event[P]) ([]RawEvent, error) {
	if len(events) > MaxEvents {
		return nil, fmt.Errorf("toolkit: %s gave %d events at once; at most %d are allowed", slug, len(events), MaxEvents)
	}
	out := make([]RawEvent, 0, len(events))
	seen := make(map[string]bool, len(events))
	for _, e := range events {
		switch {
		case e.Key == "" || len(e.Key) > MaxEventKey:
			return nil, fmt.Errorf("toolkit: %s gave an event whose key has %d characters; 1 to %d are expected", slug, len(e.Key), MaxEventKey)
		case strings.HasPrefix(e.Key, TestKey):
			return nil, fmt.Errorf("toolkit: %s gave an event whose key begins with %s, as those of tests do", slug, TestKey)
		case seen[e.Key]:
			return nil, fmt.Errorf("toolkit: %s gave the event %s twice", slug, e.Key)
		case e.OccurredAt.IsZero():
			return nil, fmt.Errorf("toolkit: %s gave the event %s without a time", slug, e.Key)
		}
		seen[e.Key] = true
		payload, err := json.Marshal(e.Payload)
		if err != nil {
			return nil, fmt.Errorf("toolkit: %s: marshal payload: %w", slug, err)
		}
		out = append(out, RawEvent{Key: e.Key, OccurredAt: e.OccurredAt.UTC(), Payload: payload})
	}
	return out, nil
}

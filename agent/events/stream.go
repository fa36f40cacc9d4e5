package events

import (
	"context"
	"iter"
	"time"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/client"
)

// TriggerMessage is the type of the events of triggers.
const TriggerMessage = "composio.trigger.message"

// StreamOptions say which events of a project are streamed; empty fields do not
// narrow.
type StreamOptions struct {
	Types      []string // of event [TriggerMessage]
	Triggers   []string // slugs of trigger types
	Instances  []string // ids of triggers
	UserIDs    []string
	AccountIDs []string
	// FromOldest begins with the oldest event that is kept, where the journal has no
	// place to go on from; otherwise it is what happens from now on.
	FromOldest bool
	// Notice, when set, is told how the stream fares: that it broke off and is
	// opened again, and of events that are gone because the router kept them no
	// longer.
	Notice func(client.Notice)
}

// Stream gives the events of a project while they happen, and after a break or a
// restart from where it was.
func Stream(c *client.Client, o StreamOptions) agent.EventSource {
	if len(o.Types) == 0 {
		o.Types = []string{TriggerMessage}
	}
	return &stream{client: c, opts: o}
}

type stream struct {
	client *client.Client
	opts   StreamOptions
}

// Events implements [agent.EventSource].
func (s *stream) Events(ctx context.Context, cursor string) iter.Seq2[agent.TriggerEvent, error] {
	return func(yield func(agent.TriggerEvent, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		left := false
		if cursor == "" && s.opts.FromOldest {
			cursor = client.FromOldest
		}
		q := client.ListenQuery{
			Types: s.opts.Types, Triggers: s.opts.Triggers, Sources: s.opts.Instances, UserIDs: s.opts.UserIDs, AccountIDs: s.opts.AccountIDs,
			After: cursor,
			Notice: func(n client.Notice) {
				if n.Cursor != "" && !left && !yield(agent.TriggerEvent{Cursor: n.Cursor}, nil) {
					left = true
					cancel()
				}
				if s.opts.Notice != nil {
					s.opts.Notice(n)
				}
			},
		}
		for e, err := range s.client.Listen(ctx, q) {
			if left {
				return
			}
			if err != nil {
				yield(agent.TriggerEvent{}, err)
				return
			}
			if !yield(streamed(&e), nil) {
				return
			}
		}
	}
}

func streamed(e *client.Event) agent.TriggerEvent {
	at, err := time.Parse(time.RFC3339, e.OccurredAt)
	if err != nil {
		at = time.Now().UTC()
	}
	return agent.TriggerEvent{
		ID: e.ID, Cursor: e.Cursor, Type: e.Type, Trigger: e.Trigger, Instance: e.Source, UserID: e.UserID, AccountID: e.AccountID,
		OccurredAt: at, Test: e.Test, Payload: e.Payload,
	}
}

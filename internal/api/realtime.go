package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/webhook"
)

// EventStream tells events while they happen: as server-sent events itself, and
// over sockets of Pusher's protocol, for which it signs.
type EventStream interface {
	// ServeEvents tells of the project's events until the caller goes or the key
	// ends. An error means that nothing was written.
	ServeEvents(w http.ResponseWriter, r *http.Request, q event.Stream) error
	// Authorize gives the signature with which the socket subscribes to the channel.
	Authorize(ctx context.Context, p domain.Principal, socketID, channel string) (string, error)
}

const streamPath = ownPrefix + "/events/stream"

var streamQuery = []param{
	{"types", huma.TypeArray, "Only events of these types"},
	{"toolkits", huma.TypeArray, "Only messages of triggers of these toolkits"},
	{"trigger_slugs", huma.TypeArray, "Only events of these types of trigger"},
	{"sources", huma.TypeArray, "Only events that come from these: ids of trigger instances, connected accounts, webhook subscriptions"},
	{"user_ids", huma.TypeArray, "Only events of these users"},
	{"connected_account_ids", huma.TypeArray, "Only events of these accounts"},
	{"after", huma.TypeString, "Where to begin, as Last-Event-ID, which comes before it: 0 is the oldest event that is kept; without either, what happens from now on"},
	{"follow", huma.TypeBoolean, "With false the stream ends when everything that is there was told"},
	{"message", huma.TypeBoolean, "With true each event has a field message: what a webhook subscription of version V3 is sent"},
}

// streamRoutes registers the stream beside huma, which writes whole answers.
func (s *server) streamRoutes(mux *http.ServeMux) {
	schema := s.huma.OpenAPI().Components.Schemas
	op := &huma.Operation{
		OperationID: "streamEvents", Method: http.MethodGet, Path: prefix + streamPath, Tags: []string{"events"},
		Summary: "Follow the project's events while they happen, as server-sent events",
		Description: "Each message holds an event as JSON, and its place as id: a stream that begins with Last-Event-ID " +
			"misses nothing and repeats nothing. A message named gap says how many events are no longer kept " +
			"between that place and the next one.",
		Parameters: append(parameters(streamQuery), &huma.Param{
			Name: "Last-Event-ID", In: "header", Description: "The id of the last message that was read",
			Schema: &huma.Schema{Type: huma.TypeString},
		}),
		Responses: errorResponses(schema),
	}
	op.Responses["200"] = &huma.Response{
		Description: "A stream that stays open; each message's data is an event",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema.Schema(reflect.TypeFor[eventOut](), true, "Event")}},
	}
	s.huma.OpenAPI().AddOperation(op)
	s.pusherRoutes(mux)
	mux.HandleFunc(http.MethodGet+" "+prefix+streamPath, s.streamEvents)
}

func (s *server) streamEvents(w http.ResponseWriter, r *http.Request) {
	q := &Query{values: r.URL.Query()}
	err := s.serveStream(w, r, q)
	var e *wireError
	if err != nil && errors.As(s.refuse(r.Context(), r.Method, err), &e) {
		writeError(w, e)
	}
}

func (s *server) serveStream(w http.ResponseWriter, r *http.Request, q *Query) error {
	f, err := s.streamFilter(r.Context(), q)
	if err != nil {
		return err
	}
	message, err := q.flag("message")
	if err != nil {
		return err
	}
	follow, err := q.flag("follow")
	if err != nil {
		return err
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = q.text("after")
	}
	return s.Stream.ServeEvents(w, r, event.Stream{
		Principal: callerOf(r.Context()).principal, Filter: f, After: after, Once: follow != nil && !*follow,
		Write: func(e *domain.Event) ([]byte, error) { return streamed(e, message != nil && *message) },
	})
}

func streamed(e *domain.Event, message bool) ([]byte, error) {
	out := eventWire(e)
	out.Payload = e.Payload
	if message {
		body, err := event.Body(e, webhook.V3)
		if err != nil {
			return nil, err
		}
		out.Message = body
	}
	return json.Marshal(out)
}

// maxFilter bounds the values of one filter.
const maxFilter = 100

func (s *server) streamFilter(ctx context.Context, q *Query) (store.FeedFilter, error) {
	f := store.FeedFilter{
		Sources: q.list("sources"), UserIDs: q.list("user_ids"), AccountIDs: q.list("connected_account_ids"),
	}
	for name, list := range map[string][]string{
		"sources": f.Sources, "user_ids": f.UserIDs, "connected_account_ids": f.AccountIDs,
		"types": q.list("types"), "trigger_slugs": q.list("trigger_slugs"), "toolkits": q.list("toolkits"),
	} {
		if len(list) > maxFilter {
			return f, domain.Invalid(name, "%s: at most %d values", name, maxFilter)
		}
	}
	var err error
	if f.Types, err = typesOf(q.list("types")); err != nil {
		return f, err
	}
	project := callerOf(ctx).principal.ProjectID
	for _, slug := range q.list("trigger_slugs") {
		t, err := s.Catalog.Trigger(ctx, project, slug, "")
		if err != nil {
			return f, err
		}
		f.Triggers = append(f.Triggers, t.Slug)
	}
	toolkits := lower(q.list("toolkits"))
	if len(toolkits) == 0 {
		return f, nil
	}
	named := f.Triggers
	f.Triggers = nil
	for _, t := range s.Catalog.Triggers(ctx, project) {
		if slices.Contains(toolkits, t.Toolkit.Slug) && (len(named) == 0 || slices.Contains(named, t.Slug)) {
			f.Triggers = append(f.Triggers, t.Slug)
		}
	}
	if len(f.Triggers) == 0 {
		return f, domain.Invalid("toolkits", "toolkits: none of %s has such triggers", strings.Join(toolkits, ", ")).
			WithFix("GET /api/v3.1/triggers_types lists the types of trigger.")
	}
	return f, nil
}

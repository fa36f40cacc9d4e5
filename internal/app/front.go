package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/api"
	"github.com/sluice-run/sluice/internal/mcpserver"
	"github.com/sluice-run/sluice/internal/realtime"
	"github.com/sluice-run/sluice/internal/ui"
)

// routeSocket is the door of Pusher's protocol.
const routeSocket = realtime.PathApp + "{key}"

// front gives each request to its door. It routes by hand because a ServeMux
// would answer "//" with a redirect, which drops the body of a POST.
func (a *App) front(rest, mcp, pages, blobs, receiver, sockets http.Handler) http.Handler {
	health := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok", "version": Version()})
	})
	doors := map[string]http.Handler{
		mcpserver.Path:       a.observed(mcpserver.Path, slog.LevelInfo, mcp),
		mcpserver.ServerPath: a.observed(mcpserver.ServerPath, slog.LevelInfo, mcp),
		ui.RouteLink:         a.observed(ui.RouteLink, slog.LevelInfo, pages),
		ui.RouteCode:         a.observed(ui.RouteCode, slog.LevelInfo, pages),
		ui.RouteCallback:     a.observed(ui.RouteCallback, slog.LevelInfo, pages),
		ui.RouteFinish:       a.observed(ui.RouteFinish, slog.LevelInfo, pages),
		api.BlobPath:         a.observed(api.BlobPath, slog.LevelInfo, blobs),
		api.ReceiverPath:     a.observed(api.ReceiverPath, slog.LevelInfo, receiver),
		"/healthz":           a.observed("/healthz", slog.LevelDebug, health),
		"/readyz":            a.observed("/readyz", slog.LevelDebug, http.HandlerFunc(a.ready)),
		routeSocket:          a.observed(routeSocket, slog.LevelInfo, sockets),
	}
	if a.opts.Config.Metrics {
		doors["/metrics"] = a.observed("/metrics", slog.LevelDebug, a.tel.Metrics.Handler())
	}
	a.doors = slices.Sorted(maps.Keys(doors))
	return a.tel.Tracer.Middleware(a.bounded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := "/" + strings.TrimLeft(r.URL.Path, "/")
		switch {
		case strings.HasPrefix(path, "/tool_router/"):
			path = mcpserver.Path
		case strings.HasPrefix(path, "/v3/mcp/"):
			path = mcpserver.ServerPath
		case ui.Serves(path) != "":
			path = ui.Serves(path)
		case strings.HasPrefix(path, "/files/"):
			path = api.BlobPath
		case strings.HasPrefix(path, "/webhooks/"):
			path = api.ReceiverPath
		case strings.HasPrefix(path, realtime.PathApp):
			path = routeSocket
		}
		if door, ok := doors[path]; ok {
			door.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r) // observes by itself: it knows its routes
	})))
}

// bounded gives a request Times.Request in all. Streams lift that from
// themselves. Every request sets its own bounds: net/http would leave those of
// the last one on the connection.
func (a *App) bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline := time.Now().Add(a.opts.Times.Request)
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(deadline) // not every ResponseWriter can; then the server's own limits hold
		_ = rc.SetWriteDeadline(deadline)
		h.ServeHTTP(w, r)
	})
}

// observed logs and counts the requests of a door, counts its event streams
// while they are open, and answers for a panic.
func (a *App) observed(route string, level slog.Level, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		o := &observer{ResponseWriter: w, opened: func() func() { return a.tel.Metrics.StreamOpened("mcp") }}
		defer func() {
			p := recover()
			if p != nil && p != any(http.ErrAbortHandler) {
				a.log.LogAttrs(r.Context(), slog.LevelError, "request panicked", slog.String("route", route),
					slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
				if o.status == 0 {
					answer(o, http.StatusInternalServerError, map[string]string{"status": "error", "reason": "the request failed"})
				}
			}
			if o.closed != nil {
				o.closed()
			}
			if o.status == 0 {
				o.status = http.StatusOK // what net/http sends of itself
				if r.Context().Err() != nil {
					o.status = 499 // nobody was there to get an answer
				}
			}
			took := time.Since(start)
			a.tel.Metrics.Request(route, r.Method, o.status, took)
			// The route, not the path: that of a connect page or a file holds a secret.
			a.log.LogAttrs(r.Context(), level, "request",
				slog.String("request_id", o.Header().Get("X-Request-Id")), slog.String("method", r.Method),
				slog.String("route", route), slog.Int("status", o.status), slog.Duration("duration", took))
			if p != nil {
				panic(http.ErrAbortHandler) // the connection is not to be used again
			}
		}()
		h.ServeHTTP(o, r)
	})
}

// observer notes the status of an answer and whether it is an event stream.
type observer struct {
	http.ResponseWriter
	status int
	opened func() (closed func())
	closed func()
}

func (o *observer) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
		if strings.HasPrefix(o.Header().Get("Content-Type"), "text/event-stream") {
			o.closed = o.opened()
		}
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observer) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
	return o.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (o *observer) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// ready says whether requests can be served now.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.db.Ready(r.Context()); err != nil {
		a.log.WarnContext(r.Context(), "not ready", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": "the database does not answer"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone when this fails
}

// publicHosts are the names by which a proxy on this machine may hand requests
// on.
func publicHosts(publicURL string) []string {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil
	}
	return []string{u.Host}
}

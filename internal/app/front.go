package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// requestTime bounds a request that is not a stream: reading it and answering.
const requestTime = 2 * time.Minute

// front gives each request to its door. It routes by hand because a ServeMux
// would answer "//" with a redirect, which drops the body of a POST.
func (a *App) front(rest, mcp, pages http.Handler) http.Handler {
	metrics := a.tel.Metrics.Handler()
	return a.tel.Tracer.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := "/" + strings.TrimLeft(r.URL.Path, "/")
		switch {
		case strings.HasPrefix(path, "/tool_router/"):
			mcp.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/link/"):
			bounded(pages).ServeHTTP(w, r)
		case path == "/healthz":
			answer(w, http.StatusOK, map[string]string{"status": "ok", "version": Version()})
		case path == "/readyz":
			a.ready(w, r)
		case path == "/metrics" && a.opts.Config.Metrics:
			metrics.ServeHTTP(w, r)
		default:
			bounded(rest).ServeHTTP(w, r)
		}
	}))
}

// bounded gives a request requestTime in all.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline := time.Now().Add(requestTime)
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(deadline) // not every ResponseWriter can; then the server's own limits hold
		_ = rc.SetWriteDeadline(deadline)
		h.ServeHTTP(w, r)
	})
}

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

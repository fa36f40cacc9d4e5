package api

import (
	"net/http"

	"github.com/sluice-run/sluice/internal/domain"
)

// router serves what mux has and answers everything else in the contract's
// error body: 405 with Allow where the path takes other methods, else 404.
func router(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			noteRoute(r.Context(), pattern)
			mux.ServeHTTP(w, r)
			return
		}
		id := callerOf(r.Context()).requestID
		probe := &headerProbe{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			allow := probe.header.Get("Allow")
			e := newError(kindMethod, r.Method, id, "this path does not take "+r.Method, "Use "+allow+".")
			e.header.Set("Allow", allow)
			writeError(w, e)
			return
		}
		writeError(w, fail(domain.Errorf(domain.CodeNotFound, "there is no %s %s", r.Method, r.URL.Path).
			WithFix("The operations are listed in /openapi.json."), r.Method, id))
	})
}

// headerProbe takes a handler's status and headers and drops its body.
type headerProbe struct {
	header http.Header
	status int
}

func (p *headerProbe) Header() http.Header         { return p.header }
func (p *headerProbe) WriteHeader(status int)      { p.status = status }
func (p *headerProbe) Write(b []byte) (int, error) { return len(b), nil }

package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
)

// readBody reads the body, at most limit bytes within timeout, before the
// operation runs: an oversized or slow one never reaches it, and the deadline
// does not outlive the reading. An absent body reads as {}.
func readBody(next http.Handler, limit int64, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		tooLarge := domain.Errorf(domain.CodeTooLarge, "the request body is larger than %d bytes", limit)
		id := callerOf(r.Context()).requestID
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close") // do not wait for the rest
			writeError(w, fail(tooLarge, r.Method, id))
			return
		}
		conn := http.NewResponseController(w)
		_ = conn.SetReadDeadline(time.Now().Add(timeout)) // not every writer has a connection
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			w.Header().Set("Connection", "close") // the rest may never come
			var over *http.MaxBytesError
			switch {
			case errors.As(err, &over):
				writeError(w, fail(tooLarge, r.Method, id))
			case errors.Is(err, os.ErrDeadlineExceeded):
				writeError(w, newError(kindSlowBody, r.Method, id, "the request body did not arrive in time", ""))
			default:
				writeError(w, fail(domain.Errorf(domain.CodeInvalid, "the request body could not be read to its end"), r.Method, id))
			}
			return
		}
		// They would end the operation too, which has bounds of its own, and after
		// which a broken connection would invite the client to run it again.
		_ = conn.SetReadDeadline(time.Time{})
		_ = conn.SetWriteDeadline(time.Time{})
		if err := execute.CheckValues(data); err != nil {
			writeError(w, fail(domain.AsError(err), r.Method, id))
			return
		}
		if len(bytes.TrimSpace(data)) == 0 {
			data = []byte("{}")
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		r.ContentLength = int64(len(data))
		next.ServeHTTP(w, r)
	})
}

// limitRate bounds how many requests one key sends in a time, and tells each how
// many are left. What needs no key is nobody's.
func limitRate(next http.Handler, rate *policy.Limiter) http.Handler {
	if rate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		if c.principal.KeyID == "" {
			next.ServeHTTP(w, r)
			return
		}
		v := rate.Take(c.principal.ProjectID, c.principal.KeyID)
		if v.Refused {
			writeError(w, fail(v.Err("this API key", "requests"), r.Method, c.requestID))
			return
		}
		v.Tell(w.Header())
		next.ServeHTTP(w, r)
	})
}

// limitCalls bounds how many requests of one key run at a time.
func limitCalls(next http.Handler, most int) http.Handler {
	var mu sync.Mutex
	running := map[string]int{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		key := c.principal.KeyID
		// The public document: strangers must not take it from each other. A stream
		// stays open, and has bounds of its own.
		if key == "" || r.URL.Path == prefix+streamPath {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		ok := running[key] < most
		if ok {
			running[key]++
		}
		mu.Unlock()
		if !ok {
			err := retryAfter(time.Second, "this API key has %d requests in flight, the most that are allowed", most)
			writeError(w, fail(err, r.Method, c.requestID))
			return
		}
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			if running[key]--; running[key] == 0 {
				delete(running, key)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

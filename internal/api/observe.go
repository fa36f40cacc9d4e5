package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// observe gives the request its id, logs and counts how it ended, and answers
// for a panic.
func observe(next http.Handler, opts *Options) http.Handler {
	log, now := opts.Logger, opts.Now
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := now()
		c := callerOf(r.Context())
		c.requestID = requestID(r)
		w.Header().Set("X-Request-Id", c.requestID)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store") // answers hold link tokens and users
		rec := &recorder{ResponseWriter: w}
		seen := &seen{} // filled in by authenticate and router
		r = r.WithContext(withSeen(withCaller(r.Context(), c), seen))
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				log.LogAttrs(r.Context(), slog.LevelError, "request panicked", slog.String("request_id", c.requestID),
					slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
				if rec.status == 0 {
					writeError(rec, fail(domain.Internal("the request failed", nil), r.Method, c.requestID))
				}
			}
			level := slog.LevelInfo
			if rec.status >= 500 && rec.status != http.StatusNotImplemented {
				level = slog.LevelError
			}
			log.LogAttrs(r.Context(), level, "request",
				slog.String("request_id", c.requestID), slog.String("method", r.Method), slog.String("path", shownPath(r.URL.Path)),
				slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("duration", now().Sub(start)),
				slog.String("project", seen.principal.ProjectID), slog.String("key", seen.principal.KeyID))
			opts.Observe(seen.route, r.Method, rec.status, now().Sub(start))
		}()
		next.ServeHTTP(rec, r)
	})
}

// shownPath is a path as a log may have it. A file's address that was mangled on
// its way comes here, and holds a token.
func shownPath(path string) string {
	if before, _, found := strings.Cut(path, blobPrefix); found {
		return before + BlobPath
	}
	return path
}

// requestID takes the client's id when it is harmless in a log and a header.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 128 {
		return domain.NewID(domain.PrefixRequest)
	}
	for i := range len(id) {
		switch b := id[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '_', b == '.':
		default:
			return domain.NewID(domain.PrefixRequest)
		}
	}
	return id
}

// recorder notes status and size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

// answerTime bounds how long an answer may take to be read, from its beginning.
const answerTime = time.Minute

// begin notes the status of an answer that begins, and gives it its time.
func (r *recorder) begin(status int) {
	if r.status == 0 {
		r.status = status
		_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTime)) // not every writer has a connection
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

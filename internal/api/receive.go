package api

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/trigger"
)

// ReceiverPath is the path at which applications tell of changes.
const ReceiverPath = "/webhooks/{endpoint}"

const receiverPrefix = "/webhooks/"

// ReceiverURL gives the address of an endpoint.
func ReceiverURL(origin, endpointID string) string { return origin + receiverPrefix + endpointID }

const (
	maxReceivers   = 64 // requests at a time
	receiveTimeout = 10 * time.Second
)

// NewReceiver makes the handler of ReceiverPath. It needs no API key: the secret of
// the endpoint is the right. What is answered with 202 is kept. log may be nil.
func NewReceiver(triggers *trigger.Service, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	slots := make(chan struct{}, maxReceivers)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodPost {
			e := newError(kindMethod, r.Method, id, "this path does not take "+r.Method, "Use POST.")
			e.header.Set("Allow", http.MethodPost)
			writeError(w, e)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			busy := domain.Errorf(domain.CodeUnavailable, "%d webhooks are being received, the most at a time", maxReceivers)
			busy.RetryAfter = time.Second
			refuseReceived(w, r, log, id, busy)
			return
		}
		body, err := readReceived(w, r)
		if err != nil {
			h.Set("Connection", "close") // the rest may be long, or never come
			if errors.Is(err, os.ErrDeadlineExceeded) {
				writeError(w, newError(kindSlowBody, r.Method, id, "the request body did not arrive in time", ""))
				return
			}
			refuseReceived(w, r, log, id, err)
			return
		}
		name := strings.TrimPrefix("/"+strings.TrimLeft(r.URL.Path, "/"), receiverPrefix)
		if err := triggers.Receive(r.Context(), name, r.Header.Get(trigger.SecretHeader), r.Header, body); err != nil {
			refuseReceived(w, r, log, id, err)
			return
		}
		h.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"received":true}`+"\n") // the client is gone when this fails
	})
}

func readReceived(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(receiveTimeout)) // not every writer has a connection
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, trigger.MaxReceived))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, domain.Errorf(domain.CodeTooLarge, "the request body is larger than %d bytes", trigger.MaxReceived)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err != nil:
		return nil, domain.Errorf(domain.CodeInvalid, "the request body could not be read to its end")
	}
	_ = conn.SetReadDeadline(time.Time{})
	return data, nil
}

func refuseReceived(w http.ResponseWriter, r *http.Request, log *slog.Logger, id string, err error) {
	if r.Context().Err() != nil {
		err = domain.Errorf(domain.CodeCanceled, "the caller went away")
	}
	e := domain.AsError(err)
	if e.Code == domain.CodeInternal {
		log.LogAttrs(r.Context(), slog.LevelError, "receiving a webhook failed",
			slog.String("request_id", id), slog.String("error", err.Error()), slog.Any("cause", errors.Unwrap(e)))
	}
	out := fail(e, r.Method, id)
	if e.Code == domain.CodeUnavailable || e.Code == domain.CodeRateLimited {
		out.header.Del("X-Should-Retry") // nothing was kept
	}
	writeError(w, out)
}

package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// backoffBase is the wait before the second try; it doubles from there.
const backoffBase = 250 * time.Millisecond

var errMoved = errors.New("httpx: Authorize changed the origin of the request")

type idempotentKey struct{}

// WithIdempotent marks the requests made with ctx as safe to repeat. A request
// with an Idempotency-Key header is so by itself.
func WithIdempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// again decides whether to try once more, and after how long.
func (c *call) again(req *http.Request, res *http.Response, err error, try int) (time.Duration, bool) {
	if try >= c.f.maxTries || !c.repeatable(req) || req.Context().Err() != nil {
		return 0, false
	}
	wait := backoff(try)
	switch {
	case err != nil:
		if !transient(err) {
			return 0, false
		}
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusBadGateway,
		res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		if asked, ok := RetryAfter(res.Header, time.Now()); ok {
			if asked > c.f.maxRetryAfter {
				return 0, false
			}
			wait = max(asked, wait)
		}
	default:
		return 0, false
	}
	// An answer in hand is worth more than a deadline missed while waiting.
	if deadline, ok := req.Context().Deadline(); ok && time.Until(deadline) <= wait {
		return 0, false
	}
	return wait, true
}

// repeatable says whether sending req twice is the same as sending it once,
// and whether its body can be had again.
func (c *call) repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	if c.o.Idempotent || req.Header.Get("Idempotency-Key") != "" {
		return true
	}
	marked, _ := req.Context().Value(idempotentKey{}).(bool)
	return marked
}

// transient says whether a failure to get an answer may pass by itself.
func transient(err error) bool {
	var (
		ours *domain.Error
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &ours): // the guard, a cap, Authorize
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &cert):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	}
	return true
}

// backoff gives the wait after the given try: exponential, with the upper half
// random so that callers who failed together do not return together.
func backoff(try int) time.Duration {
	d := backoffBase << (try - 1)
	return d/2 + rand.N(d/2)
}

// RetryAfter reads the Retry-After header, in seconds or as a date. A time in
// the past is 0; false means that there is none to be understood.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Retry-After")
	if text == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}

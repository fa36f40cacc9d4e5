package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// firstPause is the pause before the first repetition; each further one is
	// four times as long.
	firstPause = 150 * time.Millisecond
	// maxPause is the longest Retry-After that is waited for.
	maxPause = 10 * time.Second
)

// repeat does what only reads, and does it again as Options.Retries says.
func (c *Client) repeat(ctx context.Context, once func() error) error {
	pause := firstPause
	for left := c.retries; ; left-- {
		err := once()
		var e *Error
		if left == 0 || !errors.As(err, &e) || !passing(e) || e.RetryAfter > maxPause {
			return err
		}
		wait := max(pause/2+rand.N(pause/2), e.RetryAfter)
		if until, ok := ctx.Deadline(); ok && time.Until(until) <= wait {
			return err // says more than that the time is up
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		pause *= 4
	}
}

// passing says whether the same request may succeed in a moment.
func passing(e *Error) bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.cause != nil
}

// sleep waits, and says whether it could.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

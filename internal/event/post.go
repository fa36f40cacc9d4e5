package event

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/telemetry"
	"github.com/sluice-run/sluice/internal/webhook"
)

const (
	maxAnswer  = 8 << 10 // of an answer's body that is read
	maxExcerpt = 500     // of it that is kept
)

// result is what came of an attempt.
type result struct {
	status     int
	taken      bool // 2xx
	gone       bool // 410
	retryAfter time.Duration
	failure    string
	excerpt    string
}

// post makes the attempt.
func (s *Service) post(ctx context.Context, c *claim, at time.Time) result {
	secrets, err := s.secrets(ctx, c, at)
	if err != nil {
		return result{failure: domain.AsError(err).Message}
	}
	version := webhook.Version(c.webhook.Version)
	body, err := Body(&c.event, version)
	if err != nil {
		return result{failure: domain.AsError(err).Message}
	}
	header, err := webhook.Sign(webhook.Message{ID: MessageID(c.event.ID), At: at, Version: version, Body: body}, secrets...)
	if err != nil {
		return result{failure: domain.Internal("signing an event", err).Message}
	}
	header.Set("Content-Type", "application/json")
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.webhook.URL, bytes.NewReader(body))
	if err != nil {
		return result{failure: "the address of the subscription cannot be read"}
	}
	req.Header = header
	client := s.opts.HTTP.For(httpx.CallOptions{Label: "webhook", Timeout: s.opts.Timeout, MaxResponseBytes: maxAnswer + 1})
	// A message goes to the address that was judged and given, and nowhere else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return result{failure: httpx.Explain(err).Message}
	}
	defer res.Body.Close()
	// What is behind the status decides nothing: it may be endless or late.
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return read(res, excerpt(text, append(secrets, strings.Fields(header.Get(webhook.HeaderSignature))...)), at)
}

// read tells from the status what became of the message.
func read(res *http.Response, excerpt string, now time.Time) result {
	r := result{status: res.StatusCode, excerpt: excerpt}
	switch {
	case r.status >= 200 && r.status < 300:
		r.taken = true
		return r
	case r.status == http.StatusGone:
		r.gone = true
	case r.status >= 300 && r.status < 400:
		r.failure = "it answered " + strconv.Itoa(r.status) + ": redirects are not followed"
		return r
	}
	r.failure = "it answered " + strconv.Itoa(r.status)
	r.retryAfter, _ = httpx.RetryAfter(res.Header, now)
	return r
}

// secrets opens what a message at the time is signed with, the current one first.
func (s *Service) secrets(ctx context.Context, c *claim, at time.Time) ([]string, error) {
	fields := []string{fieldSecret}
	if at.Before(c.webhook.PreviousUntil) {
		fields = append(fields, fieldPrevious)
	}
	var out []string
	for _, f := range fields {
		plain, err := s.opts.Vault.Open(ctx, secretRef(&c.webhook, f), c.sealed[f])
		if err != nil {
			return nil, err
		}
		out = append(out, string(plain))
	}
	return out, nil
}

// longRun is what keys and tokens look like.
var longRun = regexp.MustCompile(`[0-9A-Za-z+/_=.-]{32,}`)

// excerpt gives the beginning of an answer for people to read. Endpoints write
// errors with what they were sent, or with secrets of their own.
func excerpt(body []byte, known []string) string {
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	for _, secret := range known {
		text = strings.ReplaceAll(text, secret, httpx.Redacted)
	}
	text = longRun.ReplaceAllString(telemetry.Mask(text), httpx.Redacted)
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) <= maxExcerpt {
		return text
	}
	return strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
}

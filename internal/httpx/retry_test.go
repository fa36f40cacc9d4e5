package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
)

// memNet is an upstream in memory, so that time can be synctest's. Each dial
// is answered by the next reply; "" closes the connection without one.
func memNet(f *httpx.Factory, dials *atomic.Int64, bodies *list[string], replies ...string) {
	f.SetDial(func(context.Context, string, string) (net.Conn, error) {
		n := int(dials.Add(1)) - 1
		reply := replies[min(n, len(replies)-1)]
		if reply == "refuse" {
			return nil, errors.New("connection refused")
		}
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			req, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			bodies.add(string(body))
			if reply == "hang" {
				_, _ = io.Copy(io.Discard, server)
				return
			}
			_, _ = io.WriteString(server, reply)
		}()
		return client, nil
	})
}

func answer(status string, header ...string) string {
	return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: 2\r\n" + strings.Join(header, "") + "\r\nok"
}

func TestRetries(t *testing.T) {
	t.Parallel()
	const ok, busy = "200 OK", "503 Busy"
	tests := []struct {
		name    string
		method  string
		body    string
		ctx     func(context.Context) context.Context
		o       httpx.CallOptions
		header  string
		replies []string
		tries   int64
		status  int // 0: an error
		min     time.Duration
		max     time.Duration
	}{
		{name: "first answer is good", replies: []string{answer(ok)}, tries: 1, status: 200},
		{name: "busy once", replies: []string{answer(busy), answer(ok)}, tries: 2, status: 200, min: 125 * time.Millisecond, max: 250 * time.Millisecond},
		{name: "busy for ever", replies: []string{answer(busy)}, tries: 3, status: 503, min: 375 * time.Millisecond, max: 750 * time.Millisecond},
		{name: "429 waits as told", replies: []string{answer("429 Slow", "Retry-After: 7\r\n"), answer(ok)}, tries: 2, status: 200, min: 7 * time.Second, max: 7 * time.Second},
		{name: "429 too long is passed on", replies: []string{answer("429 Slow", "Retry-After: 11\r\n")}, tries: 1, status: 429},
		{name: "429 past the deadline is passed on", replies: []string{answer("429 Slow", "Retry-After: 7\r\n")}, o: httpx.CallOptions{Timeout: 5 * time.Second}, tries: 1, status: 429},
		{name: "Retry-After as a date", replies: []string{answer(busy, "Retry-After: Sat, 01 Jan 2000 00:00:04 GMT\r\n"), answer(ok)}, tries: 2, status: 200, min: 4 * time.Second, max: 4 * time.Second},
		{name: "Retry-After in the past still backs off", replies: []string{answer(busy, "Retry-After: 0\r\n"), answer(ok)}, tries: 2, status: 200, min: 125 * time.Millisecond, max: 250 * time.Millisecond},
		{name: "no connection", replies: []string{"refuse", "refuse", answer(ok)}, tries: 3, status: 200, min: 375 * time.Millisecond, max: 750 * time.Millisecond},
		{name: "closed without an answer", replies: []string{"", answer(ok)}, tries: 2, status: 200, min: 125 * time.Millisecond, max: 250 * time.Millisecond},
		{name: "500 is an answer", replies: []string{answer("500 Oops")}, tries: 1, status: 500},
		{name: "404 is an answer", replies: []string{answer("404 Gone")}, tries: 1, status: 404},
		{name: "POST is not repeated", method: "POST", body: "x", replies: []string{answer(busy)}, tries: 1, status: 503},
		{name: "POST is not repeated without a connection", method: "POST", body: "x", replies: []string{"refuse"}, tries: 1},
		{name: "PUT is not repeated", method: "PUT", body: "x", replies: []string{answer(busy)}, tries: 1, status: 503},
		{name: "marked POST is repeated", method: "POST", body: "x", o: httpx.CallOptions{Idempotent: true}, replies: []string{answer(busy), answer(ok)}, tries: 2, status: 200, min: 125 * time.Millisecond, max: 250 * time.Millisecond},
		{name: "POST marked by context", method: "POST", body: "x", ctx: httpx.WithIdempotent, replies: []string{answer(busy), answer(ok)}, tries: 2, status: 200, min: 125 * time.Millisecond, max: 250 * time.Millisecond},
		{name: "POST with a key", method: "POST", body: "x", header: "Idempotency-Key", replies: []string{answer(busy), answer(ok)}, tries: 2, status: 200, min: 125 * time.Millisecond, max: 250 * time.Millisecond},
		{name: "hang ends with the timeout", replies: []string{"hang"}, tries: 1, min: 60 * time.Second, max: 60 * time.Second},
		{name: "hang ends with the call's timeout", replies: []string{"hang"}, o: httpx.CallOptions{Timeout: 3 * time.Second}, tries: 1, min: 3 * time.Second, max: 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, err := httpx.New(httpx.Options{AllowHTTP: true})
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				var dials, count atomic.Int64
				var bodies list[string]
				memNet(f, &dials, &bodies, tt.replies...)
				ctx := t.Context()
				if tt.ctx != nil {
					ctx = tt.ctx(ctx)
				}
				req, err := http.NewRequestWithContext(ctx, tt.method, "http://wiki.example.com/", strings.NewReader(tt.body))
				if err != nil {
					t.Fatal(err)
				}
				if tt.header != "" {
					req.Header.Set(tt.header, "k")
				}
				tt.o.Count = &count
				start := time.Now()
				res, err := f.For(tt.o).Do(req)
				took := time.Since(start)
				status := 0
				if err == nil {
					status = res.StatusCode
					if body, err := io.ReadAll(res.Body); err != nil || string(body) != "ok" {
						t.Errorf("the answer handed on reads %q, %v", body, err)
					}
					res.Body.Close()
				} else if code := httpx.Explain(err).Code; code != domain.CodeUnavailable {
					t.Errorf("Explain: %s", code)
				}
				if status != tt.status || count.Load() != tt.tries || took < tt.min || took > tt.max {
					t.Errorf("status %d after %d tries and %v (%v); want %d after %d and %v–%v", status, count.Load(), took, err, tt.status, tt.tries, tt.min, tt.max)
				}
				for i, b := range bodies.take() {
					if b != tt.body {
						t.Errorf("try %d sent %q", i+1, b)
					}
				}
			})
		})
	}
}

func TestCancelDuringBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, err := httpx.New(httpx.Options{AllowHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var dials atomic.Int64
		var bodies list[string]
		memNet(f, &dials, &bodies, answer("429 Slow", "Retry-After: 9\r\n"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://wiki.example.com/", nil)
		start := time.Now()
		_, err = f.For(httpx.CallOptions{}).Do(req)
		if !errors.Is(err, context.Canceled) || time.Since(start) != 2*time.Second || dials.Load() != 1 {
			t.Errorf("%v after %v and %d tries", err, time.Since(start), dials.Load())
		}
	})
}

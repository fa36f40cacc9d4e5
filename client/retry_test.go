package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-run/sluice/client"
)

// scripted is a server that gives its answers in turn, and the last one for ever.
// It needs no network, so that time can be a bubble's.
type scripted struct {
	answers []answer
	asked   []time.Time
}

type answer struct {
	status int
	header string // Retry-After
	body   string
	err    error
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.answers[min(len(s.asked), len(s.answers)-1)]
	s.asked = append(s.asked, time.Now())
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{}
	if a.header != "" {
		h.Set("Retry-After", a.header)
	}
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

// waited is the time between the first request and the last.
func (s *scripted) waited() time.Duration { return s.asked[len(s.asked)-1].Sub(s.asked[0]) }

func TestRetries(t *testing.T) {
	t.Parallel()
	good := answer{status: http.StatusOK, body: `{"slug":"X"}`}
	busy := answer{status: http.StatusServiceUnavailable}
	read := func(ctx context.Context, c *client.Client) error { return second(c.Tool(ctx, "X")) }
	search := func(ctx context.Context, c *client.Client) error { return second(c.RequiredScopes(ctx, "X")) }
	for name, tt := range map[string]struct {
		answers  []answer
		do       func(context.Context, *client.Client) error
		retries  int
		asked    int
		kind     error // nil: success
		from, to time.Duration
	}{
		"a read is repeated":              {[]answer{busy, busy, good}, read, 0, 3, nil, 300 * time.Millisecond, time.Second},
		"a POST that reads, too":          {[]answer{busy, good}, search, 0, 2, nil, 0, time.Second},
		"and not for ever":                {[]answer{busy}, read, 0, 3, errAny, 0, time.Second},
		"as often as asked":               {[]answer{busy}, read, 4, 5, errAny, 0, time.Minute},
		"or never":                        {[]answer{busy}, read, -1, 1, errAny, 0, 0},
		"a refusal is final":              {[]answer{{status: http.StatusForbidden}}, read, 0, 1, client.ErrForbidden, 0, 0},
		"so is a failure of the server's": {[]answer{{status: http.StatusInternalServerError}}, read, 0, 1, errAny, 0, 0},
		"Retry-After is waited for":       {[]answer{{status: http.StatusTooManyRequests, header: "7"}, good}, read, 0, 2, nil, 7 * time.Second, 7 * time.Second},
		"a long one is the caller's":      {[]answer{{status: http.StatusTooManyRequests, header: "11"}, good}, read, 0, 1, client.ErrRateLimited, 0, 0},
		"no answer is tried again":        {[]answer{{err: io.ErrUnexpectedEOF}, good}, read, 0, 2, nil, 0, time.Second},
		"a change is never repeated":      {[]answer{{err: io.ErrUnexpectedEOF}, good}, func(ctx context.Context, c *client.Client) error { return second(c.DeleteAccount(ctx, "ca_1", false)) }, 0, 1, client.ErrUnreachable, 0, 0},
		"a call neither": {[]answer{busy, good}, func(ctx context.Context, c *client.Client) error {
			return second(c.Execute(ctx, client.ExecuteRequest{Tool: "X"}))
		}, 0, 1, errAny, 0, 0},
		"a deadline before Retry-After ends it":   {[]answer{{status: http.StatusTooManyRequests, header: "9"}}, within(5*time.Second, read), 0, 1, client.ErrRateLimited, 0, 0},
		"one after it does not":                   {[]answer{{status: http.StatusTooManyRequests, header: "9"}, good}, within(15*time.Second, read), 0, 2, nil, 9 * time.Second, 9 * time.Second},
		"a context that ends is what it ended by": {[]answer{{err: context.Canceled}}, within(-1, read), 0, 1, context.DeadlineExceeded, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answers: tt.answers}
				c, err := client.New(client.Options{BaseURL: "http://router.test", APIKey: "ak_secret", HTTPClient: &http.Client{Transport: s}, Retries: tt.retries})
				must(t, err)
				err = tt.do(t.Context(), c)
				if tt.kind == nil && err != nil || tt.kind == errAny && err == nil || tt.kind != nil && tt.kind != errAny && !errors.Is(err, tt.kind) {
					t.Errorf("ends with %v, want %v", err, tt.kind)
				}
				if len(s.asked) != tt.asked {
					t.Fatalf("asked %d times, want %d", len(s.asked), tt.asked)
				}
				if w := s.waited(); w < tt.from || w > tt.to {
					t.Errorf("waited %v, want %v to %v", w, tt.from, tt.to)
				}
			})
		})
	}
}

// errAny stands for whatever error.
var errAny = errors.New("any")

func within(d time.Duration, do func(context.Context, *client.Client) error) func(context.Context, *client.Client) error {
	return func(ctx context.Context, c *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return do(ctx, c)
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	kinds := []error{
		client.ErrUnauthorized, client.ErrForbidden, client.ErrNotFound, client.ErrConflict, client.ErrRateLimited,
		client.ErrNoConnection, client.ErrNeedsPerson, client.ErrUnreachable,
	}
	for name, tt := range map[string]struct {
		answer answer
		want   error // nil: none of them
		check  func(*client.Error) bool
	}{
		"401":                      {answer{status: 401}, client.ErrUnauthorized, nil},
		"403":                      {answer{status: 403}, client.ErrForbidden, nil},
		"404":                      {answer{status: 404}, client.ErrNotFound, nil},
		"409":                      {answer{status: 409}, client.ErrConflict, nil},
		"400":                      {answer{status: 400}, nil, nil},
		"429 that says when":       {answer{status: 429, header: "30"}, client.ErrRateLimited, func(e *client.Error) bool { return e.RetryAfter == 30*time.Second }},
		"429 with a date long ago": {answer{status: 429, header: "Sun, 06 Nov 1994 08:49:37 GMT"}, client.ErrRateLimited, func(e *client.Error) bool { return e.RetryAfter == 0 }},
		"429 with nonsense":        {answer{status: 429, header: "soon"}, client.ErrRateLimited, func(e *client.Error) bool { return e.RetryAfter == 0 }},
		"429 for ever":             {answer{status: 429, header: "99999999999"}, client.ErrRateLimited, func(e *client.Error) bool { return e.RetryAfter == 24*time.Hour }},
		"no account": {
			answer{status: 400, body: `{"error":{"message":"Not connected.","code":1803,"suggested_fix":"Connect.","request_id":"req_1"}}`},
			client.ErrNoConnection,
			func(e *client.Error) bool {
				return e.Fix == "Connect." && e.RequestID == "req_1" && e.Error() == "Not connected. Connect. (HTTP 400)"
			},
		},
		"a call that waits": {
			answer{status: 400, body: `{"error":{"message":"Ask.","approval_id":"ap_1"}}`},
			client.ErrNeedsPerson,
			func(e *client.Error) bool { return e.ApprovalID == "ap_1" },
		},
		"no answer": {answer{err: fmt.Errorf("dial: %w", io.ErrClosedPipe)}, client.ErrUnreachable, func(e *client.Error) bool { return errors.Is(e, io.ErrClosedPipe) && e.Status == 0 }},
		"a speech":  {answer{status: 400, body: `{"error":{"message":"` + strings.Repeat("ä", 5000) + `"}}`}, nil, func(e *client.Error) bool { return len(e.Message) < 4200 && strings.HasSuffix(e.Message, "ä…") }},
	} {
		c, err := client.New(client.Options{BaseURL: "http://router.test", APIKey: "ak_secret", HTTPClient: &http.Client{Transport: &scripted{answers: []answer{tt.answer}}}, Retries: -1})
		must(t, err)
		_, err = c.Tool(t.Context(), "X")
		var e *client.Error
		if !errors.As(err, &e) || tt.check != nil && !tt.check(e) {
			t.Errorf("%s: %#v", name, err)
		}
		for _, kind := range kinds {
			if errors.Is(err, kind) != (kind == tt.want) {
				t.Errorf("%s: is %v: %v", name, kind, errors.Is(err, kind))
			}
		}
	}
}

// A program that prints what it has prints no key.
func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	const key = "ak_secret_of_the_test"
	o := client.Options{BaseURL: "http://router.test", APIKey: key, HTTPClient: &http.Client{Transport: &scripted{answers: []answer{{status: 200, body: `{"session_id":"trs_1","mcp":{"url":"http://router.test/mcp"}}`}}}}}
	c, err := client.New(o)
	must(t, err)
	s, err := c.Use(t.Context(), "trs_1")
	must(t, err)
	if s.MCP.Headers["x-api-key"] != key {
		t.Error("the session has no key")
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("all", "options", o, "client", c, "session", s, "mcp", s.MCP)
	}
	for _, v := range []any{o, &o, c, *c, s, *s, s.MCP, &s.MCP} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			fmt.Fprintf(&log, verb+"\n", v)
		}
	}
	if strings.Contains(log.String(), key) {
		t.Errorf("the key is in:\n%s", log.String())
	}
	if !strings.Contains(log.String(), "trs_1") || !strings.Contains(log.String(), "router.test/mcp") {
		t.Errorf("nothing is said:\n%s", log.String())
	}
}

// A list can be read twice, is left where its reader leaves it, and one that leads
// back to itself ends.
func TestLists(t *testing.T) {
	t.Parallel()
	s := &scripted{answers: []answer{
		{status: 200, body: `{"items":[{"slug":"A"},{"slug":"B"}],"next_cursor":"two"}`},
		{status: 200, body: `{"items":[{"slug":"C"}],"next_cursor":null}`},
		{status: 200, body: `{"items":[{"slug":"A"},{"slug":"B"}],"next_cursor":"two"}`},
		{status: 200, body: `{"items":[{"slug":"C"}],"next_cursor":"two"}`},
	}}
	var cursors []string
	c, err := client.New(client.Options{BaseURL: "http://router.test", APIKey: "k", HTTPClient: &http.Client{Transport: carrier(func(r *http.Request) (*http.Response, error) {
		cursors = append(cursors, r.URL.Query().Get("cursor"))
		return s.RoundTrip(r)
	})}})
	must(t, err)
	list := c.Tools(t.Context(), client.ToolQuery{})
	if len(s.asked) != 0 {
		t.Error("asked before anybody reads")
	}
	if got := all(t, list); len(got) != 3 || got[2].Slug != "C" {
		t.Errorf("first %+v", got)
	}
	n := 0
	for _, err := range list {
		if n++; err != nil {
			if !strings.Contains(err.Error(), "does not end") {
				t.Error(err)
			}
			break
		}
	}
	if n != 4 {
		t.Errorf("%d items and an error", n-1)
	}
	for range list {
		break
	}
	if want := "[ two  two ]"; fmt.Sprint(cursors) != want {
		t.Errorf("cursors %v, want %v", cursors, want)
	}
}

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// A file may take longer than a request, as long as it moves; and a key goes
// nowhere but to the router.
func TestFilesAreStreamed(t *testing.T) {
	t.Parallel()
	var sent int64
	files := http.NewServeMux()
	files.HandleFunc("PUT /blob", func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 || r.Header.Get("X-Api-Key") != "" || !strings.HasPrefix(r.UserAgent(), "sluice-go") {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		sent, _ = io.Copy(io.Discard, r.Body)
	})
	files.HandleFunc("GET /cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "a part")
	})
	files.HandleFunc("GET /empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(files)
	defer server.Close()
	files.HandleFunc("POST /api/v3.1/files/upload/request", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"key":"k1","new_presigned_url":%q}`, server.URL+"/blob?secret=of-the-address")
	})
	c, err := client.New(client.Options{BaseURL: server.URL, APIKey: "ak_secret"})
	must(t, err)
	content := strings.NewReader("not this: " + strings.Repeat("x", 3<<20))
	must(t, second(content.Seek(10, io.SeekStart)))
	if f, err := c.UploadFile(t.Context(), client.Upload{Name: "big.bin"}, content); err != nil || f.Key != "k1" || f.MIME != "application/octet-stream" || sent != 3<<20 {
		t.Errorf("sent %d bytes: %+v, %v", sent, f, err)
	}
	var b strings.Builder
	if n, err := c.DownloadFile(t.Context(), client.FileRef{Name: "cut", URL: server.URL + "/cut?secret=of-the-address"}, &b); err == nil || n != 6 || b.String() != "a part" || strings.Contains(err.Error(), "of-the-address") {
		t.Errorf("a file that broke off: %d bytes, %v", n, err)
	}
	if _, err := c.DownloadFile(t.Context(), client.FileRef{URL: server.URL + "/cut"}, io.Discard); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a file that broke off is %v", err)
	}
	none, full := io.Pipe()
	must(t, none.CloseWithError(io.ErrShortBuffer))
	if _, err := c.DownloadFile(t.Context(), client.FileRef{URL: server.URL + "/cut"}, full); !errors.Is(err, io.ErrShortBuffer) || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("what cannot be written is %v", err)
	}
	if _, err := c.DownloadFile(t.Context(), client.FileRef{URL: server.URL + "/empty"}, io.Discard); err == nil {
		t.Error("no file is taken for one")
	}
	server.Close()
	if _, err := c.DownloadFile(t.Context(), client.FileRef{URL: server.URL + "/cut?secret=of-the-address"}, io.Discard); !errors.Is(err, client.ErrUnreachable) || strings.Contains(err.Error(), "of-the-address") {
		t.Errorf("no server: %v", err)
	}
}

// A transfer that stands still is ended, whatever the client's timeout says.
func TestStalledFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, pipe := io.Pipe()
		go func() {
			for range 10 { // 5 minutes in all
				time.Sleep(30 * time.Second)
				fmt.Fprint(pipe, "x")
			}
		}()
		c, err := client.New(client.Options{BaseURL: "http://router.test", APIKey: "k", HTTPClient: &http.Client{Timeout: time.Minute, Transport: carrier(func(r *http.Request) (*http.Response, error) {
			go func() {
				<-r.Context().Done()
				pipe.CloseWithError(r.Context().Err())
			}()
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: slow, Request: r}, nil
		})}})
		must(t, err)
		from := time.Now()
		n, err := c.DownloadFile(t.Context(), client.FileRef{Name: "slow", URL: "http://files.test/"}, io.Discard)
		if took := time.Since(from); n != 10 || !errors.Is(err, client.ErrUnreachable) || took != 6*time.Minute {
			t.Errorf("%d bytes in %v, %v", n, took, err)
		}
	})
}

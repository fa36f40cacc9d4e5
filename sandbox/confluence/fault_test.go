package confluence_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// remote calls a server over a socket.
type remote struct {
	t *testing.T
	s *confluence.Server
	u confluence.User
}

func (c *remote) request(ctx context.Context, method, path, body string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, method, c.s.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.SetBasicAuth(c.u.Email, c.u.Token)
	return req
}

func (c *remote) send(method, path, body string) (int, string) {
	res, err := http.DefaultClient.Do(c.request(c.t.Context(), method, path, body))
	if err != nil {
		c.t.Errorf("%s %s: %v", method, path, err)
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Errorf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, string(text)
}

const currentUser = "/wiki/rest/api/user/current"

func newRemote(t *testing.T) *remote {
	s := confluence.NewServer(confluence.Options{Seed: true})
	t.Cleanup(s.Close)
	return &remote{t: t, s: s, u: s.AddUser(confluence.User{Email: "f@example.com"})}
}

func TestFaultStatus(t *testing.T) {
	c := newRemote(t)
	c.s.Fail(confluence.Fault{Method: "GET", Path: "/user/current", Times: 2, Status: 429, RetryAfter: 7 * time.Second, Header: http.Header{"X-Ratelimit-Remaining": {"0"}}})
	if status, _ := c.send("GET", "/wiki/api/v2/spaces", ""); status != 200 {
		t.Errorf("another path was disturbed: %d", status)
	}
	for range 2 {
		res, err := http.DefaultClient.Do(c.request(t.Context(), "GET", currentUser, ""))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 429 || res.Header.Get("Retry-After") != "7" || res.Header.Get("X-RateLimit-Remaining") != "0" || res.Header.Get(confluence.Header) != "true" {
			t.Errorf("fault = %d %v", res.StatusCode, res.Header)
		}
	}
	if status, _ := c.send("GET", currentUser, ""); status != 200 {
		t.Errorf("the third request got %d", status)
	}
	c.s.Fail(confluence.Fault{Status: 200})
	if _, text := c.send("GET", currentUser, ""); !strings.HasPrefix(text, "<html>") {
		t.Errorf("an HTML fault answered %q", text)
	}
}

func TestFaultCutsTheBody(t *testing.T) {
	c := newRemote(t)
	c.s.Fail(confluence.Fault{Path: "/user/current", CutAfter: 20})
	res, err := http.DefaultClient.Do(c.request(t.Context(), "GET", currentUser, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 20 || !bytes.HasPrefix(got, []byte("{")) {
		t.Errorf("read %d bytes %q, error %v", len(got), got, err)
	}
}

func TestFaultHangs(t *testing.T) {
	c := newRemote(t)
	c.s.Fail(confluence.Fault{Path: "/user/current", Hang: true, Times: 2})
	before := c.s.Requests()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	do := func(ctx context.Context) {
		// On a used connection the client would take the release for an idle close and try again.
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := fresh.Do(c.request(ctx, "GET", currentUser, ""))
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}
	go do(ctx)
	go do(t.Context())
	for c.s.Requests() < before+2 {
		if status, _ := c.send("GET", "/_edge/tenant_info", ""); status != 200 {
			t.Fatalf("the server does not answer others: %d", status)
		}
		before++ // the look itself is counted
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request ended with %v", err)
	}
	c.s.ClearFaults()
	if err := <-done; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a released request ended with %v", err)
	}
	if status, _ := c.send("GET", currentUser, ""); status != 200 {
		t.Errorf("after clearing: %d", status)
	}
}

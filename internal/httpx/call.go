package httpx

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

// call is the client and the transport of one call, in one allocation.
type call struct {
	client http.Client
	f      *Factory
	o      CallOptions
}

var _ http.RoundTripper = (*call)(nil)

// RoundTrip checks, authorises, sends and if need be repeats one request of
// the call. req itself is left as it is.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, err := c.admit(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	for try := 1; ; try++ {
		out, err := c.prepare(req, try)
		if err != nil {
			closeBody(req)
			return nil, err
		}
		res, err := c.send(transport, out, try)
		wait, again := c.again(req, res, err, try)
		if !again {
			return c.finish(req, res, err)
		}
		if res != nil {
			discard(res.Body)
		}
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// admit judges what can be judged before a connection, and picks the pool.
func (c *call) admit(req *http.Request) (*http.Transport, error) {
	if err := c.f.guard.checkURL(req.URL); err != nil {
		return nil, err
	}
	if limit := c.f.maxRequest; limit > 0 && req.ContentLength > limit {
		return nil, &TooLargeError{What: "request", Limit: limit}
	}
	if req.URL.Scheme == "http" {
		return c.f.plain, nil
	}
	return c.f.secure, nil
}

// prepare makes the request that goes on the wire from the caller's.
func (c *call) prepare(req *http.Request, try int) (*http.Request, error) {
	out := req.WithContext(req.Context())
	out.Header = req.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header, 4)
	}
	if _, set := out.Header["User-Agent"]; !set {
		out.Header["User-Agent"] = []string{c.f.userAgent}
	}
	if try > 1 && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	// A length of 0 with a body means unknown, as -1 does.
	if limit := c.f.maxRequest; limit > 0 && out.ContentLength <= 0 && out.Body != nil && out.Body != http.NoBody {
		out.Body = &cappedBody{rc: out.Body, left: limit, err: TooLargeError{What: "request", Limit: limit}}
	}
	if c.o.Authorize == nil || !c.mayAuthorize(req) {
		return out, nil
	}
	u := *req.URL
	out.URL = &u
	if err := c.o.Authorize(out); err != nil {
		return nil, err
	}
	if !sameOrigin(out.URL, req.URL) {
		return nil, domain.Internal("authorising a request", errMoved)
	}
	return out, nil
}

// mayAuthorize says whether credentials belong on req: it goes to the call's
// origin, and no redirect on its way here left that origin. Otherwise another
// host could choose what is asked in the account's name.
func (c *call) mayAuthorize(req *http.Request) bool {
	if c.o.BaseURL == nil {
		return false
	}
	for r := req; ; r = r.Response.Request {
		if !sameOrigin(r.URL, c.o.BaseURL) {
			return false
		}
		if r.Response == nil || r.Response.Request == nil {
			return true
		}
	}
}

func (c *call) send(transport *http.Transport, out *http.Request, try int) (*http.Response, error) {
	if c.o.Count != nil {
		c.o.Count.Add(1)
	}
	if c.f.observe == nil {
		return transport.RoundTrip(out)
	}
	start := time.Now()
	res, err := transport.RoundTrip(out)
	t := Try{Label: c.o.Label, Method: out.Method, Host: out.URL.Host, Number: try, Err: err, Duration: time.Since(start)}
	if res != nil {
		t.Status = res.StatusCode
	}
	c.f.observe(out.Context(), t)
	return res, err
}

func (c *call) finish(req *http.Request, res *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, withHost(err, req.URL)
	}
	// The caller's own request, not the one with credentials: errors, the
	// Referer and the redirect chain are made from it.
	res.Request = req
	limit := c.f.maxResponse
	if c.o.MaxResponseBytes != 0 {
		limit = c.o.MaxResponseBytes
	}
	// A connection that switches protocols has no end; one that was not asked to
	// is a body like any other.
	switched := res.StatusCode == http.StatusSwitchingProtocols && req.Header.Get("Upgrade") != ""
	if limit > 0 && !switched {
		res.Body = &cappedBody{rc: res.Body, left: limit, err: TooLargeError{What: "response", Limit: limit}}
	}
	return res, nil
}

// checkRedirect bounds the chain and takes from a request that leaves the
// first origin all that could be a credential. Where it goes is judged when it
// is sent.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return domain.Errorf(domain.CodeUnavailable, "the upstream redirected more than %d times", maxRedirects)
	}
	left := !sameOrigin(req.URL, via[0].URL)
	for _, v := range via[1:] {
		left = left || !sameOrigin(v.URL, via[0].URL)
	}
	if !left {
		return nil
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return domain.Errorf(domain.CodeUnavailable, "the upstream redirected a %s to another host, which is not followed: its body could reach a stranger", req.Method)
	}
	for name := range req.Header {
		if !travels(name) {
			delete(req.Header, name)
		}
	}
	return nil
}

// travels says whether a header may follow a redirect to another origin. A
// list of what may, since any name may hold a key.
func travels(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "User-Agent", "Range",
		"If-Modified-Since", "If-None-Match", "Cache-Control":
		return true
	}
	return false
}

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	if a.Scheme != b.Scheme {
		return false
	}
	if a.Host == b.Host {
		return true
	}
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

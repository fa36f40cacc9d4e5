package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// Options configures a Client. BaseURL and APIKey are required.
type Options struct {
	BaseURL string // origin of the server; a path is kept
	APIKey  string
	// HTTPClient sends the requests; one with a 90 s timeout when nil. Redirects
	// are not followed in either case: they would carry the key away. Streams and
	// files are bounded by how long they are silent, in place of its timeout.
	HTTPClient *http.Client
	// UserAgent is sent with each request; sluice-go and the version when empty.
	UserAgent string
	// Retries is how often a request that only reads is sent again when the server
	// does not answer whole, or answers 429, 502, 503 or 504 [2]; negative: never.
	// Between them the client waits as long as Retry-After asks, where that is at
	// most 10 s. A request that changes something is never sent again.
	Retries int
}

// String leaves the key out.
func (o Options) String() string { return "client.Options{" + o.BaseURL + "}" }

// GoString leaves the key out.
func (o Options) GoString() string { return o.String() }

// LogValue leaves the key out.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Client speaks to one server with one key. It is safe for concurrent use.
type Client struct {
	base      string
	key       func() string // a string would be printed with whatever holds the client
	header    string        // in which the key goes
	http      *http.Client
	userAgent string
	retries   int
}

const (
	// maxAnswer bounds what is read of one answer.
	maxAnswer = 32 << 20
	// timeout bounds a request of a Client that was given no http.Client.
	timeout = 90 * time.Second
)

// New makes a Client. It fails on a base URL that is not an absolute http(s)
// address and on an empty key; it sends nothing.
func New(opts Options) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(opts.BaseURL, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("client: BaseURL must be an absolute http or https address, such as http://127.0.0.1:8787")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("client: BaseURL must hold no user, query or fragment")
	}
	if opts.APIKey == "" {
		return nil, errors.New("client: APIKey is empty; create one with: sluice keys create")
	}
	c := &Client{
		base: u.String(), key: func() string { return opts.APIKey }, header: "x-api-key", http: &http.Client{Timeout: timeout},
		userAgent: opts.UserAgent, retries: max(cmp.Or(opts.Retries, 2), 0),
	}
	if opts.HTTPClient != nil {
		own := *opts.HTTPClient
		c.http = &own
	}
	// A redirect would carry the key to whatever host it names, and make a GET of
	// a POST. The API has none.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.userAgent == "" {
		c.userAgent = "sluice-go" + version()
	}
	return c, nil
}

// version is that of this module in the program, led by a slash; empty where the
// program was not built from a released one.
func version() string {
	const module = "github.com/sluice-run/sluice"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && strings.HasPrefix(m.Version, "v") {
			return "/" + m.Version
		}
	}
	return ""
}

// BaseURL gives the server's address as it was configured.
func (c *Client) BaseURL() string { return c.base }

// String gives the server's address, and not the key.
func (c *Client) String() string { return "client.Client{" + c.base + "}" }

// GoString gives the server's address, and not the key.
func (c *Client) GoString() string { return c.String() }

// do sends one request under /api/v3.1 and decodes the answer into out, which
// may be nil. A GET is repeated.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	if method == http.MethodGet {
		return c.repeat(ctx, func() error { return c.once(ctx, method, path, query, in, out) })
	}
	return c.once(ctx, method, path, query, in, out)
}

// ask is do for a POST that only reads, and is repeated like a GET.
func (c *Client) ask(ctx context.Context, path string, in, out any) error {
	return c.repeat(ctx, func() error { return c.once(ctx, http.MethodPost, path, nil, in, out) })
}

func (c *Client) once(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: marshal request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.send(c.http, req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return decode(ctx, res, out)
}

// request makes a request under /api/v3.1, with the key.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	address := c.base + "/api/v3.1" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	req.Header.Set(c.header, c.key())
	req.Header.Set("User-Agent", c.userAgent)
	return req, nil
}

// send fails with the context's error when that ended it.
func (c *Client) send(by *http.Client, req *http.Request) (*http.Response, error) {
	res, err := by.Do(req)
	if err == nil {
		return res, nil
	}
	if ctx := req.Context(); ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, broken(0, "no answer from "+c.base, err, "Is the server running there?")
}

func decode(ctx context.Context, res *http.Response, out any) error {
	ok := res.StatusCode >= 200 && res.StatusCode <= 299
	limit := int64(maxRefusal)
	if ok {
		limit = maxAnswer + 1
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, limit))
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return broken(res.StatusCode, "the answer broke off", err, "")
	case !ok:
		return failure(res, b)
	case len(b) > maxAnswer:
		return &Error{Status: res.StatusCode, Message: "the answer is larger than 32 MiB"}
	case out == nil || len(b) == 0:
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &Error{Status: res.StatusCode, Message: "the answer is not the JSON that was expected: " + err.Error()}
	}
	return nil
}

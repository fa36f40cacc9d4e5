package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options configures a Client. BaseURL and APIKey are required.
type Options struct {
	BaseURL string // origin of the server; a path is kept
	APIKey  string
	// HTTPClient sends the requests; one with a 90 s timeout when nil. Redirects
	// are not followed in either case: they would carry the key away.
	HTTPClient *http.Client
	// UserAgent is sent with each request; "sluice-go" when empty.
	UserAgent string
}

// Client speaks to one server with one key. It is safe for concurrent use.
type Client struct {
	base      string
	key       string
	http      *http.Client
	userAgent string
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 32 << 20

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
	c := &Client{base: u.String(), key: opts.APIKey, http: &http.Client{Timeout: 90 * time.Second}, userAgent: opts.UserAgent}
	if opts.HTTPClient != nil {
		own := *opts.HTTPClient
		c.http = &own
	}
	// A redirect would carry the key to whatever host it names, and make a GET of
	// a POST. The API has none.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.userAgent == "" {
		c.userAgent = "sluice-go"
	}
	return c, nil
}

// BaseURL gives the server's address as it was configured.
func (c *Client) BaseURL() string { return c.base }

// Error is an answer of the server that is not a success, or an answer that
// could not be understood (Status 0 when there was none).
type Error struct {
	Status    int    // HTTP status
	Code      int    // the API's own number: 1803 = no connected account
	Message   string // what was wrong
	Fix       string // what to do next; may be empty
	RequestID string
	// ApprovalID is what a person must allow before the call is repeated; empty when
	// that is not what was wrong.
	ApprovalID string
}

// CodeNoConnection is the Error.Code of a call that found no usable account.
const CodeNoConnection = 1803

// Error gives message, remedy and status as one line.
func (e *Error) Error() string {
	msg := e.Message
	if e.Fix != "" {
		msg += " " + e.Fix
	}
	if e.Status != 0 {
		msg = fmt.Sprintf("%s (HTTP %d)", msg, e.Status)
	}
	return msg
}

// IsNotFound says whether err is the server's 404.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// do sends one request under /api/v3.1 and decodes the answer into out, which
// may be nil.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: marshal request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	address := c.base + "/api/v3.1" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	req.Header.Set("x-api-key", c.key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Error{Message: "no answer from " + c.base + ": " + reason(err), Fix: "Is the server running there?"}
	}
	defer res.Body.Close()
	return decode(res, out)
}

func decode(res *http.Response, out any) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return &Error{Status: res.StatusCode, Message: "the answer broke off: " + reason(err)}
	}
	if len(b) > maxAnswer {
		return &Error{Status: res.StatusCode, Message: "the answer is larger than 32 MiB"}
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return failure(res, b)
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &Error{Status: res.StatusCode, Message: "the answer is not the JSON that was expected: " + err.Error()}
	}
	return nil
}

func failure(res *http.Response, body []byte) error {
	var wire struct {
		Error struct {
			Message   string   `json:"message"`
			Code      int      `json:"code"`
			RequestID string   `json:"request_id"`
			Fix       string   `json:"suggested_fix"`
			Approval  string   `json:"approval_id"`
			Errors    []string `json:"errors"`
		} `json:"error"`
	}
	e := &Error{Status: res.StatusCode}
	if err := json.Unmarshal(body, &wire); err == nil && wire.Error.Message != "" {
		e.Code, e.Message, e.Fix, e.RequestID = wire.Error.Code, wire.Error.Message, wire.Error.Fix, wire.Error.RequestID
		e.ApprovalID = wire.Error.Approval
		for _, detail := range wire.Error.Errors {
			if !strings.Contains(detail, e.Message) && !strings.Contains(e.Message, detail) {
				e.Message += "; " + detail
			}
		}
		return e
	}
	e.Message = "the server answered " + res.Status
	if to, err := res.Location(); err == nil && res.StatusCode < 400 {
		e.Message += ", which is not followed: it leads to " + to.Scheme + "://" + to.Host
		e.Fix = "Give the address of the router itself as BaseURL."
	}
	return e
}

// reason strips the method and address that net/http puts before the cause.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

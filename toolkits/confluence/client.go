package confluence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

const (
	v1 = "/wiki/rest/api"
	v2 = "/wiki/api/v2"

	// maxAnswer bounds what is read of one answer; Confluence takes bodies of up
	// to 5 MB, and a list of pages may hold several.
	maxAnswer = 32 << 20
	// maxBody is what Confluence takes for one body.
	maxBody = 5 << 20
)

// client speaks with one site for one call.
type client struct {
	http *http.Client
	base string
	call *toolkit.Call // for progress reports and the account's public fields

	asked int       // how many requests were made
	date  time.Time // the site's clock at the last answer, by its Date header
}

func newClient(call *toolkit.Call) (*client, error) {
	if call.HTTP == nil || call.BaseURL == "" {
		return nil, &toolkit.Error{
			Kind: toolkit.KindAuth, Message: "There is no Confluence account for this call.",
			Fix: "Connect a Confluence account.",
		}
	}
	return &client{http: call.HTTP, base: strings.TrimRight(call.BaseURL, "/"), call: call}, nil
}

// request is one call of the REST API. What and field name the thing that it
// is about, for errors; scopes are those that the call needs.
type request struct {
	method string // GET when empty
	path   string
	query  url.Values
	body   any // marshalled when not nil
	form   *form
	out    any // filled from the answer when not nil
	what   string
	field  string
	scopes []string
	header *http.Header // receives the answer's header
	probe  bool         // a 404 is an answer here: it is not looked into
}

// form is a body that is no JSON, ready to be sent.
type form struct {
	kind string // content type
	data []byte
}

// do sends a request. Its errors are *toolkit.Error, but for a context that
// was cancelled and for what the guarded client itself refuses.
func (c *client) do(ctx context.Context, r request) error {
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return err
	}
	c.asked++
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(ctx, r, err)
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.date = at
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(data) > maxAnswer {
		return &toolkit.Error{
			Kind: toolkit.KindTooLarge, Status: resp.StatusCode,
			Message: fmt.Sprintf("Confluence answered with more than %d MB.", maxAnswer>>20),
			Fix:     "Ask for fewer items (a smaller limit) or without bodies.",
		}
	}
	if err != nil {
		return cutError(ctx, r, resp.StatusCode, err)
	}
	if resp.StatusCode >= 300 {
		e := statusError(r, resp, data)
		if e.Kind == toolkit.KindNotFound && !r.probe {
			c.explainMissing(ctx, r, e)
		}
		return e
	}
	if r.header != nil {
		*r.header = resp.Header
	}
	if r.out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(data, r.out); err != nil {
		return unreadable(r, resp, data, err)
	}
	return nil
}

func (c *client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r.body); err != nil {
			return nil, fmt.Errorf("confluence: marshal request: %w", err)
		}
		body = &b
	}
	kind := "application/json"
	if r.form != nil {
		body, kind = bytes.NewReader(r.form.data), r.form.kind
	}
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("confluence: make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if r.method != http.MethodGet {
		// Confluence refuses changes that look like those of a browser's form.
		req.Header.Set("X-Atlassian-Token", "no-check")
	}
	return req, nil
}

// explained says whether an error comes from the guarded client rather than
// from the network: it then says itself what it refused and why, and is passed
// on. The client's own error types are not known here, only that they are not
// the standard library's.
func explained(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		t := reflect.TypeOf(err)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if root, _, _ := strings.Cut(t.PkgPath(), "/"); strings.Contains(root, ".") {
			return true
		}
	}
	return false
}

// transportError explains that no answer came.
func transportError(ctx context.Context, r request, err error) error {
	var own *toolkit.Error
	var timeout net.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("confluence: %w", context.Canceled)
	case explained(err):
		return fmt.Errorf("confluence: %w", err)
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return &toolkit.Error{
			Kind: toolkit.KindUnavailable, Message: "Confluence did not answer in time.",
			Fix: retryHint(r), Cause: err,
		}
	}
	return &toolkit.Error{
		Kind: toolkit.KindUnavailable, Message: "Confluence could not be reached, or closed the connection without an answer.",
		Fix: retryHint(r), Cause: err,
	}
}

// cutError explains that an answer began and did not end.
func cutError(ctx context.Context, r request, status int, err error) error {
	if !errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil {
		return transportError(ctx, r, err)
	}
	return &toolkit.Error{
		Kind: toolkit.KindUnavailable, Status: status, Cause: err, Fix: retryHint(r),
		Message: "Confluence closed the connection in the middle of its answer.",
	}
}

// retryHint says whether to try again: a change may have been made already.
func retryHint(r request) string {
	if r.method == http.MethodGet {
		return "Try again."
	}
	return "The change may or may not have been made: look before you try again."
}

// unreadable explains an answer of success that is not the JSON it should be.
func unreadable(r request, resp *http.Response, data []byte, err error) error {
	e := &toolkit.Error{
		Kind: toolkit.KindUnavailable, Status: resp.StatusCode, Cause: err,
		Message: "Confluence's answer could not be read.", Fix: retryHint(r),
	}
	var syntax *json.SyntaxError
	switch {
	case isHTML(resp.Header, data):
		e.Message = "The site answered with a web page instead of data."
		e.Fix = "Check that the account's site is right and that it is not in maintenance or behind a login page. " + retryHint(r)
	case len(data) == 0 || errors.As(err, &syntax) && syntax.Offset >= int64(len(data)):
		e.Message = "Confluence's answer ended in the middle."
	}
	return e
}

// isHTML says whether an answer is a web page.
func isHTML(h http.Header, data []byte) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err == nil && (kind == "text/html" || kind == "application/xhtml+xml") {
		return true
	}
	start := bytes.TrimSpace(data)
	return len(start) > 0 && start[0] == '<'
}

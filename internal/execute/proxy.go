package execute

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// ProxyRequest is a request to an application that the caller words itself. It
// goes to the account's own site, with the account's credentials.
type ProxyRequest struct {
	Toolkit  string // slug
	Method   string // GET, POST, PUT, DELETE, PATCH or HEAD
	Endpoint string // path below the account's address, or a whole URL there
	Query    url.Values
	Header   http.Header
	Body     []byte
	// BodyURL is where the body is got from, without anybody's credentials.
	BodyURL string
	// BodyType is the body's content type where Header has none.
	BodyType string
}

// ProxyAnswer is what the application answered, whatever its status.
type ProxyAnswer struct {
	LogID, AccountID string
	Status           int
	Header           map[string]string
	Data             json.RawMessage // nil where there was no body, or it is in File
	File             *ProxyFile
}

// ProxyFile is a body that is no text, kept in the file store.
type ProxyFile struct {
	URL, MIME string
	Size      int64
	ExpiresAt time.Time
}

// methods say what a request may do, as a tool's hints do. What changes something
// may take something away.
var methods = map[string]toolkit.Hints{
	http.MethodGet:    {ReadOnly: true, Idempotent: true, OpenWorld: true},
	http.MethodHead:   {ReadOnly: true, Idempotent: true, OpenWorld: true},
	http.MethodPost:   {Destructive: true, OpenWorld: true},
	http.MethodPatch:  {Destructive: true, OpenWorld: true},
	http.MethodPut:    {Destructive: true, Idempotent: true, OpenWorld: true},
	http.MethodDelete: {Destructive: true, Idempotent: true, OpenWorld: true},
}

// Proxy sends a request to the account's own site and records it. req.Tool and
// req.Arguments are set here: a record has method, path and the names of
// parameters, never their values. For errors see Run.
func (s *Service) Proxy(ctx context.Context, req Request, p *ProxyRequest) (*ProxyAnswer, error) {
	req.Tool, req.Arguments = policy.ProxyExecute, p.described()
	r := s.begin(req)
	var out *ProxyAnswer
	answer, err := r.safely(func() (*Answer, error) {
		var err error
		if out, err = r.proxy(ctx, p); err != nil {
			return nil, err
		}
		return &Answer{AccountID: out.AccountID}, nil
	})
	if answer, err = r.finish(ctx, answer, err); err != nil {
		return nil, err
	}
	out.LogID = answer.LogID
	return out, nil
}

// described is what a record may have of a request.
func (p *ProxyRequest) described() json.RawMessage {
	at, _, _ := strings.Cut(p.Endpoint, "?")
	names := make([]string, 0, len(p.Query)+len(p.Header))
	for name := range p.Query {
		names = append(names, name)
	}
	for name := range p.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	data, err := json.Marshal(map[string]any{
		"toolkit": p.Toolkit, "method": p.Method, "endpoint": at, "parameters": names, "body_bytes": len(p.Body), "body_sha256": fmt.Sprintf("%x", digest(p.Body)),
	})
	if err != nil { // strings and numbers always marshal
		return nil
	}
	return data
}

// whole gives what a person's word on a request is for, every value in it, and
// what they decide on: all but the values of headers, which may be secrets.
func (p *ProxyRequest) whole() (bound [32]byte, shown json.RawMessage) {
	all, err := json.Marshal([]any{p.Toolkit, p.Method, p.Endpoint, p.Query, p.Header, p.Body, p.BodyURL, p.BodyType})
	if err != nil { // texts and bytes always marshal
		return digest(p.described()), p.described()
	}
	shown, err = json.Marshal(map[string]any{
		"toolkit": p.Toolkit, "method": p.Method, "endpoint": p.Endpoint, "query": p.Query,
		"headers": slices.Sorted(maps.Keys(p.Header)), "body": string(p.Body), "body_url": p.BodyURL,
	})
	if err != nil { // as above
		shown = p.described()
	}
	return sha256.Sum256(all), shown
}

func (r *run) proxy(ctx context.Context, p *ProxyRequest) (*ProxyAnswer, error) {
	if err := r.sameProject(); err != nil {
		return nil, err
	}
	hints, known := methods[p.Method]
	if !known {
		return nil, domain.Invalid("method", "method: expected one of GET, POST, PUT, DELETE, PATCH, HEAD")
	}
	if (p.Method == http.MethodGet || p.Method == http.MethodHead) && (len(p.Body) > 0 || p.BodyURL != "") {
		return nil, domain.Invalid("body", "body: a %s request has none", p.Method)
	}
	tk, err := r.s.opts.Catalog.Toolkit(ctx, r.req.Principal.ProjectID, p.Toolkit)
	if err != nil {
		return nil, err
	}
	r.record.Toolkit, r.record.Version = tk.Slug, tk.Version
	t := &catalog.Tool{Toolkit: tk, Tool: &toolkit.Tool{Slug: policy.ProxyExecute, Hints: hints}}
	if err := r.req.Rules.Proxy(t); err != nil {
		return nil, err
	}
	if err := r.req.Rules.Denied(t); err != nil {
		return nil, err
	}
	if tk.NoAuth() {
		return nil, domain.Invalid("toolkit_slug", "toolkit_slug: toolkit %s has no accounts, and so no site that requests could go to", tk.Slug).
			WithFix("Use its tools.")
	}
	if err := r.ratedEarly(); err != nil {
		return nil, err
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	account, err := r.chosen(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := r.rated(); err != nil {
		return nil, err
	}
	r.bound, r.shown = p.whole()
	if _, err := r.permit(ctx, t, account); err != nil { // no door of requests can ask
		return nil, err
	}
	call, err := r.prepare(ctx, t, account)
	if err != nil {
		return nil, err
	}
	var out *ProxyAnswer
	_, err = r.guarded(ctx, r.s.opts.Timeout, func(ctx context.Context) (*toolkit.Result, error) {
		var err error
		out, err = r.send(ctx, call, p)
		return nil, err
	})
	if err != nil {
		return nil, r.unsent(ctx, p, err)
	}
	out.AccountID = r.record.AccountID
	r.record.Outcome = domain.OutcomeOK
	if out.Status >= 400 {
		r.record.Outcome, r.record.Error = domain.OutcomeFailed, fmt.Sprintf("%s answered %d", tk.Name, out.Status)
	}
	return out, nil
}

// unsent words the error of a request that got no answer.
func (r *run) unsent(ctx context.Context, p *ProxyRequest, err error) error {
	var late *timedOut
	switch {
	case ctx.Err() != nil:
		return canceled(ctx)
	case errors.As(err, &late):
		e := domain.Errorf(domain.CodeUnavailable, "the request was stopped: it took longer than %s", late.after)
		if p.Method != http.MethodGet && p.Method != http.MethodHead {
			e.Fix = "It may have taken effect all the same: look before you repeat it."
		}
		return e
	}
	return httpx.Explain(err)
}

// target gives the address of the request: at or below the account's own.
func target(base, endpoint string, query url.Values) (*url.URL, error) {
	root, err := url.Parse(base)
	if err != nil {
		return nil, domain.Internal("addressing a request", err)
	}
	bad := func(why string) error {
		return domain.Invalid("endpoint", "endpoint: %s", why).
			WithFix("Give a path such as /api/resource, or an address below %s.", root.Scheme+"://"+root.Host+root.EscapedPath())
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Opaque != "" || endpoint == "":
		return nil, bad("expected a path or an address")
	case u.User != nil:
		return nil, bad("credentials do not belong into it")
	case u.Host == "" && u.Scheme != "", u.Host != "" && u.Scheme == "":
		return nil, bad("expected a path, or an address with its scheme")
	}
	if u.Host == "" {
		u, err = url.Parse(strings.TrimRight(root.Scheme+"://"+root.Host+root.EscapedPath(), "/") + "/" + strings.TrimLeft(endpoint, "/"))
		if err != nil {
			return nil, bad("expected a path or an address")
		}
	}
	// The path is judged as the application may read it, once more unescaped.
	for _, seen := range []string{u.Path, unescaped(u.Path)} {
		if strings.ContainsAny(seen, "\\\x00") || slices.ContainsFunc(strings.Split(seen, "/"), func(s string) bool {
			s, _, _ = strings.Cut(s, ";")
			return s == ".." || s == "."
		}) {
			return nil, bad("its path must not have . or .. in it")
		}
	}
	below := strings.TrimRight(path.Clean("/"+root.Path), "/")
	if !strings.EqualFold(u.Scheme, root.Scheme) || !strings.EqualFold(u.Host, root.Host) ||
		(u.Path != below && !strings.HasPrefix(u.Path, below+"/")) {
		return nil, bad("it is not on the account's own site")
	}
	u.Fragment, u.RawFragment = "", ""
	q := u.Query()
	for name, values := range query {
		q[name] = append(q[name], values...)
	}
	if len(query) > 0 {
		u.RawQuery = q.Encode()
	}
	return u, nil
}

func unescaped(p string) string {
	if again, err := url.PathUnescape(p); err == nil {
		return again
	}
	return p
}

// send sends the request and reads its answer.
func (r *run) send(ctx context.Context, call *toolkit.Call, p *ProxyRequest) (*ProxyAnswer, error) {
	u, err := target(call.BaseURL, p.Endpoint, p.Query)
	if err != nil {
		return nil, err
	}
	body, kind := p.Body, p.BodyType
	if p.BodyURL != "" {
		if body, kind, err = r.fetch(ctx, p.BodyURL, kind); err != nil {
			return nil, err
		}
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, p.Method, u.String(), reader)
	if err != nil {
		return nil, domain.Invalid("endpoint", "endpoint: expected a path or an address")
	}
	for name, values := range p.Header {
		for _, v := range values {
			if !httpx.ValidHeader(name, v) || !httpx.CallersHeader(name) {
				return nil, domain.Invalid("parameters", "parameters: the header %q cannot be set here", clip(name, 64)).
					WithFix("Leave it out: credentials are the account's, and the connection is the server's own.")
			}
			req.Header.Add(name, v)
		}
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", kind)
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json, */*;q=0.5")
	}
	resp, err := call.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return r.receive(ctx, resp)
}

// fetch gets a body from an address: one of our own files, or a public one.
func (r *run) fetch(ctx context.Context, at, kind string) ([]byte, string, error) {
	most := int64(httpx.DefaultMaxRequestBytes)
	if token, ours := r.ownFile(at); ours {
		f, err := r.s.opts.Files.DownloadOf(ctx, r.req.Principal.ProjectID, token)
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = f.Close() }()
		if kind == "" {
			kind = f.MIME
		}
		if f.Size > most {
			return nil, "", domain.Errorf(domain.CodeTooLarge, "binary_body.url: the file has %d bytes; at most %d can be sent", f.Size, most)
		}
		data, err := io.ReadAll(f)
		return data, kind, err
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, "", domain.Invalid("binary_body.url", "binary_body.url: expected an address")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", domain.Invalid("binary_body.url", "binary_body.url: expected an address")
	}
	resp, err := r.s.opts.Connect.PrepareOpen("binary_body", nil).Do(req)
	if err != nil {
		return nil, "", httpx.Explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, "", domain.Invalid("binary_body.url", "binary_body.url: its host answered %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if int64(len(data)) > most {
		return nil, "", domain.Errorf(domain.CodeTooLarge, "binary_body.url: the content has more than %d bytes", most)
	}
	if kind == "" {
		kind = resp.Header.Get("Content-Type")
	}
	if kind == "" {
		kind = files.AnyType
	}
	return data, kind, err
}

// ownFile gives the token of an address of our own file store.
func (r *run) ownFile(at string) (string, bool) {
	if r.s.opts.Files == nil || r.s.opts.FileURL == nil {
		return "", false
	}
	return strings.CutPrefix(at, r.s.opts.FileURL(r.req.Origin, ""))
}

// keptHeaders are not the application's to set for our caller.
func keptHeader(name string) bool {
	switch name {
	case "Set-Cookie", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Encoding", "Content-Length", "Trailer", "Upgrade", "Alt-Svc":
		return false
	}
	return !strings.HasPrefix(name, "Proxy-")
}

// receive makes the answer: JSON as it is, other text as a string, the rest as a
// file.
func (r *run) receive(ctx context.Context, resp *http.Response) (*ProxyAnswer, error) {
	out := &ProxyAnswer{Status: resp.StatusCode, Header: map[string]string{}}
	for name, values := range resp.Header {
		if keptHeader(name) {
			out.Header[strings.ToLower(name)] = credentials.ReplaceAllString(strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD"), "${1}REDACTED")
		}
	}
	if resp.Request.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != "" && !textual(kind) {
		return out, r.keep(ctx, out, kind, resp)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, int64(r.s.opts.MaxResult)+1))
	if err != nil {
		return nil, err
	}
	r.record.ResultSize = len(data)
	switch {
	case len(data) > r.s.opts.MaxResult:
		return nil, domain.Errorf(domain.CodeTooLarge, "the answer has more than %d bytes, the most that fit into one", r.s.opts.MaxResult).
			WithFix("Ask for less: fewer items, or a smaller part.")
	case len(bytes.TrimSpace(data)) == 0:
		return out, nil
	case json.Valid(data) && utf8.Valid(data) && kind != "text/plain" && CheckValues(data) == nil:
		out.Data = data
		return out, nil
	}
	out.Data, err = json.Marshal(strings.ToValidUTF8(string(data), "\uFFFD"))
	return out, err
}

func textual(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") ||
		kind == "application/javascript" || kind == "application/x-www-form-urlencoded"
}

// keep puts a body that is no text into the file store.
func (r *run) keep(ctx context.Context, out *ProxyAnswer, kind string, resp *http.Response) error {
	if r.s.opts.Files == nil {
		return domain.Errorf(domain.CodeUnavailable, "the answer is a file, and this server keeps none")
	}
	name := path.Base(resp.Request.URL.Path)
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		name = params["filename"]
	}
	f, err := r.s.opts.Files.Put(ctx, r.req.Principal.ProjectID, files.Meta{Name: name, MIME: kind, Toolkit: r.record.Toolkit, Tool: policy.ProxyExecute}, resp.Body)
	var broken *files.ReadError
	if errors.As(err, &broken) {
		return broken.Cause
	}
	if err != nil {
		return err
	}
	r.record.ResultSize = int(f.Size)
	token, err := r.s.opts.Files.AllowDownload(ctx, f)
	if err != nil {
		return err
	}
	out.File = &ProxyFile{URL: r.s.opts.FileURL(r.req.Origin, token), MIME: f.MIME, Size: f.Size, ExpiresAt: r.s.opts.Files.Until(f)}
	return nil
}

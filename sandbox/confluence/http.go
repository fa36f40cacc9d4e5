package confluence

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// call is one authenticated request.
type call struct {
	*Sandbox
	w    http.ResponseWriter
	r    *http.Request
	me   *user
	q    url.Values
	base string
	v1   bool
	from *principal // who called the gateway; nil at the site host

	status   int // of a success; 200 when 0
	unlocker func()
}

// endpoint answers a call. It takes the lock that it needs with rlock or lock;
// the lock is released when it returns, and the result is encoded after that.
type endpoint func(*call) (any, *apiError)

func (c *call) rlock() {
	c.mu.RLock()
	c.unlocker = c.mu.RUnlock
}

func (c *call) lock() {
	c.mu.Lock()
	c.unlocker = c.unlock
}

// front builds the site host's handler.
func (s *Sandbox) front() http.Handler {
	mux := http.NewServeMux()
	mount(mux, "/wiki/api/v2", v2Tables(), func(e endpoint) http.Handler { return s.serve(e, false) })
	mount(mux, "/wiki/rest/api", v1Tables(), func(e endpoint) http.Handler { return s.serve(e, true) })
	mount(mux, "/wiki/rest/api", uploadTables(), func(e endpoint) http.Handler { return s.serveUpTo(e, true, s.opts.MaxAttachment+MaxBody) })
	mount(mux, "/wiki/rest/api", v1RemovedTables(), func(e endpoint) http.Handler {
		return s.serve(s.removed(e), true)
	})
	mux.Handle("/wiki/api/v2/", s.serve(unknown(mux), false))
	mux.Handle("/wiki/rest/api/", s.serve(unknown(mux), true))
	mux.HandleFunc("GET /_edge/tenant_info", s.tenantInfo)
	s.pagesHTML(mux)
	s.downloads(mux)
	s.mountAuth(mux)
	s.mux = mux
	return s.outer(s.gateway())
}

// outer marks every answer and applies faults.
func (s *Sandbox) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()[Header] = []string{"true"}
		f := s.takeFault(r)
		s.requests.Add(1) // after the fault is taken: who waits for the count knows that it hit
		if f != nil {
			s.disturb(f, w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Sandbox) serve(e endpoint, v1 bool) http.Handler { return s.serveUpTo(e, v1, MaxBody) }

// serveUpTo takes request bodies of up to most bytes.
func (s *Sandbox) serveUpTo(e endpoint, v1 bool, most int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Sandbox: s, w: w, r: r, v1: v1, base: s.opts.BaseURL, from: principalOf(r)}
		if c.base == "" {
			c.base = requestBase(r)
		}
		if r.URL.RawQuery != "" {
			c.q = r.URL.Query()
		}
		r.Body = http.MaxBytesReader(w, r.Body, int64(most))
		out, err := c.run(e)
		if s.opts.Logger != nil {
			s.opts.Logger.DebugContext(r.Context(), "sandbox request", "method", r.Method, "path", r.URL.Path, "failed", err != nil)
		}
		c.charge(out)
		c.answer(out, err)
	})
}

func requestBase(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (c *call) run(e endpoint) (any, *apiError) {
	defer func() {
		if c.unlocker != nil {
			c.unlocker()
		}
	}()
	if err := c.authenticate(); err != nil {
		return nil, err
	}
	return e(c)
}

func (c *call) authenticate() *apiError {
	if c.from != nil {
		c.mu.RLock()
		c.me = c.st.users[c.from.account]
		c.mu.RUnlock()
		if err := c.admit(); err != nil {
			return err
		}
	} else if email, token, ok := c.r.BasicAuth(); ok {
		if c.scopedTokenUsed(token) {
			return &apiError{status: http.StatusUnauthorized, html: tomcatPage}
		}
		key := credential(email, token)
		c.mu.RLock()
		c.me = c.st.users[c.st.tokens[key]]
		c.mu.RUnlock()
	}
	if c.me == nil && c.opts.Anonymous && c.r.Header.Get("Authorization") == "" && c.r.Method == http.MethodGet {
		c.me = nobody
	}
	if c.me != nil {
		c.useAdminKey()
		return nil
	}
	if c.v1 {
		return forbidden("Current user not permitted to use Confluence")
	}
	return notFound("Not Found")
}

// tomcatPage is what the site host says to a scoped API token.
const tomcatPage = `<!doctype html><html lang="en"><head><title>HTTP Status 401 – Unauthorized</title></head><body><h1>HTTP Status 401 – Unauthorized</h1></body></html>`

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (c *call) answer(out any, err *apiError) {
	status := c.status
	if status == 0 {
		status = http.StatusOK
	}
	h := c.w.Header()
	if err != nil {
		status = err.status
		if err.html != "" {
			h.Set("Content-Type", "text/html;charset=UTF-8")
			c.w.WriteHeader(status)
			_, _ = io.WriteString(c.w, err.html)
			return
		}
		if c.v1 {
			out = err.bodyV1()
		} else {
			out = err.bodyV2()
		}
	}
	if out == nil {
		if c.status == 0 {
			status = http.StatusNoContent
		}
		c.w.WriteHeader(status)
		return
	}
	if f, ok := out.(rawFile); ok {
		h.Set("Content-Type", f.typ)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
		c.w.WriteHeader(status)
		_, _ = c.w.Write(f.data)
		return
	}
	buf, _ := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer buffers.Put(buf)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if e := enc.Encode(out); e != nil {
		http.Error(c.w, "encoding the answer: "+e.Error(), http.StatusInternalServerError)
		return
	}
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(buf.Len() - 1)}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(buf.Bytes()[:buf.Len()-1])
}

var jsonType = []string{"application/json"}

// decode reads a JSON body into v.
func (c *call) decode(v any) *apiError {
	data, err := io.ReadAll(c.r.Body)
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return tooLarge()
	}
	if err != nil {
		return badRequest("The request body could not be read")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return badRequest("Request body is required")
	}
	if err := json.Unmarshal(data, v); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) {
			return badRequest("Invalid message: field '%s' has the wrong type, %s is not expected", t.Field, t.Value)
		}
		return badRequest("Invalid message: the request body is not valid JSON")
	}
	return nil
}

// unknown answers paths that the API does not have, and methods that a path does not have.
func unknown(mux *http.ServeMux) endpoint {
	return func(c *call) (any, *apiError) {
		if servesOther(mux, c.r) {
			return nil, refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "NotImplementedServiceException",
				"Request method '%s' is not supported", c.r.Method)
		}
		if c.v1 {
			return nil, notFound("null for uri: %s", c.r.URL.Path)
		}
		return nil, notFound("Not Found")
	}
}

// servesOther says whether the path of a request is served for another method.
func servesOther(mux *http.ServeMux, r *http.Request) bool {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(probe); strings.HasPrefix(pattern, m+" ") {
			return true
		}
	}
	return false
}

func gone(*call) (any, *apiError) {
	return nil, refuse(http.StatusGone, "GONE", "GoneException", "This deprecated endpoint has been removed.")
}

func (s *Sandbox) tenantInfo(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = jsonType
	_, _ = io.WriteString(w, `{"cloudId":"`+s.cloudID+`"}`)
}

// pathID reads a numeric path parameter; name is how the answer calls it.
func (c *call) pathID(param, name string) (int64, *apiError) {
	raw := c.r.PathValue(param)
	if c.v1 || strings.Contains(c.r.Pattern, "/attachments/{") {
		raw = strings.TrimPrefix(raw, attachmentPrefix)
	}
	id, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		if c.v1 {
			return 0, badRequest("Content id '%s' is not valid: it must be a number", raw)
		}
		return 0, wrongType(raw, name, "long")
	}
	return id, nil
}

// list gives a query parameter that may be repeated or hold commas.
func (c *call) list(name string) []string {
	var out []string
	for _, v := range c.q[name] {
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

func (c *call) ids(name string) (map[int64]bool, *apiError) {
	vs := c.list(name)
	if len(vs) == 0 {
		return nil, nil
	}
	if len(vs) > 250 {
		return nil, badRequest("'%s' takes at most 250 values, got %d", name, len(vs))
	}
	out := make(map[int64]bool, len(vs))
	for _, v := range vs {
		id, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, wrongType(v, name, "long")
		}
		out[id] = true
	}
	return out, nil
}

func (c *call) flag(name string) (bool, *apiError) {
	v := c.q.Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, wrongType(v, name, "boolean")
	}
	return b, nil
}

// oneOf reads a query parameter that takes one of some words.
func (c *call) oneOf(name, def string, allowed ...string) (string, *apiError) {
	v := c.q.Get(name)
	if v == "" {
		return def, nil
	}
	for _, a := range allowed {
		if v == a {
			return v, nil
		}
	}
	return "", badRequest("Provided value {%s} for '%s' is not valid. Valid values are %v", v, name, allowed)
}

func (c *call) anyOf(name string, def []string, allowed ...string) (map[string]bool, *apiError) {
	vs := c.list(name)
	if len(vs) == 0 {
		vs = def
	}
	out := map[string]bool{}
	for _, v := range vs {
		ok := false
		for _, a := range allowed {
			ok = ok || v == a
		}
		if !ok {
			return nil, badRequest("Provided value {%s} for '%s' is not valid. Valid values are %v", v, name, allowed)
		}
		out[v] = true
	}
	return out, nil
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

func itoa(id int64) string { return strconv.FormatInt(id, 10) }

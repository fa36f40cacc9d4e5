package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/telemetry"
)

// modernVersion is the first version without handshake and sessions.
const modernVersion = "2026-07-28"

// bodyTimeout bounds how long a request's body may take to arrive.
const bodyTimeout = 30 * time.Second

// Handler serves the endpoint at Path. Clients join addresses in many ways:
// doubled and trailing slashes are taken, where http.ServeMux would redirect and
// lose the body.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
		if use, ok := serverUse(r, parts); ok {
			s.serve(w, r, s.serverOpener(use))
			return
		}
		if len(parts) != 3 || parts[0] != "tool_router" || parts[2] != "mcp" {
			refuse(w, http.StatusNotFound, codeNoSession, "there is nothing here; a session's MCP endpoint is %s", Path)
			return
		}
		s.serve(w, r, s.sessionOpener(parts[1]))
	})
}

// opener gives the session of an address to who has the key; the key may be
// empty.
type opener func(ctx context.Context, key string) (*session.Handle, error)

func (s *Server) sessionOpener(id string) opener {
	return func(ctx context.Context, key string) (*session.Handle, error) {
		principal, err := s.opts.Identity.Authenticate(ctx, key)
		if err != nil {
			return nil, err
		}
		return s.opts.Sessions.Open(ctx, principal, id)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, open opener) {
	if !s.guard(w, r) {
		return
	}
	if !slices.Contains([]string{http.MethodPost, http.MethodGet, http.MethodDelete}, r.Method) {
		w.Header().Set("Allow", "GET, POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, codeRefused, "an MCP endpoint takes POST, GET and DELETE")
		return
	}
	ctx := r.Context()
	key := keyOf(r)
	handle, err := open(ctx, key)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeUnauthenticated && r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // net/http would wait for a stranger's body
		}
		s.logInternal(ctx, "open session", err)
		refuseError(w, err)
		return
	}
	handle.Origin = s.opts.Origin(r)
	if s.isClosing() {
		refuseError(w, errShutdown())
		return
	}
	// No header of ours comes from outside, and no key goes further in.
	r.Header.Del("X-Api-Key")
	r.Header.Del("Authorization")

	f := &flight{handle: handle, requestID: telemetry.RequestID(ctx)}
	f.reopen = func(ctx context.Context) error { _, err := open(ctx, key); return err }
	if f.requestID == "" {
		f.requestID = domain.NewID(domain.PrefixRequest)
		ctx = telemetry.WithRequestID(ctx, f.requestID)
	}
	w.Header().Set("X-Request-Id", f.requestID)
	w.Header().Set("X-Request-Id", f.requestID)
	ctx, stopWatch := s.opts.Identity.Watch(ctx, handle.Principal)
	defer stopWatch()
	ctx, f.cancel = context.WithCancelCause(ctx)
	defer f.cancel(nil)
	r = r.WithContext(ctx)
	id := s.flights.add(f)
	defer s.flights.remove(id)
	r.Header.Set(flightHeader, id)

	if r.Method == http.MethodPost {
		s.post(w, r, f)
		return
	}
	f.out = newStream(w, s.opts.KeepAlive)
	defer s.finish(r.Context(), f)
	if isModern(r) {
		s.modernJSON.ServeHTTP(f.out, r) // says that there is nothing but POST
		return
	}
	if !s.knownVersion(f.out, r) {
		return
	}
	if r.Method == http.MethodGet && !accepts(r, "text/event-stream") {
		refuse(f.out, http.StatusBadRequest, codeInvalidRequest, "a GET must accept text/event-stream")
		return
	}
	s.serveLegacy(f.out, r, f, frame{})
}

// keyOf gives the key that the request carries.
func keyOf(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return strings.TrimSpace(key)
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}

// post serves a message.
func (s *Server) post(w http.ResponseWriter, r *http.Request, f *flight) {
	v := s.opts.Rate.Take(f.handle.Principal.ProjectID, f.handle.Principal.KeyID)
	v.Tell(w.Header())
	if v.Refused {
		refuseError(w, v.Err("this API key", "requests"))
		return
	}
	done, ok := s.limits.startCall(f.handle.Principal.KeyID)
	if !ok {
		setRetryAfter(w, time.Second)
		refuse(w, http.StatusTooManyRequests, codeRefused,
			"this API key has %d requests in progress, the most it may have. Wait for one to end.", s.opts.MaxCalls)
		return
	}
	defer done()
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, codeRefused, "Content-Type must be application/json")
		return
	}
	if !accepts(r, "application/json") || !accepts(r, "text/event-stream") {
		refuse(w, http.StatusBadRequest, codeInvalidRequest, "Accept must name both application/json and text/event-stream")
		return
	}
	body, ok := s.readBody(w, r)
	if !ok {
		return
	}
	if err := execute.CheckValues(body); err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, codeRefused, "%s", sentence(domain.AsError(err)))
		return
	}
	msg, err := parseFrame(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, codeParse, "parse error: the body is not valid JSON")
		return
	}
	if msg.empty && msg.version == "2.0" {
		refuse(w, http.StatusBadRequest, codeInvalidRequest, "a message has a method, a result or an error; this one has none")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	f.out = newStream(w, s.opts.KeepAlive)
	f.out.id = msg.id
	defer s.finish(r.Context(), f)
	switch {
	case isModern(r):
		s.serveModern(f.out, r, f, msg, body)
	case s.knownVersion(f.out, r):
		s.serveLegacy(f.out, r, f, msg)
	}
}

// finish ends the answer. One that was broken off before it began says why.
func (s *Server) finish(ctx context.Context, f *flight) {
	defer f.out.finish()
	if f.out.begun() {
		return
	}
	var e *domain.Error
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &e):
		refuseError(f.out, e) // the key was revoked
	case errors.Is(cause, errClosing):
		refuseError(f.out, errShutdown())
	}
}

// readBody reads the body whole, within the limits of size and time.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	tooLarge := func() {
		w.Header().Set("Connection", "close") // the rest of the body is not read
		refuse(w, http.StatusRequestEntityTooLarge, codeRefused, "the message is larger than %d bytes", s.opts.MaxBody)
	}
	if r.ContentLength > s.opts.MaxBody {
		tooLarge()
		return nil, false
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer has a connection
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	if err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			tooLarge()
		} else {
			refuse(w, http.StatusBadRequest, codeInvalidRequest, "the body could not be read to its end")
		}
		return nil, false
	}
	return body, true
}

func isModern(r *http.Request) bool { return r.Header.Get("MCP-Protocol-Version") >= modernVersion }

// knownVersion refuses versions of the handshake era that do not exist. No
// version at all is fine: initialize comes without.
func (s *Server) knownVersion(w http.ResponseWriter, r *http.Request) bool {
	v := r.Header.Get("MCP-Protocol-Version")
	if v == "" || slices.Contains(mcp.SupportedProtocolVersions(), v) {
		return true
	}
	refuse(w, http.StatusBadRequest, codeInvalidRequest, "protocol version %q is not supported; these are: %s",
		v, strings.Join(mcp.SupportedProtocolVersions(), ", "))
	return false
}

// accepts says whether the Accept header takes the media type.
func accepts(r *http.Request, want string) bool {
	class, _, _ := strings.Cut(want, "/")
	for _, value := range r.Header.Values("Accept") {
		for one := range strings.SplitSeq(value, ",") {
			t, _, _ := strings.Cut(one, ";")
			switch strings.ToLower(strings.TrimSpace(t)) {
			case want, class + "/*", "*/*":
				return true
			}
		}
	}
	return false
}

// serveModern serves a self-contained message.
func (s *Server) serveModern(w *stream, r *http.Request, f *flight, msg frame, body []byte) {
	if plainModernList(msg, r.Header) {
		s.serveList(w, f, msg, func(l *toolList) []byte { return l.modern })
		return
	}
	if msg.method == methodToolsCall && !s.headersAgree(w, r, f, msg) {
		return
	}
	if req, ok := plainModernCall(msg, r.Header); ok {
		s.serveCall(r.Context(), w, f, msg, req)
		return
	}
	switch {
	case msg.method == methodListen:
		s.serveEvents(w, r, f, s.modernSSE)
	case bytes.Contains(body, []byte(`"progressToken"`)), bytes.Contains(body, []byte(metaLogLevel)):
		s.modernSSE.ServeHTTP(w, r)
	default:
		s.modernJSON.ServeHTTP(w, r)
	}
}

// serveList answers tools/list with the cached bytes of its era.
func (s *Server) serveList(w *stream, f *flight, msg frame, era func(*toolList) []byte) {
	l, err := s.listOf(f)
	if err != nil {
		refuseError(w, err)
		return
	}
	answerList(w, msg.id, era(l))
}

func (s *Server) listOf(f *flight) (*toolList, error) {
	set, err := s.opts.Sessions.Tools(f.handle)
	if err != nil {
		return nil, err
	}
	return s.lists.get(set)
}

// headersAgree checks the headers that a tool's schema asks for. The SDK checks
// them too, but only of tools that it knows.
func (s *Server) headersAgree(w *stream, r *http.Request, f *flight, msg frame) bool {
	l, err := s.listOf(f)
	if err != nil {
		refuseError(w, err)
		return false
	}
	if len(l.headers) == 0 {
		return true
	}
	params, _ := object(msg.params)
	var name string
	_ = json.Unmarshal(params["name"], &name) // what is no name, the SDK refuses
	if err := checkHeaders(l.headers[name], r.Header, params["arguments"]); err != nil {
		refuseID(w, http.StatusBadRequest, msg.id, codeHeaderMismatch, err.Error())
		return false
	}
	return true
}

// serveEvents serves a stream that stays open: the GET of a handshake-era
// session, or a subscription. It ends with the key, the router session, the
// client or the server.
func (s *Server) serveEvents(w *stream, r *http.Request, f *flight, next http.Handler) {
	done, full, ok := s.limits.startStream(f.handle.Principal.KeyID)
	if !ok {
		setRetryAfter(w, 10*time.Second)
		if full {
			refuse(w, http.StatusServiceUnavailable, codeRefused, "this server has %d event streams open, the most it takes", s.opts.MaxAllStreams)
		} else {
			refuse(w, http.StatusTooManyRequests, codeRefused, "this API key has %d event streams open, the most it may have", s.opts.MaxStreams)
		}
		return
	}
	defer done()
	s.streaming.Lock()
	s.streams[f] = f.cancel
	s.streaming.Unlock()
	defer func() {
		s.streaming.Lock()
		defer s.streaming.Unlock()
		delete(s.streams, f)
	}()
	if s.isClosing() { // Drain came between
		f.cancel(errClosing)
	}
	ctx := r.Context()
	w.onBeat = func() {
		switch domain.CodeOf(f.reopen(ctx)) {
		case domain.CodeNotFound, domain.CodeUnauthenticated:
			f.cancel(errDeleted)
		}
	}
	next.ServeHTTP(w, r)
}

package mcpserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
)

// sessionHeader names the transport session of the handshake era.
const sessionHeader = "Mcp-Session-Id"

// maxBatch bounds the messages of one request (2025-03-26 only): they are all
// served at once, and count as one request of their key.
const maxBatch = 50

// legacyTable keeps the handshake-era sessions of this process. It stands in
// for the SDK's own table, which could neither bind a session to a router
// session and a key, nor say which sessions live, nor cancel the calls of one.
type legacyTable struct {
	server *mcp.Server
	idle   time.Duration
	most   int // sessions
	mine   int // the most of one key

	mu      sync.Mutex
	all     map[string]*legacySession
	opening int            // sessions that are not in all yet; they have their place
	keys    map[string]int // sessions by key, those that open too
	closed  bool
}

// legacySession is one transport session. It belongs to the router session and
// the key that opened it: with any other it does not exist.
type legacySession struct {
	id        string
	router    string
	subjects  []string // with whose end it ends
	principal domain.Principal
	session   *mcp.ServerSession
	transport *mcp.StreamableServerTransport

	mu     sync.Mutex
	users  int         // requests in progress; the idle timer rests meanwhile
	timer  *time.Timer // nil once closed
	calls  map[int]context.CancelCauseFunc
	nextID int
}

func newLegacyTable(server *mcp.Server, idle time.Duration, most, perKey int) *legacyTable {
	return &legacyTable{
		server: server, idle: idle, most: most, mine: perKey,
		all: map[string]*legacySession{}, keys: map[string]int{},
	}
}

// use gives the session with this id when it belongs to the router session and
// key, and keeps it awake until done is called.
func (t *legacyTable) use(id, router string, p domain.Principal) (s *legacySession, done func(), ok bool) {
	t.mu.Lock()
	s = t.all[id]
	t.mu.Unlock()
	if s == nil || s.router != router || s.principal != p || !s.wake() {
		return nil, nil, false
	}
	return s, func() { s.rest(t.idle) }, true
}

// open makes a session, awake until done is called.
func (t *legacyTable) open(ctx context.Context, router string, p domain.Principal, subjects ...string) (*legacySession, func(), error) {
	if err := t.reserve(p.KeyID); err != nil {
		return nil, nil, err
	}
	s := &legacySession{
		id: rand.Text(), router: router, subjects: append(subjects, router), principal: p, users: 1,
		calls: map[int]context.CancelCauseFunc{},
	}
	s.transport = &mcp.StreamableServerTransport{SessionID: s.id}
	session, err := t.server.Connect(ctx, s.transport, nil)
	if err != nil {
		t.release(p.KeyID, nil)
		return nil, nil, domain.Internal("opening an MCP session", err)
	}
	s.session = session
	s.timer = time.AfterFunc(t.idle, func() { t.close(s, context.DeadlineExceeded) })
	s.timer.Stop() // until it rests
	if !t.release(p.KeyID, s) {
		t.close(s, errClosing)
		return nil, nil, errShutdown()
	}
	return s, func() { s.rest(t.idle) }, nil
}

func errShutdown() error {
	return domain.Errorf(domain.CodeUnavailable, "the server is shutting down")
}

// reserve takes a place for a session to be opened.
func (t *legacyTable) reserve(key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return errShutdown()
	case t.keys[key] >= t.mine:
		return domain.Errorf(domain.CodeRateLimited, "this API key has %d MCP sessions open, the most it may have", t.mine).
			WithFix("End those that are done with DELETE, or use protocol version %s, which needs no session.", modernVersion)
	case len(t.all)+t.opening >= t.most:
		return domain.Errorf(domain.CodeUnavailable, "this server has %d MCP sessions open, the most it takes", t.most).
			WithFix("Try again later, or use protocol version %s, which needs no session.", modernVersion)
	}
	t.opening++
	t.keys[key]++
	return nil
}

// release gives the reserved place to s, or back when s is nil; false says that
// the table was closed meanwhile.
func (t *legacyTable) release(key string, s *legacySession) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opening--
	if s != nil && !t.closed {
		t.all[s.id] = s
	} else {
		t.leave(key)
	}
	return !t.closed
}

// leave gives the place of one of the key's sessions back. t.mu is held.
func (t *legacyTable) leave(key string) {
	if t.keys[key]--; t.keys[key] == 0 {
		delete(t.keys, key)
	}
}

// wake stops the idle timer; false when the session is closed.
func (s *legacySession) wake() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		return false
	}
	if s.users == 0 {
		s.timer.Stop()
	}
	s.users++
	return true
}

func (s *legacySession) rest(idle time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	if s.timer != nil && s.users == 0 {
		s.timer.Reset(idle)
	}
}

// track lets close cancel a call; done ends that.
func (s *legacySession) track(cancel context.CancelCauseFunc) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	id := s.nextID
	s.calls[id] = cancel
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, id)
	}
}

func (t *legacyTable) forget(s *legacySession) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[s.id] == nil {
		return
	}
	delete(t.all, s.id)
	t.leave(s.principal.KeyID)
}

// close ends a session: its calls are cancelled, its streams end, and it is
// unknown from now on. It waits for calls in progress to return.
func (t *legacyTable) close(s *legacySession, cause error) {
	if t.end(s, cause) {
		_ = s.session.Close() // a transport in memory has nothing to fail at
	}
}

// end is close without the waiting; false when the session has ended before.
func (t *legacyTable) end(s *legacySession, cause error) bool {
	t.forget(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		return false
	}
	s.timer.Stop()
	s.timer = nil
	for _, cancel := range s.calls {
		cancel(cause)
	}
	return true
}

func (t *legacyTable) closeOf(subject string, cause error) {
	t.closeWhere(func(s *legacySession) bool { return slices.Contains(s.subjects, subject) }, cause)
}

func (t *legacyTable) closeAll(cause error) {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.closeWhere(func(*legacySession) bool { return true }, cause)
}

func (t *legacyTable) closeWhere(which func(*legacySession) bool, cause error) {
	t.mu.Lock()
	var ending []*legacySession
	for _, s := range t.all {
		if which(s) {
			ending = append(ending, s)
		}
	}
	t.mu.Unlock()
	// All hear of it before any is waited for.
	ending = slices.DeleteFunc(ending, func(s *legacySession) bool { return !t.end(s, cause) })
	for _, s := range ending {
		_ = s.session.Close()
	}
}

// serveLegacy serves a request of the handshake era; msg is empty for GET and
// DELETE.
func (s *Server) serveLegacy(w *stream, r *http.Request, f *flight, msg frame) {
	if v := r.Header.Get("MCP-Protocol-Version"); msg.batch && v >= "2025-06-18" {
		refuse(w, http.StatusBadRequest, codeInvalidRequest, "protocol version %s has no batches: send one message a request", v)
		return
	}
	if msg.size > maxBatch {
		refuse(w, http.StatusBadRequest, codeInvalidRequest, "the batch holds %d messages, of at most %d: send several batches", msg.size, maxBatch)
		return
	}
	if bytes.Contains(msg.params, []byte(metaVersion)) && msg.method != methodInitialize {
		s.modernJSON.ServeHTTP(w, r) // says that the header MCP-Protocol-Version is missing
		return
	}
	id := r.Header.Get(sessionHeader)
	switch {
	case id == "" && msg.method == methodInitialize:
		s.openLegacy(w, r, f)
		return
	case id == "" && r.Method == http.MethodPost:
		refuseID(w, http.StatusBadRequest, msg.id, codeInvalidRequest,
			"initialize first, and repeat the Mcp-Session-Id of its answer; or send the header MCP-Protocol-Version: "+modernVersion)
		return
	case id == "":
		refuse(w, http.StatusBadRequest, codeInvalidRequest, "%s needs the header Mcp-Session-Id that the answer to initialize carried", r.Method)
		return
	}
	session, done, ok := s.legacy.use(id, f.handle.ID, f.handle.Principal)
	if !ok {
		refuse(w, http.StatusNotFound, codeNoSession, "there is no such MCP session here: send initialize again, without Mcp-Session-Id")
		return
	}
	defer done()
	f.legacy = session
	switch r.Method {
	case http.MethodDelete:
		s.legacy.close(session, context.Canceled)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet:
		s.serveEvents(w, r, f, session.transport)
	default:
		if _, ok := plainList(msg, r.Header); ok && session.session.InitializeParams() != nil {
			s.serveList(w, f, msg, func(l *toolList) []byte { return l.legacy })
			return
		}
		session.transport.ServeHTTP(w, r)
	}
}

// openLegacy serves initialize, which opens a session. When the SDK refuses it,
// the session is closed again.
func (s *Server) openLegacy(w *stream, r *http.Request, f *flight) {
	session, done, err := s.legacy.open(r.Context(), f.handle.ID, f.handle.Principal, subjects(f.handle)...)
	if err != nil {
		refuseError(w, err)
		return
	}
	defer done()
	f.legacy = session
	session.transport.ServeHTTP(w, r)
	if session.session.InitializeParams() == nil {
		s.legacy.close(session, context.Canceled)
		return
	}
	s.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "mcp session opened",
		slog.String("session", f.handle.ID), slog.String("key", f.handle.Principal.KeyID))
}

package mcpserver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/session"
)

// Handler serves sessions at Path, and MCP servers at ServerPath and below it.
const (
	Path       = "/tool_router/{session}/mcp"
	ServerPath = "/v3/mcp/{server}"
)

// Options configures a Server. Sessions and Identity are required; a zero limit
// means the default in brackets.
type Options struct {
	Sessions *session.Service
	Identity *identity.Service
	Logger   *slog.Logger
	Version  string // of Sluice, told to clients

	// Origin gives the origin by which a request came, for links and for
	// telling our own pages from others; nil takes it from TLS and Host.
	Origin func(*http.Request) string
	// AllowedOrigins are the browser origins that may call besides our own.
	AllowedOrigins []string
	// Hosts are names that a request may carry in its Host header although it
	// arrived on a loopback address: those of a reverse proxy on this machine.
	Hosts []string

	IdleTimeout   time.Duration // of a handshake-era session without requests [10 min]
	KeepAlive     time.Duration // between comments on a silent event stream [15 s]
	EarlyHeaders  time.Duration // until the headers of a silent event stream go out [50 ms]
	MaxBody       int64         // bytes of one request [4 MiB]
	MaxCalls      int           // requests of one key at a time [64]
	MaxStreams    int           // open streams of one key [half of all]
	MaxAllStreams int           // open streams in all [1024]
	MaxSessions   int           // handshake-era sessions in all, of which one key may have half [10,000]
	// Rate bounds the messages that one key sends in a time, together with what else
	// counts there; nil: it does not.
	Rate    *policy.Limiter
	ListTTL time.Duration // for which clients may keep a tool list [5 min]
}

func (o Options) withDefaults() Options {
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 10*time.Minute)
	o.KeepAlive = cmp.Or(o.KeepAlive, 15*time.Second)
	o.EarlyHeaders = cmp.Or(o.EarlyHeaders, 50*time.Millisecond)
	o.MaxBody = cmp.Or(o.MaxBody, 4<<20)
	o.MaxCalls = cmp.Or(o.MaxCalls, 64)
	o.MaxAllStreams = cmp.Or(o.MaxAllStreams, 1024)
	o.MaxStreams = cmp.Or(o.MaxStreams, max(1, o.MaxAllStreams/2))
	o.MaxSessions = cmp.Or(o.MaxSessions, 10_000)
	o.ListTTL = cmp.Or(o.ListTTL, 5*time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Origin == nil {
		o.Origin = requestOrigin
	}
	return o
}

// requestOrigin is the origin that a client used when no proxy is between.
func requestOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// Server is the MCP endpoint. It is safe for concurrent use.
type Server struct {
	opts    Options
	flights flights
	lists   lists
	limits  limits
	legacy  *legacyTable

	// The modern SDK handlers share one server; they differ in how they answer.
	modernJSON, modernSSE http.Handler

	closing   chan struct{} // closed by Drain
	drain     sync.Once
	streaming sync.Mutex
	streams   map[*flight]context.CancelCauseFunc // open streams, for Drain and Forget
}

// Why a stream or call ended before its time.
var (
	errClosing = errors.New("the server is shutting down")
	errDeleted = errors.New("the session was deleted")
)

// New makes a Server.
func New(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{opts: opts, streams: map[*flight]context.CancelCauseFunc{}, closing: make(chan struct{})}
	s.lists.ttl, s.lists.self = opts.ListTTL, implementation(opts.Version)
	s.limits = limits{calls: opts.MaxCalls, streams: opts.MaxStreams, all: opts.MaxAllStreams}

	modern := s.newSDKServer()
	get := func(*http.Request) *mcp.Server { return modern }
	modernOptions := func(asJSON bool) *mcp.StreamableHTTPOptions {
		return &mcp.StreamableHTTPOptions{
			Stateless: true, JSONResponse: asJSON, PropagateRequestCancellation: true,
			MaxRequestBodyBytes:        opts.MaxBody,
			DisableLocalhostProtection: true, // guard does it, and knows the proxy's names
		}
	}
	s.modernJSON = mcp.NewStreamableHTTPHandler(get, modernOptions(true))
	s.modernSSE = mcp.NewStreamableHTTPHandler(get, modernOptions(false))
	s.legacy = newLegacyTable(s.newSDKServer(), opts.IdleTimeout, opts.MaxSessions, (opts.MaxSessions+1)/2)
	return s
}

const instructions = "Work in the user's applications through this session. " +
	"Find tools with COMPOSIO_SEARCH_TOOLS, read their schemas with COMPOSIO_GET_TOOL_SCHEMAS, " +
	"run them with COMPOSIO_MULTI_EXECUTE_TOOL; tools listed by their own name can be called directly. " +
	"When a toolkit is not connected yet, give the user the link of COMPOSIO_MANAGE_CONNECTIONS."

// implementation is how we name ourselves to clients.
func implementation(version string) *mcp.Implementation {
	return &mcp.Implementation{Name: "sluice", Title: "Sluice", Version: cmp.Or(version, "dev")}
}

// newSDKServer makes a server that takes its tools from the flight of each
// request. Its tool list never changes by itself, so no list_changed is offered.
func (s *Server) newSDKServer() *mcp.Server {
	srv := mcp.NewServer(implementation(s.opts.Version), &mcp.ServerOptions{
		Instructions: instructions,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
		SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) {
			c.CacheScope, c.TTLMs = "private", int(s.opts.ListTTL.Milliseconds())
		},
	})
	srv.AddReceivingMiddleware(s.answer)
	return srv
}

// Drain ends the open streams that wait for nothing in particular and refuses
// new requests; calls in progress go on. It is for http.Server.RegisterOnShutdown:
// Shutdown would wait for such streams forever.
func (s *Server) Drain() {
	s.drain.Do(func() { close(s.closing) })
	s.endStreams(errClosing, func(*flight) bool { return true })
}

// subjects are the ids with whose end a session ends: its own, its MCP server's,
// and what stands for the key.
func subjects(h *session.Handle) []string {
	return []string{h.ID, h.Server, h.Principal.KeyID}
}

// Forget ends what is open for a router session, an MCP server or an instance of
// one that was deleted. Without it open streams notice at their next keep-alive.
func (s *Server) Forget(sessionID string) {
	s.endStreams(errDeleted, func(f *flight) bool { return slices.Contains(subjects(f.handle), sessionID) })
	s.legacy.closeOf(sessionID, errDeleted)
}

// Close ends everything that is open: streams, calls and handshake-era
// sessions. Requests that come later are refused. It never fails and may be
// called again.
func (s *Server) Close() error {
	s.Drain()
	s.flights.cancelAll(errClosing)
	s.legacy.closeAll(errClosing)
	return nil
}

func (s *Server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func (s *Server) endStreams(cause error, which func(*flight) bool) {
	s.streaming.Lock()
	defer s.streaming.Unlock()
	for f, cancel := range s.streams {
		if which(f) {
			cancel(cause)
		}
	}
}

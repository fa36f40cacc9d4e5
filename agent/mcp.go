package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// MCPOptions configure [MCP]. The zero value is ready for use.
type MCPOptions struct {
	// Header is sent with every request to the server's own host, for example
	// an API key. It never follows a redirect to another host.
	Header http.Header
	// HTTPClient carries the requests; it should have no overall timeout, since
	// answers are streams. The default follows the environment's proxies.
	HTTPClient *http.Client
	// OnForm answers a server that asks the person to fill in a form; OnURL one
	// that asks the person to open a link (to connect an account, to confirm).
	// What is not set is not offered to the server.
	OnForm func(ctx context.Context, ask FormRequest) (Answer, error)
	OnURL  func(ctx context.Context, ask URLRequest) (Answer, error)
	// Name and Version of this client, as the server sees them.
	Name, Version string
	// Refresh is how long a list of tools is used before the server is asked
	// again (default 15 s).
	Refresh time.Duration
}

// FormRequest asks a person for values. Schema is the JSON Schema of a flat
// object.
type FormRequest struct {
	Message string
	Schema  json.RawMessage
}

// URLRequest asks a person to open URL and to come back.
type URLRequest struct{ Message, URL string }

// Answer is what the person did: Accept with the form's values (none for a
// URL), or decline; Cancel is neither, the question was dismissed.
type Answer struct {
	Accept bool
	Cancel bool
	Values map[string]any
}

// MCPToolset is a [Toolset] of an MCP server, reached over Streamable HTTP. It
// connects when it is first used and again when the server has forgotten the
// session. It is safe for concurrent use and is to be closed.
type MCPToolset struct {
	endpoint string
	opts     MCPOptions
	client   *mcp.Client
	http     *http.Client

	tokens   atomic.Int64
	progress sync.Map // token → func(Progress)

	mu      sync.Mutex
	session *mcp.ClientSession
	tools   []Tool
	listed  time.Time
}

// MCP returns the tools of the MCP server at endpoint. Nothing is sent before
// the tools are first asked for.
func MCP(endpoint string, opts MCPOptions) *MCPToolset {
	if opts.Refresh == 0 {
		opts.Refresh = 15 * time.Second
	}
	if opts.Name == "" {
		opts.Name = "sluice-agent"
	}
	if opts.Version == "" {
		opts.Version = "1"
	}
	m := &MCPToolset{endpoint: endpoint, opts: opts, http: clientWithHeader(endpoint, opts)}
	clientOpts := &mcp.ClientOptions{
		Capabilities:                &mcp.ClientCapabilities{},
		ProgressNotificationHandler: m.onProgress,
	}
	if opts.OnForm != nil || opts.OnURL != nil {
		caps := &mcp.ElicitationCapabilities{}
		if opts.OnForm != nil {
			caps.Form = &mcp.FormElicitationCapabilities{}
		}
		if opts.OnURL != nil {
			caps.URL = &mcp.URLElicitationCapabilities{}
		}
		clientOpts.Capabilities.Elicitation = caps
		clientOpts.ElicitationHandler = m.onElicit
	}
	m.client = mcp.NewClient(&mcp.Implementation{Name: opts.Name, Version: opts.Version}, clientOpts)
	return m
}

// Close ends the session with the server. The toolset can be used again.
func (m *MCPToolset) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return nil
	}
	err := m.session.Close()
	m.session, m.tools = nil, nil
	return err
}

// Tools lists the server's tools.
func (m *MCPToolset) Tools(ctx context.Context) ([]Tool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tools != nil && time.Since(m.listed) < m.opts.Refresh {
		return m.tools, nil
	}
	tools, err := m.list(ctx)
	if isGone(err) {
		m.session = nil
		tools, err = m.list(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("mcp server %s: %w", hostOf(m.endpoint), err)
	}
	m.tools, m.listed = tools, time.Now()
	return tools, nil
}

// ToolInstructions are the server's own words on how to use its tools.
func (m *MCPToolset) ToolInstructions(ctx context.Context) (string, error) {
	s, err := m.connected(ctx)
	if err != nil {
		return "", err
	}
	if init := s.InitializeResult(); init != nil {
		return init.Instructions, nil
	}
	return "", nil
}

func (m *MCPToolset) connected(ctx context.Context) (*mcp.ClientSession, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connect(ctx)
}

// connect needs the lock.
func (m *MCPToolset) connect(ctx context.Context) (*mcp.ClientSession, error) {
	if m.session != nil {
		return m.session, nil
	}
	s, err := m.client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint:             m.endpoint,
		HTTPClient:           m.http,
		DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	m.session = s
	return s, nil
}

func (m *MCPToolset) list(ctx context.Context) ([]Tool, error) {
	s, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	tools := []Tool{}
	for t, err := range s.Tools(ctx, nil) {
		if err != nil {
			return nil, fmt.Errorf("listing tools: %w", err)
		}
		schema, err := json.Marshal(t.InputSchema)
		if err != nil {
			return nil, fmt.Errorf("reading the schema of %s: %w", t.Name, err)
		}
		tools = append(tools, Tool{
			Name: t.Name, Description: t.Description, Schema: schema,
			Hints: hintsOf(t), Call: m.call,
		})
	}
	return tools, nil
}

func hintsOf(t *mcp.Tool) Hints {
	h := Hints{Title: t.Title, Destructive: true, OpenWorld: true} // MCP's defaults
	a := t.Annotations
	if a == nil {
		return h
	}
	if h.Title == "" {
		h.Title = a.Title
	}
	h.ReadOnly, h.Idempotent = a.ReadOnlyHint, a.IdempotentHint
	if a.DestructiveHint != nil {
		h.Destructive = *a.DestructiveHint
	}
	if a.OpenWorldHint != nil {
		h.OpenWorld = *a.OpenWorldHint
	}
	h.Destructive = h.Destructive && !h.ReadOnly
	return h
}

// isGone: the server does not know the session, or the connection has ended.
func isGone(err error) bool {
	return errors.Is(err, mcp.ErrSessionMissing) || errors.Is(err, mcp.ErrConnectionClosed)
}

// forget drops a session that is over, unless another call has replaced it.
func (m *MCPToolset) forget(s *mcp.ClientSession) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == s {
		m.session, m.tools = nil, nil
	}
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "(unreadable address)"
	}
	return u.Host
}

// headerTransport adds the header on the way to one host only.
type headerTransport struct {
	host   string
	header http.Header
	next   http.RoundTripper
}

func (t headerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == t.host {
		req = req.Clone(req.Context())
		for name, values := range t.header {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return t.next.RoundTrip(req)
}

func clientWithHeader(endpoint string, opts MCPOptions) *http.Client {
	client := &http.Client{}
	if opts.HTTPClient != nil {
		*client = *opts.HTTPClient
	}
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	client.Transport = headerTransport{host: hostOf(endpoint), header: opts.Header.Clone(), next: next}
	return client
}

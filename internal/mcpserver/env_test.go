package mcpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/mcpserver"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is the endpoint over the real services, on a listener of its own.
type env struct {
	t        testing.TB
	db       *sqlstore.DB
	url      string // of the server, without a path
	mcp      *mcpserver.Server
	who      *identity.Service
	sessions *session.Service
	execute  *execute.Service
	project  domain.Project
	cat      *catalog.Catalog
	tools    *testTools
	client   *http.Client
}

// newEnv starts one; edit may change the options.
func newEnv(t testing.TB, edit func(*mcpserver.Options)) *env {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	safe, err := vault.Open(ctx, vault.Options{
		Keys: vault.FileKey(filepath.Join(t.TempDir(), "key")), Load: db.LoadKeyset, Save: db.SaveKeyset,
	})
	must(t, err)
	e := &env{t: t, db: db, who: identity.New(identity.Options{Store: db}), tools: newTestTools()}
	must(t, e.who.Start(context.WithoutCancel(ctx)))
	t.Cleanup(e.who.Stop)
	e.project, err = e.who.Setup(ctx)
	must(t, err)
	e.cat, err = catalog.New(e.tools.toolkit(t), manyTools(t))
	must(t, err)
	out, err := httpx.New(httpx.Options{})
	must(t, err)
	t.Cleanup(out.Close)
	con := connect.New(connect.Options{Store: db, Vault: safe, Catalog: e.cat, HTTP: out})
	exe := execute.New(execute.Options{Catalog: e.cat, Connect: con, Store: db, Sealer: execute.NewSealer(safe)})
	e.execute = exe
	e.sessions = session.New(session.Options{
		Store: db, Catalog: e.cat, Connect: con, Execute: exe,
		LinkURL: func(origin, token string) string { return origin + "/link/" + token },
	})
	opts := mcpserver.Options{Sessions: e.sessions, Identity: e.who, Version: "1.2.3"}
	if edit != nil {
		edit(&opts)
	}
	e.mcp = mcpserver.New(opts)
	server := httptest.NewServer(e.mcp.Handler())
	e.url, e.client = server.URL, server.Client()
	t.Cleanup(func() {
		_ = e.mcp.Close()
		e.client.CloseIdleConnections()
		server.Close()
	})
	return e
}

// key makes an API key and gives it with whom it stands for.
func (e *env) key(name string) (string, domain.Principal) {
	e.t.Helper()
	key, k, err := e.who.CreateKey(e.t.Context(), e.project.ID, name)
	must(e.t, err)
	return key, domain.Principal{ProjectID: e.project.ID, KeyID: k.ID}
}

// newProject makes a project beside the default one.
func (e *env) newProject(name string) domain.Project {
	e.t.Helper()
	p := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: name, CreatedAt: time.Now()}
	must(e.t, e.db.CreateProject(e.t.Context(), p))
	return p
}

// executions gives what was recorded for a project.
func (e *env) executions(projectID string) []domain.Execution {
	e.t.Helper()
	list, _, err := e.db.ListExecutions(e.t.Context(), projectID, store.ExecutionFilter{}, store.Page{Limit: 100})
	must(e.t, err)
	return list
}

// direct lists every tool of the test toolkit and no meta tool.
var direct = domain.SessionConfig{
	SearchOff: true, MultiExecuteOff: true, ManageConnections: domain.ManageConnectionsConfig{Off: true},
	Preload:  domain.PreloadConfig{All: true},
	Toolkits: &domain.Selection{Enable: []string{"test"}},
}

// session makes a router session and gives its id.
func (e *env) session(p domain.Principal, cfg domain.SessionConfig) string {
	e.t.Helper()
	h, err := e.sessions.Create(e.t.Context(), p, "ann", cfg)
	must(e.t, err)
	return h.ID
}

func (e *env) endpoint(sessionID string) string {
	return e.url + strings.Replace(mcpserver.Path, "{session}", sessionID, 1)
}

// caller sends requests of one client.
type caller struct {
	e      *env
	url    string
	header http.Header
}

// modern is a client of the 2026-07-28 era.
func (e *env) modern(sessionID, key string) *caller {
	return &caller{e: e, url: e.endpoint(sessionID), header: http.Header{
		"X-Api-Key": {key}, "Content-Type": {"application/json"},
		"Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2026-07-28"},
	}}
}

// legacy is a client of the handshake era that has not shaken hands.
func (e *env) legacy(sessionID, key string) *caller {
	c := e.modern(sessionID, key)
	c.header.Del("Mcp-Protocol-Version")
	return c
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// shake shakes hands: the caller has a transport session from then on.
func (c *caller) shake() *caller {
	c.e.t.Helper()
	res := c.post(initialize)
	if res.status != http.StatusOK || res.header.Get("Mcp-Session-Id") == "" {
		c.e.t.Fatalf("initialize: %d %s", res.status, res.body)
	}
	c.header.Set("Mcp-Session-Id", res.header.Get("Mcp-Session-Id"))
	c.header.Set("Mcp-Protocol-Version", "2025-11-25")
	if res := c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); res.status != http.StatusAccepted {
		c.e.t.Fatalf("initialized: %d %s", res.status, res.body)
	}
	return c
}

// with gives a copy with another header; an empty value removes it.
func (c *caller) with(name, value string) *caller {
	d := *c
	d.header = c.header.Clone()
	d.header.Del(name)
	if value != "" {
		d.header.Set(name, value)
	}
	return &d
}

type answer struct {
	status int
	header http.Header
	body   string
}

// message gives the last JSON-RPC message of the answer, whatever its framing.
func (a answer) message(t testing.TB) (m struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
	}
},
) {
	t.Helper()
	text := a.body
	if i := strings.LastIndex(text, "data: "); i >= 0 {
		text = text[i+len("data: "):]
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("not a message: %v: %q", err, a.body)
	}
	return m
}

func (c *caller) do(ctx context.Context, method, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	must(c.e.t, err)
	req.Header = c.header.Clone()
	if h := req.Header.Get("Host"); h != "" {
		req.Host = h
	}
	return c.e.client.Do(req)
}

func (c *caller) send(method, body string) answer {
	c.e.t.Helper()
	res, err := c.do(c.e.t.Context(), method, body)
	must(c.e.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(c.e.t, err)
	return answer{status: res.StatusCode, header: res.Header, body: string(bytes.TrimSpace(data))}
}

func (c *caller) post(body string) answer {
	c.e.t.Helper()
	return c.send(http.MethodPost, body)
}

// meta is what each modern request carries.
const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"}}`

// call is a modern tools/call.
func (c *caller) call(tool, args string) answer {
	c.e.t.Helper()
	return c.named("tools/call", tool).post(callBody(tool, args))
}

func callBody(tool, args string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + args + `,` + meta + `}}`
}

func (c *caller) named(method, name string) *caller {
	return c.with("Mcp-Method", method).with("Mcp-Name", name)
}

const listBody = `{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{` + meta + `}}`

func (c *caller) list() answer {
	c.e.t.Helper()
	return c.with("Mcp-Method", "tools/list").post(listBody)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func rawTool(t testing.TB, slug, description, input string, hints toolkit.Hints,
	f func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error),
) toolkit.Tool {
	t.Helper()
	tool, err := toolkit.Raw(slug, strings.ToLower(slug), description, toolkit.About{}, hints, json.RawMessage(input), nil, f)
	must(t, err)
	return tool
}

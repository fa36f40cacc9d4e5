package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// router is a running App with a client of its own.
type router struct {
	*app.App
	t    *testing.T
	cfg  app.Config
	key  string
	logs *logBuffer
	http *http.Client

	mu      sync.Mutex
	answers bytes.Buffer // everything that was answered to send

	observe func(method, path string, a answer) // told of what was answered to send; may be nil
}

// testConfig is what a home of a test says: the sandbox, a key, a free port,
// the most talkative log.
func testConfig(home string) app.Config {
	cfg := config.Default()
	cfg.Home, cfg.Addr, cfg.Sandbox = home, "127.0.0.1:0", true
	cfg.APIKey = config.Secret(domain.NewSecret("test_"))
	cfg.LogLevel, cfg.LogFormat = "debug", "json"
	return cfg
}

// testApp boots the program on a home of its own. edit may change the options.
func testApp(t *testing.T, edit func(*app.Options)) *router {
	t.Helper()
	r := newApp(t, edit)
	must(t, r.Start(t.Context()))
	return r
}

// newApp is testApp before Start.
func newApp(t *testing.T, edit func(*app.Options)) *router {
	t.Helper()
	opts := app.Options{Config: testConfig(filepath.Join(t.TempDir(), "home"))}
	logs := &logBuffer{}
	opts.LogOutput = logs
	if edit != nil {
		edit(&opts)
	}
	a, err := app.New(t.Context(), opts)
	must(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	r := &router{
		App: a, t: t, cfg: opts.Config, key: opts.Config.APIKey.Reveal(), logs: logs,
		http: &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if t.Failed() && testing.Verbose() {
			t.Logf("log:\n%s", logs)
		}
	})
	return r
}

// logBuffer takes a log from many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until done says so; after the time it fails.
func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(within)
	for !done() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// answer is what came back for one request.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// request makes a request with the router's key; header pairs come after it,
// and an empty value removes.
func (r *router) request(ctx context.Context, method, path, body string, header ...string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, r.URL()+path, strings.NewReader(body))
	must(r.t, err)
	req.Header.Set("X-Api-Key", r.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i] == "Host":
			req.Host = header[i+1]
		case header[i+1] == "":
			req.Header.Del(header[i])
		default:
			req.Header.Set(header[i], header[i+1])
		}
	}
	return req
}

// send sends a request and reads the whole answer.
func (r *router) send(method, path, body string, header ...string) answer {
	r.t.Helper()
	a, err := r.try(r.t.Context(), method, path, body, header...)
	must(r.t, err)
	return a
}

// try is send for answers that may not come.
func (r *router) try(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	res, err := r.http.Do(r.request(ctx, method, path, body, header...))
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(data)}
	if r.observe != nil {
		r.observe(method, path, a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.answers, res.Header)
	r.answers.Write(data)
	return a, nil
}

const sessions = "/api/v3.1/tool_router/session"

// session opens a session over REST; config is the rest of the body's JSON, "" or
// beginning with a comma. It gives the session's id.
func (r *router) session(user, config string, header ...string) string {
	r.t.Helper()
	a := r.send(http.MethodPost, sessions, fmt.Sprintf(`{"user_id":%q%s}`, user, config), header...)
	var out struct {
		ID string `json:"session_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusCreated || out.ID == "" {
		r.t.Fatalf("creating a session: %v", a)
	}
	return out.ID
}

// clientOf gives package client with the router's key.
func (r *router) clientOf() *client.Client {
	r.t.Helper()
	c, err := client.New(client.Options{BaseURL: r.URL(), APIKey: r.key, HTTPClient: r.http})
	must(r.t, err)
	return c
}

// mcpMeta is what each message of the stateless era carries.
const mcpMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"}}`

func mcpPath(session string) string { return "/tool_router/" + session + "/mcp" }

// mcpHeader are the headers of a message of the stateless era.
func mcpHeader(method, name string) []string {
	return []string{
		"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2026-07-28",
		"Content-Type", "application/json", "Mcp-Method", method, "Mcp-Name", name,
	}
}

func mcpBody(tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,%s}}`, tool, args, mcpMeta)
}

// oldBody is mcpBody for the handshake era.
func oldBody(tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, args)
}

// call is a tools/call over MCP.
func (r *router) call(session, tool, args string, header ...string) answer {
	r.t.Helper()
	return r.send(http.MethodPost, mcpPath(session), mcpBody(tool, args), append(mcpHeader("tools/call", tool), header...)...)
}

// execute is a tool call over REST.
func (r *router) execute(session, tool, args string, header ...string) answer {
	r.t.Helper()
	return r.send(http.MethodPost, sessions+"/"+session+"/execute", fmt.Sprintf(`{"tool_slug":%q,"arguments":%s}`, tool, args), header...)
}

// meta is a tool call over REST's other operation.
func (r *router) meta(session, tool, args string, header ...string) answer {
	r.t.Helper()
	return r.send(http.MethodPost, sessions+"/"+session+"/execute_meta", fmt.Sprintf(`{"slug":%q,"arguments":%s}`, tool, args), header...)
}

// result is how a tool call ended, by whatever door.
type result struct {
	Successful bool
	Data       json.RawMessage
	Error      string
	LogID      string
}

// result reads the answer of call, execute or meta.
func (a answer) result(t testing.TB) result {
	t.Helper()
	body := []byte(a.body)
	var message struct {
		Result *struct {
			Content []struct{ Text string }
			IsError bool
		}
	}
	var wire struct {
		Successful *bool
		Data       json.RawMessage
		Error      *string
		LogID      string `json:"log_id"`
		LogIDMCP   string `json:"logId"`
	}
	if json.Unmarshal(body, &message) == nil && message.Result != nil && len(message.Result.Content) > 0 {
		body = []byte(message.Result.Content[0].Text)
	}
	if err := json.Unmarshal(body, &wire); err != nil || a.status != http.StatusOK {
		t.Fatalf("no result of a call: %v", a)
	}
	out := result{Successful: wire.Error == nil, Data: wire.Data, LogID: wire.LogID + wire.LogIDMCP}
	if wire.Successful != nil {
		out.Successful = *wire.Successful
	}
	if wire.Error != nil {
		out.Error = *wire.Error
	}
	return out
}

// keyed adds an API key to an SDK client's requests.
type keyed struct {
	key  string
	next http.RoundTripper
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Api-Key", k.key)
	return k.next.RoundTrip(r)
}

// dial connects the official SDK's client in a version of the protocol.
func (r *router) dial(session, key, version string) (*mcp.ClientSession, error) {
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	return c.Connect(r.t.Context(), &mcp.StreamableClientTransport{
		Endpoint: r.URL() + mcpPath(session), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: keyed{key, r.http.Transport}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
}

// onBoth runs a test on each kind of database. in puts a router on a new one.
func onBoth(t *testing.T, test func(t *testing.T, in func(*app.Options))) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, onSQLite)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, onPostgres(t))
	})
}

// onSQLite leaves the database where it is, in the home.
func onSQLite(*app.Options) {}

// onPostgres puts a router on a new PostgreSQL database.
func onPostgres(t *testing.T) func(*app.Options) {
	t.Helper()
	address := config.Secret(pgtest.URL(t))
	return func(o *app.Options) { o.Config.Database = address }
}

// database opens the router's database beside it.
func (r *router) database() *sqlstore.DB {
	r.t.Helper()
	return openDatabase(r.t, r.cfg)
}

func openDatabase(t *testing.T, cfg app.Config) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: filepath.Join(cfg.Home, "sluice.db"), URL: cfg.Database.Reveal()})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// executions gives the records of a session, newest first.
func executions(t *testing.T, db *sqlstore.DB, project, session string) []domain.Execution {
	t.Helper()
	list, _, err := db.ListExecutions(t.Context(), project, store.ExecutionFilter{SessionID: session}, store.Page{Limit: 1000})
	must(t, err)
	return list
}

// told is an error as the command line tells it: what was wrong, what to do.
func told(err error) string {
	var e *domain.Error
	if errors.As(err, &e) {
		return e.Message + " " + e.Fix
	}
	return fmt.Sprint(err)
}

// leaks fails when a text holds what nobody should see: a secret, SQL, a stack
// or a place in the source.
func leaks(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("%s holds the secret %.8s…", where, s)
		}
	}
	for _, s := range []string{"SELECT ", "INSERT ", "UPDATE ", "sqlite", "SQLSTATE", "goroutine ", ".go:", "runtime error", "/internal/"} {
		if strings.Contains(text, s) {
			t.Errorf("%s holds %q: %.300s", where, s, text)
		}
	}
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// handshake opens a session of the protocol's handshake era and gives the
// headers of its further requests.
func (r *router) handshake(session string, header ...string) []string {
	r.t.Helper()
	h := append([]string{"Accept", "application/json, text/event-stream", "Content-Type", "application/json"}, header...)
	a := r.send(http.MethodPost, mcpPath(session), initialize, h...)
	if a.status != http.StatusOK || a.header.Get("Mcp-Session-Id") == "" {
		r.t.Fatalf("initialize: %v", a)
	}
	h = append(h, "Mcp-Session-Id", a.header.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-11-25")
	if a := r.send(http.MethodPost, mcpPath(session), `{"jsonrpc":"2.0","method":"notifications/initialized"}`, h...); a.status != http.StatusAccepted {
		r.t.Fatalf("initialized: %v", a)
	}
	return h
}

// stream opens an event stream and gives a channel that is closed at its end.
func (r *router) stream(session string, header ...string) <-chan struct{} {
	r.t.Helper()
	res, err := r.openStream(session, header...)
	must(r.t, err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatalf("no stream: %d", res.StatusCode)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		close(ended)
	}()
	return ended
}

func (r *router) openStream(session string, header ...string) (*http.Response, error) {
	r.t.Helper()
	h := append(r.handshake(session, header...), "Accept", "text/event-stream")
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	r.t.Cleanup(cancel)
	return (&http.Client{Transport: r.http.Transport}).Do(r.request(ctx, http.MethodGet, mcpPath(session), "", h...))
}

// hang makes the sandbox answer nothing until the test ends.
func (r *router) hang() {
	r.Site().Fail(confluence.Fault{Times: -1, Hang: true})
	r.t.Cleanup(r.Site().ClearFaults)
}

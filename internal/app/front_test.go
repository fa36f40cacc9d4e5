package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
)

// mcpURL opens a session and gives the address that the answer names.
func (r *router) mcpURL(header ...string) string {
	r.t.Helper()
	a := r.send(http.MethodPost, sessions, `{"user_id":"ann"}`, header...)
	var out struct {
		MCP struct{ URL string }
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || out.MCP.URL == "" {
		r.t.Fatalf("creating a session: %v", a)
	}
	return out.MCP.URL
}

// The MCP address is on the origin that the caller used, as far as those who
// say so are believed.
func TestOrigin(t *testing.T) {
	t.Parallel()
	forwarded := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "router.example"}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tests := map[string]struct {
		proxies []netip.Prefix
		public  string
		header  []string
		want    string // %s is the listener
	}{
		"plain":                   {want: "http://%s/"},
		"by name":                 {header: []string{"Host", "localhost:1234"}, want: "http://localhost:1234/"},
		"spoofed":                 {header: forwarded, want: "http://%s/"},
		"another proxy":           {proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, header: forwarded, want: "http://%s/"},
		"trusted proxy":           {proxies: loopback, header: forwarded, want: "https://router.example/"},
		"the proxy's value":       {proxies: loopback, header: []string{"X-Forwarded-Host", "evil.example, router.example"}, want: "http://router.example/"},
		"trusted, no headers":     {proxies: loopback, want: "http://%s/"},
		"trusted, odd values":     {proxies: loopback, header: []string{"X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "a/b@c"}, want: "http://%s/"},
		"public URL":              {public: "https://sluice.example", want: "https://sluice.example/"},
		"public URL with a slash": {public: "https://sluice.example/", want: "https://sluice.example/"},
		"public URL, spoofed":     {public: "https://sluice.example", proxies: loopback, header: forwarded, want: "https://sluice.example/"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testApp(t, func(o *app.Options) {
				o.Config.TrustedProxies, o.Config.PublicURL, o.Config.Sandbox = tt.proxies, tt.public, false
			})
			want := strings.ReplaceAll(tt.want, "%s", r.Addr())
			if got := r.local().mcpURL(tt.header...); !strings.HasPrefix(got, want+"tool_router/trs_") || !strings.HasSuffix(got, "/mcp") {
				t.Errorf("MCP address %s, want one on %s", got, want)
			}
		})
	}
}

// local is the router by its listener, whatever its public URL.
func (r *router) local() *router {
	r.http.Transport = toAddr{r.Addr(), r.http.Transport}
	return r
}

// toAddr sends every request to one address, over http.
type toAddr struct {
	addr string
	next http.RoundTripper
}

func (a toAddr) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == r.URL.Host { // not set on purpose
		r.Host = a.addr
	}
	r.URL.Scheme, r.URL.Host = "http", a.addr
	return a.next.RoundTrip(r)
}

// Names that are not ours are refused on loopback, where a web page could have
// bound them to us; the public name is ours.
func TestHostOfMCP(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Config.PublicURL, o.Config.Sandbox = "https://router.example", false })
	r.local()
	id := r.session("ann", "")
	list := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, mcpMeta)
	for host, want := range map[string]int{"router.example": 200, "localhost": 200, "evil.example": 403} {
		a := r.send(http.MethodPost, mcpPath(id), list, append(mcpHeader("tools/list", ""), "Host", host)...)
		if a.status != want {
			t.Errorf("Host %s: %v", host, a)
		}
	}
	a := r.send(http.MethodPost, mcpPath(id), list, append(mcpHeader("tools/list", ""), "Origin", "https://evil.example")...)
	if a.status != http.StatusForbidden {
		t.Errorf("a page of another origin: %v", a)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	for path, want := range map[string]string{"/healthz": `"status":"ok"`, "/readyz": `"status":"ready"`, "//healthz": `"ok"`} {
		if a := r.send(http.MethodGet, path, "", "X-Api-Key", ""); a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s without a key: %v", path, a)
		}
	}
	for _, path := range []string{"/metrics", "/", "/nothing", "/api/v3.1/nothing", "/tool_router/x", "/link/"} {
		a := r.send(http.MethodGet, path, "")
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %v", path, a)
		}
		leaks(t, path, a.body)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Config.Metrics = true })
	id := r.session("ann", "")
	r.call(id, "CONFLUENCE_GET_SPACES", `{}`)
	r.execute(id, "NO_SUCH_TOOL", `{}`)
	r.send(http.MethodGet, "/api/v3/tool_router/session/"+id, "")
	r.send(http.MethodGet, "/api/v3.1/made/up/"+id, "")
	r.send("BREW", "/healthz", "")
	ended := r.stream(id)
	has := func(lines ...string) {
		t.Helper()
		eventually(t, 5*time.Second, strings.Join(lines, "\n"), func() bool {
			a := r.send(http.MethodGet, "/metrics", "")
			for _, l := range lines {
				if !strings.Contains(a.body, l+"\n") {
					return false
				}
			}
			return true
		})
	}
	has(
		`sluice_http_request_duration_seconds_count{method="POST",route="/api/v3.1/tool_router/session",status="201"} 1`,
		`sluice_http_request_duration_seconds_count{method="POST",route="/api/v3.1/tool_router/session/{session_id}/execute",status="404"} 1`,
		`sluice_http_request_duration_seconds_count{method="GET",route="/api/v3.1/tool_router/session/{session_id}",status="200"} 1`,
		`sluice_http_request_duration_seconds_count{method="GET",route="",status="404"} 1`,
		`sluice_http_request_duration_seconds_count{method="other",route="/healthz",status="200"} 1`,
		`sluice_http_request_duration_seconds_count{method="POST",route="/tool_router/{session}/mcp",status="202"} 1`,
		`sluice_tool_execution_duration_seconds_count{outcome="ok",tool="CONFLUENCE_GET_SPACES"} 1`,
		`sluice_tool_execution_duration_seconds_count{outcome="refused",tool=""} 1`,
		`sluice_open_streams{kind="mcp"} 1`,
	)
	if a := r.send(http.MethodDelete, sessions+"/"+id, ""); a.status >= 300 {
		t.Fatalf("deleting the session: %v", a)
	}
	must(t, r.revoke())
	<-ended
	has(`sluice_open_streams{kind="mcp"} 0`)
	a := r.send(http.MethodGet, "/metrics", "", "X-Api-Key", "")
	leaks(t, "/metrics", a.body, r.key, id)
}

// Each request is in the log with an id that its answer and its record have too.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	s := r.session("ann", "")
	link := r.link(s)
	r.browser().open(link.URL)
	db := r.database()
	for door, a := range map[string]answer{
		"MCP": r.call(s, "CONFLUENCE_GET_SPACES", `{}`), "REST": r.execute(s, "CONFLUENCE_GET_SPACES", `{}`),
		"MCP, refused": r.call(s, "NOPE", `{}`), "REST, refused": r.execute(s, "NOPE", `{}`),
		"MCP handshake era": r.send(http.MethodPost, mcpPath(s), oldBody("CONFLUENCE_GET_SPACES", `{}`), r.handshake(s)...),
	} {
		id := a.header.Get("X-Request-Id")
		if !strings.HasPrefix(id, "req_") {
			t.Errorf("%s: request id %q", door, id)
			continue
		}
		found := 0
		for _, e := range executions(t, db, r.ProjectID(), s) {
			if e.RequestID == id {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d records of request %s", door, found, id)
		}
		eventually(t, 5*time.Second, door+" in the log", func() bool {
			return strings.Contains(r.logs.String(), `"msg":"request","request_id":"`+id+`"`)
		})
	}
	eventually(t, 5*time.Second, "the page in the log", func() bool {
		return strings.Contains(r.logs.String(), `"route":"/link/{token}","status":200`)
	})
	if strings.Contains(r.logs.String(), strings.TrimPrefix(link.Token, "lt_")) {
		t.Error("the link's secret is in the log")
	}
}

// Headers are bounded in size and time, and so is a body that nobody reads.
func TestSlowAndLargeRequests(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) {
		o.Times.Header, o.Times.Request, o.Config.Sandbox = 150*time.Millisecond, 300*time.Millisecond, false
	})
	if a := r.send(http.MethodGet, "/healthz", "", "X-Big", strings.Repeat("x", 128<<10)); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 128 KiB: %v", a)
	}
	for name, text := range map[string]string{
		"nothing":                  "",
		"half a line":              "GET /healthz HT",
		"no end of the header":     "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n",
		"no body, health":          "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
		"no body, REST":            "POST /api/v3.1/tool_router/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
		"no body, MCP without key": "POST /tool_router/trs_x/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", r.Addr())
			must(t, err)
			defer c.Close()
			must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(c, text)
			must(t, err)
			if _, err := io.ReadAll(bufio.NewReader(c)); err != nil {
				t.Errorf("the connection is kept: %v", err)
			}
		})
	}
}

// The bounds of a request end with it: neither a later request on the same
// connection nor a stream suffers from them.
func TestBoundsAreOfOneRequest(t *testing.T) {
	t.Parallel()
	const bound = 400 * time.Millisecond
	r := testApp(t, func(o *app.Options) { o.Times.Request, o.Config.Sandbox = bound, false })
	id := r.session("ann", "")
	ended := r.stream(id)
	tick := time.NewTicker(bound / 10)
	defer tick.Stop()
	reused := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if i.Reused {
			reused++
		}
	}})
	list := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, mcpMeta)
	for start := time.Now(); time.Since(start) < 2*bound; <-tick.C {
		for path, body := range map[string]string{"/healthz": "", mcpPath(id): list, mcpPath("trs_x"): list} {
			method := http.MethodGet
			if body != "" {
				method = http.MethodPost
			}
			if _, err := r.try(ctx, method, path, body, mcpHeader("tools/list", "")...); err != nil {
				t.Fatalf("%s after %v: %v", path, time.Since(start), err)
			}
		}
	}
	if reused == 0 {
		t.Error("no connection was used again")
	}
	select {
	case <-ended:
		t.Error("the stream was cut")
	default:
	}
}

func TestTuneRuntime(t *testing.T) { // not parallel: the runtime is one
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	for _, tt := range []struct {
		env     map[string]string
		percent int
		limit   int64
	}{
		{env: map[string]string{}, percent: 400, limit: 512 << 20},
		{env: map[string]string{"GOGC": "50"}, percent: 100, limit: 512 << 20},
		{env: map[string]string{"GOMEMLIMIT": "1GiB"}, percent: 400, limit: limit},
		{env: map[string]string{"GOGC": "off", "GOMEMLIMIT": "off"}, percent: 100, limit: limit},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(limit)
		app.TuneRuntime(func(name string) string { return tt.env[name] })
		if p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); p != tt.percent || l != tt.limit {
			t.Errorf("%v: GOGC %d, limit %d; want %d, %d", tt.env, p, l, tt.percent, tt.limit)
		}
	}
}

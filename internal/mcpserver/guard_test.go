package mcpserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/mcpserver"
)

func TestOriginAndHost(t *testing.T) {
	e := newEnv(t, func(o *mcpserver.Options) {
		o.AllowedOrigins = []string{"https://inspector.example/"}
		o.Hosts = []string{"sluice.example:443"}
	})
	key, p := e.key("guard")
	c := e.legacy(e.session(p, direct), key).shake()
	own := e.url
	for _, tt := range []struct {
		name, host, origin string
		want               int
	}{
		{"a program", "", "", 200},
		{"our own page", "", own, 200},
		{"our own page in capitals", "", strings.ToUpper(own), 200},
		{"an allowed page", "", "https://inspector.example", 200},
		{"an allowed page over http", "", "http://inspector.example", 403},
		{"an allowed page on another port", "", "https://inspector.example:8443", 403},
		{"another page", "", "https://evil.example", 403},
		{"a page on another local port", "", "http://localhost:1", 403},
		{"a page that hides", "", "null", 403},
		{"a page of a file", "", "file://", 403},
		{"a suffix of ours", "", own + ".evil.example", 403},
		{"localhost", "localhost:1234", "", 200},
		{"localhost and its page", "localhost:1234", "http://localhost:1234", 200},
		{"localhost and another's page", "localhost:1234", "http://localhost:9999", 403},
		{"IPv6", "[::1]:80", "", 200},
		{"another loopback address", "127.9.9.9", "", 200},
		{"the proxy's name", "sluice.example", "", 200},
		{"a rebound name", "evil.example", "", 403},
		{"a rebound name and its page", "evil.example", "http://evil.example", 403},
		{"a name that begins like ours", "localhost.evil.example", "", 403},
		{"an address that is not ours", "192.168.1.5", "", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := c.with("Host", tt.host).with("Origin", tt.origin)
			got := map[string]int{"POST": d.post(`{"jsonrpc":"2.0","id":2,"method":"ping"}`).status}
			want := map[string]int{"POST": tt.want, "GET": tt.want, "DELETE": tt.want}
			// A GET or DELETE that passes the guard ends at its missing session.
			none := d.with("Mcp-Session-Id", "")
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				got[method] = none.send(method, "").status
				if tt.want == 200 {
					want[method] = 400
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	e := newEnv(t, func(o *mcpserver.Options) { o.AllowedOrigins = []string{"https://inspector.example"} })
	key, p := e.key("preflight")
	c := e.modern(e.session(p, direct), key).with("X-Api-Key", "").
		with("Access-Control-Request-Method", "POST").
		with("Access-Control-Request-Headers", "x-api-key, Mcp-Method, content-type, cookie")
	good := c.with("Origin", "https://inspector.example").send(http.MethodOptions, "")
	want := []string{"No Content", "https://inspector.example", "x-api-key, mcp-method, content-type", "Origin"}
	got := []string{
		http.StatusText(good.status), good.header.Get("Access-Control-Allow-Origin"),
		good.header.Get("Access-Control-Allow-Headers"), good.header.Get("Vary"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if bad := c.with("Origin", "https://evil.example").send(http.MethodOptions, ""); bad.status != 403 {
		t.Errorf("another page: %d", bad.status)
	}
	if none := c.send(http.MethodOptions, ""); none.status != http.StatusMethodNotAllowed {
		t.Errorf("no page: %d", none.status)
	}
}

// Every way in refuses what belongs to another session or key.
func TestBinding(t *testing.T) {
	e := newEnv(t, nil)
	keyA, a := e.key("a")
	keyB, _ := e.key("b") // of the same project
	first, second := e.session(a, direct), e.session(a, direct)
	mine := e.legacy(first, keyA).shake()
	id := mine.header.Get("Mcp-Session-Id")
	foreign := e.foreignProject(t)

	ping := `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	list := `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	for _, tt := range []struct {
		name, session, key, id string
		want                   int
	}{
		{"all its own", first, keyA, id, 200},
		{"another session of the same key", second, keyA, id, 404},
		{"another key of the same project", first, keyB, id, 404},
		{"another key and session", second, keyB, id, 404},
		{"a key of another project", first, foreign.key, id, 404},
		{"a session of another project", foreign.session, keyA, id, 404},
		{"an unknown id", first, keyA, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 404},
		{"an unknown session", "trs_0", keyA, id, 404},
		{"no key", first, "", id, 401},
		{"a wrong key", first, "ak_x", id, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := e.legacy(tt.session, tt.key).with("Mcp-Session-Id", tt.id).with("Mcp-Protocol-Version", "2025-11-25")
			if got := c.post(ping).status; got != tt.want {
				t.Errorf("ping: %d, want %d", got, tt.want)
			}
			if got := c.post(list).status; got != tt.want {
				t.Errorf("list: %d, want %d", got, tt.want)
			}
			if tt.want == 200 {
				return
			}
			if got := c.send(http.MethodGet, "").status; got != tt.want {
				t.Errorf("GET: %d, want %d", got, tt.want)
			}
			if got := c.send(http.MethodDelete, "").status; got != tt.want {
				t.Errorf("DELETE: %d, want %d", got, tt.want)
			}
		})
	}
	if res := mine.post(ping); res.status != 200 {
		t.Errorf("the session did not survive: %d %s", res.status, res.body)
	}
	if res := e.modern(first, foreign.key).list(); res.status != 404 {
		t.Errorf("modern, another project's key: %d", res.status)
	}
}

type outsider struct{ key, session string }

// foreignProject is another project with a key and a session.
func (e *env) foreignProject(t *testing.T) *outsider {
	t.Helper()
	other := *e
	other.project = e.newProject("other")
	key, p := other.key("foreign")
	return &outsider{key: key, session: other.session(p, direct)}
}

// A handle in a header would let a client borrow another's session.
func TestClientCannotNameAFlight(t *testing.T) {
	e := newEnv(t, nil)
	keyA, a := e.key("a")
	out := e.foreignProject(t)
	blocked := make(chan answer, 1)
	go func() { blocked <- e.modern(e.session(a, direct), keyA).call("TEST_BLOCK", `{"name":"victim"}`) }()
	<-e.tools.entered
	for _, handle := range []string{"1", "2", "3"} {
		res := e.modern(out.session, out.key).with("Sluice-Flight", handle).call("TEST_ECHO", `{"text":"x"}`)
		if res.status != 200 || !strings.Contains(res.body, `\"successful\":true`) {
			t.Errorf("handle %s: %d %s", handle, res.status, res.body)
		}
	}
	close(e.tools.release)
	<-blocked
	for _, x := range e.executions(a.ProjectID) {
		if x.Tool == "TEST_ECHO" {
			t.Errorf("TEST_ECHO ran in session %s of the other project", x.SessionID)
		}
	}
}

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/client"
)

const ping = `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}`

// runBridge gives the lines that the bridge writes for input against a router
// that answers as handle does.
func runBridge(t *testing.T, input string, handle http.HandlerFunc) []string {
	t.Helper()
	srv := httptest.NewServer(handle)
	defer srv.Close()
	var out bytes.Buffer
	session := &client.Session{MCP: client.MCP{URL: srv.URL, Headers: map[string]string{"x-api-key": "ak_secret"}}}
	b := newBridge(session, Streams{In: strings.NewReader(input), Out: &out, Err: io.Discard})
	if err := b.run(t.Context()); err != nil {
		t.Errorf("run: %v", err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

func reply(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Every request gets one answer with its own id, whatever the router does.
func TestBridgeAnswers(t *testing.T) {
	t.Parallel()
	const events = "text/event-stream"
	for name, tc := range map[string]struct {
		input  string
		handle http.HandlerFunc
		want   []string // each line must contain its text
	}{
		"json": {ping, reply(200, "application/json", "{\n \"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}"), []string{`{"jsonrpc":"2.0","id":7,"result":{}}`}},
		"stream": {
			ping, reply(200, events, ": hello\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"n\"}\r\n\r\ndata:{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}"),
			[]string{`"method":"n"`, `"id":7,"result"`},
		},
		"stream cut":             {ping, reply(200, events, "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n"), []string{`"method":"n"`, `"id":7`}},
		"stream with half":       {ping, reply(200, events, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"res"), []string{`broke off`}},
		"server's request":       {ping, reply(200, events, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"elicitation/create\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n"), []string{`elicitation/create`, `"result"`}},
		"key refused":            {ping, reply(401, "application/json", `{"error":{"message":"no"}}`), []string{`"id":7`}},
		"refused without an id":  {ping, reply(400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}`), []string{`"id":7`}},
		"refused with no id":     {ping, reply(400, "application/json", `{"jsonrpc":"2.0","error":{"code":-32020,"message":"no"}}`), []string{`"id":7`}},
		"html":                   {ping, reply(502, "text/html", "<html>"), []string{`"id":7`}},
		"empty":                  {ping, reply(200, "application/json", ""), []string{`"id":7`}},
		"accepted a request":     {ping, reply(202, "application/json", ""), []string{`broke off`}},
		"redirect":               {ping, reply(307, "text/plain", ""), []string{`307`}},
		"notification":           {`{"jsonrpc":"2.0","method":"notifications/x"}`, reply(500, "text/html", "x"), nil},
		"answer of the client":   {`{"jsonrpc":"2.0","id":7,"result":{}}`, reply(404, "text/html", "x"), nil},
		"not json":               {"hello", reply(500, "text/html", "x"), []string{`"code":-32700`}},
		"a number":               {"5", reply(500, "text/html", "x"), []string{`"code":-32700`}},
		"too long":               {strings.Repeat("x", maxMessage+1) + "\n" + ping, reply(200, "application/json", `{"jsonrpc":"2.0","id":7,"result":{}}`), []string{`at most 16 MiB`, `"id":7`}},
		"id as text":             {`{"jsonrpc":"2.0","id":"<1>","method":"x"}`, reply(200, "application/json", `{"jsonrpc":"2.0","id":"\u003c1\u003e","result":{}}`), []string{`"result"`}},
		"batch":                  {`[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"b"}]`, reply(200, "application/json", `[{"jsonrpc":"2.0","id":1,"result":{}}]`), []string{`[{"jsonrpc"`, `"id":2`}},
		"an answer that is huge": {ping, reply(200, "application/json", strings.Repeat(" ", maxMessage+1)), []string{`larger than 16 MiB`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runBridge(t, tc.input, tc.handle)
			if len(got) != len(tc.want) {
				t.Fatalf("wrote %q, want %d lines", got, len(tc.want))
			}
			for _, want := range tc.want {
				if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, want) }) {
					t.Errorf("no line of %q has %s", got, want)
				}
			}
			if strings.Contains(strings.Join(got, ""), "ak_secret") {
				t.Error("the key is in an answer")
			}
		})
	}
}

// The key does not follow a redirect to another host.
func TestBridgeKeepsKeyFromOthers(t *testing.T) {
	t.Parallel()
	var asked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("X-Api-Key"))
	}))
	defer other.Close()
	runBridge(t, ping, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if len(asked) > 0 {
		t.Errorf("the other host was asked with key %q", asked)
	}
}

// Each era repeats in headers what it must.
func TestBridgeHeaders(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		line string
		want map[string]string
	}{
		"modern": {
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"É","uri":"u","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
			map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?w4k=?="},
		},
		"modern resource": {
			`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"n","uri":"a:b","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
			map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "resources/read", "Mcp-Name": "a:b"},
		},
		"modern list": {
			`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
			map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"},
		},
		"legacy": {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"N"}}`, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := map[string]string{}
			runBridge(t, tc.line, func(w http.ResponseWriter, r *http.Request) {
				for k := range r.Header {
					if strings.HasPrefix(k, "Mcp-") {
						got[k] = r.Header.Get(k)
					}
				}
				reply(200, "application/json", `{"jsonrpc":"2.0","id":1,"result":{}}`)(w, r)
			})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("headers (-want +got)\n%s", diff)
			}
		})
	}
}

// legacyRouter keeps sessions as a router of the legacy era does, and forgets
// them all when told.
type legacyRouter struct {
	mu      sync.Mutex
	opened  int
	ready   map[string]bool
	deleted []string
	forget  bool // at the next call
}

func (l *legacyRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := r.Header.Get(headerSession)
	if r.Method == http.MethodDelete {
		l.deleted = append(l.deleted, id)
		return
	}
	var m rpc
	_ = json.NewDecoder(r.Body).Decode(&m)
	switch {
	case m.Method == "initialize" && id == "":
		l.opened++
		w.Header().Set(headerSession, fmt.Sprintf("s%d", l.opened))
		reply(200, "application/json", `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}`)(w, r)
	case m.Method == "notifications/initialized":
		l.ready[id] = true
		w.WriteHeader(http.StatusAccepted)
	case !l.ready[id] || l.forget || r.Header.Get(headerVersion) != "2025-11-25":
		l.forget = false
		clear(l.ready)
		reply(404, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no such session"}}`)(w, r)
	default:
		reply(200, "application/json", `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":{"in":"`+id+`"}}`)(w, r)
	}
}

// A legacy session that the router has forgotten is opened again, unseen by the
// client, and deleted at the end.
func TestBridgeReopens(t *testing.T) {
	t.Parallel()
	l := &legacyRouter{ready: map[string]bool{}}
	srv := httptest.NewServer(l)
	defer srv.Close()
	in, feed := io.Pipe()
	out, written := io.Pipe()
	b := newBridge(&client.Session{MCP: client.MCP{URL: srv.URL}}, Streams{In: in, Out: written, Err: io.Discard})
	ended := make(chan error, 1)
	go func() { ended <- b.run(t.Context()) }()
	answers := bufio.NewScanner(out)
	say := func(line string) {
		if _, err := io.WriteString(feed, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	hear := func(want string) {
		t.Helper()
		if !answers.Scan() || !strings.Contains(answers.Text(), want) {
			t.Fatalf("heard %q, want %s", answers.Text(), want)
		}
	}
	say(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`)
	hear(`"protocolVersion"`)
	say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	say(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	hear(`"id":1,"result":{"in":"s1"}`)
	l.mu.Lock()
	l.forget = true
	l.mu.Unlock()
	say(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	hear(`"id":2,"result":{"in":"s2"}`)
	say(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
	hear(`"id":3,"result":{"in":"s2"}`)
	_ = feed.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"s2"}, l.deleted); diff != "" {
		t.Errorf("sessions deleted at the end (-want +got)\n%s", diff)
	}
}

// The end of input waits for what runs, but neither for streams nor for ever.
func TestBridgeDrains(t *testing.T) {
	t.Parallel()
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	for name, tc := range map[string]struct {
		line  string
		drain time.Duration
	}{
		"stream":  {`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{` + meta + `}}`, time.Hour},
		"request": {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + meta + `}}`, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, feed := io.Pipe()
			gone := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server see the client leave
				_ = feed.Close()
				<-r.Context().Done()
				close(gone)
			}))
			defer srv.Close()
			b := newBridge(&client.Session{MCP: client.MCP{URL: srv.URL}}, Streams{In: in, Out: io.Discard})
			go func() { _, _ = io.WriteString(feed, tc.line+"\n") }()
			b.drain = tc.drain
			if err := b.run(t.Context()); err != nil {
				t.Error(err)
			}
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				t.Error("the request was not closed")
			}
		})
	}
}

// More requests than may run at once, and an id that is in use, are refused.
func TestBridgeBounds(t *testing.T) {
	t.Parallel()
	var input strings.Builder
	for i := range maxInFlight + 1 {
		fmt.Fprintf(&input, `{"jsonrpc":"2.0","id":%d,"method":"x"}`+"\n", i)
	}
	fmt.Fprintln(&input, `{"jsonrpc":"2.0","id":5,"method":"x"}`)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer srv.Close()
	var out bytes.Buffer
	b := newBridge(&client.Session{MCP: client.MCP{URL: srv.URL}}, Streams{In: strings.NewReader(input.String()), Out: &out})
	b.drain = time.Millisecond
	if err := b.run(t.Context()); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], fmt.Sprintf(`"id":%d`, maxInFlight)) || !strings.Contains(lines[1], "still running") {
		t.Errorf("refusals: %q", lines)
	}
}

// A line is what stands between newlines, and a line that is too long does not
// harm the one after it.
func TestReadLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 64).Draw(t, "limit")
		want := rapid.SliceOfN(rapid.StringMatching(`[a-c]{0,100}`), 1, -1).Draw(t, "lines")
		in := bufio.NewReaderSize(strings.NewReader(strings.Join(want, "\n")+"\n"), 16)
		for _, line := range want {
			got, err := readLine(in, limit)
			if len(line)+1 > limit {
				if !errors.Is(err, errLong) || got != nil {
					t.Fatalf("%q with limit %d: %q, %v", line, limit, got, err)
				}
				continue
			}
			if err != nil || string(got) != line+"\n" {
				t.Fatalf("got %q, %v; want %q", got, err, line)
			}
		}
		if got, err := readLine(in, limit); !errors.Is(err, io.EOF) || len(got) > 0 {
			t.Fatalf("after the end: %q, %v", got, err)
		}
	})
}

// A bridge whose context ends stops, though its input does not.
func TestBridgeStops(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	defer feed.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := newBridge(&client.Session{MCP: client.MCP{URL: "http://127.0.0.1:1"}}, Streams{In: in, Out: io.Discard})
	if err := b.run(ctx); err != nil {
		t.Error(err)
	}
}

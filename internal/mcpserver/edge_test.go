package mcpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestOtherPaths(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("paths")
	id := e.session(p, direct)
	for path, want := range map[string]int{
		"/tool_router/" + id + "/mcp":                        200,
		"/tool_router/" + id + "/mcp/":                       200,
		"//tool_router//" + id + "//mcp":                     200,
		"/tool_router/" + id:                                 404,
		"/tool_router/mcp":                                   404,
		"/tool_router/" + id + "/sse":                        404,
		"/tool_router/" + id + "/mcp/x":                      404,
		"/tool_router/../" + id + "/mcp":                     404,
		"/tool_router/" + strings.Repeat("x", 4000) + "/mcp": 404,
	} {
		c := e.modern(id, key)
		c.url = e.url + path
		if got := c.list(); got.status != want {
			t.Errorf("%s: %d, want %d", path, got.status, want)
		}
	}
}

// A client of the handshake era that is asked without end, or answers with an
// error, gets a failed call and not a hanging one.
func TestQuestionsWithoutAnswer(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("questions")
	url := e.endpoint(e.session(p, direct))
	asked := 0
	forms := &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{}}
	cs := dial(t, url, key, "2025-11-25", &mcp.ClientOptions{
		Capabilities: forms,
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			asked++
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"n": "x"}}, nil
		},
	})
	r, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "TEST_NAG"})
	must(t, err)
	if got := textOf(t, r); !r.IsError || asked != 10 || !strings.Contains(got, "the tool asked 10 times in one call") {
		t.Errorf("asked %d times: %s", asked, got)
	}
	cs = dial(t, url, key, "2025-11-25", &mcp.ClientOptions{
		Capabilities: forms,
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return nil, errors.New("no screen")
		},
	})
	r, err = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "TEST_CONFIRM"})
	must(t, err)
	if got := textOf(t, r); !r.IsError || !strings.Contains(got, "did not answer the tool's question") || strings.Contains(got, "no screen") {
		t.Errorf("an error of the client: %s", got)
	}
}

// What is in progress when the server closes is told so, as an answer of the
// call or of the request, and what comes later is refused.
func TestClose(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("close")
	id := e.session(p, direct)
	done := make(chan answer, 1)
	go func() { done <- e.modern(id, key).call("TEST_BLOCK", `{"name":"x"}`) }()
	<-e.tools.entered
	must(t, e.mcp.Close())
	must(t, e.mcp.Close())
	if err := e.waitEnded(); !errors.Is(err, context.Canceled) {
		t.Errorf("the tool ended with %v", err)
	}
	if got := (<-done).message(t); got.Error == nil || !strings.Contains(got.Error.Message, "shutting down") {
		t.Errorf("in progress: %+v", got)
	}
	for name, got := range map[string]answer{
		"modern": e.modern(id, key).list(), "legacy": e.legacy(id, key).post(initialize),
	} {
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s afterwards: %d %s", name, got.status, got.body)
		}
	}
}

// A revoked key's call in progress says why it was broken off.
func TestRevokedInProgress(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("revoked")
	done := make(chan answer, 1)
	id := e.session(p, direct)
	go func() { done <- e.modern(id, key).call("TEST_BLOCK", `{"name":"x"}`) }()
	<-e.tools.entered
	must(t, e.who.Revoke(t.Context(), p.ProjectID, p.KeyID))
	if got := (<-done).message(t); got.Error == nil || !strings.Contains(got.Error.Message, "revoked") {
		t.Errorf("in progress: %+v", got)
	}
	if err := e.waitEnded(); err == nil {
		t.Error("the tool went on")
	}
}

// A call's record names the request that its answer names.
func TestRequestID(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("request")
	id := e.session(p, direct)
	for era, c := range eras(e, id, key) {
		got := c.named("tools/call", "TEST_ECHO").post(inEra(era, callBody("TEST_ECHO", `{"text":"hi"}`)))
		newest := e.executions(p.ProjectID)[0]
		if name := got.header.Get("X-Request-Id"); name == "" || newest.RequestID != name || newest.SessionID != id || newest.KeyID != p.KeyID {
			t.Errorf("%s: answered as %q, recorded %+v", era, name, newest)
		}
	}
}

// The messages of a batch run at once and count as one request of the key, so
// there are not many.
func TestBatchSize(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("batch")
	c := e.legacy(e.session(p, direct), key)
	res := c.post(strings.Replace(initialize, "2025-11-25", "2025-03-26", 1))
	c = c.with("Mcp-Session-Id", res.header.Get("Mcp-Session-Id")).with("Mcp-Protocol-Version", "2025-03-26")
	if res := c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); res.status != http.StatusAccepted {
		t.Fatalf("initialized: %d %s", res.status, res.body)
	}
	for size, want := range map[int]int{1: 200, 50: 200, 51: 400, 5000: 400} {
		one := `{"jsonrpc":"2.0","id":` + "%" + `,"method":"tools/call","params":{"name":"TEST_ECHO","arguments":{"text":"hi"}}}`
		messages := make([]string, size)
		for i := range messages {
			messages[i] = strings.Replace(one, "%", strconv.Itoa(10_000*size+i), 1)
		}
		before := len(e.executions(p.ProjectID))
		got := c.post("[" + strings.Join(messages, ",") + "]")
		if got.status != want {
			t.Errorf("%d messages: %d %.200s", size, got.status, got.body)
		}
		if ran := len(e.executions(p.ProjectID)) - before; want == 400 && ran > 0 {
			t.Errorf("%d of %d messages ran", ran, size)
		}
	}
}

// Many small values take memory and time out of proportion to their size.
func TestTooManyValues(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("values")
	id := e.session(p, direct)
	many := `{"text":"hi","list":[` + strings.Repeat("{},", 200_000) + `{}]}`
	for era, c := range map[string]*caller{"modern": e.modern(id, key), "legacy": e.legacy(id, key).shake()} {
		if got := c.named("tools/call", "TEST_ECHO").post(callBody("TEST_ECHO", many)); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d %.200s", era, got.status, got.body)
		}
	}
}

// A stranger is refused at once, without waiting for the body.
func TestStrangersBodyIsNotWaitedFor(t *testing.T) {
	e := newEnv(t, nil)
	_, p := e.key("stranger")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(conn, "POST /tool_router/%s/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", e.session(p, direct))
	must(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", res.StatusCode)
	}
}

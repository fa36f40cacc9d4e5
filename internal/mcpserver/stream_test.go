package mcpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/mcpserver"
)

// events reads an event stream strictly: comments and whole events, and nothing
// between.
func events(t testing.TB, r io.Reader) (data []string, comments int) {
	t.Helper()
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return data, comments
		}
		must(t, err)
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, ":"):
			comments++
		case line == "event: message":
			value, err := br.ReadString('\n')
			must(t, err)
			value, ok := strings.CutPrefix(strings.TrimSuffix(value, "\n"), "data: ")
			if !ok {
				t.Fatalf("an event was broken by %q", value)
			}
			data = append(data, value)
		default:
			t.Fatalf("unexpected line %q", line)
		}
		if blank, err := br.ReadString('\n'); err != nil || blank != "\n" {
			t.Fatalf("no blank line after %q: %q %v", line, blank, err)
		}
	}
}

// eras gives a client of each, ready to call.
func eras(e *env, sessionID, key string) map[string]*caller {
	return map[string]*caller{
		"modern": e.modern(sessionID, key),
		"legacy": e.legacy(sessionID, key).shake(),
	}
}

// streamed is a tools/call that is answered with an event stream.
func streamed(tool string) string {
	return strings.Replace(callBody(tool, `{"name":"x"}`), `"_meta":{`, `"_meta":{"progressToken":"p1",`, 1)
}

// inEra drops from a request what only the modern era has.
func inEra(era, body string) string {
	if era == "legacy" {
		body = strings.Replace(body, meta[len(`"_meta":{`):], "}", 1)
		body = strings.Replace(body, `"progressToken":"p1",}`, `"progressToken":"p1"}`, 1)
	}
	return body
}

// The headers of a stream come while its tool works, and comments come between
// its events, however fast those are, and never within one.
func TestStreamKeepsAlive(t *testing.T) {
	e := newEnv(t, func(o *mcpserver.Options) { o.EarlyHeaders, o.KeepAlive = time.Microsecond, 20*time.Microsecond })
	key, p := e.key("stream")
	for era, c := range eras(e, e.session(p, direct), key) {
		t.Run(era, func(t *testing.T) {
			e.tools.steps = make(chan struct{})
			res, err := c.named("tools/call", "TEST_STEPS").do(t.Context(), http.MethodPost, inEra(era, streamed("TEST_STEPS")))
			must(t, err) // the tool has not reported anything yet
			defer res.Body.Close()
			if got := res.Header.Get("X-Accel-Buffering"); got != "no" {
				t.Errorf("X-Accel-Buffering: %q", got)
			}
			const steps = 500
			go func() {
				for range steps {
					e.tools.steps <- struct{}{}
				}
				close(e.tools.steps)
			}()
			data, comments := events(t, res.Body)
			if len(data) != steps+1 {
				t.Fatalf("%d events, want %d reports and a result", len(data), steps)
			}
			for i, d := range data[:steps] {
				if want := fmt.Sprintf(`"message":"step %d"`, i+1); !strings.Contains(d, want) || !strings.Contains(d, `"progressToken":"p1"`) {
					t.Fatalf("event %d: %s", i, d)
				}
			}
			if !strings.Contains(data[steps], `\"steps\":500`) {
				t.Errorf("result: %s", data[steps])
			}
			if comments == 0 {
				t.Error("no comment in a slow stream")
			}
		})
	}
}

// A refusal that comes after the stream has begun is an event of it.
func TestLateRefusalIsAnEvent(t *testing.T) {
	e := newEnv(t, func(o *mcpserver.Options) { o.EarlyHeaders = time.Microsecond })
	key, p := e.key("late")
	c := e.modern(e.session(p, direct), key).named("tools/call", "TEST_BLOCK")
	res, err := c.do(t.Context(), http.MethodPost, streamed("TEST_BLOCK"))
	must(t, err)
	defer res.Body.Close()
	<-e.tools.entered
	close(e.tools.release)
	if data, _ := events(t, res.Body); len(data) != 1 || !strings.Contains(data[0], `"resultType":"complete"`) {
		t.Errorf("%q", data)
	}
	// An unknown tool is known to be unknown at once or late: both are whole.
	for range 50 {
		got := c.named("tools/call", "NOPE").post(streamed("NOPE"))
		if m := got.message(t); m.Error == nil || m.Error.Code != -32602 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") != (got.status == 200) {
			t.Fatalf("%d with %s", got.status, got.header.Get("Content-Type"))
		}
	}
}

// waitEnded waits for TEST_BLOCK to return and says why it did.
func (e *env) waitEnded() error {
	e.t.Helper()
	select {
	case err := <-e.tools.ended:
		return err
	case <-time.After(10 * time.Second):
		e.t.Fatal("the tool was not stopped")
		return nil
	}
}

// What ends a call ends it where it works: in the tool.
func TestCancellationReachesTheTool(t *testing.T) {
	e := newEnv(t, nil)
	_, p := e.key("unused")
	block := func(c *caller, era string) (done chan answer, cancel context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		done = make(chan answer, 1)
		go func() {
			defer close(done)
			res, err := c.named("tools/call", "TEST_BLOCK").do(ctx, http.MethodPost, inEra(era, callBody("TEST_BLOCK", `{"name":"x"}`)))
			if err != nil {
				return
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			done <- answer{status: res.StatusCode, header: res.Header, body: string(body)}
		}()
		<-e.tools.entered
		return done, cancel
	}
	for _, tt := range []struct {
		name, era string
		end       func(c *caller, hangUp context.CancelFunc, sessionID, keyID string)
	}{
		{"hanging up", "modern", func(_ *caller, hangUp context.CancelFunc, _, _ string) { hangUp() }},
		{"notifications/cancelled", "legacy", func(c *caller, _ context.CancelFunc, _, _ string) {
			res := c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
			if res.status != http.StatusAccepted {
				t.Errorf("cancelled: %d %s", res.status, res.body)
			}
		}},
		{"DELETE", "legacy", func(c *caller, _ context.CancelFunc, _, _ string) {
			if res := c.send(http.MethodDelete, ""); res.status != http.StatusNoContent {
				t.Errorf("DELETE: %d %s", res.status, res.body)
			}
		}},
		{"DELETE after hanging up", "legacy", func(c *caller, hangUp context.CancelFunc, _, _ string) {
			hangUp()
			c.send(http.MethodDelete, "")
		}},
		{"revoking the key", "modern", func(_ *caller, _ context.CancelFunc, _, keyID string) {
			must(t, e.who.Revoke(t.Context(), e.project.ID, keyID))
		}},
		{"revoking the key", "legacy", func(_ *caller, _ context.CancelFunc, _, keyID string) {
			must(t, e.who.Revoke(t.Context(), e.project.ID, keyID))
		}},
		{"forgetting the session", "legacy", func(_ *caller, _ context.CancelFunc, sessionID, _ string) { e.mcp.Forget(sessionID) }},
	} {
		t.Run(tt.era+"/"+tt.name, func(t *testing.T) {
			key, own := e.key(tt.name)
			id := e.session(p, direct)
			c := e.modern(id, key)
			if tt.era == "legacy" {
				c = e.legacy(id, key).shake()
			}
			done, hangUp := block(c, tt.era)
			defer hangUp()
			tt.end(c, hangUp, id, own.KeyID)
			if err := e.waitEnded(); !errors.Is(err, context.Canceled) {
				t.Errorf("the tool ended with %v", err)
			}
			if got, ok := <-done; ok && tt.name == "revoking the key" && got.status == 200 && strings.Contains(got.body, "result") {
				t.Errorf("a revoked key got an answer: %d %s", got.status, got.body)
			}
		})
	}
}

// A call that nobody cancels goes on when a client of the handshake era hangs up.
func TestHangingUpIsNoCancellationInTheHandshakeEra(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("hangup")
	c := e.legacy(e.session(p, direct), key).shake()
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if res, err := c.do(ctx, http.MethodPost, inEra("legacy", callBody("TEST_BLOCK", `{"name":"x"}`))); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}()
	<-e.tools.entered
	hangUp()
	<-gone
	if res := c.post(`{"jsonrpc":"2.0","id":9,"method":"ping"}`); res.status != 200 {
		t.Errorf("ping: %d", res.status)
	}
	close(e.tools.release)
	if err := e.waitEnded(); err != nil {
		t.Errorf("the tool ended with %v", err)
	}
}

// openStream opens the event stream of a handshake-era session.
func (c *caller) openStream(t *testing.T) *http.Response {
	t.Helper()
	res, err := c.do(t.Context(), http.MethodGet, "")
	must(t, err)
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		t.Fatalf("GET: %d %s", res.StatusCode, body)
	}
	return res
}

// An open stream ends when what it stands on does.
func TestOpenStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(e *env, c *caller, sessionID string, keyID string)
	}{
		{"the key is revoked", func(e *env, _ *caller, _, keyID string) {
			must(t, e.who.Revoke(t.Context(), e.project.ID, keyID))
		}},
		{"the key is revoked by another process", func(e *env, _ *caller, _, keyID string) {
			must(t, e.db.RevokeAPIKey(t.Context(), e.project.ID, keyID, time.Now()))
		}},
		{"the session is deleted here", func(e *env, _ *caller, sessionID, _ string) { e.mcp.Forget(sessionID) }},
		{"the session is deleted elsewhere", func(e *env, _ *caller, sessionID, _ string) {
			must(t, e.db.DeleteSession(t.Context(), e.project.ID, sessionID))
		}},
		{"the transport session ends", func(_ *env, c *caller, _, _ string) { c.send(http.MethodDelete, "") }},
		{"the server drains", func(e *env, _ *caller, _, _ string) { e.mcp.Drain() }},
		{"the server closes", func(e *env, _ *caller, _, _ string) { _ = e.mcp.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t, func(o *mcpserver.Options) { o.KeepAlive = time.Millisecond })
			key, p := e.key("stream")
			id := e.session(p, direct)
			c := e.legacy(id, key).shake()
			res := c.openStream(t)
			defer res.Body.Close()
			begun := time.Now()
			tt.end(e, c, id, p.KeyID)
			_, _ = io.Copy(io.Discard, res.Body) // to its end
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("the stream ended after %s", took)
			}
			if after := c.post(`{"jsonrpc":"2.0","id":9,"method":"ping"}`); after.status == 200 {
				if tt.name != "the server drains" {
					t.Errorf("afterwards: %d", after.status)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	e := newEnv(t, func(o *mcpserver.Options) {
		o.MaxCalls, o.MaxStreams, o.MaxAllStreams, o.MaxSessions, o.MaxBody = 2, 1, 2, 3, 1000
	})
	keyA, a := e.key("a")
	keyB, _ := e.key("b")
	id := e.session(a, direct)
	status := func(r answer) string { return fmt.Sprint(r.status, " ", r.header.Get("Retry-After") != "") }
	got, want := map[string]string{}, map[string]string{}
	expect := func(name, value, wanted string) { got[name], want[name] = value, wanted }

	// Sessions, then streams.
	one, two := e.legacy(id, keyA).shake(), e.legacy(id, keyA).shake()
	expect("a third session of the key", status(e.legacy(id, keyA).post(initialize)), "429 true")
	three := e.legacy(id, keyB).shake()
	expect("a fourth session", status(e.legacy(id, keyB).post(initialize)), "503 true")
	streams := []*http.Response{one.openStream(t)}
	expect("a second stream of the key", status(two.send(http.MethodGet, "")), "429 true")
	streams = append(streams, three.openStream(t))
	expect("a third stream in all", status(two.send(http.MethodGet, "")), "503 true")
	for _, s := range streams {
		_ = s.Body.Close()
	}

	// Calls of one key, while another's go on.
	done := make(chan answer, 2)
	for range 2 {
		go func() { done <- e.modern(id, keyA).call("TEST_BLOCK", `{"name":"x"}`) }()
		<-e.tools.entered
	}
	expect("a third call of the key", status(e.modern(id, keyA).list()), "429 true")
	expect("another key's call", status(e.modern(id, keyB).list()), "200 false")
	close(e.tools.release)
	<-done
	<-done
	expect("a call afterwards", status(e.modern(id, keyA).list()), "200 false")

	expect("a message of 10 MB", status(e.modern(id, keyA).call("TEST_ECHO", `{"text":"`+strings.Repeat("x", 10<<20)+`"}`)), "413 false")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A body without a length is cut off too.
func TestChunkedBodyIsBounded(t *testing.T) {
	e := newEnv(t, nil)
	key, p := e.key("chunked")
	c := e.modern(e.session(p, direct), key).named("tools/call", "TEST_ECHO")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, io.MultiReader(strings.NewReader(strings.Repeat(" ", 10<<20))))
	must(t, err)
	req.Header = c.header
	res, err := e.client.Do(req)
	if err != nil {
		return // the server closed the connection before it was all sent
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", res.StatusCode)
	}
}

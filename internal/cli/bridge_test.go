package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/toolkit"
)

// eras are the protocol versions that an agent may speak over the bridge.
var eras = []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"}

// peer is a router in this process whose tools tell the test what they do.
type peer struct {
	app     *app.App
	key     string
	entered chan struct{} // TEST_BLOCK has begun
	ended   chan error    // why it ended
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{entered: make(chan struct{}, 100), ended: make(chan error, 100)}
	cfg, err := app.LoadConfig("", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Addr = "127.0.0.1:0"
	p.app, err = app.New(t.Context(), app.Options{Config: cfg, Quiet: true, LogOutput: io.Discard, Toolkits: []*toolkit.Toolkit{p.toolkit(t)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.app.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := p.app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.key = p.app.EphemeralKey("test")
	return p
}

func (p *peer) toolkit(t *testing.T) *toolkit.Toolkit {
	t.Helper()
	tool := func(slug, input string, run func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error)) toolkit.Tool {
		made, err := toolkit.Raw(slug, slug, "A tool of the tests.", toolkit.About{}, toolkit.Hints{ReadOnly: true},
			json.RawMessage(input), json.RawMessage(`{"type":"object"}`), run)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	const text = `{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}`
	return &toolkit.Toolkit{
		Slug: "test", Name: "Test", Description: "Tools of the tests.", Version: "20261122_00",
		Tools: []toolkit.Tool{
			tool("TEST_ECHO", text, func(_ context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
				return &toolkit.Result{Data: args}, nil
			}),
			tool("TEST_BLOCK", `{"type":"object","properties":{}}`, func(ctx context.Context, _ *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				p.entered <- struct{}{}
				<-ctx.Done()
				p.ended <- ctx.Err()
				return nil, ctx.Err()
			}),
			tool("TEST_ASK", `{"type":"object","properties":{}}`, func(_ context.Context, c *toolkit.Call, _ json.RawMessage) (*toolkit.Result, error) {
				a, err := c.Ask("name", toolkit.Question{
					Message: "Who are you?", Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`),
				})
				if err != nil {
					return nil, err
				}
				return &toolkit.Result{Data: json.RawMessage(fmt.Sprintf(`{"action":%q,"content":%s}`, a.Action, a.Content))}, nil
			}),
		},
	}
}

// command is "sluice mcp" against the router.
func (p *peer) command(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sluice", "mcp", "--url", p.app.URL(), "--toolkits", "test", "--direct")
	cmd.Env = []string{"SLUICE_API_KEY=" + p.key, "SLUICE_HOME=" + filepath.Join(t.TempDir(), "unused")}
	return cmd
}

func (p *peer) connect(t *testing.T, version string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
	})
	cs, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: p.command(t)}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cs.Close(); err != nil {
			t.Errorf("the bridge did not end well: %v", err)
		}
	})
	return cs
}

func call(ctx context.Context, cs *mcp.ClientSession, tool string, args map[string]any) (string, error) {
	res, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range res.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	if res.IsError {
		return "", fmt.Errorf("tool failed: %s", b.String())
	}
	return b.String(), nil
}

// TestBridge drives "sluice mcp" with the official SDK's client in every
// version.
func TestBridge(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	for _, version := range eras {
		t.Run(version, func(t *testing.T) {
			cs := p.connect(t, version)
			tools, err := cs.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			names := map[string]bool{}
			for _, tool := range tools.Tools {
				names[tool.Name] = true
			}
			if !names["TEST_ECHO"] || !names["TEST_BLOCK"] {
				t.Errorf("tools: %v", names)
			}
			t.Run("large", func(t *testing.T) {
				text := strings.Repeat("große Seite 📄 ", 60_000)
				got, err := call(t.Context(), cs, "TEST_ECHO", map[string]any{"text": text})
				if err != nil || !strings.Contains(got, text) {
					t.Errorf("%d bytes came back as %d, %v", len(text), len(got), err)
				}
			})
			t.Run("unknown tool", func(t *testing.T) {
				if _, err := call(t.Context(), cs, "TEST_NOPE", nil); err == nil || !strings.Contains(err.Error(), "TEST_NOPE") {
					t.Errorf("error %v does not name the tool", err)
				}
			})
			t.Run("many at once", func(t *testing.T) { manyCalls(t, cs) })
			t.Run("question", func(t *testing.T) {
				got, err := call(t.Context(), cs, "TEST_ASK", nil)
				want := "Ada"
				if version < "2025-06-18" { // it has no questions
					want = ""
				}
				if want != "" && (err != nil || !strings.Contains(got, want)) {
					t.Errorf("got %q, %v", got, err)
				}
			})
			t.Run("cancel", func(t *testing.T) { p.cancelled(t, cs) })
		})
	}
}

// manyCalls runs 20 calls side by side; each gets its own answer.
func manyCalls(t *testing.T, cs *mcp.ClientSession) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			text := fmt.Sprintf("call <%d>", i)
			got, err := call(t.Context(), cs, "TEST_ECHO", map[string]any{"text": text})
			var answer struct {
				Data struct{ Text string }
			}
			if err == nil {
				err = json.Unmarshal([]byte(got), &answer)
			}
			if err != nil || answer.Data.Text != text {
				t.Errorf("call %d: got %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

// cancelled ends a call from the client and waits until the tool has seen it.
func (p *peer) cancelled(t *testing.T, cs *mcp.ClientSession) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := call(ctx, cs, "TEST_BLOCK", nil)
		done <- err
	}()
	wait := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(patience):
			t.Fatalf("%s: nothing happened", what)
		}
	}
	wait("calling", p.entered)
	cancel()
	select {
	case err := <-p.ended:
		if err == nil {
			t.Error("the tool's context did not end")
		}
	case <-time.After(patience):
		t.Fatal("the cancellation did not reach the tool")
	}
	if err := <-done; err == nil {
		t.Error("the cancelled call succeeded")
	}
	if _, err := call(t.Context(), cs, "TEST_ECHO", map[string]any{"text": "after"}); err != nil {
		t.Errorf("after a cancellation: %v", err)
	}
}

// TestBridgePipe feeds lines as a script would: answers of requests that run
// when the input ends still come.
func TestBridgePipe(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	cmd := p.command(t)
	cmd.Stdin = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"sh","version":"1"}}}
not json
{"jsonrpc":"2.0","method":"notifications/initialized"}

{"jsonrpc":"2.0","id":"a\u003cb","method":"tools/call","params":{"name":"TEST_ECHO","arguments":{"text":"hi"}}}
{"jsonrpc":"2.0","id":3,"method":"no/such"}`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var m struct {
			ID json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("not one message a line: %q", line)
		}
		var id any
		_ = json.Unmarshal(m.ID, &id)
		answers[fmt.Sprint(id)] += line
	}
	for id, want := range map[string]string{"1": `"protocolVersion":"2025-11-25"`, "<nil>": "-32700", "a<b": "hi", "3": `"error"`} {
		if !strings.Contains(answers[id], want) {
			t.Errorf("answer to %s: %q lacks %s", id, answers[id], want)
		}
	}
	if len(answers) != 4 {
		t.Errorf("answers: %v", answers)
	}
}

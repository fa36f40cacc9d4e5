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
	"strings"
	"sync"

	"github.com/sluice-run/sluice/client"
)

// maxMessage bounds one JSON-RPC message in either direction.
const maxMessage = 16 << 20

// bridge carries MCP messages between standard streams and a session's URL:
// one line in, one POST out; what comes back, JSON or an event stream, is
// written a message a line (MCP 2025-11-25 "stdio", 2026-07-28 "stdio").
type bridge struct {
	session *client.Session
	streams Streams
	http    *http.Client

	out sync.Mutex // one writer of standard output at a time

	mu       sync.Mutex
	mcpID    string // Mcp-Session-Id of a legacy session
	version  string // protocol version of a legacy session
	inFlight map[string]context.CancelFunc
	running  sync.WaitGroup
}

func newBridge(session *client.Session, streams Streams) *bridge {
	return &bridge{session: session, streams: streams, http: &http.Client{}, inFlight: map[string]context.CancelFunc{}}
}

// rpc is what the bridge needs to know of a message.
type rpc struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		URI       string          `json:"uri"`
		RequestID json.RawMessage `json:"requestId"`
		Meta      map[string]any  `json:"_meta"`
	} `json:"params"`
	Result struct {
		ProtocolVersion string `json:"protocolVersion"`
	} `json:"result"`
}

const versionMeta = "io.modelcontextprotocol/protocolVersion"

// run passes messages on until standard input ends or ctx does.
func (b *bridge) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan []byte)
	failed := make(chan error, 1)
	go func() { // reading standard input cannot be cancelled; the process ends instead
		defer close(lines)
		sc := bufio.NewScanner(b.streams.In)
		sc.Buffer(make([]byte, 64<<10), maxMessage)
		for sc.Scan() {
			lines <- bytes.Clone(sc.Bytes())
		}
		failed <- sc.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			b.running.Wait()
			return nil
		case line, ok := <-lines:
			if !ok {
				b.running.Wait()
				b.end(ctx)
				return <-failed
			}
			if len(bytes.TrimSpace(line)) > 0 {
				b.take(ctx, line)
			}
		}
	}
}

// take starts on one message. Handshake messages are waited for, so that those
// after them know the session; the rest run side by side.
func (b *bridge) take(ctx context.Context, line []byte) {
	var m rpc
	if err := json.Unmarshal(line, &m); err != nil {
		b.fail(nil, -32700, "parse error: one JSON-RPC message a line was expected")
		return
	}
	if m.Method == "notifications/cancelled" {
		b.cancel(m.Params.RequestID)
		if b.legacy() == "" {
			return // the modern era has no such message over HTTP: closing the request is it
		}
	}
	reqCtx, cancel := context.WithCancel(ctx)
	if len(m.ID) > 0 && m.Method != "" {
		b.mu.Lock()
		b.inFlight[string(m.ID)] = cancel
		b.mu.Unlock()
	}
	work := func() {
		defer cancel()
		b.post(reqCtx, m, line)
		b.mu.Lock()
		delete(b.inFlight, string(m.ID))
		b.mu.Unlock()
	}
	if m.Method == "initialize" || m.Method == "notifications/initialized" {
		work()
		return
	}
	b.running.Go(work)
}

func (b *bridge) cancel(id json.RawMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if stop := b.inFlight[string(id)]; stop != nil && b.mcpID == "" {
		stop()
	}
}

func (b *bridge) legacy() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mcpID
}

func (b *bridge) post(ctx context.Context, m rpc, line []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.session.MCP.URL, bytes.NewReader(line))
	if err != nil {
		b.fail(m.ID, -32603, "the session's address is not usable")
		return
	}
	b.headers(req, m)
	res, err := b.http.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			b.fail(m.ID, -32603, "the router does not answer")
		}
		return
	}
	defer res.Body.Close() //nolint:errcheck // nothing to do about it after reading
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		b.mu.Lock()
		b.mcpID = id
		b.mu.Unlock()
	}
	if err := b.deliver(res, m); err != nil && ctx.Err() == nil {
		b.fail(m.ID, -32603, err.Error())
	}
}

func (b *bridge) headers(req *http.Request, m rpc) {
	for k, v := range b.session.MCP.Headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if v, _ := m.Params.Meta[versionMeta].(string); v != "" {
		req.Header.Set("Mcp-Protocol-Version", v)
		req.Header.Set("Mcp-Method", m.Method)
		if name := m.Params.Name + m.Params.URI; name != "" {
			req.Header.Set("Mcp-Name", name)
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mcpID != "" && m.Method != "initialize" {
		req.Header.Set("Mcp-Session-Id", b.mcpID)
		if b.version != "" {
			req.Header.Set("Mcp-Protocol-Version", b.version)
		}
	}
}

// deliver writes every message of an answer to standard output.
func (b *bridge) deliver(res *http.Response, m rpc) error {
	kind := res.Header.Get("Content-Type")
	switch {
	case res.StatusCode == http.StatusAccepted || res.StatusCode == http.StatusNoContent:
		return nil
	case strings.HasPrefix(kind, "text/event-stream"):
		return b.events(res.Body, m)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxMessage+1))
	if err != nil {
		return errors.New("the router's answer broke off")
	}
	if len(body) > maxMessage {
		return errors.New("the router's answer is larger than 16 MiB")
	}
	var message struct {
		JSONRPC string `json:"jsonrpc"`
	}
	if json.Unmarshal(body, &message) == nil && message.JSONRPC == "2.0" {
		b.write(body, m)
		return nil
	}
	if len(m.ID) == 0 {
		return nil // a notification has no answer
	}
	return fmt.Errorf("the router answered %s", res.Status)
}

// events reads a server-sent event stream (WHATWG HTML §9.2): data lines are
// messages, comments keep the connection alive.
func (b *bridge) events(body io.Reader, m rpc) error {
	sc := bufio.NewScanner(body)
	sc.Buffer(make([]byte, 64<<10), maxMessage)
	var data []byte
	for sc.Scan() {
		line := sc.Bytes()
		if len(line) == 0 {
			b.write(data, m)
			data = data[:0]
			continue
		}
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
		}
	}
	if sc.Err() != nil {
		return errors.New("the router's answer broke off")
	}
	b.write(data, m)
	return nil
}

// write puts one message on a line of its own.
func (b *bridge) write(message []byte, m rpc) {
	if len(bytes.TrimSpace(message)) == 0 {
		return
	}
	var line bytes.Buffer
	if json.Compact(&line, message) != nil {
		return
	}
	if m.Method == "initialize" {
		var answer rpc
		if json.Unmarshal(message, &answer) == nil && answer.Result.ProtocolVersion != "" {
			b.mu.Lock()
			b.version = answer.Result.ProtocolVersion
			b.mu.Unlock()
		}
	}
	line.WriteByte('\n')
	b.out.Lock()
	defer b.out.Unlock()
	_, _ = b.streams.Out.Write(line.Bytes())
}

// fail answers a request that could not be passed on.
func (b *bridge) fail(id json.RawMessage, code int, message string) {
	if id == nil {
		id = json.RawMessage("null")
	}
	answer, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": code, "message": message},
	})
	if err == nil {
		b.write(answer, rpc{})
	}
}

// end tells the router that a legacy session is over.
func (b *bridge) end(ctx context.Context) {
	id := b.legacy()
	if id == "" {
		return
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodDelete, b.session.MCP.URL, nil)
	if err != nil {
		return
	}
	b.headers(req, rpc{})
	if res, err := b.http.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// Headers of the MCP transport.
const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"
)

// post sends one line to the session's URL and writes what comes back. Every
// request gets an answer, unless it was cancelled.
func (b *bridge) post(ctx context.Context, x *exchange) {
	res, err := b.send(ctx, x)
	if err == nil {
		err = b.deliver(res, x)
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return
	}
	if err == nil && len(x.waiting) > 0 {
		err = errBroken
	}
	if err != nil {
		for _, id := range x.waiting {
			b.fail(id, codeInternal, err.Error())
		}
	}
}

var errBroken = errors.New("the router's answer broke off; the call may have had its effect")

// send posts the line. A legacy session that has ended on the router, after a
// long rest or a restart, is opened again, once.
func (b *bridge) send(ctx context.Context, x *exchange) (*http.Response, error) {
	used := b.legacySession()
	res, err := b.do(ctx, x.line, &x.rpc, used, x.sent)
	if err != nil || res.StatusCode != http.StatusNotFound || used.id == "" ||
		x.rpc.modern() != "" || x.rpc.Method == "initialize" || len(x.waiting) == 0 {
		return res, err
	}
	if !b.reopen(ctx, used) {
		return res, nil
	}
	_ = res.Body.Close()
	return b.do(ctx, x.line, &x.rpc, b.legacySession(), x.sent)
}

func (b *bridge) legacySession() legacySession {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.legacy
}

func (b *bridge) do(ctx context.Context, body []byte, m *rpc, legacy legacySession, sent func()) (*http.Response, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.session.MCP.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the session's address is not usable")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	b.headers(req, m, legacy)
	res, err := b.http.Do(req)
	if err != nil {
		return nil, errors.New("the router does not answer")
	}
	return res, nil
}

// headers sets the key and what the message's era repeats in headers.
func (b *bridge) headers(req *http.Request, m *rpc, legacy legacySession) {
	for k, v := range b.session.MCP.Headers {
		req.Header.Set(k, v)
	}
	if v := m.modern(); v != "" {
		req.Header.Set(headerVersion, headerText(v))
		req.Header.Set("Mcp-Method", headerText(m.Method))
		switch m.Method {
		case "tools/call", "prompts/get":
			req.Header.Set("Mcp-Name", headerText(m.Params.Name))
		case "resources/read":
			req.Header.Set("Mcp-Name", headerText(m.Params.URI))
		}
		return
	}
	if legacy.id == "" || m.Method == "initialize" {
		return
	}
	req.Header.Set(headerSession, legacy.id)
	if legacy.version != "" {
		req.Header.Set(headerVersion, legacy.version)
	}
}

// headerText makes a text fit a header: what is not plain ASCII, or looks
// encoded already, is sent in base64 (revision 2026-07-28).
func headerText(text string) string {
	plain := strings.TrimSpace(text) == text && !strings.HasPrefix(text, "=?base64?")
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= 0x20 && text[i] < 0x7f
	}
	if plain {
		return text
	}
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
}

// deliver writes every message of an answer to standard output. An error is for
// the requests that then still wait.
func (b *bridge) deliver(res *http.Response, x *exchange) error {
	defer res.Body.Close()
	if x.rpc.Method == "initialize" && res.StatusCode == http.StatusOK {
		b.mu.Lock()
		b.legacy = legacySession{id: res.Header.Get(headerSession), initialize: x.line}
		b.mu.Unlock()
	}
	err := messages(res, func(message []byte) {
		if x.rpc.Method == "initialize" {
			b.agree(message)
		}
		if res.StatusCode >= http.StatusBadRequest {
			message = addressed(message, x)
		}
		x.answered(message)
		b.write(message)
	})
	if errors.Is(err, errForeign) {
		return errors.New(refusal(res.StatusCode))
	}
	return err
}

// agree keeps the protocol version that the answer to initialize names.
func (b *bridge) agree(message []byte) {
	var answer struct {
		Result struct {
			ProtocolVersion string `json:"protocolVersion"`
		} `json:"result"`
	}
	if json.Unmarshal(message, &answer) != nil || answer.Result.ProtocolVersion == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.legacy.version = answer.Result.ProtocolVersion
}

// addressed gives a refusal the id of the request that it refuses: a server that
// refuses before it reads the body cannot know the id.
func addressed(message []byte, x *exchange) []byte {
	var m map[string]json.RawMessage
	if len(x.waiting) != 1 || json.Unmarshal(message, &m) != nil || m["error"] == nil {
		return message
	}
	if id := m["id"]; len(id) > 0 && string(id) != "null" {
		return message
	}
	m["id"] = x.waiting[0]
	if with, err := json.Marshal(m); err == nil {
		return with
	}
	return message
}

// refusal explains an answer that is no JSON-RPC message.
func refusal(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Sprintf("the router refuses the API key (%d): it is wrong or was revoked", status)
	case http.StatusNotFound:
		return "the router does not know the session (404): it was deleted"
	case http.StatusRequestEntityTooLarge:
		return "the message is larger than the router takes (413)"
	case http.StatusTooManyRequests:
		return "the router has too many requests of this key (429): try again in a moment"
	}
	return fmt.Sprintf("the router answered %d %s", status, http.StatusText(status))
}

// errForeign: an answer that is not JSON-RPC.
var errForeign = errors.New("not a JSON-RPC answer")

// messages gives each JSON-RPC message of an HTTP answer, from its body or its
// event stream.
func messages(res *http.Response, each func([]byte)) error {
	if res.StatusCode == http.StatusAccepted || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return events(res.Body, each)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxMessage+1))
	switch {
	case err != nil:
		return errBroken
	case len(body) > maxMessage:
		return errLarge
	case !isRPC(body):
		return errForeign
	}
	each(body)
	return nil
}

var errLarge = fmt.Errorf("the router's answer is larger than %d MiB; ask for less at a time", maxMessage>>20)

func isRPC(body []byte) bool {
	var one struct {
		JSONRPC string `json:"jsonrpc"`
	}
	if json.Unmarshal(body, &one) == nil {
		return one.JSONRPC == "2.0"
	}
	var batch []json.RawMessage
	return json.Unmarshal(body, &batch) == nil && len(batch) > 0
}

// events reads a server-sent event stream (WHATWG HTML §9.2): data lines are
// messages, comments keep the connection alive.
func events(body io.Reader, each func([]byte)) error {
	in := bufio.NewReaderSize(body, 64<<10)
	var data []byte
	for {
		line, err := readLine(in, maxMessage)
		if errors.Is(err, errLong) {
			return errLarge
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return errBroken
		}
		if rest, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:")); ok {
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
			if len(data) > maxMessage {
				return errLarge
			}
		}
		// The end of the stream ends a message too, if that is whole.
		if len(bytes.TrimRight(line, "\r\n")) == 0 || err != nil {
			if len(data) > 0 && json.Valid(data) {
				each(data)
			}
			data = nil
		}
		if err != nil {
			return nil //nolint:nilerr // the end of the stream
		}
	}
}

// reopen opens the legacy session again with the client's own initialize. It
// says whether there is a session now.
func (b *bridge) reopen(ctx context.Context, gone legacySession) bool {
	b.reopens.Lock()
	defer b.reopens.Unlock()
	now := b.legacySession()
	if now.id != gone.id {
		return now.id != ""
	}
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	opening := &rpc{Method: "initialize"}
	res, err := b.do(ctx, gone.initialize, opening, legacySession{}, func() {})
	if err != nil {
		return false
	}
	defer res.Body.Close()
	id := res.Header.Get(headerSession)
	if res.StatusCode != http.StatusOK || id == "" {
		return false
	}
	if err := messages(res, func([]byte) {}); err != nil { // the client has its answer from the first time
		return false
	}
	fresh := legacySession{id: id, version: gone.version, initialize: gone.initialize}
	ready, err := b.do(ctx, []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`),
		&rpc{Method: "notifications/initialized"}, fresh, func() {})
	if err != nil {
		return false
	}
	_ = ready.Body.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.legacy = fresh
	return true
}

// end tells the router that a legacy session is over.
func (b *bridge) end(ctx context.Context) {
	legacy := b.legacySession()
	if legacy.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, b.session.MCP.URL, nil)
	if err != nil {
		return
	}
	b.headers(req, &rpc{}, legacy)
	if res, err := b.http.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

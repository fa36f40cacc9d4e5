package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The SDK reads a self-contained message a dozen times over and opens a session
// for it. A tools/call that asks for nothing but its answer is answered here
// without that, as the SDK would answer it. Whatever is odd about a message, the
// SDK shall say.

// maxPlainDepth bounds the brackets of a message that is answered directly; the
// SDK refuses those that nest deeper.
const maxPlainDepth = 1000

// plainModernCall gives the SDK's request of a plain tools/call of the modern
// era.
func plainModernCall(f frame, h http.Header) (req *mcp.CallToolRequest, ok bool) {
	if f.method != methodToolsCall || !f.plain(h) || h.Get("Mcp-Method") != methodToolsCall ||
		bytes.Count(f.params, []byte("{"))+bytes.Count(f.params, []byte("[")) > maxPlainDepth {
		return nil, false
	}
	params, ok := object(f.params)
	if !ok {
		return nil, false
	}
	p := &mcp.CallToolParamsRaw{}
	for name, value := range params {
		switch name {
		case "_meta":
		case "name":
			if json.Unmarshal(value, &p.Name) != nil {
				return nil, false
			}
		case "arguments":
			p.Arguments = value
		default: // the second round of a question, or what we do not know
			return nil, false
		}
	}
	meta, ok := plainMeta(params["_meta"], h)
	if !ok || p.Name == "" || h.Get("Mcp-Name") != p.Name {
		return nil, false
	}
	p.Meta = mcp.Meta{metaVersion: modernVersion}
	if raw := meta[metaCapabilities]; string(raw) != "{}" {
		var capabilities map[string]any
		if json.Unmarshal(raw, &capabilities) != nil {
			return nil, false
		}
		p.Meta[metaCapabilities] = capabilities
	}
	return &mcp.CallToolRequest{Params: p, Extra: &mcp.RequestExtra{Header: h}}, true
}

// serveCall answers a plain tools/call.
func (s *Server) serveCall(ctx context.Context, w *stream, f *flight, msg frame, req *mcp.CallToolRequest) {
	res, err := s.safely(ctx, methodToolsCall, func() (mcp.Result, error) { return s.call(ctx, f, req) })
	if ctx.Err() != nil {
		return // nobody waits, or finish says why the call was broken off
	}
	status, member := http.StatusOK, `,"result":`
	var body []byte
	if err == nil {
		res.SetMeta(map[string]any{metaServerInfo: s.lists.self})
		body, err = marshal(res)
	}
	if err != nil {
		status, member = statusOfError(err), `,"error":`
		body = wireErrorOf(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, no-transform")
	b := make([]byte, 0, len(body)+len(msg.id)+40)
	b = append(append(append(b, `{"jsonrpc":"2.0","id":`...), msg.id...), member...)
	b = append(append(b, body...), '}')
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// safely makes a panic an error that tells nothing.
func (s *Server) safely(ctx context.Context, method string, serve func() (mcp.Result, error)) (res mcp.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelError, "panic in an MCP request",
				slog.String("method", method), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			res, err = nil, rpcError(codeInternal, "internal error")
		}
	}()
	return serve()
}

// statusOfError is the HTTP status that the modern era wants with an error.
func statusOfError(err error) int {
	var e *jsonrpc.Error
	if errors.As(err, &e) {
		switch e.Code {
		case codeNoMethod:
			return http.StatusNotFound
		case codeInvalidParams:
			return http.StatusBadRequest
		}
	}
	return http.StatusOK
}

// wireErrorOf is an error as the wire has it; what is none of the protocol's
// tells nothing.
func wireErrorOf(err error) []byte {
	var e *jsonrpc.Error
	if !errors.As(err, &e) {
		e = &jsonrpc.Error{Code: codeInternal, Message: "internal error"}
	}
	body, merr := marshal(e)
	if merr != nil { // numbers and strings always marshal
		return []byte("null")
	}
	return body
}

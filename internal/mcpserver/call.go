package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/toolkit"
)

// fieldState is how execute names a question's state that does not fit its call.
const fieldState = "state"

// answer is the middleware by which one SDK server serves every session: it
// takes over tools/list and tools/call.
func (s *Server) answer(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if method != methodToolsList && method != methodToolsCall {
			result, err := next(ctx, method, req)
			return s.introduced(ctx, result, req), err
		}
		f, err := s.flightOf(ctx, req.GetExtra())
		if err != nil {
			return nil, rpcErrorOf(err)
		}
		return s.safely(ctx, method, func() (mcp.Result, error) {
			if r, ok := req.(*mcp.CallToolRequest); ok {
				return s.call(ctx, f, r)
			}
			return s.list(f, req)
		})
	}
}

// list answers tools/list where the cached answer did not apply.
func (s *Server) list(f *flight, req mcp.Request) (mcp.Result, error) {
	p, _ := req.GetParams().(*mcp.ListToolsParams)
	if p != nil && p.Cursor != "" {
		return nil, rpcError(codeInvalidParams, "the list has one page: no cursor is valid")
	}
	l, err := s.listOf(f)
	if err != nil {
		return nil, rpcErrorOf(err)
	}
	if p != nil && modernMeta(p.GetMeta()) {
		return &rawResult{json: l.modern}, nil
	}
	return &rawResult{json: l.legacy}, nil
}

// modernMeta says whether a message is of the modern era.
func modernMeta(meta map[string]any) bool {
	v, _ := meta[metaVersion].(string)
	return v >= modernVersion
}

// call answers tools/call.
func (s *Server) call(ctx context.Context, f *flight, req *mcp.CallToolRequest) (mcp.Result, error) {
	p := req.Params
	args := bytes.TrimSpace(p.Arguments)
	if p.Name == "" {
		return nil, rpcError(codeInvalidParams, `tools/call needs the tool's "name"`)
	}
	if len(args) > 0 && args[0] != '{' && string(args) != "null" {
		return nil, rpcError(codeInvalidParams, `"arguments" must be an object`)
	}
	if string(args) == "null" {
		args = nil
	}
	l, err := s.listOf(f)
	if err != nil {
		return nil, rpcErrorOf(err)
	}
	ctx, done := s.bound(ctx, f)
	defer done()
	if f.out != nil {
		f.out.arm(s.opts.EarlyHeaders)
	}
	c := session.Call{
		Tool: p.Name, Arguments: json.RawMessage(args), Door: execute.DoorMCP, RequestID: f.requestID,
		Interact: execute.Interact{
			Progress: progress(ctx, req),
			CanAsk:   canAsk(req.ClientCapabilities()),
			Answers:  answersOf(p),
			State:    p.RequestState,
			Header:   declaredHeaders(l.headers[p.Name], headerOf(req)),
		},
	}
	modern := modernMeta(p.GetMeta())
	ans, err := s.opts.Sessions.Call(ctx, f.handle, c)
	if err == nil && ans.Ask != nil && !modern {
		ans, err = s.askHere(ctx, f, req.Session, c, ans)
	}
	if err != nil {
		return s.refused(ctx, l, p, err, modern)
	}
	return result(ans, modern), nil
}

// bound gives the context of a call: it ends with the client's wish, the key,
// the transport session and the server.
func (s *Server) bound(ctx context.Context, f *flight) (context.Context, func()) {
	if f.out != nil && f.legacy == nil {
		return ctx, func() {} // the HTTP request's own, which has all this
	}
	ctx, stopWatch := s.opts.Identity.Watch(ctx, f.handle.Principal)
	ctx, cancel := context.WithCancelCause(ctx)
	untrack := func() {}
	if f.legacy != nil {
		untrack = f.legacy.track(cancel)
	}
	return ctx, func() {
		untrack()
		cancel(nil)
		stopWatch()
	}
}

// refused turns an error of a call into the answer that helps: what an agent
// can mend is a result that it reads, what a client did wrong is an error.
func (s *Server) refused(ctx context.Context, l *toolList, p *mcp.CallToolParamsRaw, err error, modern bool) (mcp.Result, error) {
	if ctx.Err() != nil {
		return nil, rpcError(codeCancelled, "the call was cancelled: "+cancelReason(ctx))
	}
	e := domain.AsError(err)
	if e.Code == domain.CodeNotFound && !l.names[p.Name] {
		return nil, rpcError(codeInvalidParams, sentence(e))
	}
	if p.RequestState != "" && e.Code == domain.CodeInvalid && e.Field == fieldState {
		return nil, rpcError(codeInvalidParams, sentence(e))
	}
	s.logInternal(ctx, "call "+p.Name, err)
	return failed(err, e, modern), nil
}

func cancelReason(ctx context.Context) string {
	var e *domain.Error
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &e):
		return e.Message
	case errors.Is(cause, errClosing), errors.Is(cause, errDeleted):
		return cause.Error()
	}
	return "the client asked for it"
}

// sentence joins what was wrong with what to do.
func sentence(e *domain.Error) string {
	if e.Fix == "" {
		return e.Message
	}
	return strings.TrimRight(e.Message, ".") + ". " + e.Fix
}

// progress gives the call's way to report, when its client asked for reports.
func progress(ctx context.Context, req *mcp.CallToolRequest) func(done, total float64, message string) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return func(done, total float64, message string) {
		// A client that has gone needs no report: the call learns it by its context.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: done, Total: total, Message: message,
		})
	}
}

// canAsk reads what a client can put to its person. A client that declares
// elicitation without a mode has forms (MCP 2025-06-18).
func canAsk(c *mcp.ClientCapabilities) toolkit.AskKinds {
	if c == nil || c.Elicitation == nil {
		return toolkit.AskKinds{}
	}
	e := c.Elicitation
	return toolkit.AskKinds{Form: e.Form != nil || e.URL == nil, URL: e.URL != nil}
}

func headerOf(req *mcp.CallToolRequest) http.Header {
	if req.Extra == nil {
		return nil
	}
	return req.Extra.Header
}

func rpcError(code int64, message string) error { return &jsonrpc.Error{Code: code, Message: message} }

// rpcErrorOf is for what goes wrong before a tool is known.
func rpcErrorOf(err error) error {
	if errors.Is(err, errNoFlight) {
		return rpcError(codeCancelled, err.Error())
	}
	e := domain.AsError(err)
	switch e.Code {
	case domain.CodeNotFound:
		return rpcError(codeNoSession, sentence(e))
	case domain.CodeInvalid:
		return rpcError(codeInvalidParams, sentence(e))
	case domain.CodeInternal:
		return rpcError(codeInternal, e.Message)
	}
	return rpcError(codeRefused, sentence(e))
}

// logInternal logs what the client may not see.
func (s *Server) logInternal(ctx context.Context, doing string, err error) {
	if domain.CodeOf(err) != domain.CodeInternal {
		return
	}
	text := err.Error()
	if cause := errors.Unwrap(domain.AsError(err)); cause != nil {
		text = fmt.Sprintf("%s: %v", text, cause)
	}
	s.opts.Logger.LogAttrs(ctx, slog.LevelError, "an MCP request failed", slog.String("doing", doing), slog.String("error", text))
}

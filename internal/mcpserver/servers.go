package mcpserver

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sluice-run/sluice/internal/session"
)

// maxAddress bounds what the query of an address may hold.
const maxAddress = 8 << 10

// serverUse reads the address of an MCP server (contract §3.5):
//
//	/v3/mcp/{server}?user_id=…|connected_account_id=…
//	/v3/mcp/{server}/instances/{user}
//
// each with or without /mcp behind it. ok is false for any other path, and where a
// parameter has two values.
func serverUse(r *http.Request, parts []string) (u session.ServerUse, ok bool) {
	if len(parts) < 3 || parts[0] != "v3" || parts[1] != "mcp" || len(r.URL.RawQuery) > maxAddress {
		return u, false
	}
	query := r.URL.Query()
	helpers := ""
	for _, p := range []struct {
		to    *string
		names []string
	}{
		{&u.UserID, []string{"user_id"}},
		{&u.AccountID, []string{"connected_account_id", "connected_account_ids"}},
		{&helpers, []string{"include_composio_helper_actions"}},
		{&u.Proof, []string{"token"}},
	} {
		if *p.to, ok = single(query, p.names...); !ok {
			return u, false
		}
	}
	u.ServerID, u.Helpers = parts[2], strings.EqualFold(helpers, "true")
	rest := parts[3:]
	if n := len(rest); (n == 1 || n == 3) && rest[n-1] == "mcp" {
		rest = rest[:n-1]
	}
	switch {
	case len(rest) == 0:
		return u, true
	case len(rest) != 2 || rest[0] != "instances" || (u.UserID != "" && u.UserID != rest[1]):
		return u, false
	}
	u.UserID = rest[1]
	return u, true
}

// single gives the one value that the parameters have together; false when they
// have several.
func single(query url.Values, names ...string) (value string, ok bool) {
	for _, name := range names {
		for _, v := range query[name] {
			if v != "" && value != "" && v != value {
				return "", false
			}
			if v != "" {
				value = v
			}
		}
	}
	return value, true
}

// serverOpener opens an MCP server for who has an API key, or an address that
// works without one.
func (s *Server) serverOpener(use session.ServerUse) opener {
	return func(ctx context.Context, key string) (*session.Handle, error) {
		if key == "" {
			return s.opts.Sessions.OpenServerByAddress(ctx, use)
		}
		principal, err := s.opts.Identity.Authenticate(ctx, key)
		if err != nil {
			return nil, err
		}
		return s.opts.Sessions.OpenServer(ctx, principal, use)
	}
}

// serverInstructions stand in for those of a session, whose meta tools an MCP
// server does not have.
const serverInstructions = "Work in the user's applications with these tools. Each can be called directly."

// introduced gives the server's introduction in words that fit an MCP server.
func (s *Server) introduced(ctx context.Context, result mcp.Result, req mcp.Request) mcp.Result {
	f, err := s.flightOf(ctx, req.GetExtra())
	if err != nil || f.handle.Server == "" {
		return result
	}
	switch r := result.(type) {
	case *mcp.InitializeResult:
		if r != nil {
			r.Instructions = serverInstructions
		}
	case *mcp.DiscoverResult:
		if r != nil {
			r.Instructions = serverInstructions
		}
	}
	return result
}

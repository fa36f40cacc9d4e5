package mcpserver

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/policy"
)

// guard refuses what a web page could do to a server on its visitor's machine
// or with its visitor's network: a Host that is not ours on a loopback address
// (DNS rebinding), and an Origin that may not call. It reports whether the
// request may go on, and answers preflights of allowed origins.
func (s *Server) guard(w http.ResponseWriter, r *http.Request) bool {
	if onLoopback(r) && !isLoopbackName(hostname(r.Host)) && !s.isOwnHost(hostname(r.Host)) {
		refuse(w, http.StatusForbidden, codeRefused,
			"Host %q is not a name of this server. Use localhost, or start the server with --public-url.", r.Host)
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if len(r.Header.Values("Origin")) > 1 || !s.allows(r, origin) {
		refuse(w, http.StatusForbidden, codeRefused,
			"Origin %q may not call this server. Add it to the allowed origins if it should.", origin)
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Mcp-Session-Id, WWW-Authenticate, Retry-After, "+policy.RateHeaders)
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "POST, GET, DELETE")
		h.Set("Access-Control-Allow-Headers", preflightHeaders(r))
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	return true
}

// preflightHeaders echoes the asked-for headers that MCP clients send.
func preflightHeaders(r *http.Request) string {
	var allowed []string
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "content-type", name == "accept", name == "authorization", name == "x-api-key",
			name == "last-event-id", strings.HasPrefix(name, "mcp-"):
			allowed = append(allowed, name)
		}
	}
	return strings.Join(allowed, ", ")
}

// allows says whether pages of the origin may call.
func (s *Server) allows(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return false // "null" among them
	}
	if sameOrigin(origin, s.opts.Origin(r)) {
		return true
	}
	return slices.ContainsFunc(s.opts.AllowedOrigins, func(a string) bool { return sameOrigin(origin, a) })
}

func sameOrigin(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}

// onLoopback says whether the connection arrived on a loopback address.
func onLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || addr == nil {
		return false
	}
	return isLoopbackName(hostname(addr.String()))
}

func (s *Server) isOwnHost(name string) bool {
	return slices.ContainsFunc(s.opts.Hosts, func(h string) bool { return strings.EqualFold(hostname(h), name) })
}

// hostname drops the port and the brackets of an IPv6 address.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}

func isLoopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

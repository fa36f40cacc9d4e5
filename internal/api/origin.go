package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Origin gives a function that says by which address a client reached us:
// publicURL when it is set, else scheme and Host of the request. The headers
// X-Forwarded-Proto and X-Forwarded-Host count only when the request comes from
// a trusted proxy; of several values the last counts, which that proxy added.
func Origin(publicURL string, trusted []netip.Prefix) func(*http.Request) string {
	fixed := strings.TrimRight(publicURL, "/")
	return func(r *http.Request) string {
		if fixed != "" {
			return fixed
		}
		scheme, host := "http", r.Host
		if r.TLS != nil {
			scheme = "https"
		}
		if fromProxy(r, trusted) {
			if p := strings.ToLower(lastValue(r, "X-Forwarded-Proto")); p == "http" || p == "https" {
				scheme = p
			}
			if h := lastValue(r, "X-Forwarded-Host"); usableHost(h) {
				host = h
			}
		}
		if !usableHost(host) {
			host = "localhost"
			if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
				host = a.String()
			}
		}
		return scheme + "://" + host
	}
}

func fromProxy(r *http.Request, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, p := range trusted {
		if p.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	return false
}

func lastValue(r *http.Request, name string) string {
	values := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
	return strings.TrimSpace(values[len(values)-1])
}

// usableHost says whether h is host or host:port and nothing more.
func usableHost(h string) bool {
	u, err := url.Parse("http://" + h)
	return err == nil && h != "" && u.Host == h && u.User == nil && u.Path == "" && u.RawQuery == ""
}

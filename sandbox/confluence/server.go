package confluence

import (
	"net/http/httptest"
)

// Server is a site with a listener on a loopback port, like [httptest.Server].
type Server struct {
	*Sandbox
	// URL is the site's address, without a trailing slash and without /wiki.
	URL string

	http *httptest.Server
}

// NewServer starts a site on 127.0.0.1. Close it when done.
func NewServer(o Options) *Server {
	s := New(o)
	h := httptest.NewServer(s.Handler())
	return &Server{Sandbox: s, URL: h.URL, http: h}
}

// Close releases hanging requests and shuts the listener down.
func (s *Server) Close() {
	s.ClearFaults()
	s.http.CloseClientConnections()
	s.http.Close()
}

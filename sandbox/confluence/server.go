package confluence

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Server is a site with a listener on a loopback port, to be used in tests like
// the server of net/http/httptest.
type Server struct {
	*Sandbox
	// URL is the site's address, without a trailing slash and without /wiki.
	URL string

	http *http.Server
	done chan struct{}
}

// NewServer starts a site on a free port of 127.0.0.1. Close it when done. It
// panics when the machine gives no port, as there is no test without one.
func NewServer(o Options) *Server {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic("confluence sandbox: listening on 127.0.0.1: " + err.Error())
	}
	s := &Server{Sandbox: New(o), URL: "http://" + ln.Addr().String(), done: make(chan struct{})}
	s.http = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) && o.Logger != nil {
			o.Logger.Error("the sandbox's listener stopped", "error", err)
		}
	}()
	return s
}

// Close releases hanging requests and shuts the listener and its connections.
func (s *Server) Close() {
	s.ClearFaults()
	_ = s.http.Close() // nothing is left to do about a socket that does not close
	<-s.done
}

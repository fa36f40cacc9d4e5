package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// sandbox is the embedded Confluence on a listener of its own. It connects
// users by itself, each with an identity and a token in the site: to the rest
// of the program these are accounts like any other.
type sandbox struct {
	site   *confluence.Sandbox
	server *http.Server
	addr   netip.AddrPort
	url    string
	// visitor is an identity for people who look at the site by themselves.
	visitor confluence.User

	mu    sync.Mutex
	users map[[2]string]bool // project and user that have an identity in this site
}

var _ connect.Provisioner = (*sandbox)(nil)

func startSandbox(ctx context.Context, log *slog.Logger) (*sandbox, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the sandbox: %w", err)
	}
	addr, err := netip.ParseAddrPort(ln.Addr().String())
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s := &sandbox{addr: addr, url: "http://" + addr.String(), users: map[[2]string]bool{}}
	s.site = confluence.New(confluence.Options{BaseURL: s.url, Seed: true, Logger: log})
	s.visitor = s.site.AddUser(confluence.User{Email: "visitor@sandbox.example", DisplayName: "Visitor", Admin: true})
	s.server = &http.Server{Handler: s.site.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { // ends with the listener, which stop closes
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the sandbox stopped", "error", err)
		}
	}()
	return s, nil
}

func (s *sandbox) stop(context.Context) error { return s.server.Close() }

// Toolkit names the toolkit that the sandbox stands in for.
func (s *sandbox) Toolkit() string { return "confluence" }

// Provision gives a user an identity in the site. The site lives in memory, so
// an account of an earlier process gets a new one.
func (s *sandbox) Provision(_ context.Context, projectID, userID string, earlier *domain.ConnectedAccount) (*connect.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := [2]string{projectID, userID}
	if earlier != nil && s.users[who] && earlier.Fields["base_url"] == s.url {
		return nil, nil
	}
	u := s.site.AddUser(confluence.User{Email: sandboxEmail(projectID, userID), DisplayName: userID, Admin: true})
	s.users[who] = true
	return &connect.Grant{
		Fields:   map[string]string{"subdomain": "sandbox", "base_url": s.url, "generic_id": u.Email},
		Secrets:  toolkit.Secrets{"generic_api_key": u.Token},
		Identity: toolkit.Identity{"id": u.AccountID, "name": u.DisplayName, "email": u.Email},
	}, nil
}

// sandboxEmail is an address that no other user of any project has.
func sandboxEmail(projectID, userID string) string {
	local := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(userID))
	sum := sha256.Sum256([]byte(projectID + "\x00" + userID)) // tells alike names apart
	return fmt.Sprintf("%s+%x@sandbox.example", local, sum[:4])
}

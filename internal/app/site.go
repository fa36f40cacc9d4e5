package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// SiteOptions say how to run a sandbox Confluence by itself.
type SiteOptions struct {
	Addr string // where to listen
	// Empty starts without the company of the seed; Pages adds made-up pages.
	Empty bool
	Pages int
	// From is a dump to start with; File keeps the site between runs.
	From, File string
	V1Removed  bool          // 410 to the v1 calls that were taken out of the API
	Anonymous  bool          // let anybody read
	IndexLag   time.Duration // how long a change stays invisible to search
	// AccessLife and RefreshGrace are the times of OAuth, Quota and Burst the limits
	// of the gateway; zero means the cloud's.
	AccessLife, RefreshGrace time.Duration
	Quota, Burst             int
	// RedirectURI, when set, registers an OAuth app that may return there.
	RedirectURI string
	// AllowInsecureListen permits an address beyond loopback: there is no TLS.
	AllowInsecureListen bool
	Log                 *slog.Logger
}

// Site is a sandbox Confluence on a listener of its own.
type Site struct {
	// What a client needs to know. The credentials open nothing but this site.
	URL          string `json:"url"`
	CloudID      string `json:"cloud_id"`
	Email        string `json:"email"`
	Token        string `json:"api_token"`
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`

	site   *confluence.Sandbox
	opts   SiteOptions
	server *http.Server
	failed chan error
	done   sync.WaitGroup
	quit   chan struct{}
	once   sync.Once
}

// saveEvery is how soon a change of a kept site is written. saveShare keeps a large
// site from doing nothing but that: writing takes at most one part in so many of
// the time.
const (
	saveEvery = time.Second
	saveShare = 10
)

// StartSite starts a sandbox Confluence. Stop it to have its file written.
func StartSite(ctx context.Context, opts SiteOptions) (*Site, error) {
	if host, _, err := net.SplitHostPort(opts.Addr); err != nil {
		return nil, domain.Invalid("addr", "%q is not an address: expected host:port", opts.Addr)
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !opts.AllowInsecureListen {
		return nil, domain.Invalid("addr", "%q is reachable from other machines, without TLS", opts.Addr).
			WithFix("Listen on 127.0.0.1, or say --allow-insecure-listen.")
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", opts.Addr)
	if err != nil {
		return nil, errTaken(opts.Addr, err)
	}
	s := &Site{opts: opts, URL: "http://" + ln.Addr().String(), failed: make(chan error, 1), quit: make(chan struct{})}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.introduce()
	s.server = &http.Server{Handler: s.site.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.done.Go(func() {
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serving the sandbox: %w", err)
		}
	})
	if opts.File != "" {
		s.done.Go(s.keep)
	}
	return s, nil
}

// visitor is who a client signs in as.
const visitor = "visitor@sandbox.example"

// introduce gives clients credentials: those of the last run when the site has them.
func (s *Site) introduce() {
	u := confluence.User{Email: visitor, DisplayName: "Visitor", Admin: true}
	for _, old := range s.site.Users() {
		if old.Email == visitor {
			u.Token = old.Token
		}
	}
	u = s.site.AddUser(u)
	s.CloudID, s.Email, s.Token = s.site.CloudID(), u.Email, u.Token
	if s.opts.RedirectURI == "" {
		return
	}
	app := confluence.OAuthApp{Name: "Visitor's app", RedirectURIs: []string{s.opts.RedirectURI}}
	for _, old := range s.site.OAuthApps() {
		if old.Name == app.Name {
			app.ClientID, app.ClientSecret = old.ClientID, old.ClientSecret
		}
	}
	app = s.site.AddOAuthApp(app)
	s.ClientID, s.ClientSecret = app.ClientID, app.ClientSecret
}

// open makes the site: from its file, from a dump, or anew.
func (s *Site) open() error {
	o := s.opts
	_, err := os.Stat(o.File)
	kept := o.File != "" && err == nil // its pages were made at the first start
	site, err := confluence.Open(confluence.Options{
		BaseURL: s.URL, Seed: !o.Empty && o.From == "", File: o.File, Logger: o.Log,
		V1Removed: o.V1Removed, Anonymous: o.Anonymous, IndexLag: o.IndexLag,
		AccessLife: o.AccessLife, RefreshGrace: o.RefreshGrace, Quota: o.Quota, Burst: o.Burst,
	})
	if err != nil {
		return domain.Errorf(domain.CodeInvalid, "the sandbox's file cannot be used: %v", err).
			WithFix("Name another file, or remove it to start anew.")
	}
	s.site = site
	if o.From != "" {
		f, err := os.Open(o.From)
		if err != nil {
			return domain.Invalid("from", "the dump cannot be read: %v", err)
		}
		defer f.Close()
		if err := site.Load(f); err != nil {
			return domain.Invalid("from", "%s: %v", o.From, err)
		}
	}
	if o.Pages > 0 && !kept {
		if err := site.SeedMany(o.Pages); err != nil {
			return domain.Invalid("pages", "%v", err)
		}
	}
	return nil
}

// keep writes the site to its file while it runs: at once, so that the file holds
// the credentials that were told, and whenever it was used since.
func (s *Site) keep() {
	next := time.NewTimer(0)
	defer next.Stop()
	var seen int64
	changed := true
	for {
		select {
		case <-s.quit:
			return
		case <-next.C:
		}
		wait := saveEvery
		n := s.site.Requests()
		// A request is counted before it is carried out: what it changed may be
		// there in the next round only.
		if n != seen || changed {
			changed, seen = n != seen, n
			began := time.Now()
			if err := s.site.Save(); err != nil {
				s.opts.Log.Error("the sandbox was not saved", "error", err)
			}
			wait = max(wait, saveShare*time.Since(began))
		}
		next.Reset(wait)
	}
}

// Failed gives the error that ended serving, if one did.
func (s *Site) Failed() <-chan error { return s.failed }

// Stop ends the site and writes its file, if it has one.
func (s *Site) Stop() error {
	err := s.server.Close()
	s.once.Do(func() { close(s.quit) })
	s.done.Wait()
	if s.opts.File != "" {
		err = errors.Join(err, s.site.Save())
	}
	return err
}

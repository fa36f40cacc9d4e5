// Package session keeps tool router sessions and gives them their tools: the
// meta tools, by which an agent finds, connects and runs everything else, and
// the preloaded ones.
package session

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
)

// Store is what sessions need of the database.
type Store interface {
	store.Sessions
	store.MCPServers
	store.ProjectSettings
}

// Options configures a Service. Store, Catalog, Connect and Execute are required.
type Options struct {
	Store   Store
	Catalog *catalog.Catalog
	Connect *connect.Service
	Execute *execute.Service
	// LinkURL gives the address of a connect page from its token and the origin
	// that the request came by (empty: none known).
	LinkURL func(origin, token string) string
	// Sealer seals what proves an address of an MCP server; without one no address
	// works without an API key.
	Sealer execute.Sealer
	// WaitLimit bounds one wait for connections; 50 s when 0.
	WaitLimit time.Duration
	// Deleted, when set, hears of each session or MCP server that was deleted here:
	// what is open for it can end at once.
	Deleted func(sessionID string)
	Now     func() time.Time // time.Now when nil
}

// Service keeps sessions. It is safe for concurrent use.
type Service struct {
	opts  Options
	metas *metaTools
	cache *compiled
}

// New makes a Service.
func New(opts Options) *Service {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.WaitLimit <= 0 {
		opts.WaitLimit = defaultWaitLimit
	}
	return &Service{opts: opts, metas: newMetaTools(), cache: newCompiled(maxCompiled)}
}

// Handle is a session ready to be used: stored state, compiled rules and the
// principal that opened it.
type Handle struct {
	domain.Session
	Principal domain.Principal
	Rules     *policy.Rules
	Origin    string // of the current request, for links; may be empty
	Own       *Own   // the application's own tools that the request brought; may be nil
}

// linkBase is where the session's connect links begin: at the host that its
// configuration names, which serves this server's pages, or at the origin of the
// request.
func (h *Handle) linkBase() string {
	if base := h.Config.LinkBase; base != "" {
		return base
	}
	return h.Origin
}

// allows says whether the session may use the tool. The toolkit is asked first:
// that is cheap, where a refusal with its reason is not, and a search asks for
// every tool of the catalogue.
func (h *Handle) allows(t *catalog.Tool) bool {
	return h.Rules.Toolkit(t.Toolkit.Slug) && h.Rules.Allows(t)
}

// maxUpdates bounds how often an update without an expected version is tried
// again when the session changes meanwhile.
const maxUpdates = 20

// Create makes a session after checking every slug, account and auth config in
// cfg by name. Slugs are kept in the catalogue's spelling.
func (s *Service) Create(ctx context.Context, p domain.Principal, userID string, cfg domain.SessionConfig) (*Handle, error) {
	if err := connect.CheckUserID(userID); err != nil {
		return nil, err
	}
	cfg = clone(cfg)
	if err := s.check(ctx, p.ProjectID, userID, &cfg); err != nil {
		return nil, err
	}
	now := s.now()
	sess := domain.Session{
		ID: domain.NewID(domain.PrefixSession), ProjectID: p.ProjectID, UserID: userID,
		Config: cfg, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.opts.Store.CreateSession(ctx, sess); err != nil {
		return nil, err
	}
	return s.handle(p, sess), nil
}

// Open gives a session of the principal's project; another project's is
// CodeNotFound like an unknown one.
func (s *Service) Open(ctx context.Context, p domain.Principal, id string) (*Handle, error) {
	sess, err := s.opts.Store.Session(ctx, p.ProjectID, id)
	if err != nil {
		return nil, notFound(err, id)
	}
	return s.handle(p, sess), nil
}

// Update changes a session's configuration with edit, checks it as Create does
// and raises the version. A non-nil expect that is not the current version is
// CodeConflict.
func (s *Service) Update(ctx context.Context, p domain.Principal, id string, expect *int, edit func(*domain.SessionConfig) error) (*Handle, error) {
	for try := 1; ; try++ {
		sess, err := s.opts.Store.Session(ctx, p.ProjectID, id)
		if err != nil {
			return nil, notFound(err, id)
		}
		if expect != nil && *expect != sess.Version {
			return nil, changed(*expect, sess.Version)
		}
		sess.Config = clone(sess.Config)
		if err := edit(&sess.Config); err != nil {
			return nil, err
		}
		if err := s.check(ctx, p.ProjectID, sess.UserID, &sess.Config); err != nil {
			return nil, err
		}
		sess.Version++
		sess.UpdatedAt = s.now()
		err = s.opts.Store.UpdateSession(ctx, p.ProjectID, sess)
		switch {
		case err == nil:
			return s.handle(p, sess), nil
		case domain.CodeOf(err) != domain.CodeConflict:
			return nil, notFound(err, id)
		case expect == nil && try == maxUpdates:
			return nil, err
		}
	}
}

func changed(expect, current int) error {
	e := domain.Errorf(domain.CodeConflict, "the session's configuration is at version %d, not %d: it changed meanwhile", current, expect).
		WithFix("Read the session again and repeat the change with expected_config_version %d.", current)
	e.Field = "expected_config_version"
	return e
}

// History gives the configurations that a session had, the current one among
// them, newest first, and how many there are.
func (s *Service) History(ctx context.Context, h *Handle, page store.Page) ([]domain.SessionVersion, int, error) {
	return s.opts.Store.SessionVersions(ctx, h.ProjectID, h.ID, page)
}

// Delete removes a session. Its MCP URL answers 404 from then on.
func (s *Service) Delete(ctx context.Context, p domain.Principal, id string) error {
	if err := s.opts.Store.DeleteSession(ctx, p.ProjectID, id); err != nil {
		return notFound(err, id)
	}
	if s.opts.Deleted != nil {
		s.opts.Deleted(id)
	}
	return nil
}

func notFound(err error, id string) error {
	if domain.CodeOf(err) != domain.CodeNotFound {
		return err
	}
	return domain.Errorf(domain.CodeNotFound, "there is no session %q", clip(id)).
		WithFix("Create a session with POST /api/v3.1/tool_router/session.")
}

// handle joins a session with its rules, which are compiled once a version.
func (s *Service) handle(p domain.Principal, sess domain.Session) *Handle {
	return &Handle{Session: sess, Principal: p, Rules: s.cache.get(&sess).rules}
}

func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// Package app is the program: it opens what the configuration names, builds the
// rooms on each other, serves them, and closes everything in reverse. The
// command line and the tests boot the same App.
package app

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-run/sluice/internal/api"
	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/mcpserver"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/realtime"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/telemetry"
	"github.com/sluice-run/sluice/internal/trigger"
	"github.com/sluice-run/sluice/internal/ui"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// Config is the program's configuration, under the name by which the command
// line knows it.
type Config = config.Config

// LoadConfig reads the configuration from file and environment. Empty arguments
// mean the usual places.
func LoadConfig(file, home string) (Config, error) {
	return config.Load(config.LoadOptions{File: file, Home: home})
}

// Options say how to run.
type Options struct {
	Config Config
	// LogOutput takes the log; standard error when nil.
	LogOutput io.Writer
	// Quiet logs only errors: for a router inside another program.
	Quiet bool
	// Toolkits are served besides the built-in ones.
	Toolkits []*toolkit.Toolkit
	Times    Times
}

// Times bound what takes time; a zero is the default in brackets.
type Times struct {
	Header  time.Duration // for the header of a request to arrive [10 s]
	Request time.Duration // for a request that is no stream, in all [2 min]
	Call    time.Duration // for one call of a tool [60 s]
	Drain   time.Duration // for running requests to end at a stop [15 s]
	Poll    time.Duration // for one look of a trigger at its application [60 s]
	// PollEvery is the shortest time between two polls of a trigger [1 min].
	PollEvery time.Duration
	// PollPace, when set, is the time between two polls whatever their type says.
	PollPace time.Duration
}

func (t Times) withDefaults() Times {
	return Times{
		Header:  cmp.Or(t.Header, 10*time.Second),
		Request: cmp.Or(t.Request, 2*time.Minute),
		Call:    cmp.Or(t.Call, time.Minute),
		Drain:   cmp.Or(t.Drain, 15*time.Second),
		Poll:    cmp.Or(t.Poll, time.Minute),

		PollEvery: cmp.Or(t.PollEvery, time.Minute), PollPace: t.PollPace,
	}
}

// App is a router that is open and, after Start, serving.
type App struct {
	opts   Options
	log    *slog.Logger
	tel    *telemetry.Telemetry
	db     *sqlstore.DB
	vault  *vault.Vault
	ident  *identity.Service
	kept   *files.Service
	proj   domain.Project
	sand   *sandbox
	mcp    *mcpserver.Server
	live   *realtime.Server
	jobs   *jobs.Service
	first  string // the key made at the first start
	server *http.Server
	listen net.Listener
	origin func(*http.Request) string
	failed chan error
	doors  []string // the paths that front gives to others than the REST API

	mu    sync.Mutex
	stops []stop // in the order of opening
	state state
}

// databaseFile, keyFile and filesDir are what the home holds.
const (
	databaseFile = "sluice.db"
	keyFile      = "key-encryption-key"
	filesDir     = "files"
)

// New opens the home and builds the router; nothing is served yet. On an error
// everything that was opened is closed again.
func New(ctx context.Context, opts Options) (*App, error) {
	if err := opts.Config.Validate(); err != nil {
		return nil, err
	}
	opts.Times = opts.Times.withDefaults()
	a := &App{opts: opts, failed: make(chan error, 1)}
	if err := a.setup(ctx); err != nil {
		_ = a.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return a, nil
}

// setup is one straight line on purpose: it reads as the order in which rooms
// stand on each other.
func (a *App) setup(ctx context.Context) error {
	cfg := a.opts.Config
	if err := a.setupTelemetry(ctx); err != nil {
		return err
	}
	if err := makeHome(cfg.Home); err != nil {
		return err
	}
	if err := a.openDatabase(ctx); err != nil {
		return err
	}
	if err := a.openVault(ctx); err != nil {
		return err
	}
	if err := a.setupIdentity(ctx); err != nil {
		return err
	}
	cat, err := catalog.New(append(builtinToolkits(), a.opts.Toolkits...)...)
	if err != nil {
		return err
	}
	var provisioners []connect.Provisioner
	var allowed []netip.AddrPort
	if cfg.Sandbox {
		if a.sand, err = startSandbox(ctx, a.log); err != nil {
			return err
		}
		a.onStop("sandbox", a.sand.stop)
		provisioners, allowed = append(provisioners, a.sand), append(allowed, a.sand.addr)
	}
	upstream, err := httpx.New(httpx.Options{
		Version: Version(), AllowAddrs: allowed, AllowPrefixes: cfg.UpstreamAllow, Proxy: cfg.Proxy(), Observe: a.observeTry,
	})
	if err != nil {
		return err
	}
	a.onStop("upstream connections", func(context.Context) error { upstream.Close(); return nil })
	events := event.New(event.Options{Store: a.db, Vault: a.vault, HTTP: upstream, Logger: a.log})
	conn := connect.New(connect.Options{
		OnEvent: publishAccountEvents(events, cat),
		Store:   a.db, Vault: a.vault, Catalog: cat, HTTP: upstream, Provisioners: provisioners,
		Observe: func(_ context.Context, r connect.Renewal) { a.tel.Metrics.Renewal(r.Toolkit, r.Outcome, r.Duration) },
	})
	kept, err := a.openFiles(ctx)
	if err != nil {
		return err
	}
	a.kept = kept
	phraser, err := a.openPhraser()
	if err != nil {
		return err
	}
	exec := execute.New(execute.Options{
		Catalog: cat, Connect: conn, Store: a.db, Logger: a.log, Timeout: a.opts.Times.Call,
		Keep:   execute.Keep(cfg.ExecutionArguments),
		Sealer: execute.NewSealer(a.vault), Observe: a.observeExecution, Files: kept, FileURL: a.fileURL,
		Phraser:  phraser,
		RateUser: a.limiter(policy.LimitUser, cfg.RateUser), RateToolkit: a.limiter(policy.LimitToolkit, cfg.RateToolkit),
	})
	sessions := session.New(session.Options{
		Store: a.db, Catalog: cat, Connect: conn, Execute: exec, LinkURL: a.linkURL,
		Deleted: func(id string) { a.mcp.Forget(id) }, Sealer: execute.NewSealer(a.vault),
	})
	a.origin = api.Origin(cfg.PublicURL, cfg.TrustedProxies)
	triggers := trigger.New(trigger.Options{
		Store: a.db, Catalog: cat, Connect: conn, Events: events, Vault: a.vault, Logger: a.log, Timeout: a.opts.Times.Poll, MinInterval: a.opts.Times.PollEvery,
		Pace:    a.opts.Times.PollPace,
		Observe: func(p trigger.Polled) { a.tel.Metrics.Poll(p.Trigger, p.Outcome, p.Events, p.Missed, p.Took, p.Late) },
		Told:    func(t trigger.Told) { a.tel.Metrics.Told(t.Trigger, t.Source, t.Lag) },
	})
	r := rooms{triggers: triggers, cat: cat, conn: conn, exec: exec, sessions: sessions, files: kept, events: events}
	if err := a.setupJobs(ctx, r); err != nil {
		return err
	}
	return a.setupServer(r)
}

// rooms are what the doors open into.
type rooms struct {
	cat      *catalog.Catalog
	conn     *connect.Service
	exec     *execute.Service
	sessions *session.Service
	files    *files.Service
	events   *event.Service
	triggers *trigger.Service
}

func (a *App) setupTelemetry(ctx context.Context) error {
	cfg := a.opts.Config
	out := a.opts.LogOutput
	if out == nil {
		out = os.Stderr
	}
	level := cfg.LogLevel
	if a.opts.Quiet {
		level = "error"
	}
	tel, err := telemetry.New(ctx, telemetry.Options{
		Log:     telemetry.LogOptions{Output: out, Level: level, Format: cfg.LogFormat},
		Version: Version(), Metrics: cfg.Metrics, OTLPEndpoint: cfg.OTLPEndpoint,
	})
	if err != nil {
		return err
	}
	a.tel, a.log = tel, tel.Log
	a.onStop("telemetry", tel.Shutdown)
	return nil
}

// observeTry counts one request to an upstream.
func (a *App) observeTry(_ context.Context, t httpx.Try) {
	a.tel.Metrics.Upstream(t.Label, t.Status, t.Duration)
}

// observeExecution counts one tool call.
func (a *App) observeExecution(_, tool string, outcome domain.Outcome, took time.Duration) {
	a.tel.Metrics.Execution(tool, string(outcome), took)
}

// limiter makes the limiter of a setting; nil where it is no limit.
func (a *App) limiter(kind string, r config.Rate) *policy.Limiter {
	return policy.NewLimiter(policy.LimiterOptions{Kind: kind, Rate: policy.Rate(r), Refused: a.tel.Metrics.Limited})
}

// makeHome makes the folder of the home, for its owner only.
func makeHome(home string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return domain.Errorf(domain.CodeUnavailable, "the home %s cannot be made: %v", home, pathReason(err)).
			WithFix("Choose a folder that you can write to: --home or SLUICE_HOME.")
	}
	return nil
}

func pathReason(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// databaseOf names the database of a configuration.
func databaseOf(cfg Config) sqlstore.Options {
	return sqlstore.Options{URL: cfg.Database.Reveal(), Path: filepath.Join(cfg.Home, databaseFile)}
}

func (a *App) openDatabase(ctx context.Context) error {
	db, err := sqlstore.Open(ctx, databaseOf(a.opts.Config))
	if err != nil {
		return err
	}
	a.db = db
	a.onStop("database", func(context.Context) error { return db.Close() })
	return nil
}

// openFiles opens the file store and clears away what a killed process left.
func (a *App) openFiles(ctx context.Context) (*files.Service, error) {
	kept, err := files.New(files.Options{
		Dir: filepath.Join(a.opts.Config.Home, filesDir), Store: a.db, Sealer: execute.NewSealer(a.vault),
		InStore: a.opts.Config.Database != "", // other machines serve them too
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(kept.Prune(ctx), kept.Sweep(ctx)); err != nil {
		a.log.WarnContext(ctx, "files that are no longer needed could not be cleared away", "error", err)
	}
	return kept, nil
}

func (a *App) setupIdentity(ctx context.Context) error {
	a.ident = identity.New(identity.Options{Store: a.db, PruneFiles: func(ctx context.Context) error { return a.kept.PruneAll(ctx) }})
	proj, err := a.ident.Setup(ctx)
	if err != nil {
		return err
	}
	a.proj = proj
	if key := a.opts.Config.APIKey; key != "" {
		if _, err := a.ident.AdoptKey(ctx, proj.ID, "SLUICE_API_KEY", key.Reveal()); err != nil {
			return err
		}
	}
	if key := a.opts.Config.OperatorKey; key != "" {
		_, err = a.ident.AdoptOperatorKey(ctx, "SLUICE_OPERATOR_KEY", key.Reveal())
	}
	return err
}

// setupServer builds the doors and the HTTP server that holds them.
func (a *App) setupServer(r rooms) error {
	cfg := a.opts.Config
	var err error
	a.live, err = realtime.New(realtime.Options{
		Events: r.events, Identity: a.ident, Secrets: a.db, Vault: a.vault, Detail: r.detail, Logger: a.log, MaxAllStreams: cfg.MaxStreams,
		Opened: func() func() { return a.tel.Metrics.StreamOpened("events") },
	})
	if err != nil {
		return err
	}
	rate := a.limiter(policy.LimitKey, cfg.RateKey) // one for both doors
	rest, err := api.New(api.Options{
		Sessions: r.sessions, Execute: r.exec, Connect: r.conn, Identity: a.ident, Catalog: r.cat, Files: r.files, Events: r.events, Triggers: r.triggers, Stream: a.live,
		Origin: a.origin, Logger: a.log, Version: Version(),
		MaxBody: cfg.MaxBodyBytes, MaxCallsPerKey: cfg.MaxConcurrentPerKey, Rate: rate, Observe: a.tel.Metrics.Request,
	})
	if err != nil {
		return err
	}
	a.mcp = mcpserver.New(mcpserver.Options{
		Sessions: r.sessions, Identity: a.ident, Logger: a.log, Version: Version(), Origin: a.origin,
		MaxBody: cfg.MaxBodyBytes, MaxCalls: cfg.MaxConcurrentPerKey, MaxAllStreams: cfg.MaxStreams,
		Hosts: publicHosts(cfg.PublicURL), Rate: rate,
	})
	a.onStop("mcp", func(context.Context) error { return a.mcp.Close() })
	pages := ui.New(ui.Options{Connect: r.conn, Origin: a.origin, Logger: a.log})
	a.server = &http.Server{
		Handler:           a.front(rest, a.mcp.Handler(), pages, api.NewBlobs(r.files, a.log), api.NewReceiver(r.triggers, a.log), a.live.Pusher()),
		ReadHeaderTimeout: a.opts.Times.Header,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	return nil
}

// URL is the origin under which clients reach this process: the public one, else
// that of the listener.
func (a *App) URL() string {
	if u := a.opts.Config.PublicURL; u != "" {
		return u
	}
	return a.ListenURL()
}

// ListenURL is the origin of the listener.
func (a *App) ListenURL() string {
	scheme := "http"
	if a.opts.Config.TLS() {
		scheme = "https"
	}
	return scheme + "://" + a.Addr()
}

// Addr is the address of the listener; empty before Start.
func (a *App) Addr() string {
	if a.listen == nil {
		return ""
	}
	return a.listen.Addr().String()
}

// linkURL gives the address of a connect page.
func (a *App) linkURL(origin, token string) string {
	if origin == "" {
		origin = a.URL()
	}
	return origin + "/link/" + token
}

// fileURL gives the address of a file's content.
func (a *App) fileURL(origin, token string) string {
	if origin == "" {
		origin = a.URL()
	}
	return api.BlobURL(origin, token)
}

// FirstKey is the API key that the first start made, or "". It is kept nowhere
// else.
func (a *App) FirstKey() string { return a.first }

// SandboxURL is the address of the embedded Confluence, or "".
func (a *App) SandboxURL() string {
	if a.sand == nil {
		return ""
	}
	return a.sand.url
}

// SandboxVisitor is an identity in the embedded Confluence for people who look
// at it by themselves. Its token opens nothing but this in-memory site.
func (a *App) SandboxVisitor() (email, token string) {
	if a.sand == nil {
		return "", ""
	}
	return a.sand.visitor.Email, a.sand.visitor.Token
}

// EphemeralKey makes an API key that lives as long as this App and is stored
// nowhere.
func (a *App) EphemeralKey(name string) string { return a.ident.Ephemeral(a.proj.ID, name) }

// ProjectID is the id of the default project.
func (a *App) ProjectID() string { return a.proj.ID }

// Failed gives the error that ended serving, if one did.
func (a *App) Failed() <-chan error { return a.failed }

// errTaken names a port that somebody else has.
func errTaken(addr string, err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		err = errno // without the address again
	}
	return domain.Errorf(domain.CodeUnavailable, "cannot listen on %s: %v", addr, err).
		WithFix("Is another router running there? Choose another address with --addr or SLUICE_ADDR; port 0 picks a free one.")
}

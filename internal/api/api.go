package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/trigger"
)

// Options configures the API. Sessions, Execute, Connect, Identity, Catalog, Files,
// Events, Triggers, Stream and Origin are required.
type Options struct {
	Sessions *session.Service
	Execute  *execute.Service
	Connect  *connect.Service
	Identity *identity.Service
	Catalog  *catalog.Catalog
	Files    *files.Service
	Events   *event.Service
	Triggers *trigger.Service
	Stream   EventStream
	// Origin gives scheme and authority (and the path of a public URL, if it has
	// one) under which the caller reached us, without a trailing slash. The MCP
	// address of a session is built on it; see Origin.
	Origin func(*http.Request) string
	Logger *slog.Logger // discarded when nil
	// Version is shown in the OpenAPI document.
	Version string
	// MaxBody bounds a request body in bytes; 4 MiB when 0.
	MaxBody int64
	// BodyTimeout bounds the time that a body may take to arrive; 30 s when 0.
	BodyTimeout time.Duration
	// MaxCallsPerKey bounds the requests that one API key has in flight; 64 when 0.
	MaxCallsPerKey int
	// Rate bounds the requests that one API key sends in a time; nil: it does not.
	Rate *policy.Limiter
	// Observe, when set, is told of every answer: metrics. route is the pattern of
	// the operation, "" where the request met none.
	Observe func(route, method string, status int, took time.Duration)
	Now     func() time.Time // time.Now when nil
}

func (o *Options) setDefaults() error {
	if o.Sessions == nil || o.Execute == nil || o.Connect == nil || o.Identity == nil || o.Catalog == nil || o.Files == nil || o.Events == nil || o.Triggers == nil || o.Stream == nil || o.Origin == nil {
		return errors.New("api: Sessions, Execute, Connect, Identity, Catalog, Files, Events, Triggers, Stream and Origin are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = 30 * time.Second
	}
	if o.MaxCallsPerKey <= 0 {
		o.MaxCallsPerKey = 64
	}
	if o.Observe == nil {
		o.Observe = func(string, string, int, time.Duration) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// server holds what the operations need.
type server struct {
	Options
	huma huma.API
}

// New makes the handler of /api/… and /openapi.json. It needs the request path
// as the client sent it: a ServeMux in front would answer "//" with a redirect,
// which drops the body of a POST.
func New(opts Options) (http.Handler, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	s := &server{Options: opts, huma: humago.New(mux, humaConfig(opts.Version))}
	s.huma.UseMiddleware(plainErrors)
	s.sessionRoutes()
	s.sessionUseRoutes()
	s.toolkitRoutes()
	s.toolRoutes()
	s.scopeRoutes()
	s.proxyRoutes()
	s.mountRoutes()
	s.labsRoutes()
	s.authConfigRoutes()
	s.accountRoutes()
	s.fileRoutes()
	s.webhookRoutes()
	s.eventRoutes()
	s.triggerRoutes()
	s.streamRoutes(mux)
	s.endpointRoutes()
	s.logRoutes()
	s.triggerLogRoutes()
	s.triggerBoundsRoutes()
	s.usageRoutes()
	s.orgUsageRoutes()
	s.ownRoutes()
	s.headlessRoutes()
	s.mcpServerRoutes()
	s.projectConfigRoutes()
	s.projectRoutes()
	s.approvalRoutes()
	document(s.huma.OpenAPI())
	spec, err := specHandler(s.huma.OpenAPI())
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /openapi.json", spec)

	var h http.Handler = router(mux)
	h = readBody(h, opts.MaxBody, opts.BodyTimeout)
	h = limitCalls(h, opts.MaxCallsPerKey)
	h = limitRate(h, opts.Rate)
	h = authenticate(h, opts.Identity, opts.Origin)
	h = observe(h, &opts)
	return cleanPath(h), nil
}

// humaConfig is huma without its hooks: they add $schema to bodies and a Link
// header, which clients print as a warning. Errors are mended per API, by a
// transformer and plainErrors, so huma's process-wide error constructor stays
// as it is and two APIs in one process cannot disturb each other.
func humaConfig(version string) huma.Config {
	c := huma.DefaultConfig("Sluice", version)
	c.CreateHooks = nil
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.AllowAdditionalPropertiesByDefault = true
	c.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	c.DefaultFormat = "application/json"
	c.Transformers = []huma.Transformer{wireErrors}
	return c
}

// prefix of every operation; /api/v3 is rewritten to it by cleanPath.
const prefix = "/api/v3.1"

// body wraps an answer for huma.
type body[T any] struct {
	Status int
	Body   T
}

// statused is an answer that chooses among several statuses.
type statused interface{ httpStatus() int }

// operation describes one operation of the table in a resource's file.
type operation struct {
	id, method, path, tag, summary string
	status                         int     // 200 when 0
	query                          []param // parsed by hand: see query.go
	// security is who may call it: the keys of a project when it is nil.
	security []map[string][]string
}

// handle registers an operation. f may return any error: it reaches the client
// as the contract's error body.
func handle[In, Out any](s *server, op operation, f func(ctx context.Context, in *In) (Out, error)) {
	status := op.status
	if status == 0 {
		status = http.StatusOK
	}
	huma.Register(s.huma, huma.Operation{
		OperationID: op.id, Method: op.method, Path: prefix + op.path, Tags: []string{op.tag}, Summary: op.summary,
		DefaultStatus: status, Security: op.security,
		Parameters: parameters(op.query),
		Responses:  errorResponses(s.huma.OpenAPI().Components.Schemas),
		// The body is in memory already, see readBody.
		MaxBodyBytes: -1, BodyReadTimeout: -1,
	}, func(ctx context.Context, in *In) (*body[Out], error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, s.refuse(ctx, op.method, err)
		}
		answer := status
		if v, ok := any(out).(statused); ok {
			answer = v.httpStatus()
		}
		return &body[Out]{Status: answer, Body: out}, nil
	})
}

// Package session keeps tool router sessions and gives them their tools: the
// meta tools, by which an agent finds, connects and runs everything else, and
// the preloaded ones.
package session

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Options configures a Service. Store, Catalog, Connect and Execute are required.
type Options struct {
	Store   store.Sessions
	Catalog *catalog.Catalog
	Connect *connect.Service
	Execute *execute.Service
	// LinkURL gives the address of a connect page from its token and the origin
	// that the request came by (empty: none known).
	LinkURL func(origin, token string) string
	Now     func() time.Time
}

// Service keeps sessions.
type Service struct{ opts Options }

// New makes a Service.
func New(opts Options) *Service { return &Service{opts: opts} }

// Handle is a session ready to be used: stored state, compiled rules and the
// principal that opened it.
type Handle struct {
	domain.Session
	Principal domain.Principal
	Rules     *policy.Rules
	Origin    string // of the current request, for links; may be empty
}

// Create makes a session after checking every slug, account and auth config in
// cfg by name.
func (s *Service) Create(ctx context.Context, p domain.Principal, userID string, cfg domain.SessionConfig) (*Handle, error) {
	panic("in work")
}

// Open gives a session of the principal's project; another project's is
// CodeNotFound like an unknown one.
func (s *Service) Open(ctx context.Context, p domain.Principal, id string) (*Handle, error) {
	panic("in work")
}

// Update changes a session's configuration with edit, checks it as Create does
// and raises the version. A non-nil expect that is not the current version is
// CodeConflict.
func (s *Service) Update(ctx context.Context, p domain.Principal, id string, expect *int, edit func(*domain.SessionConfig) error) (*Handle, error) {
	panic("in work")
}

// Delete removes a session. Its MCP URL answers 404 from then on.
func (s *Service) Delete(ctx context.Context, p domain.Principal, id string) error { panic("in work") }

// ToolSet is what a session lists: the meta tools and the preloaded tools.
type ToolSet struct {
	// Key is equal for sets with the same bytes: a cache key for marshalled lists.
	Key   string
	Tools []*catalog.Tool
}

// Tools gives the session's listed tools: meta tools first, then preloaded ones
// by slug.
func (s *Service) Tools(h *Handle) (*ToolSet, error) { panic("in work") }

// MetaSlugs gives the slugs of the meta tools that the session offers.
func (s *Service) MetaSlugs(h *Handle) []string { return h.Rules.MetaTools() }

// Call is one tool call in a session.
type Call struct {
	Tool      string // meta or app tool
	Arguments json.RawMessage
	Account   string
	Door      string
	RequestID string
	Interact  execute.Interact
}

// Call runs a meta tool or an app tool. See execute.Service.Run for errors.
func (s *Service) Call(ctx context.Context, h *Handle, c Call) (*execute.Answer, error) {
	panic("in work")
}

// ToolkitState is a toolkit of the session with the user's connection to it.
type ToolkitState struct {
	Toolkit *toolkit.Toolkit
	Enabled bool
	Account *domain.ConnectedAccount // the one a call would use; nil when none
	All     []domain.ConnectedAccount
}

// Toolkits gives the session's toolkits in the order of their slugs.
func (s *Service) Toolkits(ctx context.Context, h *Handle) ([]ToolkitState, error) { panic("in work") }

// Link starts a connection for the session's user and gives it with its address.
func (s *Service) Link(ctx context.Context, h *Handle, toolkitSlug, alias, callbackURL string) (*connect.Initiated, string, error) {
	panic("in work")
}

// Query is one use case to find tools for.
type Query struct {
	UseCase     string `json:"use_case"`
	KnownFields string `json:"known_fields,omitempty"`
}

// Found is the outcome of a search over several use cases. Search tools answer
// with it, and so does REST in its own shape.
type Found struct {
	Results  []FoundResult
	Tools    []*catalog.Tool // every tool named in Results, once
	Toolkits []ToolkitState  // of those tools
	Now      time.Time
}

// FoundResult is the outcome for one use case. Error is set when there was none.
type FoundResult struct {
	Query    Query
	Primary  []*catalog.Tool
	Related  []*catalog.Tool
	Steps    []string // recommended plan
	Pitfalls []string
	Guidance string
	Level    string // easy, medium, hard
	Error    string
}

// Search finds tools among those that the session may use.
func (s *Service) Search(ctx context.Context, h *Handle, queries []Query) (*Found, error) {
	panic("in work")
}

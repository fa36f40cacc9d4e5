// Package execute runs tools. It is the one enforcement point: whatever door a
// call comes through, it is resolved, authorised against the session's rules,
// validated, given its account and credentials, run, shaped and recorded here,
// in this order, once.
package execute

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Options configures a Service. Catalog, Connect and Store are required.
type Options struct {
	Catalog *catalog.Catalog
	Connect *connect.Service
	Store   store.Executions
	Logger  *slog.Logger
	// Timeout bounds one call; 60 s when 0.
	Timeout time.Duration
	// MaxConcurrent bounds the calls of one project at a time; 64 when 0.
	MaxConcurrent int
	// MaxResult bounds a result's bytes; 8 MiB when 0. A larger one is a failed
	// call that says how to ask for less.
	MaxResult int
	// Sealer protects the state of a tool's question on its way through the client.
	Sealer Sealer
	Now    func() time.Time
	// Observe, when set, is told of every finished call: metrics.
	Observe func(toolkit, tool string, outcome domain.Outcome, d time.Duration)
}

// Sealer seals and opens small state with associated data; the vault is one.
type Sealer interface {
	SealState(ctx context.Context, aad string, plain []byte) (string, error)
	OpenState(ctx context.Context, aad, sealed string) ([]byte, error)
}

// Service runs tools.
type Service struct{ opts Options }

// New makes a Service.
func New(opts Options) *Service { return &Service{opts: opts} }

// Doors name where a call came in.
const (
	DoorMCP         = "mcp"
	DoorStdio       = "stdio"
	DoorMulti       = "multi"
	DoorREST        = "rest"
	DoorRESTSession = "rest_session"
	DoorRESTMeta    = "rest_meta"
)

// Request is one call.
type Request struct {
	Principal domain.Principal
	UserID    string
	Session   *domain.Session // nil outside a session
	Rules     *policy.Rules   // of the session; nil outside
	Tool      string
	Version   string
	Arguments json.RawMessage // empty = {}
	Account   string          // account id, alias or word id; empty = choose
	Door      string
	RequestID string
	Interact  Interact
}

// Interact is how a tool can speak with the caller while it runs.
type Interact struct {
	Progress func(done, total float64, message string)
	CanAsk   toolkit.AskKinds
	Answers  map[string]toolkit.Answer
	State    string // sealed, as Answer.State gave it
	Header   http.Header
}

// Answer is how a call ended that reached its tool. Exactly one of success,
// failure (Error set) and Ask holds.
type Answer struct {
	LogID      string
	AccountID  string // empty for tools without auth
	Successful bool
	Data       json.RawMessage // a JSON object, never nil; of a failure: status_code, message, …
	Error      string
	// Content, Structured and IsError are set for verbatim tools and for tools
	// that give content of their own.
	Content    []toolkit.Content
	Structured json.RawMessage
	Verbatim   bool
	// Ask holds questions for the person, State what must come back with the answers.
	Ask   *toolkit.Ask
	State string
}

// Envelope gives the answer as the wire's JSON object: data, error, log_id,
// successful.
func (a *Answer) Envelope() json.RawMessage { panic("in work") }

// Run executes an app tool. The record is written before it returns. The error
// is a *domain.Error when the call was refused before its tool ran (unknown
// tool, rules, arguments, no account, limits); such an error carries the log id,
// see LogID.
func (s *Service) Run(ctx context.Context, req Request) (*Answer, error) { panic("in work") }

// RunMeta executes a meta tool of a session through the same phases: rules,
// validation against meta's input schema, limits, record. run does its work.
func (s *Service) RunMeta(ctx context.Context, req Request, meta *toolkit.Tool,
	run func(ctx context.Context, args json.RawMessage, call *toolkit.Call) (json.RawMessage, error),
) (*Answer, error) {
	panic("in work")
}

// LogID gives the log id of a refused call's error, or "".
func LogID(err error) string { panic("in work") }

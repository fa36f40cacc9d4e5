// Package execute runs tools. It is the one enforcement point: whatever door a
// call comes through, it is resolved, authorised against the session's rules,
// validated, given its account and credentials, run, shaped and recorded here,
// in this order, once.
package execute

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Options configures a Service. Catalog, Connect and Store are required.
type Options struct {
	Catalog *catalog.Catalog
	Connect *connect.Service
	Store   Store
	Logger  *slog.Logger
	// Timeout bounds one call of an app tool; 60 s when 0. A meta tool has three
	// times as long.
	Timeout time.Duration
	// MaxConcurrent bounds the calls of one project at a time, of which one user
	// may have three quarters; 64 when 0.
	MaxConcurrent int
	// RateUser bounds the calls of one user in a time, RateToolkit those of one
	// toolkit in a project; nil: they do not.
	RateUser, RateToolkit *policy.Limiter
	// QueueWait is how long a call over that bound waits for its turn before it
	// is refused; 5 s when 0.
	QueueWait time.Duration
	// MaxResult bounds a result's bytes; 8 MiB when 0. A larger one is a failed
	// call that says how to ask for less.
	MaxResult int
	// Sealer protects the state of a tool's question on its way through the
	// client; NewSealer makes one. Without it a question is an internal error.
	// With it what Keep says of the arguments is kept, sealed; without it nothing is.
	Sealer Sealer
	Keep   Keep // KeepRedacted when empty
	// Files keeps the files that tools take and give; without it a tool's attempt
	// fails and says so. FileURL, required with it, gives the address of a download
	// from the caller's origin, which may be empty, and a token.
	Files   *files.Service
	FileURL func(origin, token string) string
	// Phraser puts a call's text into arguments; without it a text is refused.
	Phraser Phraser
	Now     func() time.Time
	// Observe, when set, is told of every finished call: metrics. Toolkit and tool
	// are empty for a tool that does not exist.
	Observe func(toolkit, tool string, outcome domain.Outcome, d time.Duration)
}

// Store keeps the records of calls, and what people said of those that wait for
// their word.
type Store interface {
	store.Executions
	store.Approvals
}

// Sealer seals and opens small state with associated data.
type Sealer interface {
	SealState(ctx context.Context, aad string, plain []byte) (string, error)
	OpenState(ctx context.Context, aad, sealed string) ([]byte, error)
}

const (
	defaultTimeout       = 60 * time.Second
	defaultMaxConcurrent = 64
	defaultMaxResult     = 8 << 20
	defaultQueueWait     = 5 * time.Second
	// recordTimeout bounds the writing of a record.
	recordTimeout = 5 * time.Second
	// metaFactor widens concurrency and time for meta tools, which mostly wait:
	// for their own sub-calls, or for a person who connects an account.
	metaFactor = 3
)

// Service runs tools. It is safe for concurrent use.
type Service struct {
	opts Options
	// Meta tools have slots of their own: a multi-execute that held one of its
	// sub-calls' slots could wait for itself.
	slots, metaSlots slots
	// A user names the address that is called: one that hangs must not hold every
	// slot of the project.
	userSlots slots
	shapes    shapes
	// A model may take long, and costs money.
	phraseSlots slots
}

// New makes a Service.
func New(opts Options) *Service {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.MaxConcurrent <= 0 {
		opts.MaxConcurrent = defaultMaxConcurrent
	}
	if opts.QueueWait <= 0 {
		opts.QueueWait = defaultQueueWait
	}
	if opts.MaxResult <= 0 {
		opts.MaxResult = defaultMaxResult
	}
	if opts.Phraser == nil {
		opts.Phraser = NoModel("none is configured")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Keep == "" {
		opts.Keep = KeepRedacted
	}
	return &Service{
		opts:        opts,
		slots:       slots{whose: "project", size: opts.MaxConcurrent, patience: opts.QueueWait},
		userSlots:   slots{whose: "user", size: opts.MaxConcurrent - opts.MaxConcurrent/4, patience: opts.QueueWait},
		phraseSlots: slots{whose: "project", size: maxPhrases, patience: opts.QueueWait},
		metaSlots:   slots{whose: "project", size: opts.MaxConcurrent * metaFactor, patience: opts.QueueWait},
	}
}

// Doors name where a call came in.
const (
	DoorMCP         = "mcp"
	DoorMulti       = "multi"
	DoorREST        = "rest"
	DoorRESTSession = "rest_session"
	DoorRESTMeta    = "rest_meta"
	DoorProxy       = "proxy"
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
	// Text says in plain words what to do, in place of arguments.
	Text    string
	Account string // account id, alias or word id; empty = choose
	// Given are credentials that come with the call: it runs on no account.
	Given     *connect.Given
	Door      string
	RequestID string
	Origin    string // by which the caller reached us, for addresses in results; may be empty
	Interact  Interact
	// LogID is the id of the call's record; empty makes one. ParentID and ParentTool
	// name the call that this one is a part of.
	LogID, ParentID, ParentTool string
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

// Object gives the answer as one JSON object, for doors without content blocks:
// Data, or of a tool that gave content instead what it structured, else its texts.
func (a *Answer) Object() json.RawMessage {
	switch {
	case len(a.Data) > 0 && string(a.Data) != "{}":
		return a.Data
	case len(a.Structured) > 0:
		return object(a.Structured)
	}
	var texts []string
	for i := range a.Content {
		if text := a.Content[i].Text; text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return json.RawMessage("{}")
	}
	data, err := json.Marshal(map[string][]string{"content": texts})
	if err != nil { // texts always marshal
		return json.RawMessage("{}")
	}
	return data
}

// Envelope gives the answer as the wire's JSON object: data, error, log_id,
// successful, and the account that the tool ran on.
func (a *Answer) Envelope() json.RawMessage {
	data := a.Object()
	buf := make([]byte, 0, len(data)+len(a.Error)+len(a.LogID)+len(a.AccountID)+96)
	buf = append(buf, `{"data":`...)
	buf = append(buf, data...)
	buf = append(buf, `,"error":`...)
	if a.Error == "" {
		buf = append(buf, "null"...)
	} else {
		buf = appendString(buf, a.Error)
	}
	buf = append(buf, `,"log_id":`...)
	buf = appendString(buf, a.LogID)
	if a.AccountID != "" {
		buf = append(buf, `,"connected_account_id":`...)
		buf = appendString(buf, a.AccountID)
	}
	if a.Successful {
		return append(buf, `,"successful":true}`...)
	}
	return append(buf, `,"successful":false}`...)
}

func appendString(buf []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return append(buf, `""`...)
	}
	return append(buf, quoted...)
}

// Run executes an app tool. The record is written before it returns. The error
// is a *domain.Error when the call was refused before its tool ran (unknown
// tool, rules, arguments, no account, limits) or its caller went away
// (CodeCanceled); such an error carries the log id, see LogID.
//
// When the record cannot be written, a call that ran still gives its answer,
// since saying that it failed would invite a second write; the loss is logged
// as an error.
func (s *Service) Run(ctx context.Context, req Request) (*Answer, error) {
	r := s.begin(req)
	answer, err := r.safely(func() (*Answer, error) { return r.runApp(ctx) })
	return r.finish(ctx, answer, err)
}

// Meta does the work of a meta tool: from validated arguments to the JSON
// object of its data. A *domain.Error or *toolkit.Error that it returns becomes
// a failed answer.
type Meta = func(ctx context.Context, args json.RawMessage, call *toolkit.Call) (json.RawMessage, error)

// RunMeta executes a meta tool of a session through the same phases: rules,
// validation against meta's input schema, limits, record. run does its work.
func (s *Service) RunMeta(ctx context.Context, req Request, meta *toolkit.Tool, run Meta) (*Answer, error) {
	r := s.begin(req)
	answer, err := r.safely(func() (*Answer, error) { return r.runMeta(ctx, meta, run) })
	return r.finish(ctx, answer, err)
}

// Refuse records a call that is refused before it gets to its tool for a reason
// that only its door knows. It gives the error with its log id.
func (s *Service) Refuse(ctx context.Context, req Request, err error) error {
	r := s.begin(req)
	_, err = r.finish(ctx, nil, err)
	return err
}

// ToolkitUse says how many calls of each toolkit the project made since a time,
// of its last ten thousand.
func (s *Service) ToolkitUse(ctx context.Context, projectID string, since time.Time) (map[string]int, error) {
	return s.opts.Store.ToolkitUse(ctx, projectID, since)
}

// LogID gives the log id of a refused call's error, or "".
func LogID(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.logID
	}
	return ""
}

// Reword gives the refused call's error err in other words, with the log id of
// its record, which stays as it is.
func Reword(err error, words *domain.Error) error {
	return &refusal{err: words, logID: LogID(err)}
}

// refusal is an error with the id of its record.
type refusal struct {
	err   error
	logID string
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

package toolkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Call is one execution as the tool sees it.
type Call struct {
	// HTTP is the guarded client: it puts the account's credentials on requests
	// to BaseURL, refuses private addresses, limits size and time, and retries
	// only what is safe to repeat. It is the only way out.
	HTTP *http.Client
	// BaseURL is the account's address, without a trailing slash.
	BaseURL string
	// Account holds the connection's public fields (subdomain, …); never secrets.
	Account map[string]string
	// Identity is whom the account belongs to, as known since connecting.
	Identity Identity

	// Files keeps and gives files of the call's project. It is there whenever a
	// tool runs, and nil for a toolkit's Check.
	Files Files

	// OnProgress, when set, receives progress reports; Progress calls it.
	OnProgress func(done, total float64, message string)
	// CanAsk says which kinds of question the caller can show.
	CanAsk AskKinds
	// Answers are the person's answers so far, by key; Ask reads them.
	Answers map[string]Answer
	// State is what the tool gave with its last question; sealed on the way.
	State json.RawMessage
	// Header gives the request headers that the tool's schema declares with
	// x-mcp-header; it may be nil.
	Header http.Header
}

// Progress reports how far the call is. total 0 means unknown. It never blocks
// for long and may be called from any goroutine of the call.
func (c *Call) Progress(done, total float64, message string) {
	if c.OnProgress != nil {
		c.OnProgress(done, total, message)
	}
}

// AskKinds says what the caller's client can put to a person.
type AskKinds struct{ Form, URL bool }

// Question is put to the person behind the agent: a form (a flat JSON Schema
// object, never for secrets) or an address to open in a browser.
type Question struct {
	Message string
	Schema  json.RawMessage // form
	URL     string          // URL
}

// Answer is what the person did.
type Answer struct {
	Action  string // accept, decline, cancel
	Content json.RawMessage
}

// Ask puts questions to the person. A tool returns it as its error; it is then
// run again from the start with the answers in Call.Answers. A tool asks before
// it changes anything.
type Ask struct {
	Questions map[string]Question
	State     json.RawMessage // comes back in Call.State; sealed against change
}

// Error says what is asked, for callers that cannot show a question.
func (a *Ask) Error() string {
	for _, q := range a.Questions {
		if q.URL != "" {
			return q.Message + " " + q.URL
		}
		return q.Message
	}
	return "an answer of the person is needed"
}

// Ask gives the answer to the question named key, or the error that puts it to
// the person:
//
//	answer, err := call.Ask("confirm", toolkit.Question{…})
//	if err != nil {
//		return nil, err
//	}
func (c *Call) Ask(key string, q Question) (Answer, error) {
	if a, ok := c.Answers[key]; ok {
		return a, nil
	}
	return Answer{}, &Ask{Questions: map[string]Question{key: q}, State: c.State}
}

// Result is a tool's success: Data is the JSON object of the answer. Content,
// when set, is shown by the MCP endpoint instead of Data; Structured is for
// verbatim tools.
type Result struct {
	Data       json.RawMessage
	Content    []Content
	Structured json.RawMessage
	// IsError makes a verbatim result a failure without losing its content.
	IsError bool
}

// Content is one block of a result: exactly one of the groups is set.
type Content struct {
	Text string
	// Blob with MIME type: an image or audio by its type, or, with URI, an embedded resource.
	Blob []byte
	MIME string
	URI  string
}

// Kind sorts failures of a tool by what the caller can do.
type Kind string

// The kinds.
const (
	KindInvalid     Kind = "invalid"      // an argument is wrong: mend it
	KindNotFound    Kind = "not_found"    // there is no such thing, or no right to see it
	KindForbidden   Kind = "forbidden"    // a right or scope is missing
	KindConflict    Kind = "conflict"     // changed meanwhile: read again
	KindAuth        Kind = "auth"         // the credentials are no longer good: reconnect
	KindRateLimited Kind = "rate_limited" // come back later
	KindTooLarge    Kind = "too_large"
	KindUnavailable Kind = "unavailable" // the application did not answer properly
)

// Error is a failure that the agent should read: what went wrong and what to
// try. It never holds a secret.
type Error struct {
	Kind    Kind
	Message string
	Field   string // the argument at fault; optional
	Fix     string // what to do next; optional
	Status  int    // upstream HTTP status; 0 when there was none
	// RetryAfter is in seconds; 0 = unknown.
	RetryAfter int
	Cause      error // for logs only
}

// Error gives the field, unless the message names it, the message and the
// remedy as one text.
func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" && !strings.Contains(text, e.Field) {
		text = e.Field + ": " + text
	}
	if e.Fix != "" {
		text += " " + e.Fix
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid reports a bad argument by name.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// newResult marshals a function's result; a Result passes through.
func newResult(out any) (*Result, error) {
	switch r := out.(type) {
	case *Result:
		return r, nil
	case Result:
		return &r, nil
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("toolkit: marshal result: %w", err)
	}
	if len(data) == 0 || data[0] != '{' {
		return nil, errors.New("toolkit: a tool's result must marshal to a JSON object")
	}
	return &Result{Data: data}, nil
}

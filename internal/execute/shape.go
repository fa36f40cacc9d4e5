package execute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// shape turns what a tool gave into the answer.
func (r *run) shape(ctx context.Context, t *toolkit.Tool, result *toolkit.Result, err error) (*Answer, error) {
	if err != nil {
		return r.shapeError(ctx, t, err)
	}
	if result == nil {
		result = &toolkit.Result{}
	}
	size := len(result.Data) + len(result.Structured)
	for i := range result.Content {
		size += len(result.Content[i].Text) + len(result.Content[i].Blob)
	}
	r.record.ResultSize = size
	if size > r.s.opts.MaxResult {
		return r.failure(&toolkit.Error{
			Kind:    toolkit.KindTooLarge,
			Message: fmt.Sprintf("The result has %d bytes; at most %d fit into an answer.", size, r.s.opts.MaxResult),
			Fix:     askLess(t),
		}), nil
	}
	r.record.Outcome = domain.OutcomeOK
	a := &Answer{
		AccountID: r.record.AccountID, Successful: !result.IsError, Data: object(result.Data),
		Content: result.Content, Structured: result.Structured, Verbatim: t.Verbatim,
	}
	if result.IsError {
		a.Error = contentText(result.Content)
		r.record.Outcome, r.record.Error = domain.OutcomeFailed, a.Error
	}
	return a, nil
}

// object makes data a JSON object if it is not one.
func object(data json.RawMessage) json.RawMessage {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		return json.RawMessage("{}")
	case data[0] == '{':
		return data
	}
	return slices.Concat(json.RawMessage(`{"result":`), data, json.RawMessage("}"))
}

func contentText(blocks []toolkit.Content) string {
	for _, c := range blocks {
		if c.Text != "" {
			return c.Text
		}
	}
	return "The tool reported a failure without saying why."
}

// askLess says how to get a smaller result, naming the arguments that do it.
func askLess(t *toolkit.Tool) string {
	var in struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	_ = json.Unmarshal(t.Input, &in) // a schema that was compiled
	var names []string
	for _, name := range []string{"limit", "page_size", "max_results", "fields", "cursor", "start"} {
		if _, ok := in.Properties[name]; ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "Ask for less: name one item, or narrow what you ask for."
	}
	return "Ask for less, with a smaller or narrower " + strings.Join(names, ", ") + "."
}

// shapeError sorts a tool's error: a question, the caller's going, a failure to
// tell, or one that only the logs may know.
func (r *run) shapeError(ctx context.Context, t *toolkit.Tool, err error) (*Answer, error) {
	var (
		ask   *toolkit.Ask
		late  *timedOut
		known *toolkit.Error
		ours  *domain.Error
	)
	switch {
	case errors.As(err, &ask):
		return r.ask(ctx, ask)
	case ctx.Err() != nil:
		return nil, canceled(ctx)
	case errors.As(err, &late):
		e := &toolkit.Error{
			Kind:    toolkit.KindUnavailable,
			Message: fmt.Sprintf("The call was stopped: it took longer than %s.", late.after),
			Fix:     "Ask for less, or try again later.",
		}
		if !t.Hints.ReadOnly {
			e.Fix = "It may have taken effect all the same: look before you repeat it."
		}
		return r.failure(e), nil
	case errors.As(err, &known):
		if known.Cause != nil {
			r.s.opts.Logger.DebugContext(ctx, "tool failed", "log_id", r.record.ID, "tool", t.Slug, "error", shown(known.Cause))
		}
		return r.failure(known), nil
	case errors.As(err, &ours) && ours.Code != domain.CodeInternal:
		return r.failure(&toolkit.Error{
			Kind: kindOf(ours.Code), Message: ours.Message, Field: ours.Field, Fix: ours.Fix,
			RetryAfter: policy.Seconds(ours.RetryAfter),
		}), nil
	}
	return r.unexplained(ctx, t, err), nil
}

// unexplained is a failure whose cause is not for the caller.
func (r *run) unexplained(ctx context.Context, t *toolkit.Tool, err error) *Answer {
	r.s.opts.Logger.ErrorContext(ctx, "a tool failed in an unexpected way", "log_id", r.record.ID, "tool", t.Slug, "error", shown(err))
	a := r.failure(&toolkit.Error{
		Message: "The tool failed in an unexpected way. The operator finds the cause in the log under " + r.record.ID + ".",
	})
	r.record.ErrorCode = domain.CodeInternal
	return a
}

// failureData is the data of a failed call.
type failureData struct {
	StatusCode int    `json:"status_code,omitempty"`
	Message    string `json:"message"`
	Field      string `json:"field,omitempty"`
	Fix        string `json:"fix,omitempty"`
	Kind       string `json:"kind,omitempty"`
	RetryAfter int    `json:"retry_after_seconds,omitempty"`
	URL        string `json:"url,omitempty"`
}

// credentials are what an Authorization header carries. Some upstreams and
// proxies answer a failure with the request that they got.
var credentials = regexp.MustCompile(`\b((?i:bearer|basic)[ :"=]+)[0-9A-Za-z._~+/=-]{16,}`)

// failure makes the answer of a tool that ran and failed.
func (r *run) failure(e *toolkit.Error) *Answer {
	clean := *e
	clean.Message = credentials.ReplaceAllString(e.Message, "${1}REDACTED")
	e = &clean
	return r.failed(e.Error(), codeOf(e.Kind), failureData{
		StatusCode: e.Status, Message: e.Message, Field: e.Field, Fix: e.Fix, Kind: string(e.Kind), RetryAfter: e.RetryAfter,
	})
}

func (r *run) failed(message string, code domain.Code, d failureData) *Answer {
	data, err := json.Marshal(d)
	if err != nil { // strings and numbers always marshal
		data = json.RawMessage("{}")
	}
	r.record.Outcome, r.record.ErrorCode, r.record.Error = domain.OutcomeFailed, code, message
	return &Answer{AccountID: r.record.AccountID, Error: message, Data: data}
}

// canceled is the error of a call whose caller went away. A cause of ours, such
// as a key revoked meanwhile, is told instead.
func canceled(ctx context.Context) error {
	var e *domain.Error
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return domain.Errorf(domain.CodeUnavailable, "the call was stopped: the time of its request was over").
			WithFix("It may have taken effect all the same: look before you repeat a change.").WithCause(context.Cause(ctx))
	}
	return domain.Errorf(domain.CodeCanceled, "the call was canceled").WithCause(context.Cause(ctx))
}

var kindCodes = map[toolkit.Kind]domain.Code{
	toolkit.KindInvalid:     domain.CodeInvalid,
	toolkit.KindNotFound:    domain.CodeNotFound,
	toolkit.KindForbidden:   domain.CodeForbidden,
	toolkit.KindConflict:    domain.CodeConflict,
	toolkit.KindAuth:        domain.CodeNoConnection,
	toolkit.KindRateLimited: domain.CodeRateLimited,
	toolkit.KindTooLarge:    domain.CodeTooLarge,
	toolkit.KindUnavailable: domain.CodeUnavailable,
}

func codeOf(k toolkit.Kind) domain.Code {
	if c, ok := kindCodes[k]; ok {
		return c
	}
	return domain.CodeInternal
}

func kindOf(c domain.Code) toolkit.Kind {
	for k, code := range kindCodes {
		if code == c {
			return k
		}
	}
	return ""
}

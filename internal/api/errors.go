package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
)

// wireError is the contract's error body (§1.5) with its status and headers.
type wireError struct {
	Body   errorBody `json:"error"`
	header http.Header
}

type errorBody struct {
	Message      string   `json:"message" doc:"What was wrong, for a person or a model"`
	Code         int      `json:"code" doc:"Stable number of the kind of error; 1803: the user has no usable connected account"`
	Slug         string   `json:"slug" doc:"The code in words"`
	Status       int      `json:"status" doc:"The HTTP status"`
	RequestID    string   `json:"request_id,omitempty" doc:"Names the request in the logs"`
	SuggestedFix string   `json:"suggested_fix,omitempty" doc:"What to do next"`
	ApprovalID   string   `json:"approval_id,omitempty" doc:"Of a call that waits for a person's word: what to allow before it is repeated"`
	Errors       []string `json:"errors,omitempty" doc:"One line for each thing that was wrong, led by the field"`
}

func (e *wireError) Error() string           { return e.Body.Message }
func (e *wireError) GetStatus() int          { return e.Body.Status }
func (e *wireError) GetHeaders() http.Header { return e.header }

// kind is how a domain code looks on the wire.
type kind struct {
	status, code int
	slug         string
}

// kinds is the one table from domain codes to the wire. The contract fixes 1803
// only; the other numbers are the status followed by a digit, and are stable.
var kinds = map[domain.Code]kind{
	domain.CodeInvalid:         {http.StatusBadRequest, 4000, "HTTP_BadRequest"},
	domain.CodeUnauthenticated: {http.StatusUnauthorized, 4010, "HTTP_Unauthorized"},
	domain.CodeForbidden:       {http.StatusForbidden, 4030, "HTTP_Forbidden"},
	domain.CodeNotFound:        {http.StatusNotFound, 4040, "HTTP_NotFound"},
	domain.CodeConflict:        {http.StatusConflict, 4090, "HTTP_Conflict"},
	domain.CodeNoConnection:    {http.StatusBadRequest, 1803, "ActionExecute_ConnectedAccountNotFound"},
	domain.CodeRateLimited:     {http.StatusTooManyRequests, 4290, "HTTP_TooManyRequests"},
	domain.CodeTooLarge:        {http.StatusRequestEntityTooLarge, 4130, "HTTP_PayloadTooLarge"},
	domain.CodeUnsupported:     {http.StatusNotImplemented, 5010, "HTTP_NotImplemented"},
	domain.CodeUnavailable:     {http.StatusServiceUnavailable, 5030, "HTTP_ServiceUnavailable"},
	domain.CodeCanceled:        {statusCanceled, 4990, "HTTP_ClientClosedRequest"},
	domain.CodeInternal:        {http.StatusInternalServerError, 5000, "HTTP_InternalServerError"},
}

// Kinds of error that only a transport knows.
var (
	kindMethod    = kind{http.StatusMethodNotAllowed, 4050, "HTTP_MethodNotAllowed"}
	kindMediaType = kind{http.StatusUnsupportedMediaType, 4150, "HTTP_UnsupportedMediaType"}
	kindSlowBody  = kind{http.StatusRequestTimeout, 4080, "HTTP_RequestTimeout"}
	// An option that is known but not offered is the request's fault; an
	// operation that is not offered is ours.
	kindOption = kind{http.StatusBadRequest, 4001, "HTTP_BadRequest"}
)

// longWait is from how many seconds on the SDKs do not obey Retry-After, but come
// again at once and in vain.
const longWait = 60

// statusCanceled is what a log shows when the caller went away.
const statusCanceled = 499

// fail makes the wire's error of a domain error.
func fail(e *domain.Error, method, requestID string) *wireError {
	k, ok := kinds[e.Code]
	if !ok {
		k = kinds[domain.CodeInternal]
	}
	if e.Code == domain.CodeUnsupported && e.Field != "" {
		k = kindOption
	}
	w := newError(k, method, requestID, e.Message, e.Fix)
	var waiting *execute.Waiting
	if errors.As(e, &waiting) {
		w.Body.ApprovalID = waiting.ApprovalID
	}
	if e.Field != "" {
		w.Body.Errors = []string{line(e.Field, e.Message)}
	}
	if after := e.RetryAfter; after > 0 || e.Code == domain.CodeRateLimited {
		wait := max(1, policy.Seconds(after))
		w.header.Set("Retry-After", strconv.Itoa(wait))
		if e.Code == domain.CodeRateLimited && wait >= longWait {
			w.header.Set("X-Should-Retry", "false")
		}
	}
	var over *policy.Over
	if errors.As(e, &over) {
		over.Verdict.Tell(w.header)
	}
	return w
}

func newError(k kind, method, requestID, message, fix string) *wireError {
	w := &wireError{
		Body: errorBody{
			Message: message, Code: k.code, Slug: k.slug, Status: k.status,
			RequestID: requestID, SuggestedFix: fix,
		},
		header: http.Header{},
	}
	if !repeatable(k.status, method) {
		w.header.Set("X-Should-Retry", "false")
	}
	return w
}

// repeatable says whether a client may send the request again by itself, as the
// SDKs do with 409 and 5xx: not after a conflict, not what is not offered, and
// no failure of a request that may have changed something.
func repeatable(status int, method string) bool {
	switch {
	case status == http.StatusConflict, status == http.StatusNotImplemented:
		return false
	case status >= 500:
		return method == http.MethodGet || method == http.MethodHead
	}
	return true
}

func line(field, message string) string {
	if strings.HasPrefix(message, field+":") {
		return message
	}
	return field + ": " + message
}

// refuse turns an operation's error into the wire's and logs what is our fault.
func (s *server) refuse(ctx context.Context, method string, err error) error {
	c := callerOf(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = domain.Errorf(domain.CodeCanceled, "the caller went away")
	}
	e := domain.AsError(err)
	if e.Code == domain.CodeInternal {
		s.Logger.LogAttrs(ctx, slog.LevelError, "request failed",
			slog.String("request_id", c.requestID), slog.String("error", err.Error()), slog.Any("cause", errors.Unwrap(e)))
	}
	return fail(e, method, c.requestID)
}

// writeError writes an error outside huma.
func writeError(w http.ResponseWriter, e *wireError) {
	for name, values := range e.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Body.Status)
	_ = json.NewEncoder(w).Encode(e) // the client is gone when this fails
}

// wireErrors turns the errors that huma makes (of bodies and parameters) into
// the contract's. It never passes on a value.
func wireErrors(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	k := kinds[domain.CodeInvalid]
	switch model.Status {
	case http.StatusUnsupportedMediaType:
		k = kindMediaType
	case http.StatusInternalServerError:
		k = kinds[domain.CodeInternal]
	}
	message := model.Detail
	var lines []string
	for _, d := range model.Errors {
		text := d.Message
		if k == kindMediaType {
			text = "send the body as application/json"
		}
		if at := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), "."); at != "" {
			text = line(at, text)
		}
		lines = append(lines, text)
	}
	if len(lines) > 0 {
		message = "the request is not valid: " + strings.Join(lines, "; ")
	}
	e := newError(k, ctx.Method(), callerOf(ctx.Context()).requestID, message, "")
	e.Body.Errors = lines
	return e, nil
}

// plainErrors gives huma's own errors the status and content type that the
// contract has for them: 400 instead of 422, and plain JSON.
func plainErrors(ctx huma.Context, next func(huma.Context)) { next(plainContext{ctx}) }

type humaContext = huma.Context

type plainContext struct{ humaContext }

// Unwrap lets huma's adapter find its own context.
func (c plainContext) Unwrap() huma.Context { return c.humaContext }

func (c plainContext) SetStatus(code int) {
	if code == http.StatusUnprocessableEntity {
		code = http.StatusBadRequest
	}
	c.humaContext.SetStatus(code)
}

func (c plainContext) SetHeader(name, value string) {
	if value == "application/problem+json" {
		value = "application/json"
	}
	c.humaContext.SetHeader(name, value)
}

// AppendHeader is how huma sends an error's headers. What a door said of its own
// limit before gives way to the limit that refused, but for the lists of all.
func (c plainContext) AppendHeader(name, value string) {
	if strings.HasPrefix(name, "X-") {
		c.humaContext.SetHeader(name, value)
		return
	}
	c.humaContext.AppendHeader(name, value)
}

// retryAfter is a rate limit's error.
func retryAfter(d time.Duration, format string, args ...any) *domain.Error {
	e := domain.Errorf(domain.CodeRateLimited, format, args...)
	e.RetryAfter = d
	return e
}

// notOfferedOption refuses an option that the contract has and we do not.
func notOfferedOption(field, fix string) *domain.Error {
	e := domain.Errorf(domain.CodeUnsupported, "%s is not offered yet", field)
	e.Field, e.Fix = field, fix
	return e
}

package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What an [Error] is by its status or code: ask with [errors.Is].
var (
	ErrUnauthorized = errors.New("client: the API key is not accepted")     // 401
	ErrForbidden    = errors.New("client: not allowed")                     // 403
	ErrNotFound     = errors.New("client: not found")                       // 404
	ErrConflict     = errors.New("client: the state is another")            // 409
	ErrRateLimited  = errors.New("client: too many requests")               // 429; see Error.RetryAfter
	ErrNoConnection = errors.New("client: the user has no usable account")  // CodeNoConnection
	ErrNeedsPerson  = errors.New("client: a person has to allow the call")  // see Error.ApprovalID
	ErrUnreachable  = errors.New("client: the server did not answer whole") // none, or one that broke off
)

// CodeNoConnection is the Error.Code of a call that found no usable account.
const CodeNoConnection = 1803

// Error is an answer of the server that is not a success, an answer that could
// not be understood, or none at all (Status 0). It holds no key, no address with
// a secret in it, and nothing that was sent.
type Error struct {
	Status    int    // HTTP status
	Code      int    // the API's own number: 1803 = no connected account
	Message   string // what was wrong
	Fix       string // what to do next; may be empty
	RequestID string // names the request in the server's logs
	// ApprovalID is what a person must allow before the call is repeated; empty when
	// that is not what was wrong.
	ApprovalID string
	// RetryAfter is how long the server asks to wait; 0 when it does not say.
	RetryAfter time.Duration

	cause error // of the transport
}

// Error gives message, remedy and status as one line.
func (e *Error) Error() string {
	msg := e.Message
	if e.Fix != "" {
		msg += " " + e.Fix
	}
	if e.Status != 0 {
		msg = fmt.Sprintf("%s (HTTP %d)", msg, e.Status)
	}
	return msg
}

// Is says whether e is one of this package's kinds.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.Status == http.StatusUnauthorized
	case ErrForbidden:
		return e.Status == http.StatusForbidden
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrRateLimited:
		return e.Status == http.StatusTooManyRequests
	case ErrNoConnection:
		return e.Code == CodeNoConnection
	case ErrNeedsPerson:
		return e.ApprovalID != ""
	case ErrUnreachable:
		return e.cause != nil
	}
	return false
}

// Unwrap gives what the transport said, such as a [net.OpError]; nil when the
// server answered.
func (e *Error) Unwrap() error { return e.cause }

// broken is an Error of the transport. what and fix tell where; the cause is
// said without the address that net/http puts before it.
func broken(status int, what string, cause error, fix string) *Error {
	var u *url.Error
	if errors.As(cause, &u) {
		cause = u.Err
	}
	return &Error{Status: status, Message: what + ": " + cause.Error(), Fix: fix, cause: cause}
}

// maxRefusal bounds what is read of an answer that is no success, maxMessage what
// is told of it.
const (
	maxRefusal = 1 << 20
	maxMessage = 4 << 10
)

// failure makes an Error of an answer that is no success.
func failure(res *http.Response, body []byte) *Error {
	var wire struct {
		Error struct {
			Message   string   `json:"message"`
			Code      int      `json:"code"`
			RequestID string   `json:"request_id"`
			Fix       string   `json:"suggested_fix"`
			Approval  string   `json:"approval_id"`
			Errors    []string `json:"errors"`
		} `json:"error"`
	}
	e := &Error{Status: res.StatusCode, RetryAfter: retryAfter(res.Header.Get("Retry-After"), time.Now())}
	if err := json.Unmarshal(body, &wire); err == nil && wire.Error.Message != "" {
		e.Code, e.Message, e.Fix, e.RequestID = wire.Error.Code, wire.Error.Message, wire.Error.Fix, wire.Error.RequestID
		e.ApprovalID = wire.Error.Approval
		for _, detail := range wire.Error.Errors {
			if !strings.Contains(detail, e.Message) && !strings.Contains(e.Message, detail) {
				e.Message += "; " + detail
			}
		}
		if len(e.Message) > maxMessage {
			e.Message = strings.ToValidUTF8(e.Message[:maxMessage], "") + "…"
		}
		return e
	}
	e.Message = "the server answered " + res.Status
	if to, err := res.Location(); err == nil && res.StatusCode < 400 {
		e.Message += ", which is not followed: it leads to " + to.Scheme + "://" + to.Host
		e.Fix = "Give the address of the router itself as BaseURL."
	}
	return e
}

// retryAfter reads the header of that name, seconds or a date; 0 when it says
// nothing.
func retryAfter(value string, now time.Time) time.Duration {
	const day = 24 * 60 * 60
	if s, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(s, 0), day)) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), day*time.Second)
}

package domain

import (
	"errors"
	"fmt"
	"time"
)

// Code says what kind of thing went wrong. Transports map each code to their
// own status exactly once.
type Code string

// The codes. They are few on purpose: what differs within a code is the message.
const (
	CodeInvalid         Code = "invalid"         // the request is wrong; Field names where
	CodeUnauthenticated Code = "unauthenticated" // no usable API key
	CodeForbidden       Code = "forbidden"       // known, but not allowed here
	CodeNotFound        Code = "not_found"       // no such thing in this project
	CodeConflict        Code = "conflict"        // changed meanwhile, or already there
	CodeNoConnection    Code = "no_connection"   // the user has no usable account for the toolkit
	CodeRateLimited     Code = "rate_limited"    // come back after RetryAfter
	CodeTooLarge        Code = "too_large"       // over a stated size
	CodeUnsupported     Code = "unsupported"     // right shape, not offered here
	CodeUnavailable     Code = "unavailable"     // a dependency did not answer; trying later may help
	CodeCanceled        Code = "canceled"        // the caller went away
	CodeInternal        Code = "internal"        // our fault; Message never carries the cause
)

// Error is the error of every package of ours. Message is written for the
// person or model at the other end: it says what was wrong and never holds a
// secret, SQL or a stack. The cause is for logs only.
type Error struct {
	Code       Code
	Message    string
	Field      string        // the argument at fault, as the caller spelled it; optional
	Fix        string        // what to do next; optional
	RetryAfter time.Duration // for CodeRateLimited and CodeUnavailable; 0 = unknown
	cause      error
}

// Errorf makes an error of the given code. A %w operand becomes the cause, but
// its text is part of the message: wrap only what a caller may read.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Invalid reports a bad argument by name.
func Invalid(field, format string, args ...any) *Error {
	e := Errorf(CodeInvalid, format, args...)
	e.Field = field
	return e
}

// Internal hides cause behind a neutral message; logs see it through Unwrap.
func Internal(doing string, cause error) *Error {
	return &Error{Code: CodeInternal, Message: "internal error: " + doing, cause: cause}
}

// WithFix returns a copy of e that says what to do next.
func (e *Error) WithFix(format string, args ...any) *Error {
	c := *e
	c.Fix = fmt.Sprintf(format, args...)
	return &c
}

// WithCause returns a copy of e that carries cause for the logs.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Error gives the message alone; the code is for machines.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf gives the code of the first *Error in err's chain. An error of nobody
// we know is CodeInternal; nil has the empty code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// AsError gives the first *Error in err's chain, or an internal error that
// hides err. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Internal("unexpected failure", err)
}

package authscheme

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
)

// Kind says what a failure means for the grant.
type Kind int

// The kinds.
const (
	// KindTransient: nothing is known. No answer, a late one, a server's failure,
	// a limit, or an answer that cannot be read, such as a proxy's page.
	KindTransient Kind = iota + 1
	// KindGrant: the provider says that the code or refresh token is not good.
	KindGrant
	// KindClient: the provider refuses the application: its id or secret, or its
	// right to this grant type.
	KindClient
	// KindRequest: the provider or our own guard refuses the request itself: a
	// scope, a parameter, an address.
	KindRequest
	// KindUnsupported: the provider does not offer it.
	KindUnsupported
)

// String names the kind for logs.
func (k Kind) String() string {
	switch k {
	case KindTransient:
		return "transient"
	case KindGrant:
		return "grant"
	case KindClient:
		return "client"
	case KindRequest:
		return "request"
	case KindUnsupported:
		return "unsupported"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Error is a failure at a provider. It holds no secret and not the answer's body.
type Error struct {
	Kind   Kind
	Doing  string // "refreshing"
	Code   string // of the provider: invalid_grant; empty when it gave none
	Status int    // of HTTP; 0 when there was no answer
	// Description is the provider's own sentence, cut short, with what could be a
	// secret taken out. It is not ours: show it as a quotation.
	Description string
	RetryAfter  time.Duration // 0 = the provider did not say
	cause       error
}

// maxDescription bounds a provider's sentence, in bytes.
const maxDescription = 300

// Error says what failed, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s failure", e.Doing, e.Kind)
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, ", %s", e.Code)
	}
	if e.Description != "" {
		fmt.Fprintf(&b, " (%s)", e.Description)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Unwrap gives what the connection failed with.
func (e *Error) Unwrap() error { return e.cause }

// KindOf gives the kind of the first *Error in err's chain, or KindTransient:
// nothing is known of any other. It is 0 for nil.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Kind
	}
	return KindTransient
}

// unanswered is the error of a request without an answer that could be read.
func unanswered(doing string, err error) *Error {
	e := &Error{Kind: KindTransient, Doing: doing}
	if err == nil {
		return e
	}
	e.cause = httpx.Explain(err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return e
	}
	switch domain.CodeOf(err) {
	case domain.CodeForbidden, domain.CodeInvalid: // the guard
		e.Kind = KindRequest
	}
	return e
}

// refusal reads an answer that gave no token.
func (a *answer) refusal(doing string, now time.Time, secrets []string) *Error {
	f := a.fields()
	e := &Error{Doing: doing, Status: a.status, Code: word(f.text("error")), Description: clean(f.text("error_description"), secrets)}
	e.RetryAfter, _ = httpx.RetryAfter(a.header, now)
	switch {
	case a.status >= 500 || a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout || a.status == http.StatusTooEarly:
		e.Kind = KindTransient // whatever else it says
	case e.Code == "":
		e.Kind = KindTransient
	default:
		e.Kind = kindOf(e.Code, strings.ToLower(f.text("error_description")), a.status)
	}
	return e
}

// kindOf is the one table of the codes that providers use.
func kindOf(code, description string, status int) Kind {
	switch code {
	case "invalid_grant", "bad_refresh_token", "bad_verification_code", "expired_token", "invalid_refresh_token":
		return KindGrant
	case "unauthorized_client":
		// Atlassian says so of a dead refresh token, with 403.
		// Of the grant type of that name it says nothing.
		about := strings.Contains(description, "refresh_token") || strings.Contains(description, "refresh token")
		if about && !strings.Contains(description, "grant type") && !strings.Contains(description, "grant_type") {
			return KindGrant
		}
		return KindClient
	case "invalid_client", "incorrect_client_credentials", "invalid_client_id":
		return KindClient
	case "access_denied":
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			return KindClient
		}
		return KindRequest
	case "unsupported_token_type":
		return KindUnsupported
	case "server_error", "temporarily_unavailable", "slow_down", "rate_limit_exceeded", "internal_error", "too_many_requests":
		return KindTransient
	case "invalid_request", "invalid_scope", "unsupported_grant_type", "unsupported_response_type",
		"redirect_uri_mismatch", "invalid_target", "interaction_required":
		return KindRequest
	}
	// A code of nobody we know says nothing of the grant; a refusal that stays is
	// shown with its code either way.
	return cmp.Or(map[int]Kind{http.StatusUnauthorized: KindClient, http.StatusNotFound: KindTransient}[status], KindRequest)
}

// word gives s if it could be an error code of RFC 6749, or "".
func word(s string) string {
	if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}) {
		return "unknown_code"
	}
	return s
}

// clean makes a provider's sentence fit to show: what was sent to it, and any
// word that looks made by a machine, is taken out.
func clean(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "[hidden]")
		}
	}
	words := strings.Fields(strings.ToValidUTF8(s, ""))
	for i, w := range words {
		if len(w) >= 24 && strings.ContainsFunc(w, unicode.IsDigit) {
			words[i] = "[hidden]"
		}
	}
	s = strings.Join(words, " ")
	if len(s) > maxDescription {
		s = strings.ToValidUTF8(s[:maxDescription], "") + "…"
	}
	return s
}

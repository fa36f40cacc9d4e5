package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	kindPlain = "plain http"
	kindOther = "another origin" // than the only one
)

// BlockedError says that the guard refused an address. It unwraps to a
// domain.Error of CodeForbidden. It names the kind of range, never the address
// behind a name: that would map the operator's network for the asker.
type BlockedError struct {
	Host string // as the request spelled it
	Kind string // "private", "loopback", "cloud metadata", "plain http" …
}

// Error says what was refused.
func (e *BlockedError) Error() string {
	if e.Kind == kindPlain {
		return fmt.Sprintf("upstream host %q was refused: https is required", e.Host)
	}
	if e.Kind == kindOther {
		return fmt.Sprintf("upstream host %q was refused: it is not the one that is configured", e.Host)
	}
	return fmt.Sprintf("upstream host %q was refused: its address is not public (%s)", e.Host, e.Kind)
}

// Unwrap gives the domain's view.
func (e *BlockedError) Unwrap() error {
	d := domain.Errorf(domain.CodeForbidden, "%s", e.Error())
	if e.Kind == kindPlain {
		return d.WithFix("use https, or let the operator open the host's range with SLUICE_UPSTREAM_ALLOW")
	}
	if e.Kind == kindOther {
		return d
	}
	return d.WithFix("if this upstream is wanted, the operator can open its range with SLUICE_UPSTREAM_ALLOW")
}

// TooLargeError says that a body is over its cap. It unwraps to a domain.Error
// of CodeTooLarge.
type TooLargeError struct {
	What  string // "request" or "response"
	Limit int64  // bytes
}

// Error names the cap.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the upstream %s body is over %d bytes", e.What, e.Limit)
}

// Unwrap gives the domain's view.
func (e *TooLargeError) Unwrap() error {
	return domain.Errorf(domain.CodeTooLarge, "%s", e.Error()).WithFix("ask for less: fewer items, or a smaller part")
}

// Explain turns what a client of this package returned into an error for the
// caller: what happened, without URL, address or credential. The cause stays
// for the logs. nil gives nil.
func Explain(err error) *domain.Error {
	if err == nil {
		return nil
	}
	var known *domain.Error
	if errors.As(err, &known) {
		return known
	}
	host := "the upstream"
	var ue *url.Error
	if errors.As(err, &ue) {
		if u, perr := url.Parse(ue.URL); perr == nil && u.Host != "" {
			host = u.Host
		}
	}
	say := func(code domain.Code, format string) *domain.Error {
		return domain.Errorf(code, format, host).WithCause(RedactError(err))
	}
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return say(domain.CodeUnavailable, "the TLS certificate of %s is not trusted").
			WithFix("check the site's address; a private certificate authority must be known to the system that Sluice runs on")
	case errors.Is(err, context.Canceled):
		return say(domain.CodeCanceled, "the call to %s was canceled")
	case errors.As(err, &dns) && dns.IsNotFound:
		return say(domain.CodeUnavailable, "%s could not be found: no such host").WithFix("check the spelling of the site's address")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return say(domain.CodeUnavailable, "%s did not answer in time")
	}
	return say(domain.CodeUnavailable, "the connection to %s failed")
}

// withHost gives a *BlockedError found in err the host that was asked for, and
// drops what wraps it: a net.OpError there spells the address. Other errors
// come back as they are.
func withHost(err error, u *url.URL) error {
	var b *BlockedError
	if errors.As(err, &b) {
		return &BlockedError{Host: u.Hostname(), Kind: b.Kind}
	}
	return err
}

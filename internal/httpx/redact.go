package httpx

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Redacted stands where a value was taken out.
const Redacted = "REDACTED"

// RedactURL spells u for logs and errors: without user, fragment and query
// values (the names stay).
func RedactURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if c.Host == "" && u.Opaque != "" {
		return u.Scheme + ":" + Redacted
	}
	text := c.String()
	if u.RawQuery == "" {
		return text
	}
	var b strings.Builder
	b.WriteString(text)
	sep := byte('?')
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, valued := strings.Cut(pair, "=")
		b.WriteByte(sep)
		sep = '&'
		if !valued {
			// A lone word may itself be a key.
			b.WriteString(Redacted)
			continue
		}
		b.WriteString(name + "=" + Redacted)
	}
	return b.String()
}

// RedactHeader gives a copy of h in which only headers known to be harmless
// keep their values.
func RedactHeader(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		if harmless(name) {
			out[name] = append([]string(nil), values...)
		} else {
			out[name] = []string{Redacted}
		}
	}
	return out
}

func harmless(name string) bool {
	name = http.CanonicalHeaderKey(name)
	if travels(name) || strings.HasPrefix(name, "X-Ratelimit-") {
		return true
	}
	switch name {
	case "Age", "Allow", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Etag",
		"Expires", "Last-Modified", "Retry-After", "Server", "Transfer-Encoding", "Vary", "X-Request-Id":
		return true
	}
	return false
}

// RedactError gives err with the URL of a *url.Error redacted; http.Client
// puts the whole URL, query included, into the errors it returns. Other
// errors come back as they are.
func RedactError(err error) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return err
	}
	shown := "URL"
	if u, perr := url.Parse(ue.URL); perr == nil {
		shown = RedactURL(u)
	}
	return &url.Error{Op: ue.Op, URL: shown, Err: ue.Err}
}

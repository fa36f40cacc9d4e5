package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
)

const redacted = "REDACTED"

// LogOptions configures a logger.
type LogOptions struct {
	Output io.Writer // nil means standard error
	Format string    // "text" or "json"; empty means text
	Level  string    // "debug", "info", "warn" or "error"; empty means info
}

// NewLogger makes a logger that adds the request and trace ids of the context
// and keeps secrets out: values under names that speak of secrets, and
// anything in the line that looks like a key of ours or an Authorization value.
func NewLogger(o LogOptions) (*slog.Logger, error) {
	var level slog.Level
	switch o.Level {
	case "debug":
		level = slog.LevelDebug
	case "", "info":
		level = slog.LevelInfo
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q is not known: expected debug, info, warn or error", o.Level)
	}
	out := o.Output
	if out == nil {
		out = os.Stderr
	}
	out = scrubber{out}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	var h slog.Handler
	switch o.Format {
	case "", "text":
		h = slog.NewTextHandler(out, options)
	case "json":
		h = slog.NewJSONHandler(out, options)
	default:
		return nil, fmt.Errorf("log format %q is not known: expected text or json", o.Format)
	}
	return slog.New(contextHandler{h}), nil
}

// contextHandler adds what the context knows to each record.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if id := traceID(ctx); id != "" {
		r.AddAttrs(slog.String("trace_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// redactAttr takes the value of a secret-sounding attribute, at any depth.
// Numbers stay: a count of tokens is no token.
func redactAttr(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString, slog.KindAny:
	default:
		return a
	}
	secret := soundsSecret(a.Key)
	for _, g := range groups {
		secret = secret || soundsSecret(g)
	}
	if secret {
		return slog.String(a.Key, redacted)
	}
	switch v := a.Value.Any().(type) {
	case http.Header:
		return slog.String(a.Key, fmt.Sprintf("%d headers", len(v)))
	case *url.URL:
		if v == nil {
			return a
		}
		return slog.String(a.Key, (&url.URL{Scheme: v.Scheme, Host: v.Host, Path: v.Path}).String())
	}
	return a
}

var secretWords = []string{"authorization", "token", "apikey", "password", "passphrase", "secret", "cookie", "credential", "privatekey", "encryptionkey"}

// soundsSecret looks for the words whatever the case and the separators. It
// runs for each attribute of each line and so keeps off the heap.
func soundsSecret(name string) bool {
	var room [64]byte
	plain := room[:0]
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_', c == '-', c == '.', c == ' ':
		case 'A' <= c && c <= 'Z':
			plain = append(plain, c+'a'-'A')
		default:
			plain = append(plain, c)
		}
	}
	for _, w := range secretWords {
		if bytes.Contains(plain, []byte(w)) {
			return true
		}
	}
	return false
}

// secretShapes are our keys (ak_…, oak_…), connect link tokens (lt_…), secrets of webhook
// subscriptions (whsec_…) and what follows a scheme in an Authorization header.
var (
	secretShapes = regexp.MustCompile(`\b(o?ak_|lt_|whsec_)[0-9A-Za-z_-]{6,}|\b((?i:bearer|basic) +)[0-9A-Za-z._~+/=-]{6,}`)
	secretHints  = [][]byte{[]byte("ak_"), []byte("lt_"), []byte("whsec_"), []byte("earer "), []byte("asic "), []byte("EARER "), []byte("ASIC ")}
)

// scrubber is the last line of defence: it sees the finished line, so that a
// key inside a message or an error is found too. Handlers write a record with
// one call.
type scrubber struct{ out io.Writer }

func (s scrubber) Write(line []byte) (int, error) {
	for _, hint := range secretHints {
		if bytes.Contains(line, hint) {
			if _, err := s.out.Write(secretShapes.ReplaceAll(line, []byte("${1}${2}"+redacted))); err != nil {
				return 0, err
			}
			return len(line), nil
		}
	}
	return s.out.Write(line)
}

// Mask takes out of a text what the log would not show.
func Mask(text string) string {
	return secretShapes.ReplaceAllString(text, "${1}${2}"+redacted)
}

type requestIDKey struct{}

// WithRequestID gives a context whose log lines carry id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID gives the id that WithRequestID put there, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

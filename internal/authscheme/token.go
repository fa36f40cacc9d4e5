package authscheme

import (
	"encoding/json"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxLife bounds what is believed of a token's life.
	maxLife = 10 * 365 * 24 * time.Hour
	// maxScopes bounds how many scopes of an answer are read.
	maxScopes = 1000
)

// Token is what a provider gave. It must live no longer than the request that it
// was asked for.
type Token struct {
	AccessToken  string
	RefreshToken string // empty where the provider gives none
	Type         string // "Bearer" where the provider does not say
	// ExpiresAt is when the access token ends, counted from before it was asked
	// for; zero means that the provider did not say.
	ExpiresAt time.Time
	// Scopes were granted; nil means that the provider did not say: those asked
	// for (RFC 6749, 5.1), or on a refresh those that the grant has.
	Scopes []string
}

// String hides the token, so that a stray %v leaks nothing.
func (*Token) String() string { return "[token]" }

// GoString hides the token as String does.
func (*Token) GoString() string { return "[token]" }

// LogValue hides the token as String does.
func (*Token) LogValue() slog.Value { return slog.StringValue("[token]") }

// MarshalJSON hides the token as String does.
func (*Token) MarshalJSON() ([]byte, error) { return []byte(`"[token]"`), nil }

// answer is what a token or revocation endpoint said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// token reads the answer's token, or gives nil when it holds none. Only the
// access token must be as the standard says: an odd field beside it is left out,
// since a token that was given must not be lost over it.
func (a *answer) token(began time.Time) *Token {
	f := a.fields()
	access := f.text("access_token")
	if access == "" || f.text("error") != "" {
		return nil
	}
	t := &Token{
		AccessToken: access, RefreshToken: f.text("refresh_token"), Type: f.text("token_type"),
		Scopes: f.scopes(),
	}
	if t.Type == "" {
		t.Type = "Bearer"
	}
	if life := f.seconds("expires_in"); life > 0 {
		t.ExpiresAt = began.Add(life)
	}
	return t
}

// fields is an answer by name: a string, json.Number or anything else that JSON
// has.
type fields map[string]any

// fields reads the body by what it looks like: providers name its type wrongly.
// It is empty when it cannot be read.
func (a *answer) fields() fields {
	typ, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	text := strings.TrimSpace(strings.TrimPrefix(string(a.body), "\ufeff"))
	if strings.HasPrefix(text, "{") {
		var f fields
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&f) != nil {
			return nil
		}
		return f
	}
	if typ == "application/json" || strings.HasPrefix(text, "<") {
		return nil
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil
	}
	f := make(fields, len(values))
	for name := range values {
		f[name] = values.Get(name)
	}
	return f
}

// text gives a field of one line, or "".
func (f fields) text(name string) string {
	s, _ := f[name].(string)
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "" // it would break the header that it is sent in
	}
	return s
}

// seconds gives a field that is a number, or a number in a string; 0 when it is
// neither or not positive.
func (f fields) seconds(name string) time.Duration {
	var text string
	switch v := f[name].(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(n, 1) || !(n > 0) {
		return 0
	}
	if n >= maxLife.Seconds() {
		return maxLife
	}
	return time.Duration(n * float64(time.Second)).Truncate(time.Second)
}

// scopes gives the field scope: words with spaces or commas between, or a list.
func (f fields) scopes() []string {
	var out []string
	add := func(s string) {
		cut := strings.Fields(s)
		if len(cut) == 1 {
			cut = strings.Split(s, ",")
		}
		for _, word := range cut {
			if word = strings.TrimSpace(word); word != "" && len(out) < maxScopes {
				out = append(out, word)
			}
		}
	}
	switch v := f["scope"].(type) {
	case string:
		add(v)
	case []any:
		for _, item := range v {
			if s, ok := item.(string); ok {
				add(s)
			}
		}
	}
	return out
}

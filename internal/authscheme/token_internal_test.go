package authscheme

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzAnswer reads any answer: it must not break, give half a token, or repeat
// what was sent.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []struct {
		typ, body string
		status    int
	}{
		{"application/json", `{"access_token":"a","refresh_token":"r","expires_in":"3600","scope":["a","b"]}`, 200},
		{"application/json", `{"access_token":"a","expires_in":1e400,"scope":"a,b"}`, 200},
		{"application/x-www-form-urlencoded", `access_token=a&expires_in=60&scope=a+b`, 200},
		{"application/json", `{"error":"invalid_grant","error_description":"secret-sent is bad"}`, 400},
		{"text/html", `<html>`, 502},
		{"", `%zz=1`, 403},
	} {
		f.Add(seed.typ, []byte(seed.body), seed.status)
	}
	began := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, typ string, body []byte, status int) {
		a := &answer{status: status, header: http.Header{"Content-Type": {typ}}, body: body}
		if tok := a.token(began); tok != nil {
			switch {
			case tok.AccessToken == "" || tok.Type == "":
				t.Errorf("half a token: %+v", *tok)
			case strings.ContainsAny(tok.AccessToken+tok.RefreshToken+tok.Type, "\r\n\x00"):
				t.Errorf("a token that breaks a header: %+v", *tok)
			case !tok.ExpiresAt.IsZero() && (!tok.ExpiresAt.After(began.Add(-time.Nanosecond)) || tok.ExpiresAt.After(began.Add(maxLife))):
				t.Errorf("expires at %s", tok.ExpiresAt)
			case tok.Scopes != nil && len(tok.Scopes) == 0 || len(tok.Scopes) > maxScopes:
				t.Errorf("scopes = %v", tok.Scopes)
			}
			for _, s := range tok.Scopes {
				if s == "" {
					t.Errorf("scopes = %q", tok.Scopes)
				}
			}
		}
		e := a.refusal("refreshing", began, []string{"secret-sent"})
		if strings.Contains(e.Error(), "secret-sent") || len(e.Description) > maxDescription+len("…") || len(e.Code) > 64 || !utf8.ValidString(e.Error()) {
			t.Errorf("error = %q", e.Error())
		}
		if e.Kind == KindGrant && status >= 500 {
			t.Errorf("a server's failure ends the grant: %v", e)
		}
	})
}

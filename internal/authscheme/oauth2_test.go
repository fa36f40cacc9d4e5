package authscheme_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// guarded gives the client that a call would have, with the server's address open.
func guarded(t testing.TB, server string) *http.Client {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	f, err := httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(u.Host)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f.For(httpx.CallOptions{})
}

// provider serves one handler as the token and revocation endpoint.
func provider(t testing.TB, h http.HandlerFunc) *authscheme.OAuth2 {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &authscheme.OAuth2{
		Endpoint: toolkit.Endpoint{AuthorizeURL: srv.URL + "/authorize", TokenURL: srv.URL + "/token", RevokeURL: srv.URL + "/revoke"},
		ClientID: "app one", ClientSecret: "sec/ret+1", RedirectURI: "https://here.example/back?x=1",
		HTTP: guarded(t, srv.URL), Now: func() time.Time { return began },
	}
}

// says is a provider that always gives one answer.
func says(status int, typ, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typ)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestAuthorizeURL(t *testing.T) {
	o := &authscheme.OAuth2{
		Endpoint: toolkit.Endpoint{
			AuthorizeURL: "https://auth.example/authorize", PKCE: true,
			Params: map[string]string{"audience": "api.example", "prompt": "consent", "state": "fixed", "redirect_uri": "https://evil.example"},
		},
		ClientID: "app", RedirectURI: "https://here.example/back?x=1", Scopes: []string{"read:page", "offline_access"},
	}
	// The verifier and challenge of RFC 7636, appendix B.
	got, err := url.Parse(o.AuthorizeURL("st&te", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"audience": {"api.example"}, "prompt": {"consent"}, "state": {"st&te"}, "client_id": {"app"},
		"redirect_uri": {"https://here.example/back?x=1"}, "response_type": {"code"}, "scope": {"read:page offline_access"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	if diff := cmp.Diff(want, got.Query()); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	o.Endpoint.PKCE = false
	if got := o.AuthorizeURL("s", "v"); strings.Contains(got, "challenge") {
		t.Errorf("without PKCE = %s", got)
	}
}

// TestWhatIsSent looks at each request as the provider gets it.
func TestWhatIsSent(t *testing.T) {
	var form url.Values
	var basic [2]string
	handler := func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		form = r.PostForm
		basic[0], basic[1], _ = r.BasicAuth()
		says(200, "application/json", `{"access_token":"a"}`)(w, r)
	}
	o := provider(t, handler)
	o.Scopes = []string{"x", "y"}
	ctx := t.Context()
	ask := map[string]func() error{
		"code":        func() error { _, err := o.Exchange(ctx, "c0de", "verifier"); return err },
		"refresh":     func() error { _, err := o.Refresh(ctx, "r1"); return err },
		"credentials": func() error { _, err := o.ClientCredentials(ctx); return err },
		"revoke":      func() error { return o.Revoke(ctx, "r1", "refresh_token") },
	}
	want := map[string]url.Values{
		"code":        {"grant_type": {"authorization_code"}, "code": {"c0de"}, "redirect_uri": {o.RedirectURI}, "code_verifier": {"verifier"}},
		"refresh":     {"grant_type": {"refresh_token"}, "refresh_token": {"r1"}},
		"credentials": {"grant_type": {"client_credentials"}, "scope": {"x y"}},
		"revoke":      {"token": {"r1"}, "token_type_hint": {"refresh_token"}},
	}
	for _, inHeader := range []bool{false, true} {
		o.Endpoint.BasicAuth, o.Endpoint.PKCE = inHeader, true
		for name, f := range ask {
			if err := f(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			expect, wantBasic := url.Values{}, [2]string{url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret)}
			for k, v := range want[name] {
				expect[k] = v
			}
			if !inHeader {
				expect["client_id"], expect["client_secret"], wantBasic = []string{o.ClientID}, []string{o.ClientSecret}, [2]string{}
			}
			if diff := cmp.Diff(expect, form); diff != "" || basic != wantBasic {
				t.Errorf("%s, in header %v: basic %v, form (-want +got):\n%s", name, inHeader, basic, diff)
			}
		}
	}
	o.Endpoint.PKCE = false
	if _, err := o.Exchange(ctx, "c0de", "verifier"); err != nil || form.Has("code_verifier") {
		t.Errorf("without PKCE = %v, %v", form, err)
	}
}

func TestAnswers(t *testing.T) {
	const js, form = "application/json; charset=utf-8", "application/x-www-form-urlencoded"
	in := func(d time.Duration) time.Time { return began.Add(d) }
	for name, tc := range map[string]struct {
		typ, body string
		want      authscheme.Token
	}{
		"plain":           {js, `{"access_token":"a","refresh_token":"r2","token_type":"bearer","expires_in":3600,"scope":"x y"}`, authscheme.Token{AccessToken: "a", RefreshToken: "r2", Type: "bearer", ExpiresAt: in(time.Hour), Scopes: []string{"x", "y"}}},
		"least":           {js, `{"access_token":"a"}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer"}},
		"life as text":    {js, `{"access_token":"a","expires_in":"60"}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer", ExpiresAt: in(time.Minute)}},
		"half seconds":    {js, `{"access_token":"a","expires_in":59.9}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer", ExpiresAt: in(59 * time.Second)}},
		"life of nothing": {js, `{"access_token":"a","refresh_token":"r2","expires_in":{"n":1}}`, authscheme.Token{AccessToken: "a", RefreshToken: "r2", Type: "Bearer"}},
		"life below zero": {js, `{"access_token":"a","expires_in":-5}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer"}},
		"endless life":    {js, `{"access_token":"a","expires_in":1e300}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer", ExpiresAt: in(10 * 365 * 24 * time.Hour)}},
		"scopes in list":  {js, `{"access_token":"a","scope":["x",1,"y"]}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer", Scopes: []string{"x", "y"}}},
		"commas":          {js, `{"access_token":"a","scope":"repo,gist"}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer", Scopes: []string{"repo", "gist"}}},
		"odd refresh":     {js, `{"access_token":"a","refresh_token":null,"token_type":7}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer"}},
		"form":            {form, `access_token=a&refresh_token=r2&expires_in=60&scope=x+y`, authscheme.Token{AccessToken: "a", RefreshToken: "r2", Type: "Bearer", ExpiresAt: in(time.Minute), Scopes: []string{"x", "y"}}},
		"form as text":    {"text/plain", `access_token=a&expires=9`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer"}},
		"JSON as text":    {"text/html", "\ufeff" + ` {"access_token":"a"}`, authscheme.Token{AccessToken: "a", RefreshToken: "r1", Type: "Bearer"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := provider(t, says(200, tc.typ, tc.body)).Refresh(t.Context(), "r1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const js = "application/json"
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		want authscheme.Error
	}{
		"dead token":              {says(400, js, `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`), authscheme.Error{Kind: authscheme.KindGrant, Code: "invalid_grant", Status: 400, Description: "Unknown or invalid refresh token."}},
		"dead token at Atlassian": {says(403, js, `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`), authscheme.Error{Kind: authscheme.KindGrant, Code: "unauthorized_client", Status: 403, Description: "refresh_token is invalid"}},
		"dead token with 200":     {says(200, js, `{"error":"bad_refresh_token","access_token":""}`), authscheme.Error{Kind: authscheme.KindGrant, Code: "bad_refresh_token", Status: 200}},
		"client":                  {says(401, js, `{"error":"invalid_client"}`), authscheme.Error{Kind: authscheme.KindClient, Code: "invalid_client", Status: 401}},
		"client at Atlassian":     {says(401, js, `{"error":"access_denied","error_description":"Unauthorized"}`), authscheme.Error{Kind: authscheme.KindClient, Code: "access_denied", Status: 401, Description: "Unauthorized"}},
		"grant type of that name": {says(400, js, `{"error":"unauthorized_client","error_description":"The client may not use the grant type refresh_token"}`), authscheme.Error{Kind: authscheme.KindClient, Code: "unauthorized_client", Status: 400, Description: "The client may not use the grant type refresh_token"}},
		"grant type":              {says(403, js, `{"error":"unauthorized_client","error_description":"Grant type not allowed"}`), authscheme.Error{Kind: authscheme.KindClient, Code: "unauthorized_client", Status: 403, Description: "Grant type not allowed"}},
		"scope":                   {says(400, js, `{"error":"invalid_scope"}`), authscheme.Error{Kind: authscheme.KindRequest, Code: "invalid_scope", Status: 400}},
		"failure that lies":       {says(503, js, `{"error":"invalid_grant"}`, "Retry-After", "7"), authscheme.Error{Kind: authscheme.KindTransient, Code: "invalid_grant", Status: 503, RetryAfter: 7 * time.Second}},
		"limit":                   {says(429, "text/plain", `slow down`, "Retry-After", began.Add(time.Minute).Format(http.TimeFormat)), authscheme.Error{Kind: authscheme.KindTransient, Status: 429, RetryAfter: time.Minute}},
		"a proxy's page":          {says(403, "text/html", `<html>Blocked error=invalid_grant</html>`), authscheme.Error{Kind: authscheme.KindTransient, Status: 403}},
		"nothing":                 {says(200, js, ``), authscheme.Error{Kind: authscheme.KindTransient, Status: 200}},
		"cut JSON":                {says(200, js, `{"access_token":"a`), authscheme.Error{Kind: authscheme.KindTransient, Status: 200}},
		"two lines":               {says(200, js, `{"access_token":"a\nb"}`), authscheme.Error{Kind: authscheme.KindTransient, Status: 200}},
		"away":                    {says(307, js, ``, "Location", "https://elsewhere.example/"), authscheme.Error{Kind: authscheme.KindTransient, Status: 307}},
		"too much":                {says(200, js, `{"access_token":"a","x":"`+strings.Repeat("x", 300<<10)+`"}`), authscheme.Error{Kind: authscheme.KindTransient}},
		"cut off":                 {cutOff, authscheme.Error{Kind: authscheme.KindTransient}},
		"an echo": {
			func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				says(400, js, fmt.Sprintf(`{"error":"invalid_grant","error_description":"token %s of %s is bad, use ey0abcdefghijklmnopqrstuvwxyz"}`, r.PostForm.Get("refresh_token"), r.PostForm.Get("client_secret")))(w, r)
			},
			authscheme.Error{Kind: authscheme.KindGrant, Code: "invalid_grant", Status: 400, Description: "token [hidden] of [hidden] is bad, use [hidden]"},
		},
		"a code of lies": {says(400, js, `{"error":"refresh-1 secret"}`), authscheme.Error{Kind: authscheme.KindRequest, Code: "unknown_code", Status: 400}},
	} {
		t.Run(name, func(t *testing.T) {
			tok, err := provider(t, tc.h).Refresh(t.Context(), "refresh-1")
			var got *authscheme.Error
			if !errors.As(err, &got) || tok != nil {
				t.Fatalf("= %v, %v", tok, err)
			}
			tc.want.Doing = "refreshing"
			if diff := cmp.Diff(&tc.want, got, cmpopts.IgnoreUnexported(authscheme.Error{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if text := fmt.Sprintf("%v %+v %q", err, errors.Unwrap(err), got.Description); strings.Contains(text, "refresh-1") || strings.Contains(text, "sec/ret+1") {
				t.Errorf("a secret shows: %s", text)
			}
			if authscheme.KindOf(fmt.Errorf("wrapped: %w", err)) != tc.want.Kind {
				t.Errorf("KindOf = %v", authscheme.KindOf(err))
			}
		})
	}
}

// cutOff ends the connection in the middle of the answer.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"access_token":"a"`))
	panic(http.ErrAbortHandler)
}

func TestNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := provider(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // a server that has not read the body does not see its client leave
		cancel()
		<-r.Context().Done()
	})
	_, err := o.Refresh(ctx, "r1")
	if authscheme.KindOf(err) != authscheme.KindTransient || domain.CodeOf(err) != domain.CodeCanceled {
		t.Errorf("canceled = %v", err)
	}

	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	o.Endpoint.TokenURL, o.HTTP = "http://"+l.Addr().String(), guarded(t, "http://"+l.Addr().String())
	if _, err = o.Refresh(t.Context(), "r1"); authscheme.KindOf(err) != authscheme.KindTransient || domain.CodeOf(err) != domain.CodeUnavailable {
		t.Errorf("nobody there = %v", err)
	}
	o.Endpoint.TokenURL = "http://127.0.0.1:1/token"
	if _, err = o.Refresh(t.Context(), "r1"); authscheme.KindOf(err) != authscheme.KindRequest || domain.CodeOf(err) != domain.CodeForbidden {
		t.Errorf("a private address = %v", err)
	}
}

func TestRevoke(t *testing.T) {
	ctx := t.Context()
	if err := provider(t, says(200, "text/plain", "")).Revoke(ctx, "t", ""); err != nil {
		t.Errorf("= %v", err)
	}
	none := &authscheme.OAuth2{}
	if err := none.Revoke(ctx, "t", ""); authscheme.KindOf(err) != authscheme.KindUnsupported {
		t.Errorf("nowhere = %v", err)
	}
	err := provider(t, says(400, "application/json", `{"error":"unsupported_token_type"}`)).Revoke(ctx, "t", "")
	if authscheme.KindOf(err) != authscheme.KindUnsupported {
		t.Errorf("unsupported = %v", err)
	}
	err = provider(t, says(503, "text/plain", "", "Retry-After", "3")).Revoke(ctx, "t", "")
	var e *authscheme.Error
	if !errors.As(err, &e) || e.Kind != authscheme.KindTransient || e.RetryAfter != 3*time.Second {
		t.Errorf("busy = %v", err)
	}
}

func TestTokenHides(t *testing.T) {
	tok := &authscheme.Token{AccessToken: "secret-a", RefreshToken: "secret-r"}
	raw, err := json.Marshal(map[string]any{"t": tok})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok)
	if text := fmt.Sprintf("%v %+v %#v %s", tok, tok, tok, raw) + log.String(); strings.Contains(text, "secret-") {
		t.Errorf("shows: %s", text)
	}
}

// TestAtTheSandbox does the whole walk at a provider that speaks as Atlassian's.
func TestAtTheSandbox(t *testing.T) {
	box := confluence.New(confluence.Options{Seed: true})
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	const back = "https://here.example/back"
	app := box.AddOAuthApp(confluence.OAuthApp{RedirectURIs: []string{back}})
	me := box.AddUser(confluence.User{Email: "ada@example.com", DisplayName: "Ada"})
	o := &authscheme.OAuth2{
		Endpoint: toolkit.Endpoint{AuthorizeURL: srv.URL + "/authorize", TokenURL: srv.URL + "/oauth/token", PKCE: true, Params: map[string]string{"audience": "api.atlassian.com", "prompt": "consent"}},
		ClientID: app.ClientID, ClientSecret: app.ClientSecret, RedirectURI: back, Scopes: []string{"read:page:confluence", "offline_access"},
		HTTP: guarded(t, srv.URL),
	}
	ctx, verifier := t.Context(), authscheme.Verifier()
	where, err := box.Consent(o.AuthorizeURL("state-1", verifier), confluence.Consent{Account: me.AccountID})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(where)
	if err != nil || u.Query().Get("state") != "state-1" {
		t.Fatalf("back at %s, %v", where, err)
	}
	tok, err := o.Exchange(ctx, u.Query().Get("code"), verifier)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o.Scopes, tok.Scopes); diff != "" || tok.RefreshToken == "" || time.Until(tok.ExpiresAt) < 50*time.Minute {
		t.Errorf("tokens = %+v %s", *tok, diff)
	}
	second, err := o.Refresh(ctx, tok.RefreshToken)
	if err != nil || second.RefreshToken == tok.RefreshToken || second.AccessToken == tok.AccessToken {
		t.Errorf("refreshed = %v", err)
	}
	if _, err = o.Refresh(ctx, "sbxr.unknown"); authscheme.KindOf(err) != authscheme.KindGrant {
		t.Errorf("unknown token = %v", err)
	}
	if _, err = o.Exchange(ctx, u.Query().Get("code"), verifier); authscheme.KindOf(err) != authscheme.KindGrant {
		t.Errorf("replayed code = %v", err)
	}
	o.ClientSecret = "wrong"
	if _, err = o.Refresh(ctx, second.RefreshToken); authscheme.KindOf(err) != authscheme.KindClient {
		t.Errorf("wrong secret = %v", err)
	}
	robot := box.AddServiceAccount(confluence.ServiceAccount{Name: "Robot"})
	o.ClientID, o.ClientSecret, o.Scopes = robot.ClientID, robot.ClientSecret, nil
	if tok, err = o.ClientCredentials(ctx); err != nil || tok.RefreshToken != "" {
		t.Errorf("service account = %v", err)
	}
}

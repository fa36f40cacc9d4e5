package confluence_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// heldToken is a refresh token as a model of the rules knows it.
type heldToken struct {
	*heldGrant
	text     string
	made     time.Time
	replaced time.Time // zero while it is the current one
}

type heldGrant struct {
	began time.Time
	dead  bool
}

// tokenMachine signs in, refreshes and waits at random.
type tokenMachine struct {
	*confluence.Sandbox
	app    confluence.OAuthApp
	ann    confluence.User
	now    time.Time
	tokens []*heldToken
	access map[string]*heldToken // access token → what it came with; its life is checked by replaced
	want   confluence.OAuthCounts
}

func (m *tokenMachine) keep(g *heldGrant, issued confluence.Tokens) {
	m.tokens = append(m.tokens, &heldToken{heldGrant: g, text: issued.RefreshToken, made: m.now})
	m.access[issued.AccessToken] = &heldToken{heldGrant: g, made: m.now}
}

// expect says what a refresh must give by the rules, and carries it out in the model.
func (m *tokenMachine) expect(x *heldToken) bool {
	const day = 24 * time.Hour
	switch fresh := x.replaced.IsZero(); {
	case x.dead:
	case m.now.Sub(x.began) > 365*day, fresh && m.now.Sub(x.made) > 90*day:
		x.dead = true
	case fresh:
		x.replaced = m.now
		m.want.Refreshes++
		return true
	case m.now.Sub(x.replaced) > 10*time.Minute:
		x.dead = true
		m.want.StaleReuses++
	default:
		m.want.Refreshes++
		m.want.GraceReuses++
		return true
	}
	m.want.Refused++
	return false
}

func (m *tokenMachine) refresh(t *rapid.T) {
	if len(m.tokens) == 0 {
		t.Skip("no token yet")
	}
	x := rapid.SampledFrom(m.tokens).Draw(t, "token")
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {m.app.ClientID}, "client_secret": {m.app.ClientSecret}, "refresh_token": {x.text}}
	req := httptest.NewRequest(http.MethodPost, "https://auth.atlassian.com/oauth/token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, req)
	good := m.expect(x)
	if (w.Code == http.StatusOK) != good || w.Code != http.StatusOK && w.Code != http.StatusForbidden {
		t.Fatalf("a refresh is answered %d %s, want success %v", w.Code, w.Body, good)
	}
	if !good {
		return
	}
	var out struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	for _, old := range m.tokens {
		if old.text == out.Refresh {
			t.Fatal("a refresh token is given twice")
		}
	}
	m.keep(x.heldGrant, confluence.Tokens{AccessToken: out.Access, RefreshToken: out.Refresh})
}

func (m *tokenMachine) check(t *rapid.T) {
	if diff := cmp.Diff(m.want, m.OAuthCounts(m.app.ClientID)); diff != "" {
		t.Fatalf("counts (-want +got):\n%s", diff)
	}
	for token, x := range m.access {
		req := httptest.NewRequest(http.MethodGet, "https://api.atlassian.com/oauth/token/accessible-resources", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, req)
		if alive := !x.dead && m.now.Sub(x.made) < time.Hour; (w.Code == http.StatusOK) != alive {
			t.Fatalf("an access token is answered %d, alive: %v", w.Code, alive)
		}
		if x.dead {
			delete(m.access, token)
		}
	}
}

// TestTokensFollowTheRules compares random sign-ins, refreshes, reuses, waits and
// revocations with a model of what the cloud documents.
func TestTokensFollowTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &tokenMachine{now: epoch, access: map[string]*heldToken{}}
		m.Sandbox = confluence.New(confluence.Options{Clock: func() time.Time { return m.now }})
		m.ann = m.AddUser(confluence.User{Email: "ann@example.com"})
		m.app = m.AddOAuthApp(confluence.OAuthApp{})
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"sign in": func(t *rapid.T) {
				issued, err := m.IssueTokens(m.app.ClientID, m.ann.AccountID, "read:page:confluence", "offline_access")
				if err != nil {
					t.Fatal(err)
				}
				m.keep(&heldGrant{began: m.now}, issued)
			},
			"refresh": m.refresh,
			"reuse":   m.refresh, // twice as likely
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 9 * time.Minute, 11 * time.Minute, time.Hour, 60 * 24 * time.Hour, 91 * 24 * time.Hour}).Draw(t, "time"))
			},
			"revoke": func(*rapid.T) {
				m.RevokeGrants(m.ann.AccountID)
				for _, x := range m.tokens {
					x.dead = true
				}
			},
		})
	})
}

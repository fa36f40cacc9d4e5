package confluence

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// How long the credentials of OAuth live. [Options] may shorten the first two.
const (
	accessLife   = time.Hour
	refreshGrace = 10 * time.Minute // a used refresh token works again so long
	codeLife     = 10 * time.Minute
	refreshIdle  = 90 * 24 * time.Hour  // without use
	refreshLife  = 365 * 24 * time.Hour // in all
	// maxSecrets is how many codes and tokens of each kind are kept.
	maxSecrets = 50_000
)

// OAuthApp is an OAuth 2.0 (3LO) app, as one makes it in the developer console.
type OAuthApp struct {
	ClientID     string   // made when empty
	ClientSecret string   // made when empty
	Name         string   // shown on the consent page
	RedirectURIs []string // where the consent page may lead, exactly
	Scopes       []string // what it may ask for; empty = everything
}

// ServiceAccount is an account for programs with an OAuth credential of its own:
// it gets tokens by client credentials, without anybody's consent.
type ServiceAccount struct {
	Name         string   // display name
	Scopes       []string // what its tokens may do; empty = everything
	Admin        bool     // administers the site
	AccountID    string   // made
	Email        string   // made
	ClientID     string   // made when empty
	ClientSecret string   // made when empty
}

// Tokens are an access token and, with offline_access, a refresh token.
type Tokens struct {
	AccessToken, RefreshToken string
}

// oauthClient is a registered app or the credential of a service account.
type oauthClient struct {
	OAuthApp
	service string   // account id of a service account
	sites   []string // cloud ids of the site that the service account is on
}

// grant is what one person let one app do: the family of its tokens.
type grant struct {
	clientID string
	account  string
	scopes   []string
	sites    []string // cloud ids
	began    time.Time
	dead     bool
}

type accessToken struct {
	*grant
	expires time.Time
}

type refreshToken struct {
	*grant
	used time.Time // the last use of the token before this one, or the beginning
	gone time.Time // when it was exchanged; zero while it is the current one
}

type authCode struct {
	*grant
	redirect  string
	challenge string // of PKCE; "" when the app sent none
	expires   time.Time
	used      bool
}

// scopedToken is an API token that reaches the gateway alone.
type scopedToken struct {
	account string
	scopes  []string
}

type digest = [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// authority is the state of the sign-in host. Secrets are kept as digests.
type authority struct {
	mu      sync.Mutex
	sites   []*Sandbox // the first is the one that the others were added to
	counts  map[string]*OAuthCounts
	clients map[string]*oauthClient
	codes   map[digest]*authCode
	access  map[digest]*accessToken
	refresh map[digest]*refreshToken
	scoped  map[digest]*scopedToken
	meters  map[string]*meter // by client or token, see quota.go
}

func newAuthority() *authority {
	return &authority{
		counts: map[string]*OAuthCounts{}, clients: map[string]*oauthClient{}, codes: map[digest]*authCode{}, access: map[digest]*accessToken{},
		refresh: map[digest]*refreshToken{}, scoped: map[digest]*scopedToken{}, meters: map[string]*meter{},
	}
}

// AddOAuthApp registers an app. The result holds its id and secret.
func (s *Sandbox) AddOAuthApp(a OAuthApp) OAuthApp {
	if a.ClientID == "" {
		a.ClientID = rand.Text()
	}
	if a.ClientSecret == "" {
		a.ClientSecret = "ATOA" + rand.Text()
	}
	if a.Name == "" {
		a.Name = a.ClientID
	}
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	s.auth.clients[a.ClientID] = &oauthClient{OAuthApp: a}
	return a
}

// AddServiceAccount makes a service account with an OAuth credential.
func (s *Sandbox) AddServiceAccount(a ServiceAccount) ServiceAccount {
	if a.ClientID == "" {
		a.ClientID = rand.Text()
	}
	if a.ClientSecret == "" {
		a.ClientSecret = "ATOA" + rand.Text()
	}
	s.mu.Lock()
	u := s.st.addUser(User{Email: strings.ToLower(a.ClientID) + "@serviceaccount.atlassian.com", DisplayName: a.Name, Admin: a.Admin})
	s.st.users[u.AccountID].service = true
	s.st.revoke(s.st.users[u.AccountID]) // it has no password of the site
	s.st.users[u.AccountID].Token = ""
	s.unlock()
	a.AccountID, a.Email = u.AccountID, u.Email
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	s.auth.clients[a.ClientID] = &oauthClient{OAuthApp: OAuthApp{ClientID: a.ClientID, ClientSecret: a.ClientSecret, Name: a.Name, Scopes: a.Scopes}, service: a.AccountID, sites: []string{s.cloudID}}
	return a
}

// AddScopedToken gives an account an API token that works at the gateway alone
// and may do what the scopes say. Send it as Basic with the account's e-mail, or
// as Bearer. Empty when there is no such account.
func (s *Sandbox) AddScopedToken(accountID string, scopes ...string) string {
	s.mu.RLock()
	u := s.st.users[accountID]
	s.mu.RUnlock()
	if u == nil {
		return ""
	}
	token := "ATSTT" + rand.Text()
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	s.auth.scoped[digestOf(token)] = &scopedToken{account: accountID, scopes: slices.Clone(scopes)}
	return token
}

// IssueTokens gives the tokens that an app would have after an account's
// consent for every site that the account is on. It fails when the app or the
// account does not exist.
func (s *Sandbox) IssueTokens(clientID, accountID string, scopes ...string) (Tokens, error) {
	sites := s.sitesOf(accountID)
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	if len(sites) == 0 || s.auth.clients[clientID] == nil {
		return Tokens{}, fmt.Errorf("issuing tokens: no app %q or no account %q", clientID, accountID)
	}
	now := s.now()
	return s.issue(&grant{clientID: clientID, account: accountID, scopes: slices.Clone(scopes), sites: cloudIDs(sites), began: now}, now), nil
}

// ExpireTokens makes all access tokens as old as they can get. Refresh tokens stay good.
func (s *Sandbox) ExpireTokens() {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	for _, t := range s.auth.access {
		t.expires = time.Time{}
	}
}

// issue makes the tokens of a grant. The authority's lock is held.
func (s *Sandbox) issue(g *grant, now time.Time) Tokens {
	a := s.auth
	maps.DeleteFunc(a.codes, func(_ digest, c *authCode) bool { return now.After(c.expires) })
	if len(a.access) >= maxSecrets {
		maps.DeleteFunc(a.access, func(_ digest, t *accessToken) bool { return t.dead || !now.Before(t.expires) })
	}
	if len(a.refresh) >= maxSecrets {
		maps.DeleteFunc(a.refresh, func(_ digest, t *refreshToken) bool {
			return t.dead || !t.gone.IsZero() && now.Sub(t.gone) > s.opts.RefreshGrace
		})
	}
	out := Tokens{AccessToken: "sbx." + rand.Text() + rand.Text()}
	a.access[digestOf(out.AccessToken)] = &accessToken{grant: g, expires: now.Add(s.opts.AccessLife)}
	if slices.Contains(g.scopes, "offline_access") {
		out.RefreshToken = "sbxr." + rand.Text() + rand.Text()
		a.refresh[digestOf(out.RefreshToken)] = &refreshToken{grant: g, used: now}
	}
	return out
}

// rotate exchanges a refresh token for new ones. Within the grace a used token
// gives tokens again; after it, its use kills the family: somebody stole it. The
// authority's lock is held.
func (s *Sandbox) rotate(clientID, token string, now time.Time) (Tokens, *grant, bool) {
	t, n := s.auth.refresh[digestOf(token)], s.auth.count(clientID)
	fresh := t != nil && t.gone.IsZero()
	switch {
	case t == nil || t.dead || t.clientID != clientID:
		n.Refused++
		return Tokens{}, nil, false
	case now.Sub(t.began) > refreshLife || fresh && now.Sub(t.used) > refreshIdle:
		t.dead = true
		n.Refused++
		return Tokens{}, nil, false
	case fresh:
		t.gone = now
	case now.Sub(t.gone) > s.opts.RefreshGrace:
		t.dead = true
		n.Refused++
		n.StaleReuses++
		return Tokens{}, nil, false
	default:
		n.GraceReuses++
	}
	n.Refreshes++
	return s.issue(t.grant, now), t.grant, true
}

// allows says whether the app may ask for scopes.
func (c *oauthClient) allows(scopes []string) bool {
	return len(c.Scopes) == 0 || !slices.ContainsFunc(scopes, func(s string) bool { return s != "offline_access" && !slices.Contains(c.Scopes, s) })
}

package confluence

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxForm is the largest body that the sign-in host reads.
const maxForm = 64 << 10

// mountAuth adds what auth.atlassian.com and api.atlassian.com serve beside the gateway.
func (s *Sandbox) mountAuth(mux *http.ServeMux) {
	mux.HandleFunc("GET /authorize", s.consent)
	mux.HandleFunc("POST /authorize", s.consented)
	mux.HandleFunc("POST /oauth/token", s.token)
	mux.HandleFunc("GET /oauth/token/accessible-resources", s.accessible)
	mux.HandleFunc("GET /me", s.whoAmI)
}

type tokenIn struct {
	GrantType    string `json:"grant_type"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Code         string `json:"code"`
	RedirectURI  string `json:"redirect_uri"`
	RefreshToken string `json:"refresh_token"`
	Verifier     string `json:"code_verifier"`
}

type tokenOut struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
}

type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header()["Content-Type"] = jsonType
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

// readToken reads the request for a token, as JSON or as a form.
func readToken(w http.ResponseWriter, r *http.Request) (tokenIn, bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return tokenIn{}, false
	}
	return parseToken(r.Header.Get("Content-Type"), raw)
}

func parseToken(contentType string, raw []byte) (tokenIn, bool) {
	var in tokenIn
	if typ, _, err := mime.ParseMediaType(contentType); err == nil && typ == "application/x-www-form-urlencoded" {
		f, err := url.ParseQuery(string(raw))
		if err != nil {
			return in, false
		}
		in = tokenIn{f.Get("grant_type"), f.Get("client_id"), f.Get("client_secret"), f.Get("code"), f.Get("redirect_uri"), f.Get("refresh_token"), f.Get("code_verifier")}
		return in, true
	}
	return in, json.Unmarshal(raw, &in) == nil
}

func (s *Sandbox) token(w http.ResponseWriter, r *http.Request) {
	in, ok := readToken(w, r)
	if !ok {
		writeJSON(w, http.StatusBadRequest, oauthError{"invalid_request", "The request body must be JSON or a form"})
		return
	}
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	client := s.auth.clients[in.ClientID]
	if client == nil || subtle.ConstantTimeCompare([]byte(client.ClientSecret), []byte(in.ClientSecret)) != 1 {
		writeJSON(w, http.StatusUnauthorized, oauthError{"access_denied", "Unauthorized"})
		return
	}
	tokens, g, refusal := s.grantTokens(client, in)
	if refusal != nil {
		writeJSON(w, http.StatusForbidden, refusal)
		return
	}
	writeJSON(w, http.StatusOK, tokenOut{tokens.AccessToken, int(s.opts.AccessLife / time.Second), tokens.RefreshToken, strings.Join(g.scopes, " "), "Bearer"})
}

// grantTokens answers a client that proved who it is. The authority's lock is held.
func (s *Sandbox) grantTokens(client *oauthClient, in tokenIn) (Tokens, *grant, *oauthError) {
	now, n := s.now(), s.auth.count(client.ClientID)
	switch in.GrantType {
	case "authorization_code":
		g, ok := s.redeem(client.ClientID, in, now)
		if !ok {
			return Tokens{}, nil, &oauthError{"invalid_grant", "Invalid authorization code"}
		}
		n.Codes++
		return s.issue(g, now), g, nil
	case "refresh_token":
		tokens, g, ok := s.rotate(client.ClientID, in.RefreshToken, now)
		if !ok {
			return Tokens{}, nil, &oauthError{"unauthorized_client", "refresh_token is invalid"}
		}
		return tokens, g, nil
	case "client_credentials":
		if client.service == "" {
			return Tokens{}, nil, &oauthError{"unauthorized_client", "Grant type 'client_credentials' not allowed for the client."}
		}
		n.ServiceTokens++
		g := &grant{clientID: client.ClientID, account: client.service, scopes: withoutRefresh(client.Scopes), sites: client.sites, began: now}
		return s.issue(g, now), g, nil
	}
	return Tokens{}, nil, &oauthError{"unsupported_grant_type", "Unsupported grant type: " + in.GrantType}
}

// redeem uses a code up. One that is sent again takes back what it gave: either
// sender may be a thief. The authority's lock is held.
func (s *Sandbox) redeem(clientID string, in tokenIn, now time.Time) (*grant, bool) {
	code := s.auth.codes[digestOf(in.Code)]
	if code == nil || code.clientID != clientID || now.After(code.expires) {
		return nil, false
	}
	if code.used {
		code.dead = true
		s.auth.count(clientID).CodeReplays++
		return nil, false
	}
	code.used = true
	if code.dead || code.redirect != in.RedirectURI || !code.proves(in.Verifier) {
		return nil, false
	}
	return code.grant, true
}

// proves checks the verifier of PKCE. Who sent no challenge has none to send.
func (c *authCode) proves(verifier string) bool {
	if c.challenge == "" || verifier == "" {
		return c.challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.challenge)) == 1
}

func withoutRefresh(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "offline_access" })
}

type resource struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	AvatarURL string   `json:"avatarUrl"`
}

// accessible lists the sites that a token reaches and its account is on.
func (s *Sandbox) accessible(w http.ResponseWriter, r *http.Request) {
	p, refusal := s.principal(r, s.cloud()...)
	if refusal != nil {
		refusal.write(w)
		return
	}
	out := []resource{}
	for _, t := range s.sitesOf(p.account) {
		if !p.reaches(t.cloudID) {
			continue
		}
		base := t.opts.BaseURL
		if base == "" {
			base = requestBase(r)
		}
		scopes := append([]string{}, withoutRefresh(p.scopes)...)
		out = append(out, resource{t.cloudID, base, t.opts.Site, scopes, "https://site-admin-avatars-cdn.prod.public.atl-paas.net/avatars/240/site.png"})
	}
	writeJSON(w, http.StatusOK, out)
}

type profile struct {
	AccountType   string `json:"account_type"`
	AccountID     string `json:"account_id"`
	Email         string `json:"email"`
	Name          string `json:"name"`
	Picture       string `json:"picture"`
	AccountStatus string `json:"account_status"`
	Nickname      string `json:"nickname"`
	ZoneInfo      string `json:"zoneinfo"`
	Locale        string `json:"locale"`
}

// whoAmI is the profile of a token's account, for the scope read:me.
func (s *Sandbox) whoAmI(w http.ResponseWriter, r *http.Request) {
	p, refusal := s.principal(r, s.cloud()...)
	if refusal == nil && !p.has("read:me") {
		refusal = wrongScope()
	}
	if refusal != nil {
		refusal.write(w)
		return
	}
	sites := s.sitesOf(p.account)
	if len(sites) == 0 {
		badToken().write(w)
		return
	}
	u := sites[0].account(p.account)
	writeJSON(w, http.StatusOK, profile{"atlassian", u.AccountID, u.Email, u.DisplayName, "/wiki/aa-avatar/" + u.AccountID, "active", u.DisplayName, u.timeZone, "en-GB"})
}

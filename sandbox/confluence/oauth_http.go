package confluence

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"html/template"
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

var consentTemplate = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Authorize {{.App}} – Confluence sandbox</title>
<style>body{font:16px/1.55 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color:#172b4d}.note{background:#fff7d6;border:1px solid #e2b203;padding:.4rem .8rem;border-radius:4px;font-size:.875rem}
button,select{font:inherit;padding:.4rem 1rem;margin:.2rem .4rem .2rem 0}</style></head><body>
<p class="note" role="note">This is a sandbox: nobody's real account is touched.</p>
<h1>{{.App}} asks for access</h1>
<p>It asks for access to {{.Site}}:</p><ul>{{range .Scopes}}<li>{{.}}</li>{{end}}</ul>
<form method="post" action="/authorize">
{{range $name, $value := .Hidden}}<input type="hidden" name="{{$name}}" value="{{$value}}">
{{end}}<p><label for="account">Account</label> <select id="account" name="account">{{range .Accounts}}<option value="{{.ID}}"{{if .Chosen}} selected{{end}}>{{.Name}}</option>{{end}}</select></p>
<p><button name="decision" value="accept">Accept</button><button name="decision" value="cancel">Cancel</button></p>
</form></body></html>
`))

type consentAccount struct {
	ID, Name string
	Chosen   bool
}

type consentPage struct {
	App, Site string
	Scopes    []string
	Hidden    map[string]string
	Accounts  []consentAccount
}

// asked is a checked request for consent.
type asked struct {
	client   *oauthClient
	redirect *url.URL
	scopes   []string
	state    string
}

// ask checks the parameters of /authorize. What is wrong with them is said in
// words: without a trustworthy redirect_uri there is nowhere else to say it.
func (s *Sandbox) ask(q url.Values) (asked, string) {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	out := asked{client: s.auth.clients[q.Get("client_id")], scopes: strings.Fields(q.Get("scope")), state: q.Get("state")}
	if out.client == nil || out.client.service != "" {
		return out, "client_id names no OAuth 2.0 (3LO) app"
	}
	redirect := q.Get("redirect_uri")
	u, err := url.Parse(redirect)
	switch {
	case err != nil || !slices.Contains(out.client.RedirectURIs, redirect):
		return out, "redirect_uri is not registered for this app"
	case q.Get("response_type") != "code":
		return out, "response_type must be code"
	case q.Get("audience") != "api.atlassian.com":
		return out, "audience must be api.atlassian.com"
	case len(out.scopes) == 0:
		return out, "scope must be specified"
	case !out.client.allows(out.scopes):
		return out, "scope names scopes that the app does not have"
	}
	out.redirect = u
	return out, ""
}

func (s *Sandbox) htmlPage(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(status)
}

func (s *Sandbox) refuseConsent(w http.ResponseWriter, why string) {
	s.htmlPage(w, http.StatusBadRequest)
	_, _ = w.Write([]byte("<!doctype html><html lang=\"en\"><title>Error</title><h1>Something went wrong</h1><p>" + escapeHTML(why) + "</p></html>"))
}

func (s *Sandbox) consent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	req, why := s.ask(q)
	if why != "" {
		s.refuseConsent(w, why)
		return
	}
	p := consentPage{App: req.client.Name, Site: s.opts.Site, Scopes: req.scopes, Hidden: map[string]string{}}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "audience", "scope", "state"} {
		p.Hidden[name] = q.Get(name)
	}
	for _, u := range s.Users() {
		p.Accounts = append(p.Accounts, consentAccount{u.AccountID, u.DisplayName, strings.EqualFold(u.Email, q.Get("login_hint")) && u.Email != ""})
	}
	s.htmlPage(w, http.StatusOK)
	if err := consentTemplate.Execute(w, p); err != nil && s.opts.Logger != nil {
		s.opts.Logger.DebugContext(r.Context(), "consent page not written", "error", err)
	}
}

func (s *Sandbox) consented(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.refuseConsent(w, "the form could not be read")
		return
	}
	req, why := s.ask(r.Form)
	if why != "" {
		s.refuseConsent(w, why)
		return
	}
	back := req.redirect.Query()
	if req.state != "" {
		back.Set("state", req.state)
	}
	account := r.Form.Get("account")
	s.mu.RLock()
	known := s.st.users[account] != nil
	s.mu.RUnlock()
	switch {
	case r.Form.Get("decision") != "accept":
		back.Set("error", "access_denied")
		back.Set("error_description", "User did not authorize the request")
	case !known:
		s.refuseConsent(w, "account is nobody's account id on this site")
		return
	default:
		code := rand.Text() + rand.Text()
		now := s.now()
		s.auth.mu.Lock()
		if len(s.auth.codes) >= maxSecrets {
			clear(s.auth.codes)
		}
		s.auth.codes[digestOf(code)] = &authCode{
			grant:    &grant{clientID: req.client.ClientID, account: account, scopes: req.scopes, began: now},
			redirect: r.Form.Get("redirect_uri"), expires: now.Add(codeLife),
		}
		s.auth.mu.Unlock()
		back.Set("code", code)
	}
	to := *req.redirect
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

type tokenIn struct {
	GrantType    string `json:"grant_type"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Code         string `json:"code"`
	RedirectURI  string `json:"redirect_uri"`
	RefreshToken string `json:"refresh_token"`
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
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	var in tokenIn
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && typ == "application/x-www-form-urlencoded" {
		if r.ParseForm() != nil {
			return in, false
		}
		f := r.PostForm
		in = tokenIn{f.Get("grant_type"), f.Get("client_id"), f.Get("client_secret"), f.Get("code"), f.Get("redirect_uri"), f.Get("refresh_token")}
		return in, true
	}
	return in, json.NewDecoder(r.Body).Decode(&in) == nil
}

func (s *Sandbox) token(w http.ResponseWriter, r *http.Request) {
	in, ok := readToken(w, r)
	if !ok {
		writeJSON(w, http.StatusBadRequest, oauthError{"invalid_request", "The request body must be JSON or a form"})
		return
	}
	now := s.now()
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	client := s.auth.clients[in.ClientID]
	if client == nil || subtle.ConstantTimeCompare([]byte(client.ClientSecret), []byte(in.ClientSecret)) != 1 {
		writeJSON(w, http.StatusUnauthorized, oauthError{"access_denied", "Unauthorized"})
		return
	}
	var tokens Tokens
	var g *grant
	switch in.GrantType {
	case "authorization_code":
		code := s.auth.codes[digestOf(in.Code)]
		delete(s.auth.codes, digestOf(in.Code))
		if code == nil || code.clientID != client.ClientID || code.redirect != in.RedirectURI || now.After(code.expires) {
			writeJSON(w, http.StatusForbidden, oauthError{"invalid_grant", "Invalid authorization code"})
			return
		}
		g = code.grant
		tokens = s.auth.issue(g, now)
	case "refresh_token":
		if tokens, g, ok = s.auth.rotate(client.ClientID, in.RefreshToken, now); !ok {
			writeJSON(w, http.StatusForbidden, oauthError{"unauthorized_client", "refresh_token is invalid"})
			return
		}
	case "client_credentials":
		if client.service == "" {
			writeJSON(w, http.StatusForbidden, oauthError{"unauthorized_client", "Grant type 'client_credentials' not allowed for the client."})
			return
		}
		g = &grant{clientID: client.ClientID, account: client.service, scopes: withoutRefresh(client.Scopes), began: now}
		tokens = s.auth.issue(g, now)
	default:
		writeJSON(w, http.StatusForbidden, oauthError{"unsupported_grant_type", "Unsupported grant type: " + in.GrantType})
		return
	}
	writeJSON(w, http.StatusOK, tokenOut{tokens.AccessToken, int(accessLife / time.Second), tokens.RefreshToken, strings.Join(g.scopes, " "), "Bearer"})
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

// accessible lists the sites that a token reaches: this one.
func (s *Sandbox) accessible(w http.ResponseWriter, r *http.Request) {
	p, refusal := s.principal(r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	base := s.opts.BaseURL
	if base == "" {
		base = requestBase(r)
	}
	scopes := append([]string{}, withoutRefresh(p.scopes)...)
	writeJSON(w, http.StatusOK, []resource{{s.cloudID, base, s.opts.Site, scopes, "https://site-admin-avatars-cdn.prod.public.atl-paas.net/avatars/240/site.png"}})
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
	p, refusal := s.principal(r)
	if refusal == nil && !p.has("read:me") {
		refusal = wrongScope()
	}
	if refusal != nil {
		refusal.write(w)
		return
	}
	s.mu.RLock()
	u := s.st.users[p.account]
	s.mu.RUnlock()
	if u == nil {
		badToken().write(w)
		return
	}
	writeJSON(w, http.StatusOK, profile{"atlassian", u.AccountID, u.Email, u.DisplayName, "/wiki/aa-avatar/" + u.AccountID, "active", u.DisplayName, u.timeZone, "en-GB"})
}

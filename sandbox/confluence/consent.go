package confluence

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var consentTemplate = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Authorize {{.App}} – Confluence sandbox</title>
<style>body{font:16px/1.55 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color:#172b4d}.note{background:#fff7d6;border:1px solid #e2b203;padding:.4rem .8rem;border-radius:4px;font-size:.875rem}
button,select{font:inherit;padding:.4rem 1rem;margin:.2rem .4rem .2rem 0}fieldset{border:0;margin:0;padding:0}</style></head><body>
<p class="note" role="note">This is a sandbox: nobody's real account is touched.</p>
<h1>{{.App}} asks for access</h1>
<form method="post" action="/authorize">
{{range $name, $value := .Hidden}}<input type="hidden" name="{{$name}}" value="{{$value}}">
{{end}}<p><label for="site">Use app on</label> <select id="site" name="site">{{range .Sites}}<option value="{{.ID}}">{{.Name}}</option>{{end}}</select></p>
<p><label for="account">Account</label> <select id="account" name="account">{{range .Accounts}}<option value="{{.ID}}"{{if .Chosen}} selected{{end}}>{{.Name}}</option>{{end}}</select></p>
<fieldset><legend>It may</legend>{{range .Scopes}}<label><input type="checkbox" name="allow" value="{{.}}" checked> {{.}}</label><br>{{end}}</fieldset>
<p><button name="decision" value="accept">Accept</button><button name="decision" value="cancel">Cancel</button></p>
</form></body></html>
`))

type consentChoice struct {
	ID, Name string
	Chosen   bool
}

type consentPage struct {
	App             string
	Scopes          []string
	Hidden          map[string]string
	Sites, Accounts []consentChoice
}

// asked is a checked request for consent.
type asked struct {
	client    *oauthClient
	redirect  *url.URL
	scopes    []string
	state     string
	challenge string
}

// ask checks the parameters of /authorize. What is wrong with them is said in
// words: without a trustworthy redirect_uri there is nowhere else to say it.
func (s *Sandbox) ask(q url.Values) (asked, string) {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	out := asked{client: s.auth.clients[q.Get("client_id")], scopes: strings.Fields(q.Get("scope")), state: q.Get("state"), challenge: q.Get("code_challenge")}
	if out.client == nil || out.client.service != "" {
		return out, "client_id names no OAuth 2.0 (3LO) app"
	}
	redirect, method := q.Get("redirect_uri"), q.Get("code_challenge_method")
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
	case out.challenge != "" && (method != "S256" || len(out.challenge) != 43) || out.challenge == "" && method != "":
		return out, "code_challenge must be the SHA-256 of the verifier in base64url, with code_challenge_method S256"
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
	_, _ = io.WriteString(w, "<!doctype html><html lang=\"en\"><title>Error</title><h1>Something went wrong</h1><p>"+escapeHTML(why)+"</p></html>")
}

func (s *Sandbox) consent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	req, why := s.ask(q)
	if why != "" {
		s.refuseConsent(w, why)
		return
	}
	p := consentPage{App: req.client.Name, Scopes: req.scopes, Hidden: map[string]string{"choose": "scopes"}}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "audience", "scope", "state", "code_challenge", "code_challenge_method"} {
		if v := q.Get(name); v != "" {
			p.Hidden[name] = v
		}
	}
	seen := map[string]bool{}
	for _, t := range s.cloud() {
		p.Sites = append(p.Sites, consentChoice{ID: t.cloudID, Name: t.opts.Site})
		for _, u := range t.Users() {
			if !seen[u.AccountID] {
				seen[u.AccountID] = true
				p.Accounts = append(p.Accounts, consentChoice{u.AccountID, u.DisplayName, strings.EqualFold(u.Email, q.Get("login_hint")) && u.Email != ""})
			}
		}
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
	if r.Form.Get("decision") == "accept" {
		code, why := s.accept(req, r.Form)
		if why != "" {
			s.refuseConsent(w, why)
			return
		}
		back.Set("code", code)
	} else {
		s.auth.mu.Lock()
		s.auth.count(req.client.ClientID).Denials++
		s.auth.mu.Unlock()
		back.Set("error", "access_denied")
		back.Set("error_description", "User did not authorize the request")
	}
	to := *req.redirect
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// accept makes the code of an accepted request, or says what is wrong with the form.
func (s *Sandbox) accept(req asked, form url.Values) (code, why string) {
	account := form.Get("account")
	on := cloudIDs(s.sitesOf(account))
	if len(on) == 0 {
		return "", "account is nobody's account id on this site"
	}
	chosen := form["site"]
	if len(chosen) == 0 {
		chosen = on[:1]
	}
	for _, id := range chosen {
		if !slices.Contains(on, id) {
			return "", "site is no site that the account is on"
		}
	}
	scopes := req.scopes
	if allowed := form["allow"]; len(allowed) > 0 || form.Get("choose") != "" {
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !slices.Contains(allowed, scope) })
		if len(withoutRefresh(scopes)) == 0 {
			return "", "allow no scope at all and there is nothing to accept: cancel instead"
		}
	}
	now := s.now()
	code = rand.Text() + rand.Text()
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	if len(s.auth.codes) >= maxSecrets {
		clear(s.auth.codes)
	}
	s.auth.count(req.client.ClientID).Consents++
	s.auth.codes[digestOf(code)] = &authCode{
		grant:    &grant{clientID: req.client.ClientID, account: account, scopes: scopes, sites: s.auth.withEarlier(req.client.ClientID, account, chosen), began: now},
		redirect: form.Get("redirect_uri"), challenge: req.challenge, expires: now.Add(codeLife),
	}
	return code, ""
}

// withEarlier adds the sites that an account let an app use before: a new token
// reaches them all. The lock is held.
func (a *authority) withEarlier(clientID, account string, sites []string) []string {
	out := slices.Clone(sites)
	for _, t := range a.refresh {
		if !t.dead && t.clientID == clientID && t.account == account {
			out = append(out, t.sites...)
		}
	}
	for _, t := range a.access {
		if !t.dead && t.clientID == clientID && t.account == account {
			out = append(out, t.sites...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Consent is what a person does on the consent page.
type Consent struct {
	Account string   // account id of who is signed in
	Deny    bool     // Cancel instead of Accept
	Sites   []string // cloud ids to use the app on; empty = the first that the account is on
	Scopes  []string // the scopes left ticked; empty = all that the app asks for
}

// Consent opens the address of the consent page, to which an app sends people, and
// answers it. The result is the address that the browser is sent back to: the app's
// redirect URI with code and state, or with error=access_denied. It fails with the
// page's words when the app asked wrongly or the account or a site is unknown.
func (s *Sandbox) Consent(authorizeURL string, c Consent) (string, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return "", fmt.Errorf("reading the address of the consent page: %w", err)
	}
	page := s.browse(http.MethodGet, "/authorize?"+u.RawQuery, nil)
	if page.status != http.StatusOK {
		return "", fmt.Errorf("the consent page answers %d: %s", page.status, page.String())
	}
	form := u.Query()
	form.Set("account", c.Account)
	form.Set("decision", map[bool]string{true: "cancel", false: "accept"}[c.Deny])
	form["site"], form["allow"] = c.Sites, c.Scopes
	done := s.browse(http.MethodPost, "/authorize", form)
	if done.status != http.StatusFound {
		return "", fmt.Errorf("consenting is answered %d: %s", done.status, done.String())
	}
	return done.header.Get("Location"), nil
}

// browse sends a request through the sandbox's own handler.
func (s *Sandbox) browse(method, path string, form url.Values) *recorder {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	r, err := http.NewRequestWithContext(context.Background(), method, cmp.Or(s.opts.BaseURL, "http://sandbox")+path, strings.NewReader(form.Encode()))
	if err != nil {
		rec.status = http.StatusBadRequest
		_, _ = io.WriteString(rec, err.Error())
		return rec
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.handler.ServeHTTP(rec, r)
	return rec
}

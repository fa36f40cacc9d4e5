package confluence

import (
	"context"
	_ "embed"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// gatewayPath is where the OAuth gateway serves the site, followed by its cloud id.
const gatewayPath = "/ex/confluence/"

//go:embed scopes.txt
var scopesFile string

// scopeTable gives for each operation the sets of scopes of which one is
// enough. It is written from Atlassian's documents; see TestScopeTable.
var scopeTable = sync.OnceValue(func() map[string][][]string {
	out := map[string][][]string{}
	for line := range strings.Lines(scopesFile) {
		op, sets, _ := strings.Cut(strings.TrimSpace(line), "\t")
		for set := range strings.SplitSeq(sets, "|") {
			out[op] = append(out[op], strings.Fields(set))
		}
	}
	return out
})

var pathParam = regexp.MustCompile(`\{[^}]*\}`)

// principal is who calls the gateway, and what the token lets them do.
type principal struct {
	account string
	scopes  []string
	sites   []string // cloud ids; all sites of the account when an API token
	all     bool     // an API token without scopes
	app     string   // client id; "" for API tokens, which have no quota
	meter   string   // what the limits count by
}

func (p *principal) has(scope string) bool { return p.all || slices.Contains(p.scopes, scope) }

// satisfies says whether the token has all scopes of one of the sets.
func (p *principal) satisfies(sets [][]string) bool {
	return p.all || slices.ContainsFunc(sets, func(set []string) bool {
		return !slices.ContainsFunc(set, func(s string) bool { return !p.has(s) })
	})
}

type principalKey struct{}

func principalOf(r *http.Request) *principal {
	p, _ := r.Context().Value(principalKey{}).(*principal)
	return p
}

// gatewayError is a refusal of the gateway itself.
type gatewayError struct {
	status int
	body   any
}

type gatewayBody struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *gatewayError) write(w http.ResponseWriter) { writeJSON(w, e.status, e.body) }

func gatewayRefusal(status int, message string) *gatewayError {
	return &gatewayError{status, gatewayBody{status, message}}
}

func badToken() *gatewayError { return gatewayRefusal(http.StatusUnauthorized, "Unauthorized") }

func wrongScope() *gatewayError {
	return gatewayRefusal(http.StatusUnauthorized, "Unauthorized; scope does not match")
}

type gatewayNotFound struct {
	Timestamp string `json:"timestamp"`
	Status    int    `json:"status"`
	Error     string `json:"error"`
	Message   string `json:"message"`
	Path      string `json:"path"`
}

func (s *Sandbox) noPath(path string) *gatewayError {
	return &gatewayError{http.StatusNotFound, gatewayNotFound{s.now().Format(time.RFC3339), http.StatusNotFound, "Not Found", "No message available", path}}
}

// principal finds out who sent a request to the gateway: a Bearer token of OAuth,
// or an API token with the account's e-mail or as Bearer. The account must be on
// one of the sites.
func (s *Sandbox) principal(r *http.Request, sites ...*Sandbox) (*principal, *gatewayError) {
	email, secret, basic := r.BasicAuth()
	if !basic {
		secret, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	p := s.principalOfToken(secret, basic)
	for _, t := range sites {
		if p != nil {
			if u := t.account(p.account); u != nil && (!basic || strings.EqualFold(u.Email, email)) {
				return p, nil
			}
		} else if basic {
			t.mu.RLock()
			u := t.st.users[t.st.tokens[credential(email, secret)]]
			t.mu.RUnlock()
			if u != nil {
				return &principal{account: u.AccountID, all: true, meter: "token/" + u.AccountID}, nil
			}
		}
	}
	return nil, badToken()
}

func (s *Sandbox) principalOfToken(secret string, basic bool) *principal {
	now := s.now()
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	if t := s.auth.scoped[digestOf(secret)]; t != nil {
		return &principal{account: t.account, scopes: t.scopes, meter: "token/" + t.account}
	}
	t := s.auth.access[digestOf(secret)]
	if basic || t == nil || t.dead || !now.Before(t.expires) {
		return nil
	}
	p := &principal{account: t.account, scopes: t.scopes, sites: t.sites, app: t.clientID, meter: "app/" + t.clientID}
	if c := s.auth.clients[t.clientID]; c != nil && c.service != "" && len(c.Scopes) == 0 {
		p.all = true
	}
	return p
}

// reaches says whether a token is good for a site.
func (p *principal) reaches(cloudID string) bool {
	return p.app == "" || slices.Contains(p.sites, cloudID)
}

// scopedTokenUsed says whether Basic credentials are a scoped API token, which
// the site host refuses.
func (s *Sandbox) scopedTokenUsed(secret string) bool {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	return s.auth.scoped[digestOf(secret)] != nil
}

// gateway serves the sites of the cloud below /ex/confluence/{cloudId} to OAuth
// apps and API tokens. It is tried before the mux, which would redirect paths with
// a double slash.
func (s *Sandbox) gateway() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, gatewayPath)
		if !ok {
			s.mux.ServeHTTP(w, r)
			return
		}
		cloud, path, _ := strings.Cut(rest, "/")
		site, where := s.siteOf(cloud), s.cloud()
		if site != nil {
			where = []*Sandbox{site}
		}
		p, refusal := s.principal(r, where...)
		if refusal == nil && (site == nil || !p.reaches(cloud)) {
			refusal = gatewayRefusal(http.StatusForbidden, "The app is not installed on this instance")
		}
		if refusal != nil {
			refusal.write(w)
			return
		}
		inner := r.Clone(context.WithValue(r.Context(), principalKey{}, p))
		product := ""
		if strings.HasPrefix(path, "api/v2/") || strings.HasPrefix(path, "rest/api/") {
			product = "/wiki" // the gateway knows the product: clients may leave it out
		}
		inner.URL.Path = product + "/" + path
		if raw, ok := strings.CutPrefix(r.URL.RawPath, gatewayPath+cloud); ok {
			inner.URL.RawPath = product + raw
		}
		if refusal := site.passes(inner, p); refusal != nil {
			refusal.write(w)
			return
		}
		site.mux.ServeHTTP(w, inner)
	})
}

// passes checks what the gateway checks before it hands a request on.
func (s *Sandbox) passes(r *http.Request, p *principal) *gatewayError {
	switch path := r.URL.Path; {
	case strings.Contains(path, "//"):
		return wrongScope()
	case !strings.HasPrefix(path, "/wiki/api/v2/") && !strings.HasPrefix(path, "/wiki/rest/api/"):
		return s.noPath(path)
	}
	_, pattern := s.mux.Handler(r)
	if !strings.Contains(pattern, " ") {
		if servesOther(s.mux, r) {
			return nil // a method that the path does not have
		}
		return s.noPath(r.URL.Path)
	}
	sets, listed := scopeTable()[pathParam.ReplaceAllString(pattern, "{}")]
	if listed && !p.satisfies(sets) {
		return wrongScope()
	}
	return nil
}

// removed is a call that left the v1 document: it is gone for OAuth apps, and
// for everybody where the site says so.
func (s *Sandbox) removed(e endpoint) endpoint {
	return func(c *call) (any, *apiError) {
		if s.opts.V1Removed || c.from != nil {
			return gone(c)
		}
		return e(c)
	}
}

package connecttest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Provider is an identity provider that rotates refresh tokens, and the
// application behind its tokens. A used refresh token works again within the
// grace; after that its use kills the grant: somebody stole it. It serves POST
// /token and GET /whoami.
type Provider struct {
	ClientID, ClientSecret string
	Life                   time.Duration // of access tokens
	Grace                  time.Duration
	Now                    func() time.Time
	// Fault says how the n-th request for a token fails; nil: none does. Set it
	// before the first request, or with SetFault.
	Fault func(n int) Fault

	mu      sync.Mutex
	asked   int
	refresh map[string]*refreshToken
	access  map[string]*accessToken
	counts  ProviderCounts
}

// Fault is a failure of one request for a token. The zero value is none.
type Fault struct {
	Status int // answer so, and do nothing
	Body   string
	// RetryAfter goes with Status, in seconds.
	RetryAfter int
	Late       time.Duration // before the answer, after the work
	Cut        bool          // do the work, and end the connection instead of answering
	// Then is called after the work and before the answer, with what was asked.
	Then func(r *http.Request)
}

// ProviderCounts is what a Provider did.
type ProviderCounts struct {
	Requests    int // for tokens
	Refreshes   int // refresh tokens exchanged, those in GraceReuses included
	GraceReuses int // used ones within the grace
	StaleReuses int // used ones after it, which killed their grant
	Refused     int // refresh tokens refused, those in StaleReuses included
	Service     int // tokens for the application itself
	Faults      int // requests that failed otherwise
}

type family struct {
	email string
	dead  bool
}

type refreshToken struct {
	*family
	gone time.Time // when it was exchanged; zero while it is the present one
}

type accessToken struct {
	*family
	expires time.Time
}

// NewProvider makes a provider with one application.
func NewProvider(life, grace time.Duration, now func() time.Time) *Provider {
	return &Provider{
		ClientID: "app", ClientSecret: "app-secret-" + rand.Text(), Life: life, Grace: grace, Now: now,
		refresh: map[string]*refreshToken{}, access: map[string]*accessToken{},
	}
}

// Grant begins a grant of a person and gives its first tokens.
func (p *Provider) Grant(email string) (access, refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issue(&family{email: email})
}

// Revoke ends the person's grants.
func (p *Provider) Revoke(email string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.refresh {
		t.dead = t.dead || t.email == email
	}
	for _, t := range p.access {
		t.dead = t.dead || t.email == email
	}
}

// EndAccess makes all access tokens worthless before their time.
func (p *Provider) EndAccess() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.access)
}

// Live says how many grants are not dead.
func (p *Provider) Live() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := map[*family]bool{}
	for _, t := range p.refresh {
		if !t.dead {
			live[t.family] = true
		}
	}
	return len(live)
}

// SetFault changes Fault.
func (p *Provider) SetFault(f func(n int) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Fault, p.asked = f, 0
}

// Counts gives what was done so far.
func (p *Provider) Counts() ProviderCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

func (p *Provider) issue(f *family) (access, refresh string) {
	access, refresh = "acc-"+rand.Text(), "ref-"+rand.Text()
	p.access[access] = &accessToken{family: f, expires: p.Now().Add(p.Life)}
	p.refresh[refresh] = &refreshToken{family: f}
	return access, refresh
}

// ServeHTTP serves the sign-in host and the application.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /token":
		p.token(w, r)
	case "GET /whoami", "POST /whoami":
		p.whoami(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) whoami(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	t := p.access[token]
	good := t != nil && !t.dead && p.Now().Before(t.expires)
	p.mu.Unlock()
	switch {
	case !good:
		http.Error(w, "the token is not good", http.StatusUnauthorized)
	case r.URL.Query().Has("scope"):
		http.Error(w, "Unauthorized; scope does not match", http.StatusUnauthorized)
	default:
		said(w, http.StatusOK, person{Email: t.email})
	}
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		said(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	p.mu.Lock()
	p.asked++
	p.counts.Requests++
	var fault Fault
	if p.Fault != nil {
		fault = p.Fault(p.asked)
	}
	if fault.Status != 0 || fault.Cut || fault.Late > 0 {
		p.counts.Faults++
	}
	var status int
	var answer map[string]any
	if fault.Status == 0 {
		status, answer = p.exchange(r)
	}
	p.mu.Unlock()
	if fault.Then != nil {
		fault.Then(r)
	}
	if fault.Late > 0 {
		late := time.NewTimer(fault.Late)
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
	}
	switch {
	case fault.Cut:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		if fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(fault.RetryAfter))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(fault.Status)
		_, _ = w.Write([]byte(fault.Body))
	default:
		said(w, status, answer)
	}
}

// exchange does what the request asks for. The lock is held.
func (p *Provider) exchange(r *http.Request) (int, map[string]any) {
	refuse := func(status int, code string) (int, map[string]any) {
		return status, map[string]any{"error": code}
	}
	if r.PostForm.Get("client_id") != p.ClientID || r.PostForm.Get("client_secret") != p.ClientSecret {
		return refuse(http.StatusUnauthorized, "invalid_client")
	}
	answer := func(f *family, withRefresh bool) (int, map[string]any) {
		access, refresh := p.issue(f)
		out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": p.Life.Seconds()}
		if withRefresh {
			out["refresh_token"] = refresh
		} else {
			delete(p.refresh, refresh)
		}
		return http.StatusOK, out
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		p.counts.Service++
		return answer(&family{email: "robot@example.com"}, false)
	case "refresh_token":
	default:
		return refuse(http.StatusBadRequest, "unsupported_grant_type")
	}
	t, now := p.refresh[r.PostForm.Get("refresh_token")], p.Now()
	switch {
	case t == nil || t.dead:
		p.counts.Refused++
		return refuse(http.StatusBadRequest, "invalid_grant")
	case t.gone.IsZero():
		t.gone = now
	case now.Sub(t.gone) > p.Grace:
		t.dead = true
		p.counts.Refused++
		p.counts.StaleReuses++
		return refuse(http.StatusBadRequest, "invalid_grant")
	default:
		p.counts.GraceReuses++
	}
	p.counts.Refreshes++
	return answer(t.family, true)
}

func said(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

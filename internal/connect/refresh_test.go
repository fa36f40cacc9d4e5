package connect_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// diary is a World with a provider, its toolkit and one account.
type diary struct {
	*connecttest.World
	t        testing.TB
	p        *connecttest.Provider
	url      string
	config   domain.AuthConfig
	account  domain.ConnectedAccount
	options  connect.Options
	services []*connect.Service // processes on one database

	mu   sync.Mutex
	told []domain.AccountEvent // by the hook
}

const hour = time.Hour

func newDiary(t testing.TB, scheme domain.AuthScheme, processes int) *diary {
	t.Helper()
	d := &diary{World: connecttest.New(t), t: t}
	d.p = connecttest.NewProvider(hour, 10*time.Minute, d.Clock.Now)
	srv := httptest.NewServer(d.p)
	t.Cleanup(srv.Close)
	d.url = srv.URL
	factory, err := httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(srv.URL, "http://"))}, MaxTries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(factory.Close)
	cat, err := catalog.New(connecttest.Diary(), connecttest.Notes())
	if err != nil {
		t.Fatal(err)
	}
	d.options = connect.Options{
		Store: d.DB, Vault: d.Vault, Catalog: cat, HTTP: factory, Now: d.Clock.Now,
		OnEvent: func(_ context.Context, tx store.Tx, e domain.AccountEvent) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.told = append(d.told, e)
			_, err := tx.Account(t.Context(), e.ProjectID, e.AccountID)
			return err
		},
	}
	for range processes {
		d.services = append(d.services, connect.New(d.options))
	}
	d.config = connecttest.DiaryConfig(t, d.DB, d.Vault, d.p, d.url, scheme, d.Clock.Now())
	d.account = connecttest.DiaryAccount(t, d.DB, d.Vault, d.p, d.url, d.config, "ada", d.Clock.Now())
	return d
}

// now gives the account as the store has it.
func (d *diary) now() *domain.ConnectedAccount {
	d.t.Helper()
	a, err := d.DB.Account(context.WithoutCancel(d.t.Context()), connecttest.Project, d.account.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return &a
}

// prepare gives the Call of one call by a process, as the pipeline does it.
func (d *diary) prepare(process int) (*toolkit.Call, error) {
	tk := connecttest.Diary()
	a, err := d.services[process].Choose(d.t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: "ada", Toolkit: "diary"})
	if err != nil {
		return nil, err
	}
	return d.services[process].Prepare(d.t.Context(), tk, a, nil)
}

// call asks the application who the account is.
func (d *diary) call(process int) error {
	c, err := d.prepare(process)
	if err != nil {
		return err
	}
	return d.whoami(c, http.MethodGet, "", nil)
}

type refusedError struct{ text string }

func (r *refusedError) Error() string { return r.text }

func (d *diary) whoami(c *toolkit.Call, method, query string, body io.Reader) error {
	req, err := http.NewRequestWithContext(d.t.Context(), method, c.BaseURL+"/whoami"+query, body)
	if err != nil {
		return err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return &refusedError{strings.TrimSpace(string(text))}
	}
	var who struct{ Email string }
	if err := json.NewDecoder(res.Body).Decode(&who); err != nil {
		return err
	}
	if who.Email != "ada@example.com" && who.Email != "robot@example.com" {
		return errors.New("it ran as " + who.Email)
	}
	return nil
}

// events gives the account's events, the oldest first, and checks that the hook
// heard of the same.
func (d *diary) events() string {
	d.t.Helper()
	list, _, err := d.services[0].Events(d.t.Context(), connecttest.Project, store.AccountEventFilter{AccountID: d.account.ID}, store.Page{})
	if err != nil {
		d.t.Fatal(err)
	}
	var words []string
	for i := len(list) - 1; i >= 0; i-- {
		words = append(words, string(list[i].Type))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, e := range d.told {
		if e.ID != list[len(list)-1-i].ID {
			d.t.Errorf("the hook heard of %s %s", e.ID, e.Type)
		}
	}
	return strings.Join(words, " ")
}

// always is a provider's fault at every request, nthOnly at one.
func always(f connecttest.Fault) func(int) connecttest.Fault {
	return func(int) connecttest.Fault { return f }
}

func nthOnly(n int, f connecttest.Fault) func(int) connecttest.Fault {
	return func(i int) connecttest.Fault {
		if i == n {
			return f
		}
		return connecttest.Fault{}
	}
}

// held holds the answer back, after the work.
func held(begun chan<- struct{}, let <-chan struct{}) connecttest.Fault {
	return connecttest.Fault{Then: func(*http.Request) {
		begun <- struct{}{}
		<-let
	}}
}

func (d *diary) counts(want connecttest.ProviderCounts) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.p.Counts()); diff != "" {
		d.t.Errorf("the provider (-want +got):\n%s", diff)
	}
}

func TestTokensAreRenewedInTime(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	s := d.services[0]
	if err := d.call(0); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("a fresh token was renewed: %d, %v", n, err)
	}
	d.counts(connecttest.ProviderCounts{})

	d.Clock.Advance(48 * time.Minute)
	if n, err := s.Sweep(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("the sweep renewed %d, %v", n, err)
	}
	a := d.now()
	if at := a.RefreshAt.Sub(d.Clock.Now()); at < 44*time.Minute || at > 52*time.Minute {
		t.Errorf("it is due again in %s", at)
	}
	want := domain.Grant{Scopes: []string{"diary"}, ExpiresAt: d.Clock.Now().Add(hour), RefreshAt: a.RefreshAt, RefreshedAt: d.Clock.Now(), Generation: 2}
	if diff := cmp.Diff(want, a.Grant); diff != "" || a.Status != domain.AccountActive {
		t.Errorf("%s grant (-want +got):\n%s", a.Status, diff)
	}
	// Nobody swept: a call finds the token at its end.
	d.Clock.Advance(hour - 30*time.Second)
	if err := d.call(0); err != nil {
		t.Errorf("a call at the end of the token: %v", err)
	}
	d.Clock.Advance(100 * hour)
	if err := d.call(0); err != nil {
		t.Errorf("a call long after the end of the token: %v", err)
	}
	d.counts(connecttest.ProviderCounts{Requests: 3, Refreshes: 3})
	if got := d.events(); got != "" {
		t.Errorf("events = %q", got)
	}
}

// TestOneRenewalForAll has many calls at once find a dead token, in three
// processes: one of them renews it, the others use what it got.
func TestOneRenewalForAll(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 3)
	d.Clock.Advance(2 * hour)
	var all sync.WaitGroup
	failed := make(chan error, 60)
	for i := range 60 {
		all.Go(func() {
			if err := d.call(i % 3); err != nil {
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	d.counts(connecttest.ProviderCounts{Requests: 1, Refreshes: 1})
}

// TestTheOldTokenWillDo holds a renewal back: calls go on with the old token
// while it lives, and a sweep of another process leaves the account alone.
func TestTheOldTokenWillDo(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 2)
	begun, let := make(chan struct{}), make(chan struct{})
	d.p.SetFault(always(held(begun, let)))
	d.Clock.Advance(hour - 30*time.Second)
	var done sync.WaitGroup
	done.Go(func() {
		if _, err := d.services[0].Sweep(t.Context(), 10); err != nil {
			t.Error(err)
		}
	})
	<-begun
	if err := d.call(1); err != nil {
		t.Errorf("a call during the renewal: %v", err)
	}
	if n, err := d.services[1].Sweep(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("two sweeps renewed one account: %d, %v", n, err)
	}
	close(let)
	done.Wait()
	d.counts(connecttest.ProviderCounts{Requests: 1, Refreshes: 1})
}

// TestTheCallerLeaves cancels a call whose renewal is under way: what the
// provider rotated is kept all the same.
func TestTheCallerLeaves(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	begun, let := make(chan struct{}), make(chan struct{})
	d.p.SetFault(always(held(begun, let)))
	d.Clock.Advance(2 * hour)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _, _ = d.services[0].Prepare(ctx, connecttest.Diary(), &d.account, nil) })
	<-begun
	cancel()
	close(let)
	done.Wait()
	if a := d.now(); a.Generation != 2 || !a.RefreshedAt.Equal(d.Clock.Now()) {
		t.Errorf("the tokens were not kept: %+v", a.Grant)
	}
	d.p.SetFault(nil)
	if err := d.call(0); err != nil {
		t.Error(err)
	}
}

func TestAFailureIsNoRevocation(t *testing.T) {
	for name, fault := range map[string]connecttest.Fault{
		"500":              {Status: 500},
		"a lying 502":      {Status: 502, Body: `{"error":"invalid_grant"}`},
		"429":              {Status: 429, RetryAfter: 90},
		"a page":           {Status: 403, Body: `<html>`},
		"wrong client":     {Status: 401, Body: `{"error":"invalid_client"}`},
		"unknown scope":    {Status: 400, Body: `{"error":"invalid_scope"}`},
		"code of no grant": {Status: 400, Body: `{"error":"odd"}`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDiary(t, domain.SchemeOAuth2, 1)
			d.p.SetFault(always(fault))
			d.Clock.Advance(50 * time.Minute)
			if _, err := d.services[0].Sweep(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			a := d.now()
			if a.Status != domain.AccountActive || a.Failures != 1 || a.StatusReason == "" {
				t.Errorf("after a failure: %s %d %q", a.Status, a.Failures, a.StatusReason)
			}
			wait := a.RefreshAt.Sub(d.Clock.Now())
			if wait < 5*time.Second || wait > 90*time.Second || fault.RetryAfter > 0 && wait < time.Duration(fault.RetryAfter)*time.Second {
				t.Errorf("tried again in %s", wait)
			}
			if err := d.call(0); err != nil {
				t.Errorf("the old token lives, but: %v", err)
			}
			if n, err := d.services[0].Sweep(t.Context(), 10); n != 0 || err != nil || d.p.Counts().Requests != 1 {
				t.Errorf("tried again too soon: %d, %v", n, err)
			}
			// The token ends while the provider is away: one clear answer, and no storm.
			d.Clock.Advance(10 * time.Minute)
			for range 3 {
				err := d.call(0)
				var e *domain.Error
				if !errors.As(err, &e) || e.Code != domain.CodeUnavailable || e.RetryAfter <= 0 || !strings.Contains(e.Message, a.ID) {
					t.Fatalf("while the provider fails = %v", err)
				}
			}
			if n := d.p.Counts().Requests; n != 2 {
				t.Errorf("%d requests", n)
			}
			d.p.SetFault(nil)
			d.Clock.Advance(hour)
			if err := d.call(0); err != nil {
				t.Errorf("when the provider is back: %v", err)
			}
		})
	}
}

// TestCutAfterRotating loses the answer that held the new tokens: the used one
// works again within the provider's grace, since it is tried again in time.
func TestCutAfterRotating(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	d.p.SetFault(nthOnly(1, connecttest.Fault{Cut: true}))
	d.Clock.Advance(50 * time.Minute)
	for range 2 {
		if _, err := d.services[0].Sweep(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		d.Clock.Advance(15 * time.Second)
	}
	if a := d.now(); a.Status != domain.AccountActive || a.Failures != 0 || a.StatusReason != "" || d.p.Live() != 1 {
		t.Errorf("%s, %d failures, %q", a.Status, a.Failures, a.StatusReason)
	}
	d.counts(connecttest.ProviderCounts{Requests: 2, Refreshes: 2, GraceReuses: 1, Faults: 1})
	if got := d.events(); got != "" {
		t.Errorf("events = %q", got)
	}
}

func TestDeadGrant(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 2)
	d.p.Revoke("ada@example.com")
	d.Clock.Advance(2 * hour)
	err := d.call(0)
	if domain.CodeOf(err) != domain.CodeNoConnection || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("the call that found out = %v", err)
	}
	a := d.now()
	if a.Status != domain.AccountExpired || !strings.Contains(a.StatusReason, "invalid_grant") || !a.RefreshAt.IsZero() {
		t.Errorf("%s %q %s", a.Status, a.StatusReason, a.RefreshAt)
	}
	if err := d.call(1); domain.CodeOf(err) != domain.CodeNoConnection || domain.AsError(err).Fix == "" {
		t.Errorf("the next call = %v", err)
	}
	if n := d.p.Counts().Refused; n != 2 {
		t.Errorf("believed after %d refusals", n)
	}
	if got := d.events(); got != "expired" {
		t.Errorf("events = %q", got)
	}
	// The provider was wrong, as it turns out; somebody asks again.
	_, refresh := d.p.Grant("ada@example.com")
	d.put("refresh_token", refresh)
	d.Clock.Advance(time.Second)
	got, err := d.services[1].Refresh(t.Context(), connecttest.Project, d.account.ID)
	if err != nil || got.Status != domain.AccountActive {
		t.Fatalf("refreshed = %v, %v", got, err)
	}
	if err := d.call(0); err != nil {
		t.Error(err)
	}
	if got := d.events(); got != "expired recovered" {
		t.Errorf("events = %q", got)
	}
}

// put seals a secret of the account, as a connection does.
func (d *diary) put(field, value string) {
	d.t.Helper()
	connecttest.PutSecret(d.t, d.DB, d.Vault, d.account.ID, field, value)
}

// TestAnotherWasFaster has a token refused because another process, whose lease
// nobody saw, has rotated it: its tokens are used.
func TestAnotherWasFaster(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 2)
	d.Clock.Advance(2 * hour)
	begun, let := make(chan struct{}), make(chan struct{})
	refusal := held(begun, let)
	refusal.Status, refusal.Body = 400, `{"error":"invalid_grant"}`
	d.p.SetFault(nthOnly(1, refusal))
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.call(0); err != nil {
			t.Errorf("the slow one: %v", err)
		}
	})
	<-begun
	d.Clock.Advance(time.Minute) // the lease has run out
	if err := d.call(1); err != nil {
		t.Errorf("the fast one: %v", err)
	}
	close(let)
	done.Wait()
	d.counts(connecttest.ProviderCounts{Requests: 2, Refreshes: 1, Faults: 1})
	if a := d.now(); a.Generation != 2 || a.Status != domain.AccountActive {
		t.Errorf("%s, generation %d", a.Status, a.Generation)
	}
}

// TestThePreviousTokenHelps has the provider lose what it gave last.
func TestThePreviousTokenHelps(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	if _, err := d.services[0].Refresh(t.Context(), connecttest.Project, d.account.ID); err != nil {
		t.Fatal(err)
	}
	d.put("refresh_token", "of-a-provider-that-forgot-it")
	d.Clock.Advance(5 * time.Minute)
	if _, err := d.services[0].Refresh(t.Context(), connecttest.Project, d.account.ID); err != nil {
		t.Fatal(err)
	}
	if a := d.now(); a.Status != domain.AccountActive {
		t.Errorf("%s %s", a.Status, a.StatusReason)
	}
	d.counts(connecttest.ProviderCounts{Requests: 3, Refreshes: 2, GraceReuses: 1, Refused: 1})
}

func TestRefusedByTheUpstream(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	d.Clock.Advance(10 * time.Minute)
	c, err := d.prepare(0)
	if err != nil {
		t.Fatal(err)
	}
	d.p.EndAccess()
	for i, body := range []string{"", `{"a":"write"}`} {
		method, reader := http.MethodGet, io.Reader(nil)
		if body != "" {
			method, reader = http.MethodPost, strings.NewReader(body)
		}
		if err := d.whoami(c, method, "", reader); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	d.counts(connecttest.ProviderCounts{Requests: 1, Refreshes: 1})
	// A body that cannot be had again is not sent twice.
	d.Clock.Advance(10 * time.Minute)
	d.p.EndAccess()
	if c, err = d.prepare(0); err != nil {
		t.Fatal(err)
	}
	var refused *refusedError
	if err := d.whoami(c, http.MethodPost, "", struct{ io.Reader }{strings.NewReader("once")}); !errors.As(err, &refused) {
		t.Errorf("a body of once = %v", err)
	}
	// A missing scope is no reason for new tokens, and a refusal that new tokens do
	// not mend is handed on, without one renewal a call.
	if err := d.whoami(c, http.MethodGet, "", nil); err != nil {
		t.Fatal(err)
	}
	n := d.p.Counts().Requests
	if err := d.whoami(c, http.MethodGet, "?scope", nil); !errors.As(err, &refused) || !strings.Contains(refused.text, "scope does not match") {
		t.Errorf("a missing scope = %v", err)
	}
	for range 3 {
		d.p.EndAccess()
		if err := d.call(0); !errors.As(err, &refused) || refused.text != "the token is not good" {
			t.Errorf("refused again = %v", err)
		}
	}
	if got := d.p.Counts().Requests; got != n {
		t.Errorf("%d requests for tokens more", got-n)
	}
}

// TestValidating asks whether credentials are good: a token that has ended says
// nothing of the grant.
func TestValidating(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	for name, spoil := range map[string]func(){
		"ended":           func() { d.Clock.Advance(2 * hour) },
		"ended too early": func() { d.Clock.Advance(10 * time.Minute); d.p.EndAccess() },
	} {
		spoil()
		a, err := d.services[0].Validate(t.Context(), connecttest.Project, d.account.ID)
		if err != nil || a.Status != domain.AccountActive {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	d.p.Revoke("ada@example.com")
	d.Clock.Advance(2 * hour)
	a, err := d.services[0].Validate(t.Context(), connecttest.Project, d.account.ID)
	if err != nil || a.Status != domain.AccountExpired || d.events() != "expired" {
		t.Errorf("of a dead grant: %v, %v", a, err)
	}
	d.Clock.Advance(time.Second) // events are ordered by their time
	if _, err := d.services[0].Revoke(t.Context(), connecttest.Project, d.account.ID); err != nil || d.events() != "expired revoked" {
		t.Errorf("revoked: %q, %v", d.events(), err)
	}
}

func TestServiceAccount(t *testing.T) {
	d := newDiary(t, domain.SchemeS2SOAuth2, 1)
	d.Clock.Advance(2 * hour)
	if err := d.call(0); err != nil {
		t.Fatal(err)
	}
	d.p.SetFault(always(connecttest.Fault{Status: 400, Body: `{"error":"invalid_grant"}`}))
	d.Clock.Advance(2 * hour)
	if err := d.call(0); domain.CodeOf(err) != domain.CodeUnavailable {
		t.Errorf("a refused application = %v", err)
	}
	if a := d.now(); a.Status != domain.AccountActive {
		t.Errorf("%s", a.Status)
	}
}

func TestGrantWithoutRefreshToken(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	d.put("refresh_token", "")
	s := d.services[0]
	if _, err := s.Refresh(t.Context(), connecttest.Project, d.account.ID); domain.CodeOf(err) != domain.CodeUnsupported {
		t.Errorf("asked = %v", err)
	}
	d.Clock.Advance(55 * time.Minute)
	for range 3 {
		if _, err := s.Sweep(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.call(0); err != nil {
		t.Errorf("while it lives: %v", err)
	}
	if got := d.events(); got != "expiring" {
		t.Errorf("events = %q", got)
	}
	d.Clock.Advance(5 * time.Minute)
	if _, err := s.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if a := d.now(); a.Status != domain.AccountExpired || !strings.Contains(a.StatusReason, "no refresh token") {
		t.Errorf("%s %q", a.Status, a.StatusReason)
	}
	if got := d.events(); got != "expiring expired" {
		t.Errorf("events = %q", got)
	}
	d.counts(connecttest.ProviderCounts{})
}

func TestExpiringAndRecovered(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	d.p.SetFault(always(connecttest.Fault{Status: 503}))
	d.Clock.Advance(48 * time.Minute)
	for range 40 {
		if _, err := d.services[0].Sweep(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		d.Clock.Advance(15 * time.Second)
	}
	if got, n := d.events(), d.p.Counts().Requests; got != "expiring" || n < 4 || n > 12 {
		t.Errorf("events = %q after %d tries", got, n)
	}
	d.p.SetFault(nil)
	d.Clock.Advance(20 * time.Minute)
	if err := d.call(0); err != nil {
		t.Error(err)
	}
	if got := d.events(); got != "expiring recovered" {
		t.Errorf("events = %q", got)
	}
}

// TestRevokedMeanwhile ends a connection while its tokens are renewed.
func TestRevokedMeanwhile(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	begun, let := make(chan struct{}), make(chan struct{})
	d.p.SetFault(always(held(begun, let)))
	d.Clock.Advance(2 * hour)
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.call(0); err == nil {
			t.Error("a revoked account ran")
		}
	})
	<-begun
	a := d.now()
	a.Status, a.StatusReason = domain.AccountRevoked, "revoked"
	if err := d.DB.UpdateAccount(t.Context(), connecttest.Project, *a); err != nil {
		t.Fatal(err)
	}
	close(let)
	done.Wait()
	if a := d.now(); a.Status != domain.AccountRevoked || a.Generation != 1 {
		t.Errorf("it came back: %s, generation %d", a.Status, a.Generation)
	}
	if _, err := d.services[0].Refresh(t.Context(), connecttest.Project, d.account.ID); domain.CodeOf(err) != domain.CodeConflict {
		t.Errorf("asked = %v", err)
	}
}

func TestRefreshOfWhatCannotBe(t *testing.T) {
	d := newDiary(t, domain.SchemeOAuth2, 1)
	typed := d.Account(t, connecttest.Project, "bob", "bob@example.com", "")
	s := d.services[0]
	for name, tc := range map[string]struct {
		project, id string
		want        domain.Code
	}{
		"an API key":      {connecttest.Project, typed.ID, domain.CodeUnsupported},
		"nobody's":        {connecttest.Project, "ca_none", domain.CodeNotFound},
		"another project": {connecttest.Other, d.account.ID, domain.CodeNotFound},
	} {
		if _, err := s.Refresh(t.Context(), tc.project, tc.id); domain.CodeOf(err) != tc.want {
			t.Errorf("%s = %v", name, err)
		}
	}
	d.counts(connecttest.ProviderCounts{})
}

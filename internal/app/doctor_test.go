package app_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
	toolkitconfluence "github.com/sluice-run/sluice/toolkits/confluence"
)

// patient is a router with one account of a site, to be examined.
type patient struct {
	*router
	site    *site
	user    confluence.User
	account string
	opts    app.DoctorOptions
}

func newPatient(t *testing.T, in func(*app.Options)) *patient {
	t.Helper()
	p := &patient{site: newSite(t)}
	p.user = p.site.AddUser(confluence.User{Email: "ann@acme.example", DisplayName: "Ann of Acme"})
	p.router = testApp(t, func(o *app.Options) {
		in(o)
		p.site.reach(o)
		o.Config.Sandbox = false
	})
	p.account = p.connectBy(p.site.url)
	p.opts = app.DoctorOptions{Config: p.cfg, Environ: []string{"PATH=/bin"}}
	p.opts.Config.Addr = p.Addr() // the port that was taken
	return p
}

// connectBy connects ann to the site at an address.
func (p *patient) connectBy(address string) string {
	p.t.Helper()
	made := p.send(http.MethodPost, "/api/v3.1/auth_configs", `{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY"}}`)
	values := p.site.values(p.user.Email, p.user.Token)
	values["base_url"] = address
	body, err := json.Marshal(map[string]any{
		"auth_config": map[string]string{"id": field(made.body, "auth_config.id")},
		"connection":  map[string]any{"user_id": "ann", "state": map[string]any{"authScheme": "API_KEY", "val": values}},
	})
	must(p.t, err)
	a := p.send(http.MethodPost, "/api/v3.1/connected_accounts", string(body))
	if a.status != http.StatusCreated {
		p.t.Fatalf("connecting: %v", a)
	}
	return field(a.body, "id")
}

// examine gives what the doctor finds. No secret may be in it.
func (p *patient) examine() app.Diagnosis {
	p.t.Helper()
	d := app.Doctor(p.t.Context(), p.opts)
	text, err := json.Marshal(d)
	must(p.t, err)
	key, _ := os.ReadFile(filepath.Join(p.cfg.Home, "key-encryption-key"))                // may be gone
	shown := strings.ReplaceAll(string(text), filepath.Dir(filepath.Dir(p.cfg.Home)), "") // a test's folder has its name
	leaks(p.t, "the diagnosis", shown, p.key, p.user.Token, strings.TrimSpace(string(key)), p.cfg.Database.Reveal())
	if d.OK != (d.Failures == 0) || len(d.Findings) == 0 {
		p.t.Errorf("diagnosis %s", text)
	}
	for _, f := range d.Findings {
		if f.Check == "" || f.Found == "" || (f.Mend == "") == (f.State == app.StateFailure || f.State == app.StateWarning) {
			p.t.Errorf("a finding without its mend, or a mend for nothing: %+v", f)
		}
	}
	return d
}

// finds wants a finding of a check in a state that says something and whose mend
// says something, and gives it.
func finds(t *testing.T, d app.Diagnosis, check string, state app.State, says, mend string) app.Finding {
	t.Helper()
	for _, f := range d.Findings {
		if f.Check == check && f.State == state && strings.Contains(f.Found, says) && strings.Contains(f.Mend, mend) {
			return f
		}
	}
	t.Errorf("no finding %s %s that says %q and %q:\n%+v", check, state, says, mend, d.Findings)
	return app.Finding{}
}

func TestDoctorOfAHealthyRouter(t *testing.T) { onBoth(t, testDoctorOfAHealthyRouter) }

func testDoctorOfAHealthyRouter(t *testing.T, in func(*app.Options)) {
	p := newPatient(t, in)
	d := p.examine()
	if !d.OK || d.Warnings != 0 {
		t.Errorf("%d failures, %d warnings: %+v", d.Failures, d.Warnings, d.Findings)
	}
	finds(t, d, "address", app.StateOK, "a router answers", "")
	finds(t, d, "key", app.StateOK, "opens the keys", "")
	finds(t, d, "database", app.StateOK, "it answers", "")
	finds(t, d, "home", app.StateOK, "for its owner alone", "")
	f := finds(t, d, "account", app.StateOK, "as ann@acme.example", "")
	if f.About == nil || f.About.Account != p.account || f.About.User != "ann" || f.About.Toolkit != "confluence" || f.About.Project != p.ProjectID() {
		t.Errorf("about %+v", f.About)
	}
	// Only what is asked for.
	p.opts.User = "bob"
	finds(t, p.examine(), "accounts", app.StateFailure, "no such account", "sluice accounts")
	p.opts.User, p.opts.Account, p.opts.Toolkit = "ann", p.account, "Confluence"
	finds(t, p.examine(), "account", app.StateOK, "answers", "")
}

func TestDoctorFindsTokens(t *testing.T) { onBoth(t, testDoctorFindsTokens) }

func testDoctorFindsTokens(t *testing.T, in func(*app.Options)) {
	p := newPatient(t, in)
	db := p.database()
	grant := func(edit func(*domain.ConnectedAccount)) {
		t.Helper()
		a, err := db.Account(t.Context(), p.ProjectID(), p.account)
		must(t, err)
		edit(&a)
		swapped, err := db.SwapGrant(t.Context(), p.ProjectID(), a)
		if must(t, err); !swapped {
			t.Fatal("the grant was not put")
		}
	}
	tools := toolkitconfluence.New().Tools
	grant(func(a *domain.ConnectedAccount) { a.Scopes = []string{"read:page:confluence"} })
	f := finds(t, p.examine(), "scopes", app.StateWarning, fmt.Sprintf(" of %d tools will fail", len(tools)), "Grant ")
	if len(f.Tools) == 0 || len(f.Tools) >= len(tools) || !strings.Contains(f.Found, fmt.Sprintf("%d of", len(f.Tools))) {
		t.Errorf("%d of %d tools: %s", len(f.Tools), len(tools), f.Found)
	}
	for _, one := range f.Tools {
		i := slices.IndexFunc(tools, func(t toolkit.Tool) bool { return t.Slug == one.Tool })
		if i < 0 || len(one.Scopes) == 0 || len(tools[i].Scopes.Missing([]string{"read:page:confluence"})) != len(one.Scopes) {
			t.Errorf("%+v", one)
		}
		if !strings.Contains(f.Mend, one.Scopes[0][0]) {
			t.Errorf("the mend does not name %s", one.Scopes[0][0])
		}
	}
	all := []string{}
	for i := range tools {
		all = append(all, tools[i].Scopes.Names()...)
	}
	grant(func(a *domain.ConnectedAccount) { a.Scopes = all })
	finds(t, p.examine(), "scopes", app.StateOK, "enough for all", "")

	grant(func(a *domain.ConnectedAccount) { a.ExpiresAt = time.Now().Add(48 * time.Hour) })
	finds(t, p.examine(), "token", app.StateWarning, "cannot be renewed", "sluice connect confluence --user ann")
	grant(func(a *domain.ConnectedAccount) { a.ExpiresAt = time.Now().Add(-time.Hour) })
	finds(t, p.examine(), "token", app.StateFailure, "ended", "sluice connect")
	grant(func(a *domain.ConnectedAccount) { a.ExpiresAt, a.Failures = time.Time{}, 3 })
	finds(t, p.examine(), "token", app.StateWarning, "3 renewals", "")

	// The token is revoked at the site.
	p.site.AddUser(confluence.User{Email: p.user.Email})
	d := p.examine()
	finds(t, d, "account", app.StateFailure, "refused the credentials", "sluice connect confluence --user ann")
	if d.OK {
		t.Error("a revoked token is no failure")
	}
	p.site.Fail(confluence.Fault{Times: -1, Status: http.StatusServiceUnavailable})
	finds(t, p.examine(), "account", app.StateFailure, "", "")
	grant(func(a *domain.ConnectedAccount) {
		a.Status, a.StatusReason = domain.AccountExpired, "the grant is gone"
	})
	finds(t, p.examine(), "account", app.StateFailure, "EXPIRED (the grant is gone)", "sluice connect")
}

// A site whose clock is two hours behind ours.
func TestDoctorFindsSkew(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		p.site.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(behind.Close)
	p.opts.Account = p.connectBy(behind.URL)
	d := p.examine()
	finds(t, d, "clock", app.StateWarning, "2h0m0s ahead of that of 127.0.0.1", "NTP")
	finds(t, d, "account", app.StateOK, "answers", "")
	// The guard holds for the doctor too.
	p.opts.Config.UpstreamAllow = nil
	finds(t, p.examine(), "account", app.StateFailure, "cannot be reached", "")
}

func TestDoctorFindsTheHome(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	home, key := p.cfg.Home, filepath.Join(p.cfg.Home, "key-encryption-key")
	must(t, os.Chmod(home, 0o755))
	must(t, os.Chmod(filepath.Join(home, "sluice.db"), 0o644))
	d := p.examine()
	finds(t, d, "home", app.StateFailure, home+" has mode 0755", "chmod 0700 "+home)
	finds(t, d, "home", app.StateFailure, "sluice.db has mode 0644", "chmod 0600 "+filepath.Join(home, "sluice.db"))
	must(t, os.Chmod(home, 0o700))

	must(t, os.Chmod(key, 0o640))
	d = p.examine()
	finds(t, d, "home", app.StateFailure, "has mode 0640", "chmod 0600 "+key)
	finds(t, d, "key", app.StateFailure, "", "")
	must(t, os.Chmod(key, 0o600))

	good, err := os.ReadFile(key)
	must(t, err)
	must(t, os.WriteFile(key, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 0o600))
	finds(t, p.examine(), "key", app.StateFailure, "", "")
	must(t, os.Remove(key))
	finds(t, p.examine(), "key", app.StateFailure, "is missing", "put the file back")
	if _, err := os.Stat(key); err == nil {
		t.Error("the doctor made a key")
	}
	must(t, os.WriteFile(key, good, 0o600))
	finds(t, p.examine(), "key", app.StateOK, "", "")

	// A home that is not there stays so; a file is none.
	p.opts.Config.Home = filepath.Join(t.TempDir(), "none")
	d = p.examine()
	finds(t, d, "home", app.StateSkipped, "not there yet", "")
	finds(t, d, "database", app.StateSkipped, "first start", "")
	if _, err := os.Stat(p.opts.Config.Home); err == nil {
		t.Error("the doctor made a home")
	}
	p.opts.Config.Home = key
	finds(t, p.examine(), "home", app.StateFailure, "not a folder", "--home")
}

func TestDoctorFindsTheDatabase(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	p.opts.Config.Database = config.Secret("postgres://sluice:hunter2-of-the-test@127.0.0.1:1/none?connect_timeout=2")
	d := p.examine()
	f := finds(t, d, "database", app.StateFailure, "", "")
	if strings.Contains(f.Found+f.Mend, "hunter2") {
		t.Errorf("the password shows: %+v", f)
	}
	p.opts.Config.Database = ""
	p.opts.Config.Home = t.TempDir()
	must(t, os.WriteFile(filepath.Join(p.opts.Config.Home, "sluice.db"), []byte("this is no database at all, is it?"), 0o600))
	finds(t, p.examine(), "database", app.StateFailure, "not a readable SQLite database", "")
}

func TestDoctorFindsSettings(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	p.opts.Environ = []string{
		"SLUICE_PUBLICURL=x", "SLUICE_URL=x", "SLUICE_SOMETHING_ELSE=secret-value", "HTTPS_PROXY=http://user:proxy-password@proxy:1", "OPENAI_API_KEY=model-key",
	}
	p.opts.KnownVariables = []string{"SLUICE_URL"}
	p.opts.Config.LogLevel, p.opts.Config.MaxStreams = "loud", -1
	d := p.examine()
	finds(t, d, "environment", app.StateWarning, "SLUICE_PUBLICURL", "SLUICE_PUBLIC_URL")
	finds(t, d, "environment", app.StateWarning, "SLUICE_SOMETHING_ELSE", "Remove it")
	finds(t, d, "proxy", app.StateWarning, "HTTPS_PROXY", "")
	finds(t, d, "configuration", app.StateFailure, "log_level", "log_level")
	finds(t, d, "configuration", app.StateFailure, "max_streams", "max_streams")
	finds(t, d, "model", app.StateSkipped, "--online", "")
	text, err := json.Marshal(d)
	must(t, err)
	leaks(t, "the diagnosis", string(text), "secret-value", "proxy-password", "model-key")
	p.opts.Config.UpstreamProxy = "http://user:proxy-password@proxy.example.com:3128"
	d = p.examine()
	f := finds(t, d, "proxy", app.StateOK, "through the proxy proxy.example.com:3128", "")
	leaks(t, "the diagnosis", f.Found+f.Mend, "proxy-password")
	p.opts.Config.UpstreamProxy = ""

	p.opts.ConfigError = domain.Invalid("config", "the file is not YAML")
	d = p.examine()
	finds(t, d, "configuration", app.StateFailure, "not YAML", "")
	if len(d.Findings) > 4 {
		t.Errorf("without a configuration: %+v", d.Findings)
	}
}

func TestDoctorFindsTheModelServer(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	status := http.StatusOK
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" || r.Header.Get("Authorization") != "Bearer model-key" {
			t.Errorf("asked %s", r.URL)
		}
		w.WriteHeader(status)
	}))
	p.opts.Environ = []string{"OPENAI_BASE_URL=" + models.URL + "/v1", "OPENAI_API_KEY=model-key"}
	finds(t, p.examine(), "model", app.StateOK, "answers", "")
	status = http.StatusUnauthorized
	finds(t, p.examine(), "model", app.StateFailure, "refuses the key", "OPENAI_API_KEY")
	status = http.StatusNotFound
	finds(t, p.examine(), "model", app.StateWarning, "status 404", "/v1")
	models.Close()
	finds(t, p.examine(), "model", app.StateFailure, "does not answer", "Start it")
}

func TestDoctorFindsThePort(t *testing.T) {
	t.Parallel()
	p := newPatient(t, func(*app.Options) {})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	answers := `{"nothing":"of ours"}`
	other := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answers)
	})}}
	other.Start()
	p.opts.Config.Addr = ln.Addr().String()
	finds(t, p.examine(), "address", app.StateFailure, "no router answers there", "another address")
	answers = `{"status":"ok","version":"0.0.1"}`
	finds(t, p.examine(), "address", app.StateWarning, "version 0.0.1", "Restart")
	other.Close()
	finds(t, p.examine(), "address", app.StateOK, "is free", "")
}

// A service account that was given too few scopes at the site, and then loses its
// credential there.
func TestDoctorOfAServiceAccount(t *testing.T) { onBoth(t, testDoctorOfAServiceAccount) }

func testDoctorOfAServiceAccount(t *testing.T, in func(*app.Options)) {
	p := newPatient(t, in)
	scopes := []string{"read:content-details:confluence", "read:page:confluence"}
	robot := p.site.AddServiceAccount(confluence.ServiceAccount{Name: "Robot", Scopes: scopes})
	made := p.send(http.MethodPost, "/api/v3.1/auth_configs", fmt.Sprintf(
		`{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"S2S_OAUTH2","credentials":{"client_id":%q,"client_secret":%q,"token_url":%q,"api_url":%q}}}`,
		robot.ClientID, robot.ClientSecret, p.site.url+"/oauth/token", p.site.url))
	a := p.send(http.MethodPost, "/api/v3.1/connected_accounts", fmt.Sprintf(
		`{"auth_config":{"id":%q},"connection":{"user_id":"robot","state":{"authScheme":"S2S_OAUTH2","val":{"subdomain":"acme"}}}}`, field(made.body, "auth_config.id")))
	if p.opts.Account = field(a.body, "id"); a.status != http.StatusCreated || p.opts.Account == "" {
		t.Fatalf("connecting: %v %v", made, a)
	}
	d := p.examine()
	finds(t, d, "account", app.StateOK, "answers", "")
	f := finds(t, d, "scopes", app.StateWarning, "tools will fail for want of scopes", "Grant ")
	for _, one := range f.Tools {
		for _, need := range one.Scopes {
			if slices.ContainsFunc(need, func(s string) bool { return slices.Contains(scopes, s) }) {
				t.Errorf("%s lacks %v, and has %v", one.Tool, need, scopes)
			}
		}
	}
	if text, err := json.Marshal(d); err != nil || strings.Contains(string(text), robot.ClientSecret) {
		t.Errorf("the client's secret shows: %v", err)
	}
	// The token ended long ago: a call renews it, and so does the doctor.
	db := p.database()
	account := func() domain.ConnectedAccount {
		t.Helper()
		a, err := db.Account(t.Context(), p.ProjectID(), p.opts.Account)
		must(t, err)
		return a
	}
	old := account()
	old.ExpiresAt, old.RefreshAt = time.Now().Add(-time.Hour), time.Now().Add(-2*time.Hour)
	_, err := db.SwapGrant(t.Context(), p.ProjectID(), old)
	must(t, err)
	finds(t, p.examine(), "account", app.StateOK, "answers", "")
	if now := account(); !now.ExpiresAt.After(time.Now()) {
		t.Errorf("not renewed: %+v", now)
	}
	// The credential is gone, and the token with it.
	p.site.RemoveOAuthApp(robot.ClientID)
	finds(t, p.examine(), "account", app.StateFailure, "refused the credentials", "sluice connect confluence --user robot")
	// Only the tools that its auth config allows count; on one that is off nothing runs.
	change := func(body string) {
		t.Helper()
		if a := p.send(http.MethodPatch, "/api/v3.1/auth_configs/"+field(made.body, "auth_config.id"), body); a.status != http.StatusOK {
			t.Fatalf("changing the auth config: %v", a)
		}
	}
	change(`{"tool_access_config":{"tools_available_for_execution":["CONFLUENCE_GET_PAGE_BY_ID","CONFLUENCE_CREATE_PAGE"]}}`)
	finds(t, p.examine(), "scopes", app.StateWarning, "1 of 2 tools will fail", "Grant write:page:confluence.")
	if a := p.send(http.MethodPatch, "/api/v3.1/auth_configs/"+field(made.body, "auth_config.id")+"/DISABLED", ""); a.status != http.StatusOK {
		t.Fatalf("switching the auth config off: %v", a)
	}
	finds(t, p.examine(), "account", app.StateSkipped, "auth config is disabled", "")
}

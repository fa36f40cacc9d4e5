package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	noKey := func(o *app.Options) { o.Config.APIKey = "" }
	r := newApp(t, noKey)
	must(t, r.Start(t.Context()))
	r.key = r.FirstKey()
	if !strings.HasPrefix(r.key, "ak_") {
		t.Fatalf("first key %q", r.key)
	}
	id := r.session("ann", "")
	if strings.Contains(r.logs.String(), r.key) {
		t.Error("the key is in the log")
	}
	for name, want := range map[string]os.FileMode{".": 0o700, "sluice.db": 0o600, "sluice.db-wal": 0o600, "key-encryption-key": 0o600} {
		info, err := os.Stat(filepath.Join(r.cfg.Home, name))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	must(t, r.Stop(t.Context()))

	again := newApp(t, func(o *app.Options) { o.Config = r.cfg })
	must(t, again.Start(t.Context()))
	if k := again.FirstKey(); k != "" {
		t.Errorf("the second start made %q", k)
	}
	again.key = r.key
	if a := again.send(http.MethodGet, sessions+"/"+id, ""); a.status != http.StatusOK {
		t.Errorf("the session after a restart: %v", a)
	}
	projects, err := again.database().ListProjects(t.Context())
	if err != nil || len(projects) != 1 || projects[0].ID != again.ProjectID() {
		t.Errorf("projects %+v, %v", projects, err)
	}
}

func TestGivenKey(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil) // with a key given
	if k := r.FirstKey(); k != "" {
		t.Errorf("a first key besides the given one: %q", k)
	}
	r.session("ann", "")
	must(t, r.Stop(t.Context()))
	again := testApp(t, func(o *app.Options) { o.Config = r.cfg })
	again.session("ann", "")
	keys, err := app.OpenKeys(t.Context(), r.cfg)
	must(t, err)
	defer keys.Close()
	list, err := keys.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "SLUICE_API_KEY" {
		t.Fatalf("keys %+v, %v", list, err)
	}
	must(t, keys.Revoke(t.Context(), list[0].ID))
	must(t, again.Stop(t.Context()))
	_, err = app.New(t.Context(), app.Options{Config: r.cfg, LogOutput: &logBuffer{}})
	if domain.CodeOf(err) != domain.CodeForbidden || !strings.Contains(told(err), "SLUICE_API_KEY") || strings.Contains(told(err), r.key) {
		t.Errorf("a revoked key was given: %v", err)
	}
	// Another key opens the same home.
	other := r.cfg
	other.APIKey = config.Secret(domain.NewSecret("test_"))
	testApp(t, func(o *app.Options) { o.Config = other }).session("ann", "")
}

// A router inside another program makes no key that stays.
func TestEphemeralKey(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Config.APIKey, o.Quiet = "", true })
	r.key = r.EphemeralKey("chat")
	r.session("ann", "")
	keys, err := app.OpenKeys(t.Context(), r.cfg)
	must(t, err)
	defer keys.Close()
	if list, err := keys.List(t.Context()); err != nil || len(list) != 0 || r.FirstKey() != "" {
		t.Errorf("keys %+v, %v, first %q", list, err, r.FirstKey())
	}
	if out := r.logs.String(); out != "" {
		t.Errorf("quiet, and yet: %s", out)
	}
}

// revoke revokes all keys of the home, as the command line would in a process
// of its own.
func (r *router) revoke() error {
	keys, err := app.OpenKeys(r.t.Context(), r.cfg)
	if err != nil {
		return err
	}
	defer keys.Close()
	list, err := keys.List(r.t.Context())
	for _, k := range list {
		if err == nil {
			err = keys.Revoke(r.t.Context(), k.ID)
		}
	}
	return err
}

// A key that another process revokes fails within a second, on what is open too.
func TestRevokedElsewhere(t *testing.T) { onBoth(t, testRevokedElsewhere) }

func testRevokedElsewhere(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	id := r.session("ann", "")
	ended := r.stream(id)
	cs, err := r.dial(id, r.key, "2026-07-28")
	must(t, err)
	defer cs.Close()
	must(t, r.revoke())
	within := time.After(time.Second)
	for door, a := range map[string]answer{
		"REST":       r.send(http.MethodGet, sessions+"/"+id, ""),
		"MCP":        r.call(id, "CONFLUENCE_GET_SPACES", `{}`),
		"MCP bearer": r.call(id, "CONFLUENCE_GET_SPACES", `{}`, "X-Api-Key", "", "Authorization", "Bearer "+r.key),
	} {
		if a.status != http.StatusUnauthorized || !strings.Contains(a.body, "revoked") || !strings.Contains(a.body, "sluice keys create") {
			t.Errorf("%s: %v", door, a)
		}
	}
	if _, err := cs.ListTools(t.Context(), nil); err == nil {
		t.Error("the SDK's client goes on")
	}
	select {
	case <-ended:
	case <-within:
		t.Error("the stream goes on after a second")
	}
}

// What is open for a session ends with it.
func TestDeletedSessionEndsStreams(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Config.Sandbox = false })
	id, other := r.session("ann", ""), r.session("ann", "")
	ended, goesOn := r.stream(id), r.stream(other)
	if a := r.send(http.MethodDelete, sessions+"/"+id, ""); a.status >= 300 {
		t.Fatalf("deleting: %v", a)
	}
	select {
	case <-ended:
	case <-goesOn:
		t.Error("another session's stream ended")
	case <-time.After(time.Second):
		t.Error("the stream goes on after a second")
	}
}

// A running call ends too when its key is revoked.
func TestRevokedDuringCall(t *testing.T) {
	t.Parallel()
	r := testApp(t, nil)
	id := r.session("ann", "")
	r.call(id, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	before := r.Site().Requests()
	r.hang()
	got := make(chan answer, 1)
	go func() {
		a, err := r.try(t.Context(), http.MethodPost, mcpPath(id), mcpBody("CONFLUENCE_GET_SPACES", `{}`), mcpHeader("tools/call", "CONFLUENCE_GET_SPACES")...)
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	eventually(t, 10*time.Second, "the call upstream", func() bool { return r.Site().Requests() > before })
	must(t, r.revoke())
	select {
	case a := <-got:
		if a.status != http.StatusUnauthorized {
			t.Errorf("the call ended with %v", a)
		}
	case <-time.After(time.Second):
		t.Error("the call goes on after a second")
	}
}

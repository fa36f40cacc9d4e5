package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault/vaulttest"
	"github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// sandboxToken is what the embedded sandbox gives its users.
var sandboxToken = regexp.MustCompile(`sandbox-[A-Z2-7]{26}`)

// After all that can happen, no secret lies anywhere in the clear: not in the
// files of the home with the database's log, the log at its most talkative, the
// traces, the metrics, or an answer. Whatever holds the key-encryption key.
func TestNoSecretInTheClear(t *testing.T) {
	t.Parallel()
	transit := vaulttest.NewTransit(t, "transit/sluice")
	for name, edit := range map[string]func(*testing.T, *app.Options){
		"file":    func(*testing.T, *app.Options) {},
		"transit": func(t *testing.T, o *app.Options) { useTransit(t, o, transit) },
		"exec":    useExec,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			searchBusyServer(t, edit, transit.Token)
		})
	}
}

// useTransit has the key in a Vault, with the token in a file.
func useTransit(t *testing.T, o *app.Options, s *vaulttest.Transit) {
	dir := t.TempDir()
	o.Config.VaultCAFile, o.Config.VaultTokenFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	must(t, os.WriteFile(o.Config.VaultCAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	must(t, os.WriteFile(o.Config.VaultTokenFile, []byte(s.Token+"\n"), 0o600))
	o.Config.KeyProvider = "vault-transit:" + s.URL + "/transit/sluice"
}

// useExec has the test binary as the program.
func useExec(t *testing.T, o *app.Options) {
	self, err := os.Executable()
	must(t, err)
	file := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(file, []byte(rand.Text() + rand.Text())[:32], 0o600))
	o.Config.KeyProvider = "exec:" + self + " " + vaulttest.PluginArg + " ok " + file
}

// collector takes traces as an OpenTelemetry collector does.
type collector struct {
	*httptest.Server
	got logBuffer
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		_, _ = io.Copy(&c.got, body)
	}))
	t.Cleanup(c.Close)
	return c
}

// leaky is a toolkit that does with its secret what it should not: upstream
// echoes it, and tools panic and fail with the echo.
func leaky(upstream string) *toolkit.Toolkit {
	self := func(c *toolkit.Call) (*toolkit.Call, error) { return c, nil }
	type none struct{}
	echo := func(ctx context.Context, c *toolkit.Call) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.BaseURL, nil)
		if err != nil {
			return ""
		}
		res, err := c.HTTP.Do(req)
		if err != nil {
			return ""
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	return &toolkit.Toolkit{
		Slug: "leaky", Name: "Leaky", Description: "Says what it should not.", Version: "20261122_00",
		Auth: []toolkit.Auth{{
			Scheme: "API_KEY", Name: "leaky_key",
			Fields:    []toolkit.Field{{Name: "api_token", DisplayName: "Token", Required: true, Secret: true, Type: "password"}},
			BaseURL:   func(map[string]string) (string, error) { return upstream, nil },
			Authorize: func(r *http.Request, _ map[string]string, s toolkit.Secrets) { r.Header.Set("X-Token", s["api_token"]) },
		}},
		Tools: toolkit.Bind(self,
			toolkit.Read("LEAKY_PANIC", "Panic", "Break down.", toolkit.About{},
				func(ctx context.Context, c *toolkit.Call, _ none) (none, error) {
					panic("upstream said " + echo(ctx, c))
				}),
			toolkit.Read("LEAKY_CALL", "Call", "Call upstream.", toolkit.About{},
				func(ctx context.Context, c *toolkit.Call, _ none) (none, error) { echo(ctx, c); return none{}, nil }),
		),
	}
}

// searchBusyServer makes a router do everything and searches what it leaves.
func searchBusyServer(t *testing.T, edit func(*testing.T, *app.Options), others ...string) {
	site := newSite(t)
	ann := site.AddUser(confluence.User{Email: "ann@acme.example", Token: "ATATT-ann-" + domain.NewSecret("")})
	wrong, leaked := "ATATT-wrong-"+domain.NewSecret(""), "leaked-"+domain.NewSecret("")
	traces := newCollector(t)
	echoes := atomic.Int64{}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") == leaked {
			echoes.Add(1)
		}
		fmt.Fprint(w, r.Header)
	}))
	t.Cleanup(echo.Close)
	r := testApp(t, func(o *app.Options) {
		site.reach(o)
		o.Config.Metrics, o.Config.OTLPEndpoint = true, traces.URL
		o.Toolkits = append(o.Toolkits, leaky(echo.URL))
		edit(t, o)
	})
	id := r.session("ann", "")
	link := r.link(id)
	page := r.browser()
	form := page.open(link.URL)
	page.submit(form, site.values("ann@acme.example", wrong))
	page.submit(form, site.values("ann@acme.example", ann.Token))
	secrets := append([]string{ann.Token, wrong, leaked, r.key, link.Token}, others...)
	leak := r.session("ann", `,"toolkits":{"enable":["leaky"]}`)
	r.connectLeaky(leak, leaked)
	if res := r.execute(leak, "LEAKY_PANIC", `{}`).result(t); res.Successful || echoes.Load() != 1 {
		t.Fatalf("the tool did not panic with its secret: %+v, %d", res, echoes.Load())
	}
	// An agent that gives secrets as arguments, marked by nothing but their form or
	// the argument's name: the log does not tell them, and keeps what it has sealed.
	noted := "noted-" + domain.NewSecret("")
	r.execute(id, "CONFLUENCE_SEARCH_CONTENT", fmt.Sprintf(`{"query":"find %s","api_token":%q}`, ann.Token, wrong))
	r.execute(id, "CONFLUENCE_SEARCH_CONTENT", fmt.Sprintf(`{"query":"with Bearer %s %s"}`, leaked, noted))
	told := r.send(http.MethodGet, "/api/v3.1/sluice/logs/export", "").body
	if !strings.Contains(told, "[hidden]") || !strings.Contains(told, noted[:20]) {
		t.Fatalf("the log has no arguments: the search finds nothing: %s", told)
	}
	rotateAll(t, r.cfg)
	for i := range 4 { // users of the sandbox get tokens of their own
		user := fmt.Sprintf("user-%d", i)
		s := r.session(user, "")
		r.execute(s, "CONFLUENCE_GET_CURRENT_USER", `{}`)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r.call(id, "CONFLUENCE_GET_SPACES", `{}`)
			r.call(id, "CONFLUENCE_GET_SPACES", `{"limit":"x"}`)
			r.execute(id, "CONFLUENCE_SEARCH_CONTENT", `{"query":"planning"}`)
			r.send(http.MethodGet, "/api/v3.1/connected_accounts", "")
			r.send(http.MethodGet, "/api/v3.1/auth_configs", "")
		})
	}
	wg.Wait()
	// Upstreams that answer with what they were sent.
	secret := base64.StdEncoding.EncodeToString([]byte("ann@acme.example:" + ann.Token))
	site.Fail(confluence.Fault{Status: 500, Body: `{"message":"Authorization: Basic ` + secret + `"}`, Type: "application/json"})
	r.call(id, "CONFLUENCE_GET_SPACES", `{}`)
	r.call(id, "CONFLUENCE_GET_SPACES", `{}`, "X-Api-Key", "ak_"+wrong)
	r.send(http.MethodGet, "/metrics", "")
	r.send(http.MethodGet, "/openapi.json", "")
	_, visitor := r.SandboxVisitor()
	if !sandboxToken.MatchString(visitor) {
		t.Fatalf("tokens of the sandbox look otherwise: %q", visitor)
	}
	secrets = append(secrets, secret)
	for _, s := range secrets {
		if len(s) < 16 {
			t.Fatalf("no secret: %q", s)
		}
	}

	check := func(where string, data []byte) {
		if strings.HasPrefix(where, "sluice.db") && bytes.Contains(data, []byte(noted)) {
			t.Errorf("%s holds arguments in the clear", where)
		}
		for _, s := range secrets {
			if s == link.Token && where == "answers" {
				continue // it was given out there, once
			}
			if bytes.Contains(data, []byte(s)) || bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString([]byte(s)))) {
				t.Errorf("%s holds the secret %.12s…", where, s)
			}
		}
	}
	tokens := check
	check = func(where string, data []byte) {
		tokens(where, data)
		if found := sandboxToken.Find(data); found != nil {
			t.Errorf("%s holds a token of the sandbox: %s", where, found)
		}
	}
	files := func(when string) {
		seen := map[string]int{}
		must(t, filepath.WalkDir(r.cfg.Home, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			seen[e.Name()] = len(data)
			check(e.Name()+" "+when, data)
			return err
		}))
		if seen["sluice.db"] == 0 || (when != "afterwards" && seen["sluice.db-wal"] == 0) {
			t.Fatalf("the home holds %v", seen)
		}
	}
	files("while it runs")
	r.mu.Lock()
	check("answers", r.answers.Bytes())
	if n := strings.Count(r.answers.String(), link.Token); n == 0 {
		t.Error("the link was not given out: the search finds nothing")
	}
	r.mu.Unlock()
	rotateAll(t, r.cfg)
	files("after rotating")
	if a := r.send(http.MethodGet, "/debug/pprof/", ""); a.status != http.StatusNotFound {
		t.Errorf("pprof is on: %v", a.status)
	}
	must(t, r.Stop(t.Context()))
	files("afterwards")
	if len(traces.got.String()) < 1000 {
		t.Errorf("traces of %d bytes", len(traces.got.String()))
	}
	check("traces", []byte(traces.got.String()))
	log := r.logs.String()
	if len(log) < 1000 {
		t.Fatalf("a log of %d bytes", len(log))
	}
	check("the log", []byte(log))
	check("pages", page.seen.Bytes())
}

// connectLeaky gives the leaky toolkit its secret, as a person does on the page.
func (r *router) connectLeaky(session, secret string) {
	r.t.Helper()
	a := r.send(http.MethodPost, sessions+"/"+session+"/link", `{"toolkit":"leaky"}`)
	var out struct {
		URL string `json:"redirect_url"`
	}
	must(r.t, json.Unmarshal([]byte(a.body), &out))
	page := r.browser()
	page.submit(page.open(out.URL), map[string]string{"api_token": secret})
}

// rotateAll rotates both keys, as the command line does beside the router.
func rotateAll(t *testing.T, cfg app.Config) {
	t.Helper()
	v, err := app.OpenVault(t.Context(), cfg)
	must(t, err)
	defer v.Close()
	must(t, v.RotateKEK(t.Context(), ""))
	if _, err := v.Rotate(t.Context(), 0, false, func(int) {}, nil); err != nil {
		t.Fatal(err)
	}
}

package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// sandboxToken is what the embedded sandbox gives its users.
var sandboxToken = regexp.MustCompile(`sandbox-[A-Z2-7]{26}`)

// After all that can happen, no secret lies anywhere in the clear: not in the
// files of the home, the log at its most talkative, the metrics or an answer.
func TestNoSecretInTheClear(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	ann := site.AddUser(confluence.User{Email: "ann@acme.example", Token: "ATATT-ann-" + domain.NewSecret("")})
	wrong := "ATATT-wrong-" + domain.NewSecret("")
	r := testApp(t, func(o *app.Options) { site.reach(o); o.Config.Metrics = true })
	id := r.session("ann", "")
	link := r.link(id)
	page := r.browser()
	form := page.open(link.URL)
	page.submit(form, site.values("ann@acme.example", wrong))
	page.submit(form, site.values("ann@acme.example", ann.Token))
	secrets := []string{ann.Token, wrong, r.key, link.Token}
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
		entries, err := os.ReadDir(r.cfg.Home)
		must(t, err)
		if len(entries) < 2 {
			t.Fatalf("the home holds %v", entries)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(r.cfg.Home, e.Name()))
			must(t, err)
			check(e.Name()+" "+when, data)
		}
	}
	files("while it runs")
	r.mu.Lock()
	check("answers", r.answers.Bytes())
	if n := strings.Count(r.answers.String(), link.Token); n == 0 {
		t.Error("the link was not given out: the search finds nothing")
	}
	r.mu.Unlock()
	must(t, r.Stop(t.Context()))
	files("afterwards")
	log := r.logs.String()
	if len(log) < 1000 {
		t.Fatalf("a log of %d bytes", len(log))
	}
	check("the log", []byte(log))
	check("pages", page.seen.Bytes())
}

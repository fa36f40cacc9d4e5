package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/importer"
)

// router boots a whole router that may reach this machine's sites.
func router(t *testing.T) *client.Client {
	t.Helper()
	cfg, err := app.LoadConfig("", t.TempDir())
	must(t, err)
	cfg.Addr, cfg.UpstreamAllow = "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	a, err := app.New(t.Context(), app.Options{Config: cfg, Quiet: true})
	must(t, err)
	must(t, a.Start(t.Context()))
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil { // it is over by now
			t.Error(err)
		}
	})
	c, err := client.New(client.Options{BaseURL: a.URL(), APIKey: a.EphemeralKey("test")})
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func site(t *testing.T) *app.Site {
	t.Helper()
	s, err := app.StartSite(t.Context(), app.SiteOptions{Addr: "127.0.0.1:0"})
	must(t, err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func values(s *app.Site) map[string]string {
	return map[string]string{"subdomain": "acme", "generic_id": s.Email, "generic_api_key": s.Token, "base_url": s.URL}
}

// what gives what became of the thing that was id before.
func what(t *testing.T, r *importer.Report, id string) importer.Item {
	t.Helper()
	for _, i := range r.Items {
		if i.From == id {
			return i
		}
	}
	t.Fatalf("nothing is said of %s: %+v", id, r.Items)
	return importer.Item{}
}

func bring(t *testing.T, e *importer.Export, o importer.Options) *importer.Report {
	t.Helper()
	r, err := importer.Import(t.Context(), e, o)
	must(t, err)
	return r
}

func TestFromAnotherRouter(t *testing.T) {
	t.Parallel()
	ctx, from, to, s := t.Context(), router(t), router(t), site(t)
	config, err := from.CreateAuthConfig(ctx, client.NewAuthConfig{Toolkit: "confluence", Scheme: "API_KEY", Name: "team", Tools: []string{"CONFLUENCE_GET_CURRENT_USER", "CONFLUENCE_GET_PAGES"}})
	must(t, err)
	off, err := from.CreateAuthConfig(ctx, client.NewAuthConfig{Toolkit: "confluence", Scheme: "API_KEY", Name: "old"})
	must(t, err)
	must(t, from.EnableAuthConfig(ctx, off.ID, false))
	account, err := from.ConnectAccount(ctx, client.ConnectRequest{UserID: "ann", Toolkit: "confluence", Scheme: "API_KEY", AuthConfigID: config.ID, Alias: "work", Values: values(s)})
	must(t, err)
	trigger, err := from.UpsertTrigger(ctx, client.NewTrigger{Type: "CONFLUENCE_PAGE_CREATED_TRIGGER", UserID: "ann", AccountID: account.ID, Config: map[string]any{"status": "current"}})
	must(t, err)
	session, err := from.Create(ctx, "ann", client.SessionOptions{
		Toolkits: []string{"confluence"}, ConnectedAccounts: map[string][]string{"confluence": {account.ID}},
		Tools: map[string]client.ToolRule{"confluence": {Enable: []string{"CONFLUENCE_GET_CURRENT_USER"}}}, NoSearch: true,
	})
	must(t, err)

	e, err := importer.Take(ctx, from, []string{session.ID})
	must(t, err)
	var file bytes.Buffer
	must(t, e.Write(&file))
	if strings.Contains(file.String(), s.Token) {
		t.Error("the export holds the token")
	}
	e, err = importer.Read(&file)
	must(t, err)

	looked := bring(t, e, importer.Options{To: to, DryRun: true})
	if looked.Counts[importer.Planned] != 4 || looked.Counts[importer.Waiting] != 1 { // the trigger waits for its account
		t.Errorf("a dry run: %+v", looked)
	}
	for range to.AuthConfigs(ctx, "") {
		t.Error("a dry run made an auth config")
	}

	kept, o := 0, importer.Options{To: to, Known: map[string]string{}, Links: true}
	o.Keep = func() error { kept++; return nil }
	r := bring(t, e, o)
	if r.Counts[importer.Made] != 4 || kept != 4 || what(t, r, trigger).Result != importer.Waiting {
		t.Fatalf("%d kept: %+v", kept, r)
	}
	brought := what(t, r, account.ID)
	if !strings.Contains(brought.Link, "/link/lt_") || brought.User != "ann" || brought.Name != "work" {
		t.Errorf("the account: %+v", brought)
	}
	newConfig, err := to.AuthConfig(ctx, o.Known[config.ID])
	must(t, err)
	if newConfig.Name != "team" || len(newConfig.Tools) != 2 || newConfig.Scheme != "API_KEY" {
		t.Errorf("the auth config: %+v", newConfig)
	}
	if c, err := to.AuthConfig(ctx, o.Known[off.ID]); err != nil || c.Status != "DISABLED" {
		t.Errorf("the disabled one: %+v, %v", c, err)
	}
	a, err := to.Account(ctx, brought.To)
	must(t, err)
	if a.Status != "EXPIRED" || a.Alias != "work" || a.UserID != "ann" || a.AuthConfig.ID != newConfig.ID || a.Data["subdomain"] != "acme" || a.Reason == "" {
		t.Errorf("the account: %+v", a)
	}
	moved, err := to.Use(ctx, what(t, r, session.ID).To)
	must(t, err)
	var refused *client.Error
	if _, err := moved.Execute(ctx, "CONFLUENCE_GET_CURRENT_USER", nil, ""); !errors.As(err, &refused) || refused.Code != client.CodeNoConnection || !strings.Contains(refused.Message, "another server") {
		t.Errorf("before its user connected: %v", err)
	}

	again := bring(t, e, o)
	if again.Counts[importer.Made] != 0 || again.Counts[importer.There] != 3 || again.Counts[importer.Waiting] != 2 {
		t.Errorf("again: %+v", again)
	}
	reconnect(t, to, brought.To, values(s))
	last := bring(t, e, o)
	if last.Counts[importer.Made] != 1 || last.Counts[importer.There] != 4 {
		t.Errorf("after its user connected: %+v", last)
	}
	if made, err := to.Trigger(ctx, o.Known[trigger]); err != nil || made.AccountID != brought.To || made.Type != "CONFLUENCE_PAGE_CREATED_TRIGGER" {
		t.Errorf("the trigger: %+v, %v", made, err)
	}
	res, err := moved.Execute(ctx, "CONFLUENCE_GET_CURRENT_USER", nil, "")
	if err != nil || !res.Successful || res.AccountID != brought.To {
		t.Errorf("the session after its user connected: %+v, %v", res, err)
	}
	if _, err := moved.Execute(ctx, "CONFLUENCE_GET_PAGES", nil, ""); err == nil {
		t.Error("the session may more here than there")
	}
}

// reconnect gives an account its credentials again, over REST.
func reconnect(t *testing.T, c *client.Client, id string, values map[string]string) {
	t.Helper()
	s, err := c.Create(t.Context(), "x", client.SessionOptions{}) // for the key
	must(t, err)
	body, err := json.Marshal(map[string]any{"connection": map[string]any{"state": map[string]any{"authScheme": "API_KEY", "val": values}}})
	must(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, c.BaseURL()+"/api/v3.1/connected_accounts/"+id, bytes.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-api-key", s.MCP.Headers["x-api-key"])
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("connecting again: %s", res.Status)
	}
}

// original answers as the contract's examples do.
func original(t *testing.T, change func(answers map[string]json.RawMessage)) *client.Client {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "composio", "examples.json"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("the contract's examples are not here: %v", err)
	}
	var examples map[string]struct {
		Body json.RawMessage `json:"body"`
	}
	must(t, json.Unmarshal(b, &examples))
	answers := map[string]json.RawMessage{}
	for _, list := range []string{"/auth_configs", "/connected_accounts", "/trigger_instances/active"} {
		answers[list] = examples["GET "+list].Body
	}
	answers["/tool_router/session/trs_8hQ2mXc4Vt1b"] = examples["GET /tool_router/session/{session_id}"].Body
	if change != nil {
		change(answers)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[strings.TrimPrefix(r.URL.Path, "/api/v3.1")]
		if !ok || r.Header.Get("X-Api-Key") != "of the original" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Options{BaseURL: server.URL, APIKey: "of the original"})
	must(t, err)
	return c
}

func TestFromTheOriginal(t *testing.T) {
	t.Parallel()
	to := router(t)
	e, err := importer.Take(t.Context(), original(t, nil), []string{"trs_8hQ2mXc4Vt1b"})
	must(t, err)
	if len(e.AuthConfigs) != 1 || len(e.Accounts) != 1 || len(e.Triggers) != 1 || len(e.Sessions) != 1 {
		t.Fatalf("taken %+v", e)
	}
	config, account, trigger := e.AuthConfigs[0].ID, e.Accounts[0].ID, e.Triggers[0].ID
	o := importer.Options{To: to, Known: map[string]string{}}
	r := bring(t, e, o)
	if i := what(t, r, config); i.Result != importer.Waiting || !strings.Contains(i.Why, "client_secret") || strings.Contains(i.Why, "client_id") {
		t.Errorf("without its secret: %+v", i)
	}
	for _, id := range []string{account, "trs_8hQ2mXc4Vt1b"} {
		if i := what(t, r, id); i.Result != importer.Waiting {
			t.Errorf("%s: %+v", id, i)
		}
	}
	o.Credentials = map[string]map[string]string{config: {"client_secret": "hidden-7731"}}
	r = bring(t, e, o)
	if r.Counts[importer.Made] != 3 {
		t.Fatalf("with its secret: %+v", r)
	}
	made, err := to.AuthConfig(t.Context(), o.Known[config])
	must(t, err)
	if made.Credentials["client_id"] != "abc" || made.Scheme != "OAUTH2" {
		t.Errorf("the auth config: %+v", made)
	}
	if i := what(t, r, trigger); i.Result == importer.Made {
		t.Errorf("a trigger without an account: %+v", i)
	}
	got, err := to.SessionConfig(t.Context(), o.Known["trs_8hQ2mXc4Vt1b"])
	must(t, err)
	var want, is map[string]any
	must(t, json.Unmarshal(e.Sessions[0].Config, &want))
	must(t, json.Unmarshal(got, &is))
	want["auth_configs"].(map[string]any)["confluence"] = o.Known[config]
	want["connected_accounts"].(map[string]any)["confluence"] = []any{o.Known[account]}
	for _, part := range []string{"user_id", "toolkits", "auth_configs", "connected_accounts", "tools", "tags"} {
		if a, b := text(t, want[part]), text(t, is[part]); a != b {
			t.Errorf("%s: %s, want %s", part, b, a)
		}
	}
	report, err := json.Marshal(r)
	must(t, err)
	if strings.Contains(string(report), "hidden-7731") {
		t.Error("the report holds a secret")
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// What is not offered here is left, and a session that would be allowed more
// without it is not made.
func TestLeft(t *testing.T) {
	t.Parallel()
	other := func(b json.RawMessage) json.RawMessage {
		return json.RawMessage(strings.NewReplacer(`"confluence"`, `"gchat"`, "CONFLUENCE_", "GCHAT_").Replace(string(b)))
	}
	from := original(t, func(answers map[string]json.RawMessage) {
		for path := range maps.Clone(answers) {
			answers[path] = other(answers[path])
		}
	})
	e, err := importer.Take(t.Context(), from, []string{"trs_8hQ2mXc4Vt1b"})
	must(t, err)
	to := router(t)
	r := bring(t, e, importer.Options{To: to})
	if r.Counts[importer.Made] != 0 || r.Counts[importer.Left] != 3 || r.Counts[importer.Waiting] != 1 {
		t.Errorf("%+v", r)
	}
	if i := what(t, r, "trs_8hQ2mXc4Vt1b"); !strings.Contains(i.Why, "any of its toolkits") {
		t.Errorf("the session: %+v", i)
	}
}

// An import that was cut short goes on where it stopped and makes nothing twice.
func TestCutShort(t *testing.T) {
	t.Parallel()
	ctx, from, to := t.Context(), router(t), router(t)
	for _, name := range []string{"one", "two", "three"} {
		_, err := from.CreateAuthConfig(ctx, client.NewAuthConfig{Toolkit: "confluence", Scheme: "API_KEY", Name: name})
		must(t, err)
	}
	e, err := importer.Take(ctx, from, nil)
	must(t, err)
	o := importer.Options{To: to, Known: map[string]string{}}
	full := errors.New("no space left")
	o.Keep = func() error {
		if len(o.Known) == 2 {
			return full
		}
		return nil
	}
	if _, err := importer.Import(ctx, e, o); !errors.Is(err, full) {
		t.Fatalf("%v", err)
	}
	o.Keep = nil
	if r := bring(t, e, o); r.Counts[importer.There] != 2 || r.Counts[importer.Made] != 1 {
		t.Errorf("%+v", r)
	}
	n := 0
	for range to.AuthConfigs(ctx, "") {
		n++
	}
	if n != 3 {
		t.Errorf("%d auth configs", n)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := importer.Import(gone, e, importer.Options{To: to}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format":1,"auth_configs":[{"id":"ac_1","credentials":{"client_secret":"s","client_id":"c"}}],"connected_accounts":[{"id":"ca_1","data":{"password":"s"}}]}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := importer.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, c := range e.AuthConfigs {
			if c.Credentials["client_secret"] != nil {
				t.Error("a secret was kept")
			}
		}
		for _, a := range e.Accounts {
			if a.Data["password"] != nil || a.State.Val != nil {
				t.Error("a secret was kept")
			}
		}
		var out bytes.Buffer
		must(t, e.Write(&out))
		again, err := importer.Read(&out)
		if err != nil || len(again.Accounts) != len(e.Accounts) {
			t.Errorf("written and read again: %v", err)
		}
	})
}

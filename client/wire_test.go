package client_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

func TestCatalogueFilters(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	versions, err := c.ToolkitVersions(ctx)
	if err != nil || len(versions["confluence"]) != 1 {
		t.Fatalf("versions %v, %v", versions, err)
	}
	n := 0
	for tk, err := range c.Toolkits(ctx, client.ToolkitQuery{Search: "confluence", ByUse: true}) {
		if err != nil || tk.Slug != "confluence" {
			t.Errorf("%+v, %v", tk, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d toolkits", n)
	}
	scopes, err := c.RequiredScopes(ctx, "CONFLUENCE_GET_SPACES", "CONFLUENCE_GET_PAGES")
	if err != nil || len(scopes) == 0 {
		t.Errorf("scopes %v, %v", scopes, err)
	}
	query := client.ToolQuery{Toolkit: "confluence", Tags: []string{"destructiveHint"}, Versions: map[string]string{"confluence": versions["confluence"][0]}}
	n = 0
	for tool, err := range c.Tools(ctx, query) {
		if err != nil || !slices.Contains(tool.Tags, "destructiveHint") {
			t.Errorf("%+v, %v", tool, err)
		}
		n++
	}
	if n == 0 {
		t.Error("no destructive tools")
	}
}

func TestSessionHistory(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	s, err := c.Create(ctx, "user-"+t.Name(), client.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for v, err := range s.History(ctx) {
		if err != nil || v.Version != 1 || !v.Current || v.CreatedAt.IsZero() {
			t.Errorf("%+v, %v", v, err)
		}
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	s, err := c.Create(ctx, "user-"+t.Name(), client.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Proxy(ctx, "confluence", client.Request{Endpoint: "/wiki/rest/api/space", Query: url.Values{"limit": {"1"}}})
	if err != nil || r.Status != 200 || r.LogID == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	var spaces struct {
		Results []any `json:"results"`
	}
	if err := json.Unmarshal(r.Data, &spaces); err != nil || len(spaces.Results) != 1 {
		t.Errorf("%s, %v", r.Data, err)
	}
	if r, err = s.Proxy(ctx, "confluence", client.Request{Method: "POST", Endpoint: "/wiki/rest/api/space", Body: map[string]string{}}); err != nil || r.Status != 400 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = s.Proxy(ctx, "confluence", client.Request{Endpoint: "https://example.com/"}); err == nil {
		t.Error("another site was taken")
	}
}

func TestSessionFiles(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	s, err := c.Create(ctx, "user-"+t.Name(), client.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"reports/a.txt", "b.txt"} {
		if err := s.WriteFile(ctx, path, "text/plain", strings.NewReader("content of "+path)); err != nil {
			t.Fatal(err)
		}
	}
	var paths []string
	for f, err := range s.Files(ctx, "reports") {
		if err != nil || f.Size != 24 || f.Modified.IsZero() {
			t.Errorf("%+v, %v", f, err)
		}
		paths = append(paths, f.Path)
	}
	if !slices.Equal(paths, []string{"reports/a.txt"}) {
		t.Errorf("files %v", paths)
	}
	var b bytes.Buffer
	if _, err := s.ReadFile(ctx, "b.txt", &b); err != nil || b.String() != "content of b.txt" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if err := s.RemoveFile(ctx, "reports"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveFile(ctx, "reports"); err == nil {
		t.Error("removed twice")
	}
}

// Credentials of one call are not an account's, and are kept nowhere.
func TestCallsOnTheirOwnCredentials(t *testing.T) {
	t.Parallel()
	w, ctx := theWorld(), t.Context()
	c := w.client(client.Options{})
	bob := w.site.AddUser(confluence.User{Email: strings.ToLower(t.Name()) + "@acme.example", DisplayName: "Bob", Token: "bobs-token"})
	own := &client.Credentials{Toolkit: "confluence", Scheme: "API_KEY", Values: map[string]string{
		"subdomain": "acme", "generic_id": bob.Email, "generic_api_key": bob.Token, "base_url": w.url,
	}}
	r, err := c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_CURRENT_USER", UserID: "nobody", Credentials: own})
	must(t, err)
	var who struct{ Email string }
	if err := r.Decode(&who); err != nil || who.Email != bob.Email || r.AccountID != "" {
		t.Errorf("runs as %+v on %q: %v", who, r.AccountID, err)
	}
	p, err := c.Proxy(ctx, "", client.Request{Endpoint: "/wiki/rest/api/user/current", Credentials: own})
	if err != nil || p.Status != http.StatusOK || !strings.Contains(string(p.Data), bob.Email) {
		t.Errorf("request %+v, %v", p, err)
	}
	if n := len(all(t, c.Accounts(ctx, client.AccountQuery{UserIDs: []string{"nobody"}}))); n != 0 {
		t.Errorf("%d accounts", n)
	}
}

// An account gets other credentials when they are proven, and keeps its own when
// they are not.
func TestUpdateCredentials(t *testing.T) {
	t.Parallel()
	w, ctx := theWorld(), t.Context()
	c := w.client(client.Options{})
	eve := w.site.AddUser(confluence.User{Email: strings.ToLower(t.Name()) + "@acme.example", DisplayName: "Eve", Token: "eves-token"})
	a, err := c.ConnectAccount(ctx, client.ConnectRequest{UserID: "eve", Toolkit: "confluence", Scheme: "API_KEY", Values: map[string]string{
		"subdomain": "acme", "generic_id": eve.Email, "generic_api_key": eve.Token, "base_url": w.url,
	}})
	must(t, err)
	if err := c.UpdateCredentials(ctx, a.ID, "API_KEY", map[string]string{"generic_api_key": "another-token"}); err == nil || strings.Contains(err.Error(), "another-token") {
		t.Errorf("a wrong token: %v", err)
	}
	must(t, c.UpdateCredentials(ctx, a.ID, "API_KEY", map[string]string{"generic_api_key": eve.Token}))
	if list := all(t, c.Accounts(ctx, client.AccountQuery{IDs: []string{a.ID}})); len(list) != 1 || list[0].Status != "ACTIVE" {
		t.Errorf("accounts %+v", list)
	}
	must(t, second(c.DeleteAccount(ctx, a.ID, true)))
}

// Toolkits of the application's own are found like its tools.
func TestCustomToolkits(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	own := []client.CustomToolkit{{Slug: "PHONE", Name: "Phone", Description: "Our telephone.", Tools: []client.CustomTool{{
		Slug: "RING_BELL", Name: "Ring bell", Description: "Ring the bell of the front door.", Input: json.RawMessage(`{"type":"object","properties":{}}`),
	}}}}
	s, err := c.Create(ctx, "user-phone", client.SessionOptions{CustomToolkits: own})
	must(t, err)
	found, err := s.Search(ctx, "ring the bell of the front door")
	must(t, err)
	if len(s.CustomTools) != 1 || len(found.Results[0].Primary) == 0 || !strings.Contains(found.Results[0].Primary[0], "RING_BELL") {
		t.Errorf("tools %+v, found %+v", s.CustomTools, found.Results)
	}
	connected := false
	if list := all(t, s.Toolkits(ctx, client.SessionToolkitQuery{Search: "confluence", Connected: &connected})); len(list) != 0 {
		t.Errorf("connected to %+v", list)
	}
}

// What Configure is not told goes back to what Create gives by itself.
func TestConfigure(t *testing.T) {
	t.Parallel()
	w, ctx := theWorld(), t.Context()
	c := w.client(client.Options{})
	auth, err := c.CreateAuthConfig(ctx, w.config("configured"))
	must(t, err)
	s, err := c.Create(ctx, "user-configure", client.SessionOptions{})
	must(t, err)
	url := s.MCP.URL
	plain, err := c.SessionConfig(ctx, s.ID)
	must(t, err)
	no := false
	must(t, s.Configure(ctx, client.SessionOptions{
		Toolkits: []string{"confluence"}, Tools: map[string]client.ToolRule{"confluence": {Disable: []string{"CONFLUENCE_DELETE_PAGE"}}},
		Tags: &client.TagRule{Enable: []string{"readOnlyHint"}}, AuthConfigs: map[string]string{"confluence": auth.ID},
		Preload: []string{"CONFLUENCE_GET_SPACES"}, NoSearch: true, NoConnections: true, NoMultiExecute: true,
		WaitForConnections: true, NoRemoval: true, CallbackURL: "https://acme.example/done", LinkOrigin: "https://acme.example",
		MultiAccount: &client.MultiAccount{Max: 4, Explicit: true}, Permissions: &client.Permissions{Default: "ask_every_call"}, Proxy: &no,
	}))
	full, err := c.SessionConfig(ctx, s.ID)
	must(t, err)
	for _, want := range []string{
		`"CONFLUENCE_DELETE_PAGE"`, `"readOnlyHint"`, auth.ID, `"CONFLUENCE_GET_SPACES"`, `"https://acme.example/done"`,
		`"max_accounts_per_toolkit":4`, `"ask_every_call"`, `"enable_connection_removal":false`, `"enable_wait_for_connections":true`,
		`"search":{"enable":false}`, `"execute":{"enable_multi_execute":false}`, `"proxy_execute":{"enable":false}`,
	} {
		if !strings.Contains(string(full), want) {
			t.Errorf("the configuration has no %s: %s", want, full)
		}
	}
	must(t, s.Configure(ctx, client.SessionOptions{}))
	if again, err := c.SessionConfig(ctx, s.ID); err != nil || string(again) != string(plain) {
		t.Errorf("taken back it is %s, and was %s: %v", again, plain, err)
	}
	if s.Version != 3 || s.MCP.URL != url {
		t.Errorf("version %d at %s", s.Version, s.MCP.URL)
	}
}

package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/client"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]client.Options{
		"no address":      {APIKey: "k"},
		"no scheme":       {BaseURL: "127.0.0.1:8787", APIKey: "k"},
		"another scheme":  {BaseURL: "ftp://h", APIKey: "k"},
		"a user in it":    {BaseURL: "http://u:p@h", APIKey: "k"},
		"a query in it":   {BaseURL: "http://h?x=1", APIKey: "k"},
		"no key":          {BaseURL: "http://h"},
		"not a url":       {BaseURL: "http://[::1", APIKey: "k"},
		"relative":        {BaseURL: "/api", APIKey: "k"},
		"fragment in it":  {BaseURL: "http://h#x", APIKey: "k"},
		"opaque, no host": {BaseURL: "http:h", APIKey: "k"},
	} {
		if _, err := client.New(o); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: the error shows credentials: %v", name, err)
		}
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	s, err := c.Create(ctx, "ann", client.SessionOptions{
		Toolkits: []string{"confluence"}, Preload: []string{"CONFLUENCE_GET_SPACES"}, NoConnections: true,
		Tools: map[string]client.ToolRule{"confluence": {Disable: []string{"CONFLUENCE_DELETE_PAGE"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.UserID != "ann" || s.Version != 1 || s.MCP.URL != c.BaseURL()+"/tool_router/"+s.ID+"/mcp" || s.MCP.Headers["x-api-key"] == "" {
		t.Errorf("session %+v", s)
	}
	if diff := cmp.Diff([]string{"COMPOSIO_SEARCH_TOOLS", "COMPOSIO_GET_TOOL_SCHEMAS", "COMPOSIO_MULTI_EXECUTE_TOOL"}, s.MetaTools); diff != "" {
		t.Errorf("meta tools (-want +got):\n%s", diff)
	}
	again, err := c.Use(ctx, s.ID)
	if err != nil || again.MCP.URL != s.MCP.URL {
		t.Errorf("again: %+v, %v", again, err)
	}

	found, err := s.Search(ctx, "add a label to a page")
	if err != nil || found.Results[0].Primary[0] != "CONFLUENCE_ADD_CONTENT_LABEL" || found.Tools["CONFLUENCE_ADD_CONTENT_LABEL"].Toolkit != "confluence" {
		t.Errorf("found %+v, %v", found, err)
	}

	if len(found.Toolkits) != 1 || found.Toolkits[0].Slug != "confluence" || found.Toolkits[0].Status == "" || len(found.Next) == 0 {
		t.Errorf("what to do next %+v %q", found.Toolkits, found.Next)
	}

	res, err := s.Execute(ctx, "CONFLUENCE_GET_CURRENT_USER", nil, "")
	if err != nil || !res.Successful || !strings.Contains(string(res.Data), `"ann"`) || res.LogID == "" {
		t.Errorf("result %+v, %v", res, err)
	}
	res, err = s.Execute(ctx, "CONFLUENCE_GET_PAGE_BY_ID", map[string]any{"id": "1"}, "")
	if err != nil || res.Successful || res.Error == "" {
		t.Errorf("a page that is not there: %+v, %v", res, err)
	}
	var failed *client.Error
	if _, err = s.Execute(ctx, "CONFLUENCE_DELETE_PAGE", map[string]any{"id": "1"}, ""); !errors.As(err, &failed) || failed.Status != http.StatusForbidden || failed.Fix == "" || failed.RequestID == "" {
		t.Errorf("a hidden tool: %v", err)
	}

	if err := s.Delete(ctx); err != nil {
		t.Error(err)
	}
	if _, err := c.Use(ctx, s.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a deleted session: %v", err)
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	n := 0
	for tool, err := range c.Tools(ctx, client.ToolQuery{Toolkit: "confluence"}) {
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(tool.Input) || tool.Toolkit.Slug != "confluence" {
			t.Errorf("tool %+v", tool)
		}
		n++
	}
	if n < 24 {
		t.Errorf("%d tools", n)
	}
	for tk, err := range c.Toolkits(ctx, client.ToolkitQuery{}) {
		if err != nil || tk.Slug != "confluence" || tk.Meta.Tools != n {
			t.Errorf("toolkit %+v, %v", tk, err)
		}
	}
	if _, err := c.Tool(ctx, "CONFLUENCE_NOPE"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("an unknown tool: %v", err)
	}
	if _, err := c.ConnectFields(ctx, "confluence", "OAUTH1"); err == nil || !strings.Contains(err.Error(), "API_KEY") {
		t.Errorf("an unknown scheme: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	res, err := c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_SPACES", UserID: "bob", Arguments: map[string]any{"limit": 1}})
	if err != nil || !res.Successful {
		t.Fatalf("%+v, %v", res, err)
	}
	var ids []string
	for a, err := range c.Accounts(ctx, client.AccountQuery{UserIDs: []string{"bob"}, Statuses: []string{"ACTIVE"}}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	if len(ids) != 1 {
		t.Fatalf("accounts %v", ids)
	}
	values := map[string]string{"subdomain": "acme", "generic_id": "bob@acme.test", "generic_api_key": "not-a-real-token", "base_url": "http://127.0.0.1:9"}
	_, err = c.ConnectAccount(ctx, client.ConnectRequest{UserID: "bob", Toolkit: "confluence", Scheme: "API_KEY", Values: values})
	var refused *client.Error
	if !errors.As(err, &refused) || strings.Contains(err.Error(), "not-a-real-token") {
		t.Errorf("a private address: %v", err)
	}
	if _, err := c.DeleteAccount(ctx, ids[0], false); err != nil {
		t.Error(err)
	}
	if _, err := c.Account(ctx, ids[0]); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a deleted account: %v", err)
	}
}

// What answers is not always a router.
func TestOddServers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"HTML":          {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "not the JSON"},
		"an error page": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, "502"},
		"another error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"x"}`, http.StatusTeapot) }, "418"},
		"a cut body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
		}, "broke off"},
		"an endless answer": {func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 33<<20)) }, "larger than"},
	} {
		server := httptest.NewServer(tc.answer)
		c, err := client.New(client.Options{BaseURL: server.URL, APIKey: "ak_secret_of_the_test", Retries: -1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Tool(t.Context(), "X")
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "ak_secret") {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
		server.Close()
		if _, err = c.Tool(t.Context(), "X"); err == nil || !strings.Contains(err.Error(), "running") {
			t.Errorf("no server: %v", err)
		}
	}
}

// The key goes to the configured host and to no other, whatever client carries it.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 8)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("X-Api-Key") }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer first.Close()
	for name, carrier := range map[string]*http.Client{"its own": nil, "a given one": {}} {
		c, err := client.New(client.Options{BaseURL: first.URL, APIKey: "ak_secret", HTTPClient: carrier})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Create(t.Context(), "ann", client.SessionOptions{})
		var e *client.Error
		if !errors.As(err, &e) || e.Status != http.StatusTemporaryRedirect || !strings.Contains(e.Message, other.URL) || !strings.Contains(e.Fix, "BaseURL") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the other host was asked, with the key %q", <-asked)
	}
}

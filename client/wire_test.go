package client_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/client"
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

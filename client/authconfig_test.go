package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/client"
)

func TestAuthConfigs(t *testing.T) {
	t.Parallel()
	c := router(t)
	ctx := t.Context()
	fields, err := c.AuthConfigFields(ctx, "confluence", "OAUTH2")
	if err != nil || len(fields) == 0 || fields[0].Name != "client_id" {
		t.Fatalf("fields %+v, %v", fields, err)
	}
	_, err = c.CreateAuthConfig(ctx, client.NewAuthConfig{Toolkit: "confluence", Scheme: "OAUTH2", Credentials: map[string]string{"client_id": "a"}})
	if e := (*client.Error)(nil); !errors.As(err, &e) || e.Status != http.StatusBadRequest || !strings.Contains(e.Message, "client_secret") {
		t.Errorf("without a secret: %v", err)
	}
	made, err := c.CreateAuthConfig(ctx, client.NewAuthConfig{
		Toolkit: "confluence", Scheme: "OAUTH2", Name: "team", Tools: []string{"CONFLUENCE_GET_SPACES"},
		Credentials: map[string]string{"client_id": "app", "client_secret": "hidden-5561"}, Scopes: []string{"read:page:confluence"},
	})
	if err != nil || made.Name != "team" || made.Credentials["client_id"] != "app" || made.Credentials["client_secret"] != nil || len(made.Tools) != 1 || !made.ForSessions {
		t.Fatalf("made %+v, %v", made, err)
	}
	name, none, off := "renamed", []string{}, false
	changed, err := c.UpdateAuthConfig(ctx, made.ID, client.AuthConfigChange{
		Name: &name, Tools: &none, ForSessions: &off, Credentials: map[string]string{"client_secret": "hidden-5562"},
	})
	if err != nil || changed.Name != name || len(changed.Tools) != 0 || changed.ForSessions || changed.Credentials["scopes"] == nil {
		t.Fatalf("changed %+v, %v", changed, err)
	}
	if err := c.EnableAuthConfig(ctx, made.ID, false); err != nil {
		t.Fatal(err)
	}
	found := 0
	for a, err := range c.AuthConfigs(ctx, "confluence") {
		if err != nil {
			t.Fatal(err)
		}
		if a.ID == made.ID && a.Status == "DISABLED" {
			found++
		}
	}
	if found != 1 {
		t.Error("the list does not have it")
	}
	if err := c.EnableAuthConfig(ctx, made.ID, true); err != nil {
		t.Fatal(err)
	}
	link, err := c.LinkAccount(ctx, client.LinkRequest{UserID: "jo", AuthConfigID: made.ID, Values: map[string]string{"subdomain": "acme"}})
	if err != nil || !strings.Contains(link.URL, "/link/lt_") {
		t.Fatalf("link %+v, %v", link, err)
	}
	a, err := c.Account(ctx, link.AccountID)
	if err != nil || a.Status != "INITIATED" || a.AuthConfig.ID != made.ID || a.Data["subdomain"] != "acme" {
		t.Fatalf("account %+v, %v", a, err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.WaitForAccount(gone, a.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	if err := c.DeleteAuthConfig(ctx, made.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AuthConfig(ctx, made.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := c.WaitForAccount(ctx, a.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("its account: %v", err)
	}
}

func TestAccountOperations(t *testing.T) {
	t.Parallel()
	c := router(t)
	ctx := t.Context()
	s, err := c.Create(ctx, "jo", client.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Execute(ctx, "CONFLUENCE_GET_CURRENT_USER", nil, "")
	if err != nil || !strings.HasPrefix(res.AccountID, "ca_") {
		t.Fatalf("%+v, %v", res, err)
	}
	id := res.AccountID
	if a, err := c.WaitForAccount(ctx, id); err != nil || a.ID != id {
		t.Fatalf("waiting for what is there: %+v, %v", a, err)
	}
	if err := c.SetAlias(ctx, id, "work"); err != nil {
		t.Fatal(err)
	}
	if res, err := s.Execute(ctx, "CONFLUENCE_GET_CURRENT_USER", nil, "work"); err != nil || res.AccountID != id {
		t.Errorf("by its alias: %+v, %v", res, err)
	}
	if r, err := c.RefreshAccount(ctx, id, true); err != nil || r.Status != "ACTIVE" || r.URL != "" {
		t.Errorf("refresh: %+v, %v", r, err)
	}
	if err := c.EnableAccount(ctx, id, false); err != nil {
		t.Fatal(err)
	}
	_, err = s.Execute(ctx, "CONFLUENCE_GET_CURRENT_USER", nil, "work")
	if e := (*client.Error)(nil); !errors.As(err, &e) || e.Code != client.CodeNoConnection {
		t.Errorf("disabled: %v", err)
	}
	if err := c.EnableAccount(ctx, id, true); err != nil {
		t.Fatal(err)
	}
	_, err = c.RevokeAccount(ctx, id)
	if e := (*client.Error)(nil); !errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Fix == "" {
		t.Errorf("revoking what was typed in: %v", err)
	}
}

// People are asked for the scopes of the tools that a project names.
func TestScopesForTools(t *testing.T) {
	t.Parallel()
	c, ctx := router(t), t.Context()
	asked := func(n client.NewAuthConfig) []string {
		n.Toolkit, n.Scheme, n.NotForSessions = "confluence", "OAUTH2", true
		n.Credentials = map[string]string{"client_id": "app", "client_secret": "hidden"}
		config, err := c.CreateAuthConfig(ctx, n)
		must(t, err)
		link, err := c.LinkAccount(ctx, client.LinkRequest{UserID: "scoped", AuthConfigID: config.ID})
		must(t, err)
		a, err := c.Account(ctx, link.AccountID)
		must(t, err)
		must(t, c.DeleteAuthConfig(ctx, config.ID, false))
		return a.Requested
	}
	every, few := asked(client.NewAuthConfig{}), asked(client.NewAuthConfig{ScopesFor: []string{"CONFLUENCE_GET_SPACES"}})
	if len(few) == 0 || len(few) >= len(every) {
		t.Errorf("asked for %v, and of everything for %d", few, len(every))
	}
}

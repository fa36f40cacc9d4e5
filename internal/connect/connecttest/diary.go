package connecttest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// Diary is a toolkit whose accounts are connected by OAuth 2, at the Provider
// that its auth config names.
func Diary() *toolkit.Toolkit {
	auth := func(scheme, name string) toolkit.Auth {
		return toolkit.Auth{
			Scheme: scheme, Name: name,
			ConfigFields: []toolkit.Field{{Name: "client_id", Required: true}, {Name: "client_secret", Required: true, Secret: true}, {Name: "token_url", Required: true}},
			BaseURL:      func(fields map[string]string) (string, error) { return fields["site"], nil },
			Authorize: func(r *http.Request, _ map[string]string, secrets toolkit.Secrets) {
				r.Header.Set("Authorization", "Bearer "+secrets["access_token"])
				if secrets["refresh_token"] != "" {
					r.Header.Set("X-Refresh-Token", "a call must not see it")
				}
			},
			OAuth: &toolkit.OAuth{Endpoint: func(config map[string]string) (toolkit.Endpoint, error) {
				return toolkit.Endpoint{TokenURL: config["token_url"]}, nil
			}},
		}
	}
	check := func(ctx context.Context, call *toolkit.Call) (toolkit.Identity, error) {
		me, err := whoami(ctx, call)
		if err != nil {
			return nil, err
		}
		return toolkit.Identity{"email": me.Email}, nil
	}
	client := func(c *toolkit.Call) (*toolkit.Call, error) { return c, nil }
	return &toolkit.Toolkit{
		Slug: "diary", Name: "Diary", Description: "Days that people had.", Version: "20261122_00",
		Check: check, Auth: []toolkit.Auth{auth("OAUTH2", "diary_oauth"), auth("S2S_OAUTH2", "diary_s2s")},
		Tools: toolkit.Bind(client,
			toolkit.Read("DIARY_WHOAMI", "Who am I", "Say whose diary this is.", toolkit.About{},
				func(ctx context.Context, c *toolkit.Call, _ none) (*person, error) { return whoami(ctx, c) })),
	}
}

// Keeper is what connected accounts are put into.
type Keeper interface {
	CreateAuthConfig(ctx context.Context, c domain.AuthConfig) error
	PutConfigSecret(ctx context.Context, projectID, configID, field string, sealed []byte) error
	CreateAccount(ctx context.Context, a domain.ConnectedAccount) error
	PutSecret(ctx context.Context, projectID, accountID, field string, sealed []byte) error
}

// DiaryConfig makes the auth config of the provider's application at the URL.
func DiaryConfig(t testing.TB, db Keeper, v *vault.Vault, p *Provider, url string, scheme domain.AuthScheme, now time.Time) domain.AuthConfig {
	t.Helper()
	c := domain.AuthConfig{
		ID: domain.NewID(domain.PrefixAuthConfig), ProjectID: Project, Toolkit: "diary", Name: "Diary", Scheme: scheme,
		Origin: domain.OriginProject, Fields: map[string]string{"client_id": p.ClientID, "token_url": url + "/token"},
		CreatedAt: now, UpdatedAt: now,
	}
	if err := db.CreateAuthConfig(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	PutConfigSecret(t, db, v, c.ID, "client_secret", p.ClientSecret)
	return c
}

// DiaryAccount connects a user by a grant that the provider gives.
func DiaryAccount(t testing.TB, db Keeper, v *vault.Vault, p *Provider, url string, c domain.AuthConfig, user string, now time.Time) domain.ConnectedAccount {
	t.Helper()
	access, refresh := p.Grant(user + "@example.com")
	a := domain.ConnectedAccount{
		ID: domain.NewID(domain.PrefixAccount), ProjectID: Project, UserID: user, Toolkit: "diary", AuthConfigID: c.ID,
		Scheme: c.Scheme, Origin: c.Origin, WordID: "diary_" + user, Status: domain.AccountActive,
		Fields: map[string]string{"site": url}, Identity: map[string]string{"email": user + "@example.com"},
		Grant: domain.Grant{
			Scopes: []string{"diary"}, ExpiresAt: now.Add(p.Life), RefreshAt: now.Add(p.Life * 8 / 10), RefreshedAt: now, Generation: 1,
		},
		CreatedAt: now, UpdatedAt: now,
	}
	secrets := map[string]string{"access_token": access, "refresh_token": refresh}
	if c.Scheme == domain.SchemeS2SOAuth2 {
		delete(secrets, "refresh_token")
	}
	if err := db.CreateAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for field, value := range secrets {
		PutSecret(t, db, v, a.ID, field, value)
	}
	return a
}

// PutSecret seals a secret of an account of Project.
func PutSecret(t testing.TB, db Keeper, v *vault.Vault, accountID, field, value string) {
	t.Helper()
	if err := db.PutSecret(t.Context(), Project, accountID, field, seal(t, v, accountID, field, value)); err != nil {
		t.Fatal(err)
	}
}

func seal(t testing.TB, v *vault.Vault, id, field, value string) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), vault.Ref{ProjectID: Project, AccountID: id, Field: field}, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// PutConfigSecret seals a secret of an auth config of Project.
func PutConfigSecret(t testing.TB, db Keeper, v *vault.Vault, configID, field, value string) {
	t.Helper()
	if err := db.PutConfigSecret(t.Context(), Project, configID, field, seal(t, v, configID, field, value)); err != nil {
		t.Fatal(err)
	}
}

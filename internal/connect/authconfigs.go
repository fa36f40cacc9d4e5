package connect

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// AuthConfig gives one auth config.
func (s *Service) AuthConfig(ctx context.Context, projectID, id string) (*domain.AuthConfig, error) {
	c, err := s.opts.Store.AuthConfig(ctx, projectID, id)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil, domain.Errorf(domain.CodeNotFound, "there is no auth config %q", clip(id))
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// AuthConfigs lists auth configs; toolkit may be empty.
func (s *Service) AuthConfigs(ctx context.Context, projectID, toolkit string, page store.Page) ([]domain.AuthConfig, int, error) {
	return s.opts.Store.ListAuthConfigs(ctx, projectID, toolkit, page)
}

// CreateAuthConfig makes an auth config of origin project. An empty scheme
// means the toolkit's first that can be connected here.
func (s *Service) CreateAuthConfig(ctx context.Context, projectID, toolkit, name string, scheme domain.AuthScheme) (*domain.AuthConfig, error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, projectID, toolkit)
	if err != nil {
		return nil, err
	}
	if tk.NoAuth() {
		return nil, domain.Invalid("toolkit", "toolkit %s needs no auth config: its tools run without an account", tk.Slug)
	}
	if scheme == "" {
		scheme = firstTyped(tk)
	}
	auth := authOf(tk, scheme)
	if auth == nil || !typed(auth) {
		return nil, domain.Invalid("auth_scheme", "toolkit %s cannot be connected with %q here", tk.Slug, clip(string(scheme))).
			WithFix("Use one of: %s.", schemeList(tk))
	}
	name = strings.TrimSpace(name)
	if len(name) > 200 {
		return nil, domain.Invalid("name", "name has %d bytes; at most 200 are allowed", len(name))
	}
	if name == "" {
		_, n, err := s.opts.Store.ListAuthConfigs(ctx, projectID, tk.Slug, store.Page{Limit: 1})
		if err != nil {
			return nil, err
		}
		name = fmt.Sprintf("%s-%d", tk.Slug, n+1)
	}
	c := s.newAuthConfig(projectID, tk.Slug, name, scheme, domain.OriginProject)
	if err := s.opts.Store.CreateAuthConfig(ctx, c); err != nil {
		return nil, err
	}
	return &c, nil
}

func (s *Service) newAuthConfig(projectID, toolkitSlug, name string, scheme domain.AuthScheme, origin domain.Origin) domain.AuthConfig {
	now := s.now()
	return domain.AuthConfig{
		ID: domain.NewID(domain.PrefixAuthConfig), ProjectID: projectID, Toolkit: toolkitSlug, Name: name,
		Scheme: scheme, Origin: origin, CreatedAt: now, UpdatedAt: now,
	}
}

func firstTyped(tk *toolkit.Toolkit) domain.AuthScheme {
	for i := range tk.Auth {
		if typed(&tk.Auth[i]) {
			return domain.AuthScheme(tk.Auth[i].Scheme)
		}
	}
	return domain.AuthScheme(tk.Auth[0].Scheme)
}

// defaultAuthConfig gives the config that a connection without a named one
// uses: the project's own, else the one made automatically, else one that is
// yet to be made and has no id.
func (s *Service) defaultAuthConfig(ctx context.Context, projectID string, tk *toolkit.Toolkit) (*domain.AuthConfig, error) {
	for _, origin := range []domain.Origin{domain.OriginProject, domain.OriginAuto} {
		c, err := s.opts.Store.FindAuthConfig(ctx, projectID, tk.Slug, origin)
		if err == nil {
			return &c, nil
		}
		if domain.CodeOf(err) != domain.CodeNotFound {
			return nil, err
		}
	}
	return &domain.AuthConfig{Toolkit: tk.Slug, Scheme: firstTyped(tk), Origin: domain.OriginAuto}, nil
}

// ensureAuthConfig finds or makes the config of an origin other than project.
func (s *Service) ensureAuthConfig(ctx context.Context, tx store.Tx, projectID, toolkitSlug string, scheme domain.AuthScheme, origin domain.Origin) (domain.AuthConfig, error) {
	c, err := tx.FindAuthConfig(ctx, projectID, toolkitSlug, origin)
	if domain.CodeOf(err) != domain.CodeNotFound {
		return c, err
	}
	c = s.newAuthConfig(projectID, toolkitSlug, toolkitSlug+"-"+string(origin), scheme, origin)
	return c, tx.CreateAuthConfig(ctx, c)
}

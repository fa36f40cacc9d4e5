package connect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// AuthConfig gives one auth config.
func (s *Service) AuthConfig(ctx context.Context, projectID, id string) (*domain.AuthConfig, error) {
	c, err := s.opts.Store.AuthConfig(ctx, projectID, id)
	if err != nil {
		return nil, noAuthConfig(err, id)
	}
	return &c, nil
}

func noAuthConfig(err error, id string) error {
	if domain.CodeOf(err) != domain.CodeNotFound {
		return err
	}
	return domain.Errorf(domain.CodeNotFound, "there is no auth config %q", clip(id))
}

// AuthConfigs lists auth configs; toolkit may be empty.
func (s *Service) AuthConfigs(ctx context.Context, projectID, toolkit string, page store.Page) ([]domain.AuthConfig, int, error) {
	return s.opts.Store.ListAuthConfigs(ctx, projectID, toolkit, page)
}

// NewAuthConfig says what an auth config is to be. Only Toolkit is required, and
// what the scheme asks of the project.
type NewAuthConfig struct {
	Toolkit string
	Name    string // empty: the toolkit's slug and a number
	Scheme  domain.AuthScheme
	// Managed asks for credentials that are not the project's own. There are none
	// here: it gives the project's newest config of the toolkit that has an
	// application of its own at the provider, else a config for API keys. Scheme
	// and Credentials are not read then.
	Managed bool
	// Credentials are the values of the scheme's ConfigFields, secret ones too.
	Credentials   map[string]string
	Scopes        []string // asked of the provider; nil: the toolkit's own choice
	Tools         []string // all that may run on the config's accounts; none: every tool
	CreationTools []string // narrow the scopes asked for to what these need
	RouterOff     bool
}

// plain says whether nothing but the toolkit is asked for.
func (n *NewAuthConfig) plain() bool {
	return n.Name == "" && n.Scopes == nil && len(n.Tools)+len(n.CreationTools) == 0 && !n.RouterOff
}

// CreateAuthConfig makes an auth config of origin project; see Managed for when
// it gives one that is there. An empty scheme means the toolkit's first that
// asks nothing of the project. Values are judged by name against what the scheme
// asks for; secret ones are sealed and never given back.
func (s *Service) CreateAuthConfig(ctx context.Context, projectID string, in NewAuthConfig) (*domain.AuthConfig, error) {
	tk, err := s.opts.Catalog.Toolkit(ctx, projectID, in.Toolkit)
	if err != nil {
		return nil, err
	}
	if tk.NoAuth() {
		return nil, domain.Invalid("toolkit", "toolkit %s needs no auth config: its tools run without an account", tk.Slug)
	}
	if in.Managed {
		there, err := s.instead(ctx, projectID, tk, &in)
		if err != nil || there != nil {
			return there, err
		}
		in.Scheme, in.Credentials = firstTyped(tk), nil
	}
	if in.Scheme == "" {
		in.Scheme = firstTyped(tk)
	}
	auth := authOf(tk, in.Scheme)
	if auth == nil || !connectable(auth) {
		return nil, domain.Invalid("auth_scheme", "toolkit %s cannot be connected with %q here", tk.Slug, clip(string(in.Scheme))).
			WithFix("Use one of: %s.", connectableList(tk))
	}
	_, n, err := s.opts.Store.ListAuthConfigs(ctx, projectID, tk.Slug, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if n >= maxAuthConfigs-2 {
		return nil, domain.Errorf(domain.CodeRateLimited, "the project has %d auth configs of toolkit %s; it may have no more", n, tk.Slug).
			WithFix("Delete one that is not used, or update it.")
	}
	if in.Name == "" {
		in.Name = fmt.Sprintf("%s-%d", tk.Slug, n+1)
	}
	c := s.newAuthConfig(projectID, tk.Slug, in.Name, in.Scheme, domain.OriginProject)
	c.RouterOff = in.RouterOff
	change := AuthConfigChange{
		Name: &in.Name, Credentials: in.Credentials, Scopes: &in.Scopes, Tools: &in.Tools, CreationTools: &in.CreationTools,
	}
	secrets, err := apply(tk, auth, &c, &change, nil)
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealConfig(ctx, &c, secrets)
	if err != nil {
		return nil, err
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if err := tx.CreateAuthConfig(ctx, c); err != nil {
			return err
		}
		return putConfigSecrets(ctx, tx, &c, sealed)
	})
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// maxAuthConfigs bounds a project's configs of one toolkit, those made
// automatically too.
const maxAuthConfigs = 500

// instead gives the config that stands for managed credentials, or nil when the
// toolkit's own scheme without any does.
func (s *Service) instead(ctx context.Context, projectID string, tk *toolkit.Toolkit, in *NewAuthConfig) (*domain.AuthConfig, error) {
	list, _, err := s.opts.Store.ListAuthConfigs(ctx, projectID, tk.Slug, store.Page{Limit: maxAuthConfigs})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(c domain.AuthConfig) bool {
		auth := authOf(tk, c.Scheme)
		return c.Origin == domain.OriginProject && !c.Disabled && auth != nil && auth.OAuth != nil
	})
	switch {
	case i < 0:
		return nil, nil
	case !in.plain():
		return nil, domain.Invalid("type", "there are no managed credentials on this server; what stands for them is the project's own auth config %s, which this would not change", list[i].ID).
			WithFix("Make a config of your own with use_custom_auth, or update %s.", list[i].ID)
	}
	return &list[i], nil
}

func (s *Service) newAuthConfig(projectID, toolkitSlug, name string, scheme domain.AuthScheme, origin domain.Origin) domain.AuthConfig {
	now := s.now()
	return domain.AuthConfig{
		ID: domain.NewID(domain.PrefixAuthConfig), ProjectID: projectID, Toolkit: toolkitSlug, Name: name,
		Scheme: scheme, Origin: origin, CreatedAt: now, UpdatedAt: now,
	}
}

// AuthConfigChange says what to change of an auth config; nil leaves it.
type AuthConfigChange struct {
	Name *string
	// Credentials are new values by field; the others stay. An empty value takes
	// an optional one away. A secret is put in the place of the one before.
	Credentials   map[string]string
	Scopes        *[]string // of a nil list: the toolkit's own choice again
	Tools         *[]string
	CreationTools *[]string
	RouterOff     *bool
}

// UpdateAuthConfig changes an auth config. Accounts that are connected keep the
// scopes they were granted until they connect again.
func (s *Service) UpdateAuthConfig(ctx context.Context, projectID, id string, change AuthConfigChange) (*domain.AuthConfig, error) {
	before, err := s.AuthConfig(ctx, projectID, id)
	if err != nil {
		return nil, err
	}
	tk, err := s.opts.Catalog.Toolkit(ctx, projectID, before.Toolkit)
	if err != nil {
		return nil, err
	}
	auth := authOf(tk, before.Scheme)
	if auth == nil {
		return nil, domain.Errorf(domain.CodeUnsupported, "connecting %s with %s is not offered any more", tk.Slug, before.Scheme).
			WithFix("Make a new auth config, or delete this one.")
	}
	kept, err := s.opts.Store.ConfigSecrets(ctx, projectID, id)
	if err != nil {
		return nil, err
	}
	try := *before
	secrets, err := apply(tk, auth, &try, &change, kept)
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealConfig(ctx, before, secrets)
	if err != nil {
		return nil, err
	}
	var after domain.AuthConfig
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		var err error
		if after, err = tx.AuthConfig(ctx, projectID, id); err != nil {
			return noAuthConfig(err, id)
		}
		if _, err = apply(tk, auth, &after, &change, kept); err != nil { // somebody may have changed it meanwhile
			return err
		}
		after.UpdatedAt = s.now()
		if err := tx.UpdateAuthConfig(ctx, projectID, after); err != nil {
			return err
		}
		return putConfigSecrets(ctx, tx, &after, sealed)
	})
	if err != nil {
		return nil, err
	}
	return &after, nil
}

// EnableAuthConfig enables or disables an auth config. On accounts of a disabled
// one nothing runs, and none can be connected with it.
func (s *Service) EnableAuthConfig(ctx context.Context, projectID, id string, enabled bool) error {
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		c, err := tx.AuthConfig(ctx, projectID, id)
		if err != nil {
			return noAuthConfig(err, id)
		}
		if c.Disabled == !enabled {
			return nil
		}
		c.Disabled, c.UpdatedAt = !enabled, s.now()
		return tx.UpdateAuthConfig(ctx, projectID, c)
	})
}

func (s *Service) sealConfig(ctx context.Context, c *domain.AuthConfig, secrets toolkit.Secrets) (map[string][]byte, error) {
	sealed := make(map[string][]byte, len(secrets))
	for field, value := range secrets {
		b, err := s.opts.Vault.Seal(ctx, vault.Ref{ProjectID: c.ProjectID, AccountID: c.ID, Field: field}, []byte(value))
		if err != nil {
			return nil, fmt.Errorf("sealing %s: %w", field, err)
		}
		sealed[field] = b
	}
	return sealed, nil
}

func putConfigSecrets(ctx context.Context, tx store.Tx, c *domain.AuthConfig, sealed map[string][]byte) error {
	for field, b := range sealed {
		if err := tx.PutConfigSecret(ctx, c.ProjectID, c.ID, field, b); err != nil {
			return err
		}
	}
	return nil
}

// connectable says whether accounts can be connected with the auth: by typing
// values, or at the provider.
func connectable(auth *toolkit.Auth) bool {
	return auth.Authorize != nil && auth.BaseURL != nil && (auth.OAuth != nil || typed(auth))
}

func connectableList(tk *toolkit.Toolkit) string {
	var names []string
	for i := range tk.Auth {
		if connectable(&tk.Auth[i]) {
			names = append(names, tk.Auth[i].Scheme)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// firstTyped gives the scheme that asks nothing of the project, by preference.
func firstTyped(tk *toolkit.Toolkit) domain.AuthScheme {
	for i := range tk.Auth {
		if typed(&tk.Auth[i]) && tk.Auth[i].OAuth == nil {
			return domain.AuthScheme(tk.Auth[i].Scheme)
		}
	}
	return domain.AuthScheme(tk.Auth[0].Scheme)
}

// defaultAuthConfig gives the config that a connection without a named one
// uses: the project's newest that sessions may choose by themselves, else the
// one made automatically, else one that is yet to be made and has no id.
func (s *Service) defaultAuthConfig(ctx context.Context, projectID string, tk *toolkit.Toolkit) (*domain.AuthConfig, error) {
	list, _, err := s.opts.Store.ListAuthConfigs(ctx, projectID, tk.Slug, store.Page{Limit: maxAuthConfigs})
	if err != nil {
		return nil, err
	}
	own := slices.IndexFunc(list, func(c domain.AuthConfig) bool {
		return c.Origin == domain.OriginProject && !c.Disabled && !c.RouterOff
	})
	if own >= 0 {
		return &list[own], nil
	}
	if auto := slices.IndexFunc(list, func(c domain.AuthConfig) bool { return c.Origin == domain.OriginAuto }); auto >= 0 {
		return &list[auto], switchedOff(&list[auto])
	}
	return &domain.AuthConfig{Toolkit: tk.Slug, Scheme: firstTyped(tk), Origin: domain.OriginAuto}, nil
}

// switchedOff is the error of a config that must not be chosen by itself, or nil.
func switchedOff(c *domain.AuthConfig) error {
	switch {
	case c.Disabled:
		return domain.Errorf(domain.CodeForbidden, "auth config %s, by which toolkit %s would be connected, is disabled", c.ID, c.Toolkit).
			WithFix("Enable it, or make another auth config of the toolkit.")
	case c.RouterOff:
		return domain.Errorf(domain.CodeForbidden, "auth config %s, by which toolkit %s would be connected, is not enabled for sessions", c.ID, c.Toolkit).
			WithFix("Name it in the session's auth_configs, or set is_enabled_for_tool_router.")
	}
	return nil
}

// ensureAuthConfig finds or makes the config of an origin other than project.
func (s *Service) ensureAuthConfig(ctx context.Context, tx store.Tx, projectID, toolkitSlug string, scheme domain.AuthScheme, origin domain.Origin) (domain.AuthConfig, error) {
	list, _, err := tx.ListAuthConfigs(ctx, projectID, toolkitSlug, store.Page{Limit: maxAuthConfigs})
	if err != nil {
		return domain.AuthConfig{}, err
	}
	if i := slices.IndexFunc(list, func(c domain.AuthConfig) bool { return c.Origin == origin }); i >= 0 {
		return list[i], switchedOff(&list[i])
	}
	c := s.newAuthConfig(projectID, toolkitSlug, toolkitSlug+"-"+string(origin), scheme, origin)
	return c, tx.CreateAuthConfig(ctx, c)
}

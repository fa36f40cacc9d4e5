package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

// ServerUse is what an address of an MCP server says: for whom, and how.
type ServerUse struct {
	ServerID string
	// UserID or AccountID: an account stands for its user, and is the only one that
	// is used. Where both are named they must belong together.
	UserID    string
	AccountID string
	// Helpers adds the tool that connects the user's accounts.
	Helpers bool
	// Proof is what Address sealed; it stands for an API key where the project lets
	// it.
	Proof string
}

// OpenServer gives a use of an MCP server of the principal's project: a session
// that is kept nowhere and lists exactly the server's tools. The project's rules
// hold in it as in any session.
func (s *Service) OpenServer(ctx context.Context, p domain.Principal, u ServerUse) (*Handle, error) {
	m, err := s.Server(ctx, p.ProjectID, u.ServerID)
	if err != nil {
		return nil, err
	}
	return s.useServer(ctx, p, &m, u, "")
}

// OpenServerByAddress is OpenServer for a request without an API key. It works
// where the project does not ask for one, and for an address that was made for the
// user; the principal is of the server's project, with the instance in the place of
// a key. Everything else is CodeUnauthenticated.
func (s *Service) OpenServerByAddress(ctx context.Context, u ServerUse) (*Handle, error) {
	refused := domain.Errorf(domain.CodeUnauthenticated, "missing API key: send it in the x-api-key header (or Authorization: Bearer …)").
		WithFix("Addresses that work without one are made by POST /api/v3.1/mcp/servers/generate, where the project's require_mcp_api_key is off.")
	if u.Proof == "" || s.opts.Sealer == nil {
		return nil, refused
	}
	m, err := s.opts.Store.MCPServerOfAny(ctx, u.ServerID)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeNotFound {
			return nil, refused // which servers there are is told to nobody
		}
		return nil, err
	}
	settings, err := s.opts.Store.ProjectSettings(ctx, m.ProjectID)
	if err != nil {
		return nil, err
	}
	id, err := s.opts.Sealer.OpenState(ctx, u.binding(), u.Proof)
	if err != nil || !settings.OpenMCP {
		return nil, refused
	}
	p := domain.Principal{ProjectID: m.ProjectID, KeyID: string(id)}
	h, err := s.useServer(ctx, p, &m, u, string(id))
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil, refused
	}
	return h, err
}

// binding is what a proof is sealed to: nothing of the address can be changed.
func (u *ServerUse) binding() string {
	sum := sha256.New()
	for _, part := range []string{u.ServerID, u.UserID, u.AccountID, strconv.FormatBool(u.Helpers)} {
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return "mcp_address/" + hex.EncodeToString(sum.Sum(nil))
}

// useServer makes the session. With an instance the user must have it still.
func (s *Service) useServer(ctx context.Context, p domain.Principal, m *domain.MCPServer, u ServerUse, instance string) (*Handle, error) {
	cfg := domain.SessionConfig{
		Toolkits: &domain.Selection{Enable: m.Toolkits}, SearchOff: true, MultiExecuteOff: true,
		ManageConnections: domain.ManageConnectionsConfig{Off: !u.Helpers}, Preload: domain.PreloadConfig{All: true},
		Tools: map[string]domain.ToolRule{}, AuthConfigs: map[string]string{},
	}
	if err := s.serverRules(ctx, m, &cfg); err != nil {
		return nil, err
	}
	user, err := s.serverUser(ctx, m, u, &cfg)
	if err != nil {
		return nil, err
	}
	if instance != "" {
		i, err := s.opts.Store.MCPInstance(ctx, m.ProjectID, m.ID, user)
		if err != nil {
			return nil, err
		}
		if i.ID != instance {
			return nil, domain.Errorf(domain.CodeNotFound, "the user was given this MCP server anew")
		}
	}
	key := ServerUse{ServerID: m.ID, UserID: user, AccountID: u.AccountID, Helpers: u.Helpers}
	sum := sha256.Sum256([]byte(key.binding()))
	return s.handle(p, domain.Session{
		ID: "mcp_" + hex.EncodeToString(sum[:13]), ProjectID: m.ProjectID, UserID: user, Config: cfg,
		Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, Server: m.ID,
	}), nil
}

// serverRules narrows the configuration to the server's tools and auth configs.
func (s *Service) serverRules(ctx context.Context, m *domain.MCPServer, cfg *domain.SessionConfig) error {
	if len(m.Tools) > 0 {
		var of []string
		for _, slug := range m.Tools {
			t, err := s.opts.Catalog.Tool(ctx, m.ProjectID, slug, "")
			if err != nil {
				continue // a newer catalogue no longer has it
			}
			rule := cfg.Tools[t.Toolkit.Slug]
			rule.Enable = append(rule.Enable, t.Slug)
			cfg.Tools[t.Toolkit.Slug] = rule
			of = append(of, t.Toolkit.Slug)
		}
		if of = unique(of); len(of) == 0 { // no toolkits would mean all
			return domain.Errorf(domain.CodeNotFound, "none of the tools of MCP server %q is there any more", m.Name)
		}
		cfg.Toolkits.Enable = of
	}
	for _, id := range m.AuthConfigs {
		ac, err := s.opts.Connect.AuthConfig(ctx, m.ProjectID, id)
		if domain.CodeOf(err) == domain.CodeNotFound {
			return domain.Errorf(domain.CodeNotFound, "auth config %s of MCP server %q was deleted", id, m.Name).
				WithFix("Give the server another one: PATCH /api/v3.1/mcp/%s.", m.ID)
		}
		if err != nil {
			return err
		}
		cfg.AuthConfigs[ac.Toolkit] = ac.ID
	}
	return nil
}

// serverUser says for whom the address is. One that names an account is for that
// account alone.
func (s *Service) serverUser(ctx context.Context, m *domain.MCPServer, u ServerUse, cfg *domain.SessionConfig) (string, error) {
	if u.AccountID == "" {
		if u.UserID == "" {
			return "", domain.Errorf(domain.CodeInvalid, "the address of MCP server %q does not say for whom", m.Name).
				WithFix("Add ?user_id=… or ?connected_account_id=….")
		}
		return u.UserID, connect.CheckUserID(u.UserID)
	}
	missing := domain.Errorf(domain.CodeNotFound, "there is no connected account %q for this MCP server", clip(u.AccountID))
	a, err := s.opts.Connect.Account(ctx, m.ProjectID, u.AccountID)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeNotFound {
			return "", missing
		}
		return "", err
	}
	config := cfg.AuthConfigs[a.Toolkit]
	if (u.UserID != "" && u.UserID != a.UserID) || (config != "" && config != a.AuthConfigID) ||
		!slices.Contains(cfg.Toolkits.Enable, a.Toolkit) {
		return "", missing
	}
	cfg.Toolkits.Enable = []string{a.Toolkit}
	cfg.ConnectedAccounts = map[string][]string{a.Toolkit: {a.ID}}
	return a.UserID, nil
}

// Address gives the user of an address after checking that it would work, and its
// proof where the project asks for no API key. The user then has an instance.
func (s *Service) Address(ctx context.Context, p domain.Principal, u ServerUse) (proof string, err error) {
	m, err := s.Server(ctx, p.ProjectID, u.ServerID)
	if err != nil {
		return "", err
	}
	h, err := s.useServer(ctx, p, &m, u, "")
	if err != nil {
		return "", err
	}
	i, err := s.giveInstance(ctx, &m, h.UserID)
	if err != nil {
		return "", err
	}
	settings, err := s.opts.Store.ProjectSettings(ctx, p.ProjectID)
	if err != nil || !settings.OpenMCP || s.opts.Sealer == nil {
		return "", err
	}
	return s.opts.Sealer.SealState(ctx, u.binding(), []byte(i.ID))
}

// Settings gives the project's switches.
func (s *Service) Settings(ctx context.Context, projectID string) (domain.ProjectSettings, error) {
	return s.opts.Store.ProjectSettings(ctx, projectID)
}

// SetSettings keeps the project's switches.
func (s *Service) SetSettings(ctx context.Context, projectID string, p domain.ProjectSettings) error {
	return s.opts.Store.PutProjectSettings(ctx, projectID, p)
}

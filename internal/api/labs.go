package api

import (
	"context"
	"net/http"

	"github.com/sluice-run/sluice/internal/domain"
)

func (s *server) labsRoutes() {
	handle(s, operation{
		id: "createLabsSession", method: http.MethodPost, path: "/labs/tool_router/session", tag: "sessions",
		summary: "Create a session, as clients of January 2026 did", status: http.StatusCreated,
	}, s.createLabsSession)
}

type labsSessionIn struct {
	Body struct {
		UserID string `json:"user_id" minLength:"1" maxLength:"256"`
		Config struct {
			Manual   bool          `json:"manually_manage_connections,omitempty" doc:"Without the tool that connects"`
			Toolkits []labsToolkit `json:"toolkits,omitempty" maxItems:"1000" nullable:"true" doc:"Only these; empty: all"`
		} `json:"config,omitempty"`
	}
}

type labsToolkit struct {
	Toolkit      string `json:"toolkit" minLength:"1"`
	AuthConfigID string `json:"auth_config_id,omitempty"`
}

type labsSessionOut struct {
	SessionID string `json:"session_id"`
	ChatURL   string `json:"chat_session_mcp_url" doc:"The session's MCP endpoint"`
	URL       string `json:"tool_router_instance_mcp_url" doc:"The same"`
}

// createLabsSession makes a session like any other from the older words.
func (s *server) createLabsSession(ctx context.Context, in *labsSessionIn) (labsSessionOut, error) {
	c, b := callerOf(ctx), &in.Body
	cfg := domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Off: b.Config.Manual}}
	for _, tk := range b.Config.Toolkits {
		if cfg.Toolkits == nil {
			cfg.Toolkits, cfg.AuthConfigs = &domain.Selection{}, map[string]string{}
		}
		cfg.Toolkits.Enable = append(cfg.Toolkits.Enable, tk.Toolkit)
		if tk.AuthConfigID != "" {
			cfg.AuthConfigs[tk.Toolkit] = tk.AuthConfigID
		}
	}
	h, err := s.Sessions.Create(ctx, c.principal, b.UserID, cfg)
	if err != nil {
		return labsSessionOut{}, err
	}
	at := c.origin + "/tool_router/" + h.ID + "/mcp"
	return labsSessionOut{SessionID: h.ID, ChatURL: at, URL: at}, nil
}

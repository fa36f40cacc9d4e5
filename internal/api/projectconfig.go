package api

import (
	"context"
	"net/http"

	"github.com/sluice-run/sluice/internal/domain"
)

const projectTag = "project"

func (s *server) projectConfigRoutes() {
	handle(s, operation{
		id: "getProjectConfig", method: http.MethodGet, path: "/org/project/config", tag: projectTag, summary: "Get the project's switches",
	}, s.getProjectConfig)
	handle(s, operation{
		id: "updateProjectConfig", method: http.MethodPatch, path: "/org/project/config", tag: projectTag,
		summary: "Change the project's switches; what is not named stays",
	}, s.updateProjectConfig)
}

type projectConfigOut struct {
	TwoFactor     bool   `json:"is_2FA_enabled" doc:"Always false: nobody signs in here"`
	LogoURL       string `json:"logo_url" doc:"Of connect pages"`
	DisplayName   string `json:"display_name" doc:"Of connect pages"`
	MaskSecrets   bool   `json:"mask_secret_keys_in_connected_account" doc:"Always true: secrets of accounts are shown to nobody"`
	LogVisibility string `json:"log_visibility_setting" enum:"show_all,dont_store_data"`
	RequireMCPKey bool   `json:"require_mcp_api_key" doc:"Addresses of MCP servers work with an API key only. Where it is off, addresses that are made from then on hold a token, and work without"`
}

func (s *server) getProjectConfig(ctx context.Context, _ *struct{}) (projectConfigOut, error) {
	project := callerOf(ctx).principal.ProjectID
	b, err := s.Connect.Branding(ctx, project)
	if err != nil {
		return projectConfigOut{}, err
	}
	p, err := s.Sessions.Settings(ctx, project)
	return projectConfigOut{
		LogoURL: b.Logo, DisplayName: b.Name, MaskSecrets: true, LogVisibility: logsShown, RequireMCPKey: !p.OpenMCP,
	}, err
}

// logsShown is the only way to keep logs that is offered.
const logsShown = "show_all"

type projectConfigIn struct{ Body projectSwitches }

type projectSwitches struct {
	TwoFactor     *bool   `json:"is_2FA_enabled,omitempty"`
	LogoURL       *string `json:"logo_url,omitempty"`
	DisplayName   *string `json:"display_name,omitempty"`
	MaskSecrets   *bool   `json:"mask_secret_keys_in_connected_account,omitempty"`
	LogVisibility *string `json:"log_visibility_setting,omitempty"`
	RequireMCPKey *bool   `json:"require_mcp_api_key,omitempty"`
}

func (s *server) updateProjectConfig(ctx context.Context, in *projectConfigIn) (projectConfigOut, error) {
	if err := in.Body.check(); err != nil {
		return projectConfigOut{}, err
	}
	if err := s.setSwitches(ctx, callerOf(ctx).principal.ProjectID, &in.Body); err != nil {
		return projectConfigOut{}, err
	}
	return s.getProjectConfig(ctx, nil)
}

// check refuses what a self-hosted server does not have.
func (b *projectSwitches) check() error {
	switch {
	case b.TwoFactor != nil && *b.TwoFactor:
		return notOfferedOption("is_2FA_enabled", "Nobody signs in to this server: whoever has an API key is the project.")
	case b.MaskSecrets != nil && !*b.MaskSecrets:
		return notOfferedOption("mask_secret_keys_in_connected_account", "Secrets of accounts are shown to nobody.")
	case b.LogVisibility != nil && *b.LogVisibility != logsShown:
		return notOfferedOption("log_visibility_setting", "How long records are kept is a setting of the server: keep_executions.")
	}
	return nil
}

func (s *server) setSwitches(ctx context.Context, project string, b *projectSwitches) error {
	if b.LogoURL != nil || b.DisplayName != nil {
		brand, err := s.Connect.Branding(ctx, project)
		if err != nil {
			return err
		}
		if b.LogoURL != nil {
			brand.Logo = *b.LogoURL
		}
		if b.DisplayName != nil {
			brand.Name = *b.DisplayName
		}
		if _, err := s.Connect.SetBranding(ctx, project, brand); err != nil {
			return err
		}
	}
	if b.RequireMCPKey == nil {
		return nil
	}
	return s.Sessions.SetSettings(ctx, project, domain.ProjectSettings{OpenMCP: !*b.RequireMCPKey})
}

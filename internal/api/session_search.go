package api

import (
	"context"
	"fmt"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/session"
)

type sessionSearchIn struct {
	SessionPath
	Body struct {
		Queries      []searchQueryIn `json:"queries" minItems:"1" maxItems:"20" nullable:"false"`
		Model        string          `json:"model,omitempty"`
		Experimental experimentalIn  `json:"experimental,omitempty"`
	}
}

type searchQueryIn struct {
	UseCase     string `json:"use_case" minLength:"1" maxLength:"1024"`
	KnownFields string `json:"known_fields,omitempty" maxLength:"500"`
}

type searchOut struct {
	Success           bool                    `json:"success"`
	Error             *string                 `json:"error"`
	Results           []searchResult          `json:"results"`
	ConnectionStatus  []searchConnection      `json:"toolkit_connection_statuses"`
	ToolSchemas       map[string]searchSchema `json:"tool_schemas"`
	TimeInfo          searchTime              `json:"time_info"`
	Session           searchSession           `json:"session"`
	NextStepsGuidance []string                `json:"next_steps_guidance"`
}

type searchResult struct {
	Index        int      `json:"index" doc:"From 1, in the order of the queries"`
	UseCase      string   `json:"use_case"`
	Guidance     string   `json:"execution_guidance,omitempty"`
	Difficulty   string   `json:"difficulty,omitempty"`
	Steps        []string `json:"recommended_plan_steps,omitempty"`
	Pitfalls     []string `json:"known_pitfalls,omitempty"`
	PrimarySlugs []string `json:"primary_tool_slugs"`
	RelatedSlugs []string `json:"related_tool_slugs"`
	Toolkits     []string `json:"toolkits"`
	Error        string   `json:"error,omitempty"`
}

type searchConnection struct {
	Toolkit             string            `json:"toolkit"`
	Description         string            `json:"description"`
	HasActiveConnection bool              `json:"has_active_connection"`
	ConnectionDetails   map[string]string `json:"connection_details,omitempty"`
	CurrentUserInfo     map[string]string `json:"current_user_info,omitempty"`
	AccountType         string            `json:"account_type,omitempty"`
	Accounts            []searchAccount   `json:"accounts,omitempty"`
	AccountSelection    string            `json:"account_selection,omitempty"`
	StatusMessage       string            `json:"status_message"`
}

type searchAccount struct {
	ID          string               `json:"id"`
	Alias       string               `json:"alias,omitempty"`
	UserInfo    map[string]string    `json:"user_info,omitempty"`
	Status      domain.AccountStatus `json:"status"`
	CreatedAt   string               `json:"created_at"`
	IsDefault   bool                 `json:"is_default"`
	AccountType string               `json:"account_type"`
}

type searchSchema struct {
	Toolkit       string `json:"toolkit"`
	ToolSlug      string `json:"tool_slug"`
	Description   string `json:"description"`
	InputSchema   object `json:"input_schema"`
	OutputSchema  object `json:"output_schema,omitempty"`
	HasFullSchema bool   `json:"hasFullSchema"`
}

type searchTime struct {
	UTC     string `json:"current_time_utc"`
	Epoch   int64  `json:"current_time_utc_epoch_seconds"`
	Message string `json:"message"`
}

type searchSession struct {
	ID           string `json:"id"`
	GenerateID   bool   `json:"generate_id"`
	Instructions string `json:"instructions"`
}

func (s *server) sessionSearch(ctx context.Context, in *sessionSearchIn) (searchOut, error) {
	h, err := s.open(ctx, in.SessionID)
	if err != nil {
		return searchOut{}, err
	}
	if h.Own, err = s.own(ctx, &in.Body.Experimental); err != nil {
		return searchOut{}, err
	}
	queries := make([]session.Query, 0, len(in.Body.Queries))
	for _, q := range in.Body.Queries {
		queries = append(queries, session.Query{UseCase: q.UseCase, KnownFields: q.KnownFields})
	}
	found, err := s.Sessions.Search(ctx, h, queries)
	if err != nil {
		return searchOut{}, err
	}
	return searchWire(h, found), nil
}

func searchWire(h *session.Handle, found *session.Found) searchOut {
	out := searchOut{
		Success: true,
		Results: []searchResult{}, ConnectionStatus: []searchConnection{}, ToolSchemas: map[string]searchSchema{},
		TimeInfo: searchTime{UTC: wireTime(found.Now), Epoch: found.Now.Unix(), Message: "The time now, in UTC."},
		Session: searchSession{
			ID: domain.NewID("")[18:], GenerateID: true,
			Instructions: "Pass this id as session_id to the meta tools of the same task.",
		},
		NextStepsGuidance: []string{},
	}
	failed := 0
	for i, r := range found.Results {
		if r.Error != "" {
			failed++
		}
		out.Results = append(out.Results, searchResult{
			Index: i + 1, UseCase: r.Query.UseCase, Guidance: r.Guidance, Difficulty: r.Level,
			Steps: r.Steps, Pitfalls: r.Pitfalls, PrimarySlugs: slugs(r.Primary), RelatedSlugs: slugs(r.Related),
			Toolkits: toolkitsOf(r), Error: r.Error,
		})
	}
	if failed > 0 {
		text := fmt.Sprintf("%d out of %d searches failed", failed, len(found.Results))
		out.Error, out.Success = &text, failed < len(found.Results)
	}
	for _, t := range found.Tools {
		out.ToolSchemas[t.Slug] = searchSchema{
			Toolkit: t.Toolkit.Slug, ToolSlug: t.Slug, Description: t.Description,
			InputSchema: orEmpty(t.Input), OutputSchema: object(t.Output), HasFullSchema: true,
		}
	}
	for _, state := range found.Toolkits {
		c := connectionWire(h, state)
		if !c.HasActiveConnection && !state.Toolkit.NoAuth() {
			out.NextStepsGuidance = append(out.NextStepsGuidance, c.StatusMessage)
		}
		out.ConnectionStatus = append(out.ConnectionStatus, c)
	}
	if len(found.Tools) > 0 {
		out.NextStepsGuidance = append(out.NextStepsGuidance, "Run the tools with arguments that fit their input_schema.")
	}
	return out
}

func slugs(tools []*catalog.Tool) []string {
	out := make([]string, 0, len(tools))
	for _, t := range tools {
		out = append(out, t.Slug)
	}
	return out
}

func toolkitsOf(r session.FoundResult) []string {
	out, seen := []string{}, map[string]bool{}
	for _, list := range [][]*catalog.Tool{r.Primary, r.Related} {
		for _, t := range list {
			if !seen[t.Toolkit.Slug] {
				seen[t.Toolkit.Slug] = true
				out = append(out, t.Toolkit.Slug)
			}
		}
	}
	return out
}

func connectionWire(h *session.Handle, state session.ToolkitState) searchConnection {
	name := state.Toolkit.Name
	out := searchConnection{Toolkit: state.Toolkit.Slug, Description: state.Toolkit.Description}
	switch {
	case state.Toolkit.NoAuth():
		out.HasActiveConnection = true
		out.StatusMessage = name + " needs no connection."
	case state.Account != nil && state.Account.Usable():
		out.HasActiveConnection = true
		out.ConnectionDetails = map[string]string{"id": state.Account.ID}
		out.CurrentUserInfo = state.Account.Identity
		out.AccountType = accountPrivate
		out.StatusMessage = name + " is connected and ready to use."
	default:
		out.StatusMessage = name + " is not connected: start with COMPOSIO_MANAGE_CONNECTIONS or POST …/link and let the user open the link."
	}
	for _, a := range state.All {
		out.Accounts = append(out.Accounts, searchAccount{
			ID: a.ID, Alias: a.Alias, UserInfo: a.Identity, Status: a.Status, CreatedAt: wireTime(a.CreatedAt),
			IsDefault: state.Account != nil && a.ID == state.Account.ID, AccountType: accountPrivate,
		})
	}
	if ma := h.Config.MultiAccount; ma.Enable && ma.RequireExplicit && len(out.Accounts) > 1 {
		out.AccountSelection = "required"
	}
	return out
}

package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/session"
)

// sessionOut is the answer that describes a session (§2.1).
type sessionOut struct {
	SessionID       string           `json:"session_id"`
	MCP             mcpOut           `json:"mcp"`
	ToolRouterTools []string         `json:"tool_router_tools" doc:"The meta tools that the session offers"`
	Config          configOut        `json:"config"`
	ConfigVersion   int              `json:"config_version" doc:"Raised by one with each change"`
	Experimental    *experimentalOut `json:"experimental,omitempty"`
	Warnings        *[]warningOut    `json:"warnings,omitempty"`
}

type mcpOut struct {
	Type string `json:"type" enum:"http"`
	URL  string `json:"url" doc:"The session's MCP endpoint; authenticate with the same API key"`
}

type warningOut struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type experimentalOut struct {
	AssistivePrompt string             `json:"assistive_prompt"`
	CustomToolkits  []customToolkitOut `json:"custom_toolkits"`
	CustomTools     []customToolOut    `json:"custom_tools"`
}

type configOut struct {
	UserID            string                 `json:"user_id"`
	Toolkits          *selectionOut          `json:"toolkits,omitempty"`
	AuthConfigs       map[string]string      `json:"auth_configs,omitempty"`
	ConnectedAccounts *pinnedOut             `json:"connected_accounts,omitempty"`
	ManageConnections manageOut              `json:"manage_connections"`
	Tools             map[string]toolRuleOut `json:"tools,omitempty"`
	Tags              *selectionOut          `json:"tags,omitempty"`
	Workbench         workbenchOut           `json:"workbench"`
	ProxyExecute      *searchSwitchOut       `json:"proxy_execute,omitempty"`
	MultiAccount      multiAccountOut        `json:"multi_account"`
	Preload           preloadOut             `json:"preload"`
	Search            searchSwitchOut        `json:"search"`
	Execute           executeSwitchOut       `json:"execute"`
	Experimental      *configExperimental    `json:"experimental,omitempty" doc:"Ours: the contract's answers do not tell permissions"`
	Instant           bool                   `json:"instant" doc:"Always false: there are no paid tools"`
}

type configExperimental struct {
	Permissions *permissionsOut `json:"permissions,omitempty"`
}

type selectionOut struct {
	Enabled  []string `json:"enabled,omitempty"`
	Disabled []string `json:"disabled,omitempty"`
}

type toolRuleOut struct {
	Enabled  []string      `json:"enabled,omitempty"`
	Disabled []string      `json:"disabled,omitempty"`
	Tags     *selectionOut `json:"tags,omitempty"`
}

type manageOut struct {
	Enabled     bool   `json:"enabled"`
	CallbackURL string `json:"callback_url,omitempty"`
	Wait        bool   `json:"enable_wait_for_connections"`
	Removal     *bool  `json:"enable_connection_removal,omitempty"`
}

type workbenchOut struct {
	Enable    bool   `json:"enable" doc:"Always false: the workbench is not offered yet"`
	Proxy     *bool  `json:"proxy_execution_enabled,omitempty"`
	Threshold *int   `json:"auto_offload_threshold,omitempty"`
	Size      string `json:"sandbox_size,omitempty"`
}

type multiAccountOut struct {
	Enable   bool `json:"enable"`
	Max      int  `json:"max_accounts_per_toolkit"`
	Explicit bool `json:"require_explicit_selection"`
}

type preloadOut struct {
	Tools preloadedOut `json:"tools"`
}

type searchSwitchOut struct {
	Enable bool `json:"enable"`
}

type executeSwitchOut struct {
	Multi bool `json:"enable_multi_execute"`
}

// preloadedOut writes "all" or a list.
type preloadedOut domain.PreloadConfig

// MarshalJSON writes either form.
func (p preloadedOut) MarshalJSON() ([]byte, error) {
	switch {
	case p.All:
		return []byte(`"all"`), nil
	case p.Tools == nil:
		return []byte("[]"), nil
	}
	return json.Marshal(p.Tools)
}

// Schema shows both forms.
func (preloadedOut) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeString, Enum: []any{"all"}},
		r.Schema(reflect.TypeFor[[]string](), true, ""),
	}}
}

// pinnedOut are the pinned accounts: lists under v3.1, single ids under v3.
type pinnedOut struct {
	accounts map[string][]string
	v3       bool
}

// MarshalJSON writes the form of the version.
func (p pinnedOut) MarshalJSON() ([]byte, error) {
	if !p.v3 {
		return json.Marshal(p.accounts)
	}
	first := map[string]string{}
	for slug, ids := range p.accounts {
		if len(ids) > 0 {
			first[slug] = ids[0]
		}
	}
	return json.Marshal(first)
}

// Schema shows the form of v3.1.
func (pinnedOut) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[map[string][]string](), true, "")
}

const (
	defaultMaxAccounts = 5
	// A model's attention suffers long before a client's limit on tools.
	manyPreloaded = 50
)

// describe gives the session's answer. created adds what only create, change
// and attach answer with.
func (s *server) describe(h *session.Handle, c caller, created bool) (sessionOut, error) {
	out := sessionOut{
		SessionID:       h.ID,
		MCP:             mcpOut{Type: "http", URL: c.origin + "/tool_router/" + h.ID + "/mcp"},
		ToolRouterTools: append([]string{}, s.Sessions.MetaSlugs(h)...),
		Config:          configWire(h.UserID, h.Config, c.v3),
		ConfigVersion:   h.Version,
	}
	if !created {
		return out, nil
	}
	out.Experimental = &experimentalOut{AssistivePrompt: assistivePrompt(out.ToolRouterTools)}
	out.Experimental.tell(h.Own)
	out.Warnings = &[]warningOut{}
	set, err := s.Sessions.Tools(h)
	if err != nil {
		return sessionOut{}, err
	}
	if len(set.Tools)-len(out.ToolRouterTools) > manyPreloaded {
		out.Warnings = &[]warningOut{{
			Code:    "PRELOAD_TOOLS_HIGH_CONTEXT_USAGE",
			Message: "Many tools are preloaded; their schemas take much of a model's context. Preload the few that are used often and let search find the rest.",
		}}
	}
	return out, nil
}

// assistivePrompt is what an agent's instructions may say about the session: of
// the tools that it offers only.
func assistivePrompt(offered []string) string {
	says := []struct{ tool, text string }{
		{policy.SearchTools, "Find tools with COMPOSIO_SEARCH_TOOLS before you act."},
		{policy.ManageConnections, "Connect what is not connected with COMPOSIO_MANAGE_CONNECTIONS and give the user its link."},
		{policy.MultiExecute, "Run tools with COMPOSIO_MULTI_EXECUTE_TOOL."},
	}
	var lines []string
	for _, s := range says {
		if slices.Contains(offered, s.tool) {
			lines = append(lines, s.text)
		}
	}
	return strings.Join(append(lines, "Take ids from answers, never invent them."), " ")
}

func configWire(userID string, cfg domain.SessionConfig, v3 bool) configOut {
	out := configOut{
		UserID:      userID,
		AuthConfigs: cfg.AuthConfigs,
		Tags:        tagsWire(cfg.Tags),
		ManageConnections: manageOut{
			Enabled: !cfg.ManageConnections.Off, CallbackURL: cfg.ManageConnections.CallbackURL,
			Wait: cfg.ManageConnections.Wait, Removal: cfg.ManageConnections.Removal,
		},
		Workbench: workbenchOut{
			Proxy: cfg.Workbench.ProxyExecution, Threshold: cfg.Workbench.AutoOffloadThreshold, Size: cfg.Workbench.SandboxSize,
		},
		MultiAccount: multiAccountOut{
			Enable: cfg.MultiAccount.Enable, Max: cfg.MultiAccount.Max, Explicit: cfg.MultiAccount.RequireExplicit,
		},
		Preload: preloadOut{Tools: preloadedOut(cfg.Preload)},
		Search:  searchSwitchOut{Enable: !cfg.SearchOff},
		Execute: executeSwitchOut{Multi: !cfg.MultiExecuteOff},
	}
	if p := permissionsWire(cfg.Permissions); p != nil {
		out.Experimental = &configExperimental{Permissions: p}
	}
	if out.MultiAccount.Max == 0 {
		out.MultiAccount.Max = defaultMaxAccounts
	}
	if on := cfg.ProxyExecute; on != nil {
		out.ProxyExecute = &searchSwitchOut{Enable: *on}
	}
	if t := cfg.Toolkits; t != nil {
		out.Toolkits = &selectionOut{Enabled: t.Enable, Disabled: t.Disable}
	}
	if len(cfg.ConnectedAccounts) > 0 {
		out.ConnectedAccounts = &pinnedOut{accounts: cfg.ConnectedAccounts, v3: v3}
	}
	for slug, rule := range cfg.Tools {
		if out.Tools == nil {
			out.Tools = map[string]toolRuleOut{}
		}
		out.Tools[slug] = toolRuleOut{Enabled: rule.Enable, Disabled: rule.Disable, Tags: tagsWire(rule.Tags)}
	}
	return out
}

func tagsWire(t *domain.TagRule) *selectionOut {
	if t == nil {
		return nil
	}
	return &selectionOut{Enabled: t.Enable, Disabled: t.Disable}
}

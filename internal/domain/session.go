package domain

import "time"

// Session is a tool router session: one user of one project, and what an agent
// may do for them through one MCP URL.
type Session struct {
	ID        string
	ProjectID string
	UserID    string
	Config    SessionConfig
	Version   int // raised by one with each change of Config
	CreatedAt time.Time
	UpdatedAt time.Time
	// Server is the MCP server that this is a use of; empty for a session that is
	// kept.
	Server string
}

// SessionVersion is one state that a session's configuration had, or has.
type SessionVersion struct {
	Version   int
	Config    SessionConfig
	CreatedAt time.Time
}

// SessionConfig is what a session was asked to be (contract §2.1). Pointers are
// switches whose absence means the default. It is kept as JSON; the wire has
// its own types.
type SessionConfig struct {
	Toolkits          *Selection              `json:"toolkits,omitempty"`
	Tools             map[string]ToolRule     `json:"tools,omitempty"` // by toolkit slug
	Tags              *TagRule                `json:"tags,omitempty"`
	AuthConfigs       map[string]string       `json:"auth_configs,omitempty"`       // toolkit → auth config id
	ConnectedAccounts map[string][]string     `json:"connected_accounts,omitempty"` // toolkit → account ids
	ManageConnections ManageConnectionsConfig `json:"manage_connections"`
	Workbench         WorkbenchConfig         `json:"workbench"`
	ProxyExecute      *bool                   `json:"proxy_execute,omitempty"` // nil: as the tools are restricted
	MultiAccount      MultiAccountConfig      `json:"multi_account"`
	Preload           PreloadConfig           `json:"preload"`
	SearchOff         bool                    `json:"search_off,omitempty"`
	MultiExecuteOff   bool                    `json:"multi_execute_off,omitempty"`
	Permissions       *PermissionsConfig      `json:"permissions,omitempty"`
	LinkBase          string                  `json:"link_base,omitempty"` // where its connect links begin; "": at the server's own origin
}

// Selection enables only, or disables, the named things; never both.
type Selection struct {
	Enable  []string `json:"enable,omitempty"`
	Disable []string `json:"disable,omitempty"`
}

// ToolRule narrows one toolkit: by tool slugs, or by tags.
type ToolRule struct {
	Enable  []string `json:"enable,omitempty"`
	Disable []string `json:"disable,omitempty"`
	Tags    *TagRule `json:"tags,omitempty"`
}

// TagRule keeps tools that have at least one enabled tag (when any are named)
// and none of the disabled ones.
type TagRule struct {
	Enable  []string `json:"enable,omitempty"`
	Disable []string `json:"disable,omitempty"`
}

// ManageConnectionsConfig switches the connection meta tools.
type ManageConnectionsConfig struct {
	Off         bool   `json:"off,omitempty"`
	CallbackURL string `json:"callback_url,omitempty"`
	Wait        bool   `json:"wait,omitempty"`
	// Removal is nil when not asked for; it is echoed, and has no effect yet.
	Removal *bool `json:"removal,omitempty"`
}

// WorkbenchConfig is kept and echoed; the workbench itself is not offered yet.
type WorkbenchConfig struct {
	ProxyExecution       *bool  `json:"proxy_execution,omitempty"`
	AutoOffloadThreshold *int   `json:"auto_offload_threshold,omitempty"`
	SandboxSize          string `json:"sandbox_size,omitempty"`
}

// MultiAccountConfig lets a session use several accounts of one toolkit.
type MultiAccountConfig struct {
	Enable          bool `json:"enable,omitempty"`
	Max             int  `json:"max,omitempty"` // per toolkit, 2–10; 0 means 5
	RequireExplicit bool `json:"require_explicit,omitempty"`
}

// PreloadConfig lists the tools that the MCP endpoint shows directly.
type PreloadConfig struct {
	All   bool     `json:"all,omitempty"`
	Tools []string `json:"tools,omitempty"`
}

// Permission is what a session says of a call that it may make.
type Permission string

// The permissions, in the contract's words (§2.1).
const (
	AlwaysAllow Permission = "always_allow"
	AlwaysDeny  Permission = "always_deny"
	AskOnce     Permission = "ask_once"   // a person answers once a session for a tool on an account
	AskAlways   Permission = "ask_always" // a person answers for each call
)

// PermissionsConfig says which calls run, which are refused and which wait for a
// person's word. See package policy for the keys of Overrides.
type PermissionsConfig struct {
	Default   Permission            `json:"default,omitempty"` // AlwaysAllow when empty
	Overrides map[string]Permission `json:"overrides,omitempty"`
}

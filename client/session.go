package client

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
)

// SessionOptions says what a session may use; the zero value is everything.
type SessionOptions struct {
	// Toolkits enables only these toolkits.
	Toolkits []string
	// DisableToolkits hides these; not together with Toolkits.
	DisableToolkits []string
	// Tools narrows single toolkits, by slug.
	Tools map[string]ToolRule
	// Tags keeps tools by their hints: readOnlyHint, destructiveHint,
	// idempotentHint, openWorldHint.
	Tags *TagRule
	// ConnectedAccounts pins the accounts to use, by toolkit.
	ConnectedAccounts map[string][]string
	// AuthConfigs says by which auth config the session connects and chooses
	// accounts, by toolkit.
	AuthConfigs map[string]string
	// Preload lists tools that the MCP endpoint shows directly; PreloadAll shows
	// every allowed one.
	Preload    []string
	PreloadAll bool
	// NoSearch, NoConnections and NoMultiExecute switch meta tools off.
	NoSearch, NoConnections, NoMultiExecute bool
	// WaitForConnections offers the meta tool that waits for a person to connect.
	WaitForConnections bool
	// NoRemoval withholds from the agent that it removes connections.
	NoRemoval bool
	// CallbackURL is where a person's browser goes after connecting.
	CallbackURL string
	// LinkOrigin is where the session's connect links begin, in place of the
	// server's origin: a host of the application that passes /link/ on to it.
	LinkOrigin string
	// MultiAccount lets the user have several accounts of a toolkit; nil: one.
	MultiAccount *MultiAccount
	// Proxy says whether Session.Proxy may be used; nil: unless tools are restricted.
	Proxy *bool
	// CustomTools are tools that the application runs by itself. The server keeps
	// none of them: the Session sends them along, and Client.Attach brings them to a
	// session that exists.
	CustomTools []CustomTool
	// CustomToolkits are the same under toolkits of their own.
	CustomToolkits []CustomToolkit
	// Permissions say which calls run, which are refused and which wait for a
	// person's word; nil allows all.
	Permissions *Permissions
}

// MultiAccount is how a session treats several accounts of a toolkit.
type MultiAccount struct {
	Max      int  // 2 to 10; 0: the server's choice, 5
	Explicit bool // a call must say which account it is for
}

// CustomTool is a tool of the application's own. Agents find it by searching, among
// the server's tools, and the application runs it.
type CustomTool struct {
	Slug        string          `json:"slug"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Toolkit     string          `json:"extends_toolkit,omitempty"`
	Input       json.RawMessage `json:"input_schema"` // JSON Schema
	Output      json.RawMessage `json:"output_schema,omitempty"`
	Preload     bool            `json:"preload,omitempty"`
}

// CustomToolkit is a toolkit of the application's own.
type CustomToolkit struct {
	Slug        string       `json:"slug"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Preload     bool         `json:"preload,omitempty"`
	Tools       []CustomTool `json:"tools"`
}

// custom are tools that the server keeps nowhere.
type custom struct {
	tools    []CustomTool
	toolkits []CustomToolkit
}

// ToolRule enables only, or disables, tools of a toolkit, by slug or by tag.
type ToolRule struct {
	Enable  []string `json:"enable,omitempty"`
	Disable []string `json:"disable,omitempty"`
	Tags    *TagRule `json:"tags,omitempty"`
}

// TagRule keeps tools with one of the enabled tags and none of the disabled.
type TagRule struct {
	Enable  []string `json:"enable,omitempty"`
	Disable []string `json:"disable,omitempty"`
}

// Session is an open tool router session.
type Session struct {
	ID     string
	UserID string
	MCP    MCP
	// MetaTools are the slugs of the meta tools that the session offers.
	MetaTools []string
	// Version is raised with each change of the session's configuration.
	Version int
	// CustomTools are the application's own tools, those of its toolkits too, by the
	// slugs that they have here.
	CustomTools map[string]CustomTool
	// Prompt tells an agent of tools that its MCP URL does not list, for the
	// application to add to the agent's instructions; empty without CustomTools.
	Prompt string
	// Warnings are what the server thinks of the configuration; there may be none.
	Warnings []Warning

	client *Client
	custom custom // as they were given
}

// Warning is something that a session was made in spite of.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// LogValue leaves the key out, which MCP holds.
func (s *Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", s.ID), slog.String("user_id", s.UserID))
}

// MCP is how an MCP client reaches a session.
type MCP struct {
	URL string
	// Headers must be sent with every request; they hold the API key.
	Headers map[string]string
}

// String leaves the headers out.
func (m MCP) String() string { return m.URL }

// GoString leaves the headers out.
func (m MCP) GoString() string { return m.URL }

// LogValue leaves the headers out.
func (m MCP) LogValue() slog.Value { return slog.StringValue(m.URL) }

type sessionRequest struct {
	UserID            string              `json:"user_id"`
	Toolkits          *enableDisable      `json:"toolkits,omitempty"`
	Tools             map[string]ToolRule `json:"tools,omitempty"`
	Tags              *TagRule            `json:"tags,omitempty"`
	ConnectedAccounts map[string][]string `json:"connected_accounts,omitempty"`
	AuthConfigs       map[string]string   `json:"auth_configs,omitempty"`
	ManageConnections manageConnections   `json:"manage_connections"`
	MultiAccount      *multiAccount       `json:"multi_account,omitempty"`
	Proxy             *search             `json:"proxy_execute,omitempty"`
	Preload           *preload            `json:"preload,omitempty"`
	Search            *search             `json:"search,omitempty"`
	Execute           *execute            `json:"execute,omitempty"`

	Experimental *sessionExperimental `json:"experimental,omitempty"`
}

type enableDisable struct {
	Enable  []string `json:"enable,omitempty"`
	Disable []string `json:"disable,omitempty"`
}

type manageConnections struct {
	Enable      bool   `json:"enable"`
	CallbackURL string `json:"callback_url,omitempty"`
	Wait        bool   `json:"enable_wait_for_connections,omitempty"`
	Removal     *bool  `json:"enable_connection_removal,omitempty"`
}

type multiAccount struct {
	Enable   bool `json:"enable"`
	Max      int  `json:"max_accounts_per_toolkit,omitempty"`
	Explicit bool `json:"require_explicit_selection,omitempty"`
}

type preload struct {
	Tools any `json:"tools"` // a list, or "all"
}

type search struct {
	Enable bool `json:"enable"`
}

type execute struct {
	MultiExecute bool `json:"enable_multi_execute"`
}

func (o *SessionOptions) custom() custom { return custom{o.CustomTools, o.CustomToolkits} }

func (o *SessionOptions) request(userID string) sessionRequest {
	r := sessionRequest{
		UserID: userID, Tools: o.Tools, Tags: o.Tags, ConnectedAccounts: o.ConnectedAccounts, AuthConfigs: o.AuthConfigs,
		Experimental:      experimental(o.Permissions, o.custom(), o.LinkOrigin),
		ManageConnections: manageConnections{Enable: !o.NoConnections, CallbackURL: o.CallbackURL, Wait: o.WaitForConnections},
	}
	if o.NoRemoval {
		r.ManageConnections.Removal = new(bool)
	}
	if m := o.MultiAccount; m != nil {
		r.MultiAccount = &multiAccount{Enable: true, Max: m.Max, Explicit: m.Explicit}
	}
	if o.Proxy != nil {
		r.Proxy = &search{Enable: *o.Proxy}
	}
	if len(o.Toolkits)+len(o.DisableToolkits) > 0 {
		r.Toolkits = &enableDisable{Enable: o.Toolkits, Disable: o.DisableToolkits}
	}
	switch {
	case o.PreloadAll:
		r.Preload = &preload{Tools: "all"}
	case len(o.Preload) > 0:
		r.Preload = &preload{Tools: o.Preload}
	}
	if o.NoSearch {
		r.Search = &search{}
	}
	if o.NoMultiExecute {
		r.Execute = &execute{}
	}
	return r
}

type sessionAnswer struct {
	ID  string `json:"session_id"`
	MCP struct {
		URL string `json:"url"`
	} `json:"mcp"`
	MetaTools []string `json:"tool_router_tools"`
	Config    struct {
		UserID string `json:"user_id"`
	} `json:"config"`
	Version      int `json:"config_version"`
	Experimental struct {
		Prompt         string          `json:"assistive_prompt"`
		CustomTools    []CustomTool    `json:"custom_tools"`
		CustomToolkits []CustomToolkit `json:"custom_toolkits"`
	} `json:"experimental"`
	Warnings []Warning `json:"warnings"`
}

func (c *Client) session(a *sessionAnswer, own custom) *Session {
	s := &Session{client: c, MCP: MCP{Headers: map[string]string{"x-api-key": c.key()}}}
	s.take(a, own)
	return s
}

// take makes the session what an answer says.
func (s *Session) take(a *sessionAnswer, own custom) {
	s.ID, s.UserID, s.MCP.URL, s.MetaTools, s.Version = a.ID, a.Config.UserID, a.MCP.URL, a.MetaTools, a.Version
	s.Prompt, s.Warnings = a.Experimental.Prompt, a.Warnings
	s.custom, s.CustomTools = own, map[string]CustomTool{}
	tools := a.Experimental.CustomTools
	for _, tk := range a.Experimental.CustomToolkits {
		tools = append(tools, tk.Tools...)
	}
	for _, t := range tools {
		s.CustomTools[t.Slug] = t
	}
}

// Create opens a session for one of the application's users. userID is the
// application's own id of them.
func (c *Client) Create(ctx context.Context, userID string, opts SessionOptions) (*Session, error) {
	var a sessionAnswer
	if err := c.do(ctx, http.MethodPost, "/tool_router/session", nil, opts.request(userID), &a); err != nil {
		return nil, err
	}
	return c.session(&a, opts.custom()), nil
}

// Use gives a session that exists already.
func (c *Client) Use(ctx context.Context, id string) (*Session, error) {
	var a sessionAnswer
	if err := c.do(ctx, http.MethodGet, "/tool_router/session/"+url.PathEscape(id), nil, nil, &a); err != nil {
		return nil, err
	}
	return c.session(&a, custom{}), nil
}

// AttachOptions say what a session that exists gets.
type AttachOptions struct {
	CustomTools    []CustomTool
	CustomToolkits []CustomToolkit
	Permissions    *Permissions // nil leaves them as they are
}

// Attach gives a session that exists already, with the application's own tools.
func (c *Client) Attach(ctx context.Context, id string, opts AttachOptions) (*Session, error) {
	own := custom{opts.CustomTools, opts.CustomToolkits}
	in := struct {
		Experimental *sessionExperimental `json:"experimental,omitempty"`
	}{experimental(opts.Permissions, own, "")}
	var a sessionAnswer
	if err := c.do(ctx, http.MethodPost, "/tool_router/session/"+url.PathEscape(id)+"/attach", nil, in, &a); err != nil {
		return nil, err
	}
	return c.session(&a, own), nil
}

// Configure gives the session a new configuration, and brings s up to date: what
// is zero in opts goes back to its default. It fails with [ErrConflict] when the
// configuration was changed since s was got or configured. Others must not use s
// meanwhile.
func (s *Session) Configure(ctx context.Context, opts SessionOptions) error {
	r := opts.request("")
	permissions := Permissions{}
	if opts.Permissions != nil {
		permissions = *opts.Permissions
	}
	kept := map[string]any{"permissions": permissions.wire(), "link_url_overwrite": nil}
	if opts.LinkOrigin != "" {
		kept["link_url_overwrite"] = opts.LinkOrigin
	}
	// What is null goes back to its default.
	in := map[string]any{
		"toolkits": r.Toolkits, "tools": r.Tools, "tags": r.Tags, "auth_configs": r.AuthConfigs,
		"connected_accounts": r.ConnectedAccounts, "multi_account": r.MultiAccount, "proxy_execute": r.Proxy,
		"preload": r.Preload, "search": r.Search, "execute": r.Execute,
		"manage_connections": map[string]any{
			"enable": !opts.NoConnections, "callback_url": opts.CallbackURL,
			"enable_wait_for_connections": opts.WaitForConnections, "enable_connection_removal": r.ManageConnections.Removal,
		},
		"experimental": kept, "expected_config_version": s.Version,
	}
	var a sessionAnswer
	if err := s.client.do(ctx, http.MethodPatch, s.path(""), nil, in, &a); err != nil {
		return err
	}
	s.take(&a, opts.custom())
	return nil
}

// Delete ends the session: its MCP URL answers 404 from then on.
func (s *Session) Delete(ctx context.Context) error {
	return s.client.do(ctx, http.MethodDelete, s.path(""), nil, nil, nil)
}

func (s *Session) path(rest string) string {
	return "/tool_router/session/" + url.PathEscape(s.ID) + rest
}

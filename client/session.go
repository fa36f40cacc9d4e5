package client

import (
	"context"
	"encoding/json"
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
	// CallbackURL is where a person's browser goes after connecting.
	CallbackURL string
	// Permissions say which calls run, which are refused and which wait for a
	// person's word; nil allows all.
	Permissions *Permissions
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

	client *Client
}

// MCP is how an MCP client reaches a session.
type MCP struct {
	URL string
	// Headers must be sent with every request; they hold the API key.
	Headers map[string]string
}

type sessionRequest struct {
	UserID            string              `json:"user_id"`
	Toolkits          *enableDisable      `json:"toolkits,omitempty"`
	Tools             map[string]ToolRule `json:"tools,omitempty"`
	Tags              *TagRule            `json:"tags,omitempty"`
	ConnectedAccounts map[string][]string `json:"connected_accounts,omitempty"`
	AuthConfigs       map[string]string   `json:"auth_configs,omitempty"`
	ManageConnections manageConnections   `json:"manage_connections"`
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

func (o SessionOptions) request(userID string) sessionRequest {
	r := sessionRequest{
		UserID: userID, Tools: o.Tools, Tags: o.Tags, ConnectedAccounts: o.ConnectedAccounts, AuthConfigs: o.AuthConfigs,
		Experimental:      experimental(o.Permissions),
		ManageConnections: manageConnections{Enable: !o.NoConnections, CallbackURL: o.CallbackURL, Wait: o.WaitForConnections},
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
	Version int `json:"config_version"`
}

func (c *Client) session(a sessionAnswer) *Session {
	return &Session{
		ID: a.ID, UserID: a.Config.UserID, MetaTools: a.MetaTools, Version: a.Version, client: c,
		MCP: MCP{URL: a.MCP.URL, Headers: map[string]string{"x-api-key": c.key}},
	}
}

// Create opens a session for one of the application's users. userID is the
// application's own id of them.
func (c *Client) Create(ctx context.Context, userID string, opts SessionOptions) (*Session, error) {
	var a sessionAnswer
	if err := c.do(ctx, http.MethodPost, "/tool_router/session", nil, opts.request(userID), &a); err != nil {
		return nil, err
	}
	return c.session(a), nil
}

// Use gives a session that exists already.
func (c *Client) Use(ctx context.Context, id string) (*Session, error) {
	var a sessionAnswer
	if err := c.do(ctx, http.MethodGet, "/tool_router/session/"+url.PathEscape(id), nil, nil, &a); err != nil {
		return nil, err
	}
	return c.session(a), nil
}

// Delete ends the session: its MCP URL answers 404 from then on.
func (s *Session) Delete(ctx context.Context) error {
	return s.client.do(ctx, http.MethodDelete, s.path(""), nil, nil, nil)
}

func (s *Session) path(rest string) string {
	return "/tool_router/session/" + url.PathEscape(s.ID) + rest
}

// Result is how a tool call ended. A call that ran and failed is a Result, not
// an error.
type Result struct {
	Successful bool            `json:"successful"`
	Data       json.RawMessage `json:"data"`
	Error      string          `json:"error"`
	LogID      string          `json:"log_id"`
	// AccountID is the account that the tool ran on; empty where it needed none.
	AccountID string `json:"connected_account_id"`
}

// Execute runs a tool, a meta tool too, in the session. arguments marshals to a
// JSON object; nil means none. account chooses among several accounts and may
// be empty.
func (s *Session) Execute(ctx context.Context, tool string, arguments any, account string) (*Result, error) {
	in := struct {
		Tool      string `json:"tool_slug"`
		Arguments any    `json:"arguments,omitempty"`
		Account   string `json:"account,omitempty"`
	}{tool, arguments, account}
	var a struct {
		Data  json.RawMessage `json:"data"`
		Error *string         `json:"error"`
		LogID string          `json:"log_id"`
		On    string          `json:"connected_account_id"`
	}
	if err := s.client.do(ctx, http.MethodPost, s.path("/execute"), nil, in, &a); err != nil {
		return nil, err
	}
	r := &Result{Successful: a.Error == nil, Data: a.Data, LogID: a.LogID, AccountID: a.On}
	if a.Error != nil {
		r.Error = *a.Error
	}
	return r, nil
}

// Found is the answer of a search for one use case.
type Found struct {
	UseCase  string   `json:"use_case"`
	Primary  []string `json:"primary_tool_slugs"`
	Related  []string `json:"related_tool_slugs"`
	Steps    []string `json:"recommended_plan_steps"`
	Pitfalls []string `json:"known_pitfalls"`
	Toolkits []string `json:"toolkits"`
	Error    *string  `json:"error"`
}

// FoundTool is what a search says of one tool.
type FoundTool struct {
	Slug        string          `json:"tool_slug"`
	Toolkit     string          `json:"toolkit"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"`
}

// SearchAnswer is the outcome of a search.
type SearchAnswer struct {
	Results []Found              `json:"results"`
	Tools   map[string]FoundTool `json:"tool_schemas"`
}

// Search finds tools for use cases in plain words, among those that the session
// may use.
func (s *Session) Search(ctx context.Context, useCases ...string) (*SearchAnswer, error) {
	type query struct {
		UseCase string `json:"use_case"`
	}
	var in struct {
		Queries []query `json:"queries"`
	}
	for _, u := range useCases {
		in.Queries = append(in.Queries, query{u})
	}
	var a SearchAnswer
	if err := s.client.do(ctx, http.MethodPost, s.path("/search"), nil, in, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// Link is a page on which a person connects an account.
type Link struct {
	URL       string `json:"redirect_url"`
	Token     string `json:"link_token"`
	AccountID string `json:"connected_account_id"`
}

// Connect starts a connection of the session's user to a toolkit: show the
// person the link, then wait for the account to become ACTIVE.
func (s *Session) Connect(ctx context.Context, toolkit string) (*Link, error) {
	in := struct {
		Toolkit string `json:"toolkit"`
	}{toolkit}
	var l Link
	if err := s.client.do(ctx, http.MethodPost, s.path("/link"), nil, in, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

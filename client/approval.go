package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
)

// What a session says of a call: the values of Permissions.
const (
	AlwaysAllow = "always_allow"
	AlwaysDeny  = "always_deny"
	AskOnce     = "ask_once"   // a person answers once a session, for a tool on an account
	AskAlways   = "ask_always" // a person answers for each call
)

// Permissions say which calls of a session run, which are refused, and which wait
// for a person's word. A person is asked by the MCP client where it can
// (elicitation); elsewhere the call is refused with an Error that has an
// ApprovalID: see Client.DecideApproval.
type Permissions struct {
	// Default is allow_all (also when empty), ask_every_call or ask_once_per_session.
	Default string `json:"default"`
	// Overrides are by TOOL:ACCOUNT, TOOL, tag.TAG, toolkit.SLUG, *:ACCOUNT or *.
	Overrides map[string]string `json:"overrides,omitempty"`
}

type sessionExperimental struct {
	Permissions *Permissions `json:"permissions,omitempty"`
	LinkOrigin  string       `json:"link_url_overwrite,omitempty"`

	CustomTools    []CustomTool    `json:"custom_tools,omitempty"`
	CustomToolkits []CustomToolkit `json:"custom_toolkits,omitempty"`
}

// experimental is nil where nothing is given.
func experimental(p *Permissions, own custom, link string) *sessionExperimental {
	if p == nil && len(own.tools)+len(own.toolkits) == 0 && link == "" {
		return nil
	}
	x := &sessionExperimental{CustomTools: own.tools, CustomToolkits: own.toolkits, LinkOrigin: link}
	if p != nil {
		x.Permissions = p.wire()
	}
	return x
}

func (p *Permissions) wire() *Permissions {
	out := *p
	if out.Default == "" {
		out.Default = "allow_all"
	}
	return &out
}

// SetPermissions replaces the session's permissions.
func (s *Session) SetPermissions(ctx context.Context, p Permissions) error {
	in := struct {
		Experimental *sessionExperimental `json:"experimental"`
	}{experimental(&p, custom{}, "")}
	var a sessionAnswer
	if err := s.client.do(ctx, http.MethodPatch, s.path(""), nil, in, &a); err != nil {
		return err
	}
	s.Version = a.Version
	return nil
}

// Approval is a person's word on a call, or a call that waits for it.
type Approval struct {
	ID        string `json:"id"`
	State     string `json:"state"` // pending, allowed, denied or used
	Scope     string `json:"scope"` // once: this call alone; session: the tool on the account
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id"`
	Toolkit   struct {
		Slug string `json:"slug"`
	} `json:"toolkit"`
	Tool          string          `json:"tool_slug"`
	AccountID     string          `json:"connected_account_id"`
	Arguments     json.RawMessage `json:"arguments"`
	ArgumentsText string          `json:"arguments_text"` // the beginning of large ones
	CreatedAt     string          `json:"created_at"`
	ExpiresAt     string          `json:"expires_at"` // empty: with the session
	DecidedAt     string          `json:"decided_at"`
	DecidedBy     string          `json:"decided_by"`
	DecidedVia    string          `json:"decided_via"` // mcp or rest
	KeyID         string          `json:"decided_with_key_id"`
	UsedAt        string          `json:"used_at"`
	LogID         string          `json:"log_id"`
}

// ApprovalQuery narrows a list of approvals; empty fields do not.
type ApprovalQuery struct {
	SessionID, UserID, Tool string
	// State is pending, allowed, denied or used; of pending ones those that have
	// expired are left out.
	State string
}

const approvals = "/sluice/approvals"

// Approvals lists approvals, newest first.
func (c *Client) Approvals(ctx context.Context, q ApprovalQuery) iter.Seq2[Approval, error] {
	return pages[Approval](ctx, c, approvals, values(map[string]string{
		"session_id": q.SessionID, "user_id": q.UserID, "tool_slug": q.Tool, "state": q.State,
	}, nil))
}

// Approval gives one approval.
func (c *Client) Approval(ctx context.Context, id string) (*Approval, error) {
	var out Approval
	if err := c.do(ctx, http.MethodGet, approvals+"/"+url.PathEscape(id), nil, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// DecideApproval allows or denies a call that waits; the agent then repeats it. by
// is who decided, in the application's words; it is kept and may be empty.
func (c *Client) DecideApproval(ctx context.Context, id string, allow bool, by string) (*Approval, error) {
	in := struct {
		Decision string `json:"decision"`
		By       string `json:"decided_by,omitempty"`
	}{"deny", by}
	if allow {
		in.Decision = "allow"
	}
	var out Approval
	if err := c.do(ctx, http.MethodPost, approvals+"/"+url.PathEscape(id), nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// BringRequest is an account of another server.
type BringRequest struct {
	UserID       string
	AuthConfigID string // of this server
	Alias        string
	Values       map[string]string // public values, such as the site; never secrets
}

// BringAccount keeps an account that its user connected on another server. It is
// EXPIRED until they connect it again, on the page that RefreshAccount gives the
// address of; its id, alias and pins stay the same then.
func (c *Client) BringAccount(ctx context.Context, r BringRequest) (*Account, error) {
	val := map[string]string{"status": "EXPIRED"}
	for k, v := range r.Values {
		val[k] = v
	}
	connection := map[string]any{"user_id": r.UserID, "state": map[string]any{"val": val}}
	if r.Alias != "" {
		connection["alias"] = r.Alias
	}
	var a struct {
		ID string `json:"id"`
	}
	in := map[string]any{"auth_config": map[string]string{"id": r.AuthConfigID}, "connection": connection}
	if err := c.do(ctx, http.MethodPost, "/connected_accounts", nil, in, &a); err != nil {
		return nil, err
	}
	return c.Account(ctx, a.ID)
}

// SessionConfig gives the configuration of a session as the server answers it
// (contract §2.1): user_id, toolkits, tools, connected_accounts and the like.
func (c *Client) SessionConfig(ctx context.Context, id string) (json.RawMessage, error) {
	var a struct {
		Config json.RawMessage `json:"config"`
	}
	if err := c.do(ctx, http.MethodGet, "/tool_router/session/"+url.PathEscape(id), nil, nil, &a); err != nil {
		return nil, err
	}
	return a.Config, nil
}

// CreateWith opens a session by a request that is written already (contract §2.1);
// it holds user_id.
func (c *Client) CreateWith(ctx context.Context, request json.RawMessage) (*Session, error) {
	var a sessionAnswer
	if err := c.do(ctx, http.MethodPost, "/tool_router/session", nil, request, &a); err != nil {
		return nil, err
	}
	return c.session(&a, custom{}), nil
}

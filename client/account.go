package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// Account is a user's connection to a toolkit.
type Account struct {
	ID      string `json:"id"`
	WordID  string `json:"word_id"`
	Alias   string `json:"alias"`
	UserID  string `json:"user_id"`
	Status  string `json:"status"`
	Reason  string `json:"status_reason"`
	Toolkit struct {
		Slug string `json:"slug"`
	} `json:"toolkit"`
	CreatedAt string `json:"created_at"`
	// Data are the connection's public fields, such as its site; never secrets.
	Data map[string]any `json:"data"`
}

// AccountQuery narrows a list of accounts; empty fields do not.
type AccountQuery struct {
	UserIDs, Toolkits, Statuses []string
}

// Accounts lists connections, newest first.
func (c *Client) Accounts(ctx context.Context, q AccountQuery) iter.Seq2[Account, error] {
	v := url.Values{}
	for key, list := range map[string][]string{"user_ids": q.UserIDs, "toolkit_slugs": q.Toolkits, "statuses": q.Statuses} {
		if len(list) > 0 {
			v.Set(key, strings.Join(list, ","))
		}
	}
	return pages[Account](ctx, c, "/connected_accounts", v)
}

// Account gives one connection.
func (c *Client) Account(ctx context.Context, id string) (*Account, error) {
	var a Account
	if err := c.do(ctx, http.MethodGet, "/connected_accounts/"+url.PathEscape(id), nil, nil, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// DeleteAccount removes a connection and its secrets.
func (c *Client) DeleteAccount(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/connected_accounts/"+url.PathEscape(id), nil, nil, nil)
}

// ConnectRequest connects an account with values that are at hand, for schemes
// that need no browser.
type ConnectRequest struct {
	UserID  string
	Toolkit string
	Scheme  string // "API_KEY"
	// Values are what ConnectFields asked for, secrets among them.
	Values map[string]string
}

// ConnectAccount checks the values with a call to the application, keeps them
// sealed and gives the account, ACTIVE. Values that the application refuses are
// an *Error that says why.
func (c *Client) ConnectAccount(ctx context.Context, r ConnectRequest) (*Account, error) {
	config, err := c.authConfig(ctx, r.Toolkit, r.Scheme)
	if err != nil {
		return nil, err
	}
	val := map[string]string{"status": "INITIALIZING"}
	for k, v := range r.Values {
		val[k] = v
	}
	in := map[string]any{
		"auth_config": map[string]string{"id": config},
		"connection": map[string]any{
			"user_id": r.UserID,
			"state":   map[string]any{"authScheme": r.Scheme, "val": val},
		},
		"validate_credentials": true,
	}
	var a struct {
		ID string `json:"id"`
	}
	if err := c.do(ctx, http.MethodPost, "/connected_accounts", nil, in, &a); err != nil {
		return nil, err
	}
	return c.Account(ctx, a.ID)
}

// authConfig gives the id of the project's auth config for the toolkit and
// scheme, and makes one when there is none.
func (c *Client) authConfig(ctx context.Context, toolkit, scheme string) (string, error) {
	type config struct {
		ID     string `json:"id"`
		Scheme string `json:"auth_scheme"`
		Status string `json:"status"`
		Type   string `json:"type"`
	}
	for a, err := range pages[config](ctx, c, "/auth_configs", url.Values{"toolkit_slug": {toolkit}}) {
		if err != nil {
			return "", err
		}
		if a.Scheme == scheme && a.Status == "ENABLED" && a.Type == "custom" {
			return a.ID, nil
		}
	}
	in := map[string]any{
		"toolkit":     map[string]string{"slug": toolkit},
		"auth_config": map[string]any{"type": "use_custom_auth", "authScheme": scheme, "credentials": map[string]any{}},
	}
	var made struct {
		Config config `json:"auth_config"`
	}
	if err := c.do(ctx, http.MethodPost, "/auth_configs", nil, in, &made); err != nil {
		return "", err
	}
	return made.Config.ID, nil
}

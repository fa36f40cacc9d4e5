package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
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
	Data       map[string]any `json:"data"`
	Disabled   bool           `json:"is_disabled"`
	AuthConfig struct {
		ID       string `json:"id"`
		Scheme   string `json:"auth_scheme"`
		Disabled bool   `json:"is_disabled"`
	} `json:"auth_config"`
	State struct {
		// Val holds what is known of the grant: scope, expires_in, base_url.
		Val map[string]any `json:"val"`
	} `json:"state"`
	// Requested are the scopes that connecting asks for now; only Account tells.
	Requested []string `json:"requested_scopes"`
	UpdatedAt string   `json:"updated_at"`
}

// AccountQuery narrows a list of accounts; empty fields do not.
type AccountQuery struct {
	IDs, UserIDs, Toolkits, Statuses, AuthConfigIDs []string
}

// Accounts lists connections, newest first.
func (c *Client) Accounts(ctx context.Context, q AccountQuery) iter.Seq2[Account, error] {
	return pages[Account](ctx, c, "/connected_accounts", values(nil, map[string][]string{
		"connected_account_ids": q.IDs, "user_ids": q.UserIDs, "toolkit_slugs": q.Toolkits, "statuses": q.Statuses, "auth_config_ids": q.AuthConfigIDs,
	}))
}

// Account gives one connection.
func (c *Client) Account(ctx context.Context, id string) (*Account, error) {
	var a Account
	if err := c.do(ctx, http.MethodGet, "/connected_accounts/"+url.PathEscape(id), nil, nil, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// DeleteAccount removes a connection and its secrets; with revoke its grant is
// ended at the provider before. note says what is left to do there; it may be
// empty.
func (c *Client) DeleteAccount(ctx context.Context, id string, revoke bool) (note string, err error) {
	var a struct {
		Note string `json:"note"`
	}
	err = c.do(ctx, http.MethodDelete, "/connected_accounts/"+url.PathEscape(id), revokeQuery(revoke), nil, &a)
	return a.Note, err
}

// UpdateCredentials gives an account other credentials of its scheme, which are
// proven with a call to the application first; values that are not named stay.
func (c *Client) UpdateCredentials(ctx context.Context, id, scheme string, values map[string]string) error {
	in := map[string]any{"connection": map[string]any{"state": map[string]any{"authScheme": scheme, "val": values}}}
	return c.do(ctx, http.MethodPatch, "/connected_accounts/"+url.PathEscape(id), nil, in, nil)
}

// SetAlias gives an account a name of the user's own; empty takes it away.
func (c *Client) SetAlias(ctx context.Context, id, alias string) error {
	return c.do(ctx, http.MethodPatch, "/connected_accounts/"+url.PathEscape(id), nil, map[string]string{"alias": alias}, nil)
}

// EnableAccount enables or disables an account: on a disabled one nothing runs.
func (c *Client) EnableAccount(ctx context.Context, id string, enabled bool) error {
	return c.do(ctx, http.MethodPatch, "/connected_accounts/"+url.PathEscape(id)+"/status", nil, map[string]bool{"enabled": enabled}, nil)
}

// Refreshed is how a refresh ended.
type Refreshed struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	// URL is where the user connects the same account again; empty when nobody
	// needs to.
	URL string `json:"redirect_url"`
}

// RefreshAccount renews an account's tokens, and with validate asks the
// application whether the credentials are good.
func (c *Client) RefreshAccount(ctx context.Context, id string, validate bool) (*Refreshed, error) {
	var r Refreshed
	in := map[string]bool{"validate_credentials": validate}
	if err := c.do(ctx, http.MethodPost, "/connected_accounts/"+url.PathEscape(id)+"/refresh", nil, in, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// Revoked is how a revocation ended.
type Revoked struct {
	Tokens []string `json:"revoked_tokens"` // what the provider took back
	Note   string   `json:"note"`           // what is left to do there; may be empty
}

// RevokeAccount ends an account's grant at the provider and destroys its tokens
// here. Credentials that were typed in cannot be revoked: *Error with status 400.
func (c *Client) RevokeAccount(ctx context.Context, id string) (*Revoked, error) {
	var r Revoked
	if err := c.do(ctx, http.MethodPost, "/connected_accounts/"+url.PathEscape(id)+"/revoke", nil, nil, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// LinkRequest asks for a page on which a user connects an account.
type LinkRequest struct {
	UserID       string
	AuthConfigID string
	Alias        string
	CallbackURL  string            // where the browser goes afterwards
	Values       map[string]string // public values that the page shows already
}

// LinkAccount starts connecting a user: show them the link, then WaitForAccount.
func (c *Client) LinkAccount(ctx context.Context, r LinkRequest) (*Link, error) {
	in := struct {
		UserID       string            `json:"user_id"`
		AuthConfigID string            `json:"auth_config_id"`
		Alias        string            `json:"alias,omitempty"`
		CallbackURL  string            `json:"callback_url,omitempty"`
		Values       map[string]string `json:"connection_data,omitempty"`
	}{r.UserID, r.AuthConfigID, r.Alias, r.CallbackURL, r.Values}
	var l Link
	if err := c.do(ctx, http.MethodPost, "/connected_accounts/link", nil, in, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// waitInterval is how often WaitForAccount looks.
const waitInterval = time.Second

// WaitForAccount waits until the account is ACTIVE and gives it. It ends with
// ctx, and with an error that says why when the connection failed, was revoked,
// or ran out of time.
func (c *Client) WaitForAccount(ctx context.Context, id string) (*Account, error) {
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	for {
		a, err := c.Account(ctx, id)
		if err != nil {
			return nil, err
		}
		switch a.Status {
		case "ACTIVE":
			return a, nil
		case "FAILED", "EXPIRED", "REVOKED":
			reason := ""
			if a.Reason != "" {
				reason = ": " + a.Reason
			}
			return nil, &Error{Message: "account " + id + " is " + a.Status + reason + ".", Fix: "Start the connection again."}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// ConnectRequest connects an account with values that are at hand, for schemes
// that need no browser.
type ConnectRequest struct {
	UserID  string
	Toolkit string
	Scheme  string // "API_KEY", "S2S_OAUTH2"
	// AuthConfigID chooses among the project's auth configs; empty: its newest of
	// the scheme, which is made for schemes that ask nothing of the project.
	AuthConfigID string
	Alias        string
	// Values are what ConnectFields asked for, secrets among them.
	Values map[string]string
}

// ConnectAccount checks the values with a call to the application, keeps them
// sealed and gives the account, ACTIVE. Values that the application refuses are
// an *Error that says why.
func (c *Client) ConnectAccount(ctx context.Context, r ConnectRequest) (*Account, error) {
	config, err := r.AuthConfigID, error(nil)
	if config == "" {
		config, err = c.authConfig(ctx, r.Toolkit, r.Scheme)
	}
	if err != nil {
		return nil, err
	}
	val := map[string]string{"status": "INITIALIZING"}
	for k, v := range r.Values {
		val[k] = v
	}
	connection := map[string]any{"user_id": r.UserID, "state": map[string]any{"authScheme": r.Scheme, "val": val}}
	if r.Alias != "" {
		connection["alias"] = r.Alias
	}
	in := map[string]any{
		"auth_config":          map[string]string{"id": config},
		"connection":           connection,
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

// authConfig gives the id of the project's newest enabled auth config for the
// toolkit and scheme, and makes one when there is none.
func (c *Client) authConfig(ctx context.Context, toolkit, scheme string) (string, error) {
	for a, err := range c.AuthConfigs(ctx, toolkit) {
		if err != nil {
			return "", err
		}
		if a.Scheme == scheme && a.Status == "ENABLED" && a.ForSessions {
			return a.ID, nil
		}
	}
	made, err := c.CreateAuthConfig(ctx, NewAuthConfig{Toolkit: toolkit, Scheme: scheme})
	if err != nil {
		return "", err
	}
	return made.ID, nil
}

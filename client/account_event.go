package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// AccountEvent is something that became of an account by itself.
type AccountEvent struct {
	ID        string `json:"id"`
	AccountID string `json:"connected_account_id"`
	UserID    string `json:"user_id"`
	Type      string `json:"type"` // expiring, expired, recovered or revoked
	Reason    string `json:"reason"`
	Toolkit   struct {
		Slug string `json:"slug"`
	} `json:"toolkit"`
	CreatedAt string `json:"created_at"`
}

// AccountEventQuery narrows a list of account events; empty fields do not.
type AccountEventQuery struct {
	AccountID string
	Types     []string
}

// AccountEvents lists what became of accounts, newest first.
func (c *Client) AccountEvents(ctx context.Context, q AccountEventQuery) iter.Seq2[AccountEvent, error] {
	return pages[AccountEvent](ctx, c, "/sluice/account_events", values(map[string]string{"connected_account_id": q.AccountID},
		map[string][]string{"types": q.Types}))
}

// ConnectedToolkits gives the toolkits that a user is connected to.
func (c *Client) ConnectedToolkits(ctx context.Context, userID string) ([]string, error) {
	var a struct {
		Toolkits []string `json:"toolkits"`
	}
	err := c.do(ctx, http.MethodGet, "/org/consumer/connected_toolkits", url.Values{"user_id": {userID}}, nil, &a)
	return a.Toolkits, err
}

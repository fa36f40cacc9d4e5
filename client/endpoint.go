package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Endpoint is an address at which an application tells the project's triggers of
// changes.
type Endpoint struct {
	ID      string `json:"id"`
	Toolkit string `json:"toolkit_slug"`
	// ClientID narrows whose accounts are told: an OAuth client id or the id of an
	// auth config; empty means all of the toolkit.
	ClientID string `json:"client_id"`
	// The rest is empty in the answer of Endpoints.
	URL    string `json:"webhook_url"`
	Header string `json:"secret_header"` // in which the application sends the secret
	Data   struct {
		// Secret is told by CreateEndpoint when it makes one, and masked elsewhere.
		Secret string `json:"secret"`
	} `json:"data"`
	PreviousUntil string `json:"previous_secret_valid_until"`
	ReceivedAt    string `json:"last_received_at"`
	LastError     string `json:"last_error"`
	CreatedAt     string `json:"created_at"`
}

const endpoints = "/webhook_endpoints"

// CreateEndpoint makes the endpoint of a toolkit, or gives the one that is there,
// whose secret is masked. clientID may be empty.
func (c *Client) CreateEndpoint(ctx context.Context, toolkit, clientID string) (*Endpoint, error) {
	in := map[string]string{"toolkit_slug": toolkit}
	if clientID != "" {
		in["client_id"] = clientID
	}
	var out Endpoint
	if err := c.do(ctx, http.MethodPost, endpoints, nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Endpoints gives the project's endpoints, oldest first; an empty toolkit means all.
func (c *Client) Endpoints(ctx context.Context, toolkit string) ([]Endpoint, error) {
	q := values(map[string]string{"toolkit_slug": toolkit}, nil)
	var out struct {
		Items []Endpoint `json:"items"`
	}
	err := c.do(ctx, http.MethodGet, endpoints, q, nil, &out)
	return out.Items, err
}

// Endpoint gives an endpoint.
func (c *Client) Endpoint(ctx context.Context, id string) (*Endpoint, error) {
	var out Endpoint
	if err := c.do(ctx, http.MethodGet, endpoints+"/"+url.PathEscape(id), nil, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// SetEndpointSecret gives the endpoint a secret of the caller's choice. With
// overlap the one of before is taken for a day more; without it ends at once.
func (c *Client) SetEndpointSecret(ctx context.Context, id, secret string, overlap bool) (*Endpoint, error) {
	method := http.MethodPost
	if overlap {
		method = http.MethodPatch
	}
	in := map[string]any{"data": map[string]string{"secret": secret}}
	var out Endpoint
	if err := c.do(ctx, method, endpoints+"/"+url.PathEscape(id), nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// RotateEndpointSecret gives the endpoint a new secret. For the overlap the one of
// before is taken as well; a negative overlap means the router's choice, a day.
func (c *Client) RotateEndpointSecret(ctx context.Context, id string, overlap time.Duration) (secret, previousUntil string, err error) {
	in := map[string]int{}
	if overlap >= 0 {
		in["overlap_seconds"] = int(overlap / time.Second)
	}
	var out struct {
		Secret string `json:"secret"`
		Until  string `json:"previous_secret_valid_until"`
	}
	err = c.do(ctx, http.MethodPost, endpoints+"/"+url.PathEscape(id)+"/rotate_secret", nil, in, &out)
	return out.Secret, out.Until, err
}

// DeleteEndpoint ends an endpoint; what it received and was not looked into yet is
// dropped.
func (c *Client) DeleteEndpoint(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, endpoints+"/"+url.PathEscape(id), nil, nil, nil)
}

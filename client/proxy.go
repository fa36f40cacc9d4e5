package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Request is a request to an application in your own words. The router sends it
// to the account's own site, with the account's credentials.
type Request struct {
	Method   string // GET when empty
	Endpoint string // path below the account's address, or an address there
	Query    url.Values
	Header   http.Header
	Body     any         // marshals to JSON; nil for none
	Binary   *BinaryBody // in place of Body
	// Credentials are for this request alone, in place of an account's.
	Credentials *Credentials
	// Account chooses among several accounts of a session; it may be empty.
	Account string
}

// BinaryBody is a body that is no JSON: what URL gives, a public address or one of
// the router's files, or Content.
type BinaryBody struct {
	URL     string `json:"url,omitempty"`
	Content []byte `json:"base64,omitempty"`
	MIME    string `json:"content_type,omitempty"`
}

// Response is what the application answered, whatever its status.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"` // names in lower case
	// Data is JSON; text is a JSON string. It is empty where Binary is set.
	Data   json.RawMessage `json:"data"`
	Binary *Binary         `json:"binary_data"`
	LogID  string          `json:"log_id"`
}

// Binary is a body that is no text, kept for a while.
type Binary struct {
	URL       string    `json:"url"`
	MIME      string    `json:"content_type"`
	Size      int64     `json:"size"`
	ExpiresAt time.Time `json:"expires_at"`
}

type proxyRequest struct {
	Toolkit    string       `json:"toolkit_slug,omitempty"`
	AccountID  string       `json:"connected_account_id,omitempty"`
	Account    string       `json:"account,omitempty"`
	Endpoint   string       `json:"endpoint"`
	Method     string       `json:"method"`
	Body       any          `json:"body,omitempty"`
	Binary     *BinaryBody  `json:"binary_body,omitempty"`
	Parameters []proxyParam `json:"parameters,omitempty"`

	Credentials *credentialsIn `json:"custom_connection_data,omitempty"`
}

type proxyParam struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Type  string `json:"type"`
}

func (r *Request) wire() proxyRequest {
	out := proxyRequest{Endpoint: r.Endpoint, Method: r.Method, Body: r.Body, Binary: r.Binary, Credentials: r.Credentials.wire()}
	if out.Method == "" {
		out.Method = http.MethodGet
	}
	for kind, values := range map[string]map[string][]string{"query": r.Query, "header": r.Header} {
		for name, list := range values {
			for _, v := range list {
				out.Parameters = append(out.Parameters, proxyParam{Name: name, Value: v, Type: kind})
			}
		}
	}
	return out
}

// Proxy sends a request to the site of the session's user.
func (s *Session) Proxy(ctx context.Context, toolkit string, r Request) (*Response, error) {
	in := r.wire()
	in.Toolkit, in.Account = toolkit, r.Account
	var out Response
	if err := s.client.do(ctx, http.MethodPost, s.path("/proxy_execute"), nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Proxy sends a request to the site of a connected account; accountID is empty
// where the request has credentials of its own.
func (c *Client) Proxy(ctx context.Context, accountID string, r Request) (*Response, error) {
	in := r.wire()
	in.AccountID = accountID
	var out Response
	if err := c.do(ctx, http.MethodPost, "/tools/execute/proxy", nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

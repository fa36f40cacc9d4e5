package client

import (
	"context"
	"net/http"
	"time"
)

// Consent is a sign-in at a provider whose answer the user carries back by hand:
// for programs on a machine that the user's browser cannot reach.
type Consent struct {
	AuthorizeURL string    `json:"authorize_url"` // for any browser of the user
	RedirectURI  string    `json:"redirect_uri"`  // where they end; it need not load
	ExpiresAt    time.Time `json:"expires_at"`
	Flow         string    `json:"flow"`
	Secret       string    `json:"secret"` // whoever holds it may answer
}

// BeginConsent begins the sign-in of a link that nobody has begun with. values
// are public ones that the page would ask for.
func (c *Client) BeginConsent(ctx context.Context, linkToken string, values map[string]string) (*Consent, error) {
	in := struct {
		Token  string            `json:"link_token"`
		Values map[string]string `json:"connection_data,omitempty"`
	}{linkToken, values}
	var out Consent
	if err := c.do(ctx, http.MethodPost, "/sluice/consents", nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// ConsentResult is where a sign-in has led.
type ConsentResult struct {
	Status    string        `json:"status"` // "connected", "question" or "failed"
	AccountID string        `json:"connected_account_id"`
	Sites     []ConsentSite `json:"sites"`         // of a question: FinishConsent with one
	Message   string        `json:"message"`       // why it failed
	Fix       string        `json:"suggested_fix"` // what to do then
}

// ConsentSite is a place that was consented to, and what is missing there.
type ConsentSite struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Missing []string `json:"missing_scopes"`
	Lost    []string `json:"lost_tools"`
	Of      int      `json:"tools"`
}

// AnswerConsent takes the whole address on which the provider left the user. An
// address that is not the answer is *Error with status 400, and may be followed
// by another.
func (c *Client) AnswerConsent(ctx context.Context, begun *Consent, address string) (*ConsentResult, error) {
	return c.consent(ctx, "/answer", map[string]string{"flow": begun.Flow, "secret": begun.Secret, "address": address})
}

// FinishConsent answers a question with the id of a site.
func (c *Client) FinishConsent(ctx context.Context, begun *Consent, site string) (*ConsentResult, error) {
	return c.consent(ctx, "/finish", map[string]string{"flow": begun.Flow, "secret": begun.Secret, "site": site})
}

func (c *Client) consent(ctx context.Context, step string, in map[string]string) (*ConsentResult, error) {
	var out ConsentResult
	if err := c.do(ctx, http.MethodPost, "/sluice/consents"+step, nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// ConnectCode leads to a link when it is typed on the router's page.
type ConnectCode struct {
	Code      string    `json:"code"`     // for one use
	PageURL   string    `json:"page_url"` // where it is typed, on any device
	ExpiresAt time.Time `json:"expires_at"`
}

// CreateConnectCode gives a code for a link that nobody has begun with. Only the
// code leads there from then on.
func (c *Client) CreateConnectCode(ctx context.Context, linkToken string) (*ConnectCode, error) {
	var out ConnectCode
	if err := c.do(ctx, http.MethodPost, "/sluice/connect_codes", nil, map[string]string{"link_token": linkToken}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
